// The worker of a single transaction: one COPY per input, everything committed at the end.
#include <fmt/format.h>

#include <vector>

#include "copy_trail.hpp"
#include "hypercopy/worker.hpp"
#include "stopwatch.hpp"
#include "worker_errors.hpp"

namespace hypercopy {

struct Worker::SingleTransaction {
  // What one COPY took.
  struct Part {
    BatchSize size{};
    RowCounts rows{};
  };
  std::shared_ptr<const InputFile> file{};  // the input whose COPY is open
  CopyTrail trail{};                        // of that COPY
  std::vector<Part> parts{};
  std::size_t open = 0;  // the part whose COPY is open

  [[nodiscard]] std::uint64_t records() const {
    std::uint64_t sum = 0;
    for (const auto& part : parts) sum += part.size.records;
    return sum;
  }
};

Status Worker::send_on(SingleTransaction& load, Batch batch) {
  const bool next_input = batch.file != load.file;
  if (next_input) load.parts.push_back({.size = {.input = batch.file->index}});
  BatchSize& size = load.parts.back().size;
  size.records += batch.records;
  size.bytes += batch.bytes().size();
  if (next_input) {
    HYPERCOPY_TRY(finish_copy(load));
    HYPERCOPY_TRY(store_.begin_whole(*batch.file));
    load.file = batch.file;
    load.trail = CopyTrail();
    load.open = load.parts.size() - 1;
  }
  HYPERCOPY_TRY(copier_.see_to_chunks(batch));
  HYPERCOPY_ASSIGN(const std::string_view prepared, copier_.prepare(batch));
  const Stopwatch watch(shares_.worker_sending);
  load.trail.add(std::move(batch), prepared);
  return stream_->put(prepared);
}

Status Worker::finish_copy(SingleTransaction& load) {
  if (!load.file) return {};
  SingleTransaction::Part& part = load.parts[load.open];
  HYPERCOPY_ASSIGN(part.rows, store_.finish_whole(*load.file));
  load.file.reset();
  return check_count(part.size.records, part.rows.sum());
}

// The server's line leads to the record, which may have been sent long ago; without a line it is one of the
// open COPY's records, and at COMMIT one of all.
Error Worker::located(const SingleTransaction& load, Error error) const {
  if (error.location || load.trail.empty()) return error;
  if (load.file) error = store_.of_target(std::move(error), *load.file);
  if (!load.file && load.parts.size() > 1) {
    append_detail(
        error, fmt::format("It is one of the {} records of {} inputs.", load.records(), load.parts.size()));
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
  const auto fail_all = [&] {
    for (const auto& part : load.parts) run_.ledger.failed(part.size);
  };
  const auto give_up = [&](Error error) {
    error = located(load, std::move(error));
    stream_->abort("the load failed on the client");
    fail_all();
    fail_run(std::move(error));
  };

  while (std::optional<Batch> batch = take()) {
    const std::uint64_t bytes = batch->bytes().size();
    if (auto sent = send_on(load, std::move(*batch)); !sent) return give_up(std::move(sent).error());
    run_.ledger.sent(bytes);
  }
  if (run_.stopped) {
    stream_->abort("the load was stopped");
    return fail_all();
  }
  auto finished = run_.nothing_to_load.exchange(false) ? copy_nothing() : finish_copy(load);
  if (!finished) return give_up(std::move(finished).error());
  if (auto committed = stream_->commit(); !committed) {
    Error error = std::move(committed).error();
    if (error.kind == ErrorKind::sql || error.kind == ErrorKind::protocol) return give_up(std::move(error));
    for (const auto& part : load.parts) run_.ledger.unknown(part.size);
    return fail_run(in_doubt(std::move(error), fmt::format("the {} records of this load", load.records())));
  }
  for (const auto& part : load.parts) run_.ledger.committed(part.size, part.rows);
}

}  // namespace hypercopy
