#include "hypercopy/batch_copier.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "hypercopy/failure_location.hpp"
#include "hypercopy/retry.hpp"
#include "stopwatch.hpp"

namespace hypercopy {

namespace {

Result<Copied> unless_refused(Result<Copied> copied) {
  if (copied && copied->refused) return fail(std::move(*copied->refused));
  return copied;
}

// What stands behind a value that was given up is sent as CSV.
void note_times(const InputFile& file, const EncodedFront& front) {
  if (!file.loaded_times || (front.records == 0 && !front.why)) return;
  const auto span =
      file.time_key && !front.why ? key_span(front.stream, front.starts, *file.time_key) : std::nullopt;
  if (span) {
    file.loaded_times->add(*span);
  } else {
    file.loaded_times->lose();
  }
}

// Only the relation that was copied into can say that a key is in it.
bool is_about_keys(const Error& error) {
  constexpr std::string_view kUnique = "23505";
  constexpr std::string_view kExclusion = "23P01";
  return error.sqlstate == kUnique || error.sqlstate == kExclusion;
}

// In binary the server counts the records of the route.
Error located_in_route(Error error, const Batch& batch, const RecordRoute& route) {
  const auto named = parse_copy_context(error.context, route.side->name, batch.file->mapping);
  const bool is_known = named && named->line > 0 && named->line <= route.records.size();
  const auto record = is_known ? record_at_index(batch, route.records[named->line - 1]) : std::nullopt;
  error.location = record ? Location{.source = batch.file->name, .at = record->at} : extent_of(batch);
  return error;
}

}  // namespace

Status check_row_count(std::uint64_t records, std::uint64_t rows, bool may_suppress_rows) {
  if (rows == records || (rows < records && may_suppress_rows)) return {};
  return fail(
      Error{.kind = ErrorKind::accounting,
            .message = fmt::format("{} records were sent and the server counted {} rows", records, rows),
            .hint = "The batch was rolled back. This is a defect: please report it with the input."});
}

Result<std::string_view> BatchCopier::prepare(const Batch& batch) {
  std::size_t bad_record = 0;
  auto prepared = prepare_run(batch, batch.bytes(), bad_record);
  if (prepared) return prepared;
  Error error = std::move(prepared).error();
  if (const auto record = record_at_index(batch, bad_record)) {
    error.location = Location{.source = batch.file->name, .at = record->at};
  }
  return fail(std::move(error));
}

Result<std::string_view> BatchCopier::prepare_run(const Batch& batch, std::string_view records,
                                                  std::size_t& bad_record) {
  const InputFile& file = *batch.file;
  if (file.mapping.dropped.empty()) return records;
  const Stopwatch watch(shares_.worker_encoding);
  clear_for_reuse(prepared_);
  HYPERCOPY_TRY(drop_fields(records, file.dialect, file.mapping, batch.newline, prepared_, bad_record));
  return std::string_view(prepared_);
}

bool BatchCopier::encodes(const InputFile& file) const {
  const bool encodes = file.encoding && wire_.tries();
  if (!encodes && file.loaded_times) file.loaded_times->lose();
  return encodes;
}

EncodedFront BatchCopier::encode_front(const Batch& batch, std::string_view records) {
  const Stopwatch watch(shares_.worker_encoding);
  EncodedFront front = encoder_.encode_front(records, batch.newline, *batch.file->encoding);
  note_times(*batch.file, front);
  return front;
}

std::string_view BatchCopier::prepared(const Batch& batch) const {
  return batch.file->mapping.dropped.empty() ? batch.bytes() : std::string_view(prepared_);
}

void BatchCopier::note_given_up(const Batch& batch, const GivenUp& why) {
  const bool last = wire_.given_up();
  const std::string reason = why.column.empty() ? std::string("a record with another number of fields")
                                                : fmt::format("a value of column {}", why.column);
  const std::string place =
      fmt::format("{} in {}: record {}", reason, batch.file->name, record_number(batch, why.record));
  console_.log(LogLevel::verbose, fmt::format("{} is left to the server's CSV reader", place));
  if (last) {
    console_.log(
        LogLevel::info,
        fmt::format("most batches hold values that are not encoded ({}): the rest is sent as CSV", place));
  }
}

bool is_key_clash(const Error& error) {
  return error.kind == ErrorKind::sql && (error.sqlstate == "23505" || error.sqlstate == "40P01");
}

Result<Copied> BatchCopier::copy(const Batch& batch, const TransactionHead& head, const CopyInto& into,
                                 CopyForm form) {
  const InputFile& file = *batch.file;
  aside_.clear();
  if (form == CopyForm::as_it_is || !encodes(file)) {
    HYPERCOPY_TRY(see_to_chunks(batch));
    return copy_as_is(batch, head, into.copy_sql);
  }
  const EncodedFront encoded = encode_front(batch, batch.bytes());
  if (!encoded.why) {
    HYPERCOPY_TRY(see_to_chunks(batch, encoded));
    return copy_encoded(batch, encoded, head, into);
  }
  const GivenUp& why = *encoded.why;
  if (wire_.is_demanded()) {
    const auto record = record_at_index(batch, why.record);
    return fail(Error{.kind = ErrorKind::input,
                      .message = "a value cannot be encoded for COPY BINARY",
                      .hint = "--wire auto sends such batches as CSV.",
                      .column = why.column,
                      .location = Location{.source = file.name, .at = record ? record->at : batch.first}});
  }
  note_given_up(batch, why);
  HYPERCOPY_TRY(see_to_chunks(batch));
  return copy_as_is(batch, head, into.copy_sql);
}

Status BatchCopier::see_to_chunks(const Batch& batch) {
  const Stopwatch watch(shares_.worker_sending);
  return chunks_.see_to(batch);
}

Status BatchCopier::see_to_chunks(const Batch& batch, const EncodedFront& encoded) {
  const Stopwatch watch(shares_.worker_sending);
  return chunks_.see_to(batch, encoded);
}

Result<Copied> BatchCopier::copy_encoded(const Batch& batch, const EncodedFront& encoded,
                                         const TransactionHead& head, const CopyInto& into) {
  const InputFile& file = *batch.file;
  auto copied = routing_                 ? send_by_chunk(batch, encoded, head, into)
                : into.in_order_of_input ? send(encoded.stream, head, into.binary_sql)
                                         : unless_refused(send_run(file, encoded, head, into.binary_sql));
  if (copied && copied->claimed) wire_.encoded();
  if (copied || copied.error().kind != ErrorKind::sql) return copied;
  aside_.clear();
  if (routing_ && (copied.error().location || !is_data_error(copied.error()))) return copied;
  if (file.merge && is_key_clash(copied.error())) return copied;
  if (is_transient(copied.error())) {
    copied.error().context.clear();  // its line is none of the input's
    return copied;
  }
  if (wire_.is_demanded()) {
    if (order_.empty()) return copied;
    stream_.abort("sent again in the order of the input");
    return send(encoded.stream, head, into.binary_sql);
  }
  // Its CSV reader is the judge, in its own words and with the line in the input.
  stream_.abort("sent again as CSV");
  static_cast<void>(wire_.given_up());
  return copy_as_is(batch, head, into.copy_sql);
}

Result<Copied> BatchCopier::send_by_chunk(const Batch& batch, const EncodedFront& encoded,
                                          const TransactionHead& head, const CopyInto& into) {
  order_by_time(*batch.file, encoded);
  const auto found = routing_->find(*batch.file, encoded, order_);
  if (!found) {
    Error error = found.error();
    error.location = extent_of(batch);
    return fail(std::move(error));
  }
  const std::span<const RecordRoute> routes = *found;
  if (routes.empty()) return unless_refused(send_run(*batch.file, encoded, head, into.binary_sql));
  Copied sum;
  for (const RecordRoute& route : routes) {
    HYPERCOPY_ASSIGN(Copied copied, send_route(*batch.file, encoded, route, head, into));
    if (!copied.claimed) return copied;
    if (!copied.refused) {
      sum.rows += copied.rows;
      if (route.side != nullptr) aside_.push_back({.number = route.side->number, .rows = copied.rows});
      continue;
    }
    Error error = std::move(*copied.refused);
    if (route.side != nullptr && is_about_keys(error))
      error = located_in_route(std::move(error), batch, route);
    return fail(std::move(error));
  }
  return sum;
}

Result<Copied> BatchCopier::send_route(const InputFile& file, const EncodedFront& encoded,
                                       const RecordRoute& route, const TransactionHead& head,
                                       const CopyInto& into) {
  const std::string sql = route.side == nullptr
                              ? into.binary_sql
                              : route.side->statement->binary_for_columns(file.mapping.columns);
  order_ = route.records;
  const bool is_whole = order_.size() == encoded.records && std::ranges::is_sorted(order_);
  if (is_whole) order_ = {};
  return copy_run(head, sql, [&] {
    return is_whole ? stream_.put(encoded.stream)
                    : put_in_order(stream_, encoded.stream, encoded.starts, route.records, piece_);
  });
}

void BatchCopier::note_committed() {
  if (destinations_ != nullptr && !aside_.empty()) destinations_->committed(aside_);
  aside_.clear();
}

Result<Copied> BatchCopier::copy_as_is(const Batch& batch, const TransactionHead& head,
                                       const std::string& copy_sql) {
  HYPERCOPY_ASSIGN(const std::string_view bytes, prepare(batch));
  return send(bytes, head, copy_sql);
}

Result<Copied> BatchCopier::send(std::string_view bytes, const TransactionHead& head,
                                 const std::string& copy_sql) {
  return unless_refused(send_run(bytes, head, copy_sql));
}

Result<Copied> BatchCopier::send_run(std::string_view bytes, const TransactionHead& head,
                                     const std::string& copy_sql) {
  order_ = {};
  return copy_run(head, copy_sql, [&] { return stream_.put(bytes); });
}

Result<Copied> BatchCopier::send_run(const InputFile& file, const EncodedFront& encoded,
                                     const TransactionHead& head, const std::string& copy_sql) {
  order_by_time(file, encoded);
  if (order_.empty()) return send_run(encoded.stream, head, copy_sql);
  return copy_run(head, copy_sql,
                  [&] { return put_in_order(stream_, encoded.stream, encoded.starts, order_, piece_); });
}

void BatchCopier::order_by_time(const InputFile& file, const EncodedFront& encoded) {
  order_ = {};
  if (!file.time_key) return;
  const Stopwatch watch(shares_.worker_encoding);
  order_ = by_time_.find(encoded.stream, encoded.starts, *file.time_key);
  if (order_.empty() || !wire_.sorted() || file.regroup_by) return;
  console_.log(
      LogLevel::info,
      fmt::format("{} is not in the order of time: the records of each batch are sorted by it before "
                  "they are sent (--order-by-time off leaves them)",
                  file.name));
}

template <typename Put>
Result<Copied> BatchCopier::copy_run(const TransactionHead& head, const std::string& copy_sql, Put put) {
  const Stopwatch watch(shares_.worker_sending);
  HYPERCOPY_ASSIGN(const bool claimed, stream_.begin(head, copy_sql));
  if (!claimed) return Copied{.claimed = false};
  Result<std::uint64_t> rows = 0;
  if (auto sent = put(); !sent) {
    rows = fail(std::move(sent).error());
  } else {
    rows = stream_.finish();
  }
  if (rows) return Copied{.rows = *rows};
  if (!is_data_error(rows.error())) return fail(std::move(rows).error());
  return Copied{.refused = std::move(rows).error()};
}

}  // namespace hypercopy
