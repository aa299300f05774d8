// Which chunks the records of an input go into: those that exist, those that are compressed, those that are made.
// Shape:   pure function of a time survey and the ranges of the chunks that exist.
// Units:   ranges of the primary dimension: with more dimensions each stands for several chunks. Times as in
//          hypertable.hpp.
#pragma once

#include <cstdint>
#include <vector>

#include "hypercopy/hypertable.hpp"
#include "hypercopy/time_survey.hpp"

namespace hypercopy {

struct ChunkForecast {
  std::uint64_t new_ranges = 0;         // that surely have no chunk yet
  std::uint64_t unsure_ranges = 0;      // partly in chunks that exist: made with another interval
  std::uint64_t existing_ranges = 0;    // with chunks that get records
  std::uint64_t compressed_ranges = 0;  // those of them with a compressed chunk
  std::uint64_t new_records = 0;
  std::uint64_t unsure_records = 0;
  std::uint64_t existing_records = 0;
  std::uint64_t compressed_records = 0;  // those of existing_records that go into compressed ranges
};

// `chunks`: by begin, as read_chunk_ranges() gives them.
[[nodiscard]] ChunkForecast forecast_chunks(const TimeSurveyResult& survey,
                                            const std::vector<ChunkRange>& chunks);

}  // namespace hypercopy
