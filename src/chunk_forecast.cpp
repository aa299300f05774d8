#include "hypercopy/chunk_forecast.hpp"

#include <algorithm>
#include <limits>
#include <set>

namespace hypercopy {

namespace {

// Chunks with the same range in the primary dimension, as one.
std::vector<ChunkRange> distinct_ranges(const std::vector<ChunkRange>& chunks) {
  std::vector<ChunkRange> ranges;
  for (const auto& chunk : chunks) {
    if (!ranges.empty() && ranges.back().begin == chunk.begin) {
      ranges.back().compressed = ranges.back().compressed || chunk.compressed;
    } else {
      ranges.push_back(chunk);
    }
  }
  return ranges;
}

bool holds(const ChunkRange& range, std::int64_t value) {
  const bool open = range.end == std::numeric_limits<std::int64_t>::max();
  return range.begin <= value && (open || value < range.end);
}

}  // namespace

ChunkForecast forecast_chunks(const TimeSurveyResult& survey, const std::vector<ChunkRange>& chunks) {
  const std::vector<ChunkRange> ranges = distinct_ranges(chunks);
  ChunkForecast forecast;
  std::set<std::int64_t> touched;
  std::set<std::int64_t> touched_compressed;
  for (const auto& entry : survey.buckets) {
    const TimeBucket& bucket = entry.second;
    // The first chunk that ends behind the bucket's first time.
    const auto at = std::partition_point(ranges.begin(), ranges.end(), [&](const ChunkRange& range) {
      return range.end <= bucket.least && !holds(range, bucket.least);
    });
    if (at == ranges.end() || at->begin > bucket.greatest) {
      ++forecast.new_ranges;
      forecast.new_records += bucket.records;
    } else if (holds(*at, bucket.least) && holds(*at, bucket.greatest)) {
      touched.insert(at->begin);
      forecast.existing_records += bucket.records;
      if (!at->compressed) continue;
      touched_compressed.insert(at->begin);
      forecast.compressed_records += bucket.records;
    } else {
      ++forecast.unsure_ranges;
      forecast.unsure_records += bucket.records;
    }
  }
  forecast.existing_ranges = touched.size();
  forecast.compressed_ranges = touched_compressed.size();
  return forecast;
}

}  // namespace hypercopy
