#include "hypercopy/batch_feed.hpp"

namespace hypercopy {

namespace {

class SequentialFeed final : public BatchFeed {
 public:
  SequentialFeed(InputOpener open_input, std::size_t inputs, FeedContext context)
      : open_input_(std::move(open_input)),
        inputs_(inputs),
        context_(std::move(context)),
        wanted_(context_.limits.total_records) {}

  Result<std::optional<Batch>> next() override {
    while (true) {
      if (!input_.reader) {
        if (opened_ == inputs_ || wanted_ == 0) return std::optional<Batch>{};
        BatchLimits limits = context_.limits;
        limits.total_records = wanted_;
        HYPERCOPY_ASSIGN(input_, open_announced(open_input_, opened_++, limits, context_));
      }
      HYPERCOPY_ASSIGN(std::optional<Batch> batch, input_.reader->next(input_.file));
      if (batch) {
        wanted_ -= batch->records;
        return batch;
      }
      input_ = {};
    }
  }

 private:
  InputOpener open_input_;
  std::size_t inputs_;
  FeedContext context_;
  std::uint64_t wanted_;
  std::size_t opened_ = 0;
  OpenedInput input_{};
};

}  // namespace

Result<OpenedInput> open_announced(const InputOpener& open_input, std::size_t index,
                                   const BatchLimits& limits, const FeedContext& context) {
  HYPERCOPY_ASSIGN(OpenedInput input, open_input(index, limits, context.pool, context.shares));
  for (const auto& notice : input.notices) context.console.log(LogLevel::info, notice);
  for (const auto& detail : input.details) context.console.log(LogLevel::verbose, detail);
  context.on_opened(*input.file);
  return input;
}

FeedOpener sequential_feed(InputOpener open_input, std::size_t inputs) {
  return [open_input = std::move(open_input), inputs](const FeedContext& context) {
    return std::make_unique<SequentialFeed>(open_input, inputs, context);
  };
}

}  // namespace hypercopy
