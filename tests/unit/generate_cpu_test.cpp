#include "hypercopy/generate.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <charconv>
#include <cstdint>
#include <sstream>
#include <string>
#include <vector>

namespace hypercopy {
namespace {

using namespace std::chrono_literals;

std::string text_of(const GenerateOptions& options) {
  std::string text;
  const Status status = generate(options, [&](std::string_view block) -> Status {
    EXPECT_TRUE(block.ends_with('\n'));
    text += block;
    return {};
  });
  EXPECT_TRUE(status.has_value());
  return text;
}

std::vector<std::string> split(const std::string& text, char at) {
  std::vector<std::string> parts;
  std::istringstream in(text);
  for (std::string part; std::getline(in, part, at);) {
    parts.push_back(part);
  }
  return parts;
}

// FNV-1a, 64 bits.
std::uint64_t checksum(std::string_view bytes) {
  std::uint64_t hash = 14695981039346656037U;
  for (const char byte : bytes) {
    hash = (hash ^ static_cast<unsigned char>(byte)) * 1099511628211U;
  }
  return hash;
}

TEST(GenerateCpu, FirstRowsAreFixed) {
  EXPECT_EQ(text_of({.rows = 3, .seed = 1, .series = 2}),
            "2016-01-01 00:00:00+00,1,host_0,18.5870537904,69.3978061516,85.2744245197,55.7620887706,"
            "69.7838776072,66.268738773,10.3660866276,65.9465910625,51.6586653889,71.4403337828\n"
            "2016-01-01 00:00:00+00,2,host_1,17.4724616833,80.9461640755,78.9301121342,66.0526177,"
            "20.7481408818,43.0196952236,70.3578801325,86.3504738172,46.4519859331,94.4890510402\n"
            "2016-01-01 00:00:10+00,1,host_0,19.2490019784,68.9885383966,85.3096175764,54.9366326534,"
            "69.7953677806,67.1258773328,10.5528388983,66.685906382,52.2983105812,70.8597715381\n");
}

TEST(GenerateCpu, BytesAreFixed) {
  EXPECT_EQ(checksum(text_of({.rows = 20'000, .seed = 42, .series = 100})), 8690398248300567233U);
}

TEST(GenerateCpu, RowsHaveTheWidthOfTheMeasuredSet) {
  constexpr std::uint64_t kRows = 300'000;
  const double width = static_cast<double>(text_of({.rows = kRows}).size()) / kRows;
  EXPECT_NEAR(width, 174.0, 1.0);
}

TEST(GenerateCpu, OneRowPerHostAndInterval) {
  const auto lines = split(text_of({.rows = 7, .series = 3, .interval = 90s}), '\n');
  ASSERT_EQ(lines.size(), 7U);
  EXPECT_TRUE(lines[0].starts_with("2016-01-01 00:00:00+00,1,host_0,"));
  EXPECT_TRUE(lines[2].starts_with("2016-01-01 00:00:00+00,3,host_2,"));
  EXPECT_TRUE(lines[3].starts_with("2016-01-01 00:01:30+00,1,host_0,"));
  EXPECT_TRUE(lines[6].starts_with("2016-01-01 00:03:00+00,1,host_0,"));
}

TEST(GenerateCpu, DefaultsSpanNineHours) {
  const GenerateOptions options = default_options(DataShape::cpu);
  const std::uint64_t last_step = (options.rows - 1) / options.series;
  EXPECT_EQ(options.interval * last_step / 1h, 8);
}

TEST(GenerateCpu, TimeCrossesLeapDay) {
  const auto lines = split(text_of({.rows = 2,
                                    .series = 1,
                                    .interval = 24h,
                                    .start = std::chrono::sys_days{std::chrono::year{2016} / 2 / 28} + 23h}),
                           '\n');
  EXPECT_TRUE(lines[0].starts_with("2016-02-28 23:00:00+00"));
  EXPECT_TRUE(lines[1].starts_with("2016-02-29 23:00:00+00"));
}

// The text of each value is the shortest of its double, without exponent: PostgreSQL gives it back unchanged.
TEST(GenerateCpu, ValuesAreShortestTextInRange) {
  int zeros = 0;  // what became of values that PostgreSQL would write as 5e-05
  for (const std::string& line : split(text_of({.rows = 40'000, .seed = 1, .series = 4}), '\n')) {
    const auto fields = split(line, ',');
    ASSERT_EQ(fields.size(), 13U) << line;
    for (std::size_t i = 3; i < fields.size(); ++i) {
      double value = -1;
      std::from_chars(fields[i].data(), fields[i].data() + fields[i].size(), value);
      ASSERT_GE(value, 0.0) << line;
      ASSERT_LE(value, 100.0) << line;
      char shortest[32];
      const auto end = std::to_chars(shortest, shortest + sizeof shortest, value).ptr;
      ASSERT_EQ(fields[i], std::string(shortest, end)) << line;
      ASSERT_TRUE(value == 0 || value >= 1e-4) << line;
      zeros += value == 0 ? 1 : 0;
    }
  }
  EXPECT_GE(zeros, 1);
}

}  // namespace
}  // namespace hypercopy
