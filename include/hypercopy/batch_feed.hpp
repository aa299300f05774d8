// Where the reader's thread gets its batches from: all inputs one after the other, or what an import still has to load
// (import_feed.hpp).
// Shape:   next() until it gives nothing.
// Owns:    the readers of its inputs, and with them buffers of the pool: it ends before the pool does.
// Threads: one, the reader's.
// Errors:  as batch_reader.hpp; interrupted: the pool was cancelled. After an error next() must not be called.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "hypercopy/batch_reader.hpp"
#include "hypercopy/console.hpp"
#include "hypercopy/input_file.hpp"

namespace hypercopy {

// An input whose prologue was read.
struct OpenedInput {
  std::unique_ptr<BatchReader> reader;
  std::shared_ptr<const InputFile> file;
  std::vector<std::string> notices{};  // for everybody
  std::vector<std::string> details{};  // for -v
};

// `index` counts inputs from 0; called on the reader's thread.
using InputOpener =
    std::function<Result<OpenedInput>(std::size_t index, const BatchLimits&, BatchPool&, TimeShares&)>;

class BatchFeed {
 public:
  virtual ~BatchFeed() = default;

  [[nodiscard]] virtual Result<std::optional<Batch>> next() = 0;
};

// What a feed works with; all of it outlives the feed.
struct FeedContext {
  BatchPool& pool;
  TimeShares& shares;
  Console& console;
  BatchLimits limits;                                    // total_records: over all inputs
  std::function<void(const InputFile& file)> on_opened;  // called for each input
};
// Called on the reader's thread.
using FeedOpener = std::function<std::unique_ptr<BatchFeed>(const FeedContext&)>;

// Opens an input and says what it has to say.
[[nodiscard]] Result<OpenedInput> open_announced(const InputOpener& open_input, std::size_t index,
                                                 const BatchLimits& limits, const FeedContext& context);

// Inputs 0 to `inputs` - 1, each from its beginning to its end.
[[nodiscard]] FeedOpener sequential_feed(InputOpener open_input, std::size_t inputs);

}  // namespace hypercopy
