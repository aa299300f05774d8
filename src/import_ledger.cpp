#include "hypercopy/import_ledger.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "import_presence.hpp"
#include "import_schema.hpp"
#include "query_numbers.hpp"
#include "sqlstate.hpp"

namespace hypercopy {

namespace {

// How long a lock is waited for before its holder is looked at, and how often before that is said.
constexpr std::string_view kPatience = "1s";
constexpr int kSilentLooks = 1;

}  // namespace

// With its content: after a crash that took back the plan, somebody may have cut the same beginning anew.
std::string ImportClaims::which(const Batch& batch) const {
  return fmt::format("job = {} AND input = {} AND begin_byte = {} AND slice = {} AND content = {}", job_,
                     batch.file->index, batch.claim.begin_byte, batch.claim.slice,
                     static_cast<std::int64_t>(batch.claim.content));
}

// A row that another transaction has locked, or has marked since this statement began, is passed over.
std::string ImportClaims::claim_sql(const Batch& batch) const {
  return fmt::format(
      "SELECT pg_catalog.pg_current_xact_id() FROM hypercopy.interval WHERE {} AND done_by IS NULL FOR "
      "UPDATE "
      "SKIP LOCKED",
      which(batch));
}

std::string ImportClaims::done_sql(const Batch& batch, const RowCounts& rows) const {
  return fmt::format(
      "UPDATE hypercopy.interval SET done_by = {}, done_at = pg_catalog.clock_timestamp(), loaded = {}, "
      "updated = {}, "
      "conflicts = {}, rejected = {} WHERE {} AND done_by IS NULL",
      run_, rows.loaded, rows.updated, rows.conflicts, rows.rejected, which(batch));
}

std::string ImportClaims::is_done_sql(const Batch& batch) const {
  return fmt::format("SELECT FROM hypercopy.interval WHERE {} AND done_by = {}", which(batch), run_);
}

ImportLedger::ImportLedger(const Connect& connect, Options options, bool shared, StopAt stop)
    : options_(std::move(options)),
      presence_(std::make_unique<Presence>(Presence{connect, stop, shared})),
      control_([presence = presence_.get()] { return presence->connect(); }, options_.retry_timeout, stop) {}

ImportLedger::ImportLedger(ImportLedger&&) noexcept = default;
ImportLedger::~ImportLedger() = default;

bool ImportLedger::can_read_again() const { return presence_->shared; }

void ImportLedger::stop_at(StopAt stop) {
  presence_->stop.emplace(stop);
  control_.stop_at(stop);
}

Result<std::vector<PlannedInterval>> ImportLedger::intervals(std::size_t input, bool only_open) {
  return find_intervals(input, only_open ? "done_by IS NULL" : "true");
}

Result<std::vector<PlannedInterval>> ImportLedger::slices_with(const PlannedInterval& slice) {
  return find_intervals(slice.input, fmt::format("begin_byte = {}", slice.extent.first.byte));
}

Result<std::vector<PlannedInterval>> ImportLedger::find_intervals(std::size_t input,
                                                                  const std::string& which) {
  HYPERCOPY_ASSIGN(const QueryResult rows, control_.ask([&](Connection& connection) {
    return connection.execute(
        fmt::format("SELECT begin_byte, interval.first_line, first_record, end_byte, records, "
                    "newline, content, done_by IS NOT NULL, slice, slices FROM "
                    "hypercopy.interval JOIN hypercopy.input ON input.job = interval.job "
                    "AND input.number = interval.input "
                    "WHERE interval.job = {} AND interval.input = {} AND {} ORDER BY begin_byte, slice",
                    job_, input, which));
  }));
  std::vector<PlannedInterval> intervals;
  intervals.reserve(static_cast<std::size_t>(rows.rows()));
  for (int row = 0; row < rows.rows(); ++row) {
    intervals.push_back({.input = input,
                         .extent = {.first = {.byte = count_at(rows, row, 0),
                                              .line = count_at(rows, row, 1),
                                              .record = count_at(rows, row, 2)},
                                    .end_byte = count_at(rows, row, 3),
                                    .records = count_at(rows, row, 4),
                                    .newline = static_cast<NewlineStyle>(number_at<int>(rows, row, 5))},
                         .content = static_cast<std::uint64_t>(number_at<std::int64_t>(rows, row, 6)),
                         .done = rows.boolean(row, 7),
                         .slice = number_at<std::uint32_t>(rows, row, 8),
                         .slices = number_at<std::uint32_t>(rows, row, 9)});
  }
  return intervals;
}

Status ImportLedger::wait_for(const PlannedInterval& interval) {
  const std::string wait = fmt::format(
      "BEGIN; SET LOCAL lock_timeout TO '{}'; SELECT FROM hypercopy.interval WHERE job = {} AND input = {} "
      "AND begin_byte = {} AND slice = {} FOR UPDATE; ROLLBACK",
      kPatience, job_, interval.input, interval.extent.first.byte, interval.slice);
  for (int looks = 0;; ++looks) {
    HYPERCOPY_ASSIGN(const bool freed, control_.ask([&](Connection& connection) -> Result<bool> {
      auto waited = connection.execute(wait);
      if (waited) return true;
      if (waited.error().sqlstate != sqlstate::kLockNotAvailable) return fail(std::move(waited).error());
      HYPERCOPY_TRY(connection.execute("ROLLBACK"));
      return false;
    }));
    if (freed) return {};
    if (presence_->stop->cancellation.level() >= presence_->stop->level)
      return fail(ErrorKind::interrupted, "stopped");
    HYPERCOPY_ASSIGN(const Holder holder, look_at_holder(interval));
    if (looks >= kSilentLooks) presence_->say_waiting(holder.kind, holder.words);
  }
}

// The transaction that locks the row is its xmax. Its loader is dead when that run has no control connection any more: then
// it is ended.
Result<ImportLedger::Holder> ImportLedger::look_at_holder(const PlannedInterval& interval) {
  HYPERCOPY_ASSIGN(const QueryResult holder, control_.ask([&](Connection& connection) {
    return connection.execute(fmt::format(
        "SELECT holder.pid, coalesce(holder.application_name, ''), "
        "coalesce(pg_catalog.host(holder.client_addr), 'a local socket'), orphaned, CASE WHEN orphaned THEN "
        "pg_catalog.pg_terminate_backend(holder.pid) END FROM hypercopy.interval JOIN pg_catalog.pg_locks "
        "AS held ON held.locktype = 'transactionid' AND held.granted AND held.transactionid = interval.xmax "
        "JOIN pg_catalog.pg_stat_activity AS holder ON holder.pid = held.pid, LATERAL (SELECT coalesce("
        "holder.application_name LIKE 'hypercopy load % worker %' AND NOT EXISTS (SELECT FROM "
        "pg_catalog.pg_stat_activity AS living WHERE living.application_name = "
        "pg_catalog.regexp_replace(holder.application_name, ' worker .*', ' control')), false) AS orphaned) "
        "AS fate WHERE interval.job = {} AND interval.input = {} AND interval.begin_byte = {} AND "
        "interval.slice = {}",
        job_, interval.input, interval.extent.first.byte, interval.slice));
  }));
  if (holder.rows() == 0) return Holder{.words = "another process that holds a batch of this import"};
  const std::string backend =
      fmt::format("{}, backend {}, from {}", holder.text(0, 1), holder.text(0, 0), holder.text(0, 2));
  if (holder.boolean(0, 3))
    return Holder{Wait::orphan,
                  fmt::format("the server to end the transaction of a loader that died ({})", backend)};
  return Holder{Wait::batch, fmt::format("another process that loads a batch of this import ({})", backend)};
}

Result<std::vector<ImportTotals>> ImportLedger::totals() {
  HYPERCOPY_ASSIGN(const QueryResult rows, control_.ask([&](Connection& connection) {
    return connection.execute(fmt::format(
        "SELECT number, coalesce(done_by = {}, false), count(begin_byte), coalesce(sum(records), 0), "
        "coalesce(sum(bytes), 0), coalesce(sum(loaded), 0), coalesce(sum(updated), 0), "
        "coalesce(sum(conflicts), 0), coalesce(sum(rejected), 0) FROM hypercopy.input LEFT JOIN "
        "hypercopy.interval ON interval.job = input.job AND interval.input = number AND done_by IS NOT "
        "NULL WHERE input.job = {} GROUP BY 1, 2 ORDER BY 1, 2",
        quoted_run_, job_));
  }));
  std::vector<ImportTotals> totals;
  for (int row = 0; row < rows.rows(); ++row) {
    const auto number = number_at<std::size_t>(rows, row, 0);
    totals.resize(std::max(totals.size(), number + 1));
    ImportTotals& input = totals[number];
    const bool mine = rows.boolean(row, 1);
    (mine ? input.mine : input.others) = {.batches = count_at(rows, row, 2),
                                          .records = count_at(rows, row, 3),
                                          .bytes = count_at(rows, row, 4)};
    if (mine) {
      input.rows = {.loaded = count_at(rows, row, 5),
                    .updated = count_at(rows, row, 6),
                    .conflicts = count_at(rows, row, 7),
                    .rejected = count_at(rows, row, 8)};
      input.suppressed = input.mine.records - input.rows.sum();
    } else {
      input.loaded_by_others = count_at(rows, row, 5);
      input.rejected_by_others = count_at(rows, row, 8);
    }
  }
  return totals;
}

// In pages: all rejects of an input need not fit into memory.
Status ImportLedger::for_each_reject(std::size_t input, const TakeReject& take) {
  constexpr int kPage = 1000;
  std::uint64_t behind = 0;
  while (true) {
    HYPERCOPY_ASSIGN(const QueryResult rows, control_.ask([&](Connection& connection) {
      return connection.execute(
          fmt::format("SELECT record, line, byte, content, sqlstate, column_name, "
                      "constraint_name, message, detail, newline, "
                      "coalesce(prologue, '') FROM hypercopy.reject JOIN hypercopy.input ON "
                      "input.job = reject.job AND "
                      "input.number = reject.input WHERE reject.job = {} AND reject.input = "
                      "{} AND record > {} ORDER BY record "
                      "LIMIT {}",
                      job_, input, behind, kPage));
    }));
    for (int row = 0; row < rows.rows(); ++row) {
      const std::string content = rows.bytes(row, 3);
      const RejectedRecord record{.at = {.byte = count_at(rows, row, 2),
                                         .line = count_at(rows, row, 1),
                                         .record = count_at(rows, row, 0)},
                                  .bytes = content,
                                  .sqlstate = std::string(rows.text(row, 4)),
                                  .column = std::string(rows.text(row, 5)),
                                  .constraint = std::string(rows.text(row, 6)),
                                  .message = std::string(rows.text(row, 7)),
                                  .detail = std::string(rows.text(row, 8))};
      behind = record.at.record;
      HYPERCOPY_TRY(
          take(record, rows.bytes(row, 10), static_cast<NewlineStyle>(number_at<int>(rows, row, 9))));
    }
    if (rows.rows() < kPage) return {};
  }
}

// Another loader has it for as long as it publishes what is staged.
Status ImportLedger::begin_with_job(Connection& connection) {
  const std::string lock = fmt::format("SELECT FROM hypercopy.job WHERE id = {} FOR UPDATE", job_);
  auto locked = connection.execute(
      fmt::format("BEGIN; SET LOCAL lock_timeout TO '{}'; {}; SET LOCAL lock_timeout TO 0", kSilence, lock));
  if (locked) return {};
  if (locked.error().sqlstate != sqlstate::kLockNotAvailable) return fail(std::move(locked).error());
  presence_->say_waiting(Wait::job, "another process that begins or ends this import");
  HYPERCOPY_TRY(connection.execute("ROLLBACK; BEGIN; " + lock));
  return {};
}

// One transaction that waits for the disk: with it all that it saw is durable, also what was committed without waiting.
Result<bool> ImportLedger::finish() {
  return control_.ask([&](Connection& connection) -> Result<bool> {
    HYPERCOPY_TRY(begin_with_job(connection));
    HYPERCOPY_ASSIGN(const QueryResult complete,
                     connection.execute(fmt::format(
                         "SELECT FROM hypercopy.job WHERE id = {0} AND state = 'loading' AND NOT "
                         "EXISTS (SELECT FROM hypercopy.input WHERE job = {0} AND NOT complete) AND "
                         "NOT EXISTS (SELECT FROM hypercopy.interval WHERE job = {0} AND done_by IS "
                         "NULL)",
                         job_)));
    if (complete.rows() == 1) {
      HYPERCOPY_ASSIGN(const std::string published, publish(connection));
      HYPERCOPY_TRY(connection.execute(
          fmt::format("UPDATE hypercopy.job SET state = 'done', finished_at = pg_catalog.clock_timestamp(), "
                      "rows_published = {} WHERE id = {}",
                      published, job_)));
    }
    HYPERCOPY_TRY(connection.execute("COMMIT"));
    HYPERCOPY_ASSIGN(done_, read_done(connection));
    return done_;
  });
}

Result<bool> ImportLedger::is_still_done() {
  return control_.ask([this](Connection& connection) { return read_done(connection); });
}

Result<bool> ImportLedger::read_done(Connection& connection) const {
  HYPERCOPY_ASSIGN(
      const QueryResult state,
      connection.execute(fmt::format("SELECT state = 'done' FROM hypercopy.job WHERE id = {}", job_)));
  return state.rows() == 1 && state.boolean(0, 0);
}

// The number of rows as SQL.
Result<std::string> ImportLedger::publish(Connection& connection) {
  if (options_.staging == nullptr) return "NULL";
  HYPERCOPY_ASSIGN(
      const QueryResult staged,
      connection.execute(fmt::format(
          "SELECT coalesce(pg_catalog.sum(loaded), 0) FROM hypercopy.interval WHERE job = {}", job_)));
  HYPERCOPY_ASSIGN(const std::uint64_t rows, options_.staging->publish(connection, count_at(staged, 0, 0)));
  return std::to_string(rows);
}

Result<std::optional<std::uint64_t>> ImportLedger::rows_published() {
  HYPERCOPY_ASSIGN(const QueryResult job, control_.ask([&](Connection& connection) {
    return connection.execute(fmt::format("SELECT rows_published FROM hypercopy.job WHERE id = {}", job_));
  }));
  if (job.rows() == 0 || job.is_null(0, 0)) return std::optional<std::uint64_t>();
  return std::optional(count_at(job, 0, 0));
}

}  // namespace hypercopy
