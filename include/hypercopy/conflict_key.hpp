// What makes a record clash with a row: the columns of a unique index, as --on-conflict needs them.
// Shape:   find_conflict_rule() reads the table's unique indexes and settles the key: --conflict-key, else the primary
//          key's columns, else those of the only unique index.
// Units:   names are bytes in the session's client_encoding.
// Threads: plain values.
// Errors:  usage: a table without a key that ON CONFLICT can use (deferrable, partial and expression indexes cannot be
//          one), a key that no unique index has, a choice between several; views, foreign tables, rules ON INSERT. The
//          hint lists what can be chosen. sql, connection.
// Source:  PostgreSQL manual, INSERT, "ON CONFLICT Clause"; pg_index, pg_opclass, pg_amop, pg_trigger.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "hypercopy/load_options.hpp"
#include "hypercopy/result.hpp"
#include "hypercopy/target_table.hpp"

namespace hypercopy {

class Connection;

struct ConflictRule {
  // A column of the index, with what the index takes for equal: that need not be what the column's type and collation do.
  struct KeyColumn {
    std::string name;
    // As SQL.
    std::string collation;       // COLLATE and its name; empty where the type has none
    std::string operator_class;  //
    std::string less;            // OPERATOR(...)
    std::string equal;           //
  };
  // Of a column in a staging table.
  struct StagingColumn {
    std::string type;              // as SQL, collation included
    bool always_identity = false;  // UPDATE cannot set it
  };

  OnConflict action = OnConflict::nothing;
  std::vector<KeyColumn> key;  // empty: any unique index (OnConflict::nothing only)
  bool nulls_differ = false;   // a key with a NULL in it clashes with nothing, and the key can have one
  std::map<std::string, StagingColumn> columns;
  bool has_row_triggers = false;  // BEFORE INSERT or UPDATE: they may leave a record out, or change its key
  bool in_file_order =
      false;  // batches are merged one after the other; set by who knows how many workers there are
};

// REQUIRES: options.on_conflict is not `error`.
[[nodiscard]] Result<ConflictRule> find_conflict_rule(Connection& connection, const TargetTable& table,
                                                      const LoadOptions& options);

}  // namespace hypercopy
