#include "hypercopy/time_windows.hpp"

#include <utility>

#include "hypercopy/input_file.hpp"
#include "window_pair.hpp"

namespace hypercopy {

namespace {

const TimeField* field_of(const InputFile& file) { return file.regroup_by ? &*file.regroup_by : nullptr; }

class WindowedFeed final : public BatchFeed {
 public:
  WindowedFeed(std::unique_ptr<BatchFeed> inner, const WindowOptions& options, const FeedContext& context)
      : inner_(std::move(inner)),
        slice_(options.slice),
        windows_(options, context.pool, context.shares, field_of) {}

  Result<std::optional<Batch>> next() override {
    if (!std::exchange(begun_, true)) return inner_->next();
    while (!windows_.has_slice()) {
      HYPERCOPY_TRY(windows_.fill_up(read_));
      if (windows_.is_empty()) return windows_.take_pending();
      windows_.turn(slice_);
    }
    HYPERCOPY_TRY(windows_.top_up(read_));
    HYPERCOPY_ASSIGN(Batch batch, windows_.gather());
    return std::optional<Batch>(std::move(batch));
  }

 private:
  std::unique_ptr<BatchFeed> inner_;
  SliceLimits slice_;
  WindowPair windows_;
  WindowPair::Next read_ = [this] { return inner_->next(); };
  bool begun_ = false;
};

}  // namespace

FeedOpener windowed_feed(FeedOpener inner, const WindowOptions& options) {
  return [inner = std::move(inner), options](const FeedContext& context) {
    return std::make_unique<WindowedFeed>(inner(context), options, context);
  };
}

}  // namespace hypercopy
