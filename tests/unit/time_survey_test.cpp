// What a survey says of an input does not depend on how the input was cut; every spelling lands where the server puts
// it; what cannot be read is counted and named.
#include "hypercopy/time_survey.hpp"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <random>

#include "hypercopy/field_encoder.hpp"

namespace hypercopy::test {
namespace {

using namespace std::string_literals;
constexpr std::int64_t kSecond = 1'000'000;
constexpr std::int64_t kHour = 3600 * kSecond;
constexpr std::int64_t kDay = 24 * kHour;

struct Input {
  std::vector<std::string> records{};  // with their newlines
  TimeField field{.index = 0, .fields = 2, .type_oid = type_oid::kInt8, .interval = 10};
  Dialect dialect{};
  NewlineStyle newline = NewlineStyle::lf;
};

// `cut`: records per batch.
TimeSurveyResult survey(const Input& input, std::size_t cut = SIZE_MAX, Kernel kernel = Kernel::scalar) {
  TimeSurvey survey(
      input.dialect,
      {.format = input.dialect.format, .quote = input.dialect.quote, .escape = input.dialect.escape},
      input.field, kernel);
  Position at{.byte = 1000, .line = 11, .record = 1};
  for (std::size_t begin = 0; begin < input.records.size(); begin += std::min(cut, input.records.size())) {
    std::string batch;
    const std::size_t end = std::min(input.records.size(), begin + std::min(cut, input.records.size()));
    for (std::size_t record = begin; record < end; ++record) batch += input.records[record];
    survey.add(batch, at, input.newline);
    at.byte += batch.size();
    const char newline = input.newline == NewlineStyle::cr ? '\r' : '\n';
    at.line += static_cast<std::uint64_t>(std::count(batch.begin(), batch.end(), newline));
    at.record += end - begin;
  }
  return survey.result();
}

std::string shown(const Position& at) { return fmt::format("r{} l{} b{}", at.record, at.line, at.byte); }

std::string shown(const CountedRecords& counted) {
  return counted.records == 0 ? "0" : fmt::format("{} from {}", counted.records, shown(counted.first));
}

std::string shown(const TimeSurveyResult& result) {
  std::string text = fmt::format(
      "{} of {}: {}..{}, {} back, {} on, at most {} back, {} changes, null {}, unread {}, utc {}, misfit {}",
      result.times, result.records, result.least, result.greatest, result.steps_back, result.steps_forward,
      result.furthest_back, result.bucket_changes, shown(result.nulls), shown(result.unread),
      shown(result.as_utc), shown(result.misfits));
  for (const auto& [begin, bucket] : result.buckets) {
    text += fmt::format("\n[{}, {}): {} in {}..{} from {}", begin, bucket.end, bucket.records, bucket.least,
                        bucket.greatest, shown(bucket.first));
  }
  return text;
}

TEST(TimeSurvey, CountsPerRangeWithTheFirstRecordOfEach) {
  const Input input{.records = {"3,a\n", "\"12\",\"b\nb\"\n", "-1,c\n", "12,d\n", "-10,e\n", "-11,f"}};
  const std::string expected =
      "6 of 6: -11..12, 3 back, 2 on, at most 23 back, 5 changes, null 0, unread 0, utc 0, misfit 0\n"
      "[-20, -10): 1 in -11..-11 from r6 l17 b1031\n"
      "[-10, 0): 2 in -10..-1 from r3 l14 b1015\n"
      "[0, 10): 1 in 3..3 from r1 l11 b1000\n"
      "[10, 20): 2 in 12..12 from r2 l12 b1004";
  for (const Kernel kernel : available_kernels()) {
    for (const std::size_t cut : {1U, 2U, 3U, 6U}) {
      EXPECT_EQ(shown(survey(input, cut, kernel)), expected) << to_string(kernel) << ", " << cut;
    }
  }
}

TEST(TimeSurvey, WhatIsNoTimeIsCountedAndNamed) {
  const Input input{.records = {"1,a\n", ",b\n", "\"\",c\n", "x,d\n", "5\n", "6,g,h\n", "7,i\n", "\n"}};
  const std::string expected =
      "2 of 8: 1..7, 0 back, 1 on, at most 0 back, 0 changes, null 1 from r2 l12 b1004, unread 2 from r3 l13 "
      "b1007, utc 0, misfit 3 from r5 l15 b1016\n"
      "[0, 10): 2 in 1..7 from r1 l11 b1000";
  for (const std::size_t cut : {1U, 3U, 5U, 8U}) EXPECT_EQ(shown(survey(input, cut)), expected) << cut;
}

TEST(TimeSurvey, NewlinesOfEveryStyleAndTheLastField) {
  for (const auto& [style, newline] :
       {std::pair{NewlineStyle::lf, "\n"s}, {NewlineStyle::crlf, "\r\n"s}, {NewlineStyle::cr, "\r"s}}) {
    Input input{.records = {"a;1" + newline, "b;25" + newline, "c;26"},
                .field = {.index = 1, .fields = 2, .type_oid = type_oid::kInt4, .interval = 10},
                .newline = style};
    input.dialect.delimiter = ';';
    const auto result = survey(input, 2);
    ASSERT_EQ(result.buckets.size(), 2U) << newline.size();
    EXPECT_EQ(result.buckets.at(20).records, 2U);
    EXPECT_EQ(result.buckets.at(20).first.line, 12U);
    EXPECT_EQ(result.buckets.at(20).first.record, 2U);
  }
}

TEST(TimeSurvey, CopyTextIsReadToo) {
  const Input input{.records = {"a\t1\n", "b\t\\N\n", "c\\\td\t2\n", "e\\\nf\t3\n", "g\n", "h\t\\x34\n"},
                    .field = {.index = 1, .fields = 2, .type_oid = type_oid::kInt8, .interval = 100},
                    .dialect = default_dialect(Format::text)};
  const auto result = survey(input, 2);
  EXPECT_EQ(result.records, 6U);
  EXPECT_EQ(result.times, 4U);
  EXPECT_EQ(result.least, 1);
  EXPECT_EQ(result.greatest, 4);
  EXPECT_EQ(shown(result.nulls), "1 from r2 l12 b1004");
  EXPECT_EQ(shown(result.misfits), "1 from r5 l16 b1023");
}

struct ValueCase {
  std::uint32_t type;
  const char* text;
  std::optional<std::int64_t> value;
};

TEST(TimeSurvey, ValuesOfEveryType) {
  const ValueCase cases[] = {
      {type_oid::kTimestamptz, "1970-01-01 00:00:00+00", 0},
      {type_oid::kTimestamptz, "1969-12-31 23:59:59.999999+00", -1},
      {type_oid::kTimestamptz, "2024-01-01T02:00:00+02:00", 19'723 * kDay},
      {type_oid::kTimestamptz, "infinity", INT64_MAX},
      {type_oid::kTimestamptz, "-infinity", INT64_MIN},
      {type_oid::kTimestamptz, "yesterday", std::nullopt},
      {type_oid::kTimestamp, "2000-01-01 00:00:01", 10'957 * kDay + kSecond},
      {type_oid::kDate, "1970-01-02", kDay},
      {type_oid::kDate, "1969-12-31", -kDay},
      {type_oid::kDate, "infinity", INT64_MAX},
      {type_oid::kDate, "-infinity", INT64_MIN},
      {type_oid::kInt2, "-32768", -32768},
      {type_oid::kInt4, "2147483647", 2147483647},
      {type_oid::kInt8, "-9223372036854775808", INT64_MIN},
      {type_oid::kInt4, "2147483648", std::nullopt},
      {type_oid::kUuid, "018cc251-f400-7000-8000-000000000000", 19'723 * kDay},
      {type_oid::kUuid, "018cc251-f400-4000-8000-000000000000", std::nullopt},
  };
  for (const auto& wanted : cases) {
    SCOPED_TRACE(wanted.text);
    EXPECT_TRUE(is_time_type(wanted.type));
    const auto result = survey(
        {.records = {wanted.text + "\n"s}, .field = {.index = 0, .fields = 1, .type_oid = wanted.type}});
    EXPECT_EQ(result.times, wanted.value ? 1U : 0U);
    EXPECT_EQ(result.unread.records, wanted.value ? 0U : 1U);
    if (wanted.value) {
      EXPECT_EQ(result.least, *wanted.value);
    }
    EXPECT_TRUE(result.buckets.empty());
  }
  EXPECT_FALSE(is_time_type(type_oid::kText));
}

TEST(TimeSurvey, ATimeWithoutOffsetIsTakenForUtcAndCounted) {
  Input input{.records = {"2024-01-01 00:30\n", "2024-01-01 02:30+02\n"},
              .field = {.index = 0, .fields = 1, .type_oid = type_oid::kTimestamptz, .interval = kHour}};
  auto result = survey(input);
  EXPECT_EQ(result.times, 2U);
  EXPECT_EQ(shown(result.as_utc), "1 from r1 l11 b1000");
  EXPECT_EQ(result.buckets.size(), 1U);
  input.field.utc = true;
  result = survey(input);
  EXPECT_EQ(result.times, 2U);
  EXPECT_EQ(result.as_utc.records, 0U);
}

TEST(TimeSurvey, RangesEndWhereNumbersEnd) {
  const Input input{
      .records = {"9223372036854775807,\n", "-9223372036854775808,\n", "9223372036854775806,\n"},
      .field = {.index = 0, .fields = 2, .type_oid = type_oid::kInt8, .interval = 1000}};
  const auto result = survey(input);
  ASSERT_EQ(result.buckets.size(), 2U);
  EXPECT_EQ(result.buckets.begin()->first, INT64_MIN);
  EXPECT_EQ(result.buckets.rbegin()->second.end, INT64_MAX);
  EXPECT_EQ(result.buckets.rbegin()->second.records, 2U);
  EXPECT_EQ(result.furthest_back, UINT64_MAX);
}

TEST(TimeSurvey, TooManyRangesAreNotKept) {
  Input input{.field = {.index = 0, .fields = 1, .type_oid = type_oid::kInt8, .interval = 1}};
  for (std::size_t value = 0; value < kMostTimeBuckets + 5; ++value) {
    input.records.push_back(fmt::format("{}\n", value));
  }
  input.records.emplace_back("3\n");
  const auto result = survey(input);
  EXPECT_TRUE(result.too_many_buckets);
  EXPECT_EQ(result.buckets.size(), kMostTimeBuckets);
  EXPECT_EQ(result.buckets.at(3).records, 2U);
  EXPECT_EQ(result.times, kMostTimeBuckets + 6);
}

TEST(TimeSurvey, Orders) {
  const auto order_of = [](std::vector<std::string> records) {
    return survey({.records = std::move(records),
                   .field = {.index = 0, .fields = 1, .type_oid = type_oid::kInt8}})
        .order();
  };
  EXPECT_EQ(order_of({"x\n"}), TimeOrder::none);
  EXPECT_EQ(order_of({"1\n"}), TimeOrder::ascending);
  EXPECT_EQ(order_of({"1\n", "1\n", "2\n"}), TimeOrder::ascending);
  EXPECT_EQ(order_of({"2\n", "1\n", "1\n"}), TimeOrder::descending);
  EXPECT_EQ(order_of({"2\n", "1\n", "3\n"}), TimeOrder::mixed);
}

TEST(TimeSurvey, SurveysOfSeveralInputsAddUp) {
  auto sum = survey({.records = {"1,\n", "25,\n"}});
  merge(sum, survey({.records = {"x,\n"}}));
  merge(sum, survey({.records = {"2,\n", "-5,\n", ",\n"}}));
  EXPECT_EQ(
      shown(sum),
      "4 of 6: -5..25, 1 back, 1 on, at most 7 back, 2 changes, null 1 from r3 l13 b1007, unread 1 from "
      "r1 l11 b1000, utc 0, misfit 0\n"
      "[-10, 0): 1 in -5..-5 from r2 l12 b1003\n"
      "[0, 10): 2 in 1..2 from r1 l11 b1000\n"
      "[20, 30): 1 in 25..25 from r2 l12 b1003");
}

// Against the plain definition, for random values, fields and cuts.
TEST(TimeSurvey, RandomInputsAgreeWithThePlainDefinition) {
  const unsigned seed = std::random_device{}();
  SCOPED_TRACE(fmt::format("seed {}", seed));
  std::mt19937 random(seed);
  for (int round = 0; round < 200; ++round) {
    Input input{.field = {.index = random() % 3, .fields = 3, .type_oid = type_oid::kInt8, .interval = 7}};
    std::map<std::int64_t, std::uint64_t> expected;
    std::uint64_t back = 0;
    std::optional<std::int64_t> previous;
    const std::size_t records = 1 + random() % 60;
    for (std::size_t record = 0; record < records; ++record) {
      const auto value = static_cast<std::int64_t>(random() % 100) - 50;
      std::string line;
      for (std::size_t index = 0; index < 3; ++index) {
        if (index > 0) line += ',';
        const std::string text = index == input.field.index ? fmt::format("{}", value) : "x,\n\"\"y";
        line += random() % 2 == 0 || index != input.field.index ? '"' + text + '"' : text;
      }
      input.records.push_back(line + "\n");
      std::int64_t begin = value;
      while (begin % 7 != 0) --begin;
      ++expected[begin];
      if (previous && value < *previous) ++back;
      previous = value;
    }
    const auto result = survey(input, 1 + random() % records, choose_kernel().value());
    std::map<std::int64_t, std::uint64_t> found;
    for (const auto& [begin, bucket] : result.buckets) found[begin] = bucket.records;
    EXPECT_EQ(found, expected);
    EXPECT_EQ(result.steps_back, back);
  }
}

}  // namespace
}  // namespace hypercopy::test
