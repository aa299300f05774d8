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
#include <optional>

#include "hypercopy/atomic_staging.hpp"
#include "hypercopy/cancellation.hpp"
#include "hypercopy/connection.hpp"

namespace hypercopy {

class AtomicLoad {
 public:
  using Connect = std::function<Result<Connection>(StopAt stop)>;

  AtomicLoad(AtomicStaging& staging, Connect connect, std::chrono::milliseconds retry_timeout, StopAt stop)
      : staging_(staging), connect_(std::move(connect)), retry_timeout_(retry_timeout), stop_(stop) {}

  [[nodiscard]] Status begin();
  // The rows that the target took.
  [[nodiscard]] Result<std::uint64_t> publish(std::uint64_t staged);
  // After an error of publish(): whether the rows are there nobody could say.
  [[nodiscard]] bool in_doubt() const { return commit_unanswered_; }
  void give_up() noexcept;

 private:
  [[nodiscard]] Status connect();
  [[nodiscard]] Result<std::uint64_t> publish_once(std::uint64_t staged);
  [[nodiscard]] Status end_former_backend();

  AtomicStaging& staging_;
  Connect connect_;
  std::chrono::milliseconds retry_timeout_;
  StopAt stop_;
  std::optional<Connection> connection_;
  bool commit_unanswered_ = false;
  int backend_ = 0;          // of the latest attempt
  std::uint64_t taken_ = 0;  // by the transaction that was asked to commit
};

}  // namespace hypercopy
