#include "scan_kernel.hpp"

#if defined(__x86_64__)

#include "word_masks_avx2.hpp"

#include "scan_words.hpp"

namespace hypercopy {

HYPERCOPY_TARGET WordScanOutput scan_words_avx2(const WordScanInput& input) {
  return scan_words<Avx2Masks>(input);
}

}  // namespace hypercopy

#endif
