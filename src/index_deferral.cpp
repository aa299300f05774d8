#include "index_deferral.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <iterator>

#include "human_units.hpp"
#include "resuming_command.hpp"
#include "sqlstate.hpp"

namespace hypercopy {

namespace {

// The server notices within this time that the program at a connection's other end is dead.
constexpr std::string_view kPatience = "2s";

std::string lock_keys(std::uint32_t target) {
  return fmt::format("{}, {}", kDeferralLockClass, static_cast<std::int32_t>(target));
}

DeferralRules rules_of(const LoadPlan& plan) {
  return {.constraints = plan.options.defer_constraints,
          .force = plan.options.force_deferral,
          .truncates = plan.options.truncate,
          .input_bytes = plan.bytes_total};
}

Result<Connection> connect(Connector& connector, const std::string& run, const std::string& what,
                           const LoadPlan& plan, StopAt stop) {
  HYPERCOPY_ASSIGN(Connection connection,
                   connector.connect(fmt::format("hypercopy load {} {}", run, what), stop));
  HYPERCOPY_TRY(pin_session(connection, plan.session));
  return connection;
}

RebuildOptions rebuild_options(const LoadPlan& plan, Connector& connector, const LoadEnvironment& environment,
                               const LoadSummary& summary) {
  return {.jobs = plan.jobs,
          .retry_timeout = plan.options.retry_timeout,
          .command = summary.rebuild_command,
          .progress = environment.progress,
          .connect = [&plan, &connector, &environment, &summary](unsigned number) {
            return connect(connector, summary.run_id, fmt::format("index {}", number), plan,
                           {environment.cancellation});
          }};
}

std::vector<std::string> names_of(const std::vector<OwedIndex>& owed) {
  std::vector<std::string> names;
  for (const auto& index : owed) {
    if (index.depth == 0) names.push_back(index.index);
  }
  // Only parts are left where a rebuild was cut short.
  if (names.empty()) std::ranges::transform(owed, std::back_inserter(names), &OwedIndex::index);
  return names;
}

void remember(const std::vector<OwedIndex>& owed, LoadSummary& summary) {
  for (const auto& index : owed) {
    summary.indexes.push_back({.name = index.index, .definition = index.definition});
  }
}

// What is not owed any more has been built, by this run or by another.
void settle(const RebuildOutcome& outcome, const Result<std::vector<OwedIndex>>& left, LoadSummary& summary) {
  for (auto& index : summary.indexes) {
    const auto is_this = [&](const auto& one) { return one.index == index.name; };
    const auto done = std::ranges::find_if(outcome.rebuilt, is_this);
    index.rebuilt = left ? std::ranges::none_of(*left, is_this) : done != outcome.rebuilt.end();
    if (done != outcome.rebuilt.end()) index.elapsed = done->elapsed;
  }
}

// Of one table, all that is owed at this moment.
Result<RebuildOutcome> rebuild_now(Connection& watcher, const LoadPlan& plan, Connector& connector,
                                   const LoadEnvironment& environment, LoadSummary& summary) {
  const auto begun = std::chrono::steady_clock::now();
  HYPERCOPY_ASSIGN(const auto owed, owed_indexes(watcher, plan.table.oid));
  if (summary.indexes.empty()) remember(owed, summary);
  if (!owed.empty()) {
    environment.console.log(LogLevel::info, fmt::format("rebuilding {} of {}: {}",
                                                        counted(names_of(owed).size(), "index", "indexes"),
                                                        summary.table, fmt::join(names_of(owed), ", ")));
  }
  // Its questions are short, and the last one says what is left.
  watcher.interrupt_at(Cancellation::Level::immediate);
  RebuildOutcome outcome = rebuild_indexes(owed, rebuild_options(plan, connector, environment, summary),
                                           watcher, environment.console, {environment.cancellation});
  auto left = owed_indexes(watcher, plan.table.oid);
  settle(outcome, left, summary);
  summary.rebuild_elapsed += std::chrono::steady_clock::now() - begun;
  // A failover that ended this connection may have taken back what was built before it: it is asked again.
  if (!outcome.error && !left) return fail(std::move(left).error());
  return outcome;
}

Status status_of(Result<RebuildOutcome> rebuilt, LoadSummary& summary) {
  if (!rebuilt) {
    summary.rebuild_failed = true;
    return fail(std::move(rebuilt).error());
  }
  summary.rebuild_failed = rebuilt->error.has_value();
  return rebuilt->error ? Status(fail(std::move(*rebuilt->error))) : Status{};
}

Status rebuild_abandoned(const LoadPlan& plan, Connection& connection, Connector& connector,
                         const LoadEnvironment& environment, LoadSummary& summary) {
  HYPERCOPY_ASSIGN(const auto owed, owed_indexes(connection, plan.table.oid));
  if (owed.empty()) return {};
  HYPERCOPY_ASSIGN(const bool abandoned, lock_if_abandoned(connection, plan.table.oid));
  if (!abandoned) {
    environment.console.log(
        LogLevel::info, fmt::format("{} lacks indexes, which another load has left out and will rebuild: {}",
                                    summary.table, fmt::join(names_of(owed), ", ")));
    return {};
  }
  environment.console.log(LogLevel::info, "an earlier load left indexes out and did not rebuild them");
  remember(owed, summary);
  HYPERCOPY_TRY(status_of(rebuild_now(connection, plan, connector, environment, summary), summary));
  connection.interrupt_at(Cancellation::Level::graceful);
  return unlock_all(connection);
}

}  // namespace

Result<bool> lock_if_abandoned(Connection& connection, std::uint32_t target) {
  auto locked = connection.execute(
      fmt::format("BEGIN; SET LOCAL lock_timeout TO '{}'; SELECT pg_catalog.pg_advisory_lock({}); COMMIT",
                  kPatience, lock_keys(target)));
  if (locked) return true;
  if (locked.error().sqlstate != sqlstate::kLockNotAvailable) return fail(std::move(locked).error());
  HYPERCOPY_TRY(connection.execute("ROLLBACK"));
  return false;
}

Status unlock_all(Connection& connection) {
  HYPERCOPY_TRY(connection.execute("SELECT pg_catalog.pg_advisory_unlock_all()"));
  return {};
}

std::string rebuild_command(const ConnectionOptions& connection, const std::string& table) {
  std::vector<std::string> words{"imports", "rebuild-indexes"};
  const auto add = [&words](const char* option, const std::string& value) {
    if (!value.empty()) words.insert(words.end(), {option, value});
  };
  add("-d", connection.dbname);
  add("-h", connection.host);
  add("-p", connection.port);
  add("-U", connection.user);
  add("-t", table);
  return resuming_command(words);
}

Status refuse_self_references(const TargetTable& table) {
  if (table.self_references.empty()) return {};
  return fail(ErrorKind::usage, "--defer-indexes is not possible for a table with a foreign key to itself",
              "Such a table is loaded in one transaction. Leave --defer-indexes out.");
}

Status settle_indexes(LoadPlan& plan, Connection& connection, Connector& connector,
                      const LoadEnvironment& environment, LoadSummary& summary) {
  summary.rebuild_command = rebuild_command(plan.options.connection, summary.table);
  if (!plan.options.defer_indexes) {
    return rebuild_abandoned(plan, connection, connector, environment, summary);
  }
  HYPERCOPY_TRY(refuse_self_references(plan.table));
  HYPERCOPY_ASSIGN(plan.deferral, plan_deferral(connection, plan.table, rules_of(plan)));
  return {};
}

IndexDeferral::IndexDeferral(const LoadPlan& plan, Connector& connector, const LoadEnvironment& environment,
                             LoadSummary& summary)
    : plan_(plan),
      connector_(connector),
      environment_(environment),
      summary_(summary),
      control_(
          [this]() -> Result<Connection> {
            HYPERCOPY_ASSIGN(Connection connection, connect(connector_, summary_.run_id, "indexes", plan_,
                                                            {environment_.cancellation}));
            HYPERCOPY_TRY(connection.execute(fmt::format(
                "SELECT pg_catalog.{}({})", alone_ ? "pg_advisory_lock" : "pg_advisory_lock_shared",
                lock_keys(plan_.table.oid))));
            return connection;
          },
          plan.options.retry_timeout, {environment.cancellation}) {}

Status IndexDeferral::open() {
  if (!plan_.options.defer_indexes) return {};
  return control_.ask([&](Connection& connection) -> Status {
    HYPERCOPY_TRY(ensure_deferral_schema(connection));
    const bool rehearses = plan_.deferral && !plan_.deferral->indexes.empty() && plan_.deferral->can_rehearse;
    return rehearses ? rehearse_deferral(connection, plan_.table, rules_of(plan_)) : Status{};
  });
}

Status IndexDeferral::drop() {
  if (!plan_.options.defer_indexes) return {};
  HYPERCOPY_ASSIGN(
      const auto owed, control_.ask([&](Connection& connection) -> Result<std::vector<OwedIndex>> {
        if (plan_.deferral && !plan_.deferral->indexes.empty()) {
          HYPERCOPY_TRY(drop_and_record(connection, plan_.table, rules_of(plan_), summary_.run_id));
        }
        return owed_indexes(connection, plan_.table.oid);
      }));
  remember(owed, summary_);
  environment_.console.log(
      LogLevel::info,
      owed.empty()
          ? fmt::format("{} has no index that could be left out{}", summary_.table,
                        plan_.options.defer_constraints ? "" : " (unique ones: --defer-constraints)")
          : fmt::format("left out while {} is loaded: {}", summary_.table, fmt::join(names_of(owed), ", ")));
  return {};
}

// Shared by this run and others; who wants it alone gives it up first, or two would wait for each other.
Status IndexDeferral::lock_alone(Connection& connection) {
  HYPERCOPY_TRY(unlock_all(connection));
  HYPERCOPY_ASSIGN(const bool alone, lock_if_abandoned(connection, plan_.table.oid));
  if (alone) return {};
  environment_.console.log(
      LogLevel::info, fmt::format("another process loads into {} and leaves its indexes out, or rebuilds "
                                  "them: waiting for it",
                                  summary_.table));
  HYPERCOPY_TRY(
      connection.execute(fmt::format("SELECT pg_catalog.pg_advisory_lock({})", lock_keys(plan_.table.oid))));
  return {};
}

Status IndexDeferral::rebuild() {
  if (!plan_.options.defer_indexes) return {};
  alone_ = true;
  bool locked = false;
  auto rebuilt = control_.ask([&](Connection& connection) -> Result<RebuildOutcome> {
    if (!locked) HYPERCOPY_TRY(lock_alone(connection));
    locked = true;
    return rebuild_now(connection, plan_, connector_, environment_, summary_);
  });
  return status_of(std::move(rebuilt), summary_);
}

Status IndexDeferral::note_server(FailoverGuard& guard) {
  return control_.ask(
      [&](Connection& connection) { return guard.note_all(FailoverGuard::kRebuild, connection); });
}

}  // namespace hypercopy
