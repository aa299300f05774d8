// Side tables that nobody fills at this moment: what dead runs left, and what imports owe their hypertables.
// Shape:   a side table's COMMENT says whose it is. Of a *run*: nothing of it was ever in the hypertable, and the next load
//          drops it. Of an *import*: batches that are done are in it, so only the import itself may hand it over or, told to
//          forget, drop it. *Kept*: its rows were refused by the hypertable, a person decides.
// Why:     name and COMMENT are the record of what an import owes; the ledger has no table of it. They come and go with the
//          table in one transaction, whoever does it: a hand-over that is committed leaves nothing to be marked, and a
//          person who moves the rows and drops the table has settled it.
// Identity: the job's key may come again in a ledger that was dropped and made anew, so the COMMENT has the moment at which
//          the import was begun, too.
// Units:   rows as the server's statistics estimate them: a size would have to wait for whoever hands the table over.
// Threads: one.
// Errors:  sql, connection; target where the ledger does not know the job any more.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "hypercopy/chunk_destinations.hpp"
#include "hypercopy/connection.hpp"
#include "hypercopy/target_table.hpp"

namespace hypercopy {

inline constexpr std::string_view kSideTablePrefix = "hypercopy_chunk_";

// Whom the side tables of a load belong to.
class SideTableOwner {
 public:
  [[nodiscard]] static SideTableOwner run(const std::string& run_id);
  [[nodiscard]] static Result<SideTableOwner> import(Connection& connection, int job);

  // What the names begin with.
  [[nodiscard]] const std::string& names() const { return names_; }
  // Empty: a run.
  [[nodiscard]] const std::string& import_id() const { return import_; }
  [[nodiscard]] std::string comment(std::uint32_t target, const TimeRange& range) const;

 private:
  std::string names_;
  std::string who_;       // "run 0badcafe", "import 5 of 1732241234567890"
  std::string import_{};  // its id; empty: a run
};

[[nodiscard]] std::string side_table_names_of_run(const std::string& run_id);
[[nodiscard]] std::string side_table_names_of_import(int job);
// The two keys, as SQL, of the advisory lock by which others know that whoever owns tables with these names lives.
[[nodiscard]] std::string side_table_lock_key(const Connection& connection, const std::string& names);
// The COMMENT of a table whose rows could not be handed over: it is never dropped.
[[nodiscard]] std::string kept_comment(std::uint32_t target);

struct OwedTable {
  int job = 0;
  std::uint32_t target = 0;
  std::uint32_t oid = 0;
  std::string name{};
  std::string relation{};  // as SQL
  TimeRange range{};
  std::uint64_t rows_estimate = 0;  // 0 after a crash of the server, too
};

// Of one import, or of all that the ledger knows, in the order of their ranges. REQUIRES: there is a ledger.
[[nodiscard]] Result<std::vector<OwedTable>> owed_side_tables(Connection& connection, std::optional<int> job);
// "3 side tables (about 1,000 rows)"
[[nodiscard]] std::string side_tables_text(std::uint64_t tables, std::uint64_t rows_estimate);
// In a transaction of the caller's.
[[nodiscard]] Status drop_owed_side_tables(Connection& connection, const std::vector<OwedTable>& tables);

// Drops what dead runs left beside this table. A sentence about these, about each import but `own_import` that owes the
// table rows, about those of imports that the ledger does not know (also of that id), and about tables that were kept.
[[nodiscard]] Result<std::vector<std::string>> drop_left_side_tables(Connection& connection,
                                                                     const TargetTable& table,
                                                                     const std::string& own_import);

}  // namespace hypercopy
