// Keeps TimescaleDB's jobs of a hypertable from starting while it is loaded (--pause-jobs), and cannot leave them switched
// off: their next start is pushed a little ahead, again and again.
// Shape:   begin() pushes once, then a thread does every kPushEvery. Its end gives every job its own next start back, or
//          starts it now where that time is over. A load that dies pushes no more: its jobs start within kPushTo.
// Jobs:    policy_compression, policy_recompression, policy_retention, policy_reorder of the table itself: those that lock or
//          rewrite chunks. A job that is at work goes on.
// Owns:    a connection, `hypercopy load RUN jobs`, and a thread.
// Threads: one of its own; begin() and the destructor on the load's.
// Errors:  of begin(): usage: no hypertable; sql 42501: jobs are altered by their owner. Later failures are said once.
// Source:  alter_job() of TimescaleDB 2.28.3; ts-dump's job mover pushes likewise.
#pragma once

#include <chrono>
#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "hypercopy/cancellation.hpp"
#include "hypercopy/connection.hpp"
#include "hypercopy/console.hpp"
#include "hypercopy/hypertable.hpp"

namespace hypercopy {

class JobPause {
 public:
  using Connect = std::function<Result<Connection>(StopAt stop)>;
  static constexpr std::chrono::seconds kPushEvery{30};
  static constexpr std::chrono::seconds kPushTo{120};

  [[nodiscard]] static Result<std::unique_ptr<JobPause>> begin(const Hypertable& hypertable, Connect connect,
                                                               Console& console,
                                                               const Cancellation& cancellation);
  ~JobPause();
  JobPause(const JobPause&) = delete;
  JobPause& operator=(const JobPause&) = delete;

 private:
  struct Job {
    int id = 0;
    std::string next_start;  // before it was pushed
  };

  JobPause(Connect connect, Console& console, const Cancellation& cancellation)
      : connect_(std::move(connect)), console_(console), cancellation_(cancellation) {}

  [[nodiscard]] Status find_jobs(const Hypertable& hypertable);
  [[nodiscard]] Status push();
  [[nodiscard]] Status give_back();
  void push_until_the_end(const std::stop_token& stop);

  Connect connect_;
  Console& console_;
  const Cancellation& cancellation_;
  std::optional<Connection> connection_;
  std::string alter_job_;  // the function's name, quoted
  std::vector<Job> jobs_;
  std::mutex mutex_;
  std::condition_variable_any changed_;
  std::jthread thread_;  // last: it uses all of the above
};

}  // namespace hypercopy
