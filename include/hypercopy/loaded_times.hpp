// Between which times the records lie that a run has encoded, for what is done behind it with just that range.
// Shape:   workers add what they encode, or say that they sent something whose times they did not read; span() when all is
//          loaded. Records that were rejected afterwards count: the span may be too wide, never too narrow.
// Units:   as the server stores the value: integers; days since 2000-01-01; microseconds since then.
// Threads: any.
#pragma once

#include <atomic>
#include <cstdint>
#include <optional>

namespace hypercopy {

struct KeySpan {
  std::int64_t least = 0;
  std::int64_t most = 0;
};

class LoadedTimes {
 public:
  void add(KeySpan span) {
    auto least = least_.load(std::memory_order_relaxed);
    while (span.least < least && !least_.compare_exchange_weak(least, span.least)) {
    }
    auto most = most_.load(std::memory_order_relaxed);
    while (span.most > most && !most_.compare_exchange_weak(most, span.most)) {
    }
  }
  // Records are loaded whose times nobody has read.
  void lose() { lost_ = true; }

  [[nodiscard]] bool is_lost() const { return lost_; }
  // Nothing where no record was encoded. REQUIRES: !is_lost().
  [[nodiscard]] std::optional<KeySpan> span() const {
    const KeySpan span{.least = least_, .most = most_};
    return span.least <= span.most ? std::optional(span) : std::nullopt;
  }

 private:
  std::atomic<std::int64_t> least_{INT64_MAX};
  std::atomic<std::int64_t> most_{INT64_MIN};
  std::atomic<bool> lost_{false};
};

}  // namespace hypercopy
