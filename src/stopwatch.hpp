// Adds the time until its end to one share of a run's time.
#pragma once

#include <chrono>

#include "hypercopy/report.hpp"

namespace hypercopy {

class Stopwatch {
 public:
  explicit Stopwatch(TimeShares::Duration& share) : share_(share), begin_(Clock::now()) {}
  ~Stopwatch() { share_ += Clock::now() - begin_; }
  Stopwatch(const Stopwatch&) = delete;
  Stopwatch& operator=(const Stopwatch&) = delete;

 private:
  using Clock = std::chrono::steady_clock;
  TimeShares::Duration& share_;
  Clock::time_point begin_;
};

}  // namespace hypercopy
