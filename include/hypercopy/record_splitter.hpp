// Finds where records end, exactly where one COPY of the whole source would find it.
// Shape:   scan() is called with consecutive pieces of one source; the records found do not depend on how the
//          source was cut. Whole = bytes up to records_end; what lies behind is the start of the next record
//          and must be kept by the caller. Bytes from `scanned` on were not looked at yet (at most three,
//          where the answer depends on the next byte): the next call begins with them.
// Units:   offsets in bytes from the start of the piece given to the call; positions as in location.hpp.
// Owns:    nothing; it neither allocates nor does I/O. One splitter per source (newline style is per source).
// Threads: one at a time. Kernels are chosen once and shared read-only.
// Errors:  SplitStop::error with what broke and where; afterwards the splitter must not be used again.
// Source:  PostgreSQL src/backend/commands/copyfromparse.c, CopyReadLineText: QUOTE toggles anywhere in a
//          record, ESCAPE counts only inside quotes, the first record's newline fixes the style for all, a
//          line "\." ends the input of servers before 18 (in text format on every server).
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include "hypercopy/dialect.hpp"
#include "hypercopy/location.hpp"
#include "hypercopy/result.hpp"

namespace hypercopy {

enum class NewlineStyle : std::uint8_t { unknown, lf, crlf, cr };

enum class SplitStop : std::uint8_t {
  need_more,     // the piece is used up (but for the undecided bytes from `scanned` on)
  record_limit,  // max_records whole records were found; records_end == scanned
  end_marker,    // a "\." ended the input here; scanned is behind the marker's newline
  error,         // see `fault`
};

enum class SplitFault : std::uint8_t {
  none,
  carriage_return_in_data,   // PostgreSQL: unquoted / literal carriage return found in data
  newline_in_data,           // PostgreSQL: unquoted / literal newline found in data
  end_marker_corrupt,        // text: "\." is followed by something else than a newline
  end_marker_newline_style,  // "\." is followed by another newline style than the records before
  end_marker_not_alone,      // text, server 18 and newer: "\." behind data on the same line
  open_quote,                // csv: the input ended inside quotes
};

[[nodiscard]] std::string_view to_string(SplitFault fault, Format format);

struct SplitOptions {
  Format format = Format::csv;
  char quote = '"';
  char escape = '"';
  // True for servers up to 17: a line "\." ends a CSV input, and in text a "\." may follow data on its line.
  bool before_v18 = true;
};

struct SplitResult {
  SplitStop stop = SplitStop::need_more;
  std::size_t scanned = 0;
  // Just past the last whole record of this call; 0 when records == 0. It is also 0 when a text "\." in the
  // first bytes of this piece ends a record whose bytes all came before it.
  std::size_t records_end = 0;
  std::uint64_t records = 0;  // whole records that ended in this call
  SplitFault fault = SplitFault::none;
  // The offending byte, with the record and physical line it is in. end_marker_*: the backslash. open_quote:
  // the last quote that opened (as QUOTE toggles, the second byte of a doubled quote counts as one).
  Position fault_at{};

  friend bool operator==(const SplitResult&, const SplitResult&) = default;
};

// How a scan of 64-byte words is done. "scalar" is the reference all others are tested against.
enum class Kernel : std::uint8_t { scalar, sse42, avx2, avx512 };

[[nodiscard]] std::string_view to_string(Kernel kernel);
// What was compiled in and this CPU can run, slowest first; scalar is always there.
[[nodiscard]] std::span<const Kernel> available_kernels();
// The fastest available, or what the environment variable HYPERCOPY_KERNEL names (for tests and reports of
// defects); an unknown or unavailable name is an Error.
[[nodiscard]] Result<Kernel> choose_kernel();

// What one scan() leaves for the next. Private to the splitter and its kernels.
struct ScanState {
  NewlineStyle style = NewlineStyle::unknown;
  bool in_quote = false;
  bool last_was_escape = false;   // only when ESCAPE differs from QUOTE
  Position record_start{};        // of the record being scanned
  std::uint64_t byte_offset = 0;  // of the next byte to be given
  std::uint64_t line_feeds = 0;   // bytes of the record being scanned; which of the two are lines is known
  std::uint64_t carriage_returns = 0;  // only once the first record has ended
  Position open_quote{};               // the last quote that opened; meant only while in_quote

  [[nodiscard]] std::uint64_t lines_in_record() const {
    return style == NewlineStyle::cr ? carriage_returns : line_feeds;
  }
};

class RecordSplitter {
 public:
  // `start` is where a record begins; `style` is what the records in front of it settled.
  explicit RecordSplitter(const SplitOptions& options, Kernel kernel, Position start = {},
                          NewlineStyle style = NewlineStyle::unknown);

  // REQUIRES: bytes[0] is the byte at position byte_offset(); max_records > 0.
  // `final`: no byte follows; then everything is decided: an unfinished last record counts as a record
  // (records_end == bytes.size()), or is SplitFault::open_quote. A final empty piece is allowed.
  [[nodiscard]] SplitResult scan(std::span<const char> bytes, std::uint64_t max_records, bool final);

  // Where the record that begins at or contains the next unscanned byte begins: directly behind the last
  // whole record. Its `record` is 1 + records found so far.
  [[nodiscard]] Position record_start() const { return state_.record_start; }
  // Offset in the source of the next byte to be given to scan().
  [[nodiscard]] std::uint64_t byte_offset() const { return state_.byte_offset; }
  [[nodiscard]] NewlineStyle newline_style() const { return state_.style; }
  // The header has been read with scan(): it is not a data record, so counting starts again at 1.
  void restart_record_count() { state_.record_start.record = 1; }

 private:
  SplitOptions options_;
  Kernel kernel_;
  ScanState state_;
};

}  // namespace hypercopy
