// What the record splitter is made of: the scalar state machine, and kernels that scan whole 64-byte words.
// Shape:   scan_bytes() decides everything and is the reference. A WordScanner only walks over words in which
//          nothing rare happens, and hands the first other word back to scan_bytes(); it decides no fault, no
//          end marker and no record limit.
// Units:   positions are offsets from the start of the piece given to the splitter.
// Threads: pure functions of their arguments.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "hypercopy/record_splitter.hpp"

namespace hypercopy {

inline constexpr std::size_t kWordBytes = 64;

struct Piece {
  std::span<const char> bytes;
  std::uint64_t max_records = 1;
  bool final = false;
};

enum class ByteScan : std::uint8_t {
  reached,    // all bytes before `until` were scanned
  undecided,  // the answer depends on bytes behind the end of the piece
  stopped,    // result.stop says why
};

// Scans from `at`, which is moved, up to `until` or a few bytes further, where a newline or an end marker
// is longer than one byte. REQUIRES: until <= piece.bytes.size().
[[nodiscard]] ByteScan scan_bytes(const SplitOptions& options, const Piece& piece, std::size_t& at,
                                  std::size_t until, ScanState& state, SplitResult& result);

// The position of a byte of the record being scanned, `at` being the next byte to scan.
[[nodiscard]] Position position_of(const ScanState& state, std::size_t at);

// REQUIRES: style is known; in csv, ESCAPE == QUOTE and QUOTE is neither CR, LF nor (before_v18) a backslash.
struct WordScanInput {
  const char* begin = nullptr;
  std::size_t words = 0;
  std::uint64_t max_records = 0;  // the word in which this one ends is handed back
  Format format = Format::csv;
  NewlineStyle style = NewlineStyle::lf;
  char quote = '"';
  bool before_v18 = true;
  bool in_quote = false;
  bool at_record_start = false;  // the first byte is the first of a record
};

struct WordScanOutput {
  std::size_t scanned = 0;      // bytes from `begin`; never between the bytes of a newline or an escape
  std::size_t records_end = 0;  // just past the last record's newline, if there are records
  std::uint64_t records = 0;
  std::uint64_t lines = 0;  // newline bytes in `scanned`, quoted and escaped ones too
  bool in_quote = false;
};

using WordScanner = WordScanOutput (*)(const WordScanInput& input);

// Null where there is none: for Kernel::scalar, and for what this build does not have.
[[nodiscard]] WordScanner word_scanner(Kernel kernel);

#if defined(__x86_64__)
[[nodiscard]] WordScanOutput scan_words_sse42(const WordScanInput& input);
[[nodiscard]] WordScanOutput scan_words_avx2(const WordScanInput& input);
[[nodiscard]] WordScanOutput scan_words_avx512(const WordScanInput& input);
#endif

}  // namespace hypercopy
