// Whether a standby that took over has what this run has committed: of a primary that fails, commits that were answered
// may be lost with it.
// Shape:   note() after each COMMIT; expect_commits_kept() on each connection that takes a lost one's place, and once more
//          at the end of a run where is_to_be_asked(). The log of a server has an order: where a worker's newest commit is
//          there, all before it are.
// Threads: any.
// Errors:  target: commits are lost, or nobody knows; sql and connection, as the server is asked.
// Why:     sending the batches in flight again would look like a whole load. An import needs none of this: its marks are
//          lost with the rows.
// Source:  commit_outcome.hpp, "Kept".
#pragma once

#include <map>
#include <mutex>
#include <optional>

#include "hypercopy/commit_outcome.hpp"
#include "hypercopy/connection.hpp"

namespace hypercopy {

class FailoverGuard {
 public:
  // The newest commit of this worker; 0: of what came before them; from kHandOvers on: of what comes behind them, with
  // kRebuild: that of the indexes.
  static constexpr unsigned kHandOvers = 1U << 20;
  static constexpr unsigned kRebuild = 1U << 21;
  void note(unsigned worker, const AnsweredTransaction& transaction);
  // All that this connection's server has committed by now, where it lets this user read its mark.
  [[nodiscard]] Status note_all(unsigned worker, Connection& connection);
  // A server that does not let this user read its mark was never noted.
  [[nodiscard]] Status expect_commits_kept(Connection& connection);
  // Commits of before and behind a failover are there, and those of before may have been noted late.
  [[nodiscard]] bool is_to_be_asked() const;
  // The error that was given: what was committed is lost, or nobody knows.
  [[nodiscard]] std::optional<Error> found_lost() const;

 private:
  mutable std::mutex mutex_;
  std::map<unsigned, AnsweredTransaction> newest_{};  // protected by mutex_
  std::optional<Error> lost_{};                       // protected by mutex_
};

}  // namespace hypercopy
