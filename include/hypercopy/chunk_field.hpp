// Where an input has the time by which its records fall into chunks of a hypertable.
// Threads: a plain value.
#pragma once

#include <cstdint>
#include <optional>

#include "hypercopy/record_chunks.hpp"
#include "hypercopy/time_survey.hpp"

namespace hypercopy {

struct ChunkField {
  std::uint16_t in_tuple = 0;       // among the fields of an encoded record
  TimeField in_record{};            // with the type and interval of the primary dimension
  std::optional<ChunkGrid> grid{};  // nothing: encoded keys do not tell the range
};

}  // namespace hypercopy
