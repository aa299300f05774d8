#include "chunk_building.hpp"

#include <fmt/format.h>

#include <chrono>

#include "chunk_hand_over.hpp"
#include "human_units.hpp"
#include "stop_relay.hpp"

namespace hypercopy {

ChunkBuilding::ChunkBuilding(const LoadPlan& plan, Connector& connector, const LoadEnvironment& environment,
                             LoadSummary& summary, FailoverGuard* guard)
    : plan_(plan),
      connector_(connector),
      environment_(environment),
      summary_(summary),
      guard_(guard),
      stop_{environment.cancellation, Cancellation::Level::immediate} {
  if (!plan.building) return;
  tables_.emplace(
      *plan.building, plan.table, *plan.statement, [this] { return connect("side tables"); },
      SideTables::Run{.id = summary.run_id,
                      .retry_timeout = plan.options.retry_timeout,
                      .into_empty = plan.options.resume_into_empty,
                      .stop = stop_},
      environment.console);
}

Result<Connection> ChunkBuilding::connect(const std::string& what) const {
  HYPERCOPY_ASSIGN(Connection connection,
                   connector_.connect(fmt::format("hypercopy load {} {}", summary_.run_id, what), stop_));
  connection.interrupt_at(stop_.level);
  HYPERCOPY_TRY(pin_session(connection, plan_.session));
  return connection;
}

Result<Connection> ChunkBuilding::connect_to_hand_over(unsigned number) const {
  HYPERCOPY_ASSIGN(Connection connection, connect(fmt::format("chunk {}", number)));
  HYPERCOPY_TRY(mark_as_living(connection));
  if (job_) HYPERCOPY_TRY(mark_as_hand_over(connection, *job_));
  if (guard_ != nullptr) HYPERCOPY_TRY(guard_->expect_commits_kept(connection));
  return connection;
}

Result<Connection> ChunkBuilding::connect_at_last(unsigned number, StopAt stop) const {
  HYPERCOPY_ASSIGN(
      Connection connection,
      connector_.connect(fmt::format("hypercopy load {} chunk {}", summary_.run_id, number), stop));
  connection.interrupt_at(stop);
  HYPERCOPY_TRY(pin_session(connection, plan_.session));
  return connection;
}

Status ChunkBuilding::mark_as_living(Connection& connection) const {
  return tables_ && !job_ ? tables_->mark_as_living(connection) : Status{};
}

Status ChunkBuilding::mark_as_filling(Connection& connection) const {
  if (!tables_ || job_) return {};
  HYPERCOPY_TRY(tables_->mark_as_living(connection));
  return tables_->expect_tables_kept(connection);
}

Status ChunkBuilding::begin(std::optional<int> job) {
  job_ = job;
  return tables_ ? tables_->begin(job) : Status{};
}

Status ChunkBuilding::end() {
  if (!tables_) return {};
  const std::vector<FilledTable> tables = tables_->tables();
  if (tables.empty()) return {};
  const auto begun = std::chrono::steady_clock::now();
  const bool is_stopping = environment_.cancellation.level() >= Cancellation::Level::graceful;
  environment_.console.log(
      LogLevel::info,
      fmt::format("handing over {} to the hypertable{}",
                  counted(tables.size(), "chunk that was built aside", "chunks that were built aside"),
                  is_stopping ? " (interrupted once more, it is cancelled)" : ""));
  HYPERCOPY_ASSIGN(const auto over, Cancellation::create());
  std::optional<StopRelay> notice;
  if (!is_stopping) {
    notice.emplace(
        environment_.cancellation,
        [this] {
          environment_.console.log(
              LogLevel::info,
              "interrupted: the hand-over is finished first (once more, and it is cancelled)");
        },
        *over);
  }
  HandOverOutcome outcome = hand_over(
      *plan_.building, tables,
      {.jobs = plan_.jobs,
       .retry_timeout = plan_.options.retry_timeout,
       .may_hold_more = summary_.totals.unknown.records > 0,
       .stays_owed = job_.has_value(),
       .connect = [this](unsigned number) { return connect_to_hand_over(number); },
       .committed =
           [this](unsigned number, Connection& connection) {
             return guard_ == nullptr ? Status{}
                                      : guard_->note_all(FailoverGuard::kHandOvers + number, connection);
           },
       .connect_at_last = [this](unsigned number, StopAt stop) { return connect_at_last(number, stop); },
       .stop = stop_},
      environment_.console);
  notice.reset();
  summary_.built = {.chunks = outcome.chunks,
                    .merged = outcome.merged,
                    .unknown = outcome.unknown,
                    .gone = outcome.gone,
                    .kept = outcome.kept,
                    .rows_kept = outcome.rows_kept,
                    .rows_unknown = outcome.rows_unknown,
                    .rows_gone = outcome.rows_gone,
                    .kept_is_owed = job_.has_value(),
                    .elapsed = std::chrono::steady_clock::now() - begun};
  // A failover during the hand-over may have taken back some of it.
  if (!outcome.error && job_) {
    if (auto owed = tables_->expect_nothing_owed(*job_); !owed) outcome.error = std::move(owed).error();
  }
  if (!outcome.error) return {};
  summary_.complete = false;
  if (outcome.error->kind == ErrorKind::interrupted) summary_.interrupted = true;
  // What ended the load came first.
  if (!summary_.error) return fail(std::move(*outcome.error));
  environment_.console.log(LogLevel::error, to_string(*outcome.error));
  return {};
}

}  // namespace hypercopy
