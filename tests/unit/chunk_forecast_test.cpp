// Where the records of a survey go: chunks that exist, with gaps, with other lengths, with several dimensions.
#include "hypercopy/chunk_forecast.hpp"

#include <gtest/gtest.h>

namespace hypercopy::test {
namespace {

ChunkRange chunk(std::int64_t begin, std::int64_t end, bool compressed = false) {
  return {.schema = "s", .name = "c", .begin = begin, .end = end, .compressed = compressed};
}

// Buckets of 10, each with as many records as it has times between least and greatest.
TimeSurveyResult survey(const std::vector<std::pair<std::int64_t, std::int64_t>>& times) {
  TimeSurveyResult result;
  for (const auto& [least, greatest] : times) {
    const std::int64_t begin = least - least % 10;
    result.buckets[begin] = {.end = begin + 10,
                             .least = least,
                             .greatest = greatest,
                             .records = static_cast<std::uint64_t>(greatest - least + 1)};
  }
  return result;
}

TEST(ChunkForecast, NothingExists) {
  const auto forecast = forecast_chunks(survey({{0, 9}, {50, 50}}), {});
  EXPECT_EQ(forecast.new_ranges, 2U);
  EXPECT_EQ(forecast.new_records, 11U);
  EXPECT_EQ(forecast.existing_ranges, 0U);
}

TEST(ChunkForecast, ExistingCompressedAndNewOnes) {
  const auto forecast = forecast_chunks(survey({{0, 9}, {10, 12}, {25, 29}, {30, 30}}),
                                        {chunk(0, 10), chunk(20, 30, true), chunk(40, 50, true)});
  EXPECT_EQ(forecast.existing_ranges, 2U);
  EXPECT_EQ(forecast.existing_records, 15U);
  EXPECT_EQ(forecast.compressed_ranges, 1U);
  EXPECT_EQ(forecast.compressed_records, 5U);
  EXPECT_EQ(forecast.new_ranges, 2U);
  EXPECT_EQ(forecast.new_records, 4U);
  EXPECT_EQ(forecast.unsure_ranges, 0U);
}

TEST(ChunkForecast, ChunksOfOneRangeAreOneRange) {
  const auto forecast =
      forecast_chunks(survey({{0, 9}}), {chunk(0, 10), chunk(0, 10, true), chunk(0, 10), chunk(10, 20)});
  EXPECT_EQ(forecast.existing_ranges, 1U);
  EXPECT_EQ(forecast.compressed_ranges, 1U);
  EXPECT_EQ(forecast.compressed_records, 10U);
}

TEST(ChunkForecast, ChunksMadeWithAnotherInterval) {
  // One chunk holds three ranges; another begins within a range.
  const auto forecast = forecast_chunks(survey({{0, 9}, {10, 19}, {20, 29}, {30, 39}, {42, 44}, {55, 59}}),
                                        {chunk(0, 30), chunk(35, 43), chunk(57, 100)});
  EXPECT_EQ(forecast.existing_ranges, 1U);
  EXPECT_EQ(forecast.existing_records, 30U);
  EXPECT_EQ(forecast.unsure_ranges, 3U);
  EXPECT_EQ(forecast.unsure_records, 18U);
  // Where all of a range's times lie in the gap, it is new for certain.
  EXPECT_EQ(forecast_chunks(survey({{31, 33}}), {chunk(0, 30), chunk(35, 43)}).new_ranges, 1U);
}

TEST(ChunkForecast, AChunkWithoutEndHoldsTheGreatestTime) {
  TimeSurveyResult survey_of_infinity;
  survey_of_infinity.buckets[INT64_MAX - 5] = {
      .end = INT64_MAX, .least = INT64_MAX, .greatest = INT64_MAX, .records = 1};
  const auto forecast = forecast_chunks(survey_of_infinity, {chunk(INT64_MAX - 100, INT64_MAX)});
  EXPECT_EQ(forecast.existing_ranges, 1U);
  EXPECT_EQ(forecast.new_ranges, 0U);
}

}  // namespace
}  // namespace hypercopy::test
