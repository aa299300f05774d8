// Whether a run still tries to send its batches as COPY BINARY, and how that went.
// Shape:   workers ask tries(), then tell what came of it. When most batches were given up, the run stops
//          trying: encoding would only cost time.
// Units:   batches.
// Threads: any; counters only.
#pragma once

#include <atomic>
#include <cstdint>

#include "hypercopy/load_options.hpp"

namespace hypercopy {

struct WireTotals {
  std::uint64_t encoded = 0;   // sent as COPY BINARY
  std::uint64_t given_up = 0;  // tried, and sent as CSV
  std::uint64_t sorted = 0;    // runs of records that were put in the order of time
};

class WireChoice {
 public:
  explicit WireChoice(Wire wanted) : wanted_(wanted), trying_(wanted != Wire::csv) {}

  [[nodiscard]] bool tries() const { return trying_.load(std::memory_order_relaxed); }
  [[nodiscard]] bool is_demanded() const { return wanted_ == Wire::binary; }
  void encoded() { encoded_.fetch_add(1, std::memory_order_relaxed); }
  // True for the one call that makes the run stop trying.
  bool given_up() {
    const std::uint64_t count = given_up_.fetch_add(1, std::memory_order_relaxed) + 1;
    const bool hopeless = count >= kEnoughToJudge && count > encoded_.load(std::memory_order_relaxed);
    return hopeless && trying_.exchange(false, std::memory_order_relaxed);
  }
  // True for the first one of the run.
  bool sorted() { return sorted_.fetch_add(1, std::memory_order_relaxed) == 0; }
  [[nodiscard]] WireTotals totals() const {
    return {.encoded = encoded_.load(std::memory_order_relaxed),
            .given_up = given_up_.load(std::memory_order_relaxed),
            .sorted = sorted_.load(std::memory_order_relaxed)};
  }

 private:
  static constexpr std::uint64_t kEnoughToJudge = 8;

  Wire wanted_;
  std::atomic<bool> trying_;
  std::atomic<std::uint64_t> encoded_{0};
  std::atomic<std::uint64_t> given_up_{0};
  std::atomic<std::uint64_t> sorted_{0};
};

}  // namespace hypercopy
