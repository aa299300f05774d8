#include "chunk_hand_over.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <mutex>
#include <thread>

#include "human_units.hpp"
#include "hypercopy/lasting_connection.hpp"
#include "left_side_tables.hpp"
#include "query_numbers.hpp"
#include "sqlstate.hpp"

namespace hypercopy {

namespace {

enum class Ending : std::uint8_t { chunk, merged, dropped };

// What the number of rows is compared with: what this run has put in. Of an import nothing is: rows of earlier runs are in
// the table, and batches that a crash or a failover took back were sent again. Its ledger has marked the batches that are in
// there in their own transactions.
enum class RowCheck : std::uint8_t { exact, at_least, none };

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

// Tables that are handed over side by side keep the cores busy without parallel workers, which cost a third more CPU time.
constexpr std::string_view kNoParallelWorkers =
    "SET max_parallel_maintenance_workers TO 0; SET max_parallel_workers_per_gather TO 0";

// The hand-over of one table, tried as often as it takes.
class OneHandOver {
 public:
  OneHandOver(const ChunkBuildingPlan& plan, const FilledTable& filled, RowCheck check)
      : plan_(plan), filled_(filled), check_(check) {}

  Result<Ending> attempt(Connection& connection) {
    HYPERCOPY_TRY(connection.execute("BEGIN; SET LOCAL ROLE " + plan_.owner));
    HYPERCOPY_ASSIGN(const auto before, ended_before(connection));
    if (before) {
      HYPERCOPY_TRY(connection.execute("ROLLBACK"));
      return *before;
    }
    // Whoever still writes into it is waited for.
    auto locked =
        connection.execute(fmt::format("LOCK TABLE {} IN ACCESS EXCLUSIVE MODE", filled_.table.relation));
    if (!locked) return ended_meanwhile(connection, std::move(locked).error());
    HYPERCOPY_ASSIGN(const std::uint64_t rows, build_indexes_and_count(connection));
    HYPERCOPY_ASSIGN(ending_, rows == 0 ? drop(connection) : make_chunk(connection, rows));
    committing_ = true;
    HYPERCOPY_ASSIGN(const QueryResult committed, connection.execute("COMMIT"));
    if (committed.tag() == "COMMIT") return ending_;
    return fail(ErrorKind::protocol, fmt::format("the server answered COMMIT with {}", committed.tag()));
  }

 private:
  // By an attempt whose COMMIT was not answered.
  Result<std::optional<Ending>> ended_before(Connection& connection) {
    HYPERCOPY_ASSIGN(const QueryResult state,
                     connection.execute(fmt::format(kState, filled_.table.oid, plan_.target_oid)));
    if (state.rows() > 0 && !state.boolean(0, 0)) return std::optional<Ending>();
    if (committing_) return std::optional(ending_);
    if (state.rows() > 0) return std::optional(Ending::chunk);
    return fail(ErrorKind::target,
                fmt::format("the side table {} is gone, and {} with it", filled_.table.relation,
                            counted(filled_.rows, "row")),
                "Somebody dropped it.");
  }

  // The backend of an unanswered COMMIT may have been at work in it still, when it was looked for.
  Result<Ending> ended_meanwhile(Connection& connection, Error error) {
    if (error.sqlstate != sqlstate::kUndefinedTable || !committing_) return fail(std::move(error));
    HYPERCOPY_TRY(connection.execute("ROLLBACK"));
    HYPERCOPY_ASSIGN(const auto by_now, ended_before(connection));
    if (by_now) return *by_now;
    return fail(std::move(error));
  }

  // The build of an index counts the rows for pg_class. What does not come out as expected is counted by count(*).
  Result<std::uint64_t> build_indexes_and_count(Connection& connection) const {
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

  // Most of these hold nothing; what an earlier run of an import has left may hold all of its rows.
  Result<std::uint64_t> count_and_build_indexes(Connection& connection, const std::string& indexes) const {
    HYPERCOPY_ASSIGN(const std::uint64_t rows, count_rows(connection));
    if (rows > 0 && !indexes.empty()) HYPERCOPY_TRY(connection.execute(indexes));
    return rows;
  }

  Result<std::uint64_t> count_rows(Connection& connection) const {
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

  Result<Ending> drop(Connection& connection) const {
    HYPERCOPY_TRY(connection.execute("DROP TABLE " + filled_.table.relation));
    return Ending::dropped;
  }

  Result<Ending> make_chunk(Connection& connection, std::uint64_t rows) const {
    const SideTable& table = filled_.table;
    HYPERCOPY_TRY(connection.execute(
        fmt::format("COMMENT ON TABLE {} IS NULL; SAVEPOINT hypercopy_chunk", table.relation)));
    auto created = connection.execute(
        fmt::format("SELECT FROM _timescaledb_functions.create_chunk({}, pg_catalog.jsonb_build_object({}, "
                    "pg_catalog.jsonb_build_array({}::bigint, {}::bigint)), NULL, NULL, {})",
                    plan_.target_oid, connection.quote_literal(plan_.column), table.range.begin,
                    table.range.end, table.oid));
    if (!created) return merge_if_taken(connection, std::move(created).error(), rows);
    HYPERCOPY_TRY(log_for_aggregates(connection));
    return Ending::chunk;
  }

  // Somebody's rows have made a chunk for this range, or for a part of it.
  Result<Ending> merge_if_taken(Connection& connection, Error error, std::uint64_t rows) const {
    constexpr std::string_view kCollision = "TS503";
    if (error.sqlstate != kCollision) return fail(std::move(error));
    HYPERCOPY_TRY(connection.execute("ROLLBACK TO SAVEPOINT hypercopy_chunk"));
    HYPERCOPY_ASSIGN(const QueryResult inserted,
                     connection.execute(fmt::format("INSERT INTO {0} ({1}) SELECT {1} FROM {2}", plan_.target,
                                                    plan_.columns, filled_.table.relation)));
    if (inserted.rows_affected() != rows) {
      return fail(ErrorKind::accounting,
                  fmt::format("{} rows of {} were to be inserted, and the server inserted {}", rows,
                              filled_.table.relation, inserted.rows_affected()));
    }
    HYPERCOPY_TRY(drop(connection));
    return Ending::merged;
  }

  // A table that becomes a chunk logs nothing: a refresh would call its range up to date. An UPDATE that changes nothing, of
  // the first and the last time, logs all between them. No aggregate comes to be meanwhile: its triggers would wait.
  Status log_for_aggregates(Connection& connection) const {
    HYPERCOPY_ASSIGN(const QueryResult watched,
                     connection.execute(fmt::format(kHasAggregates, plan_.target_oid)));
    if (!watched.boolean(0, 0)) return {};
    HYPERCOPY_ASSIGN(const QueryResult chunk,
                     connection.execute(fmt::format("SELECT {}::pg_catalog.oid::pg_catalog.regclass::text",
                                                    filled_.table.oid)));
    HYPERCOPY_ASSIGN(const QueryResult ends, connection.execute(fmt::format(
                                                 "SELECT pg_catalog.min({0}), pg_catalog.max({0}) FROM {1}",
                                                 plan_.quoted_column, chunk.text(0, 0))));
    HYPERCOPY_TRY(connection.execute(
        fmt::format("UPDATE {0} SET {1} = {1} WHERE {1} IN ({2}, {3})", plan_.target, plan_.quoted_column,
                    connection.quote_literal(ends.text(0, 0)), connection.quote_literal(ends.text(0, 1)))));
    return {};
  }

  const ChunkBuildingPlan& plan_;
  const FilledTable& filled_;
  const RowCheck check_;
  bool committing_ = false;
  Ending ending_ = Ending::chunk;
};

class HandOver {
 public:
  HandOver(const ChunkBuildingPlan& plan, const std::vector<FilledTable>& tables,
           const HandOverOptions& options, Console& console)
      : plan_(plan), tables_(tables), options_(options), console_(console) {}

  HandOverOutcome run() {
    const auto threads = std::min<std::size_t>(std::max(options_.jobs, 1U), tables_.size());
    {
      std::vector<std::jthread> workers;
      for (unsigned number = 1; number <= threads; ++number)
        workers.emplace_back([this, number, threads] { hand_over_some(number, threads > 1); });
    }
    return std::move(outcome_);
  }

 private:
  void hand_over_some(unsigned number, bool beside_others) {
    LastingConnection connection([this, number, beside_others] { return connect(number, beside_others); },
                                 options_.retry_timeout, options_.stop);
    while (const FilledTable* const filled = take()) {
      auto ended = hand_over_one(connection, *filled, number);
      if (!ended && ended.error().kind != ErrorKind::interrupted) keep(connection, *filled);
      note(*filled, std::move(ended));
    }
  }

  [[nodiscard]] Result<Connection> connect(unsigned number, bool beside_others) const {
    HYPERCOPY_ASSIGN(Connection connection, options_.connect(number));
    if (beside_others) HYPERCOPY_TRY(connection.execute(std::string(kNoParallelWorkers)));
    return connection;
  }

  [[nodiscard]] RowCheck row_check() const {
    if (options_.stays_owed) return RowCheck::none;
    return options_.may_hold_more ? RowCheck::at_least : RowCheck::exact;
  }

  Result<Ending> hand_over_one(LastingConnection& connection, const FilledTable& filled, unsigned number) {
    try {
      if (options_.stop.cancellation.level() >= options_.stop.level)
        return fail(ErrorKind::interrupted, "interrupted before all chunks were handed over");
      OneHandOver one(plan_, filled, row_check());
      return connection.ask([&](Connection& live) -> Result<Ending> {
        HYPERCOPY_ASSIGN(const Ending ending, one.attempt(live));
        HYPERCOPY_TRY(options_.committed(number, live));
        return ending;
      });
    } catch (const std::exception& exception) {
      return fail(ErrorKind::internal, exception.what());
    }
  }

  // Where that fails the next load drops the table, and says so.
  void keep(LastingConnection& connection, const FilledTable& filled) const {
    if (options_.stays_owed) return;
    static_cast<void>(connection.ask_once([&](Connection& live) -> Status {
      if (live.in_transaction()) HYPERCOPY_TRY(live.execute("ROLLBACK"));
      HYPERCOPY_TRY(live.execute(fmt::format("COMMENT ON TABLE {} IS {}", filled.table.relation,
                                             live.quote_literal(kept_comment(plan_.target_oid)))));
      return {};
    }));
  }

  const FilledTable* take() {
    const std::lock_guard lock(mutex_);
    return next_ < tables_.size() ? &tables_[next_++] : nullptr;
  }

  void note(const FilledTable& filled, Result<Ending> ended) {
    const std::lock_guard lock(mutex_);
    if (ended) {
      outcome_.chunks += *ended == Ending::chunk ? 1 : 0;
      outcome_.merged += *ended == Ending::merged ? 1 : 0;
      return;
    }
    ++outcome_.kept;
    outcome_.rows_kept += filled.rows;
    Error error = explain(std::move(ended).error(), filled);
    if (!outcome_.error) {
      outcome_.error = std::move(error);
    } else if (error.kind != ErrorKind::interrupted) {
      console_.log(LogLevel::error, to_string(error));
    }
  }

  [[nodiscard]] Error explain(Error error, const FilledTable& filled) const {
    if (error.kind == ErrorKind::interrupted) return error;
    error.message = fmt::format(
        "{} could not be handed over to the hypertable: {}",
        filled.adopted ? "the rows of " + filled.table.relation : counted(filled.rows, "row"), error.message);
    if (options_.stays_owed) {
      error.hint = fmt::format("They wait in {}: put right what is in their way and run the import again.",
                               filled.table.relation);
    }
    if (error.hint.empty()) {
      error.hint = fmt::format("They are in {}: INSERT INTO {} ({}) SELECT {} FROM {}, then drop it.",
                               filled.table.relation, plan_.target, plan_.columns, plan_.columns,
                               filled.table.relation);
    }
    return error;
  }

  const ChunkBuildingPlan& plan_;
  const std::vector<FilledTable>& tables_;
  const HandOverOptions& options_;
  Console& console_;
  std::mutex mutex_;  // protects all below
  std::size_t next_ = 0;
  HandOverOutcome outcome_;
};

}  // namespace

HandOverOutcome hand_over(const ChunkBuildingPlan& plan, const std::vector<FilledTable>& tables,
                          const HandOverOptions& options, Console& console) {
  return HandOver(plan, tables, options, console).run();
}

}  // namespace hypercopy
