// Where the fields of whole CSV records end, found in one pass, block by block: what workers read CSV with.
// Shape:   every record must have the same number of fields, so a block is a matrix of records x columns; a
//          record with another number makes the batch one to give up (the server refuses it with its own
//          words). A block holds at least one record, and is small enough to stay in the cache while it is
//          encoded. Fields are raw, quotes and escapes included; which fields hold a quote is known for each.
// Units:   bytes; ends are 31-bit offsets from the block's base, which is a record's first byte, so a batch
//          may be of any size; a record of more than kMaxRecordBytes is given up.
// Owns:    the ends (bounded by IndexLimits and the number of columns). The records stay the caller's: they
//          must outlive the blocks. A block is valid until the next call.
// Threads: one at a time.
// Source:  PostgreSQL src/backend/commands/copyfromparse.c, CopyReadLineText and CopyReadAttributesCSV: QUOTE
//          toggles anywhere; ESCAPE counts only inside quotes and before QUOTE or ESCAPE; a field that holds
//          a quote is never NULL (but by FORCE_NULL).
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "hypercopy/dialect.hpp"
#include "hypercopy/record_splitter.hpp"

namespace hypercopy {

struct RawField {
  std::string_view text;
  bool has_quote = false;  // the server's saw_quote: unquote() gives the value
};

struct FieldBlock {
  static constexpr std::uint32_t kHasQuote = 0x8000'0000U;

  const char* base = nullptr;  // the first record's first byte
  const std::uint32_t* ends =
      nullptr;  // records x columns: where each field ends, kHasQuote added if it has one
  std::size_t records = 0;
  std::size_t columns = 0;
  std::size_t bytes = 0;          // of the records, newlines included
  std::size_t newline_bytes = 1;  // the last record may lack its newline
};

// Walks over a block's fields in order. next_record() is called behind the last field of each record.
class FieldReader {
 public:
  explicit FieldReader(const FieldBlock& block)
      : base_(block.base), ends_(block.ends), more_newline_bytes_(block.newline_bytes - 1) {}

  [[nodiscard]] RawField next() {
    const std::uint32_t end = *ends_++;
    const std::size_t begin = begin_;
    const std::size_t offset = end & ~FieldBlock::kHasQuote;
    begin_ = offset + 1;
    return {{base_ + begin, offset - begin}, (end & FieldBlock::kHasQuote) != 0};
  }
  void next_record() { begin_ += more_newline_bytes_; }

 private:
  const char* base_;
  const std::uint32_t* ends_;
  std::size_t begin_ = 0;
  std::size_t more_newline_bytes_;
};

// The value of a field as the server reads it; a view into `raw` where it needs no copy, else into `scratch`.
[[nodiscard]] std::string_view unquote(std::string_view raw, char quote, char escape, std::string& scratch);

// When a block is full: whichever comes first, but never before one record is in it.
struct IndexLimits {
  std::size_t fields = std::size_t{16} << 10;  // exceeded by less than one word's fields
  std::size_t bytes = std::size_t{256} << 10;  // exceeded by less than the last block's unfinished record
};

enum class IndexStop : std::uint8_t {
  block,    // the block has records
  end,      // no record is left
  give_up,  // a record in or behind this block has another number of fields, or is too long; start() anew
};

// What scanning carries from one byte to the next. Private to the indexer and its kernels.
struct FieldScanState {
  bool in_quote = false;
  bool has_quote = false;        // the field being scanned holds a quote
  bool last_was_escape = false;  // only when ESCAPE differs from QUOTE
};

struct FieldScan;

class FieldIndexer {
 public:
  // REQUIRES: a valid csv dialect (validate()); columns > 0, the fields of each record.
  FieldIndexer(const Dialect& dialect, std::size_t columns, Kernel kernel, const IndexLimits& limits = {});

  // Begins a batch: whole records as the splitter cut them, `newline` being the whole input's style.
  void start(std::string_view records, NewlineStyle newline);
  // REQUIRES: start() was called, and nothing was given up since.
  [[nodiscard]] IndexStop next(FieldBlock& block);

 private:
  void drop_last_block();
  void scan_on(std::size_t bytes);
  void end_input();
  [[nodiscard]] IndexStop hand_out(FieldBlock& block);
  [[nodiscard]] bool ends_record(std::size_t index) const;

  char delimiter_;
  char quote_;
  char escape_;
  std::size_t columns_;
  Kernel kernel_;
  IndexLimits limits_;
  NewlineStyle newline_ = NewlineStyle::lf;
  std::string_view records_;  // from the base of the current block on
  std::size_t scanned_ = 0;   // of them
  std::unique_ptr<std::uint32_t[]> ends_;
  std::size_t count_ = 0;     // ends that are there, those of the next block's records too
  std::size_t newlines_ = 0;  // ends that end a record
  FieldBlock last_{};
  FieldScanState state_{};
};

}  // namespace hypercopy
