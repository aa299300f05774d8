// An --atomic load without an import id: from the creation of its staging table to the transaction that empties it into
// the target.
// Shape:   begin() creates it; publish() ends the load, give_up() leaves nothing behind. What is left after kill -9 is found
//          by the next load (drop_left_staging()).
// Proof:   the staging table goes in the very transaction that fills the target. So when nobody answers COMMIT, its
//          existence tells on a new connection, also after a crash or failover.
// Owns:    a connection, `hypercopy load RUN control`, whose advisory lock says that this run lives.
// Threads: one at a time.
// Errors:  as atomic_staging.hpp; connection, when the outcome cannot be asked for: then in_doubt().
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>

#include "hypercopy/atomic_staging.hpp"
#include "hypercopy/cancellation.hpp"
#include "hypercopy/connection.hpp"
#include "hypercopy/lasting_connection.hpp"

namespace hypercopy {

class AtomicLoad {
 public:
  using Connect = std::function<Result<Connection>(StopAt stop)>;

  AtomicLoad(AtomicStaging& staging, const Connect& connect, std::chrono::milliseconds retry_timeout,
             StopAt stop);

  [[nodiscard]] Status begin();
  // The rows that the target took.
  [[nodiscard]] Result<std::uint64_t> publish(std::uint64_t staged);
  // After an error of publish(): whether the rows are there nobody could say.
  [[nodiscard]] bool in_doubt() const { return commit_unanswered_; }
  void give_up() noexcept;

 private:
  [[nodiscard]] Result<std::uint64_t> publish_once(Connection& connection, std::uint64_t staged);

  AtomicStaging& staging_;
  LastingConnection control_;
  bool commit_unanswered_ = false;
  int backend_ = 0;          // of the latest attempt
  std::uint64_t taken_ = 0;  // by the transaction that was asked to commit
};

}  // namespace hypercopy
