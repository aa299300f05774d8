// Whether chunks of a hypertable can be built aside (--build-chunks on), and what a side table must have to become one.
// Shape:   plan_chunk_building() reads the catalog and refuses what would go wrong later, or silently: each refusal names its
//          reason. Everything in the plan is SQL, ready to be put together.
// Threads: a plain value.
// Errors:  usage: refused; sql, connection.
// Source:  measured with TimescaleDB 2.27 and 2.28: docs/build-chunks.md.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "hypercopy/connection.hpp"
#include "hypercopy/hypertable.hpp"
#include "hypercopy/input_file.hpp"
#include "hypercopy/record_chunks.hpp"
#include "hypercopy/result.hpp"
#include "hypercopy/table_facts.hpp"
#include "hypercopy/target_table.hpp"
#include "hypercopy/time_order.hpp"

namespace hypercopy {

struct SideIndex {
  std::string create;      // "CREATE UNIQUE INDEX"
  std::string definition;  // behind the table's name: "USING btree (...)"
  std::string constraint;  // "PRIMARY KEY", "UNIQUE"; empty: no constraint
  std::string deferrable;  // behind a constraint
  std::string tablespace;  // empty: the database's
  bool unique = false;     // it must be there before the rows
};

struct ChunkBuildingPlan {
  ChunkGrid grid;
  std::string column;  // the time, as in the catalog
  std::string quoted_column;
  std::uint32_t target_oid = 0;
  std::string target;                          // as SQL
  std::string schema;                          // as SQL
  std::string owner;                           // as SQL
  std::string storage{};                       // "WITH (...)", or empty
  std::string tablespace{};                    // of new chunks; empty: what the session has
  std::string columns{};                       // that can be inserted into, as SQL
  std::vector<std::string> column_settings{};  // "ALTER COLUMN c SET STATISTICS 500"
  std::vector<SideIndex> indexes{};
  std::string warning{};  // to be said at start; empty: nothing
};

// What is known of the target.
struct BuildingTarget {
  const TargetTable& table;
  const std::optional<Hypertable>& hypertable;
  const TableFacts& facts;
};

[[nodiscard]] Result<ChunkBuildingPlan> plan_chunk_building(Connection& connection,
                                                            const BuildingTarget& target);

// Whether the records of an input can be told apart by chunk; `why_not_encoded` where it has no encoding.
[[nodiscard]] Status check_building_input(const SendOrder& order, const TargetTable& table,
                                          const InputFile& file, const std::string& why_not_encoded);

// A refusal, for a load with this import id, or without one: what was begun with --build-chunks cannot leave it out.
[[nodiscard]] Status explain_to_import(Status planned, const std::string& import_id);

// From the first version on a later ALTER TABLE ... DROP COLUMN reaches chunks that were handed over.
[[nodiscard]] bool drops_columns_of_built_chunks(std::string_view extension_version);

}  // namespace hypercopy
