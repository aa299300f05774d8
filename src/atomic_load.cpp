#include "atomic_load.hpp"

#include <fmt/format.h>

#include <array>
#include <random>
#include <utility>

#include "hypercopy/retry.hpp"

namespace hypercopy {

namespace {

constexpr std::string_view kUndefinedTable = "42P01";

}  // namespace

Status AtomicLoad::connect() {
  HYPERCOPY_ASSIGN(connection_, connect_(stop_));
  connection_->interrupt_at(stop_.level);
  return {};
}

// The lock is there before others can see the table.
Status AtomicLoad::begin() {
  HYPERCOPY_TRY(connect());
  HYPERCOPY_TRY(connection_->execute("BEGIN"));
  HYPERCOPY_TRY(staging_.create(*connection_));
  HYPERCOPY_TRY(staging_.mark_as_owned(*connection_));
  HYPERCOPY_TRY(connection_->execute("COMMIT"));
  return {};
}

Result<std::uint64_t> AtomicLoad::publish(std::uint64_t staged) {
  Backoff backoff(retry_timeout_, std::random_device{}());
  while (true) {
    auto ready = connection_ ? Status{} : connect();
    auto published = ready ? publish_once(staged) : Result<std::uint64_t>(fail(std::move(ready).error()));
    if (published) return published;
    if (published.error().kind == ErrorKind::interrupted) {
      // It stands in the middle of a statement.
      if (connection_) connection_->cancel_statement();
      connection_.reset();
      return published;
    }
    if (connection_ && !connection_->is_alive()) connection_.reset();
    if (connection_ && connection_->in_transaction()) {
      if (!connection_->execute("ROLLBACK")) connection_.reset();
    }
    if (!is_transient(published.error())) return published;
    const auto delay = backoff.next(Backoff::Clock::now());
    if (!delay || !wait_out(*delay, stop_)) return published;
  }
}

// The lock waits for whoever was asked to commit before.
Result<std::uint64_t> AtomicLoad::publish_once(std::uint64_t staged) {
  HYPERCOPY_TRY(end_former_backend());
  HYPERCOPY_TRY(connection_->execute("BEGIN; SET LOCAL lock_timeout TO '10s'"));
  if (auto locked = connection_->execute(fmt::format(
          "LOCK TABLE {} IN ACCESS EXCLUSIVE MODE; SET LOCAL lock_timeout TO 0", staging_.relation()));
      !locked) {
    if (locked.error().sqlstate != kUndefinedTable || !commit_unanswered_)
      return fail(std::move(locked).error());
    commit_unanswered_ = false;
    return taken_;
  }
  commit_unanswered_ = false;
  HYPERCOPY_ASSIGN(taken_, staging_.publish(*connection_, staged));
  auto committed = connection_->execute("COMMIT");
  if (committed && committed->tag() == "COMMIT") return taken_;
  if (committed) {
    return fail(ErrorKind::protocol, fmt::format("the server answered COMMIT with {}", committed->tag()));
  }
  commit_unanswered_ = committed.error().kind != ErrorKind::sql;
  return fail(std::move(committed).error());
}

// The backend of a connection that is lost may go on, or wait for a standby that does not answer: once it is gone, it has
// committed or not.
Status AtomicLoad::end_former_backend() {
  const int former = std::exchange(backend_, connection_->backend_pid());
  if (former == 0 || former == backend_) return {};
  const std::array<std::string, 1> which{std::to_string(former)};
  HYPERCOPY_TRY(connection_->execute(
      "SELECT pg_catalog.pg_terminate_backend(pid) FROM pg_catalog.pg_stat_activity WHERE pid = $1::int AND "
      "pid <> "
      "pg_catalog.pg_backend_pid() AND application_name = pg_catalog.current_setting('application_name')",
      which));
  return {};
}

// Whoever asked for it has its own error; what stays is removed by the next load.
void AtomicLoad::give_up() noexcept {
  if (!connection_ || !connection_->is_alive() || commit_unanswered_) return;
  if (connection_->in_transaction()) static_cast<void>(connection_->execute("ROLLBACK"));
  static_cast<void>(staging_.drop(*connection_));
}

}  // namespace hypercopy
