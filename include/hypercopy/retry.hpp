// Which failures pass by themselves, and how long to wait before the next attempt.
// Shape:   is_transient() looks at kind and SQLSTATE, never at a message's text, which may be translated. Backoff gives
//          one delay per attempt: doubled each time, with full jitter so that N workers do not come back in step, until
//          the time since its first failure is used up.
// Units:   milliseconds.
// Threads: plain values; one Backoff per worker and failure.
// Source:  PostgreSQL manual, Appendix A "Error Codes", and "Serialization Failure Handling".
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <random>

#include "hypercopy/cancellation.hpp"
#include "hypercopy/result.hpp"

namespace hypercopy {

// A lost or refused connection (also a server that starts, stops or is full), a deadlock or serialization failure, a lock
// that was not available, resources that ran out (disk, memory, connections; not 53400, a limit that somebody
// configured), and a server that has become read-only (25006: a failover moves the primary). Not a wrong password, user or
// database: those stay wrong.
[[nodiscard]] bool is_transient(const Error& error);
// Of these, that the server has become read-only: it may stay so, while a new connection is made to the one that took its
// place.
[[nodiscard]] bool is_read_only(const Error& error);

class Backoff {
 public:
  using Clock = std::chrono::steady_clock;
  using Duration = std::chrono::milliseconds;

  static constexpr Duration kFirst{50};
  static constexpr Duration kLongest{5000};

  // `timeout` 0: no second attempt at all.
  Backoff(Duration timeout, std::uint64_t seed) : timeout_(timeout), random_(seed) {}

  // After a failure at `now`: how long to wait, or nothing when the time since the first failure is used up. The last
  // wait ends with the timeout, so that the last attempt happens then.
  [[nodiscard]] std::optional<Duration> next(Clock::time_point now);
  // The attempt went well: the next failure is a first one.
  void reset() { first_failure_.reset(); }

 private:
  Duration timeout_;
  std::mt19937_64 random_;
  std::optional<Clock::time_point> first_failure_;
  Duration ceiling_ = kFirst;
};

// Waits for the delay, or until `stop`; true when the delay is over.
[[nodiscard]] bool wait_out(Backoff::Duration delay, StopAt stop);

}  // namespace hypercopy
