// Whether the rows that an import calls done are where they must be: in the hypertable, or in one of its side tables.
// Shape:   asked when a run adopts what earlier ones have left, of an empty hypertable only: in one that is not empty rows of
//          the import cannot be told apart from others, with or without side tables.
// Why:     an empty hypertable is nothing strange while all rows wait; but rows that were handed over and are not there were
//          taken out by somebody (TRUNCATE, drop_chunks). They are found by counting what waits, for no record of hand-overs
//          could tell what a person has moved or dropped since.
// Units:   rows.
// Threads: one. REQUIRES: no other process fills or hands over tables of the import.
// Errors:  usage: rows are missing; sql, connection.
#pragma once

#include <string>
#include <vector>

#include "chunk_building_plan.hpp"
#include "hypercopy/connection.hpp"
#include "left_side_tables.hpp"

namespace hypercopy {

// Of an import whose rows are done and not in the table, as far as it is not `waiting`: " and only 5 of its 10 rows wait".
[[nodiscard]] Error emptied_since(const std::string& import_id, const std::string& target_name,
                                  const std::string& waiting = {});

[[nodiscard]] Status expect_rows_there(Connection& connection, int job, const ChunkBuildingPlan& plan,
                                       const std::string& target_name, const std::vector<OwedTable>& owed);

}  // namespace hypercopy
