#include "human_units.hpp"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace hypercopy {
namespace {

using namespace std::chrono_literals;

template <typename Value>
struct Case {
  Value value;
  std::string expected;
};

TEST(HumanUnits, Bytes) {
  const std::vector<Case<std::uint64_t>> cases{{0, "0 bytes"},
                                               {1, "1 byte"},
                                               {999, "999 bytes"},
                                               {1000, "1.0 kB"},
                                               {999'949, "999.9 kB"},
                                               {999'960, "1.0 MB"},
                                               {522'000'000, "522.0 MB"},
                                               {999'960'000, "1.00 GB"},
                                               {10'340'000'000, "10.34 GB"},
                                               {5'000'000'000'000, "5.00 TB"}};
  for (const auto& [value, expected] : cases) {
    EXPECT_EQ(human_bytes(value), expected);
  }
}

TEST(HumanUnits, BytesOfTotalShareTheUnit) {
  EXPECT_EQ(human_bytes_of(400'000, 522'000'000), "0.4/522.0 MB");
  EXPECT_EQ(human_bytes_of(0, 0), "0/0 bytes");
  EXPECT_EQ(human_bytes_of(2'000'000, 1000), "2.0/0.0 MB");
}

TEST(HumanUnits, ByteRate) {
  const std::vector<Case<double>> cases{
      {0, "0.0 kB/s"}, {500, "0.5 kB/s"}, {124.3e6, "124.3 MB/s"}, {2.31e9, "2.31 GB/s"}};
  for (const auto& [value, expected] : cases) {
    EXPECT_EQ(human_byte_rate(value), expected);
  }
}

TEST(HumanUnits, ShortCount) {
  const std::vector<Case<double>> cases{{0, "0"},          {-1, "0"},         {9876, "9,876"},
                                        {9999.6, "10k"},   {598'000, "598k"}, {999'600, "1.00M"},
                                        {1.25e6, "1.25M"}, {99.96e6, "100M"}};
  for (const auto& [value, expected] : cases) {
    EXPECT_EQ(short_count(value), expected);
  }
}

TEST(HumanUnits, Times) {
  const std::vector<Case<std::chrono::nanoseconds>> clock{{-1s, "0:00"},      {999ms, "0:00"},
                                                          {59s, "0:59"},      {754s, "12:34"},
                                                          {3723s, "1:02:03"}, {100h, "100:00:00"}};
  for (const auto& [value, expected] : clock) {
    EXPECT_EQ(clock_time(value), expected);
  }
  const std::vector<Case<std::chrono::nanoseconds>> human{
      {42ms, "0.04 s"},    {949ms, "0.95 s"},         {951ms, "1.0 s"},
      {4200ms, "4.2 s"},   {59940ms, "59.9 s"},       {59960ms, "1 min 00 s"},
      {73s, "1 min 13 s"}, {3599600ms, "1 h 00 min"}, {10930s, "3 h 02 min"}};
  for (const auto& [value, expected] : human) {
    EXPECT_EQ(human_time(value), expected);
  }
}

TEST(HumanUnits, CountedTakesThePluralForm) {
  EXPECT_EQ(counted(1, "row"), "1 row");
  EXPECT_EQ(counted(0, "row"), "0 rows");
  EXPECT_EQ(counted(1'254'000, "batch", "batches"), "1,254,000 batches");
}

}  // namespace
}  // namespace hypercopy
