// One 64-byte word with AVX-512 (F, BW, VL): a bit per byte. For the kernels of this instruction set only: it
// also sets HYPERCOPY_TARGET, and everything has internal linkage, so that no two instruction sets share a
// function.
#pragma once

#include <immintrin.h>

#include <cstddef>
#include <cstdint>

#define HYPERCOPY_TARGET __attribute__((target("avx512f,avx512bw,avx512vl,pclmul,popcnt,bmi")))

namespace hypercopy {
namespace {

class Avx512Masks {
 public:
  HYPERCOPY_TARGET static inline Avx512Masks load(const char* word) {
    Avx512Masks masks;
    masks.word_ = _mm512_loadu_si512(word);
    return masks;
  }

  HYPERCOPY_TARGET inline std::uint64_t equal(char byte) const {
    return _mm512_cmpeq_epi8_mask(word_, _mm512_set1_epi8(byte));
  }

  // A carry-less product with all ones is the prefix-xor.
  HYPERCOPY_TARGET static inline std::uint64_t prefix_xor(std::uint64_t bits) {
    const __m128i factor = _mm_cvtsi64_si128(static_cast<long long>(bits));
    const __m128i product = _mm_clmulepi64_si128(factor, _mm_set1_epi8(-1), 0);
    return static_cast<std::uint64_t>(_mm_cvtsi128_si64(product));
  }

 private:
  __m512i word_;
};

}  // namespace
}  // namespace hypercopy
