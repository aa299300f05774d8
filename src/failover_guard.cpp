#include "failover_guard.hpp"

#include <algorithm>

namespace hypercopy {

namespace {

Error lost(CommitOutcome outcome) {
  return Error{.kind = ErrorKind::target,
               .message = outcome == CommitOutcome::rolled_back
                              ? "the server failed over to a standby that lacks what this load had committed"
                              : "the server failed over, and nobody knows whether what this load had "
                                "committed is still there",
               .detail =
                   "This was noticed when a connection was made anew for the records named here, which "
                   "are not loaded; those that were committed are others.",
               .hint =
                   "Load the input again from its beginning, with --truncate where the table holds "
                   "nothing else. With --import-id it would go on."};
}

}  // namespace

void FailoverGuard::note(unsigned worker, const AnsweredTransaction& transaction) {
  const std::lock_guard lock(mutex_);
  newest_[worker] = transaction;
}

Status FailoverGuard::note_all(unsigned worker, Connection& connection) {
  auto all = read_all_committed(connection);
  if (!all) return all.error().kind == ErrorKind::sql ? Status{} : fail(std::move(all).error());
  note(worker, *all);
  return {};
}

// Asked without the lock: a server that does not answer must hold up nobody else.
Status FailoverGuard::expect_commits_kept(Connection& connection) {
  const auto newest = [this] {
    const std::lock_guard lock(mutex_);
    return newest_;
  }();
  if (newest.empty()) return {};
  HYPERCOPY_ASSIGN(const ServerMark now, read_server_mark(connection));
  for (const auto& [worker, transaction] : newest) {
    HYPERCOPY_ASSIGN(const CommitOutcome outcome, find_kept_outcome(connection, now, transaction));
    const std::lock_guard lock(mutex_);
    if (outcome != CommitOutcome::committed) {
      lost_ = lost(outcome);
      return fail(*lost_);
    }
    // It is part of that server's history too; what was noted meanwhile may not be, and not all have an id.
    AnsweredTransaction& kept = newest_[worker];
    if (kept.position == transaction.position) kept.server = now;
  }
  return {};
}

bool FailoverGuard::is_to_be_asked() const {
  const std::lock_guard lock(mutex_);
  return !lost_ && std::any_of(newest_.begin(), newest_.end(), [&](const auto& noted) {
    return noted.second.server.timeline != newest_.begin()->second.server.timeline;
  });
}

std::optional<Error> FailoverGuard::found_lost() const {
  const std::lock_guard lock(mutex_);
  return lost_;
}

}  // namespace hypercopy
