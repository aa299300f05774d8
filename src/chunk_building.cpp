#include "chunk_building.hpp"

#include <fmt/format.h>

#include <chrono>

#include "chunk_hand_over.hpp"
#include "human_units.hpp"

namespace hypercopy {

ChunkBuilding::ChunkBuilding(const LoadPlan& plan, Connector& connector, const LoadEnvironment& environment,
                             LoadSummary& summary)
    : plan_(plan),
      connector_(connector),
      environment_(environment),
      summary_(summary),
      stop_{environment.cancellation, Cancellation::Level::immediate} {
  if (!plan.building) return;
  tables_.emplace(
      *plan.building, plan.table, *plan.statement, [this] { return connect("side tables"); },
      SideTables::Run{.id = summary.run_id, .retry_timeout = plan.options.retry_timeout, .stop = stop_},
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
  if (job_) HYPERCOPY_TRY(mark_as_hand_over(connection, *job_));
  return connection;
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
  environment_.console.log(LogLevel::info, fmt::format("handing over {} to the hypertable",
                                                       counted(tables.size(), "chunk that was built aside",
                                                               "chunks that were built aside")));
  HandOverOutcome outcome =
      hand_over(*plan_.building, tables,
                {.jobs = plan_.jobs,
                 .retry_timeout = plan_.options.retry_timeout,
                 .may_hold_more = summary_.totals.unknown.records > 0,
                 .stays_owed = job_.has_value(),
                 .connect = [this](unsigned number) { return connect_to_hand_over(number); },
                 .stop = stop_},
                environment_.console);
  summary_.built = {.chunks = outcome.chunks,
                    .merged = outcome.merged,
                    .kept = outcome.kept,
                    .rows_kept = outcome.rows_kept,
                    .kept_is_owed = job_.has_value(),
                    .elapsed = std::chrono::steady_clock::now() - begun};
  if (!outcome.error) return {};
  summary_.complete = false;
  if (outcome.error->kind == ErrorKind::interrupted) summary_.interrupted = true;
  // What ended the load came first.
  if (!summary_.error) return fail(std::move(*outcome.error));
  environment_.console.log(LogLevel::error, to_string(*outcome.error));
  return {};
}

}  // namespace hypercopy
