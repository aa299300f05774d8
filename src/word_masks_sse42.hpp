// One 64-byte word with SSE4.2: a bit per byte. For the kernels of this instruction set only: it also sets
// HYPERCOPY_TARGET, and everything has internal linkage, so that no two instruction sets share a function.
#pragma once

#include <immintrin.h>

#include <cstddef>
#include <cstdint>

#define HYPERCOPY_TARGET __attribute__((target("sse4.2,popcnt")))

namespace hypercopy {
namespace {

class Sse42Masks {
 public:
  HYPERCOPY_TARGET static inline Sse42Masks load(const char* word) {
    Sse42Masks masks;
    for (std::size_t part = 0; part < 4; ++part) {
      masks.parts_[part] = _mm_loadu_si128(reinterpret_cast<const __m128i*>(word + 16 * part));
    }
    return masks;
  }

  HYPERCOPY_TARGET inline std::uint64_t equal(char byte) const {
    const __m128i wanted = _mm_set1_epi8(byte);
    std::uint64_t bits = 0;
    for (std::size_t part = 0; part < 4; ++part) {
      const auto part_bits =
          static_cast<std::uint32_t>(_mm_movemask_epi8(_mm_cmpeq_epi8(parts_[part], wanted)));
      bits |= std::uint64_t{part_bits} << (16 * part);
    }
    return bits;
  }

  // Shifts, because a CPU with SSE4.2 need not have PCLMULQDQ.
  HYPERCOPY_TARGET static inline std::uint64_t prefix_xor(std::uint64_t bits) {
    for (unsigned distance = 1; distance < 64; distance *= 2) bits ^= bits << distance;
    return bits;
  }

  // What no bit gives is any number.
  HYPERCOPY_TARGET static inline std::uint32_t lowest_bit(std::uint64_t bits) {
    return static_cast<std::uint32_t>(__builtin_ctzll(bits | (std::uint64_t{1} << 63U)));
  }

 private:
  __m128i parts_[4];
};

}  // namespace
}  // namespace hypercopy
