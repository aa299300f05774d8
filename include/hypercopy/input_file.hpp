// One input of a run: what all its batches share.
// Shape:   made when the input is opened and its header is read; read-only afterwards.
// Owns:    everything. Batches hold it by shared_ptr, so it lives as long as the last of them.
// Threads: any, read-only; loaded_times has its own rule.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "hypercopy/chunk_field.hpp"
#include "hypercopy/column_mapping.hpp"
#include "hypercopy/dialect.hpp"
#include "hypercopy/loaded_times.hpp"
#include "hypercopy/merge_statement.hpp"
#include "hypercopy/record_encoder.hpp"
#include "hypercopy/record_order.hpp"
#include "hypercopy/record_splitter.hpp"
#include "hypercopy/time_survey.hpp"

namespace hypercopy {

struct InputFile {
  std::size_t index = 0;   // among the inputs of the run
  std::string name;        // as in messages
  std::string path{};      // of a regular file whose bytes at a Position can be read again; else empty
  std::string prologue{};  // what stands in front of the first record: skipped lines, the header
  Dialect dialect;
  SplitOptions split;
  ColumnMapping mapping;
  std::shared_ptr<const EncodingPlan> encoding{};  // nothing: the columns cannot be encoded
  std::string binary_sql{};                        // COPY BINARY, where there is an encoding
  std::optional<TimeKey> time_key{};               // its encoded batches are sent in the order of this field
  std::optional<TimeField> regroup_by{};           // its batches are regrouped by this field
  std::optional<ChunkField> chunk_field{};      // where the target is a hypertable and the input has its time
  std::shared_ptr<LoadedTimes> loaded_times{};  // of the run, where they are asked for
  std::string copy_sql;                         // the COPY statement for its batches
  std::optional<MergeSql> merge{};              // for batches with conflicts, under --on-conflict
};

}  // namespace hypercopy
