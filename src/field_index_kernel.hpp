// What the field indexer is made of: the scalar state machine, and kernels that scan whole 64-byte words.
// Shape:   index_bytes() knows every dialect and is the reference; a WordIndexer knows ESCAPE == QUOTE only.
//          Both go on where the other stopped.
// Units:   offsets from the block's base; an end as FieldBlock has it.
// Threads: pure functions of their arguments.
#pragma once

#include <cstddef>
#include <cstdint>

#include "hypercopy/field_index.hpp"

namespace hypercopy {

inline constexpr std::size_t kIndexWordBytes = 64;
// A word is taken while at most `limit` ends are there; it may add as many as it has bytes.
inline constexpr std::size_t kEndsSlack = kIndexWordBytes;

struct FieldScan {
  const char* base = nullptr;
  std::size_t at = 0;  // moved
  std::size_t until = 0;
  char delimiter = ',';
  char newline = '\n';  // the byte at which a record's last field ends
  char quote = '"';
  char escape = '"';
  std::uint32_t* ends = nullptr;  // room for limit + kEndsSlack
  std::size_t count = 0;          // ends that are there; moved
  std::size_t limit = 0;
  std::size_t newlines = 0;  // ends that end a record; moved
  FieldScanState state{};    // moved
};

// Scans up to `until`, or until more than `limit` ends are there.
void index_bytes(FieldScan& scan);

// The same, over whole words only: up to kIndexWordBytes - 1 bytes before `until` are left.
using WordIndexer = void (*)(FieldScan& scan);

// Null where there is none: for Kernel::scalar, and for what this build does not have.
[[nodiscard]] WordIndexer word_indexer(Kernel kernel);

#if defined(__x86_64__)
void index_words_sse42(FieldScan& scan);
void index_words_avx2(FieldScan& scan);
void index_words_avx512(FieldScan& scan);
#endif

}  // namespace hypercopy
