// What is known of a natively partitioned table before it is loaded: its key, and whether times have a partition.
// Threads: a plain value.
// Errors:  sql, connection.
// Source:  pg_partitioned_table, pg_inherits; the server judges values by the partitions' own constraints.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "hypercopy/connection.hpp"
#include "hypercopy/result.hpp"
#include "hypercopy/target_table.hpp"

namespace hypercopy {

struct PartitionFacts {
  std::string key;               // "RANGE (at)", as the server writes it
  std::string range_column{};    // of a range over one plain column; else empty
  std::uint64_t partitions = 0;  // of the first level
  bool has_default = false;
};

[[nodiscard]] Result<PartitionFacts> read_partition_facts(Connection& connection, const TargetTable& table);

// Those of the values, as the column's type spells them, that have no partition.
// REQUIRES: facts.range_column is not empty.
[[nodiscard]] Result<std::vector<std::string>> values_without_partition(
    Connection& connection, const TargetTable& table, const PartitionFacts& facts,
    const std::vector<std::string>& values);

}  // namespace hypercopy
