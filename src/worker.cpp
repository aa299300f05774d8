#include "hypercopy/worker.hpp"

#include <fmt/format.h>

#include <exception>

#include "sqlstate.hpp"
#include "stopwatch.hpp"
#include "worker_errors.hpp"

namespace hypercopy {

namespace {

RowCounts with_rejected(RowCounts rows, std::uint64_t rejected) {
  rows.rejected = rejected;
  return rows;
}

// COMMIT must not be what refuses a record: it is too late then for the others of its batch.
constexpr const char* kCheckWithCopy = "SET CONSTRAINTS ALL IMMEDIATE; ";

}  // namespace

void Worker::run() {
  try {
    if (run_.policy.single_transaction) {
      run_single_transaction();
    } else {
      run_batches();
    }
  } catch (const std::exception& exception) {
    fail_run(Error{.kind = ErrorKind::internal, .message = exception.what()});
  }
}

void Worker::run_batches() {
  while (const std::optional<Batch> batch = take()) load(*batch);
  if (!run_.nothing_to_load.exchange(false)) return;
  auto copied = copy_nothing();
  if (copied) copied = stream_->commit();
  if (copied) return;
  stream_->abort("the load failed on the client");
  fail_run(std::move(copied).error());
}

Status Worker::copy_nothing() {
  HYPERCOPY_ASSIGN(const Copied copied, copier_.send({}, {}, run_.first_copy_sql));
  return check_count(0, copied.rows);
}

std::optional<Batch> Worker::take() {
  const Stopwatch watch(shares_.worker_waiting);
  return run_.queue.pop();
}

Status Worker::check_count(std::uint64_t records, std::uint64_t rows) const {
  return check_row_count(records, rows, run_.policy.may_suppress_rows);
}

void Worker::load(const Batch& batch) {
  auto checks = Checks::with_copy;
  while (true) {
    Attempt tried = attempt(batch, checks);
    if (tried.claimed_elsewhere) return leave_to_others(batch);
    if (tried.rows) return settle_committed(batch, tried);
    Error error = std::move(tried.rows).error();
    const Stopwatch watch(shares_.worker_sending);
    if (tried.in_doubt) {
      const CommitOutcome outcome = settle_commit(batch, error);
      if (outcome == CommitOutcome::unknown) return leave_unknown(batch, tried, std::move(error));
      if (outcome == CommitOutcome::committed) return settle_committed(batch, tried);
    }
    if (!take_back_rejects(batch, tried)) return;
    if (tried.refused_at_commit && run_.rejects != nullptr && checks == Checks::with_copy) {
      stream_->abort("its bad records are looked for");
      checks = Checks::behind_each_run;
      continue;
    }
    if (!tried.in_doubt && !recovery_.ready_again(*stream_, error, describe_extent(batch))) {
      return settle_failure(batch, std::move(error));
    }
    run_.ledger.tried_again();
  }
}

void Worker::settle_committed(const Batch& batch, Attempt& tried) {
  recovery_.succeeded();
  copier_.note_committed();
  run_.ledger.committed(size_of(batch), tried.counted);
  if (!tried.kept) return;
  if (auto ended = tried.kept->end(CommitOutcome::committed); !ended) fail_run(std::move(ended).error());
}

// What was kept for a batch that is not there must not stay.
bool Worker::take_back_rejects(const Batch& batch, Attempt& tried) {
  if (!tried.kept) return true;
  auto ended = tried.kept->end(CommitOutcome::rolled_back);
  tried.kept.reset();
  if (ended) return true;
  stream_->abort("its rejects could not be taken back");
  run_.ledger.failed(size_of(batch));
  fail_run(std::move(ended).error());
  return false;
}

// Where the server cannot tell by the transaction's id (it crashed), the claim can: it was committed with the rows.
CommitOutcome Worker::settle_commit(const Batch& batch, const Error& error) {
  const CommitOutcome outcome = recovery_.settle_commit(*stream_, error, describe_extent(batch));
  if (outcome != CommitOutcome::unknown || run_.claims == nullptr || !stream_->is_usable()) return outcome;
  const auto done = stream_->execute(run_.claims->is_done_sql(batch));
  if (!done) return CommitOutcome::unknown;
  return *done > 0 ? CommitOutcome::committed : CommitOutcome::rolled_back;
}

// What becomes of it will be seen when all batches of the import are looked through.
void Worker::leave_to_others(const Batch& batch) {
  recovery_.succeeded();
  run_.ledger.handed_back(size_of(batch));
}

Worker::Attempt Worker::attempt(const Batch& batch, Checks checks) {
  const TransactionHead head{.settings = settings(),
                             .claim = run_.claims != nullptr ? run_.claims->claim_sql(batch) : ""};
  MergeTurns::Turn turn(run_.rejects != nullptr ? &run_.turns : nullptr);
  auto written = write_records(batch, head, checks, turn);
  if (!written && written.error().sqlstate == sqlstate::kDeadlockDetected) run_.turns.note_deadlock();
  // Its locks must be given back before another one's turn.
  if (!written) stream_->abort("the batch failed");
  if (!written) return {.rows = fail(std::move(written).error())};
  if (!written->claimed) return {.rows = RowCounts{}, .claimed_elsewhere = true};
  const RowCounts counts = written->rows;
  if (auto checked = check_count(batch.records, counts.sum()); !checked)
    return {.rows = fail(checked.error())};
  const Stopwatch watch(shares_.worker_sending);
  if (run_.claims != nullptr) {
    auto done = stream_->execute(run_.claims->done_sql(batch, counts));
    if (!done) return {.rows = fail(std::move(done).error())};
    if (*done != 1) return {.rows = fail(ErrorKind::accounting, "a claimed batch is not in the ledger")};
  }
  std::unique_ptr<KeptRejects> kept;
  if (counts.rejected > 0) {
    auto keeping = run_.rejects->keep(batch, written->rejected, *stream_);
    if (!keeping) return {.rows = fail(std::move(keeping).error())};
    kept = std::move(*keeping);
  }
  return commit(counts, std::move(kept));
}

Worker::Attempt Worker::commit(const RowCounts& counts, std::unique_ptr<KeptRejects> kept) {
  auto committed = stream_->commit();
  if (committed) return {.rows = counts, .counted = counts, .kept = std::move(kept)};
  const ErrorKind kind = committed.error().kind;
  const bool answered = kind == ErrorKind::sql || kind == ErrorKind::protocol;
  const bool refused = is_data_error(committed.error());
  return {.rows = fail(std::move(committed).error()),
          .counted = counts,
          .in_doubt = !answered,
          .refused_at_commit = refused,
          .kept = std::move(kept)};
}

// What every transaction of the run begins with.
std::string Worker::settings() const {
  std::string sql;
  if (run_.policy.async_commit) sql += "SET LOCAL synchronous_commit TO off; ";
  if (run_.rejects != nullptr) sql += kCheckWithCopy;
  return sql;
}

Result<Worker::Written> Worker::write_records(const Batch& batch, const TransactionHead& head, Checks checks,
                                              MergeTurns::Turn& turn) {
  if (run_.rejects == nullptr) {
    HYPERCOPY_ASSIGN(const Stored stored, store_or_read_as_windows_1252(batch, head));
    return Written{.claimed = stored.claimed, .rows = stored.rows};
  }
  HYPERCOPY_TRY(copier_.see_to_chunks(batch));
  auto isolated = isolation_.copy(
      batch, head, checks,
      [&](std::span<const RejectedRecord> rejected) { return run_.rejects->allows(batch, rejected); }, turn);
  if (isolated) {
    return Written{.claimed = isolated->claimed,
                   .rows = with_rejected(isolated->rows, isolated->rejected.size()),
                   .rejected = std::move(isolated->rejected)};
  }
  Error error = std::move(isolated).error();
  // A line that the server names counts from the run's beginning.
  if (error.kind == ErrorKind::sql && !error.location) error.location = extent_of(batch);
  return fail(std::move(error));
}

Result<Stored> Worker::store_or_read_as_windows_1252(const Batch& batch, const TransactionHead& head) {
  auto stored = store_.store(batch, head);
  if (stored || stored.error().sqlstate != "22021" || !run_.policy.windows_1252_fallback) return stored;
  stream_->abort("retried as WIN1252");
  TransactionHead windows_1252 = head;
  windows_1252.settings += "SET LOCAL client_encoding TO 'WIN1252'; ";
  stored = store_.store(batch, windows_1252, CopyForm::as_it_is);
  if (stored && stored->claimed) {
    run_.console.log(LogLevel::info,
                     fmt::format("{} are no valid UTF-8 and were read as WIN1252", describe_extent(batch)));
  }
  return stored;
}

void Worker::leave_unknown(const Batch& batch, Attempt& tried, Error error) {
  run_.ledger.unknown(size_of(batch));
  error = in_doubt(std::move(error), describe_extent(batch));
  if (tried.kept) {
    const std::string place = tried.kept->place();
    if (!place.empty()) {
      append_detail(error, fmt::format("{} of them were rejected and stand in {} in any case.",
                                       tried.counted.rejected, place));
    }
    static_cast<void>(tried.kept->end(CommitOutcome::unknown));
  }
  if (run_.claims != nullptr) error.hint = "The ledger of this import knows: run the same command again.";
  error.location = extent_of(batch);
  const std::string which = error.detail;
  // Several workers may be in doubt when a server crashes; the run's error names one batch only.
  if (!run_.ledger.set_error(std::move(error))) run_.console.log(LogLevel::error, which);
  run_.stop();
}

void Worker::settle_failure(const Batch& batch, Error error) {
  stream_->abort("the batch failed on the client");
  const bool skip = run_.policy.skip_failed_batches && is_data_error(error) && stream_->is_usable();
  if (error.kind != ErrorKind::interrupted) error = located(batch, std::move(error));
  if (skip) {
    run_.ledger.skipped(size_of(batch));
    run_.console.log(LogLevel::warning,
                     fmt::format("skipped {}: {}", describe_extent(batch), to_string(error)));
    return;
  }
  run_.ledger.failed(size_of(batch));
  fail_run(std::move(error));
}

void Worker::fail_run(Error error) {
  run_.ledger.set_error(std::move(error));
  run_.stop();
}

// Gives the error its place in the input: the record the server named, when that can be confirmed, else the
// batch.
Error Worker::located(const Batch& batch, Error error) {
  if (error.location) return error;
  const auto named = error.kind == ErrorKind::sql
                         ? parse_copy_context(error.context, run_.policy.relation, batch.file->mapping)
                         : std::nullopt;
  const auto record = named ? named_record(batch, named->line) : record_refused_by_merge(batch, error);
  if (!record) {
    error.location = extent_of(batch);
    return error;
  }
  error.location = Location{.source = batch.file->name, .at = record->at};
  if (!named) return error;
  if (error.column.empty()) error.column = named->column;
  if (is_data_error(error) && !fails_alone(batch, record->bytes, error.sqlstate)) {
    append_detail(error, fmt::format("The server named this record; alone it is accepted, so it clashes with "
                                     "another one of {}.",
                                     describe_extent(batch)));
  }
  return error;
}

// A merge is one INSERT: the server names no record.
std::optional<RecordInBatch> Worker::record_refused_by_merge(const Batch& batch, const Error& error) {
  if (error.kind != ErrorKind::sql || !is_data_error(error)) return std::nullopt;
  return store_.find_refused(batch, error.sqlstate);
}

// In binary the server counts records.
std::optional<RecordInBatch> Worker::named_record(const Batch& batch, std::uint64_t line) const {
  if (run_.wire.is_demanded()) return record_at_index(batch, line - 1);
  return record_at_server_line({.batch = batch, .bytes = copier_.prepared(batch)}, line);
}

// Replays one record in a transaction that is always rolled back.
bool Worker::fails_alone(const Batch& batch, std::string_view record, const std::string& sqlstate) {
  if (!stream_->is_usable() || !batch.file->mapping.dropped.empty()) return true;
  const auto copied = copier_.send(record, {}, batch.file->copy_sql);
  stream_->abort("replayed to find a bad record");
  return !copied && copied.error().sqlstate == sqlstate;
}

}  // namespace hypercopy
