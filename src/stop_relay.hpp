// Passes a person's first request to stop on as "at once", for work of which nothing is worth finishing.
// Owns:    a thread, which ends with this. Borrows the three cancellations, which must outlive it; `end` is
//          for this alone.
#pragma once

#include <poll.h>

#include <array>
#include <thread>

#include "hypercopy/cancellation.hpp"

namespace hypercopy {

class StopRelay {
 public:
  StopRelay(const Cancellation& from, Cancellation& to, Cancellation& end)
      : end_(end), thread_([&from, &to, &end] {
          std::array<pollfd, 2> waits{pollfd{.fd = from.graceful_fd(), .events = POLLIN, .revents = 0},
                                      pollfd{.fd = end.graceful_fd(), .events = POLLIN, .revents = 0}};
          while (::poll(waits.data(), waits.size(), -1) < 0) {
          }
          if (waits[0].revents != 0) to.request(Cancellation::Level::immediate);
        }) {}
  ~StopRelay() { end_.request(Cancellation::Level::graceful); }
  StopRelay(const StopRelay&) = delete;
  StopRelay& operator=(const StopRelay&) = delete;

 private:
  Cancellation& end_;
  std::jthread thread_;
};

}  // namespace hypercopy
