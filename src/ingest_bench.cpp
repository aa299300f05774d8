#include "hypercopy/ingest_bench.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <sys/resource.h>

#include <algorithm>
#include <charconv>
#include <csignal>
#include <memory>

#include "human_units.hpp"
#include "hypercopy/load.hpp"
#include "hypercopy/session.hpp"
#include "hypercopy/source.hpp"
#include "hypercopy/sql_identifier.hpp"
#include "hypercopy/target_table.hpp"
#include "ingest_bench_advice.hpp"
#include "ingest_bench_input.hpp"
#include "ingest_bench_plan.hpp"
#include "ingest_bench_scratch.hpp"
#include "stop_relay.hpp"

namespace hypercopy {

namespace {

using Level = Cancellation::Level;

constexpr const char* kApplicationName = "hypercopy bench";

constexpr std::string_view kServerSettings = R"(
SELECT s.name, pg_catalog.current_setting(s.name)
FROM pg_catalog.unnest(ARRAY['shared_buffers', 'max_wal_size', 'checkpoint_timeout', 'wal_level', 'wal_compression',
  'synchronous_commit', 'full_page_writes', 'fsync', 'maintenance_work_mem', 'max_connections', 'autovacuum'])
  WITH ORDINALITY AS s(name, place) ORDER BY s.place)";

constexpr std::string_view kTimescaleVersion =
    "SELECT extversion FROM pg_catalog.pg_extension WHERE extname = 'timescaledb'";

// Of the connections that are not workers': the keeper of the scratch table, and the one that empties it.
constexpr unsigned kOwnConnections = 2;

std::chrono::nanoseconds cpu_time() {
  rusage usage{};
  ::getrusage(RUSAGE_SELF, &usage);
  const auto of = [](const timeval& time) {
    return std::chrono::seconds(time.tv_sec) + std::chrono::microseconds(time.tv_usec);
  };
  return of(usage.ru_utime) + of(usage.ru_stime);
}

class Bench {
 public:
  Bench(const BenchOptions& options, const BenchEnvironment& environment, Cancellation& run_stop,
        BenchReport& report)
      : options_(options),
        console_(environment.console),
        user_stop_(environment.cancellation),
        run_stop_(run_stop),
        report_(report),
        prompt_([this, ask = environment.password_prompt](const std::string& user) {
          if (!password_ && ask) password_ = ask(user);
          return password_;
        }) {}

  Status run() {
    HYPERCOPY_TRY(look_at_input());
    HYPERCOPY_TRY(look_at_server());
    HYPERCOPY_TRY(make_scratch());
    Status measured = guarded();
    Status dropped = drop();
    HYPERCOPY_TRY(std::move(measured));
    return dropped;
  }

 private:
  // The scratch table is dropped whatever happens.
  Status guarded() {
    try {
      return measure();
    } catch (const std::exception& exception) {
      return fail(ErrorKind::internal, exception.what());
    }
  }

  [[nodiscard]] bool stopped() const { return user_stop_.level() != Level::none; }
  [[nodiscard]] static Error interrupted() {
    return Error{.kind = ErrorKind::interrupted, .message = "interrupted"};
  }

  Status look_at_input() {
    HYPERCOPY_ASSIGN(input_, BenchInput::look(options_.load.files));
    report_.sources = input_.paths();
    report_.source_bytes = input_.bytes();
    return {};
  }

  Result<Connection> connect(const Cancellation& stop) {
    NoticeHandler notices = [this](std::string_view severity, std::string_view message) {
      console_.log(LogLevel::verbose, fmt::format("server: {}: {}", severity, message));
    };
    Connector connector(options_.load.connection, stop, std::move(notices), prompt_);
    HYPERCOPY_ASSIGN(Connection connection, connector.connect(kApplicationName, {stop}));
    HYPERCOPY_ASSIGN(const SessionSettings session, read_session(connection, options_.load.encoding));
    HYPERCOPY_TRY(pin_session(connection, session));
    return connection;
  }

  Status look_at_server() {
    HYPERCOPY_ASSIGN(keeper_, connect(user_stop_));
    HYPERCOPY_ASSIGN(control_, connect(run_stop_));
    report_.server_version = keeper_->parameter("server_version");
    HYPERCOPY_ASSIGN(target_, describe_table(*keeper_, options_.load.table));
    report_.target = display_qualified(target_.schema, target_.name);
    report_.target_kind = to_string(target_.kind);
    HYPERCOPY_ASSIGN(const QueryResult settings, keeper_->execute(kServerSettings));
    for (int row = 0; row < settings.rows(); ++row) {
      report_.server_settings.emplace_back(settings.text(row, 0), settings.text(row, 1));
    }
    HYPERCOPY_ASSIGN(const QueryResult timescale, keeper_->execute(kTimescaleVersion));
    if (timescale.rows() > 0) report_.timescaledb_version = timescale.text(0, 0);
    return check_connections();
  }

  // Known now, not when half of the runs are done.
  Status check_connections() const {
    unsigned most = 0;
    for (const auto& [name, value] : report_.server_settings) {
      if (name == "max_connections") std::from_chars(value.data(), value.data() + value.size(), most);
    }
    const unsigned workers = std::ranges::max(options_.grid.workers);
    if (workers + kOwnConnections <= most) return {};
    return fail(ErrorKind::usage,
                fmt::format("{} workers and {} connections of the bench are more than the server's "
                            "max_connections ({})",
                            workers, kOwnConnections, most),
                "Name fewer workers with --workers.");
  }

  Status make_scratch() {
    TableName name = options_.scratch.value_or(TableName{.schema = {}, .name = unique_scratch_name()});
    if (name.schema.empty()) name.schema = target_.schema;
    HYPERCOPY_ASSIGN(const auto leftovers, find_leftovers(*keeper_, name.schema));
    for (const auto& statement : leftovers) {
      console_.log(LogLevel::warning,
                   fmt::format("a bench that was killed left its scratch table; drop it: {}", statement));
    }
    // From here on the first request to stop ends the runs, and the second one this connection.
    keeper_->interrupt_at(Level::immediate);
    HYPERCOPY_ASSIGN(scratch_, create_scratch(*keeper_, target_, name));
    report_.scratch = display_qualified(name.schema, name.name);
    report_.secondary_indexes = scratch_.secondary.size();
    report_.notices = scratch_.notices;
    for (const auto& notice : report_.notices) console_.log(LogLevel::info, "note: " + notice);
    return {};
  }

  Status drop() {
    if (!keeper_->is_alive()) {
      if (auto again = connect(user_stop_)) keeper_ = std::move(*again);
    }
    auto dropped = drop_scratch(*keeper_, scratch_);
    if (dropped) return {};
    if (dropped.error().kind == ErrorKind::interrupted) keeper_->cancel_statement();
    console_.log(LogLevel::error, fmt::format("the scratch table stays ({}); drop it: DROP TABLE {};",
                                              dropped.error().message, scratch_.qualified));
    return dropped;
  }

  Status measure() {
    HYPERCOPY_TRY(warm_up());
    for (unsigned round = 0; round < options_.rounds; ++round) {
      for (const std::size_t setting : bench_round(report_.settings.size(), round, options_.rounds)) {
        HYPERCOPY_TRY(measure_one(setting, round + 1));
      }
    }
    return {};
  }

  // Fills the caches, tells how long a run takes, and whether the input can be loaded at all over each wire.
  Status warm_up() {
    limit_ = options_.load.limit_records;
    const std::uint64_t records = limit_ == 0 ? kWarmUpRecords : std::min(limit_, kWarmUpRecords);
    console_.log(LogLevel::info, fmt::format("warming up with at most {} into {}", counted(records, "record"),
                                             report_.scratch));
    BenchRun slowest;
    for (const Wire wire : options_.grid.wires) {
      const BenchSetting setting{.workers = std::ranges::min(options_.grid.workers),
                                 .batch_bytes = report_.settings.front().batch_bytes,
                                 .wire = wire};
      HYPERCOPY_TRY(prepare(setting));
      HYPERCOPY_ASSIGN(const BenchRun run, load(setting, records));
      if (run.load > slowest.load) slowest = run;
    }
    rows_.reset();
    if (slowest.rows == 0)
      return fail(ErrorKind::input, "the input has no records: there is nothing to measure");
    say_plan(slowest, choose_limit(slowest, slowest.rows < records));
    return {};
  }

  // Sets limit_, and gives about how many records a run will load.
  std::uint64_t choose_limit(const BenchRun& warm_up, bool whole) {
    const std::uint64_t all =
        whole ? warm_up.rows
              : static_cast<std::uint64_t>(static_cast<double>(report_.source_bytes) *
                                           static_cast<double>(warm_up.rows) /
                                           static_cast<double>(std::max<std::uint64_t>(warm_up.bytes, 1)));
    if (limit_ != 0) return std::min(limit_, std::max(all, warm_up.rows));
    if (whole || options_.budget.count() == 0) return all;
    const std::uint64_t affordable = records_within(options_.budget, runs(), warm_up.rows, warm_up.load);
    if (affordable >= all) return all;
    limit_ = affordable;
    return affordable;
  }

  [[nodiscard]] std::size_t runs() const { return report_.settings.size() * options_.rounds; }

  void say_plan(const BenchRun& warm_up, std::uint64_t records) {
    const double seconds_per_run =
        static_cast<double>(records) / std::max(per_second(warm_up.rows, warm_up.load), 1.0);
    const auto time = std::chrono::duration_cast<std::chrono::nanoseconds>(
        std::chrono::duration<double>(seconds_per_run * static_cast<double>(runs())));
    const bool cut = limit_ != 0 && options_.load.limit_records == 0;
    console_.log(LogLevel::info,
                 fmt::format("{} x {} = {} of about {} rows{}: about {}",
                             counted(report_.settings.size(), "setting"), counted(options_.rounds, "round"),
                             counted(runs(), "run"), short_count(static_cast<double>(records)),
                             cut ? " (the first ones of the input; --minutes allows for more)" : "",
                             human_time(time)));
  }

  Status prepare(const BenchSetting& setting) {
    HYPERCOPY_TRY(on_control(empty_scratch(*control_, scratch_)));
    if (setting.indexes == BenchIndexes::none) HYPERCOPY_TRY(on_control(drop_secondary(*control_, scratch_)));
    if (!checkpoints_) return {};
    auto checkpoint = control_->execute("CHECKPOINT");
    if (checkpoint) return {};
    if (checkpoint.error().kind != ErrorKind::sql) return on_control(fail(std::move(checkpoint).error()));
    checkpoints_ = false;
    report_.notices.push_back(
        fmt::format("no CHECKPOINT before each run ({}): a run may pay for the pages of the one before",
                    checkpoint.error().message));
    console_.log(LogLevel::info, "note: " + report_.notices.back());
    return {};
  }

  // What an interrupted statement holds would keep the scratch table from being dropped.
  Status on_control(Status status) {
    if (!status && status.error().kind == ErrorKind::interrupted) control_->cancel_statement();
    return status;
  }

  Result<BenchRun> load(const BenchSetting& setting, std::uint64_t limit) {
    LoadOptions options = options_.load;
    options.table = scratch_.name;
    options.jobs = setting.workers;
    options.batch_bytes = setting.batch_bytes;
    options.wire = setting.wire;
    options.limit_records = limit;
    Console quiet(-1, "hypercopy", false);
    const auto cpu_before = cpu_time();
    const LoadSummary summary =
        run_load(options, {.console = quiet, .cancellation = run_stop_, .password_prompt = prompt_});
    BenchRun run{.load = summary.elapsed,
                 .client_cpu = cpu_time() - cpu_before,
                 .rows = summary.totals.rows_loaded,
                 .bytes = summary.totals.committed.bytes};
    if (stopped()) return fail(interrupted());
    if (summary.error) return fail(*summary.error);
    if (exit_code(summary) != ExitCode::ok || summary.totals.split.records != run.rows) {
      return fail(ErrorKind::accounting,
                  fmt::format("{} were read and {} loaded", counted(summary.totals.split.records, "record"),
                              counted(run.rows, "row")));
    }
    if (rows_ && *rows_ != run.rows) {
      HYPERCOPY_TRY(input_.check_unchanged());
      return fail(ErrorKind::accounting, fmt::format("this run loaded {}, the runs before {}",
                                                     counted(run.rows, "row"), grouped(*rows_)));
    }
    rows_ = run.rows;
    const TimeShares& shares = summary.shares;
    const double all = seconds(shares.worker_encoding + shares.worker_sending + shares.worker_waiting);
    run.waiting_for_server = all > 0 ? seconds(shares.worker_sending) / all : 0;
    return run;
  }

  Status measure_one(std::size_t index, unsigned round) {
    const BenchSetting& setting = report_.settings[index];
    HYPERCOPY_TRY(prepare(setting));
    if (stopped()) return fail(interrupted());
    const std::string what =
        fmt::format("run {} of {}, {}", report_.runs.size() + 1, runs(), setting_text(report_, index));
    auto loaded = load(setting, limit_);
    if (!loaded) {
      if (!stopped()) console_.log(LogLevel::info, what + ": failed");
      return fail(std::move(loaded).error());
    }
    HYPERCOPY_TRY(input_.check_unchanged());
    BenchRun run = *loaded;
    run.setting = index;
    run.round = round;
    if (setting.indexes == BenchIndexes::none) {
      const auto begin = std::chrono::steady_clock::now();
      HYPERCOPY_TRY(on_control(build_secondary(*control_, scratch_)));
      run.index_build = std::chrono::steady_clock::now() - begin;
    }
    report_.runs.push_back(run);
    console_.log(LogLevel::info, fmt::format("{}: {}, {} rows/s", what, human_time(run.total()),
                                             short_count(per_second(run.rows, run.total()))));
    return {};
  }

  const BenchOptions& options_;
  Console& console_;
  Cancellation& user_stop_;
  Cancellation& run_stop_;
  BenchReport& report_;
  std::optional<std::string> password_;  // asked for once, not for every run
  PasswordPrompt prompt_;
  BenchInput input_;
  std::optional<Connection> keeper_;   // makes and drops the scratch table, and holds its lock
  std::optional<Connection> control_;  // empties it, and builds its indexes
  TargetTable target_;
  ScratchTable scratch_;
  std::uint64_t limit_ = 0;
  std::optional<std::uint64_t> rows_;  // of each run
  bool checkpoints_ = options_.checkpoint;
};

Status run_bench(const BenchOptions& options, const BenchEnvironment& environment, BenchReport& report) {
  HYPERCOPY_ASSIGN(const std::unique_ptr<Cancellation> run_stop, Cancellation::create());
  HYPERCOPY_ASSIGN(const std::unique_ptr<Cancellation> relay_end, Cancellation::create());
  const StopRelay relay(environment.cancellation, *run_stop, *relay_end);
  Bench bench(options, environment, *run_stop, report);
  Status status = bench.run();
  // Whatever error came of it.
  if (!status && environment.cancellation.level() != Level::none)
    status.error().kind = ErrorKind::interrupted;
  return status;
}

}  // namespace

std::string_view to_string(BenchIndexes indexes) { return indexes == BenchIndexes::keep ? "keep" : "none"; }

ExitCode exit_code(const BenchReport& report) {
  if (!report.error) return ExitCode::ok;
  switch (report.error->kind) {
    case ErrorKind::usage:
      return ExitCode::usage;
    case ErrorKind::accounting:
      return ExitCode::accounting;
    case ErrorKind::interrupted:
      return report.interrupted_by == SIGTERM ? ExitCode::terminated : ExitCode::interrupted;
    default:
      return ExitCode::failed;
  }
}

BenchReport run_ingest_bench(const BenchOptions& options, const BenchEnvironment& environment) {
  BenchReport report{.target = display_qualified(options.load.table.schema, options.load.table.name),
                     .client_cores = usable_cores(),
                     .rounds = options.rounds,
                     .settings = bench_settings(options.grid),
                     .command = options.command,
                     .files = options.load.files};
  try {
    if (auto status = run_bench(options, environment, report); !status)
      report.error = std::move(status).error();
  } catch (const std::exception& exception) {
    report.error = Error{.kind = ErrorKind::internal, .message = exception.what()};
  }
  return report;
}

}  // namespace hypercopy
