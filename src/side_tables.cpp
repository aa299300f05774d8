#include "side_tables.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <utility>

#include "human_units.hpp"
#include "hypercopy/sql_identifier.hpp"
#include "query_numbers.hpp"

namespace hypercopy {

namespace {

constexpr std::string_view kPrefix = "hypercopy_chunk_";
// The first key of the advisory locks of runs that live; the second is what their side tables' names begin with, hashed by
// the server.
constexpr int kLockClass = 1752789094;

std::string names_of_run(const std::string& run_id) { return fmt::format("{}{}_", kPrefix, run_id); }

std::string comment_for(std::uint32_t target) {
  return fmt::format("hypercopy --build-chunks, target {}, ", target);
}

std::string lock_key(const Connection& connection, const std::string& names) {
  return fmt::format("{}, pg_catalog.hashtext({})", kLockClass, connection.quote_literal(names));
}

// The rights of the hypertable in the place of those that new tables have by default.
constexpr std::string_view kRights = R"(
WITH pair AS (SELECT s.oid::pg_catalog.regclass::text AS side, coalesce(s.relacl, pg_catalog.acldefault('r', s.relowner)) AS has,
                     coalesce(t.relacl, pg_catalog.acldefault('r', t.relowner)) AS wanted
              FROM pg_catalog.pg_class s, pg_catalog.pg_class t
              WHERE s.oid = {0} AND t.oid = {1} AND (s.relacl IS NOT NULL OR t.relacl IS NOT NULL)),
     rights(step, verb, side, link, a) AS (
       SELECT 1, 'REVOKE ALL', side, 'FROM', a FROM pair, pg_catalog.aclexplode(has) AS a
       UNION ALL SELECT 2, 'GRANT ' || (a).privilege_type, side, 'TO', a FROM pair, pg_catalog.aclexplode(wanted) AS a
       UNION ALL SELECT 3, pg_catalog.format('GRANT %s (%I)', (a).privilege_type, c.attname),
                        {0}::pg_catalog.oid::pg_catalog.regclass::text, 'TO', a
       FROM pg_catalog.pg_attribute c, pg_catalog.aclexplode(c.attacl) AS a
       WHERE c.attrelid = {1} AND NOT c.attisdropped)
SELECT pg_catalog.string_agg(
  pg_catalog.format('%s ON %s %s %s%s', verb, side, link,
                    CASE (a).grantee WHEN 0 THEN 'PUBLIC'
                    ELSE pg_catalog.quote_ident(pg_catalog.pg_get_userbyid((a).grantee)) END,
                    CASE WHEN step > 1 AND (a).is_grantable THEN ' WITH GRANT OPTION' ELSE '' END), '; ' ORDER BY step)
FROM rights)";

// In the tablespace of the index, or in that of the chunk.
std::string tablespace_sql(const std::string& own, const std::string& of_chunk) {
  const std::string& name = own.empty() ? of_chunk : own;
  return name.empty() ? "RESET default_tablespace; "
                      : fmt::format("SET LOCAL default_tablespace TO {}; ", name);
}

}  // namespace

std::string side_index_sql(const ChunkBuildingPlan& plan, const SideTable& table, bool unique) {
  std::string sql;
  unsigned number = 0;
  for (const SideIndex& index : plan.indexes) {
    const std::string name = fmt::format("\"{}_{}\"", table.name, ++number);
    if (index.unique != unique) continue;
    sql += tablespace_sql(index.tablespace, plan.tablespace) +
           fmt::format("{} {} ON {} {}; ", index.create, name, table.relation, index.definition);
    if (index.constraint.empty()) continue;
    sql += fmt::format("ALTER TABLE {} ADD CONSTRAINT {} {} USING INDEX {}{}; ", table.relation, name,
                       index.constraint, name, index.deferrable);
  }
  return sql;
}

std::string kept_comment(std::uint32_t target) {
  return comment_for(target) + "kept: these rows could not be handed over to the hypertable";
}

SideTables::SideTables(const ChunkBuildingPlan& plan, const TargetTable& target,
                       const CopyStatement& statement, LastingConnection::Connect connect, const Run& run,
                       Console& console)
    : plan_(plan),
      target_(target),
      statement_(statement),
      run_id_(run.id),
      console_(console),
      control_(
          [connect = std::move(connect), id = run.id]() -> Result<Connection> {
            HYPERCOPY_ASSIGN(Connection connection, connect());
            HYPERCOPY_TRY(connection.execute(fmt::format("SELECT pg_catalog.pg_advisory_lock({})",
                                                         lock_key(connection, names_of_run(id)))));
            return connection;
          },
          run.retry_timeout, run.stop) {}

Status SideTables::begin() {
  const std::lock_guard lock(mutex_);
  return control_.ask([](Connection&) -> Status { return {}; });
}

std::optional<TimeKey> SideTables::key(const InputFile& file) const {
  const auto& columns = file.mapping.columns;
  const auto found = std::ranges::find(columns, plan_.column);
  if (found == columns.end()) return std::nullopt;
  return plan_.grid.key(static_cast<std::uint16_t>(found - columns.begin()));
}

Result<const SideTable*> SideTables::side_table(std::int64_t number) {
  const std::lock_guard lock(mutex_);
  if (const auto known = known_.find(number); known != known_.end())
    return known->second ? &known->second->table : nullptr;
  if (!chunks_) HYPERCOPY_TRY(read_chunks());
  const std::optional<TimeRange> range = plan_.grid.range(number);
  if (!range || has_chunk(*range) || is_full()) {
    known_.emplace(number, nullptr);
    return nullptr;
  }
  HYPERCOPY_ASSIGN(SideTable table, create(number, *range));
  ++made_;
  const auto& entry = known_.emplace(number, std::make_unique<Entry>(Entry{std::move(table)})).first->second;
  return &entry->table;
}

Status SideTables::read_chunks() {
  HYPERCOPY_ASSIGN(chunks_, control_.ask([this](Connection& connection) {
    return read_chunk_ranges(connection, target_);
  }));
  return {};
}

bool SideTables::has_chunk(const TimeRange& range) const {
  return std::ranges::any_of(
      *chunks_, [&](const ChunkRange& chunk) { return chunk.begin < range.end && range.begin < chunk.end; });
}

bool SideTables::is_full() {
  if (made_ < kMostSideTables) return false;
  if (made_++ == kMostSideTables) {
    console_.log(LogLevel::info,
                 fmt::format("{} chunks are built aside, as many as one load may: rows of more "
                             "chunks go into the hypertable as ever",
                             kMostSideTables));
  }
  return true;
}

Result<SideTable> SideTables::create(std::int64_t number, const TimeRange& range) {
  const std::string name = names_of_run(run_id_) + std::to_string(number);
  std::string relation = fmt::format("{}.\"{}\"", plan_.schema, name);
  SideTable table{.number = number,
                  .range = range,
                  .name = name,
                  .relation = relation,
                  .statement = statement_.into(relation)};
  HYPERCOPY_TRY(control_.ask([&](Connection& connection) { return create_once(connection, table); }));
  console_.log(LogLevel::verbose, fmt::format("{} takes the rows of a chunk that is built aside", name));
  return table;
}

// COMMIT may have been carried out although nobody said so.
Status SideTables::create_once(Connection& connection, SideTable& table) const {
  HYPERCOPY_TRY(connection.execute("BEGIN; SET LOCAL ROLE " + plan_.owner));
  const std::string find = fmt::format("SELECT pg_catalog.to_regclass({})::pg_catalog.oid",
                                       connection.quote_literal(table.relation));
  HYPERCOPY_ASSIGN(const QueryResult there, connection.execute(find));
  if (there.is_null(0, 0)) {
    std::string sql;
    if (!plan_.tablespace.empty()) sql += tablespace_sql(plan_.tablespace, {});
    sql += fmt::format(
        "CREATE TABLE {0} (LIKE {1} INCLUDING DEFAULTS INCLUDING CONSTRAINTS INCLUDING GENERATED INCLUDING "
        "STORAGE "
        "INCLUDING COMPRESSION){2}; COMMENT ON TABLE {0} IS {3}; ",
        table.relation, plan_.target, plan_.storage,
        connection.quote_literal(comment_for(plan_.target_oid) + "run " + run_id_));
    for (const auto& setting : plan_.column_settings)
      sql += fmt::format("ALTER TABLE {} {}; ", table.relation, setting);
    HYPERCOPY_TRY(connection.execute(sql + side_index_sql(plan_, table, /*unique=*/true)));
  }
  HYPERCOPY_ASSIGN(const QueryResult made, connection.execute(find));
  table.oid = number_at<std::uint32_t>(made, 0, 0);
  HYPERCOPY_ASSIGN(const QueryResult rights,
                   connection.execute(fmt::format(kRights, table.oid, plan_.target_oid)));
  if (!rights.is_null(0, 0)) HYPERCOPY_TRY(connection.execute(rights.text(0, 0)));
  HYPERCOPY_TRY(connection.execute("COMMIT"));
  return {};
}

void SideTables::committed(std::span<const SideRows> rows) {
  const std::lock_guard lock(mutex_);
  for (const SideRows& some : rows) {
    if (const auto known = known_.find(some.number); known != known_.end() && known->second)
      known->second->rows += some.rows;
  }
}

std::vector<FilledTable> SideTables::tables() const {
  const std::lock_guard lock(mutex_);
  std::vector<FilledTable> filled;
  for (const auto& [number, entry] : known_) {
    if (entry) filled.push_back({entry->table, entry->rows});
  }
  return filled;
}

namespace {

struct LeftTable {
  std::string names;  // of the run's tables: what they begin with
  std::string relation;
  std::uint64_t bytes = 0;
  bool kept = false;
};

Result<std::vector<LeftTable>> find_left(Connection& connection, const TargetTable& table) {
  const std::array<std::string, 2> which{std::string(kPrefix) + "%", comment_for(table.oid) + "%"};
  HYPERCOPY_ASSIGN(
      const QueryResult left,
      connection.execute(
          "SELECT pg_catalog.regexp_replace(c.relname, '[^_]*$', ''), pg_catalog.format('%I.%I', n.nspname, "
          "c.relname), pg_catalog.pg_total_relation_size(c.oid), pg_catalog.obj_description(c.oid, "
          "'pg_class') "
          "NOT LIKE '%, run %' FROM pg_catalog.pg_class AS c JOIN pg_catalog.pg_namespace AS n ON n.oid = "
          "c.relnamespace WHERE c.relname LIKE $1 AND c.relkind = 'r' AND pg_catalog.obj_description(c.oid, "
          "'pg_class') LIKE $2 ORDER BY 2",
          which));
  std::vector<LeftTable> tables;
  tables.reserve(static_cast<std::size_t>(left.rows()));
  for (int row = 0; row < left.rows(); ++row) {
    tables.push_back({.names = std::string(left.text(row, 0)),
                      .relation = std::string(left.text(row, 1)),
                      .bytes = count_at(left, row, 2),
                      .kept = left.boolean(row, 3)});
  }
  return tables;
}

// A backend of the dead run may still be at work in it, for a moment.
Status drop(Connection& connection, const std::string& relation) {
  auto dropped = connection.execute(
      fmt::format("BEGIN; SET LOCAL lock_timeout TO '10s'; DROP TABLE IF EXISTS {}; COMMIT", relation));
  if (dropped) return {};
  if (connection.is_alive()) HYPERCOPY_TRY(connection.execute("ROLLBACK"));
  return fail(std::move(dropped).error());
}

struct Removed {
  std::uint64_t tables = 0;
  std::uint64_t bytes = 0;
  std::vector<std::string> said{};  // about those that stay
};

Result<Removed> remove(Connection& connection, const std::vector<LeftTable>& left) {
  Removed removed;
  for (const LeftTable& table : left) {
    if (table.kept) {
      removed.said.push_back(
          fmt::format("{} holds rows of an earlier load that could not be handed over to the hypertable: "
                      "move them with INSERT, or drop it",
                      table.relation));
      continue;
    }
    const std::string key = lock_key(connection, table.names);
    HYPERCOPY_ASSIGN(const QueryResult dead,
                     connection.execute(fmt::format("SELECT pg_catalog.pg_try_advisory_lock({})", key)));
    if (!dead.boolean(0, 0)) continue;
    const Status dropped = drop(connection, table.relation);
    if (!dropped && !connection.is_alive()) return fail(dropped.error());
    HYPERCOPY_TRY(connection.execute(fmt::format("SELECT pg_catalog.pg_advisory_unlock({})", key)));
    if (!dropped) {
      removed.said.push_back(fmt::format("{} is left from a load that was cut off, and cannot be removed: {}",
                                         table.relation, dropped.error().message));
      continue;
    }
    ++removed.tables;
    removed.bytes += table.bytes;
  }
  return removed;
}

}  // namespace

Result<std::vector<std::string>> drop_left_side_tables(Connection& connection, const TargetTable& table) {
  if (table.kind != TableKind::hypertable) return std::vector<std::string>();
  HYPERCOPY_ASSIGN(const auto left, find_left(connection, table));
  HYPERCOPY_ASSIGN(Removed removed, remove(connection, left));
  if (removed.tables > 0) {
    removed.said.push_back(
        fmt::format("removed {} ({}) of a load that was cut off while it built chunks aside: what it had "
                    "loaded into them was never in the hypertable",
                    counted(removed.tables, "side table"), human_bytes(removed.bytes)));
  }
  return std::move(removed.said);
}

}  // namespace hypercopy
