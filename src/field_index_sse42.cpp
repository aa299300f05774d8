#include "field_index_kernel.hpp"

#if defined(__x86_64__)

#include "word_masks_sse42.hpp"

#include "field_index_words.hpp"

namespace hypercopy {

HYPERCOPY_TARGET void index_words_sse42(FieldScan& scan) {
  index_words<Sse42Masks, BitWriter<Sse42Masks>>(scan);
}

}  // namespace hypercopy

#endif
