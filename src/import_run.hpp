// The import of a load with --import-id: its ledger from opening to the sums that the summary gives.
// Shape:   open() before the first row; while the workers run, ledger() is the reader's and claims() the workers'; then
//          sum_up() where all is done, else write_rejects().
// Owns:    the ledger with its connection. Borrows plan, environment and summary.
// Threads: one at a time.
// Errors:  as import_ledger.hpp and import_rejects.hpp.
#pragma once

#include <cstdint>
#include <optional>

#include "hypercopy/import_ledger.hpp"
#include "hypercopy/load.hpp"
#include "load_plan.hpp"

namespace hypercopy {

class ImportRun {
 public:
  [[nodiscard]] static Result<ImportRun> open(const LoadPlan& plan, AtomicStaging* staging,
                                              const ImportLedger::Connect& connect,
                                              const LoadEnvironment& environment, LoadSummary& summary,
                                              const Cancellation& run_stop);

  [[nodiscard]] ImportLedger& ledger() { return ledger_; }
  [[nodiscard]] const BatchClaims& claims() const { return claims_; }
  // By others, before this run.
  [[nodiscard]] std::uint64_t bytes_done_before() const { return bytes_done_before_; }

  // The ledger's sums are the truth about a finished import: it has also what other runs and loaders did, and none of
  // what a crash took back.
  [[nodiscard]] Status sum_up();
  // A failover may have taken back that it is.
  [[nodiscard]] Status expect_still_done();
  // Where rejects are kept; the files of all runs so far.
  [[nodiscard]] Status write_rejects();

 private:
  ImportRun(ImportLedger ledger, const LoadPlan& plan, LoadSummary& summary)
      : ledger_(std::move(ledger)), claims_(ledger_.claims()), plan_(plan), summary_(summary) {}

  void note_what_is_done(const std::vector<ImportTotals>& totals, Console& console);

  ImportLedger ledger_;
  ImportClaims claims_;
  const LoadPlan& plan_;
  LoadSummary& summary_;
  std::uint64_t bytes_done_before_ = 0;
};

}  // namespace hypercopy
