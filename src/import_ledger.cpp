#include "hypercopy/import_ledger.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <random>

#include "hexadecimal.hpp"
#include "import_schema.hpp"
#include "query_numbers.hpp"

namespace hypercopy {

namespace {

constexpr std::string_view kLockNotAvailable = "55P03";
// How long a lock is waited for before its holder is looked at.
constexpr std::string_view kPatience = "1s";
// Of a pipe that another process still seems to load.
constexpr std::string_view kPipePatience = "10s";

std::string quoted_name(std::string_view import_id) { return fmt::format("import '{}'", import_id); }

Error differs(std::string_view import_id, std::string what) {
  return Error{.kind = ErrorKind::usage,
               .message = fmt::format("{} cannot go on: {}", quoted_name(import_id), what),
               .hint = fmt::format(
                   "Run it as it was begun, or give another --import-id, or forget it: hypercopy imports "
                   "forget {}",
                   import_id)};
}

// A jsonb object of the job's settings, whose names and values become the next parameters.
std::string settings_sql(const ImportJob& job, std::vector<std::string>& parameters) {
  std::string array;
  for (const auto& [name, value] : job.settings) {
    parameters.push_back(name);
    parameters.push_back(value);
    array += fmt::format("{}${}, ${}", array.empty() ? "" : ", ", parameters.size() - 1, parameters.size());
  }
  return fmt::format("pg_catalog.jsonb_object(ARRAY[{}]::text[])", array);
}

std::string shown(const QueryResult& rows, int row, int column) {
  return rows.is_null(row, column) ? "nothing" : fmt::format("'{}'", rows.text(row, column));
}

}  // namespace

// With its end: after a crash that took back the plan, somebody may have cut the same beginning anew.
std::string ImportClaims::which(const Batch& batch) const {
  return fmt::format("job = {} AND input = {} AND begin_byte = {} AND end_byte = {}", job_, batch.file->index,
                     batch.first.byte, batch.first.byte + batch.bytes().size());
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

ImportLedger::ImportLedger(Connect connect, Options options, StopAt stop)
    : connect_(std::move(connect)),
      options_(std::move(options)),
      stop_(stop),
      backoff_(options_.retry_timeout, std::random_device{}()) {}

Result<ImportLedger> ImportLedger::open(Connect connect, const ImportJob& job, Options options, StopAt stop) {
  ImportLedger ledger(std::move(connect), std::move(options), stop);
  ledger.shared_ = std::all_of(job.inputs.begin(), job.inputs.end(),
                               [](const ImportInput& input) { return input.size.has_value(); });
  const auto opened = [&]() -> Status {
    HYPERCOPY_TRY(ledger.check_target(job));
    HYPERCOPY_TRY(ensure_import_schema(*ledger.connection_));
    HYPERCOPY_TRY(ledger.refuse_other_tools_import(job));
    HYPERCOPY_TRY(ledger.begin(job));
    HYPERCOPY_TRY(ledger.compare(job));
    HYPERCOPY_TRY(ledger.take_presence());
    return ledger.prepare_staging(job);
  };
  if (auto status = ledger.ask(opened); !status) return fail(with_ledger_grants(std::move(status).error()));
  return ledger;
}

// Asks again where the failure passes. All questions may be asked twice: what they change, they change to the same.
template <typename Ask>
auto ImportLedger::ask(Ask question) -> decltype(question()) {
  while (true) {
    auto ready = connection_ ? Status{} : reconnect();
    auto answer = ready ? question() : decltype(question())(fail(std::move(ready).error()));
    if (answer) {
      backoff_.reset();
      return answer;
    }
    if (answer.error().kind == ErrorKind::interrupted) {
      // It stands in the middle of a statement.
      if (connection_) connection_->cancel_statement();
      connection_.reset();
      return answer;
    }
    if (connection_ && !connection_->is_alive()) connection_.reset();
    if (connection_ && connection_->in_transaction()) HYPERCOPY_TRY(connection_->execute("ROLLBACK"));
    if (!is_transient(answer.error())) return answer;
    const auto delay = backoff_.next(Backoff::Clock::now());
    if (!delay || !wait_out(*delay, *stop_)) return answer;
  }
}

Status ImportLedger::reconnect() {
  HYPERCOPY_ASSIGN(connection_, connect_(*stop_));
  return job_ == 0 ? Status{} : take_presence();
}

// Shared by all loaders of files; a pipe has one reader, and its bytes are gone for any other.
Status ImportLedger::take_presence() {
  if (shared_) {
    HYPERCOPY_TRY(connection_->execute(
        fmt::format("SELECT pg_catalog.pg_advisory_lock_shared({}, {})", kImportLockClass, job_)));
    return {};
  }
  auto taken = connection_->execute(
      fmt::format("BEGIN; SET LOCAL lock_timeout TO '{}'; SELECT pg_catalog.pg_advisory_lock({}, {}); COMMIT",
                  kPipePatience, kImportLockClass, job_));
  if (taken) return {};
  if (taken.error().sqlstate != kLockNotAvailable) return fail(std::move(taken).error());
  return fail(
      ErrorKind::usage, "another process is loading this import, and a pipe cannot be shared",
      "Wait for it, or name files instead of piping them: several loaders may then share the import.");
}

ImportClaims ImportLedger::claims() const { return {job_, connection_->quote_literal(options_.run_id)}; }

// What a crash would empty, or what commits elsewhere, cannot be in step with a ledger here.
Status ImportLedger::check_target(const ImportJob& job) {
  const std::array<std::string, 1> target{std::to_string(job.target)};
  HYPERCOPY_ASSIGN(
      const QueryResult kind,
      connection_->execute(
          "SELECT c.relkind IN ('v', 'f'), c.relpersistence <> 'p' OR EXISTS (SELECT FROM "
          "pg_catalog.pg_partition_tree(c.oid) AS part JOIN pg_catalog.pg_class AS leaf ON leaf.oid = "
          "part.relid WHERE leaf.relpersistence <> 'p') FROM pg_catalog.pg_class AS c WHERE c.oid = "
          "$1::oid",
          target));
  if (kind.rows() == 0) {
    return fail(ErrorKind::target, fmt::format("{} was dropped at this moment", job.target_name));
  }
  if (kind.boolean(0, 0)) {
    return fail(
        ErrorKind::usage,
        fmt::format("--import-id is not possible for {}: its rows are kept elsewhere", job.target_name),
        "Load into the table behind the view or the foreign table, on its own server.");
  }
  if (kind.boolean(0, 1)) {
    return fail(
        ErrorKind::usage,
        fmt::format("--import-id is not possible for {}, which is (in part) UNLOGGED: a crash would empty it "
                    "and keep the ledger",
                    job.target_name),
        "ALTER TABLE ... SET LOGGED first, or load without --import-id.");
  }
  return {};
}

// timescaledb-parallel-copy records rows and bytes of its batches, but not of which file or table, and cuts by bytes even
// inside a quoted record: what it has done cannot be told apart from what is left.
Status ImportLedger::refuse_other_tools_import(const ImportJob& job) {
  HYPERCOPY_ASSIGN(
      const QueryResult table,
      connection_->execute(
          "SELECT pg_catalog.to_regclass('timescaledb_parallel_copy.transactions') IS NOT NULL"));
  if (!table.boolean(0, 0)) return {};
  const std::array<std::string, 1> which{job.import_id};
  HYPERCOPY_ASSIGN(
      const QueryResult batches,
      connection_->execute("SELECT count(*), coalesce(sum(row_count), 0) FROM "
                           "timescaledb_parallel_copy.transactions WHERE import_id = $1 AND state = "
                           "'completed'",
                           which));
  if (batches.text(0, 0) == "0") return {};
  return fail(
      ErrorKind::usage,
      fmt::format("{} was begun by timescaledb-parallel-copy: {} rows in {} batches are recorded in "
                  "timescaledb_parallel_copy.transactions, but not of which file, nor whether they end where "
                  "records end",
                  quoted_name(job.import_id), batches.text(0, 1), batches.text(0, 0)),
      "Finish it with that tool, or empty the table and load it under another import id.");
}

Status ImportLedger::begin(const ImportJob& job) {
  std::vector<std::string> parameters{job.import_id, std::to_string(job.target), job.target_name};
  const std::string settings = settings_sql(job, parameters);
  HYPERCOPY_TRY(connection_->execute("BEGIN"));
  HYPERCOPY_ASSIGN(
      const QueryResult inserted,
      connection_->execute(
          fmt::format("INSERT INTO hypercopy.job (import_id, target, target_name, settings) VALUES ($1, "
                      "$2::oid, $3, {}) ON CONFLICT (import_id) DO "
                      "NOTHING RETURNING id",
                      settings),
          parameters));
  begun_ = inserted.rows() == 0;
  if (!begun_) {
    job_ = number_at<int>(inserted, 0, 0);
    for (std::size_t number = 0; number < job.inputs.size(); ++number) {
      const ImportInput& input = job.inputs[number];
      const std::array<std::string, 2> texts{input.name, input.fingerprint};
      HYPERCOPY_TRY(
          connection_->execute(fmt::format("INSERT INTO hypercopy.input (job, number, name, size, "
                                           "fingerprint) VALUES ({}, {}, $1, {}, $2)",
                                           job_, number, input.size ? std::to_string(*input.size) : "NULL"),
                               texts));
    }
    if (options_.may_begin) HYPERCOPY_TRY(options_.may_begin());
  }
  HYPERCOPY_TRY(connection_->execute("COMMIT"));
  return {};
}

Status ImportLedger::compare(const ImportJob& job) {
  std::vector<std::string> parameters{job.import_id, std::to_string(job.target)};
  const std::string settings = settings_sql(job, parameters);
  const std::array<std::string, 2> which{job.import_id, std::to_string(job.target)};
  HYPERCOPY_ASSIGN(
      const QueryResult found,
      connection_->execute(
          "SELECT id, target = $2::oid, target_name, state = 'done', EXISTS (SELECT FROM "
          "hypercopy.interval WHERE job = id AND done_by IS NOT NULL) FROM hypercopy.job WHERE import_id "
          "= $1",
          which));
  if (found.rows() == 0) {
    return fail(ErrorKind::target,
                fmt::format("{} was forgotten at this moment", quoted_name(job.import_id)));
  }
  job_ = number_at<int>(found, 0, 0);
  done_ = found.boolean(0, 3);
  if (!found.boolean(0, 1)) {
    const std::string_view before = found.text(0, 2);
    return fail(
        differs(job.import_id, before == job.target_name
                                   ? fmt::format("{} was dropped and created again since", job.target_name)
                                   : fmt::format("it loads into {}, not into {}", before, job.target_name)));
  }
  HYPERCOPY_ASSIGN(
      const QueryResult changed,
      connection_->execute(
          fmt::format(
              "SELECT name, was.value, now.value FROM pg_catalog.jsonb_each_text((SELECT settings FROM "
              "hypercopy.job WHERE import_id = $1 AND target = $2::oid)) AS was(name, value) FULL JOIN "
              "pg_catalog.jsonb_each_text({}) AS now(name, value) "
              "USING "
              "(name) WHERE was.value IS DISTINCT FROM now.value ORDER BY name",
              settings),
          parameters));
  if (changed.rows() > 0) {
    return fail(differs(job.import_id, fmt::format("{} was {} and is now {}", changed.text(0, 0),
                                                   shown(changed, 0, 1), shown(changed, 0, 2))));
  }
  HYPERCOPY_ASSIGN(
      const QueryResult inputs,
      connection_->execute(fmt::format("SELECT name, size, fingerprint FROM hypercopy.input WHERE job = {} "
                                       "ORDER BY number",
                                       job_)));
  if (static_cast<std::size_t>(inputs.rows()) != job.inputs.size()) {
    return fail(differs(job.import_id,
                        fmt::format("it has {} inputs, and {} are given", inputs.rows(), job.inputs.size())));
  }
  for (int row = 0; row < inputs.rows(); ++row) {
    const ImportInput& input = job.inputs[static_cast<std::size_t>(row)];
    const bool same_size = inputs.is_null(row, 1) ? !input.size : input.size == count_at(inputs, row, 1);
    if (same_size && inputs.text(row, 2) == input.fingerprint) continue;
    const auto size = [](bool pipe, std::uint64_t bytes) {
      return pipe ? std::string("a pipe") : fmt::format("{} bytes", bytes);
    };
    return fail(differs(
        job.import_id,
        same_size ? fmt::format("the content of {} has changed since it was begun", input.name)
                  : fmt::format("input {} was {} ({}) and is now {} ({})", row + 1, inputs.text(row, 0),
                                size(inputs.is_null(row, 1), count_at(inputs, row, 1)), input.name,
                                size(!input.size, input.size.value_or(0)))));
  }
  const bool anything_done = done_ || found.boolean(0, 4);
  const bool holds_rows = options_.staging == nullptr ? anything_done : done_;
  if (options_.truncates && holds_rows) {
    return fail(ErrorKind::usage,
                fmt::format("--truncate would empty the table under {}, which is {}",
                            quoted_name(job.import_id), done_ ? "done" : "half done"),
                fmt::format("To go on, leave --truncate out. To begin again: hypercopy imports forget {}",
                            job.import_id));
  }
  return anything_done ? check_rows_are_there(job) : Status{};
}

// Rows that are staged are looked for by prepare_staging().
Status ImportLedger::check_rows_are_there(const ImportJob& job) {
  if (options_.into_empty || (options_.staging != nullptr && !done_)) return {};
  HYPERCOPY_ASSIGN(
      const QueryResult name,
      connection_->execute(
          "SELECT pg_catalog.format('%I.%I', n.nspname, c.relname) FROM pg_catalog.pg_class AS c JOIN "
          "pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace WHERE c.oid = $1::oid AND EXISTS (SELECT "
          "FROM hypercopy.interval JOIN hypercopy.job ON job.id = interval.job WHERE import_id = $2 AND "
          "loaded > 0)",
          std::array<std::string, 2>{std::to_string(job.target), job.import_id}));
  if (name.rows() == 0) return {};
  HYPERCOPY_ASSIGN(const QueryResult rows,
                   connection_->execute(fmt::format("SELECT EXISTS (SELECT FROM {})", name.text(0, 0))));
  if (rows.boolean(0, 0)) return {};
  Error error = differs(job.import_id,
                        fmt::format("{} is empty, though rows of this import were committed to it: it was "
                                    "emptied since",
                                    job.target_name));
  error.hint = fmt::format(
      "To load everything again: hypercopy imports forget {}. To load only the rest: "
      "--resume-into-empty",
      job.import_id);
  return fail(std::move(error));
}

// Its job is locked meanwhile: of several loaders one creates it.
Status ImportLedger::prepare_staging(const ImportJob& job) {
  if (options_.staging == nullptr || done_) return {};
  HYPERCOPY_TRY(
      connection_->execute(fmt::format("BEGIN; SELECT FROM hypercopy.job WHERE id = {} FOR UPDATE", job_)));
  HYPERCOPY_ASSIGN(const bool there, options_.staging->exists(*connection_));
  if (!there) {
    HYPERCOPY_ASSIGN(
        const QueryResult filled,
        connection_->execute(fmt::format(
            "SELECT EXISTS (SELECT FROM hypercopy.interval WHERE job = {} AND done_by IS NOT NULL)", job_)));
    if (filled.boolean(0, 0)) {
      return fail(differs(job.import_id, fmt::format("its staging table {} is gone, and rows with it",
                                                     options_.staging->name())));
    }
    HYPERCOPY_TRY(options_.staging->create(*connection_));
  }
  HYPERCOPY_TRY(connection_->execute("COMMIT"));
  return {};
}

Result<PlannedInput> ImportLedger::input(std::size_t number) {
  return ask([&]() -> Result<PlannedInput> {
    HYPERCOPY_ASSIGN(
        const QueryResult row,
        connection_->execute(fmt::format("SELECT planned_byte, planned_line, planned_record, newline, "
                                         "complete FROM hypercopy.input WHERE job = {} AND number = {}",
                                         job_, number)));
    if (row.rows() == 0) return fail(ErrorKind::target, "this import was forgotten while it was loaded");
    if (row.is_null(0, 0)) return PlannedInput{};
    return PlannedInput{
        .planned = {.byte = count_at(row, 0, 0), .line = count_at(row, 0, 1), .record = count_at(row, 0, 2)},
        .newline = static_cast<NewlineStyle>(number_at<int>(row, 0, 3)),
        .complete = row.boolean(0, 4)};
  });
}

Result<PlannedInput> ImportLedger::start_input(std::size_t number, const Position& first,
                                               const std::string& mapping, std::string_view prologue) {
  const std::array<std::string, 1> columns{mapping};
  HYPERCOPY_TRY(ask([&]() {
    return connection_->execute(
        fmt::format("UPDATE hypercopy.input SET mapping = $1, prologue = {5}, first_byte = {0}, "
                    "first_line = {1}, planned_byte = {0}, "
                    "planned_line = {1}, planned_record = {2} WHERE job = {3} AND "
                    "number = {4} AND first_byte IS NULL",
                    first.byte, first.line, first.record, job_, number, bytes_sql(prologue)),
        columns);
  }));
  HYPERCOPY_ASSIGN(
      const QueryResult same, ask([&]() {
        return connection_->execute(
            fmt::format("SELECT first_byte = {} AND mapping = $1 FROM hypercopy.input WHERE job = {} AND "
                        "number = {}",
                        first.byte, job_, number),
            columns);
      }));
  if (same.rows() == 1 && !same.boolean(0, 0)) {
    return fail(ErrorKind::usage,
                "the header of this input, or the columns it fills, are not those of the import",
                "Resume with the same input and columns.");
  }
  return input(number);
}

// The settings of one statement: its commit need not wait for the disk (see the header).
Result<bool> ImportLedger::plan(const PlannedInterval& interval, const Position& behind) {
  const BatchExtent& extent = interval.extent;
  const auto content = static_cast<std::int64_t>(interval.content);
  HYPERCOPY_ASSIGN(
      const std::uint64_t planned, ask([&]() -> Result<std::uint64_t> {
        HYPERCOPY_ASSIGN(
            const QueryResult inserted,
            connection_->execute(fmt::format(
                "WITH unhurried AS (SELECT pg_catalog.set_config('synchronous_commit', 'off', true)), moved "
                "AS (UPDATE "
                "hypercopy.input SET planned_byte = {4}, planned_line = {8}, planned_record = {9}, newline = "
                "{10} WHERE "
                "job = {0} AND number = {1} AND planned_byte = {2} AND NOT complete RETURNING 1) INSERT INTO "
                "hypercopy.interval (job, input, begin_byte, first_line, end_byte, first_record, records, "
                "content) SELECT "
                "{0}, {1}, {2}, {3}, {4}, {5}, {6}, {7} FROM moved, unhurried",
                job_, interval.input, extent.first.byte, extent.first.line, extent.end_byte,
                extent.first.record, extent.records, content, behind.line, behind.record,
                static_cast<int>(extent.newline))));
        return inserted.rows_affected();
      }));
  if (planned == 1) return true;
  // Planned before, perhaps by an earlier attempt of this very call whose answer was lost. Exactly the same interval is
  // as good as ours.
  HYPERCOPY_ASSIGN(
      const QueryResult same, ask([&]() {
        return connection_->execute(fmt::format(
            "SELECT FROM hypercopy.interval WHERE job = {} AND input = {} AND begin_byte = {} AND end_byte = "
            "{} AND records = {} AND content = {}",
            job_, interval.input, extent.first.byte, extent.end_byte, extent.records, content));
      }));
  return same.rows() == 1;
}

Result<bool> ImportLedger::complete_input(std::size_t number, const Position& end) {
  HYPERCOPY_ASSIGN(const QueryResult updated, ask([&]() {
                     return connection_->execute(fmt::format(
                         "UPDATE hypercopy.input SET complete = true WHERE job = {} AND number = {} AND "
                         "planned_byte = {}",
                         job_, number, end.byte));
                   }));
  return updated.rows_affected() == 1;
}

Result<std::vector<PlannedInterval>> ImportLedger::intervals(std::size_t input, bool only_open) {
  HYPERCOPY_ASSIGN(const QueryResult rows, ask([&]() {
                     return connection_->execute(fmt::format(
                         "SELECT begin_byte, interval.first_line, first_record, end_byte, records, "
                         "newline, content, done_by IS NOT NULL FROM "
                         "hypercopy.interval JOIN hypercopy.input ON input.job = interval.job "
                         "AND input.number = interval.input "
                         "WHERE interval.job = {} AND interval.input = {}{} ORDER BY begin_byte",
                         job_, input, only_open ? " AND done_by IS NULL" : ""));
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
                         .done = rows.boolean(row, 7)});
  }
  return intervals;
}

Status ImportLedger::wait_for(const PlannedInterval& interval) {
  const std::string wait = fmt::format(
      "BEGIN; SET LOCAL lock_timeout TO '{}'; SELECT FROM hypercopy.interval WHERE job = {} AND input = {} "
      "AND begin_byte "
      "= {} FOR UPDATE; ROLLBACK",
      kPatience, job_, interval.input, interval.extent.first.byte);
  while (true) {
    HYPERCOPY_ASSIGN(const bool freed, ask([&]() -> Result<bool> {
                       auto waited = connection_->execute(wait);
                       if (waited) return true;
                       if (waited.error().sqlstate != kLockNotAvailable)
                         return fail(std::move(waited).error());
                       HYPERCOPY_TRY(connection_->execute("ROLLBACK"));
                       return false;
                     }));
    if (freed) return {};
    if (stop_->cancellation.level() >= stop_->level) return fail(ErrorKind::interrupted, "stopped");
    HYPERCOPY_TRY(end_orphan(interval));
  }
}

// The transaction that locks the row is its xmax. Its loader is dead when that run has no control connection any more.
Status ImportLedger::end_orphan(const PlannedInterval& interval) {
  HYPERCOPY_TRY(ask([&]() {
    return connection_->execute(fmt::format(
        "SELECT pg_catalog.pg_terminate_backend(holder.pid) FROM hypercopy.interval JOIN pg_catalog.pg_locks "
        "AS held ON "
        "held.locktype = 'transactionid' AND held.granted AND held.transactionid = interval.xmax JOIN "
        "pg_catalog.pg_stat_activity AS holder ON holder.pid = held.pid WHERE interval.job = {} AND "
        "interval.input = {} "
        "AND interval.begin_byte = {} AND holder.application_name LIKE 'hypercopy load % worker %' AND NOT "
        "EXISTS (SELECT "
        "FROM pg_catalog.pg_stat_activity AS living WHERE living.application_name = "
        "pg_catalog.regexp_replace(holder.application_name, ' worker .*', ' control'))",
        job_, interval.input, interval.extent.first.byte));
  }));
  return {};
}

Result<std::vector<ImportTotals>> ImportLedger::totals() {
  HYPERCOPY_ASSIGN(
      const QueryResult rows, ask([&]() {
        return connection_->execute(fmt::format(
            "SELECT number, coalesce(done_by = {}, false), count(begin_byte), coalesce(sum(records), 0), "
            "coalesce(sum(end_byte - begin_byte), 0), coalesce(sum(loaded), 0), coalesce(sum(updated), 0), "
            "coalesce(sum(conflicts), 0), coalesce(sum(rejected), 0) FROM hypercopy.input LEFT JOIN "
            "hypercopy.interval ON interval.job = input.job AND interval.input = number AND done_by IS NOT "
            "NULL WHERE input.job = {} GROUP BY 1, 2 ORDER BY 1, 2",
            connection_->quote_literal(options_.run_id), job_));
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
    HYPERCOPY_ASSIGN(const QueryResult rows, ask([&]() {
                       return connection_->execute(
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

// One transaction that waits for the disk: with it all that it saw is durable, also what was committed without waiting.
Result<bool> ImportLedger::finish() {
  return ask([&]() -> Result<bool> {
    HYPERCOPY_TRY(connection_->execute("BEGIN"));
    HYPERCOPY_ASSIGN(const QueryResult complete,
                     connection_->execute(fmt::format(
                         "SELECT FROM hypercopy.job WHERE id = {0} AND state = 'loading' AND NOT "
                         "EXISTS (SELECT FROM hypercopy.input WHERE job = {0} AND NOT complete) AND "
                         "NOT EXISTS (SELECT FROM hypercopy.interval WHERE job = {0} AND done_by IS "
                         "NULL) FOR UPDATE",
                         job_)));
    if (complete.rows() == 1) {
      HYPERCOPY_ASSIGN(const std::string published, publish());
      HYPERCOPY_TRY(connection_->execute(
          fmt::format("UPDATE hypercopy.job SET state = 'done', finished_at = pg_catalog.clock_timestamp(), "
                      "rows_published = {} WHERE id = {}",
                      published, job_)));
    }
    HYPERCOPY_TRY(connection_->execute("COMMIT"));
    HYPERCOPY_ASSIGN(
        const QueryResult state,
        connection_->execute(fmt::format("SELECT state = 'done' FROM hypercopy.job WHERE id = {}", job_)));
    done_ = state.rows() == 1 && state.boolean(0, 0);
    return done_;
  });
}

// The number of rows as SQL.
Result<std::string> ImportLedger::publish() {
  if (options_.staging == nullptr) return "NULL";
  HYPERCOPY_ASSIGN(
      const QueryResult staged,
      connection_->execute(fmt::format(
          "SELECT coalesce(pg_catalog.sum(loaded), 0) FROM hypercopy.interval WHERE job = {}", job_)));
  HYPERCOPY_ASSIGN(const std::uint64_t rows, options_.staging->publish(*connection_, count_at(staged, 0, 0)));
  return std::to_string(rows);
}

Result<std::optional<std::uint64_t>> ImportLedger::rows_published() {
  HYPERCOPY_ASSIGN(const QueryResult job, ask([&]() {
                     return connection_->execute(
                         fmt::format("SELECT rows_published FROM hypercopy.job WHERE id = {}", job_));
                   }));
  if (job.rows() == 0 || job.is_null(0, 0)) return std::optional<std::uint64_t>();
  return std::optional(count_at(job, 0, 0));
}

}  // namespace hypercopy
