// Ends a wait when a time is over: for questions that are asked although the run was told to end at once.
// Owns:    a thread, which ends with this. Borrows the cancellation, which must outlive it.
#pragma once

#include <chrono>
#include <condition_variable>
#include <mutex>
#include <thread>

#include "hypercopy/cancellation.hpp"

namespace hypercopy {

class TimeLimit {
 public:
  TimeLimit(Cancellation& ends, std::chrono::milliseconds limit)
      : thread_([&ends, limit](const std::stop_token& over) {
          std::mutex mutex;
          std::condition_variable_any condition;
          std::unique_lock lock(mutex);
          condition.wait_for(lock, over, limit, [] { return false; });
          if (!over.stop_requested()) ends.request(Cancellation::Level::immediate);
        }) {}

 private:
  std::jthread thread_;
};

}  // namespace hypercopy
