// Whether side tables that earlier runs of an import have filled can still become chunks of their hypertable.
// Shape:   columns (type, collation, NOT NULL, generated) and CHECK constraints are compared, both ways: what the hypertable
//          has and a side table lacks is refused by TimescaleDB at the hand-over, and so are columns that are too many; a
//          constraint that was dropped from the hypertable would stay in the chunk.
// Why:     asked before anything is read: the hand-over would find it at the end, once for each table.
// Threads: one.
// Errors:  usage: one difference, with the number of tables that have it; sql, connection.
// Source:  measured with TimescaleDB 2.28 (create_chunk with a table).
#pragma once

#include <string>
#include <vector>

#include "chunk_building_plan.hpp"
#include "hypercopy/connection.hpp"
#include "left_side_tables.hpp"

namespace hypercopy {

[[nodiscard]] Status expect_side_tables_fit(Connection& connection, const ChunkBuildingPlan& plan,
                                            const std::string& target_name, const std::string& import_id,
                                            const std::vector<OwedTable>& owed);

}  // namespace hypercopy
