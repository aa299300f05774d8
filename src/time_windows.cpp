#include "hypercopy/time_windows.hpp"

#include <utility>

#include "hypercopy/input_file.hpp"
#include "stopwatch.hpp"
#include "time_window.hpp"

namespace hypercopy {

namespace {

class WindowedFeed final : public BatchFeed {
 public:
  WindowedFeed(std::unique_ptr<BatchFeed> inner, const WindowOptions& options, const FeedContext& context)
      : inner_(std::move(inner)),
        options_(options),
        pool_(context.pool),
        shares_(context.shares),
        filled_(options.memory_bytes / 2),
        given_out_(options.memory_bytes / 2) {}

  Result<std::optional<Batch>> next() override {
    if (!std::exchange(begun_, true)) return inner_->next();
    while (next_slice_ == given_out_.slices()) {
      while (may_fill()) HYPERCOPY_TRY(fill());
      if (filled_.is_empty()) return std::exchange(behind_window_, std::nullopt);
      turn();
    }
    if (may_fill()) HYPERCOPY_TRY(fill());
    auto buffer = acquire();
    if (!buffer) return fail(ErrorKind::interrupted, "stopped while batches were regrouped");
    const Stopwatch watch(shares_.reader_splitting);
    return given_out_.gather(next_slice_++, PooledBuffer(pool_, std::move(*buffer)));
  }

 private:
  [[nodiscard]] bool may_fill() const {
    if (behind_window_) return belongs_into_window(*behind_window_);
    return !ended_ && !filled_.is_full(pool_.buffer_bytes());
  }
  [[nodiscard]] bool belongs_into_window(const Batch& batch) const {
    return batch.file->regroup_by && filled_.takes(batch);
  }

  // One batch more: as many bytes come in as a slice takes out. REQUIRES: may_fill().
  Status fill() {
    std::optional<Batch> batch = std::exchange(behind_window_, std::nullopt);
    if (!batch) {
      HYPERCOPY_ASSIGN(batch, inner_->next());
    }
    ended_ = !batch;
    if (!batch) return {};
    if (belongs_into_window(*batch)) return add(*batch);
    behind_window_ = std::move(batch);
    return {};
  }

  Status add(const Batch& batch) {
    const InputFile& file = *batch.file;
    if (file_ != batch.file) {
      column_.emplace(file.dialect, file.split, *file.regroup_by, options_.kernel);
      file_ = batch.file;
    }
    const Stopwatch watch(shares_.reader_splitting);
    return filled_.add(batch, *column_);
  }

  // The full window is given out, and the other one is filled.
  void turn() {
    const Stopwatch watch(shares_.reader_splitting);
    std::swap(filled_, given_out_);
    filled_.clear();
    given_out_.cut(options_.slice, file_->regroup_by->interval);
    next_slice_ = 0;
  }

  std::optional<ByteBuffer> acquire() {
    const Stopwatch watch(shares_.reader_waiting);
    return pool_.acquire();
  }

  std::unique_ptr<BatchFeed> inner_;
  WindowOptions options_;
  BatchPool& pool_;
  TimeShares& shares_;
  TimeWindow filled_;
  TimeWindow given_out_;
  std::size_t next_slice_ = 0;
  std::optional<Batch> behind_window_{};     // what the window that is filled does not take
  std::shared_ptr<const InputFile> file_{};  // whose column it is
  std::optional<TimeColumn> column_{};
  bool begun_ = false;
  bool ended_ = false;
};

}  // namespace

FeedOpener windowed_feed(FeedOpener inner, const WindowOptions& options) {
  return [inner = std::move(inner), options](const FeedContext& context) {
    return std::make_unique<WindowedFeed>(inner(context), options, context);
  };
}

}  // namespace hypercopy
