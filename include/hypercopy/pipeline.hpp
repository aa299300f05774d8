// One reader, N workers, a bounded queue between them: the threads of a load and how they start, stop and
// end.
// Shape:   the feed with its inputs is opened by the reader's thread, streams by each worker's own thread;
//          run_pipeline() returns when all threads have ended. Nothing in it knows about libpq: tests and
//          benches bring their own sources and streams.
// Units:   memory of batches = (1 + queue slots + jobs) x batch_bytes.
// Owns:    pool, queue, ledger and threads. Borrows the console, the cancellation and the watch.
// Threads: 1 reader + jobs workers + the caller, which waits and calls the watch.
// Errors:  the first one wins and stops the run: the reader stops, queued batches are dropped, batches in
//          flight are finished. A worker that gets no connection for a reason that passes, or for lack of
//          resources (SQLSTATE class 53), is done without, unless it is the first. Cancellation level graceful
//          stops the run the same way; level immediate reaches the streams. Invariant: the outcome's totals balance: every record that was
//          split has exactly one ending.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "hypercopy/batch_feed.hpp"
#include "hypercopy/cancellation.hpp"
#include "hypercopy/console.hpp"
#include "hypercopy/copy_stream.hpp"
#include "hypercopy/ledger.hpp"
#include "hypercopy/worker.hpp"

namespace hypercopy {

struct PipelineOptions {
  unsigned jobs = 1;
  std::size_t batch_bytes = kDefaultBatchBytes;
  std::uint64_t batch_records = UINT64_MAX;
  std::uint64_t limit_records = UINT64_MAX;  // over all inputs
  std::size_t inputs = 1;
  WorkerPolicy policy{};
  const BatchClaims* claims = nullptr;
  ChunksAhead* chunks = nullptr;
  Wire wire = Wire::csv;
  Kernel kernel = Kernel::scalar;  // of the field index
  RejectSink* rejects = nullptr;   // keeps bad records; none: the first one ends the run
  RejectLimit max_rejects{};
  ChunkDestinations* destinations = nullptr;  // where chunks are built aside
};

// `worker` counts from 1; called on that worker's thread.
using StreamOpener = std::function<Result<std::unique_ptr<CopyStream>>(unsigned worker)>;

// Called on the calling thread while the pipeline runs.
class PipelineWatch {
 public:
  virtual ~PipelineWatch() = default;
  // How long the caller may sleep until the next tick.
  [[nodiscard]] virtual std::chrono::milliseconds interval() const = 0;
  virtual void tick(const LedgerTotals& totals) = 0;
  virtual void end(const LedgerTotals& totals) = 0;
};

struct PipelineOutcome {
  LedgerTotals totals;
  std::vector<LedgerTotals> inputs;  // of each
  std::optional<Error> error;
  TimeShares shares;  // summed over threads
  WireTotals wire;
  unsigned workers = 0;  // as many as were asked for, less those that got no connection
  // Every record of every input was read and committed (or skipped as asked), even if a stop came at the last
  // moment.
  bool complete = false;
  // The user's request to stop ended the run, before any error did.
  bool interrupted = false;
};

// Batches that wait between reader and workers: one per worker keeps every worker busy while the reader
// reads.
[[nodiscard]] constexpr std::size_t queue_slots(unsigned jobs) { return jobs; }

// `cancellation` is the user's. `run_stop` is this run's: it reaches graceful when the run ends early, for whatever
// reason, and the openers' sources and connects should wait for it, so that an idle pipe holds up nothing.
[[nodiscard]] PipelineOutcome run_pipeline(const PipelineOptions& options, const FeedOpener& open_feed,
                                           const StreamOpener& open_stream, Console& console,
                                           const Cancellation& cancellation, Cancellation& run_stop,
                                           PipelineWatch& watch);

}  // namespace hypercopy
