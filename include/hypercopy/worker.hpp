// One worker: takes batches from the queue and loads each in one transaction of its stream.
// Shape:   run() loops take, begin, put, finish, compare counts, commit, record in the ledger, until the
//          queue gives nothing. In a single transaction: one COPY per input, everything committed at the end.
//          A failure that passes is followed by another attempt with the same batch; when COMMIT was not answered,
//          only if the server says that the batch is not there.
//          A batch goes as COPY BINARY where all its values can be encoded exactly, else as it is. What the
//          server refuses in binary is sent again as it is, so that its own reader judges it, in its own
//          words and with a line number.
//          Where bad records are rejected, a batch is loaded by bad_record_isolation.hpp, and what it rejects is kept
//          between its rows and COMMIT (reject_sink.hpp).
// Owns:    its stream. Borrows what is in RunContext, which must outlive it.
// Threads: run() on one thread; workers share the queue, the ledger and the console, which are safe for that.
// Errors:  go to the ledger (the first wins) and end the run; every batch that was taken gets exactly one
//          ending. With skip_failed_batches a batch that the server refuses ends as `skipped`, and the run
//          goes on.
#pragma once

#include <atomic>
#include <chrono>
#include <functional>
#include <memory>
#include <string>

#include "hypercopy/bad_record_isolation.hpp"
#include "hypercopy/batch_copier.hpp"
#include "hypercopy/batch_queue.hpp"
#include "hypercopy/conflict_merge.hpp"
#include "hypercopy/console.hpp"
#include "hypercopy/copy_stream.hpp"
#include "hypercopy/failure_location.hpp"
#include "hypercopy/ledger.hpp"
#include "hypercopy/recovery.hpp"
#include "hypercopy/reject_gate.hpp"
#include "hypercopy/report.hpp"
#include "hypercopy/wire_choice.hpp"

namespace hypercopy {

[[nodiscard]] inline BatchSize size_of(const Batch& batch) {
  return {.records = batch.records, .bytes = batch.bytes().size(), .input = batch.file->index};
}

struct WorkerPolicy {
  std::string relation;  // the table's name as it stands in the server's CONTEXT
  bool may_suppress_rows =
      false;  // fewer rows than records are no defect: a trigger or WHERE leaves some out
  bool single_transaction = false;
  bool skip_failed_batches = false;
  bool windows_1252_fallback = false;
  bool copies_nothing = true;                  // an input without any record is one empty COPY
  bool async_commit = false;                   // COMMIT does not wait for the disk
  std::chrono::milliseconds retry_timeout{0};  // for failures that pass; 0: none is tried again
};

// How the transaction of a batch takes it for itself among several that may load it, and leaves word of it
// (import_ledger.hpp). Its SQL may be asked for by any thread.
class BatchClaims {
 public:
  virtual ~BatchClaims() = default;
  // Gives pg_current_xact_id() as its only row if the batch is this transaction's to load.
  [[nodiscard]] virtual std::string claim_sql(const Batch& batch) const = 0;
  // In the same transaction, behind the rows.
  [[nodiscard]] virtual std::string done_sql(const Batch& batch, const RowCounts& rows) const = 0;
  // Gives a row if this run has committed the batch.
  [[nodiscard]] virtual std::string is_done_sql(const Batch& batch) const = 0;
};

struct RunContext {
  BatchQueue& queue;
  Ledger& ledger;
  Console& console;
  WorkerPolicy policy;
  WireChoice& wire;
  StopAt retry_until;                // waiting for another attempt ends here
  StopAt settle_until;               // asking what became of a COMMIT ends here
  std::function<void()> stop;        // ends the run: reader and queue are cancelled; safe from any thread
  std::atomic<bool> stopped{false};  // set by stop
  // No input had a record: set before the queue is closed, taken back by the worker that sees to it. One empty
  // COPY, so that rights and statement triggers are what they are for psql.
  std::atomic<bool> nothing_to_load{false};
  std::string first_copy_sql{};               // of the first input; read it where nothing_to_load was true
  const BatchClaims* claims = nullptr;        // none: the batches are this run's alone
  RejectGate* rejects = nullptr;              // none: the first bad record ends the run
  ChunksAhead* chunks = nullptr;              // none: the target has none to be counted or made
  ChunkDestinations* destinations = nullptr;  // none: no chunk is built aside
  MergeTurns turns{};                         // where conflicts are merged and bad records rejected
};

class Worker {
 public:
  // `kernel`: for the field index.
  Worker(RunContext& run, std::unique_ptr<CopyStream> stream, Kernel kernel)
      : run_(run),
        stream_(std::move(stream)),
        recovery_({run.policy.retry_timeout, run.retry_until, run.settle_until}, run.console),
        copier_(*stream_, run.wire, run.console, shares_, kernel, run.chunks, run.destinations),
        store_(*stream_, copier_, shares_, run.policy.relation),
        isolation_(*stream_, copier_, store_, {run.policy.relation, run.policy.may_suppress_rows, kernel}) {}

  void run();
  // Where this worker's time went; read it when run() has returned.
  [[nodiscard]] const TimeShares& shares() const { return shares_; }

 private:
  struct SingleTransaction;
  // One try to load a batch.
  struct Attempt {
    Result<RowCounts> rows;  // committed
    bool claimed_elsewhere = false;
    RowCounts counted{};    // by the server, before COMMIT
    bool in_doubt = false;  // COMMIT was sent, and its answer never came
    bool refused_at_commit = false;
    std::unique_ptr<KeptRejects> kept{};  // nothing: no record was rejected
  };
  // What a batch's records became, before COMMIT.
  struct Written {
    bool claimed = true;
    RowCounts rows{};
    std::vector<RejectedRecord> rejected{};
  };
  using Checks = BadRecordIsolation::Checks;

  void run_batches();
  [[nodiscard]] Status copy_nothing();
  void run_single_transaction();
  [[nodiscard]] Status send_on(SingleTransaction& load, Batch batch);
  [[nodiscard]] Status finish_copy(SingleTransaction& load);
  [[nodiscard]] Error located(const SingleTransaction& load, Error error) const;
  [[nodiscard]] std::optional<Batch> take();
  [[nodiscard]] Status check_count(std::uint64_t records, std::uint64_t rows) const;
  void load(const Batch& batch);
  [[nodiscard]] Attempt attempt(const Batch& batch, Checks checks);
  [[nodiscard]] std::string settings() const;
  [[nodiscard]] Result<Written> write_records(const Batch& batch, const TransactionHead& head, Checks checks,
                                              MergeTurns::Turn& turn);
  [[nodiscard]] Attempt commit(const RowCounts& counts, std::unique_ptr<KeptRejects> kept);
  void settle_committed(const Batch& batch, Attempt& tried);
  // False: the run has failed.
  [[nodiscard]] bool take_back_rejects(const Batch& batch, Attempt& tried);
  [[nodiscard]] CommitOutcome settle_commit(const Batch& batch, const Error& error);
  void leave_to_others(const Batch& batch);
  [[nodiscard]] Result<Stored> store_or_read_as_windows_1252(const Batch& batch, const TransactionHead& head);
  void leave_unknown(const Batch& batch, Attempt& tried, Error error);
  void settle_failure(const Batch& batch, Error error);
  void fail_run(Error error);
  [[nodiscard]] Error located(const Batch& batch, Error error);
  [[nodiscard]] std::optional<RecordInBatch> named_record(const Batch& batch, std::uint64_t line) const;
  [[nodiscard]] std::optional<RecordInBatch> record_refused_by_merge(const Batch& batch, const Error& error);
  [[nodiscard]] bool fails_alone(const Batch& batch, std::string_view record, const std::string& sqlstate);

  RunContext& run_;
  std::unique_ptr<CopyStream> stream_;
  Recovery recovery_;
  TimeShares shares_;
  BatchCopier copier_;
  ConflictMerge store_;
  BadRecordIsolation isolation_;
};

}  // namespace hypercopy
