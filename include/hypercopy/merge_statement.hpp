// The SQL by which a batch is merged into its table: COPY into a temporary staging table, then one INSERT ... ON CONFLICT.
// Shape:   the staging table has the columns that are loaded, of the target's types (domains are checked by COPY, all
//          else by the INSERT), and one that numbers the records in file order. The INSERT goes by key, so that merges
//          which run at the same time lock rows in one order.
//          Of records with one key the last in file order updates; with `nothing` the first is the one that is kept.
//          Keys are compared as their index does. Where a row trigger may leave records out or change them, `update`
//          has a loop on the server instead, one INSERT a record: which of them counts is known only then.
// Owns:    all that a connection is needed for is quoted when it is made; for_columns() may be called by any thread.
// Errors:  target: a column of the key is not loaded; usage: so many columns that the staging table cannot be made.
// Why:     whether INSERT ... DO UPDATE inserted or updated cannot be asked by xmax: on partitions RETURNING xmax is refused.
//          A temporary sequence counts instead: nextval() in DO UPDATE's WHERE is called once for each row that is
//          changed, on every kind of table, compressed chunks included.
// Source:  PostgreSQL manual, INSERT; src/backend/executor/nodeModifyTable.c, ExecOnConflictUpdate.
#pragma once

#include <string>
#include <vector>

#include "hypercopy/conflict_key.hpp"
#include "hypercopy/connection.hpp"
#include "hypercopy/copy_statement.hpp"
#include "hypercopy/result.hpp"
#include "hypercopy/target_table.hpp"

namespace hypercopy {

// Of one column list.
struct MergeSql {
  std::string staging;     // the staging table's name, as it stands in the server's CONTEXT
  std::string create;      // for TransactionHead.settings; does nothing where this session has made it
  std::string copy_sql;    // as InputFile's, into the staging table
  std::string binary_sql;  //
  std::string insert;      // touches the rows that were inserted or changed
  std::string clear;       // of the staging table, where the transaction goes on with another COPY into it
  std::string explain;     // of it: whether the server takes it
  std::string changed{};   // with `update`: gives the number of rows that were changed, once
  // Where `insert` goes record by record and touches nothing that it tells: gives the number of rows that are new.
  std::string inserted{};
  // With `nothing`, where a trigger may leave rows out: for telling these from conflicts, the number of staged records
  // whose key is in the table behind the INSERT. Else empty.
  std::string keys{};
};

class MergeStatement {
 public:
  MergeStatement(const Connection& connection, const TargetTable& table, ConflictRule rule,
                 const CopyStatement& copy);

  [[nodiscard]] Result<MergeSql> for_columns(const std::vector<std::string>& columns) const;
  [[nodiscard]] const ConflictRule& rule() const { return rule_; }

 private:
  [[nodiscard]] std::string list(const std::vector<std::string>& columns, std::string_view prefix = {}) const;
  [[nodiscard]] std::string insert_head(const std::vector<std::string>& columns) const;
  void leave_out(const std::vector<std::string>& columns, const std::string& staging, MergeSql& sql) const;
  void update(const std::vector<std::string>& columns, const std::string& staging, MergeSql& sql) const;
  // The loop instead of `insert`, by a SELECT of the staged records in the order in which they count.
  [[nodiscard]] std::string record_by_record(const std::vector<std::string>& columns,
                                             const std::string& select, const std::string& on_conflict) const;
  [[nodiscard]] std::string set_clause(const std::vector<std::string>& columns) const;
  [[nodiscard]] std::string conflict_target() const;
  [[nodiscard]] std::string key_alone() const;
  [[nodiscard]] std::string key_order() const;
  [[nodiscard]] std::string null_apart() const;
  [[nodiscard]] std::string ordinal() const;

  ConflictRule rule_;
  CopyStatement copy_;
  std::map<std::string, std::string> quoted_;  // column name -> quoted identifier
  std::string target_;
  bool may_suppress_rows_;
};

}  // namespace hypercopy
