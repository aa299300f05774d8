#include "job_pause.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>

namespace hypercopy {

namespace {

constexpr std::array<std::string_view, 4> kPaused{"policy_compression", "policy_recompression",
                                                  "policy_retention", "policy_reorder"};

bool is_paused(const TableJob& job) {
  return job.scheduled && !job.next_start.empty() &&
         std::find(kPaused.begin(), kPaused.end(), job.procedure) != kPaused.end();
}

}  // namespace

Result<std::unique_ptr<JobPause>> JobPause::begin(const Hypertable& hypertable, Connect connect,
                                                  Console& console, const Cancellation& cancellation) {
  std::unique_ptr<JobPause> pause(new JobPause(std::move(connect), console, cancellation));
  HYPERCOPY_TRY(pause->find_jobs(hypertable));
  if (pause->jobs_.empty()) return pause;
  if (auto pushed = pause->push(); !pushed) {
    pause->jobs_.clear();
    Error error = std::move(pushed).error();
    error.message = "the table's jobs cannot be paused: " + error.message;
    if (error.sqlstate == "42501") error.hint = "Load as the owner of the jobs, or leave --pause-jobs out.";
    return fail(std::move(error));
  }
  console.log(LogLevel::info,
              fmt::format("{} of the table {} held back while it is loaded",
                          pause->jobs_.size() == 1 ? "one job" : fmt::format("{} jobs", pause->jobs_.size()),
                          pause->jobs_.size() == 1 ? "is" : "are"));
  pause->thread_ =
      std::jthread([self = pause.get()](const std::stop_token& stop) { self->push_until_the_end(stop); });
  return pause;
}

Status JobPause::find_jobs(const Hypertable& hypertable) {
  for (const auto& job : hypertable.jobs) {
    if (is_paused(job)) jobs_.push_back({.id = job.id, .next_start = job.next_start});
  }
  if (jobs_.empty()) return {};
  HYPERCOPY_ASSIGN(connection_, connect_({cancellation_}));
  HYPERCOPY_ASSIGN(const QueryResult name,
                   connection_->execute("SELECT pg_catalog.format('%I.alter_job', n.nspname) FROM "
                                        "pg_catalog.pg_extension AS e JOIN pg_catalog.pg_namespace AS n ON "
                                        "n.oid = e.extnamespace WHERE e.extname = 'timescaledb'"));
  if (name.rows() == 0)
    return fail(ErrorKind::target, "the extension timescaledb was dropped at this moment");
  alter_job_ = name.text(0, 0);
  // To the microsecond.
  for (auto& job : jobs_) {
    HYPERCOPY_ASSIGN(const QueryResult exact,
                     connection_->execute(fmt::format(
                         "SELECT next_start FROM timescaledb_information.jobs WHERE job_id = {}", job.id)));
    if (exact.rows() == 1) job.next_start = exact.text(0, 0);
  }
  return {};
}

// A job that is due later than that is left alone.
Status JobPause::push() {
  if (!connection_ || !connection_->is_alive()) {
    HYPERCOPY_ASSIGN(connection_, connect_({cancellation_}));
  }
  for (const auto& job : jobs_) {
    HYPERCOPY_TRY(connection_->execute(
        fmt::format("SELECT {0}(job_id, next_start => pg_catalog.now() + interval '{1} seconds') FROM "
                    "timescaledb_information.jobs WHERE job_id = {2} AND next_start < pg_catalog.now() + "
                    "interval '{1} seconds'",
                    alter_job_, kPushTo.count(), job.id)));
  }
  return {};
}

void JobPause::push_until_the_end(const std::stop_token& stop) {
  bool said = false;
  while (true) {
    {
      std::unique_lock lock(mutex_);
      if (changed_.wait_for(lock, stop, kPushEvery, [&] { return stop.stop_requested(); })) return;
      if (stop.stop_requested()) return;
    }
    auto pushed = push();
    if (pushed || std::exchange(said, true)) continue;
    console_.log(LogLevel::warning,
                 fmt::format("the table's jobs may start while it is loaded: {}", pushed.error().message));
  }
}

JobPause::~JobPause() {
  if (thread_.joinable()) {
    thread_.request_stop();
    thread_.join();
  }
  if (jobs_.empty()) return;
  if (auto given = give_back(); !given) {
    console_.log(LogLevel::warning, fmt::format("the table's jobs start {} seconds later at most: {}",
                                                kPushTo.count(), given.error().message));
  }
}

Status JobPause::give_back() {
  if (!connection_ || !connection_->is_alive()) {
    HYPERCOPY_ASSIGN(connection_, connect_({cancellation_}));
  }
  for (const auto& job : jobs_) {
    HYPERCOPY_TRY(connection_->execute(
        fmt::format("SELECT {}(job_id, next_start => greatest({}::timestamptz, pg_catalog.now())) FROM "
                    "timescaledb_information.jobs WHERE job_id = {}",
                    alter_job_, connection_->quote_literal(job.next_start), job.id)));
  }
  return {};
}

}  // namespace hypercopy
