#include "scan_kernel.hpp"

#if defined(__x86_64__)

#include "word_masks_avx512.hpp"

#include "scan_words.hpp"

namespace hypercopy {

HYPERCOPY_TARGET WordScanOutput scan_words_avx512(const WordScanInput& input) {
  return scan_words<Avx512Masks>(input);
}

}  // namespace hypercopy

#endif
