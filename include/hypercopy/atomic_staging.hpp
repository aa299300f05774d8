// The staging table of --atomic: workers fill it in parallel, and one INSERT ... SELECT makes all of it visible at once.
// Shape:   a table beside the target, with its columns, defaults, NOT NULL and CHECK constraints, so that bad records are
//          found when they are sent; without these where a BEFORE ROW trigger may still mend a record. Generated columns
//          are left to the target. publish() is INSERT (behind TRUNCATE, where that is asked for) and DROP of the staging
//          table, inside of a transaction of the caller's: it commits both or none.
// Names:   hypercopy_atomic_ and the run's id, or for an import a hash of its id, so that the next run finds it again. Its
//          COMMENT says whose it is.
// Durable: UNLOGGED, unless it belongs to an import, which must find it again after a crash. Of rows that a crash took from
//          it publish() knows, for it is told how many there must be.
// Threads: one at a time.
// Errors:  sql (42501: the role may not create tables beside the target), target: the staging table does not hold what was
//          copied into it; usage: inputs of which some fill an identity column and some do not, a table with a rule ON INSERT.
// Source:  PostgreSQL manual, CREATE TABLE (LIKE), INSERT (OVERRIDING SYSTEM VALUE).
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "hypercopy/connection.hpp"
#include "hypercopy/load_options.hpp"
#include "hypercopy/result.hpp"
#include "hypercopy/target_table.hpp"

namespace hypercopy {

class AtomicStaging {
 public:
  // Whether this role may load this way at all; nothing is created.
  [[nodiscard]] static Result<AtomicStaging> plan(Connection& connection, const TargetTable& table,
                                                  const LoadOptions& options, const std::string& run_id);

  // As it stands in the server's words.
  [[nodiscard]] const std::string& name() const { return name_; }
  // As SQL.
  [[nodiscard]] const std::string& relation() const { return relation_; }
  [[nodiscard]] bool is_logged() const { return is_logged_; }

  // Every input is told: one INSERT has one list of columns.
  [[nodiscard]] Status expect(const std::vector<std::string>& columns, const std::string& input);
  // Hears the number of rows when they are about to be inserted.
  void announce_to(std::function<void(std::uint64_t)> listener) { announce_ = std::move(listener); }

  // In a transaction of the caller's.
  [[nodiscard]] Status create(Connection& connection) const;
  // False: there is none of that name. Somebody else's is an error.
  [[nodiscard]] Result<bool> exists(Connection& connection) const;
  // The rows that the target took: fewer than were staged where its triggers left some out.
  [[nodiscard]] Result<std::uint64_t> publish(Connection& connection, std::uint64_t staged) const;
  [[nodiscard]] Status drop(Connection& connection) const;
  // Takes the session's advisory lock by which others know that the staging table's run lives.
  [[nodiscard]] Status mark_as_owned(Connection& connection) const;

 private:
  struct StagedColumn {
    std::string name;
    std::string quoted;
    bool is_identity = false;
    bool is_generated = false;
    bool not_null = false;
  };

  [[nodiscard]] std::string columns_sql(bool with_identity) const;
  [[nodiscard]] std::string insert_sql(bool with_identity, const std::string& from) const;
  [[nodiscard]] Status check_rights(Connection& connection) const;

  std::string name_;
  std::string relation_;
  std::string target_;  // as SQL
  std::string comment_;
  std::uint32_t target_oid_ = 0;
  std::vector<StagedColumn> columns_;
  bool is_logged_ = false;
  bool truncates_ = false;
  bool may_suppress_rows_ = false;
  bool by_import_ = false;
  std::optional<bool> fills_identity_;
  std::string first_input_;  // that was expected
  std::function<void(std::uint64_t)> announce_ = [](std::uint64_t) {};
};

// What a run that died left beside this table, and that no import can go on with, is dropped. A sentence about each, for
// people; what could not be dropped has one too.
[[nodiscard]] Result<std::vector<std::string>> drop_left_staging(Connection& connection,
                                                                 const TargetTable& table);

// Of an import that is forgotten, inside of the caller's transaction.
[[nodiscard]] Status drop_import_staging(Connection& connection, const std::string& import_id);

}  // namespace hypercopy
