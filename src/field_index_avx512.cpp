#include "field_index_kernel.hpp"

#if defined(__x86_64__)

#include "word_masks_avx512.hpp"

#include "field_index_words.hpp"

namespace hypercopy {
namespace {

// Sixteen bytes' ends at a time, in one compressing move each: the time does not depend on how many there
// are.
struct CompressWriter {
  HYPERCOPY_TARGET static inline void write(std::uint64_t ends, std::uint32_t offset, std::uint32_t* to) {
    for (unsigned part = 0; part < 64; part += 16) {
      const auto mask = static_cast<__mmask16>(ends >> part);
      to = store(mask, offsets(offset + part), to);
    }
  }
  HYPERCOPY_TARGET static inline void write(std::uint64_t ends, std::uint64_t flags, std::uint32_t offset,
                                            std::uint32_t* to) {
    const __m512i has_quote = _mm512_set1_epi32(static_cast<int>(FieldBlock::kHasQuote));
    for (unsigned part = 0; part < 64; part += 16) {
      const auto mask = static_cast<__mmask16>(ends >> part);
      const auto flagged = static_cast<__mmask16>(flags >> part);
      const __m512i plain = offsets(offset + part);
      to = store(mask, _mm512_mask_or_epi32(plain, flagged, plain, has_quote), to);
    }
  }

 private:
  HYPERCOPY_TARGET static inline __m512i offsets(std::uint32_t first) {
    const __m512i steps = _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
    return _mm512_add_epi32(_mm512_set1_epi32(static_cast<int>(first)), steps);
  }
  // A full store: one that compresses into memory is slow on some CPUs.
  HYPERCOPY_TARGET static inline std::uint32_t* store(__mmask16 mask, __m512i ends, std::uint32_t* to) {
    _mm512_storeu_si512(to, _mm512_maskz_compress_epi32(mask, ends));
    return to + std::popcount(static_cast<std::uint16_t>(mask));
  }
};

}  // namespace

HYPERCOPY_TARGET void index_words_avx512(FieldScan& scan) { index_words<Avx512Masks, CompressWriter>(scan); }

}  // namespace hypercopy

#endif
