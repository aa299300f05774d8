#include "scan_kernel.hpp"

#if defined(__x86_64__)

#include "word_masks_sse42.hpp"

#include "scan_words.hpp"

namespace hypercopy {

HYPERCOPY_TARGET WordScanOutput scan_words_sse42(const WordScanInput& input) {
  return scan_words<Sse42Masks>(input);
}

}  // namespace hypercopy

#endif
