#include "hypercopy/recovery.hpp"

#include <fmt/format.h>

#include <random>

namespace hypercopy {

Recovery::Recovery(Limits limits, Console& console)
    : limits_(limits), console_(console), backoff_(limits.timeout, std::random_device{}()) {}

bool Recovery::ready_again(CopyStream& stream, Error& error, std::string_view extent) {
  if (limits_.timeout.count() == 0 || !is_transient(error)) return false;
  stream.abort("sent again after an error that passes");
  say_once(error, extent);
  if (!wait_for_next(error, limits_.retry)) return false;
  const bool is_ready = stream.is_usable() && !is_read_only(error);
  return is_ready || reopen(stream, error, limits_.retry);
}

CommitOutcome Recovery::settle_commit(CopyStream& stream, const Error& error, std::string_view extent) {
  if (limits_.timeout.count() == 0 || !is_transient(error)) return CommitOutcome::unknown;
  say_once(error, extent);
  Error trouble;
  while (reopen(stream, trouble, limits_.settle)) {
    const auto outcome = stream.lost_commit(limits_.timeout, limits_.settle);
    if (outcome) return *outcome;
    // Lost again while asking: that changes nothing about the transaction in question.
    if (!is_transient(outcome.error()) || !wait_for_next(trouble, limits_.settle)) break;
  }
  return CommitOutcome::unknown;
}

// Until there is a connection, or no hope of one.
bool Recovery::reopen(CopyStream& stream, Error& error, StopAt stop) {
  while (true) {
    auto opened = stream.reopen(stop);
    if (opened) return true;
    error = std::move(opened).error();
    if (!is_transient(error) || !wait_for_next(error, stop)) return false;
  }
}

bool Recovery::wait_for_next(Error& error, StopAt stop) {
  const auto delay = backoff_.next(Backoff::Clock::now());
  if (delay) return wait_out(*delay, stop);
  error.hint =
      fmt::format("It did not pass within {} s; --retry-timeout sets for how long it is tried again.",
                  std::chrono::duration_cast<std::chrono::seconds>(limits_.timeout).count());
  return false;
}

void Recovery::say_once(const Error& error, std::string_view extent) {
  if (std::exchange(failing_, true)) return;
  const std::string code = error.sqlstate.empty() ? "" : fmt::format(" (SQLSTATE {})", error.sqlstate);
  console_.log(LogLevel::warning, fmt::format("{}{}: trying again with {}", error.message, code, extent));
}

void Recovery::succeeded() {
  failing_ = false;
  backoff_.reset();
}

}  // namespace hypercopy
