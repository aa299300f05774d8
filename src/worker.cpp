#include "hypercopy/worker.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <exception>

#include "copy_trail.hpp"
#include "stopwatch.hpp"

namespace hypercopy {

namespace {

std::string batch_extent(const Batch& batch) {
  return fmt::format("records {} to {} (bytes {} to {}) of {}", batch.first.record,
                     batch.first.record + batch.records - 1, batch.first.byte,
                     batch.first.byte + batch.bytes().size() - 1, batch.file->name);
}

void append_detail(Error& error, std::string_view text) {
  if (!error.detail.empty()) error.detail += '\n';
  error.detail += text;
}

// A server error that may come from a record: the rest of the batch may be good. What remains is the run's: no rights, no
// table, read-only, resources, shutdown, defects. A trigger may raise any code of its own, so the run's are listed.
bool is_data_error(const Error& error) {
  if (error.kind == ErrorKind::input) return true;
  if (error.kind != ErrorKind::sql || error.sqlstate.size() != 5) return false;
  constexpr std::array<std::string_view, 10> kClasses{"08", "0A", "25", "28", "40",
                                                      "53", "55", "57", "58", "XX"};
  constexpr std::array<std::string_view, 3> kCodes{"42501", "42P01", "42703"};
  return std::find(kClasses.begin(), kClasses.end(), error.sqlstate.substr(0, 2)) == kClasses.end() &&
         std::find(kCodes.begin(), kCodes.end(), error.sqlstate) == kCodes.end();
}

// COMMIT was sent, and its answer never came. `extent` names the records it was about.
Error in_doubt(Error error, std::string_view extent) {
  error.message = fmt::format("the connection was lost while COMMIT was under way: {}", error.message);
  error.detail = fmt::format("Nobody knows whether {} were loaded.", extent);
  error.hint = "Look for them in the table before this input is loaded again.";
  return error;
}

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
  HYPERCOPY_ASSIGN(const std::uint64_t rows, send({}, run_.first_copy_sql));
  return check_count(0, rows);
}

std::optional<Batch> Worker::take() {
  const Stopwatch watch(shares_.worker_waiting);
  return run_.queue.pop();
}

Result<std::string_view> Worker::prepare(const Batch& batch) {
  const InputFile& file = *batch.file;
  if (file.mapping.dropped.empty()) return batch.bytes();
  const Stopwatch watch(shares_.worker_encoding);
  clear_for_reuse(prepared_);
  std::size_t bad_record = 0;
  auto dropped = drop_fields(batch.bytes(), file.dialect, file.mapping, batch.newline, prepared_, bad_record);
  if (dropped) return std::string_view(prepared_);
  Error error = std::move(dropped).error();
  if (const auto record = record_at_index(batch, bad_record)) {
    error.location = Location{.source = file.name, .at = record->at};
  }
  return fail(std::move(error));
}

// The batch as COPY BINARY, if it can be that.
std::optional<std::string_view> Worker::encode(const Batch& batch, GivenUp& why) {
  const Stopwatch watch(shares_.worker_encoding);
  return encoder_.encode(batch.bytes(), batch.newline, *batch.file->encoding, why);
}

void Worker::note_given_up(const Batch& batch, const GivenUp& why) {
  const bool last = run_.wire.given_up();
  const std::string reason = why.column.empty() ? std::string("a record with another number of fields")
                                                : fmt::format("a value of column {}", why.column);
  const std::string place =
      fmt::format("{} in {}: record {}", reason, batch.file->name, batch.first.record + why.record);
  run_.console.log(LogLevel::verbose, fmt::format("{} is left to the server's CSV reader", place));
  if (last) {
    run_.console.log(
        LogLevel::info,
        fmt::format("most batches hold values that are not encoded ({}): the rest is sent as CSV", place));
  }
}

Result<std::uint64_t> Worker::copy(const Batch& batch) {
  const InputFile& file = *batch.file;
  if (!file.encoding || !run_.wire.tries()) return copy_as_is(batch, file.copy_sql);
  GivenUp why;
  if (const auto encoded = encode(batch, why)) {
    auto rows = send(*encoded, file.binary_sql);
    if (rows) run_.wire.encoded();
    if (rows || rows.error().kind != ErrorKind::sql || run_.wire.is_demanded()) return rows;
    // Its CSV reader is the judge, in its own words and with the line in the input.
    stream_->abort("sent again as CSV");
    static_cast<void>(run_.wire.given_up());
    return copy_as_is(batch, file.copy_sql);
  }
  if (run_.wire.is_demanded()) {
    const auto record = record_at_index(batch, why.record);
    return fail(Error{.kind = ErrorKind::input,
                      .message = "a value cannot be encoded for COPY BINARY",
                      .hint = "--wire auto sends such batches as CSV.",
                      .column = why.column,
                      .location = Location{.source = file.name, .at = record ? record->at : batch.first}});
  }
  note_given_up(batch, why);
  return copy_as_is(batch, file.copy_sql);
}

Result<std::uint64_t> Worker::copy_as_is(const Batch& batch, const std::string& copy_sql) {
  HYPERCOPY_ASSIGN(const std::string_view bytes, prepare(batch));
  return send(bytes, copy_sql);
}

Result<std::uint64_t> Worker::send(std::string_view bytes, const std::string& copy_sql) {
  const Stopwatch watch(shares_.worker_sending);
  HYPERCOPY_TRY(stream_->begin(copy_sql));
  HYPERCOPY_TRY(stream_->put(bytes));
  return stream_->finish();
}

Status Worker::check_count(std::uint64_t records, std::uint64_t rows) const {
  if (rows == records || (rows < records && run_.policy.may_suppress_rows)) return {};
  return fail(
      Error{.kind = ErrorKind::accounting,
            .message = fmt::format("{} records were sent and the server counted {} rows", records, rows),
            .hint = "The batch was rolled back. This is a defect: please report it with the input."});
}

void Worker::load(const Batch& batch) {
  while (true) {
    Attempt tried = attempt(batch);
    if (tried.rows) {
      recovery_.succeeded();
      return run_.ledger.committed(batch.records, batch.bytes().size(), *tried.rows);
    }
    Error error = std::move(tried.rows).error();
    const Stopwatch watch(shares_.worker_sending);
    if (tried.in_doubt) {
      const CommitOutcome outcome = recovery_.settle_commit(*stream_, error, batch_extent(batch));
      if (outcome == CommitOutcome::unknown) return leave_unknown(batch, std::move(error));
      if (outcome == CommitOutcome::committed) {
        recovery_.succeeded();
        return run_.ledger.committed(batch.records, batch.bytes().size(), tried.counted);
      }
    } else if (!recovery_.ready_again(*stream_, error, batch_extent(batch))) {
      return settle_failure(batch, std::move(error));
    }
    run_.ledger.tried_again();
  }
}

Worker::Attempt Worker::attempt(const Batch& batch) {
  auto rows = copy_or_read_as_windows_1252(batch);
  if (!rows) return {.rows = std::move(rows)};
  if (auto counted = check_count(batch.records, *rows); !counted) return {.rows = fail(counted.error())};
  const Stopwatch watch(shares_.worker_sending);
  auto committed = stream_->commit();
  if (committed) return {.rows = rows, .counted = *rows};
  const ErrorKind kind = committed.error().kind;
  const bool answered = kind == ErrorKind::sql || kind == ErrorKind::protocol;
  return {.rows = fail(std::move(committed).error()), .counted = *rows, .in_doubt = !answered};
}

Result<std::uint64_t> Worker::copy_or_read_as_windows_1252(const Batch& batch) {
  auto rows = copy(batch);
  if (rows || rows.error().sqlstate != "22021" || !run_.policy.windows_1252_fallback) return rows;
  stream_->abort("retried as WIN1252");
  rows = copy_as_is(batch, "SET LOCAL client_encoding TO 'WIN1252'; " + batch.file->copy_sql);
  if (rows) {
    run_.console.log(LogLevel::info,
                     fmt::format("{} are no valid UTF-8 and were read as WIN1252", batch_extent(batch)));
  }
  return rows;
}

void Worker::leave_unknown(const Batch& batch, Error error) {
  run_.ledger.unknown(batch.records, batch.bytes().size());
  error = in_doubt(std::move(error), batch_extent(batch));
  error.location = extent_of(batch);
  fail_run(std::move(error));
}

void Worker::settle_failure(const Batch& batch, Error error) {
  stream_->abort("the batch failed on the client");
  const std::uint64_t bytes = batch.bytes().size();
  const bool skip = run_.policy.skip_failed_batches && is_data_error(error) && stream_->is_usable();
  if (error.kind != ErrorKind::interrupted) error = located(batch, std::move(error));
  if (skip) {
    run_.ledger.skipped(batch.records, bytes);
    run_.console.log(LogLevel::warning, fmt::format("skipped {}: {}", batch_extent(batch), to_string(error)));
    return;
  }
  run_.ledger.failed(batch.records, bytes);
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
  const auto record = named ? named_record(batch, named->line) : std::nullopt;
  if (!record) {
    error.location = extent_of(batch);
    return error;
  }
  error.location = Location{.source = batch.file->name, .at = record->at};
  if (error.column.empty()) error.column = named->column;
  if (is_data_error(error) && !fails_alone(batch, record->bytes, error.sqlstate)) {
    append_detail(error, fmt::format("The server named this record; alone it is accepted, so it clashes with "
                                     "another one of {}.",
                                     batch_extent(batch)));
  }
  return error;
}

// In binary the server counts records.
std::optional<RecordInBatch> Worker::named_record(const Batch& batch, std::uint64_t line) const {
  if (run_.wire.is_demanded()) return record_at_index(batch, line - 1);
  const std::string_view sent = batch.file->mapping.dropped.empty() ? batch.bytes() : prepared_;
  return record_at_server_line({.batch = batch, .bytes = sent}, line);
}

// Replays one record in a transaction that is always rolled back.
bool Worker::fails_alone(const Batch& batch, std::string_view record, const std::string& sqlstate) {
  if (!stream_->is_usable() || !batch.file->mapping.dropped.empty()) return true;
  const auto replay = [&]() -> Result<std::uint64_t> {
    HYPERCOPY_TRY(stream_->begin(batch.file->copy_sql));
    HYPERCOPY_TRY(stream_->put(record));
    return stream_->finish();
  };
  const auto rows = replay();
  stream_->abort("replayed to find a bad record");
  return !rows && rows.error().sqlstate == sqlstate;
}

// One COPY per input, everything committed at the end.
struct Worker::SingleTransaction {
  std::shared_ptr<const InputFile> file{};  // the input whose COPY is open
  CopyTrail trail{};                        // of that COPY
  std::uint64_t inputs = 0;
  std::uint64_t records_in_copy = 0;
  std::uint64_t records = 0;
  std::uint64_t bytes = 0;
  std::uint64_t rows = 0;
};

Status Worker::send_on(SingleTransaction& load, Batch batch) {
  HYPERCOPY_ASSIGN(const std::string_view prepared, prepare(batch));
  const Stopwatch watch(shares_.worker_sending);
  if (batch.file != load.file) {
    HYPERCOPY_TRY(finish_copy(load));
    HYPERCOPY_TRY(stream_->begin(batch.file->copy_sql));
    load.file = batch.file;
    load.trail = CopyTrail();
    ++load.inputs;
  }
  load.records_in_copy += batch.records;
  load.trail.add(std::move(batch), prepared);
  return stream_->put(prepared);
}

Status Worker::finish_copy(SingleTransaction& load) {
  if (!load.file) return {};
  HYPERCOPY_ASSIGN(const std::uint64_t counted, stream_->finish());
  HYPERCOPY_TRY(check_count(load.records_in_copy, counted));
  load.rows += counted;
  load.records_in_copy = 0;
  load.file.reset();
  return {};
}

// The server's line leads to the record, which may have been sent long ago; without a line it is one of the
// open COPY's records, and at COMMIT one of all.
Error Worker::located(const SingleTransaction& load, Error error) const {
  if (error.location || load.trail.empty()) return error;
  if (!load.file && load.inputs > 1) {
    append_detail(error, fmt::format("It is one of the {} records of {} inputs.", load.records, load.inputs));
    return error;
  }
  const auto named = load.file && error.kind == ErrorKind::sql
                         ? parse_copy_context(error.context, run_.policy.relation, load.file->mapping)
                         : std::nullopt;
  error.location = named ? load.trail.locate(named->line) : load.trail.extent();
  if (named && error.column.empty()) error.column = named->column;
  return error;
}

void Worker::run_single_transaction() {
  SingleTransaction load;
  const auto give_up = [&](Error error) {
    error = located(load, std::move(error));
    stream_->abort("the load failed on the client");
    run_.ledger.failed(load.records, load.bytes);
    fail_run(std::move(error));
  };

  while (std::optional<Batch> batch = take()) {
    const std::uint64_t bytes = batch->bytes().size();
    load.records += batch->records;
    load.bytes += bytes;
    if (auto sent = send_on(load, std::move(*batch)); !sent) return give_up(std::move(sent).error());
    run_.ledger.sent(bytes);
  }
  if (run_.stopped) {
    stream_->abort("the load was stopped");
    run_.ledger.failed(load.records, load.bytes);
    return;
  }
  auto finished = run_.nothing_to_load.exchange(false) ? copy_nothing() : finish_copy(load);
  if (!finished) return give_up(std::move(finished).error());
  if (auto committed = stream_->commit(); !committed) {
    Error error = std::move(committed).error();
    if (error.kind == ErrorKind::sql || error.kind == ErrorKind::protocol) return give_up(std::move(error));
    run_.ledger.unknown(load.records, load.bytes);
    return fail_run(in_doubt(std::move(error), fmt::format("the {} records of this load", load.records)));
  }
  run_.ledger.committed(load.records, load.bytes, load.rows);
}

}  // namespace hypercopy
