// Records of one input that follow each other, and their times: filled batch by batch, cut into slices by time.
// Shape:   add() while there is room, then cut(), then gather() slices; clear() for the next use. Bytes grow from the front
//          of one buffer, what is known of each record from its end. The same bytes and the same limits give the same
//          slices, in whatever batches they were added.
// Units:   as in time_windows.hpp; slices are counted from 0.
// Owns:    its buffer. A gathered batch is independent of the window.
// Threads: one at a time.
// Errors:  internal: a batch whose records are not those that its reader counted.
#pragma once

#include <memory>
#include <span>
#include <vector>

#include "hypercopy/batch.hpp"
#include "hypercopy/time_windows.hpp"
#include "time_column.hpp"

namespace hypercopy {

class TimeWindow {
  struct Entry {
    std::int64_t time;
    std::uint32_t begin;
    std::uint32_t bytes;
    std::uint32_t line;  // this and the next counted from the window's first
    std::uint32_t record;
  };

 public:
  // Of memory that so many records of so many bytes take.
  [[nodiscard]] static constexpr std::size_t memory_for(std::uint64_t bytes, std::uint64_t records) {
    return bytes + (records + 1) * sizeof(Entry);
  }

  explicit TimeWindow(std::size_t bytes) : bytes_(bytes / alignof(Entry) * alignof(Entry)) {}

  [[nodiscard]] bool is_empty() const { return records_ == 0; }
  // Whether this batch goes on where the window ends, and fits; an empty window takes any.
  [[nodiscard]] bool takes(const Batch& batch) const;
  // Whether another batch of this size surely would not fit, if its records are as long as those before.
  [[nodiscard]] bool is_full(std::size_t batch_bytes) const;
  // REQUIRES: takes(batch), not cut. `column` reads the batch's input.
  [[nodiscard]] Status add(const Batch& batch, TimeColumn& column);

  // `chunk_interval`: 0: there are no chunks.
  void cut(const SliceLimits& limits, std::int64_t chunk_interval);
  // Records that lie before this byte of the input go, and the rest is to be cut anew. REQUIRES: the byte lies within what was
  // added, and a record begins there.
  void drop_before(std::uint64_t byte);
  [[nodiscard]] const std::shared_ptr<const InputFile>& file() const { return file_; }
  // Of the record that was added first.
  [[nodiscard]] const Position& first() const { return first_; }
  [[nodiscard]] NewlineStyle newline() const { return newline_; }
  [[nodiscard]] std::size_t slices() const { return ends_.size(); }
  [[nodiscard]] SliceContent content(std::size_t slice) const;
  // `buffer` grows for what does not fit.
  [[nodiscard]] Batch gather(std::size_t slice, PooledBuffer buffer);
  void clear();

 private:
  [[nodiscard]] Entry* entries_end() const;
  [[nodiscard]] std::span<Entry> entries() const;
  [[nodiscard]] std::size_t next_end(std::size_t begin, const SliceLimits& limits,
                                     std::int64_t chunk_interval) const;
  [[nodiscard]] std::span<Entry> arrange(std::size_t slice) const;
  [[nodiscard]] Position last_of(const Entry& entry) const;
  [[nodiscard]] std::uint64_t count_lines(std::size_t begin, std::size_t end) const;

  std::size_t bytes_;
  ByteBuffer buffer_{};
  std::size_t used_ = 0;     // bytes of records
  std::size_t records_ = 0;  // entries
  std::size_t added_ = 0;    // records, with those that were dropped
  std::uint64_t lines_ = 0;  // of these records
  Position first_{};
  NewlineStyle newline_ = NewlineStyle::unknown;
  std::shared_ptr<const InputFile> file_{};
  std::vector<std::size_t> ends_{};  // of each slice, among the sorted entries
};

}  // namespace hypercopy
