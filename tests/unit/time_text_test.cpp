// Internal times and spans as people and the server read them.
#include "time_text.hpp"

#include <gtest/gtest.h>

#include "hypercopy/field_encoder.hpp"

namespace hypercopy::test {
namespace {

constexpr std::int64_t kSecond = 1'000'000;
constexpr std::int64_t kDay = 86'400 * kSecond;

TEST(TimeText, Times) {
  EXPECT_EQ(time_text(0, type_oid::kTimestamptz), "1970-01-01 00:00:00+00");
  EXPECT_EQ(time_text(-1, type_oid::kTimestamp), "1969-12-31 23:59:59.999999");
  EXPECT_EQ(time_text(1'500'000, type_oid::kTimestamp), "1970-01-01 00:00:01.5");
  EXPECT_EQ(time_text(10'957 * kDay, type_oid::kDate), "2000-01-01");
  EXPECT_EQ(time_text(-210'866'803'200 * kSecond, type_oid::kTimestamptz), "4714-11-24 00:00:00+00 BC");
  EXPECT_EQ(time_text(INT64_MAX, type_oid::kTimestamptz), "infinity");
  EXPECT_EQ(time_text(INT64_MIN, type_oid::kDate), "-infinity");
  EXPECT_EQ(time_text(-12'000, type_oid::kInt8), "-12000");
}

TEST(TimeText, Spans) {
  EXPECT_EQ(span_text(0, type_oid::kTimestamptz), "0.00 s");
  EXPECT_EQ(span_text(60 * kSecond, type_oid::kTimestamptz), "1 minute");
  EXPECT_EQ(span_text(3600 * kSecond, type_oid::kDate), "1 hour");
  EXPECT_EQ(span_text(5400 * kSecond, type_oid::kDate), "90 minutes");
  EXPECT_EQ(span_text(kDay, type_oid::kDate), "1 day");
  EXPECT_EQ(span_text(7 * kDay, type_oid::kTimestamp), "7 days");
  EXPECT_EQ(span_text(2 * kDay + 1, type_oid::kTimestamp), "2 days");
  EXPECT_EQ(span_text(29'990 * kSecond, type_oid::kTimestamp), "8 h 19 min");
  EXPECT_EQ(span_text(1'200, type_oid::kInt4), "1,200");
}

}  // namespace
}  // namespace hypercopy::test
