// Whatever is regrouped: each record comes out once, as it stood, and is said to lie where it lies.
#include "hypercopy/time_windows.hpp"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <map>

#include "hypercopy/failure_location.hpp"
#include "hypercopy/field_encoder.hpp"
#include "input_fingerprint.hpp"
#include "record_index.hpp"
#include "support/fakes.hpp"
#include "support/random.hpp"
#include "time_column.hpp"
#include "time_window.hpp"

namespace hypercopy::test {
namespace {

constexpr std::size_t kBatchBytes = 256;

struct Input {
  std::string bytes{};
  Dialect dialect{};
  TimeField field{.index = 1, .fields = 3, .type_oid = type_oid::kInt8, .interval = 10};

  [[nodiscard]] SplitOptions split() const {
    return {.format = dialect.format, .quote = dialect.quote, .escape = dialect.escape};
  }
};

// The batches of several inputs, one after the other.
class ReadAll final : public BatchFeed {
 public:
  ReadAll(const std::vector<Input>& inputs, const FeedContext& context, bool regroups)
      : inputs_(inputs), context_(context), regroups_(regroups) {}

  Result<std::optional<Batch>> next() override {
    while (true) {
      if (!reader_) {
        if (opened_ == inputs_.size()) return std::optional<Batch>();
        HYPERCOPY_TRY(open(inputs_[opened_]));
        ++opened_;
      }
      HYPERCOPY_ASSIGN(std::optional<Batch> batch, reader_->next(file_));
      if (batch) return batch;
      reader_.reset();
    }
  }

 private:
  Status open(const Input& input) {
    reader_ = std::make_unique<BatchReader>(std::make_unique<FakeSource>(input.bytes, 100), input.split(),
                                            Kernel::scalar, context_.limits, context_.pool, context_.shares);
    HYPERCOPY_TRY(reader_->read_prologue({.has_header = true}));
    auto file = std::make_shared<InputFile>();
    file->index = opened_;
    file->name = fmt::format("input{}", opened_);
    file->dialect = input.dialect;
    file->split = input.split();
    if (regroups_) file->regroup_by = input.field;
    file_ = std::move(file);
    return {};
  }

  const std::vector<Input>& inputs_;
  FeedContext context_;
  bool regroups_;
  std::size_t opened_ = 0;
  std::unique_ptr<BatchReader> reader_;
  std::shared_ptr<const InputFile> file_;
};

struct Lying {
  std::size_t input = 0;
  Position at;
  std::string bytes;

  auto operator<=>(const Lying& other) const {
    return std::tuple(input, at.record, at.byte, at.line, bytes) <=>
           std::tuple(other.input, other.at.record, other.at.byte, other.at.line, other.bytes);
  }
  bool operator==(const Lying&) const = default;
  friend std::ostream& operator<<(std::ostream& out, const Lying& lying) {
    return out << "input " << lying.input << " record " << lying.at.record << " line " << lying.at.line
               << " byte " << lying.at.byte << ": " << lying.bytes;
  }
};

struct Outcome {
  std::vector<std::vector<Lying>> batches{};
  std::optional<Error> error{};

  [[nodiscard]] std::vector<Lying> sorted() const {
    std::vector<Lying> all;
    for (const auto& batch : batches) all.insert(all.end(), batch.begin(), batch.end());
    std::sort(all.begin(), all.end());
    return all;
  }
};

std::vector<Lying> records_of(const Batch& batch) {
  const RecordIndex index(batch, Kernel::scalar);
  std::vector<Lying> records;
  for (std::size_t record = 0; record < index.records(); ++record) {
    records.push_back(
        {batch.file->index, index.position(record), std::string(index.bytes(record, record + 1))});
    const auto found = record_at_index(batch, record);
    EXPECT_TRUE(found && found->at == records.back().at && found->bytes == records.back().bytes);
    EXPECT_EQ(record_number(batch, record), records.back().at.record);
  }
  EXPECT_EQ(records.size(), batch.records);
  EXPECT_EQ(extent_of(batch).at, records.front().at);
  const Position last = last_of(batch);
  EXPECT_EQ(last.record, records.back().at.record);
  const char newline = batch.newline == NewlineStyle::cr ? '\r' : '\n';
  const std::string& bytes = records.back().bytes;
  const bool ended = bytes.ends_with('\n') || bytes.ends_with('\r');
  EXPECT_EQ(last.line, records.back().at.line +
                           static_cast<std::uint64_t>(std::count(bytes.begin(), bytes.end(), newline)) -
                           (ended ? 1 : 0));
  EXPECT_EQ(last.byte, records.back().at.byte + records.back().bytes.size() - 1);
  return records;
}

Outcome feed_all(const std::vector<Input>& inputs, std::optional<WindowOptions> windows,
                 bool regroups = true) {
  BatchPool pool(3, kBatchBytes);
  TimeShares shares;
  Console console(-1, "test", false);
  const FeedContext context{
      .pool = pool, .shares = shares, .console = console, .limits = {}, .on_opened = [](const InputFile&) {}};
  FeedOpener opener = [&](const FeedContext& of) { return std::make_unique<ReadAll>(inputs, of, regroups); };
  if (windows) opener = windowed_feed(opener, *windows);
  const auto feed = opener(context);
  Outcome outcome;
  while (true) {
    auto batch = feed->next();
    if (!batch) outcome.error = batch.error();
    if (!batch || !*batch) return outcome;
    outcome.batches.push_back(records_of(**batch));
  }
}

class Maker {
 public:
  explicit Maker(Random& random) : random_(random) {}

  Input input() {
    Input made;
    if (random_.one_in(3)) {
      made.dialect.format = Format::text;
      made.dialect.delimiter = '\t';
      made.dialect.null_marker = "\\N";
    } else if (random_.one_in(3)) {
      made.dialect.escape = '\\';
    }
    const std::string newline = random_.pick(std::vector<std::string>{"\n", "\n", "\r\n", "\r"});
    const bool csv = made.dialect.format == Format::csv;
    made.bytes = "a,b,c" + newline;
    const std::size_t records = random_.below(400);
    for (std::size_t record = 0; record < records; ++record) made.bytes += one_record(made, csv) + newline;
    if (records > 0 && random_.one_in(2)) made.bytes.resize(made.bytes.size() - newline.size());
    return made;
  }

 private:
  std::string one_record(const Input& made, bool csv) {
    const std::string d(1, made.dialect.delimiter);
    if (random_.one_in(40)) return "1" + d + "misfit";
    return word(csv) + d + time(csv) + d + word(csv);
  }
  std::string time(bool csv) {
    if (random_.one_in(20)) return csv ? "" : "\\N";
    if (random_.one_in(20)) return "tomorrow";
    if (random_.one_in(30)) return "9223372036854775807";
    const auto value = static_cast<std::int64_t>(random_.below(400)) - 200;
    return csv && random_.one_in(10) ? fmt::format("\"{}\"", value) : std::to_string(value);
  }
  std::string word(bool csv) {
    if (random_.one_in(60)) return std::string(random_.below(2000), 'x');
    if (csv && random_.one_in(8)) return "\"two\nlines\"";
    if (csv && random_.one_in(8)) return "\"one, \"\" two\"";
    return std::string(random_.below(12), 'w');
  }

  Random& random_;
};

TEST(TimeWindows, EachRecordComesOnceFromWhereItLies) {
  const std::uint64_t seed = test_seed();
  Random random(seed);
  Maker maker(random);
  std::uint64_t gathered = 0;
  for (int round = 0; round < 200; ++round) {
    SCOPED_TRACE(fmt::format("HYPERCOPY_TEST_SEED={} round {}", seed, round));
    std::vector<Input> inputs;
    for (std::size_t count = 1 + random.below(3); inputs.size() < count;) inputs.push_back(maker.input());
    const WindowOptions options{
        .memory_bytes = 1000 + random.below(40'000),
        .slice = {.bytes = 16 + random.below(kBatchBytes), .records = 1 + random.below(100)},
        .kernel = random.pick(available_kernels())};
    const Outcome as_read = feed_all(inputs, std::nullopt);
    const Outcome regrouped = feed_all(inputs, options);
    ASSERT_EQ(as_read.error.has_value(), regrouped.error.has_value());
    if (as_read.error) continue;
    ASSERT_EQ(regrouped.sorted(), as_read.sorted());
    for (const auto& batch : regrouped.batches) {
      EXPECT_TRUE(std::is_sorted(batch.begin(), batch.end()));
      EXPECT_EQ(batch.front().input, batch.back().input);
      std::size_t bytes = 0;
      for (const auto& record : batch) bytes += record.bytes.size();
      if (&batch == &regrouped.batches.front()) continue;  // as it was read
      EXPECT_TRUE(bytes <= options.slice.bytes || batch.size() == 1);
      EXPECT_LE(batch.size(), options.slice.records);
      gathered += batch.size();
    }
  }
  EXPECT_GT(gathered, 5'000U);
}

// All of an input in one window, read in batches of this size, cut behind what is dropped.
struct Cut {
  std::vector<SliceContent> slices{};
  std::vector<std::vector<Lying>> records{};
  bool failed = false;
};

Cut cut_at_once(const Input& input, std::size_t batch_bytes, const SliceLimits& limits,
                std::uint64_t drop_before = 0) {
  BatchPool pool(3, batch_bytes);
  TimeShares shares;
  Console console(-1, "test", false);
  const std::vector<Input> inputs{input};
  ReadAll all(inputs,
              {.pool = pool,
               .shares = shares,
               .console = console,
               .limits = {},
               .on_opened = [](const InputFile&) {}},
              true);
  TimeWindow window(TimeWindow::memory_for(input.bytes.size(), input.bytes.size()));
  TimeColumn column(input.dialect, input.split(), input.field, Kernel::scalar);
  Cut cut;
  while (true) {
    const auto batch = all.next();
    cut.failed = !batch;
    if (!batch || !*batch) break;
    EXPECT_TRUE(window.takes(**batch));
    EXPECT_TRUE(window.add(**batch, column));
  }
  if (drop_before > 0) window.drop_before(drop_before);
  window.cut(limits, input.field.interval);
  for (std::size_t slice = 0; slice < window.slices(); ++slice) cut.slices.push_back(window.content(slice));
  // In whatever order they are asked for.
  for (std::size_t slice = window.slices(); slice-- > 0;) {
    const Batch batch = window.gather(slice, PooledBuffer(pool, *pool.acquire()));
    EXPECT_EQ(content_hash(batch.bytes()), cut.slices[slice].content);
    EXPECT_EQ(batch.bytes().size(), cut.slices[slice].bytes);
    cut.records.insert(cut.records.begin(), records_of(batch));
    EXPECT_EQ(cut.records.front().size(), cut.slices[slice].records);
  }
  return cut;
}

// What an import reads again, in batches of another size, must be the slices that it has planned; and what is left of a
// window, where another loader has planned its beginning, must be the slices of a window that begins there.
TEST(TimeWindows, TheSameBytesAreTheSameSlices) {
  const std::uint64_t seed = test_seed();
  Random random(seed);
  Maker maker(random);
  std::size_t slices = 0;
  for (int round = 0; round < 200; ++round) {
    SCOPED_TRACE(fmt::format("HYPERCOPY_TEST_SEED={} round {}", seed, round));
    const Input input = maker.input();
    const SliceLimits limits{.bytes = 16 + random.below(1000), .records = 1 + random.below(100)};
    const Cut once = cut_at_once(input, 16 + random.below(300), limits);
    const Cut again = cut_at_once(input, 16 + random.below(5000), limits);
    if (once.failed || once.slices.empty()) continue;
    ASSERT_EQ(again.records, once.records);
    slices += once.slices.size();
    std::vector<Lying> all;
    for (const auto& slice : once.records) all.insert(all.end(), slice.begin(), slice.end());
    std::sort(all.begin(), all.end());
    const std::size_t from = random.below(all.size());
    const Cut rest = cut_at_once(input, 16 + random.below(300), limits, all[from].at.byte);
    std::vector<Lying> left;
    for (const auto& slice : rest.records) left.insert(left.end(), slice.begin(), slice.end());
    std::sort(left.begin(), left.end());
    ASSERT_EQ(left, std::vector<Lying>(all.begin() + static_cast<std::ptrdiff_t>(from), all.end()));
    Input tail = input;
    tail.bytes = "a,b,c" + input.bytes.substr(5, input.bytes[6] == '\n' ? 2 : 1) +
                 input.bytes.substr(all[from].at.byte);
    const Cut begun_there = cut_at_once(tail, 16 + random.below(300), limits);
    ASSERT_EQ(begun_there.slices.size(), rest.slices.size());
    for (std::size_t slice = 0; slice < rest.slices.size(); ++slice)
      EXPECT_EQ(begun_there.slices[slice].content, rest.slices[slice].content);
  }
  EXPECT_GT(slices, 1'000U);
}

Input device_by_device(int devices, int times) {
  Input input{.bytes = "a,b,c\n"};
  for (int device = 0; device < devices; ++device) {
    for (int time = 0; time < times; ++time) input.bytes += fmt::format("d{},{},x\n", device, time);
  }
  return input;
}

std::pair<int, int> times_of(const std::vector<Lying>& batch) {
  std::pair<int, int> range{INT32_MAX, INT32_MIN};
  for (const auto& record : batch) {
    const int time = std::stoi(record.bytes.substr(record.bytes.find(',') + 1));
    range = {std::min(range.first, time), std::max(range.second, time)};
  }
  return range;
}

TEST(TimeWindows, ASliceHoldsNeighbouringTimes) {
  const Outcome outcome =
      feed_all({device_by_device(50, 100)}, WindowOptions{.memory_bytes = 1 << 20, .slice = {.bytes = 4000}});
  ASSERT_GT(outcome.batches.size(), 5U);
  int before = -1;
  for (std::size_t number = 1; number < outcome.batches.size(); ++number) {
    const auto [least, greatest] = times_of(outcome.batches[number]);
    EXPECT_GE(least, before);
    EXPECT_LE(greatest - least, 15);
    before = greatest;
  }
}

// 500 records of a chunk (10 times, 50 devices) are 4000 to 4500 bytes.
TEST(TimeWindows, ASliceEndsWhereAChunkDoes) {
  const Outcome outcome =
      feed_all({device_by_device(50, 100)}, WindowOptions{.memory_bytes = 1 << 20, .slice = {.bytes = 5000}});
  ASSERT_EQ(outcome.batches.size(), 11U);
  for (std::size_t number = 1; number < outcome.batches.size(); ++number)
    EXPECT_EQ(times_of(outcome.batches[number]).second % 10, 9);
}

TEST(TimeWindows, WhatTheReaderFindsWrongEndsTheRun) {
  Input input = device_by_device(5, 10);
  input.bytes += "d,1,\"open\n";
  const Outcome outcome = feed_all({input}, WindowOptions{.memory_bytes = 1 << 20, .slice = {.bytes = 4000}});
  ASSERT_TRUE(outcome.error);
  ASSERT_TRUE(outcome.error->location);
  EXPECT_EQ(outcome.error->location->at.record, 51U);
}

TEST(TimeWindows, AnInputWithoutSuchAFieldComesThrough) {
  const std::vector<Input> inputs{device_by_device(5, 100), device_by_device(7, 100)};
  const Outcome through =
      feed_all(inputs, WindowOptions{.memory_bytes = 1 << 20, .slice = {.bytes = 4000}}, /*regroups=*/false);
  EXPECT_EQ(through.batches, feed_all(inputs, std::nullopt).batches);
  EXPECT_EQ(through.sorted().size(), 1200U);
}

}  // namespace
}  // namespace hypercopy::test
