#include "planned_run.hpp"

#include <fmt/format.h>

#include <atomic>
#include <chrono>

#include "column_types.hpp"
#include "human_units.hpp"
#include "hypercopy/copy_stream.hpp"
#include "hypercopy/lasting_connection.hpp"
#include "hypercopy/pipeline.hpp"
#include "hypercopy/reject_files.hpp"
#include "hypercopy/sql_identifier.hpp"
#include "hypercopy/time_windows.hpp"
#include "import_feed.hpp"
#include "import_rejects.hpp"
#include "left_side_tables.hpp"
#include "load_chunks.hpp"
#include "load_progress.hpp"
#include "load_summary.hpp"
#include "target_identity.hpp"

namespace hypercopy {

namespace {

constexpr std::chrono::milliseconds kDefaultReportingPeriod{10'000};

// The connection of an import's ledger: import_ledger.hpp tells by it that this run lives.
std::string control_name(const std::string& run_id) {
  return fmt::format("hypercopy load {} control", run_id);
}

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

// An import that is done needs none of it.
void say_at_start(const LoadPlan& plan, Console& console) {
  for (const auto& notice : plan.notices) console.log(LogLevel::info, notice);
  console.log(LogLevel::verbose,
              fmt::format("{} {}.{} on PostgreSQL {}, client_encoding {}, {} kernel, batches of {} bytes",
                          to_string(plan.table.kind), plan.table.schema, plan.table.name, plan.server_version,
                          plan.session.client_encoding, to_string(plan.kernel), plan.batch_bytes));
  if (plan.options.jobs == 0 && !plan.single_transaction) {
    console.log(LogLevel::info,
                fmt::format("using {} (one per core, at most 8; -j sets it)", counted(plan.jobs, "worker")));
  }
}

WindowOptions window_options(const LoadPlan& plan) {
  return {.memory_bytes = plan.order_memory,
          .slice = {.bytes = plan.batch_bytes,
                    .records = plan.options.batch_records == 0 ? UINT64_MAX : plan.options.batch_records},
          .kernel = plan.kernel};
}

// The header of standard input or a FIFO cannot be read ahead of the run. Where it decides whether the
// columns fit, TRUNCATE waits for it; in a single transaction it is rolled back if they do not.
bool truncates_behind_header(const LoadPlan& plan) {
  const std::string& first = plan.files.front();
  return plan.options.truncate && !plan.single_transaction && !plan.staging &&
         plan.options.header == Header::match && (first == "-" || is_fifo(first));
}

}  // namespace

std::string application_name(const std::string& run_id, unsigned worker) {
  return fmt::format("hypercopy load {} worker {}", run_id, worker);
}

PlannedRun::PlannedRun(PlannedLoad& planned, Connector& connector, const LoadEnvironment& environment,
                       LoadSummary& summary)
    : plan_(planned.plan),
      connector_(connector),
      environment_(environment),
      summary_(summary),
      first_(std::move(planned.connection)),
      truncate_late_(truncates_behind_header(plan_)),
      staging_(planned.plan.staging ? &*planned.plan.staging : nullptr),
      crash_empties_(staging_ != nullptr ? !staging_->is_logged() : plan_.table.is_unlogged),
      crash_guard_(staging_ != nullptr ? CrashGuard::Target::staging : CrashGuard::Target::table,
                   environment.console),
      may_lose_commits_(plan_.options.import_id.empty() && !plan_.single_transaction && !crash_empties_),
      building_(plan_, connector, environment, summary, may_lose_commits_ ? &failover_guard_ : nullptr) {}

Status PlannedRun::run() {
  IndexDeferral indexes(plan_, connector_, environment_, summary_);
  HYPERCOPY_TRY(load(indexes));
  if (!plan_.options.defer_indexes || !summary_.complete || summary_.error) return {};
  HYPERCOPY_TRY(indexes.rebuild());
  return expect_rows_outlived_rebuild(indexes);
}

// It may take long, and a failover meanwhile may lose rows.
Status PlannedRun::expect_rows_outlived_rebuild(IndexDeferral& indexes) {
  if (import_) {
    Status done = import_->expect_still_done();
    if (!done) summary_.complete = false;
    return done;
  }
  if (!may_lose_commits_) return {};
  HYPERCOPY_TRY(indexes.note_server(failover_guard_));
  return expect_commits_kept();
}

Status PlannedRun::load(IndexDeferral& indexes) {
  HYPERCOPY_ASSIGN(run_stop_, Cancellation::create());
  HYPERCOPY_TRY(tidy_up());
  if (!plan_.options.import_id.empty()) HYPERCOPY_TRY(open_import());
  const bool was_done = import_ && import_->ledger().is_done();
  if (!was_done) say_at_start(plan_, environment_.console);
  HYPERCOPY_TRY(indexes.open());
  const auto job = import_ ? std::optional(import_->ledger().job()) : std::nullopt;
  if (was_done) {
    summary_.notices.clear();
    HYPERCOPY_TRY(building_.begin(job));
    HYPERCOPY_TRY(building_.end());
    return import_->sum_up();
  }
  if (staging_ != nullptr && !import_) HYPERCOPY_TRY(begin_atomic());
  if (!truncate_late_) HYPERCOPY_TRY(truncate(plan_.first_copy_sql));
  HYPERCOPY_TRY(indexes.drop());
  if (crash_empties_) HYPERCOPY_TRY(crash_guard_.know(*first_));
  HYPERCOPY_TRY(make_commit_checks());
  HYPERCOPY_TRY(building_.begin(job));
  if (first_) HYPERCOPY_TRY(building_.mark_as_filling(*first_));
  run_workers();
  HYPERCOPY_TRY(expect_commits_kept());
  const Status handed_over = building_.end();
  HYPERCOPY_TRY(expect_commits_kept());
  HYPERCOPY_TRY(handed_over);
  if (atomic_) return end_atomic();
  summary_.emptied = crash_guard_.found_empty() && staging_ == nullptr;
  if (import_ && summary_.complete) return import_->sum_up();
  if (staging_ != nullptr) take_back(summary_, &LedgerTotals::staged);
  // After a request to stop nothing more is asked of the server; the next run writes them.
  return import_ && !summary_.interrupted ? import_->write_rejects() : Status{};
}

void PlannedRun::run_workers() {
  const LoadOptions& options = plan_.options;
  const auto period =
      options.reporting_period.count() > 0 ? options.reporting_period : kDefaultReportingPeriod;
  ProgressReporter reporter(environment_.console, environment_.progress, period);
  LoadProgress watch(reporter, plan_.bytes_total);
  if (import_) watch.passed_over(import_->bytes_done_before());
  const InputOpener open_input = [&](std::size_t index, const BatchLimits& limits, BatchPool& pool,
                                     TimeShares& shares) -> Result<OpenedInput> {
    HYPERCOPY_ASSIGN(OpenedInput input, open(index, limits, pool, shares));
    if (opened_.insert(index).second) watch.passed_over(input.reader->position().byte);
    return input;
  };
  const StreamOpener open_stream = [this](unsigned worker) { return this->open_stream(worker); };
  const std::size_t inputs = plan_.files.size();
  PipelineOptions pipeline = pipeline_options(plan_);
  pipeline.destinations = building_.destinations();
  const auto chunks = chunks_of_load(
      plan_, [this] { return connect_for_chunks(); }, environment_.console);
  pipeline.chunks = chunks.get();
  if (import_) pipeline.claims = &import_->claims();
  RejectFiles files(import_ ? std::vector<std::string>{} : plan_.reject_files);
  ImportRejects rows(import_ ? import_->ledger().job() : 0);
  if (!plan_.reject_files.empty()) {
    pipeline.rejects = import_ ? static_cast<RejectSink*>(&rows) : &files;
  }
  FeedOpener feed = import_ ? import_feed(import_->ledger(), open_input, inputs, window_options(plan_))
                            : sequential_feed(open_input, inputs);
  if (plan_.order_memory > 0 && !import_) feed = windowed_feed(std::move(feed), window_options(plan_));
  add_outcome(run_pipeline(pipeline, feed, open_stream, environment_.console, environment_.cancellation,
                           *run_stop_, watch),
              summary_);
  summary_.reject_files = files.written();
  if (chunks && chunks->made() > 0) {
    environment_.console.log(LogLevel::verbose, fmt::format("{} made ahead of the rows that they are for",
                                                            counted(chunks->made(), "chunk")));
  }
}

// It ends when workers' connections do.
Result<Connection> PlannedRun::connect_for_chunks() {
  HYPERCOPY_ASSIGN(
      Connection connection,
      connector_.connect(fmt::format("hypercopy load {} chunks", summary_.run_id), {*run_stop_}));
  HYPERCOPY_TRY(pin_session(connection, plan_.session));
  connection.interrupt_at(Cancellation::Level::immediate);
  return connection;
}

Status PlannedRun::open_import() {
  HYPERCOPY_ASSIGN(ImportRun run, ImportRun::open(
                                      plan_, staging_, [this](StopAt stop) { return connect_control(stop); },
                                      environment_, summary_, *run_stop_));
  import_.emplace(std::move(run));
  return {};
}

Result<Connection> PlannedRun::connect_control(StopAt stop) {
  HYPERCOPY_ASSIGN(Connection connection, connector_.connect(control_name(summary_.run_id), stop));
  connection.interrupt_at(stop.level);
  HYPERCOPY_TRY(pin_session(connection, plan_.session));
  return connection;
}

Status PlannedRun::tidy_up() {
  HYPERCOPY_ASSIGN(const auto said, drop_left_staging(*first_, plan_.table));
  for (const auto& sentence : said) environment_.console.log(LogLevel::warning, sentence);
  HYPERCOPY_ASSIGN(const auto said_of_chunks,
                   drop_left_side_tables(*first_, plan_.table, plan_.options.import_id));
  for (const auto& sentence : said_of_chunks) environment_.console.log(LogLevel::warning, sentence);
  if (staging_ == nullptr) return {};
  staging_->announce_to([this](std::uint64_t rows) {
    environment_.console.log(
        LogLevel::info,
        fmt::format("all is staged: inserting {} into {} at once (interrupted twice, it takes them back)",
                    counted(rows, "row"), summary_.table));
  });
  return {};
}

Status PlannedRun::begin_atomic() {
  atomic_.emplace(
      *staging_, [this](StopAt stop) { return connect_control(stop); }, plan_.options.retry_timeout,
      StopAt{environment_.cancellation, Cancellation::Level::immediate});
  auto begun = atomic_->begin();
  if (!begun) atomic_.reset();
  return begun;
}

Status PlannedRun::end_atomic() {
  if (!summary_.complete || summary_.error) {
    atomic_->give_up();
    take_back(summary_, &LedgerTotals::failed);
    return {};
  }
  auto taken = atomic_->publish(summary_.totals.rows_loaded);
  if (taken) {
    note_suppressed(summary_, summary_.totals.rows_loaded - *taken);
    return {};
  }
  summary_.complete = false;
  const bool in_doubt = atomic_->in_doubt();
  take_back(summary_, in_doubt ? &LedgerTotals::unknown : &LedgerTotals::failed);
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

Status PlannedRun::truncate(const std::string& copy_sql) {
  HYPERCOPY_TRY(prepare_target(plan_, copy_sql, *first_));
  summary_.truncated = plan_.options.truncate && !plan_.single_transaction && !plan_.staging;
  return summary_.truncated && may_lose_commits_ ? note_truncate() : Status{};
}

// A standby that never heard of it has the old rows.
Status PlannedRun::note_truncate() { return failover_guard_.note_all(0, *first_); }

Status PlannedRun::expect_commits_kept() {
  if (summary_.failed_over) return {};
  Status kept;
  if (failover_guard_.is_to_be_asked()) {
    const StopAt stop{environment_.cancellation, Cancellation::Level::immediate};
    LastingConnection connection([&] { return connect_control(stop); }, plan_.options.retry_timeout, stop);
    kept = connection.ask([this](Connection& asked) { return failover_guard_.expect_commits_kept(asked); });
    if (!kept && !summary_.error) summary_.error = kept.error();
  }
  const auto lost = failover_guard_.found_lost();
  if (kept && !lost) return {};
  // Where a COMMIT is in doubt, that is the run's error.
  if (lost && summary_.error && summary_.error->message != lost->message) {
    environment_.console.log(LogLevel::error, fmt::format("{}\n{}", lost->message, lost->hint));
  }
  summary_.complete = false;
  summary_.failed_over = true;
  take_back(summary_, &LedgerTotals::unknown);
  return {};
}

Status PlannedRun::make_commit_checks() {
  if (staging_ == nullptr) {
    const std::string name =
        first_->quote_identifier(plan_.table.schema) + "." + first_->quote_identifier(plan_.table.name);
    commit_checks_ = fail_if_replaced_sql(*first_, name, plan_.table.oid);
  }
  if (plan_.wire == Wire::csv) return {};
  HYPERCOPY_ASSIGN(const ColumnTypes types, ColumnTypes::read(*first_, plan_.table));
  const std::string filled = staging_ == nullptr ? std::to_string(plan_.table.oid)
                                                 : fmt::format("{}::pg_catalog.regclass",
                                                               first_->quote_literal(staging_->relation()));
  if (!commit_checks_.empty()) commit_checks_ += "; ";
  commit_checks_ += fail_if_sql(types.changed_sql(filled));
  return {};
}

// On the reader's thread.
Result<OpenedInput> PlannedRun::open(std::size_t index, const BatchLimits& limits, BatchPool& pool,
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
Result<std::unique_ptr<CopyStream>> PlannedRun::open_stream(unsigned worker) {
  const PgCopyStream::Reconnect reconnect = [this, worker](StopAt stop) -> Result<Connection> {
    HYPERCOPY_ASSIGN(Connection connection, connect(worker, stop));
    if (crash_empties_) HYPERCOPY_TRY(crash_guard_.expect_rows_kept(connection));
    if (may_lose_commits_) HYPERCOPY_TRY(failover_guard_.expect_commits_kept(connection));
    return connection;
  };
  PgCopyStream::CommitListener committed;
  if (may_lose_commits_) {
    committed = [this, worker](const AnsweredTransaction& transaction) {
      failover_guard_.note(worker, transaction);
    };
  }
  StandIn stand_in;
  if (staging_ != nullptr) stand_in = {.name = staging_->name(), .target = plan_.table.name};
  if (worker == 1 && !truncate_late_) {
    return std::make_unique<PgCopyStream>(*std::exchange(first_, std::nullopt), reconnect, stand_in,
                                          committed, commit_checks_);
  }
  HYPERCOPY_ASSIGN(Connection connection, connect(worker, {*run_stop_}));
  return std::make_unique<PgCopyStream>(std::move(connection), reconnect, stand_in, committed,
                                        commit_checks_);
}

Result<Connection> PlannedRun::connect(unsigned worker, StopAt stop) {
  HYPERCOPY_ASSIGN(Connection connection,
                   connector_.connect(application_name(summary_.run_id, worker), stop));
  connection.interrupt_at(stop.level);
  HYPERCOPY_TRY(pin_session(connection, plan_.session));
  HYPERCOPY_TRY(building_.mark_as_filling(connection));
  return connection;
}

}  // namespace hypercopy
