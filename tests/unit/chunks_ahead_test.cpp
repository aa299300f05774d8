// What is counted and made for batches, with a maker that keeps a list of ranges.
#include "hypercopy/chunks_ahead.hpp"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <thread>

#include "hypercopy/field_encoder.hpp"
#include "hypercopy/input_file.hpp"

namespace hypercopy::test {
namespace {

using Ranges = std::vector<TimeRange>;

// What the maker was asked, read by the test when it is over.
struct Made {
  Ranges existing;
  Ranges made;
  std::map<std::int64_t, Error> refusals;  // by begin
  std::optional<Error> unreachable;
  std::atomic<int> at_work{0};
  bool overlapped = false;
};

class ListMaker final : public ChunkMaker {
 public:
  explicit ListMaker(Made& made) : made_(made) {}

  Result<std::vector<TimeRange>> existing() override {
    if (made_.unreachable) return fail(*made_.unreachable);
    return made_.existing;
  }
  Status make(const TimeRange& range) override {
    if (++made_.at_work > 1) made_.overlapped = true;
    const auto refused = made_.refusals.find(range.begin);
    const bool is_refused = refused != made_.refusals.end();
    if (!is_refused) made_.made.push_back(range);
    --made_.at_work;
    return is_refused ? Status(fail(refused->second)) : Status();
  }

 private:
  Made& made_;
};

Error sql_error(std::string state) {
  return Error{.kind = ErrorKind::sql, .message = "refused", .sqlstate = std::move(state)};
}

class ChunksAheadTest : public testing::Test {
 protected:
  static constexpr std::int64_t kInterval = 10;

  void SetUp() override {
    auto file = std::make_shared<InputFile>();
    file->name = "in.csv";
    file->mapping.columns = {"at", "v"};
    file->mapping.field_count = 2;
    Dimension at;
    at.kind = DimensionKind::integer;
    at.type_oid = type_oid::kInt8;
    at.interval = kInterval;
    file->chunk_field =
        ChunkField{.in_tuple = 0,
                   .in_record = {.index = 0, .fields = 2, .type_oid = at.type_oid, .interval = kInterval},
                   .grid = ChunkGrid::of(at)};
    TargetTable table;
    table.columns.push_back({.name = "at", .type = "bigint", .wire = {.oid = type_oid::kInt8}});
    table.columns.push_back({.name = "v", .type = "integer", .wire = {.oid = type_oid::kInt4}});
    file->encoding = make_encoding_plan(file->dialect, file->mapping, table, {}).plan;
    ASSERT_TRUE(file->encoding);
    file_ = std::move(file);
  }

  void start(ChunksAhead::Policy policy) {
    policy.type_oid = type_oid::kInt8;
    policy.interval = kInterval;
    ahead_.emplace(std::make_unique<ListMaker>(made_), policy, console_);
  }

  Batch make_batch(const std::vector<std::int64_t>& times) {
    std::string bytes;
    for (const std::int64_t time : times) bytes += fmt::format("{},1\n", time);
    Batch batch{.buffer = PooledBuffer(pool_, *pool_.acquire()),
                .end = bytes.size(),
                .first = {.byte = 100, .line = 12, .record = 11},
                .records = times.size(),
                .newline = NewlineStyle::lf,
                .file = file_};
    std::copy(bytes.begin(), bytes.end(), batch.buffer.bytes().data());
    return batch;
  }

  // By the keys of the encoded batch, or by its text: as the parameter of most tests says.
  Status see_to(const std::vector<std::int64_t>& times, bool encoded) {
    const Batch batch = make_batch(times);
    BatchChunks chunks(&*ahead_, Kernel::scalar);
    if (!encoded) return chunks.see_to(batch);
    RecordEncoder encoder(Kernel::scalar);
    return chunks.see_to(batch, encoder.encode_front(batch.bytes(), batch.newline, *file_->encoding));
  }

  Ranges sorted_made() {
    Ranges made = made_.made;
    std::ranges::sort(made, {}, [](const TimeRange& one) { return one.begin; });
    return made;
  }

  Made made_;
  Console console_{-1, "test", false};
  BatchPool pool_{8, 4096};
  std::shared_ptr<const InputFile> file_;
  std::optional<ChunksAhead> ahead_;
};

class ByKeyOrText : public ChunksAheadTest, public testing::WithParamInterface<bool> {};

INSTANTIATE_TEST_SUITE_P(Ways, ByKeyOrText, testing::Bool(),
                         [](const auto& one) { return one.param ? "Encoded" : "Text"; });

TEST_P(ByKeyOrText, RangesThatHoldRecordsAreMadeOnce) {
  start({.makes = true});
  ASSERT_TRUE(see_to({-1, 5, 57, 3, 58}, GetParam()));
  EXPECT_EQ(sorted_made(), (Ranges{{-10, 0}, {0, 10}, {50, 60}}));
  ASSERT_TRUE(see_to({9, 57, 60}, GetParam()));
  EXPECT_EQ(sorted_made(), (Ranges{{-10, 0}, {0, 10}, {50, 60}, {60, 70}}));
  EXPECT_EQ(ahead_->made(), 4U);
}

TEST_P(ByKeyOrText, WhatExistsIsNeitherCountedNorMade) {
  made_.existing = {{0, 10}, {20, 50}};
  start({.most_new = 1, .makes = true});
  // 27 lies in an older, longer chunk.
  ASSERT_TRUE(see_to({1, 27, 49}, GetParam()));
  EXPECT_TRUE(made_.made.empty());
  ASSERT_TRUE(see_to({11}, GetParam()));
  EXPECT_EQ(made_.made, (Ranges{{10, 20}}));
}

TEST_P(ByKeyOrText, ShorterChunksCoverARangeTogether) {
  made_.existing = {{0, 4}, {4, 8}, {8, 12}, {20, 24}, {26, 30}};
  start({.most_new = 1, .makes = true});
  ASSERT_TRUE(see_to({1, 9}, GetParam()));
  EXPECT_TRUE(see_to({21, 27}, GetParam()));  // 24 and 25 have no chunk
  EXPECT_FALSE(see_to({31}, GetParam()));
  EXPECT_TRUE(made_.made.empty());
}

// A chunk of another interval covers a part of the range: the server cuts the new one.
TEST_P(ByKeyOrText, PartlyCoveredRangesAreCountedAndLeftToTheServer) {
  made_.existing = {{15, 22}};
  start({.most_new = 2, .makes = true});
  ASSERT_TRUE(see_to({11, 16, 25}, GetParam()));
  EXPECT_TRUE(made_.made.empty());
  EXPECT_FALSE(see_to({31}, GetParam()));
}

TEST_P(ByKeyOrText, NothingIsMadeOfABatchThatNeedsTooMany) {
  start({.most_new = 3, .makes = true});
  ASSERT_TRUE(see_to({1, 11}, GetParam()));
  const Status refused = see_to({5, 31, 2, 41, 32, 51}, GetParam());
  ASSERT_FALSE(refused);
  const Error& error = refused.error();
  EXPECT_EQ(error.kind, ErrorKind::target);
  ASSERT_TRUE(error.location);
  EXPECT_EQ(to_string(*error.location), "in.csv: record 14, line 15, byte 113");
  EXPECT_NE(error.message.find("more than 3 new chunks"), std::string::npos) << error.message;
  EXPECT_NE(error.message.find("the time 41"), std::string::npos) << error.message;
  EXPECT_NE(error.detail.find("2 new ones were needed so far"), std::string::npos) << error.detail;
  EXPECT_NE(error.detail.find("needs 3 more"), std::string::npos) << error.detail;
  EXPECT_EQ(sorted_made(), (Ranges{{0, 10}, {10, 20}}));
  // What was refused counts nothing, and a batch that is tried again counts once.
  ASSERT_TRUE(see_to({1, 11, 21}, GetParam()));
  ASSERT_TRUE(see_to({1, 11, 21}, GetParam()));
  EXPECT_FALSE(see_to({71}, GetParam()));
}

TEST_P(ByKeyOrText, TheLimitHoldsWhereNothingIsMade) {
  start({.most_new = 2});
  ASSERT_TRUE(see_to({1, 11}, GetParam()));
  EXPECT_FALSE(see_to({21}, GetParam()));
  EXPECT_TRUE(made_.made.empty());
}

TEST_P(ByKeyOrText, RefusalsAreLeftToTheServer) {
  struct Case {
    const char* name;
    const char* sqlstate;
    Ranges first;   // made of three ranges, when the second is refused
    Ranges second;  // with the same batch again, when nothing is refused any more
  };
  const Case cases[] = {
      {"a chunk of other bounds", "TS503", {{0, 10}, {20, 30}}, {{0, 10}, {20, 30}}},
      {"no right", "42501", {{0, 10}}, {{0, 10}}},
      {"the Apache licence", "0A000", {{0, 10}}, {{0, 10}}},
      {"the lock is not had", "55P03", {{0, 10}}, {{0, 10}, {10, 20}, {20, 30}}},
      {"the connection was lost", "57P01", {{0, 10}}, {{0, 10}, {10, 20}, {20, 30}}},
  };
  for (const Case& one : cases) {
    SCOPED_TRACE(one.name);
    made_.made.clear();
    made_.refusals = {{10, sql_error(one.sqlstate)}};
    start({.makes = true});
    ASSERT_TRUE(see_to({1, 11, 21}, GetParam()));
    EXPECT_EQ(sorted_made(), one.first);
    made_.refusals.clear();
    ASSERT_TRUE(see_to({1, 11, 21}, GetParam()));
    EXPECT_EQ(sorted_made(), one.second);
  }
}

TEST_P(ByKeyOrText, ALoadGoesOnWhereTheChunksCannotBeRead) {
  made_.unreachable = Error{.kind = ErrorKind::connection, .message = "too many clients"};
  start({.most_new = 1, .makes = true});
  ASSERT_TRUE(see_to({1, 11, 21}, GetParam()));
  EXPECT_TRUE(made_.made.empty());
}

TEST_F(ChunksAheadTest, AnEmptiedTableHasNoChunks) {
  made_.existing = {{0, 100}};
  start({.most_new = 1, .was_emptied = true});
  EXPECT_FALSE(see_to({1, 11}, true));
}

TEST_F(ChunksAheadTest, SeveralWorkersMakeEachRangeOnce) {
  start({.most_new = 40, .makes = true});
  std::vector<Batch> batches;
  for (std::int64_t worker = 0; worker < 4; ++worker) {
    std::vector<std::int64_t> times;
    for (std::int64_t range = 0; range < 25; ++range) times.push_back((range + worker * 5) * kInterval);
    batches.push_back(make_batch(times));
  }
  std::atomic<int> refused{0};
  {
    std::vector<std::jthread> workers;
    for (const Batch& batch : batches) {
      workers.emplace_back([&] {
        BatchChunks chunks(&*ahead_, Kernel::scalar);
        if (!chunks.see_to(batch)) ++refused;
      });
    }
  }
  EXPECT_EQ(refused, 0);
  EXPECT_FALSE(made_.overlapped);
  Ranges expected;
  for (std::int64_t range = 0; range < 40; ++range)
    expected.push_back({range * kInterval, (range + 1) * kInterval});
  EXPECT_EQ(sorted_made(), expected);
}

}  // namespace
}  // namespace hypercopy::test
