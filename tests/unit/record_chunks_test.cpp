// Chunks of records against arithmetic on each of them, and the ranges that the server's grid has.
#include "hypercopy/record_chunks.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <limits>
#include <map>

#include "hypercopy/field_encoder.hpp"
#include "support/tuples.hpp"

namespace hypercopy::test {
namespace {

constexpr std::int64_t kHour = 3'600'000'000;
constexpr std::int64_t kDay = 24 * kHour;
constexpr std::int64_t kDaysTo2000 = 10'957;
constexpr std::uint16_t kFieldsBefore = 2;

Dimension dimension(DimensionKind kind, std::uint32_t type, std::int64_t interval) {
  Dimension made;
  made.column = "at";
  made.kind = kind;
  made.type_oid = type;
  made.interval = interval;
  return made;
}

ChunkGrid grid_of(std::uint32_t type, std::int64_t interval) {
  const bool is_integer = type == type_oid::kInt2 || type == type_oid::kInt4 || type == type_oid::kInt8;
  return *ChunkGrid::of(dimension(is_integer ? DimensionKind::integer : DimensionKind::time, type, interval));
}

struct GridCase {
  const char* name;
  std::uint32_t type;
  std::int64_t interval;
  std::int64_t key;  // as the field has it
  std::int64_t coordinate;
  std::optional<TimeRange> range;
};

void PrintTo(const GridCase& one, std::ostream* out) { *out << one.name; }

class ChunkGridTest : public testing::TestWithParam<GridCase> {};

TEST_P(ChunkGridTest, KeysHaveTheServersCoordinatesAndRanges) {
  const GridCase& one = GetParam();
  const ChunkGrid grid = grid_of(one.type, one.interval);
  Random random(1);
  const std::size_t width = one.type == type_oid::kInt2                                  ? 2
                            : one.type == type_oid::kInt4 || one.type == type_oid::kDate ? 4
                                                                                         : 8;
  const Tuples tuples({one.key}, width, kFieldsBefore, random);
  RecordChunks chunks;
  const auto found = chunks.find(tuples.bytes.view(), tuples.starts, grid.key(kFieldsBefore));
  ASSERT_EQ(found.size(), 1U);
  EXPECT_EQ(found[0].least, one.key);
  EXPECT_EQ(grid.coordinate(one.key), one.coordinate);
  EXPECT_EQ(grid.range(found[0].number), one.range);
  if (one.range) {
    EXPECT_EQ(grid.number(one.coordinate), found[0].number);
  }
}

INSTANTIATE_TEST_SUITE_P(
    All, ChunkGridTest,
    testing::Values(
        GridCase{"TimestampIn2000", type_oid::kTimestamptz, kDay, 0, kDaysTo2000* kDay,
                 TimeRange{kDaysTo2000 * kDay, (kDaysTo2000 + 1) * kDay}},
        GridCase{"LastMicrosecondOfARange", type_oid::kTimestamp, kHour, kHour - 1,
                 kDaysTo2000* kDay + kHour - 1, TimeRange{kDaysTo2000 * kDay, kDaysTo2000* kDay + kHour}},
        GridCase{"JustBefore1970", type_oid::kTimestamptz, 7 * kDay, -kDaysTo2000* kDay - 1, -1,
                 TimeRange{-7 * kDay, 0}},
        GridCase{"Exactly1970", type_oid::kTimestamptz, 7 * kDay, -kDaysTo2000* kDay, 0,
                 TimeRange{0, 7 * kDay}},
        GridCase{"InfiniteTimestamp", type_oid::kTimestamptz, kDay, INT64_MAX, INT64_MAX, std::nullopt},
        GridCase{"MinusInfinity", type_oid::kTimestamptz, kDay, INT64_MIN, INT64_MIN, std::nullopt},
        GridCase{"FirstTimestampOfAll", type_oid::kTimestamp, kDay, -211813488000000000,
                 -210866803200000000 + 0, std::nullopt},
        GridCase{"Date", type_oid::kDate, 7 * kDay, 1, (kDaysTo2000 + 1) * kDay,
                 TimeRange{1565 * 7 * kDay, 1566 * 7 * kDay}},
        GridCase{"DateBefore1970", type_oid::kDate, kDay, -kDaysTo2000 - 1, -kDay, TimeRange{-kDay, 0}},
        GridCase{"InfiniteDate", type_oid::kDate, kDay, INT32_MAX, INT64_MAX, std::nullopt},
        GridCase{"Smallint", type_oid::kInt2, 100, -1, -1, TimeRange{-100, 0}},
        GridCase{"LastSmallints", type_oid::kInt2, 1000, 32'001, 32'001, std::nullopt},
        GridCase{"Integer", type_oid::kInt4, 100, 100, 100, TimeRange{100, 200}},
        GridCase{"Bigint", type_oid::kInt8, 86'400, -86'400, -86'400, TimeRange{-86'400, 0}},
        GridCase{"GreatestBigint", type_oid::kInt8, 86'400, INT64_MAX, INT64_MAX, std::nullopt}),
    [](const auto& one) { return std::string(one.param.name); });

TEST(ChunkGridTest, WhatOnlyTheServerKnowsHasNoGrid) {
  const auto has_grid = [](DimensionKind kind, std::uint32_t type, std::int64_t interval) {
    return ChunkGrid::of(dimension(kind, type, interval)).has_value();
  };
  EXPECT_FALSE(has_grid(DimensionKind::hash, type_oid::kInt8, 0));
  EXPECT_FALSE(has_grid(DimensionKind::function, type_oid::kInt8, 10));
  EXPECT_FALSE(has_grid(DimensionKind::uuid, type_oid::kUuid, kDay));
  EXPECT_FALSE(has_grid(DimensionKind::time, type_oid::kDate, kHour));
  EXPECT_TRUE(has_grid(DimensionKind::time, type_oid::kDate, kDay));
}

TEST(RecordChunksTest, EveryRecordIsInTheChunkOfItsTime) {
  const auto seed = std::random_device{}();
  SCOPED_TRACE(seed);
  Random random(seed);
  RecordChunks chunks;
  for (int round = 0; round < 50; ++round) {
    const std::int64_t interval = 1 + static_cast<std::int64_t>(random.below(40));
    const ChunkGrid grid = grid_of(type_oid::kInt8, interval);
    Keys keys(random.below(300));
    for (auto& key : keys) {
      if (random.below(20) != 0) key = static_cast<std::int64_t>(random.below(400)) - 200;
    }
    const Tuples tuples(keys, 8, kFieldsBefore, random);
    const auto found = chunks.find(tuples.bytes.view(), tuples.starts, grid.key(kFieldsBefore));
    const auto of_record = chunks.chunk_of_record();
    ASSERT_EQ(of_record.size(), keys.size());
    EXPECT_TRUE(
        std::ranges::is_sorted(found, std::ranges::less_equal(), [](const auto& one) { return one.number; }));
    std::map<std::size_t, std::vector<std::size_t>> members;
    for (std::size_t record = 0; record < keys.size(); ++record) {
      members[of_record[record]].push_back(record);
      const auto range = grid.range(found[of_record[record]].number);
      ASSERT_EQ(range.has_value(), keys[record].has_value());
      if (!range) continue;
      EXPECT_TRUE(range->begin <= *keys[record] && *keys[record] < range->end);
      EXPECT_EQ(range->end - range->begin, interval);
      EXPECT_EQ(range->begin % interval, 0);
    }
    ASSERT_EQ(members.size(), found.size());
    for (std::size_t at = 0; at < found.size(); ++at) {
      EXPECT_EQ(found[at].records, members[at].size());
      EXPECT_EQ(found[at].first, members[at].front());
      const auto key_of = [&](std::size_t record) { return keys[record].value_or(INT64_MIN); };
      EXPECT_EQ(found[at].least, key_of(std::ranges::min(members[at], {}, key_of)));
      EXPECT_EQ(found[at].greatest, key_of(std::ranges::max(members[at], {}, key_of)));
    }
  }
}

TEST(RecordChunksTest, NoRecordsHaveNoChunks) {
  RecordChunks chunks;
  EXPECT_TRUE(chunks.find("header", {}, grid_of(type_oid::kInt8, 10).key(0)).empty());
  EXPECT_TRUE(chunks.chunk_of_record().empty());
}

}  // namespace
}  // namespace hypercopy::test
