// Whether a crash of the server took what this run has committed: of an UNLOGGED table nothing is left then.
// Shape:   know() before the first row; expect_rows_kept() on each connection that takes a lost one's place.
// Threads: know() before the workers start, expect_rows_kept() and found_empty() on any.
// Errors:  target: the rows are gone; sql and connection, as the server's mark is read.
// Why:     sending the batches in flight again would look like a whole load.
// Source:  commit_outcome.hpp, ServerMark.
#pragma once

#include <atomic>
#include <optional>

#include "hypercopy/commit_outcome.hpp"
#include "hypercopy/connection.hpp"
#include "hypercopy/console.hpp"

namespace hypercopy {

class CrashGuard {
 public:
  enum class Target { table, staging };  // what the workers copy into

  CrashGuard(Target target, Console& console) : target_(target), console_(console) {}

  // A server that does not let this user read its mark leaves none.
  [[nodiscard]] Status know(Connection& connection);
  [[nodiscard]] Status expect_rows_kept(Connection& connection);
  // A crash emptied the table, and that was said.
  [[nodiscard]] bool found_empty() const { return emptied_.test(); }

 private:
  Target target_;
  Console& console_;
  std::optional<ServerMark> server_;
  std::atomic_flag emptied_{};
};

}  // namespace hypercopy
