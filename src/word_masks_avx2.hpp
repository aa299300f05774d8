// One 64-byte word with AVX2: a bit per byte. For the kernels of this instruction set only: it also sets
// HYPERCOPY_TARGET, and everything has internal linkage, so that no two instruction sets share a function.
#pragma once

#include <immintrin.h>

#include <cstddef>
#include <cstdint>

#define HYPERCOPY_TARGET __attribute__((target("avx2,pclmul,popcnt,bmi")))

namespace hypercopy {
namespace {

class Avx2Masks {
 public:
  HYPERCOPY_TARGET static inline Avx2Masks load(const char* word) {
    Avx2Masks masks;
    masks.low_ = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(word));
    masks.high_ = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(word + 32));
    return masks;
  }

  HYPERCOPY_TARGET inline std::uint64_t equal(char byte) const {
    const __m256i wanted = _mm256_set1_epi8(byte);
    const auto low = static_cast<std::uint32_t>(_mm256_movemask_epi8(_mm256_cmpeq_epi8(low_, wanted)));
    const auto high = static_cast<std::uint32_t>(_mm256_movemask_epi8(_mm256_cmpeq_epi8(high_, wanted)));
    return low | (std::uint64_t{high} << 32);
  }

  // A carry-less product with all ones is the prefix-xor.
  HYPERCOPY_TARGET static inline std::uint64_t prefix_xor(std::uint64_t bits) {
    const __m128i factor = _mm_cvtsi64_si128(static_cast<long long>(bits));
    const __m128i product = _mm_clmulepi64_si128(factor, _mm_set1_epi8(-1), 0);
    return static_cast<std::uint64_t>(_mm_cvtsi128_si64(product));
  }

  // What no bit gives is any number.
  HYPERCOPY_TARGET static inline std::uint32_t lowest_bit(std::uint64_t bits) {
    return static_cast<std::uint32_t>(_tzcnt_u64(bits));
  }

 private:
  __m256i low_;
  __m256i high_;
};

}  // namespace
}  // namespace hypercopy
