// What hangs on a table and makes loading it slower or different: indexes, triggers, foreign keys. For tables of every
// kind; what TimescaleDB adds is in hypertable.hpp.
// Shape:   names as in the catalog; definitions as the server writes them, for people.
// Threads: a plain value after read_table_facts().
// Errors:  sql, connection.
// Source:  pg_index, pg_trigger, pg_constraint. Internal triggers (those of foreign keys) and TimescaleDB's own are left
//          out: the foreign keys stand for them.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "hypercopy/result.hpp"
#include "hypercopy/target_table.hpp"

namespace hypercopy {

class Connection;

struct TableIndex {
  std::string name;
  std::string method;      // btree, brin, ...
  std::string definition;  // "btree (device, at DESC) WHERE ..."
  bool unique = false;
  bool primary = false;
  bool exclusion = false;  // of an EXCLUDE constraint
};

// Fires for rows that a load inserts, under the session's session_replication_role.
struct TableTrigger {
  std::string name;
  bool for_each_row = false;  // else for each statement
  bool before = false;        // BEFORE or INSTEAD OF, else AFTER
  bool has_transition_table = false;
};

struct TableForeignKey {
  std::string name;
  std::string other_table;  // as SQL spells it, with its schema where search_path does not find it
};

struct TableFacts {
  std::vector<TableIndex> indexes;
  std::vector<TableTrigger> triggers;
  std::vector<TableForeignKey> references;     // the table's own foreign keys
  std::vector<TableForeignKey> referenced_by;  // those of other tables to it

  // Whether a unique index, primary key or EXCLUDE constraint watches the rows.
  [[nodiscard]] bool has_uniqueness() const;
};

[[nodiscard]] Result<TableFacts> read_table_facts(Connection& connection, const TargetTable& table);

}  // namespace hypercopy
