#include "hypercopy/retry.hpp"

#include <poll.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <string_view>

#include "sqlstate.hpp"

namespace hypercopy {

namespace {

using Codes = std::array<std::string_view, 7>;

// Operator intervention as far as it passes: admin_shutdown, crash_shutdown, cannot_connect_now. Not query_canceled
// (somebody wanted that), nor database_dropped.
constexpr Codes kTransient{
    "40001", sqlstate::kDeadlockDetected,      sqlstate::kLockNotAvailable, "57P01", "57P02",
    "57P03", sqlstate::kReadOnlySqlTransaction};

}  // namespace

bool is_transient(const Error& error) {
  if (error.kind != ErrorKind::connection && error.kind != ErrorKind::sql) return false;
  const std::string_view code = error.sqlstate;
  // Without a code nobody answered: the host is not reached, or the connection broke.
  if (code.empty()) return error.kind == ErrorKind::connection;
  if (code.starts_with("08")) return code != "08P01";  // the two do not speak the same protocol: that stays
  if (code.starts_with("53")) return code != "53400";
  return std::ranges::find(kTransient, code) != kTransient.end();
}

bool is_read_only(const Error& error) { return error.sqlstate == sqlstate::kReadOnlySqlTransaction; }

std::optional<Backoff::Duration> Backoff::next(Clock::time_point now) {
  if (!first_failure_) {
    first_failure_ = now;
    ceiling_ = kFirst;
  }
  const auto left = std::chrono::ceil<Duration>(*first_failure_ + timeout_ - now);
  if (left <= Duration::zero()) return std::nullopt;
  // At least half of the ceiling: a delay near 0 would only add load to a server in trouble.
  std::uniform_int_distribution<Duration::rep> between(ceiling_.count() / 2, ceiling_.count());
  const Duration delay{between(random_)};
  ceiling_ = std::min(ceiling_ * 2, kLongest);
  return std::min(delay, left);
}

bool wait_out(Backoff::Duration delay, StopAt stop) {
  const auto end = Backoff::Clock::now() + delay;
  pollfd wait{.fd = stop.fd(), .events = POLLIN, .revents = 0};
  while (true) {
    const auto left = std::chrono::ceil<Backoff::Duration>(end - Backoff::Clock::now());
    if (left <= Backoff::Duration::zero()) return true;
    const int ready = ::poll(&wait, 1, static_cast<int>(left.count()));
    if (ready > 0) return false;
    if (ready == 0) return true;
    if (errno != EINTR) return false;
  }
}

}  // namespace hypercopy
