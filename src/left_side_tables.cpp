#include "left_side_tables.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <map>
#include <set>
#include <utility>

#include "human_units.hpp"
#include "hypercopy/sql_identifier.hpp"
#include "query_numbers.hpp"

namespace hypercopy {

namespace {

// The first key of the advisory locks of those that live; the second is what their side tables' names begin with, hashed by
// the server.
constexpr int kLockClass = 1752789094;

// When the import was begun, as a number that no setting of a session changes.
constexpr std::string_view kBegun = "(EXTRACT(epoch FROM created_at) * 1000000)::bigint";

// All side tables, without waiting for any. Their COMMENTs are those of SideTableOwner::comment(); of an import `m` has job, begun, begin, end, id.
constexpr std::string_view kSideTables = R"(
SELECT c.relname, n.nspname, c.oid, d.text, m, pg_catalog.substring(d.text, 'target ([0-9]+),')::pg_catalog.oid AS target,
       pg_catalog.format('%I.%I', n.nspname, c.relname) AS relation, pg_catalog.pg_stat_get_live_tuples(c.oid) AS estimate
FROM pg_catalog.pg_class AS c JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
CROSS JOIN LATERAL (SELECT pg_catalog.obj_description(c.oid, 'pg_class') AS text) AS d
LEFT JOIN LATERAL pg_catalog.regexp_match(d.text, '^[^:]*, import ([0-9]+) of ([0-9]+), range (-?[0-9]+) (-?[0-9]+): '
                                                  'rows that import ''(.*)'' owes$') AS m ON true
WHERE c.relname LIKE 'hypercopy_chunk_%' AND c.relkind = 'r' AND d.text LIKE 'hypercopy --build-chunks, target %')";

std::string comment_for(std::uint32_t target) {
  return fmt::format("hypercopy --build-chunks, target {}, ", target);
}

struct LeftTable {
  std::string names;  // what those of the same owner begin with
  std::string relation;
  std::uint64_t rows_estimate = 0;
  bool kept = false;
  std::string import{};  // its id
  std::string job{};     // "5 of 1732241234567890", by which the ledger knows it
};

Result<std::vector<LeftTable>> find_left(Connection& connection, const TargetTable& table) {
  HYPERCOPY_ASSIGN(
      const QueryResult left,
      connection.execute(fmt::format(
          "SELECT pg_catalog.regexp_replace(relname, '[^_]*$', ''), relation, estimate, text NOT LIKE '%, "
          "target {0}, run %' AND m IS NULL, coalesce(m[5], ''), coalesce(m[1] || ' of ' || m[2], '') FROM "
          "({1}) "
          "AS side WHERE target = {0} ORDER "
          "BY 2",
          table.oid, kSideTables)));
  std::vector<LeftTable> tables;
  tables.reserve(static_cast<std::size_t>(left.rows()));
  for (int row = 0; row < left.rows(); ++row) {
    tables.push_back({.names = std::string(left.text(row, 0)),
                      .relation = std::string(left.text(row, 1)),
                      .rows_estimate = count_at(left, row, 2),
                      .kept = left.boolean(row, 3),
                      .import = std::string(left.text(row, 4)),
                      .job = std::string(left.text(row, 5))});
  }
  return tables;
}

// The imports that the ledger knows, as LeftTable::job names them. Nothing: there is a ledger that this role may not read, or
// of another version.
Result<std::optional<std::set<std::string>>> known_jobs(Connection& connection) {
  // Not by to_regclass(), which fails where the schema may not be used.
  HYPERCOPY_ASSIGN(
      const QueryResult ledger,
      connection.execute(
          "SELECT EXISTS (SELECT FROM pg_catalog.pg_class AS c JOIN pg_catalog.pg_namespace AS n ON "
          "n.oid = c.relnamespace WHERE n.nspname = 'hypercopy' AND c.relname = 'job')"));
  if (!ledger.boolean(0, 0)) return std::optional(std::set<std::string>());
  auto jobs = connection.execute(fmt::format("SELECT id || ' of ' || {} FROM hypercopy.job", kBegun));
  if (!jobs && jobs.error().kind == ErrorKind::sql) return std::optional<std::set<std::string>>();
  if (!jobs) return fail(std::move(jobs).error());
  std::set<std::string> known;
  for (int row = 0; row < jobs->rows(); ++row) known.emplace(jobs->text(row, 0));
  return std::optional(std::move(known));
}

// A backend of the dead run may still be at work in it, for a moment. The bytes that are free then.
Result<std::uint64_t> drop(Connection& connection, const std::string& relation) {
  const auto drop_once = [&]() -> Result<std::uint64_t> {
    // Another load may be at the same.
    HYPERCOPY_ASSIGN(
        const QueryResult size,
        connection.execute(fmt::format("BEGIN; SET LOCAL lock_timeout TO '10s'; SELECT coalesce("
                                       "pg_catalog.pg_total_relation_size(pg_catalog.to_regclass({})), 0)",
                                       connection.quote_literal(relation))));
    HYPERCOPY_TRY(connection.execute(fmt::format("DROP TABLE IF EXISTS {}; COMMIT", relation)));
    return count_at(size, 0, 0);
  };
  auto dropped = drop_once();
  if (dropped) return dropped;
  if (connection.is_alive()) HYPERCOPY_TRY(connection.execute("ROLLBACK"));
  return fail(std::move(dropped).error());
}

// What is left beside one table, each in its own way.
class LeftTables {
 public:
  // `known`: known_jobs().
  LeftTables(Connection& connection, const std::string& own_import,
             std::optional<std::set<std::string>> known)
      : connection_(connection), own_import_(own_import), known_(std::move(known)) {}

  Status see_to(const LeftTable& table) {
    if (table.kept) {
      said_.push_back(
          fmt::format("{} holds rows of an earlier load that could not be handed over to the hypertable: "
                      "move them with INSERT, or drop it",
                      table.relation));
      return {};
    }
    if (!table.import.empty() && known_ && !known_->contains(table.job)) return note(forgotten_, table);
    if (!own_import_.empty() && table.import == own_import_) return {};
    const std::string key = side_table_lock_key(connection_, table.names);
    HYPERCOPY_ASSIGN(const QueryResult dead,
                     connection_.execute(fmt::format("SELECT pg_catalog.pg_try_advisory_lock({})", key)));
    if (!dead.boolean(0, 0)) return {};
    HYPERCOPY_TRY(table.import.empty() ? remove(table) : note(owed_, table));
    HYPERCOPY_TRY(connection_.execute(fmt::format("SELECT pg_catalog.pg_advisory_unlock({})", key)));
    return {};
  }

  std::vector<std::string> said() && {
    for (const auto& [import, owed] : owed_) {
      said_.push_back(fmt::format(
          "import '{}' owes this table the rows of {}, which it has built aside and not handed over: "
          "run it again, or see hypercopy imports show",
          import, side_tables_text(owed.tables, owed.rows_estimate)));
    }
    for (const auto& [import, owed] : forgotten_) {
      said_.push_back(fmt::format(
          "{} {} left from an import '{}' that the ledger does not know any more, so no load hands them "
          "over: move "
          "their rows with INSERT where they are wanted, and drop them (\\dt hypercopy_chunk_i*)",
          side_tables_text(owed.tables, owed.rows_estimate), owed.tables == 1 ? "is" : "are", import));
    }
    if (removed_ > 0) {
      said_.push_back(
          fmt::format("removed {} ({}) of a load that was cut off while it built chunks aside: what it had "
                      "loaded into them was never in the hypertable",
                      counted(removed_, "side table"), human_bytes(bytes_removed_)));
    }
    return std::move(said_);
  }

 private:
  struct Owed {
    std::uint64_t tables = 0;
    std::uint64_t rows_estimate = 0;
  };
  using OwedByImport = std::map<std::string, Owed>;

  static Status note(OwedByImport& imports, const LeftTable& table) {
    Owed& owed = imports[table.import];
    ++owed.tables;
    owed.rows_estimate += table.rows_estimate;
    return {};
  }

  Status remove(const LeftTable& table) {
    auto dropped = drop(connection_, table.relation);
    if (dropped) {
      ++removed_;
      bytes_removed_ += *dropped;
      return {};
    }
    if (!connection_.is_alive()) return fail(std::move(dropped).error());
    said_.push_back(fmt::format("{} is left from a load that was cut off, and cannot be removed: {}",
                                table.relation, dropped.error().message));
    return {};
  }

  Connection& connection_;
  const std::string& own_import_;
  const std::optional<std::set<std::string>> known_;
  std::uint64_t removed_ = 0;
  std::uint64_t bytes_removed_ = 0;
  OwedByImport owed_;
  OwedByImport forgotten_;
  std::vector<std::string> said_;
};

}  // namespace

std::string side_tables_text(std::uint64_t tables, std::uint64_t rows_estimate) {
  const std::string text = counted(tables, "side table");
  return rows_estimate == 0 ? text : fmt::format("{} (about {})", text, counted(rows_estimate, "row"));
}

std::string side_table_names_of_run(const std::string& run_id) {
  return fmt::format("{}{}_", kSideTablePrefix, run_id);
}

std::string side_table_names_of_import(int job) { return fmt::format("{}i{}_", kSideTablePrefix, job); }

std::string side_table_lock_key(const Connection& connection, const std::string& names) {
  return fmt::format("{}, pg_catalog.hashtext({})", kLockClass, connection.quote_literal(names));
}

std::string kept_comment(std::uint32_t target) {
  return comment_for(target) + "kept: these rows could not be handed over to the hypertable";
}

SideTableOwner SideTableOwner::run(const std::string& run_id) {
  SideTableOwner owner;
  owner.names_ = side_table_names_of_run(run_id);
  owner.who_ = "run " + run_id;
  return owner;
}

Result<SideTableOwner> SideTableOwner::import(Connection& connection, int job) {
  HYPERCOPY_ASSIGN(
      const QueryResult found,
      connection.execute(fmt::format("SELECT import_id, {} FROM hypercopy.job WHERE id = {}", kBegun, job)));
  if (found.rows() == 0) {
    return fail(ErrorKind::target, "this import was forgotten at this moment");
  }
  SideTableOwner owner;
  owner.names_ = side_table_names_of_import(job);
  owner.who_ = fmt::format("import {} of {}", job, found.text(0, 1));
  owner.import_ = found.text(0, 0);
  return owner;
}

std::string SideTableOwner::comment(std::uint32_t target, const TimeRange& range) const {
  std::string text = comment_for(target) + who_;
  if (import_.empty()) return text;
  return text + fmt::format(", range {} {}: rows that import '{}' owes", range.begin, range.end, import_);
}

Result<std::vector<OwedTable>> owed_side_tables(Connection& connection, std::optional<int> job) {
  HYPERCOPY_ASSIGN(
      const QueryResult found,
      connection.execute(fmt::format(
          "SELECT job.id, side.target, side.oid, relname, relation, m[3], m[4], estimate FROM ({}) AS side "
          "JOIN "
          "hypercopy.job ON job.id = m[1]::integer AND {} = m[2]::bigint AND import_id = m[5]{} ORDER BY 1, "
          "m[3]::bigint",
          kSideTables, kBegun, job ? fmt::format(" WHERE job.id = {}", *job) : "")));
  std::vector<OwedTable> tables;
  tables.reserve(static_cast<std::size_t>(found.rows()));
  for (int row = 0; row < found.rows(); ++row) {
    tables.push_back({.job = number_at<int>(found, row, 0),
                      .target = number_at<std::uint32_t>(found, row, 1),
                      .oid = number_at<std::uint32_t>(found, row, 2),
                      .name = std::string(found.text(row, 3)),
                      .relation = std::string(found.text(row, 4)),
                      .range = {.begin = number_at<std::int64_t>(found, row, 5),
                                .end = number_at<std::int64_t>(found, row, 6)},
                      .rows_estimate = count_at(found, row, 7)});
  }
  return tables;
}

Status drop_owed_side_tables(Connection& connection, const std::vector<OwedTable>& tables) {
  for (const OwedTable& table : tables) {
    HYPERCOPY_TRY(connection.execute(
        fmt::format("SET LOCAL lock_timeout TO '10s'; DROP TABLE IF EXISTS {}", table.relation)));
  }
  return {};
}

Result<std::vector<std::string>> drop_left_side_tables(Connection& connection, const TargetTable& table,
                                                       const std::string& own_import) {
  if (table.kind != TableKind::hypertable) return std::vector<std::string>();
  HYPERCOPY_ASSIGN(const auto found, find_left(connection, table));
  if (found.empty()) return std::vector<std::string>();
  HYPERCOPY_ASSIGN(auto known, known_jobs(connection));
  LeftTables left(connection, own_import, std::move(known));
  for (const LeftTable& one : found) HYPERCOPY_TRY(left.see_to(one));
  return std::move(left).said();
}

}  // namespace hypercopy
