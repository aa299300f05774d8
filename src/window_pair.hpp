// Two windows of one input after the other: one is given out slice by slice while the other is filled.
// Shape:   fill_up() until there is no room, turn() it into slices, then gather() them, with top_up() before each: as many
//          bytes come in as a slice takes out. Where fill_up() leaves nothing to be turned, take_pending() has what the
//          windows do not take.
// Units:   as in time_windows.hpp.
// Owns:    both windows, and the batch that did not fit; their memory is taken with the first record.
// Threads: one, the reader's.
// Errors:  as the source of the batches and time_window.hpp; interrupted: the pool was cancelled.
#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <utility>

#include "hypercopy/batch.hpp"
#include "hypercopy/report.hpp"
#include "hypercopy/time_windows.hpp"
#include "time_column.hpp"
#include "time_window.hpp"

namespace hypercopy {

class WindowPair {
 public:
  // The next batch of the input; nothing: there is none.
  using Next = std::function<Result<std::optional<Batch>>()>;
  // By which field this input is regrouped; null: not at all. Valid while the file is.
  using FieldOf = std::function<const TimeField*(const InputFile& file)>;

  // `pool` and `shares` must outlive the pair.
  WindowPair(const WindowOptions& options, BatchPool& pool, TimeShares& shares, FieldOf field_of)
      : kernel_(options.kernel),
        pool_(pool),
        shares_(shares),
        field_of_(std::move(field_of)),
        filled_(options.memory_bytes / 2),
        given_out_(options.memory_bytes / 2) {}

  [[nodiscard]] Status fill_up(const Next& next);
  // One batch, if there is room.
  [[nodiscard]] Status top_up(const Next& next);
  // Nothing was filled in.
  [[nodiscard]] bool is_empty() const { return filled_.is_empty(); }
  [[nodiscard]] std::optional<Batch> take_pending() { return std::exchange(pending_, std::nullopt); }
  [[nodiscard]] const std::optional<Batch>& pending() const { return pending_; }

  // What was filled is given out from now on. REQUIRES: !is_empty(), !has_slice().
  void turn(const SliceLimits& limits);
  // What is given out, until the next turn().
  [[nodiscard]] TimeWindow& given_out() { return given_out_; }
  [[nodiscard]] bool has_slice() const { return next_slice_ < given_out_.slices(); }
  // Its number in what is given out.
  [[nodiscard]] std::size_t next_slice() const { return next_slice_; }
  // REQUIRES: has_slice().
  [[nodiscard]] Result<Batch> gather();
  // All that was filled in and not given out goes.
  void clear();

 private:
  [[nodiscard]] bool may_fill() const;
  [[nodiscard]] bool takes(const Batch& batch) const;
  [[nodiscard]] Status fill(const Next& next);
  [[nodiscard]] Status add(const Batch& batch);

  Kernel kernel_;
  BatchPool& pool_;
  TimeShares& shares_;
  FieldOf field_of_;
  TimeWindow filled_;
  TimeWindow given_out_;
  std::size_t next_slice_ = 0;
  std::optional<Batch> pending_{};           // what the window that is filled does not take
  std::shared_ptr<const InputFile> file_{};  // whose column it is
  std::optional<TimeColumn> column_{};
  bool ended_ = false;
};

// A slice in a buffer of the pool.
[[nodiscard]] Result<Batch> gather_slice(TimeWindow& window, std::size_t slice, BatchPool& pool,
                                         TimeShares& shares);

}  // namespace hypercopy
