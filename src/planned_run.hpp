// A planned load: what must be there before the first row, the pipeline over inputs and connections, and what its end
// means for the target.
// Shape:   run() once: an import's ledger, indexes left out, TRUNCATE, the workers, then what --atomic, the ledger and the
//          indexes still need. What was loaded goes to the summary.
// Owns:    the connection that made the plan, until the first worker takes it. Borrows the rest.
// Threads: run() on one; inputs are opened on the reader's, streams on each worker's.
// Errors:  what ends the load otherwise than by a batch, which the summary has.
#pragma once

#include <memory>
#include <optional>
#include <set>
#include <string>

#include "atomic_load.hpp"
#include "chunk_building.hpp"
#include "crash_guard.hpp"
#include "failover_guard.hpp"
#include "hypercopy/load.hpp"
#include "import_run.hpp"
#include "index_deferral.hpp"
#include "load_plan.hpp"

namespace hypercopy {

// How the server's views call the connection of a run's worker.
[[nodiscard]] std::string application_name(const std::string& run_id, unsigned worker);

class PlannedRun {
 public:
  PlannedRun(PlannedLoad& planned, Connector& connector, const LoadEnvironment& environment,
             LoadSummary& summary);

  [[nodiscard]] Status run();

 private:
  [[nodiscard]] Status load(IndexDeferral& indexes);
  // What a run that was killed left beside the target.
  [[nodiscard]] Status tidy_up();
  [[nodiscard]] Status open_import();
  [[nodiscard]] Status begin_atomic();
  [[nodiscard]] Status end_atomic();
  [[nodiscard]] Status truncate(const std::string& copy_sql);
  [[nodiscard]] Status note_truncate();
  // Encoded records are for the types that the columns have now.
  [[nodiscard]] Status make_commit_checks();
  void run_workers();
  // Also of what the last workers heard.
  [[nodiscard]] Status expect_commits_kept();
  [[nodiscard]] Status expect_rows_outlived_rebuild(IndexDeferral& indexes);
  [[nodiscard]] Result<OpenedInput> open(std::size_t index, const BatchLimits& limits, BatchPool& pool,
                                         TimeShares& shares);
  [[nodiscard]] Result<std::unique_ptr<CopyStream>> open_stream(unsigned worker);
  [[nodiscard]] Result<Connection> connect(unsigned worker, StopAt stop);
  [[nodiscard]] Result<Connection> connect_control(StopAt stop);
  [[nodiscard]] Result<Connection> connect_for_chunks();

  const LoadPlan& plan_;
  Connector& connector_;
  const LoadEnvironment& environment_;
  LoadSummary& summary_;
  std::optional<Connection> first_;
  const bool truncate_late_;
  AtomicStaging* const staging_;  // --atomic
  const bool crash_empties_;      // the table that workers copy into
  CrashGuard crash_guard_;
  const bool may_lose_commits_;  // by a failover, and would not find that out
  FailoverGuard failover_guard_{};
  std::string commit_checks_{};
  std::optional<AtomicLoad> atomic_;  // --atomic without an import id
  std::unique_ptr<Cancellation> run_stop_;
  std::optional<ImportRun> import_;
  ChunkBuilding building_;
  std::set<std::size_t> opened_{};  // inputs whose prologue counts as progress; the reader's thread
};

}  // namespace hypercopy
