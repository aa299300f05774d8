#include "one_hand_over.hpp"

#include <fmt/format.h>

#include "former_backend.hpp"
#include "human_units.hpp"
#include "hypercopy/retry.hpp"
#include "query_numbers.hpp"
#include "sqlstate.hpp"
#include "target_identity.hpp"

namespace hypercopy {

namespace {

// What the table is by now.
constexpr std::string_view kState = R"(
SELECT EXISTS (SELECT FROM pg_catalog.pg_inherits WHERE inhrelid = c.oid AND inhparent = {1})
FROM pg_catalog.pg_class c WHERE c.oid = {0})";

constexpr std::string_view kHasAggregates = R"(
SELECT EXISTS (SELECT FROM _timescaledb_catalog.continuous_agg a
               JOIN _timescaledb_catalog.hypertable h ON h.id = a.raw_hypertable_id
               JOIN pg_catalog.pg_class c ON c.relname = h.table_name
               JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace AND n.nspname = h.schema_name
               WHERE c.oid = {}))";

// pg_class.reltuples is a float4.
constexpr std::uint64_t kMostExactReltuples = std::uint64_t{1} << 24;

}  // namespace

Result<OneHandOver::Ending> OneHandOver::attempt(Connection& connection) {
  HYPERCOPY_ASSIGN(const auto before, ended_before(connection, stop_));
  if (before) return *before;
  HYPERCOPY_ASSIGN(LostTransaction own, describe_own(connection));
  HYPERCOPY_TRY(connection.execute("BEGIN; SET LOCAL ROLE " + plan_.owner));
  // Whoever still writes into it is waited for.
  auto locked =
      connection.execute(fmt::format("LOCK TABLE {} IN ACCESS EXCLUSIVE MODE", filled_.table.relation));
  if (!locked) return ended_meanwhile(connection, std::move(locked).error());
  in_doubt_ = false;
  lost_ = std::move(own);
  HYPERCOPY_ASSIGN(const std::uint64_t rows, build_indexes_and_count(connection));
  HYPERCOPY_ASSIGN(ending_, rows == 0 ? drop(connection) : make_chunk(connection, rows));
  return commit(connection);
}

Result<std::optional<OneHandOver::Ending>> OneHandOver::settle(Connection& connection, StopAt stop) {
  HYPERCOPY_TRY(end_former_backend(connection, lost_.backend_pid));
  HYPERCOPY_ASSIGN(const auto before, ended_before(connection, stop));
  if (before) return before;
  // Who is at it still has it locked.
  auto waited = connection.execute(fmt::format(
      "BEGIN; SET LOCAL ROLE {}; SET LOCAL lock_timeout TO '{}s'; LOCK TABLE {} IN ACCESS SHARE MODE",
      plan_.owner, kPatience.count(), filled_.table.relation));
  if (!waited && waited.error().sqlstate != sqlstate::kUndefinedTable) return fail(std::move(waited).error());
  HYPERCOPY_TRY(connection.execute("ROLLBACK"));
  return ended_before(connection, stop);
}

// Where this user may not read it, a COMMIT may stay in doubt.
Result<LostTransaction> OneHandOver::describe_own(Connection& connection) {
  auto mark = read_server_mark(connection);
  const bool is_hidden = !mark && mark.error().kind == ErrorKind::sql && !is_read_only(mark.error());
  if (!mark && !is_hidden) return fail(std::move(mark).error());
  return LostTransaction{
      .id = {}, .backend_pid = connection.backend_pid(), .server = mark ? std::move(*mark) : ServerMark{}};
}

Result<OneHandOver::Ending> OneHandOver::commit(Connection& connection) {
  in_doubt_ = true;
  auto committed = connection.execute("COMMIT");
  if (committed && committed->tag() == "COMMIT") return ending_;
  if (committed || (committed.error().kind != ErrorKind::interrupted && connection.is_alive()))
    in_doubt_ = false;
  if (!committed) return fail(std::move(committed).error());
  return fail(ErrorKind::protocol, fmt::format("the server answered COMMIT with {}", committed->tag()));
}

Result<std::optional<OneHandOver::Ending>> OneHandOver::ended_before(Connection& connection, StopAt stop) {
  HYPERCOPY_ASSIGN(const QueryResult state,
                   connection.execute(fmt::format(kState, filled_.table.oid, plan_.target_oid)));
  if (state.rows() > 0) return state.boolean(0, 0) ? std::optional(Ending::chunk) : std::nullopt;
  if (in_doubt_ && ending_ == Ending::dropped) return std::optional(ending_);
  if (in_doubt_ && ending_ == Ending::merged) {
    CommitOutcome outcome = CommitOutcome::unknown;
    if (lost_.server != ServerMark{}) {
      HYPERCOPY_ASSIGN(outcome, find_commit_outcome(connection, lost_, kPatience, stop));
    }
    if (outcome == CommitOutcome::committed) return std::optional(ending_);
    if (outcome == CommitOutcome::unknown) {
      return fail(ErrorKind::target,
                  fmt::format("the side table {} is gone, and nobody knows whether its rows "
                              "were inserted into the hypertable before",
                              filled_.table.relation));
    }
  }
  in_doubt_ = false;
  gone_ = true;
  return fail(ErrorKind::target, fmt::format("the side table {} is gone, and {} with it",
                                             filled_.table.relation, counted(filled_.rows, "row")));
}

Result<OneHandOver::Ending> OneHandOver::ended_meanwhile(Connection& connection, Error error) {
  if (error.sqlstate != sqlstate::kUndefinedTable) return fail(std::move(error));
  HYPERCOPY_TRY(connection.execute("ROLLBACK"));
  HYPERCOPY_ASSIGN(const auto by_now, ended_before(connection, stop_));
  if (by_now) return *by_now;
  return fail(std::move(error));
}

Result<std::uint64_t> OneHandOver::build_indexes_and_count(Connection& connection) const {
  const std::string indexes = side_index_sql(plan_, filled_.table, /*unique=*/false);
  if (filled_.rows == 0) return count_and_build_indexes(connection, indexes);
  if (indexes.empty()) return count_rows(connection);
  HYPERCOPY_TRY(connection.execute(indexes));
  if (filled_.rows > kMostExactReltuples) return count_rows(connection);
  HYPERCOPY_ASSIGN(
      const QueryResult as_expected,
      connection.execute(fmt::format("SELECT FROM pg_catalog.pg_class WHERE oid = {} AND reltuples = {}",
                                     filled_.table.oid, filled_.rows)));
  return as_expected.rows() == 1 ? filled_.rows : count_rows(connection);
}

Result<std::uint64_t> OneHandOver::count_and_build_indexes(Connection& connection,
                                                           const std::string& indexes) const {
  HYPERCOPY_ASSIGN(const std::uint64_t rows, count_rows(connection));
  if (rows > 0 && !indexes.empty()) HYPERCOPY_TRY(connection.execute(indexes));
  return rows;
}

Result<std::uint64_t> OneHandOver::count_rows(Connection& connection) const {
  HYPERCOPY_ASSIGN(
      const QueryResult counted_rows,
      connection.execute(fmt::format("SELECT pg_catalog.count(*) FROM {}", filled_.table.relation)));
  const std::uint64_t rows = count_at(counted_rows, 0, 0);
  const bool is_right = rows == filled_.rows || check_ == RowCheck::none ||
                        (rows > filled_.rows && check_ == RowCheck::at_least);
  if (is_right) return rows;
  return fail(ErrorKind::target, fmt::format("the side table {} holds {} rows and {} were loaded into it",
                                             filled_.table.relation, rows, filled_.rows));
}

Result<OneHandOver::Ending> OneHandOver::drop(Connection& connection) const {
  HYPERCOPY_TRY(connection.execute("DROP TABLE " + filled_.table.relation));
  return Ending::dropped;
}

Result<OneHandOver::Ending> OneHandOver::make_chunk(Connection& connection, std::uint64_t rows) {
  const SideTable& table = filled_.table;
  HYPERCOPY_TRY(connection.execute(
      fmt::format("COMMENT ON TABLE {} IS NULL; SAVEPOINT hypercopy_chunk", table.relation)));
  auto created = connection.execute(
      fmt::format("SELECT FROM _timescaledb_functions.create_chunk({}, pg_catalog.jsonb_build_object({}, "
                  "pg_catalog.jsonb_build_array({}::bigint, {}::bigint)), NULL, NULL, {})",
                  plan_.target_oid, connection.quote_literal(plan_.column), table.range.begin,
                  table.range.end, table.oid));
  if (!created) return merge_if_taken(connection, std::move(created).error(), rows);
  HYPERCOPY_TRY(expect_target(connection));
  HYPERCOPY_TRY(log_for_aggregates(connection));
  return Ending::chunk;
}

Result<OneHandOver::Ending> OneHandOver::merge_if_taken(Connection& connection, Error error,
                                                        std::uint64_t rows) {
  constexpr std::string_view kCollision = "TS503";
  if (error.sqlstate != kCollision) return fail(std::move(error));
  HYPERCOPY_TRY(connection.execute("ROLLBACK TO SAVEPOINT hypercopy_chunk"));
  HYPERCOPY_ASSIGN(const QueryResult inserted,
                   connection.execute(fmt::format("INSERT INTO {0} ({1}) SELECT {1} FROM {2}", plan_.target,
                                                  plan_.columns, filled_.table.relation)));
  HYPERCOPY_TRY(expect_target(connection));
  if (inserted.rows_affected() != rows) {
    return fail(ErrorKind::accounting,
                fmt::format("{} rows of {} were to be inserted, and the server inserted {}", rows,
                            filled_.table.relation, inserted.rows_affected()));
  }
  HYPERCOPY_TRY(drop(connection));
  HYPERCOPY_ASSIGN(const QueryResult id, connection.execute("SELECT pg_catalog.pg_current_xact_id()"));
  lost_.id = id.text(0, 0);
  return Ending::merged;
}

// The hypertable is locked by now.
Status OneHandOver::expect_target(Connection& connection) const {
  auto same = connection.execute(fail_if_replaced_sql(connection, plan_.target, plan_.target_oid));
  if (same) return {};
  if (!is_replaced_target(same.error())) return fail(std::move(same).error());
  Error replaced = explain_replaced_target();
  replaced.hint.clear();
  return fail(std::move(replaced));
}

Status OneHandOver::log_for_aggregates(Connection& connection) const {
  HYPERCOPY_ASSIGN(const QueryResult watched,
                   connection.execute(fmt::format(kHasAggregates, plan_.target_oid)));
  if (!watched.boolean(0, 0)) return {};
  HYPERCOPY_ASSIGN(const QueryResult chunk,
                   connection.execute(fmt::format("SELECT {}::pg_catalog.oid::pg_catalog.regclass::text",
                                                  filled_.table.oid)));
  HYPERCOPY_ASSIGN(const QueryResult ends,
                   connection.execute(fmt::format("SELECT pg_catalog.min({0}), pg_catalog.max({0}) FROM {1}",
                                                  plan_.quoted_column, chunk.text(0, 0))));
  HYPERCOPY_TRY(connection.execute(
      fmt::format("UPDATE {0} SET {1} = {1} WHERE {1} IN ({2}, {3})", plan_.target, plan_.quoted_column,
                  connection.quote_literal(ends.text(0, 0)), connection.quote_literal(ends.text(0, 1)))));
  return {};
}

}  // namespace hypercopy
