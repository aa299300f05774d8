// The table that a bench loads into: like the target, of its own name, dropped at the end.
// Shape:   create_scratch() makes it in one transaction on the keeper's connection, which from then on holds
//          an advisory lock on it: a scratch table without such a lock was left behind.
// Units:   names as in pg_class. The SQL is quoted by libpq, or by quote_ident() where the server puts it
//          together.
// Errors:  target: a kind of table that has no twin; sql and connection as the server gives them, with the way
//          out as hint. After an error nothing of it stays.
// Source:  PostgreSQL manual, CREATE TABLE ... LIKE; timescaledb_information.dimensions.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "hypercopy/connection.hpp"
#include "hypercopy/target_table.hpp"

namespace hypercopy {

inline constexpr std::string_view kScratchPrefix = "hypercopy_bench_";

// Neither unique, nor of a constraint, nor the replica identity.
struct SecondaryIndex {
  std::string qualified;  // quoted, with its schema
  std::string create;     // the statement that builds it again, partitions included
};

struct ScratchTable {
  TableName name;
  std::string qualified;  // quoted, for SQL
  std::vector<SecondaryIndex> secondary;
  std::vector<std::string> notices;  // what the target has and the scratch table has not
};

// hypercopy_bench_ and eight hexadecimal digits.
[[nodiscard]] std::string unique_scratch_name();

[[nodiscard]] Result<ScratchTable> create_scratch(Connection& keeper, const TargetTable& target,
                                                  const TableName& name);
[[nodiscard]] Status drop_scratch(Connection& keeper, const ScratchTable& scratch);

[[nodiscard]] Status empty_scratch(Connection& connection, const ScratchTable& scratch);
[[nodiscard]] Status drop_secondary(Connection& connection, const ScratchTable& scratch);
[[nodiscard]] Status build_secondary(Connection& connection, const ScratchTable& scratch);

// DROP TABLE statements for scratch tables of the schema that no bench uses any more.
[[nodiscard]] Result<std::vector<std::string>> find_leftovers(Connection& connection,
                                                              const std::string& schema);

}  // namespace hypercopy
