// Reads one source and cuts it into batches of whole records: source -> record splitter -> batch.
// Shape:   read_prologue() once (byte order mark, skipped lines, header), then next() until it gives nothing.
//          All bytes from the end of the prologue to the end of the input come out in batches, in order, each
//          once. A resumed import (import_feed.hpp) takes batches that were cut before by take(), which cuts
//          nothing anew, and goes on behind them with go_on_at() and next().
// Units:   as in batch.hpp. A batch ends before it exceeds batch_bytes (but for one longer record, and what
//          was read together with it) and at batch_records.
// Owns:    the source and the buffer that is being filled.
// Threads: one.
// Errors:  input: what the splitter or the source found, with its place; a record longer than
//          kMaxRecordBytes; bytes behind an end-of-data marker. interrupted: the pool was cancelled. After an
//          error next() must not be called.
// Cost:    the bytes behind the last whole record of a batch are copied to the next one: at most one block.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "hypercopy/batch.hpp"
#include "hypercopy/report.hpp"
#include "hypercopy/source.hpp"

namespace hypercopy {

struct BatchLimits {
  std::uint64_t batch_records = UINT64_MAX;
  std::uint64_t total_records = UINT64_MAX;  // --limit: what is still wanted, over all inputs
};

struct PrologueOptions {
  bool keep_bom = false;
  std::uint64_t skip_lines = 0;
  bool has_header = false;
};

struct Prologue {
  bool dropped_bom = false;
  // The raw first record without its newline; nothing where no header was asked for or the input is empty.
  std::optional<std::string> header;
  std::string bytes{};  // all in front of the first record, as it is
};

// A batch that was cut before: whole records of one input.
struct BatchExtent {
  Position first;              // of the first record
  std::uint64_t end_byte = 0;  // behind the last one
  std::uint64_t records = 0;
  NewlineStyle newline = NewlineStyle::unknown;  // of the input

  [[nodiscard]] std::uint64_t bytes() const { return end_byte - first.byte; }
};

class BatchReader {
 public:
  // `pool` and `shares` must outlive the reader.
  BatchReader(std::unique_ptr<Source> source, const SplitOptions& split, Kernel kernel,
              const BatchLimits& limits, BatchPool& pool, TimeShares& shares);

  [[nodiscard]] Result<Prologue> read_prologue(const PrologueOptions& options);
  // `file` is given to each batch. `most_records`: of this one.
  [[nodiscard]] Result<std::optional<Batch>> next(const std::shared_ptr<const InputFile>& file,
                                                  std::uint64_t most_records = UINT64_MAX);

  // Exactly these bytes. What cannot seek must be at them. Then only take() or go_on_at() may follow.
  [[nodiscard]] Result<Batch> take(const BatchExtent& extent, const std::shared_ptr<const InputFile>& file);
  // The input has no more, and the extent does.
  [[nodiscard]] Error ends_early(const BatchExtent& extent) const;
  // The next record that is cut begins here. What cannot seek must be there. `total_records`: what is still wanted.
  [[nodiscard]] Status go_on_at(const Position& at, NewlineStyle newline, std::uint64_t total_records);

  [[nodiscard]] const Source& source() const { return *source_; }
  // Where the next batch begins: behind the prologue, or behind what next() gave out.
  [[nodiscard]] const Position& position() const { return batch_start_; }
  [[nodiscard]] NewlineStyle newline_style() const { return splitter_.newline_style(); }

 private:
  [[nodiscard]] Status start();
  [[nodiscard]] Status move_to(std::uint64_t byte);
  [[nodiscard]] Status read_block();
  [[nodiscard]] Status make_room();
  [[nodiscard]] Result<bool> drop_bom();
  [[nodiscard]] Status skip_line();
  [[nodiscard]] Result<std::optional<std::string>> take_header();
  [[nodiscard]] Result<SplitResult> scan_next_record();
  [[nodiscard]] SplitResult scan(std::uint64_t max_records);
  [[nodiscard]] Position marker_position(std::size_t marker_end) const;
  [[nodiscard]] Status refuse_rest_after_marker(std::size_t marker_end);
  [[nodiscard]] Result<std::optional<Batch>> cut(const std::shared_ptr<const InputFile>& file,
                                                 std::uint64_t records);
  [[nodiscard]] Result<Batch> give_out(const std::shared_ptr<const InputFile>& file, std::uint64_t records,
                                       NewlineStyle newline);
  [[nodiscard]] Error located(std::string message, const Position& at, std::string hint = {}) const;
  [[nodiscard]] Error fault_error(const SplitResult& result) const;

  std::unique_ptr<Source> source_;
  SplitOptions split_options_;
  Kernel kernel_;
  BatchLimits limits_;
  BatchPool& pool_;
  TimeShares& shares_;
  RecordSplitter splitter_;

  // The buffer that is being filled: [begin_, whole_) are whole records of the next batch, [whole_, scanned_)
  // is the beginning of another record, [scanned_, size_) was not looked at yet.
  PooledBuffer buffer_;
  std::size_t begin_ = 0;
  std::size_t whole_ = 0;
  std::size_t scanned_ = 0;
  std::size_t size_ = 0;
  std::uint64_t source_bytes_ = 0;  // offset in the source of the byte at size_
  Position batch_start_;
  bool at_end_ = false;    // the source has no more bytes
  bool finished_ = false;  // all batches were given out
};

}  // namespace hypercopy
