// The order of time against std::stable_sort over the same keys, and what is sent in that order.
#include "hypercopy/record_order.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <limits>
#include <numeric>

#include "hypercopy/binary_buffer.hpp"
#include "hypercopy/copy_stream.hpp"
#include "hypercopy/field_encoder.hpp"
#include "support/fakes.hpp"
#include "support/random.hpp"
#include "support/tuples.hpp"

namespace hypercopy::test {
namespace {

std::vector<std::uint32_t> reference_order(const Keys& keys) {
  std::vector<std::uint32_t> order(keys.size());
  std::iota(order.begin(), order.end(), std::uint32_t{0});
  std::stable_sort(order.begin(), order.end(), [&](std::uint32_t a, std::uint32_t b) {
    return keys[a].value_or(INT64_MIN) < keys[b].value_or(INT64_MIN);
  });
  return order;
}

std::vector<std::uint32_t> found_order(RecordOrder& order, const Tuples& tuples, std::uint16_t field) {
  const auto found = order.find(tuples.bytes.view(), tuples.starts, TimeKey{.field = field});
  return {found.begin(), found.end()};
}

// Two fields in front of the key: what falls into one chunk and has one value of the first is one run, in the order of time.
TEST(RecordOrderTest, GroupsAreRunsOfOneChunkAndSegment) {
  BinaryBuffer bytes;
  std::vector<std::size_t> starts;
  const auto put = [&](std::string_view segment, std::int64_t time) {
    starts.push_back(bytes.size());
    bytes.put(std::uint16_t{2});
    bytes.put_field(segment);
    bytes.put_field(time);
  };
  // Chunks of 10 from -3 on: -13..-4, -3..6, 7..16.
  for (const std::int64_t time : {6, -3, -4, 7, 5, -13}) {
    put("a", time);
    put("b", time);
  }
  starts.push_back(bytes.size());
  bytes.put(std::int16_t{-1});
  const TimeKey key{.field = 1, .segment_fields = {0}, .chunk_width = 10, .chunk_shift = 3};
  RecordOrder order;
  const auto found = order.find(bytes.view(), starts, key);
  ASSERT_EQ(found.size(), 12U);
  std::vector<std::int64_t> times;
  std::vector<std::string> runs;
  constexpr std::array<std::int64_t, 6> kTimes{6, -3, -4, 7, 5, -13};
  for (const std::uint32_t record : found) {
    times.push_back(kTimes[record / 2]);
    const std::string segment = record % 2 == 0 ? "a" : "b";
    if (runs.empty() || runs.back() != segment) runs.push_back(segment);
  }
  EXPECT_EQ(times, (std::vector<std::int64_t>{-13, -4, -13, -4, -3, 5, 6, -3, 5, 6, 7, 7}));
  EXPECT_LE(runs.size(), 6U);
  const GroupCount count = order.count_groups(bytes.view(), starts, key);
  EXPECT_EQ(count.chunks, 3U);
  EXPECT_EQ(count.groups, 6U);
  EXPECT_FALSE(count.in_order);
}

TEST(RecordOrderTest, RecordsThatAreInOrderStayAsTheyAre) {
  struct Case {
    const char* name;
    Keys keys;
  };
  for (const auto& [name, keys] :
       {Case{"none", {}}, Case{"one", {5}}, Case{"rising", {1, 2, 2, 3}}, Case{"falling", {3, 2, 2, 1}},
        Case{"all equal", {7, 7, 7}}, Case{"all NULL", {{}, {}}}, Case{"NULL in front", {{}, -5, 9}}}) {
    Random random{1};
    RecordOrder order;
    EXPECT_TRUE(found_order(order, Tuples(keys, 8, 0, random), 0).empty()) << name;
  }
}

TEST(RecordOrderTest, EqualTimesKeepTheOrderOfTheInput) {
  Random random{1};
  RecordOrder order;
  EXPECT_EQ(found_order(order, Tuples({2, 1, 2, 1, {}, 1}, 8, 1, random), 1),
            (std::vector<std::uint32_t>{4, 1, 3, 5, 0, 2}));
}

TEST(RecordOrderTest, IsThatOfAStableSort) {
  const std::uint64_t seed = test_seed();
  SCOPED_TRACE(seed);
  Random random{seed};
  RecordOrder order;
  for (int round = 0; round < 400; ++round) {
    const std::size_t width = std::array<std::size_t, 4>{2, 4, 8, 16}[random.below(4)];
    const std::uint64_t span = std::array<std::uint64_t, 4>{3, 1000, 1ULL << 40, 0}[random.below(4)];
    Keys keys(random.below(3000));
    for (auto& key : keys) {
      if (random.below(50) == 0) continue;
      key = static_cast<std::int64_t>(span == 0 ? random.bits() : random.below(span) - span / 2);
      if (width == 2) key = static_cast<std::int16_t>(*key);
      if (width == 4) key = static_cast<std::int32_t>(*key);
    }
    const auto before = static_cast<std::uint16_t>(random.below(4));
    const Tuples tuples(keys, width, before, random);
    const auto expected = reference_order(keys);
    const auto found = found_order(order, tuples, before);
    const bool stays = found.empty();
    if (!stays) {
      ASSERT_EQ(found, expected) << "round " << round;
      continue;
    }
    const auto compare = [](auto a, auto b) { return a.value_or(INT64_MIN) < b.value_or(INT64_MIN); };
    ASSERT_TRUE(std::is_sorted(keys.begin(), keys.end(), compare) ||
                std::is_sorted(keys.rbegin(), keys.rend(), compare))
        << "round " << round;
  }
}

TEST(RecordOrderTest, TheFarthestTimesAreSorted) {
  constexpr std::int64_t kLeast = std::numeric_limits<std::int64_t>::min();
  constexpr std::int64_t kMost = std::numeric_limits<std::int64_t>::max();
  Random random{1};
  RecordOrder order;
  EXPECT_EQ(found_order(order, Tuples({kMost, kLeast, 0, kMost, -1}, 8, 0, random), 0),
            (std::vector<std::uint32_t>{1, 4, 2, 0, 3}));
}

TEST(RecordOrderTest, EveryTupleIsSentOnceInOrderBetweenHeaderAndTrailer) {
  Random random{2};
  Keys keys(50'000);
  for (auto& key : keys) key = static_cast<std::int64_t>(random.below(1000));
  const Tuples tuples(keys, 8, 2, random);
  RecordOrder order;
  const auto found = order.find(tuples.bytes.view(), tuples.starts, TimeKey{.field = 2});
  std::string expected = "the header of 19 by";
  for (const auto record : reference_order(keys)) expected += tuples.tuple(record);
  expected += "\xff\xff";

  FakeServer server;
  FakeStream stream(server);
  std::string piece;
  ASSERT_TRUE(put_in_order(stream, tuples.bytes.view(), tuples.starts, found, piece));
  ASSERT_TRUE(stream.commit());
  EXPECT_EQ(server.committed().front(), expected);
  EXPECT_LE(piece.capacity(), 2 * kMaxPutBytes);
}

TEST(RecordOrderTest, ATupleLongerThanAPutGoesAlone) {
  BinaryBuffer bytes;
  std::vector<std::size_t> starts;
  const std::string huge(3 * kMaxPutBytes, 'x');
  for (const int key : {3, 1, 2}) {
    starts.push_back(bytes.size());
    bytes.put(std::uint16_t{2});
    bytes.put_field(std::int64_t{key});
    bytes.put_field(key == 2 ? std::string_view(huge) : std::string_view("short"));
  }
  starts.push_back(bytes.size());
  bytes.put(std::int16_t{-1});
  RecordOrder order;
  const auto found = order.find(bytes.view(), starts, TimeKey{.field = 0});
  std::string expected;
  for (const std::size_t record : {1U, 2U, 0U})
    expected += bytes.view().substr(starts[record], starts[record + 1] - starts[record]);

  FakeServer server;
  FakeStream stream(server);
  std::string piece;
  ASSERT_TRUE(put_in_order(stream, bytes.view(), starts, found, piece));
  ASSERT_TRUE(stream.commit());
  EXPECT_EQ(server.committed().front(), expected + "\xff\xff");
}

TEST(RecordOrderTest, TypesWithoutATimeHaveNoKey) {
  EXPECT_TRUE(is_time_key_type(type_oid::kTimestamptz));
  EXPECT_TRUE(is_time_key_type(type_oid::kUuid));
  EXPECT_FALSE(is_time_key_type(type_oid::kText));
  EXPECT_FALSE(is_time_key_type(type_oid::kFloat8));
  EXPECT_FALSE(is_time_key_type(type_oid::kTime));
}

}  // namespace
}  // namespace hypercopy::test
