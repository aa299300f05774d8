#include "side_tables.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <utility>

#include "human_units.hpp"
#include "hypercopy/sql_identifier.hpp"
#include "owed_rows.hpp"
#include "query_numbers.hpp"
#include "side_table_fit.hpp"

namespace hypercopy {

namespace {

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

// Those of hand-overs that may be under way; shared by them.
std::string hand_over_key(const Connection& connection, const std::string& names) {
  return side_table_lock_key(connection, names + "hand_over");
}

// A backend does not notice that its client is dead before it has ended its statement, which may build an index, or be COMMIT.
// What such a one still does to a table must be known before the table is adopted.
Status end_former_hand_overs(Connection& connection, const std::string& names) {
  const std::string key = hand_over_key(connection, names);
  // Who may not end another role's backends waits for them.
  auto ended = connection.execute(
      fmt::format("SELECT pg_catalog.pg_terminate_backend(pid) FROM pg_catalog.pg_locks WHERE locktype = "
                  "'advisory' AND granted AND objsubid = 2 AND database = (SELECT oid FROM "
                  "pg_catalog.pg_database WHERE datname = pg_catalog.current_database()) AND "
                  "(classid, objid) = ({})",
                  key));
  if (!ended && ended.error().kind != ErrorKind::sql) return fail(std::move(ended).error());
  HYPERCOPY_TRY(connection.execute(
      fmt::format("SELECT pg_catalog.pg_advisory_lock({0}), pg_catalog.pg_advisory_unlock({0})", key)));
  return {};
}

}  // namespace

Status mark_as_hand_over(Connection& connection, int job) {
  HYPERCOPY_TRY(connection.execute(fmt::format("SELECT pg_catalog.pg_advisory_lock_shared({})",
                                               hand_over_key(connection, side_table_names_of_import(job)))));
  return {};
}

std::string side_index_sql(const ChunkBuildingPlan& plan, const SideTable& table, bool unique) {
  std::string sql;
  unsigned number = 0;
  // The two kinds are counted apart by name: an import may build them in different runs, and an index may go in between.
  for (const SideIndex& index : plan.indexes) {
    const std::string name = fmt::format("\"{}_{}{}\"", table.name, index.unique ? "u" : "", ++number);
    if (index.unique != unique) continue;
    // The server puts the index of a constraint into the chunk's only where it was told so.
    const bool by_chunk = index.constraint.empty();
    sql += tablespace_sql(index.tablespace, by_chunk ? plan.tablespace : std::string()) +
           fmt::format("{} {} ON {} {}; ", index.create, name, table.relation, index.definition);
    if (index.constraint.empty()) continue;
    sql += fmt::format("ALTER TABLE {} ADD CONSTRAINT {} {} USING INDEX {}{}; ", table.relation, name,
                       index.constraint, name, index.deferrable);
  }
  return sql;
}

SideTables::SideTables(const ChunkBuildingPlan& plan, const TargetTable& target,
                       const CopyStatement& statement, LastingConnection::Connect connect, const Run& run,
                       Console& console)
    : plan_(plan),
      target_(target),
      statement_(statement),
      owner_(SideTableOwner::run(run.id)),
      names_(owner_.names()),
      into_empty_(run.into_empty),
      console_(console),
      control_(
          [this, connect = std::move(connect)]() -> Result<Connection> {
            HYPERCOPY_ASSIGN(Connection connection, connect());
            HYPERCOPY_TRY(mark_as_living(connection));
            return connection;
          },
          run.retry_timeout, run.stop) {}

Status SideTables::mark_as_living(Connection& connection) const {
  HYPERCOPY_TRY(connection.execute(
      fmt::format("SELECT pg_catalog.pg_advisory_lock_shared({})", side_table_lock_key(connection, names_))));
  return {};
}

Status SideTables::expect_tables_kept(Connection& connection) const {
  const auto made = [this] {
    const std::lock_guard lock(made_mutex_);
    return made_oids_;
  }();
  if (made.empty()) return {};
  HYPERCOPY_ASSIGN(
      const QueryResult there,
      connection.execute(fmt::format("SELECT pg_catalog.count(*) FROM pg_catalog.pg_class WHERE oid IN ({})",
                                     fmt::join(made, ", "))));
  const std::uint64_t gone = made.size() - std::min<std::uint64_t>(made.size(), count_at(there, 0, 0));
  if (gone == 0) return {};
  return fail(ErrorKind::target,
              fmt::format("{} of this load {} gone, with the rows in {}", counted(gone, "side table"),
                          gone == 1 ? "is" : "are", gone == 1 ? "it" : "them"),
              std::string(kWhyGone));
}

Status SideTables::expect_nothing_owed(int job) {
  const std::lock_guard lock(mutex_);
  HYPERCOPY_ASSIGN(const auto owed,
                   control_.ask([&](Connection& connection) { return owed_side_tables(connection, job); }));
  if (owed.empty()) return {};
  return fail(
      ErrorKind::target,
      fmt::format("{} not in {}, although the server had committed their hand-over: it has failed over",
                  counted(owed.size(), "side table is", "side tables are"),
                  display_qualified(target_.schema, target_.name)),
      "Run the same command again: it hands them over.");
}

Status SideTables::begin(std::optional<int> job) {
  const std::lock_guard lock(mutex_);
  if (!job) return control_.ask([](Connection&) -> Status { return {}; });
  names_ = side_table_names_of_import(*job);
  HYPERCOPY_ASSIGN(const std::vector<OwedTable> owed,
                   control_.ask([&](Connection& connection) -> Result<std::vector<OwedTable>> {
                     HYPERCOPY_TRY(end_former_hand_overs(connection, names_));
                     HYPERCOPY_ASSIGN(owner_, SideTableOwner::import(connection, *job));
                     HYPERCOPY_ASSIGN(auto found, owed_side_tables(connection, job));
                     HYPERCOPY_TRY(expect_adoptable(connection, *job, found));
                     return found;
                   }));
  return owed.empty() ? Status{} : adopt(owed);
}

Status SideTables::expect_adoptable(Connection& connection, int job,
                                    const std::vector<OwedTable>& owed) const {
  const std::string target = display_qualified(target_.schema, target_.name);
  if (!into_empty_) HYPERCOPY_TRY(expect_rows_there(connection, job, plan_, target, owed));
  return expect_side_tables_fit(connection, plan_, target, owner_.import_id(), owed);
}

Status SideTables::adopt(const std::vector<OwedTable>& owed) {
  HYPERCOPY_TRY(read_chunks());
  std::uint64_t rows = 0;
  for (const OwedTable& one : owed) {
    const std::int64_t number = plan_.grid.number(one.range.begin);
    auto entry = std::make_unique<Entry>(Entry{.table = {.number = number,
                                                         .range = one.range,
                                                         .name = one.name,
                                                         .relation = one.relation,
                                                         .oid = one.oid,
                                                         .statement = statement_.into(one.relation)},
                                               .adopted = true});
    // Rights may have been granted since it was made.
    HYPERCOPY_TRY(control_.ask([&](Connection& connection) { return renew_rights(connection, one.oid); }));
    ++made_;
    rows += one.rows_estimate;
    if (plan_.grid.range(number) == one.range && !has_chunk(one.range)) {
      known_.emplace(number, std::move(entry));
      continue;
    }
    // The interval of chunks was changed since, or somebody has made a chunk there.
    chunks_->push_back({.schema = {}, .name = {}, .begin = one.range.begin, .end = one.range.end});
    only_handed_over_.push_back(std::move(entry));
  }
  console_.log(LogLevel::info, fmt::format("going on with {} that an earlier run of this import has left",
                                           side_tables_text(owed.size(), rows)));
  return {};
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
  {
    const std::lock_guard made_lock(made_mutex_);
    made_oids_.push_back(table.oid);
  }
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
  const std::string name = names_ + std::to_string(range.begin);
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
  const std::string comment = connection.quote_literal(owner_.comment(plan_.target_oid, table.range));
  const std::string find = fmt::format(
      "SELECT oid, coalesce(pg_catalog.obj_description(oid, 'pg_class') = {}, false) FROM (SELECT "
      "pg_catalog.to_regclass({})::pg_catalog.oid AS oid) AS found",
      comment, connection.quote_literal(table.relation));
  HYPERCOPY_ASSIGN(const QueryResult there, connection.execute(find));
  if (there.is_null(0, 0)) {
    std::string sql;
    if (!plan_.tablespace.empty()) sql += tablespace_sql(plan_.tablespace, {});
    sql += fmt::format(
        "CREATE TABLE {0} (LIKE {1} INCLUDING DEFAULTS INCLUDING CONSTRAINTS INCLUDING GENERATED INCLUDING "
        "STORAGE "
        "INCLUDING COMPRESSION){2}; COMMENT ON TABLE {0} IS {3}; ",
        table.relation, plan_.target, plan_.storage, comment);
    for (const auto& setting : plan_.column_settings)
      sql += fmt::format("ALTER TABLE {} {}; ", table.relation, setting);
    HYPERCOPY_TRY(connection.execute(sql + side_index_sql(plan_, table, /*unique=*/true)));
  } else if (!there.boolean(0, 1)) {
    return fail(
        ErrorKind::target, fmt::format("the side table {} is there, and is not of this load", table.relation),
        "An import that the ledger has forgotten may have left it: move its rows with INSERT where they "
        "are wanted, and drop it.");
  }
  HYPERCOPY_ASSIGN(const QueryResult made, connection.execute(find));
  table.oid = number_at<std::uint32_t>(made, 0, 0);
  HYPERCOPY_TRY(set_rights(connection, table.oid));
  HYPERCOPY_TRY(connection.execute("COMMIT"));
  return {};
}

Status SideTables::renew_rights(Connection& connection, std::uint32_t side_table) const {
  HYPERCOPY_TRY(connection.execute("BEGIN; SET LOCAL ROLE " + plan_.owner));
  HYPERCOPY_TRY(set_rights(connection, side_table));
  HYPERCOPY_TRY(connection.execute("COMMIT"));
  return {};
}

// In the caller's transaction.
Status SideTables::set_rights(Connection& connection, std::uint32_t side_table) const {
  HYPERCOPY_ASSIGN(const QueryResult rights,
                   connection.execute(fmt::format(kRights, side_table, plan_.target_oid)));
  if (!rights.is_null(0, 0)) HYPERCOPY_TRY(connection.execute(rights.text(0, 0)));
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
  const auto add = [&](const Entry& entry) { filled.push_back({entry.table, entry.rows, entry.adopted}); };
  for (const auto& entry : only_handed_over_) add(*entry);
  for (const auto& [number, entry] : known_) {
    if (entry) add(*entry);
  }
  return filled;
}

}  // namespace hypercopy
