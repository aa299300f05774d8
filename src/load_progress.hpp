// The progress of a load while its pipeline runs.
// Shape:   a PipelineWatch that turns the ledger's totals into what ProgressReporter draws.
// Units:   bytes of the inputs.
// Threads: passed_over() from any thread, the rest from the pipeline's watching one.
// Errors:  none.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <optional>

#include "hypercopy/pipeline.hpp"
#include "hypercopy/progress.hpp"

namespace hypercopy {

class LoadProgress final : public PipelineWatch {
 public:
  LoadProgress(ProgressReporter& reporter, std::optional<std::uint64_t> bytes_total)
      : reporter_(reporter), bytes_total_(bytes_total), started_(std::chrono::steady_clock::now()) {}

  std::chrono::milliseconds interval() const override { return reporter_.interval(); }
  void tick(const LedgerTotals& totals) override { reporter_.update(state(totals)); }
  void end(const LedgerTotals& totals) override { reporter_.finish(state(totals)); }
  // Bytes in front of an input's records, which no batch will have; from any thread.
  void passed_over(std::uint64_t bytes) { bytes_in_front_ += bytes; }

 private:
  [[nodiscard]] ProgressState state(const LedgerTotals& totals) const {
    return ProgressState{
        .bytes_done =
            bytes_in_front_ + std::max(totals.committed.bytes + totals.skipped.bytes, totals.bytes_sent),
        .bytes_total = bytes_total_,
        .rows_loaded = totals.rows_stored(),
        .records_skipped = totals.skipped.records,
        .records_total = totals.split.records,
        .elapsed = std::chrono::steady_clock::now() - started_};
  }

  ProgressReporter& reporter_;
  std::optional<std::uint64_t> bytes_total_;
  std::atomic<std::uint64_t> bytes_in_front_{0};
  std::chrono::steady_clock::time_point started_;
};

}  // namespace hypercopy
