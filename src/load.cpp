#include "hypercopy/load.hpp"

#include <fmt/format.h>
#include <sched.h>

#include <algorithm>
#include <chrono>
#include <mutex>
#include <random>
#include <set>
#include <thread>

#include "after_load.hpp"
#include "hypercopy/sql_identifier.hpp"
#include "index_deferral.hpp"
#include "job_pause.hpp"
#include "load_plan.hpp"
#include "load_summary.hpp"
#include "planned_run.hpp"

namespace hypercopy {

namespace {

using Clock = std::chrono::steady_clock;

// Short enough for application_name, long enough to tell runs apart.
std::string make_run_id() {
  std::random_device entropy;
  return fmt::format("{:08x}", entropy());
}

// What the server says besides results, each text once: with N workers and many batches it repeats itself.
class ServerNotices {
 public:
  explicit ServerNotices(Console& console) : console_(console) {}

  void operator()(std::string_view severity, std::string_view message) {
    {
      const std::lock_guard lock(mutex_);
      if (seen_.size() >= kMostTexts || !seen_.insert(std::string(message)).second) return;
    }
    const bool warning = severity == "WARNING";
    console_.log(warning ? LogLevel::warning : LogLevel::verbose,
                 fmt::format("server: {}: {}", severity, message));
  }

 private:
  static constexpr std::size_t kMostTexts = 100;
  Console& console_;
  std::mutex mutex_;
  std::set<std::string> seen_;  // protected by mutex_
};

// Nothing where it is not asked for.
Result<std::unique_ptr<JobPause>> pause_jobs(const LoadPlan& plan, Connector& connector,
                                             const LoadEnvironment& environment, const std::string& run_id) {
  if (!plan.options.pause_jobs) return std::unique_ptr<JobPause>();
  if (!plan.hypertable) {
    return fail(ErrorKind::usage, "--pause-jobs is for hypertables: this table has no jobs",
                "Leave --pause-jobs out.");
  }
  return JobPause::begin(
      *plan.hypertable,
      [&plan, &connector, run_id](StopAt stop) -> Result<Connection> {
        HYPERCOPY_ASSIGN(Connection connection,
                         connector.connect(fmt::format("hypercopy load {} jobs", run_id), stop));
        HYPERCOPY_TRY(pin_session(connection, plan.session));
        return connection;
      },
      environment.console, environment.cancellation);
}

// What other runs and loaders did for an import, this one has not read.
RefreshRange refresh_range(const LoadPlan& plan, const LoadSummary& summary) {
  const bool is_known =
      plan.loaded_times && !plan.loaded_times->is_lost() && summary.totals.already_done.records == 0;
  return {.everything = plan.options.truncate, .loaded = is_known ? plan.loaded_times->span() : std::nullopt};
}

Status plan_and_run(const LoadOptions& options, const LoadEnvironment& environment, LoadSummary& summary) {
  summary.table = display_qualified(options.table.schema, options.table.name);
  ServerNotices notices(environment.console);
  Connector connector(options.connection, environment.cancellation, std::ref(notices),
                      environment.password_prompt);
  const TableStep at_table = [&](LoadPlan& plan, Connection& connection) {
    return settle_indexes(plan, connection, connector, environment, summary);
  };
  HYPERCOPY_ASSIGN(PlannedLoad planned, make_plan(options, connector, application_name(summary.run_id, 1),
                                                  summary.run_id, environment.cancellation, at_table));
  describe_plan(planned.plan, options.table, summary);
  HYPERCOPY_ASSIGN(const auto pause, pause_jobs(planned.plan, connector, environment, summary.run_id));
  HYPERCOPY_TRY(PlannedRun(planned, connector, environment, summary).run());
  if (!summary.complete || summary.error) return {};
  const auto connect = [&](unsigned worker) -> Result<Connection> {
    HYPERCOPY_ASSIGN(Connection connection,
                     connector.connect(application_name(summary.run_id, worker), {environment.cancellation}));
    HYPERCOPY_TRY(pin_session(connection, planned.plan.session));
    return connection;
  };
  return finish_target(planned.plan, refresh_range(planned.plan, summary), connect, environment.console,
                       {environment.cancellation});
}

}  // namespace

// std::thread::hardware_concurrency() counts the machine's cores, not those that taskset or a container
// leave.
unsigned usable_cores() {
  cpu_set_t cores;
  if (::sched_getaffinity(0, sizeof cores, &cores) != 0) return std::thread::hardware_concurrency();
  return static_cast<unsigned>(CPU_COUNT(&cores));
}

unsigned default_jobs() {
  constexpr unsigned kMost = 8;
  return std::clamp(usable_cores(), 1U, kMost);
}

LoadSummary run_load(const LoadOptions& options, const LoadEnvironment& environment) {
  LoadSummary summary;
  summary.run_id = make_run_id();
  const auto started = Clock::now();
  try {
    if (auto ran = plan_and_run(options, environment, summary); !ran) summary.error = std::move(ran).error();
  } catch (const std::exception& exception) {
    summary.error = Error{.kind = ErrorKind::internal, .message = exception.what()};
  }
  summary.elapsed = Clock::now() - started;
  return summary;
}

}  // namespace hypercopy
