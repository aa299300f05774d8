#include "hypercopy/load.hpp"

#include <fmt/format.h>
#include <sched.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <mutex>
#include <random>
#include <set>
#include <thread>

#include "after_load.hpp"
#include "atomic_load.hpp"
#include "human_units.hpp"
#include "hypercopy/copy_stream.hpp"
#include "hypercopy/import_ledger.hpp"
#include "hypercopy/pipeline.hpp"
#include "hypercopy/reject_files.hpp"
#include "hypercopy/sql_identifier.hpp"
#include "import_feed.hpp"
#include "import_job.hpp"
#include "import_rejects.hpp"
#include "index_deferral.hpp"
#include "job_pause.hpp"
#include "load_plan.hpp"

namespace hypercopy {

namespace {

using Clock = std::chrono::steady_clock;

constexpr std::chrono::milliseconds kDefaultReportingPeriod{10'000};

// Short enough for application_name, long enough to tell runs apart.
std::string make_run_id() {
  std::random_device entropy;
  return fmt::format("{:08x}", entropy());
}

std::string application_name(const std::string& run_id, unsigned worker) {
  return fmt::format("hypercopy load {} worker {}", run_id, worker);
}

// The connection of an import's ledger: import_ledger.hpp tells by it that this run lives.
std::string control_name(const std::string& run_id) {
  return fmt::format("hypercopy load {} control", run_id);
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

// An empty COPY, rolled back: whether this user may load into these columns at all.
Status try_copy(const std::string& copy_sql, Connection& connection) {
  HYPERCOPY_TRY(connection.start_copy("BEGIN; " + copy_sql));
  HYPERCOPY_TRY(connection.end_copy());
  HYPERCOPY_TRY(connection.execute("ROLLBACK"));
  return {};
}

// TRUNCATE only when the inputs, the table and the columns were found to fit, and COPY is allowed: a load that can only
// fail must not leave an empty table. In a single transaction it is part of it.
Status prepare_target(const LoadPlan& plan, const std::string& copy_sql, Connection& connection) {
  if (!plan.options.truncate || plan.staging) return {};
  if (plan.single_transaction) {
    HYPERCOPY_TRY(connection.execute("BEGIN"));
  } else {
    HYPERCOPY_TRY(try_copy(copy_sql, connection));
  }
  HYPERCOPY_TRY(
      connection.execute(fmt::format("TRUNCATE {}.{}", connection.quote_identifier(plan.table.schema),
                                     connection.quote_identifier(plan.table.name))));
  return {};
}

PipelineOptions pipeline_options(const LoadPlan& plan) {
  const LoadOptions& options = plan.options;
  const bool utf8 = plan.session.server_encoding == "UTF8" && plan.session.client_encoding == "UTF8";
  return PipelineOptions{.jobs = plan.jobs,
                         .batch_bytes = plan.batch_bytes,
                         .batch_records = options.batch_records == 0 ? UINT64_MAX : options.batch_records,
                         .limit_records = options.limit_records == 0 ? UINT64_MAX : options.limit_records,
                         .inputs = plan.files.size(),
                         .policy = {.relation = plan.table.name,
                                    .may_suppress_rows = (plan.table.may_suppress_rows && !plan.staging) ||
                                                         !options.where.empty(),
                                    .single_transaction = plan.single_transaction,
                                    .skip_failed_batches = options.skip_failed_batches,
                                    .windows_1252_fallback = options.windows_1252_fallback && utf8,
                                    .copies_nothing = options.empty_input_copies && options.import_id.empty(),
                                    .async_commit = options.async_commit,
                                    .retry_timeout = options.retry_timeout},
                         .wire = plan.wire,
                         .kernel = plan.kernel,
                         .max_rejects = options.max_rejects};
}

// Draws the progress for as long as the pipeline asks it to.
class ProgressWatch final : public PipelineWatch {
 public:
  ProgressWatch(ProgressReporter& reporter, std::optional<std::uint64_t> bytes_total)
      : reporter_(reporter), bytes_total_(bytes_total), started_(Clock::now()) {}

  std::chrono::milliseconds interval() const override { return reporter_.interval(); }
  void tick(const LedgerTotals& totals) override { reporter_.update(state(totals)); }
  void end(const LedgerTotals& totals) override { reporter_.finish(state(totals)); }
  // Bytes in front of an input's records, which no batch will have; from any thread.
  void passed_over(std::uint64_t bytes) { bytes_in_front_ += bytes; }

 private:
  [[nodiscard]] ProgressState state(const LedgerTotals& totals) const {
    return ProgressState{
        .bytes_done =
            bytes_in_front_ + std::max(totals.committed.bytes + totals.skipped.bytes, totals.bytes_sent),
        .bytes_total = bytes_total_,
        .rows_loaded = totals.rows_stored(),
        .records_skipped = totals.skipped.records,
        .records_total = totals.split.records,
        .elapsed = Clock::now() - started_};
  }

  ProgressReporter& reporter_;
  std::optional<std::uint64_t> bytes_total_;
  std::atomic<std::uint64_t> bytes_in_front_{0};
  Clock::time_point started_;
};

// The header of standard input or a FIFO cannot be read ahead of the run. Where it decides whether the
// columns fit, TRUNCATE waits for it; in a single transaction it is rolled back if they do not.
bool truncates_behind_header(const LoadPlan& plan) {
  const std::string& first = plan.files.front();
  return plan.options.truncate && !plan.single_transaction && !plan.staging &&
         plan.options.header == Header::match && (first == "-" || is_fifo(first));
}

void say_at_start(const LoadPlan& plan, const LoadOptions& options, Console& console) {
  for (const auto& notice : plan.notices) console.log(LogLevel::info, notice);
  console.log(LogLevel::verbose,
              fmt::format("{} {}.{} on PostgreSQL {}, client_encoding {}, {} kernel, batches of {} bytes",
                          to_string(plan.table.kind), plan.table.schema, plan.table.name, plan.server_version,
                          plan.session.client_encoding, to_string(plan.kernel), plan.batch_bytes));
  if (options.jobs == 0 && !plan.single_transaction) {
    console.log(LogLevel::info, fmt::format("using {} worker{} (one per core, at most 8; -j sets it)",
                                            plan.jobs, plan.jobs == 1 ? "" : "s"));
  }
}

// `typed`: names in the plan are in the input's encoding, those that a person reads as they were typed.
void summarise(const LoadPlan& plan, const TableName& typed, LoadSummary& summary) {
  summary.table = display_qualified(typed.schema.empty() ? plan.table.schema : typed.schema, typed.name);
  summary.sources = plan.files;
  summary.jobs = plan.jobs;
  if (plan.single_transaction) summary.jobs_limit = JobsLimit::single_transaction;
  summary.batch_bytes = plan.batch_bytes;
  summary.kernel = to_string(plan.kernel);
  summary.wire = to_string(plan.wire);
  summary.on_conflict = to_string(plan.options.on_conflict);
  summary.atomic = plan.options.atomic;
  summary.repeatable = plan.merge && !plan.merge->rule().key.empty() && !plan.merge->rule().nulls_differ;
  summary.server_version = plan.server_version;
  summary.notices = plan.notices;
  summary.import_id = plan.options.import_id;
}

void summarise(PipelineOutcome outcome, LoadSummary& summary) {
  if (outcome.workers < summary.jobs) summary.jobs_limit = JobsLimit::connections;
  summary.jobs = outcome.workers;
  summary.totals = outcome.totals;
  summary.input_totals = std::move(outcome.inputs);
  summary.error = std::move(outcome.error);
  summary.shares = outcome.shares;
  summary.complete = outcome.complete;
  summary.interrupted = outcome.interrupted && !outcome.complete;
  summary.wire_totals = outcome.wire;
}

// A planned load: TRUNCATE where it is asked for, then the pipeline over its inputs and connections.
class PlannedRun {
 public:
  PlannedRun(PlannedLoad& planned, Connector& connector, const LoadEnvironment& environment,
             LoadSummary& summary)
      : plan_(planned.plan),
        connector_(connector),
        environment_(environment),
        summary_(summary),
        first_(std::move(planned.connection)),
        truncate_late_(truncates_behind_header(plan_)),
        staging_(planned.plan.staging ? &*planned.plan.staging : nullptr),
        crash_empties_(staging_ != nullptr ? !staging_->is_logged() : plan_.table.is_unlogged) {}

  Status run() {
    IndexDeferral indexes(plan_, connector_, environment_, summary_);
    HYPERCOPY_TRY(load(indexes));
    return summary_.complete && !summary_.error ? indexes.rebuild() : Status{};
  }

 private:
  Status load(IndexDeferral& indexes) {
    HYPERCOPY_ASSIGN(run_stop_, Cancellation::create());
    HYPERCOPY_TRY(tidy_up());
    if (!plan_.options.import_id.empty()) HYPERCOPY_TRY(open_import());
    HYPERCOPY_TRY(indexes.open());
    if (import_ && import_->is_done()) return sum_up_import();
    if (staging_ != nullptr && !import_) HYPERCOPY_TRY(begin_atomic());
    if (!truncate_late_) HYPERCOPY_TRY(truncate(plan_.first_copy_sql));
    HYPERCOPY_TRY(indexes.drop());
    if (crash_empties_) HYPERCOPY_TRY(know_server());
    run_workers();
    if (atomic_) return end_atomic();
    summary_.emptied = emptied_.test() && staging_ == nullptr;
    if (import_ && summary_.complete) return sum_up_import();
    if (staging_ != nullptr) take_back(&LedgerTotals::staged);
    // After a request to stop nothing more is asked of the server; the next run writes them.
    return import_ && !summary_.interrupted ? write_import_rejects() : Status{};
  }

  void run_workers() {
    const LoadOptions& options = plan_.options;
    const auto period =
        options.reporting_period.count() > 0 ? options.reporting_period : kDefaultReportingPeriod;
    ProgressReporter reporter(environment_.console, environment_.progress, period);
    ProgressWatch watch(reporter, plan_.bytes_total);
    watch.passed_over(bytes_done_before_);
    const InputOpener open_input = [&](std::size_t index, const BatchLimits& limits, BatchPool& pool,
                                       TimeShares& shares) -> Result<OpenedInput> {
      HYPERCOPY_ASSIGN(OpenedInput input, open(index, limits, pool, shares));
      if (opened_.insert(index).second) watch.passed_over(input.reader->position().byte);
      return input;
    };
    const StreamOpener open_stream = [this](unsigned worker) { return this->open_stream(worker); };
    const std::size_t inputs = plan_.files.size();
    PipelineOptions pipeline = pipeline_options(plan_);
    if (claims_) pipeline.claims = &*claims_;
    RejectFiles files(import_ ? std::vector<std::string>{} : plan_.reject_files);
    ImportRejects rows(import_ ? import_->job() : 0);
    if (!plan_.reject_files.empty()) {
      pipeline.rejects = import_ ? static_cast<RejectSink*>(&rows) : &files;
    }
    summarise(run_pipeline(
                  pipeline,
                  import_ ? import_feed(*import_, open_input, inputs) : sequential_feed(open_input, inputs),
                  open_stream, environment_.console, environment_.cancellation, *run_stop_, watch),
              summary_);
    summary_.reject_files = files.written();
  }

  Result<Connection> connect_control(StopAt stop) {
    HYPERCOPY_ASSIGN(Connection connection, connector_.connect(control_name(summary_.run_id), stop));
    HYPERCOPY_TRY(pin_session(connection, plan_.session));
    return connection;
  }

  // What a run that was killed left beside the target.
  Status tidy_up() {
    HYPERCOPY_ASSIGN(const auto said, drop_left_staging(*first_, plan_.table));
    for (const auto& sentence : said) environment_.console.log(LogLevel::warning, sentence);
    if (staging_ == nullptr) return {};
    staging_->announce_to([this](std::uint64_t rows) {
      environment_.console.log(
          LogLevel::info,
          fmt::format("all is staged: inserting {} into {} at once (interrupted twice, it takes them back)",
                      counted(rows, "row"), summary_.table));
    });
    return {};
  }

  Status begin_atomic() {
    atomic_.emplace(
        *staging_, [this](StopAt stop) { return connect_control(stop); }, plan_.options.retry_timeout,
        StopAt{environment_.cancellation, Cancellation::Level::immediate});
    auto begun = atomic_->begin();
    if (!begun) atomic_.reset();
    return begun;
  }

  Status end_atomic() {
    if (!summary_.complete || summary_.error) {
      atomic_->give_up();
      take_back(&LedgerTotals::failed);
      return {};
    }
    auto taken = atomic_->publish(summary_.totals.rows_loaded);
    if (taken) {
      note_suppressed(summary_.totals.rows_loaded - *taken);
      return {};
    }
    summary_.complete = false;
    const bool in_doubt = atomic_->in_doubt();
    take_back(in_doubt ? &LedgerTotals::unknown : &LedgerTotals::failed);
    Error error = std::move(taken).error();
    if (in_doubt) {
      error.message = fmt::format("the connection was lost while COMMIT was under way: {}", error.message);
      error.hint = fmt::format(
          "If the table {} still exists, nothing was loaded, and the next load removes it; "
          "if it is gone, everything was.",
          staging_->relation());
    }
    atomic_->give_up();
    return fail(std::move(error));
  }

  // What was committed to the staging table is not in the target.
  void take_back(Counts LedgerTotals::*ending) {
    summary_.totals.take_back(ending);
    for (auto& input : summary_.input_totals) input.take_back(ending);
  }

  // By triggers of the target, when it took what was staged: of which input's records nobody knows.
  void note_suppressed(std::uint64_t rows) {
    if (rows == 0) return;
    summary_.totals.suppress(rows);
    if (summary_.input_totals.size() == 1) {
      summary_.input_totals.front().suppress(rows);
    } else {
      summary_.input_totals.clear();
    }
  }

  Status open_import() {
    HYPERCOPY_ASSIGN(const ImportJob job, describe_import(plan_, environment_.cancellation));
    const auto connect = [this](StopAt stop) { return connect_control(stop); };
    const auto reject_files_are_free = [this] { return refuse_used_reject_files(plan_.reject_files); };
    HYPERCOPY_ASSIGN(ImportLedger ledger, ImportLedger::open(connect, job,
                                                             {.run_id = summary_.run_id,
                                                              .retry_timeout = plan_.options.retry_timeout,
                                                              .truncates = plan_.options.truncate,
                                                              .into_empty = plan_.options.resume_into_empty,
                                                              .staging = staging_,
                                                              .may_begin = reject_files_are_free},
                                                             {environment_.cancellation}));
    import_.emplace(std::move(ledger));
    import_->stop_at({*run_stop_});
    claims_.emplace(import_->claims());
    HYPERCOPY_ASSIGN(const auto totals, import_->totals());
    std::uint64_t rejected = 0;
    for (const auto& input : totals) rejected += input.rejected_by_others;
    if (rejected == 0) HYPERCOPY_TRY(reject_files_are_free());
    if (import_->was_begun()) say_what_is_done(totals);
    return {};
  }

  void say_what_is_done(const std::vector<ImportTotals>& totals) {
    std::uint64_t records = 0;
    for (const auto& input : totals) {
      records += input.others.records;
      bytes_done_before_ += input.others.bytes;
    }
    if (import_->is_done() || records == 0) return;
    environment_.console.log(LogLevel::info,
                             fmt::format("going on with import '{}': {} records were loaded before",
                                         plan_.options.import_id, records));
  }

  Status write_import_rejects() {
    if (plan_.reject_files.empty()) return {};
    std::vector<std::string> names;
    names.reserve(plan_.files.size());
    for (const auto& file : plan_.files) names.push_back(file == "-" ? "standard input" : file);
    auto written = write_reject_files(*import_, plan_.reject_files, names);
    if (written) {
      summary_.reject_files = std::move(*written);
      return {};
    }
    // What ended the load says more.
    return summary_.error ? Status{} : fail(std::move(written).error());
  }

  // The ledger's sums are the truth about a finished import: it has also what other runs and loaders did, and none of
  // what a crash took back.
  Status sum_up_import() {
    HYPERCOPY_ASSIGN(const auto totals, import_->totals());
    LedgerTotals sum{.attempts_again = summary_.totals.attempts_again};
    std::uint64_t staged = 0;
    summary_.input_totals.clear();
    for (const auto& input : totals) {
      LedgerTotals one{.committed = input.mine,
                       .already_done = input.others,
                       .rows_loaded = input.rows.loaded,
                       .rows_updated = input.rows.updated,
                       .records_conflicted = input.rows.conflicts,
                       .records_rejected = input.rows.rejected,
                       .rows_suppressed = input.suppressed};
      one.split.add(input.mine);
      one.split.add(input.others);
      summary_.input_totals.push_back(one);
      summary_.rejected_before += input.rejected_by_others;
      staged += input.rows.loaded + input.loaded_by_others;
      sum.add(one);
    }
    summary_.totals = sum;
    HYPERCOPY_ASSIGN(const auto published, import_->rows_published());
    if (published) note_suppressed(std::min(sum.rows_loaded, staged - std::min(staged, *published)));
    summary_.import_done = true;
    summary_.complete = true;
    return write_import_rejects();
  }

  Status truncate(const std::string& copy_sql) {
    HYPERCOPY_TRY(prepare_target(plan_, copy_sql, *first_));
    summary_.truncated = plan_.options.truncate && !plan_.single_transaction && !plan_.staging;
    return {};
  }

  // On the reader's thread.
  Result<OpenedInput> open(std::size_t index, const BatchLimits& limits, BatchPool& pool,
                           TimeShares& shares) {
    HYPERCOPY_ASSIGN(OpenedInput input, open_input(plan_, index, limits, pool, shares, *run_stop_));
    if (staging_ != nullptr) {
      HYPERCOPY_TRY(staging_->expect(input.file->mapping.columns, input.file->name));
    }
    if (index == 0 && truncate_late_) {
      HYPERCOPY_TRY(truncate(input.file->copy_sql));
      first_.reset();
    }
    return input;
  }

  // On the worker's thread. The connection that made the plan is the first worker's, unless the reader's
  // thread needs it for TRUNCATE.
  Result<std::unique_ptr<CopyStream>> open_stream(unsigned worker) {
    const PgCopyStream::Reconnect reconnect = [this, worker](StopAt stop) -> Result<Connection> {
      HYPERCOPY_ASSIGN(Connection connection, connect(worker, stop));
      if (crash_empties_) HYPERCOPY_TRY(expect_rows_kept(connection));
      return connection;
    };
    StandIn stand_in;
    if (staging_ != nullptr) stand_in = {.name = staging_->name(), .target = plan_.table.name};
    if (worker == 1 && !truncate_late_) {
      return std::make_unique<PgCopyStream>(*std::exchange(first_, std::nullopt), reconnect, stand_in);
    }
    HYPERCOPY_ASSIGN(Connection connection, connect(worker, {*run_stop_}));
    return std::make_unique<PgCopyStream>(std::move(connection), reconnect, stand_in);
  }

  Result<Connection> connect(unsigned worker, StopAt stop) {
    HYPERCOPY_ASSIGN(Connection connection,
                     connector_.connect(application_name(summary_.run_id, worker), stop));
    connection.interrupt_at(stop.level);
    HYPERCOPY_TRY(pin_session(connection, plan_.session));
    return connection;
  }

  // A server that does not let this user read its mark leaves none.
  Status know_server() {
    auto mark = read_server_mark(*first_);
    if (!mark && mark.error().kind != ErrorKind::sql) return fail(std::move(mark).error());
    if (mark) server_ = std::move(*mark);
    return {};
  }

  // What was committed to an UNLOGGED table before a crash is gone: sending the batches in flight again would look like
  // a whole load.
  [[nodiscard]] Status expect_rows_kept(Connection& connection) {
    auto now = read_server_mark(connection);
    if (!now && now.error().kind != ErrorKind::sql) return fail(std::move(now).error());
    if (now && server_ == *now) return {};
    if (staging_ != nullptr) {
      return fail(ErrorKind::target,
                  "the server crashed or failed over, which empties the staging table of --atomic",
                  "Load the input again: nothing reached the table. With --import-id it would go on.");
    }
    // Where a COMMIT is in doubt, that is the run's error.
    if (!emptied_.test_and_set()) {
      environment_.console.log(LogLevel::error,
                               "the server crashed or failed over, which empties an UNLOGGED table: what was "
                               "committed before is lost");
    }
    return fail(
        ErrorKind::target, "the load of an UNLOGGED table does not go on after a crash of the server",
        "Load the input again from its beginning, with --truncate where the table holds nothing else.");
  }

  const LoadPlan& plan_;
  Connector& connector_;
  const LoadEnvironment& environment_;
  LoadSummary& summary_;
  std::optional<Connection> first_;
  std::optional<ServerMark> server_;  // of the first connection, where a crash empties what is copied into
  std::atomic_flag emptied_{};        // by a crash of the server, and that was said
  const bool truncate_late_;
  AtomicStaging* const staging_;      // --atomic
  const bool crash_empties_;          // the table that workers copy into
  std::optional<AtomicLoad> atomic_;  // --atomic without an import id
  std::unique_ptr<Cancellation> run_stop_;
  std::optional<ImportLedger> import_;
  std::optional<ImportClaims> claims_;
  std::uint64_t bytes_done_before_ = 0;
  std::set<std::size_t> opened_{};  // inputs whose prologue counts as progress; the reader's thread
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
  summarise(planned.plan, options.table, summary);
  say_at_start(planned.plan, options, environment.console);
  HYPERCOPY_ASSIGN(const auto pause, pause_jobs(planned.plan, connector, environment, summary.run_id));
  HYPERCOPY_TRY(PlannedRun(planned, connector, environment, summary).run());
  if (!summary.complete || summary.error) return {};
  const auto connect = [&](unsigned worker) -> Result<Connection> {
    HYPERCOPY_ASSIGN(Connection connection,
                     connector.connect(application_name(summary.run_id, worker), {environment.cancellation}));
    HYPERCOPY_TRY(pin_session(connection, planned.plan.session));
    return connection;
  };
  return finish_target(planned.plan, connect, environment.console);
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
