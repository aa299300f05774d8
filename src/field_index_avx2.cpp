#include "field_index_kernel.hpp"

#if defined(__x86_64__)

#include "word_masks_avx2.hpp"

#include "field_index_words.hpp"

namespace hypercopy {

HYPERCOPY_TARGET void index_words_avx2(FieldScan& scan) {
  index_words<Avx2Masks, BitWriter<Avx2Masks>>(scan);
}

}  // namespace hypercopy

#endif
