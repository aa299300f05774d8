// Does something at a person's first request to stop: passes it on as "at once", for work of which nothing is worth
// finishing, or says what happens now.
// Owns:    a thread, which ends with this. Borrows the cancellations, which must outlive it; `end` is
//          for this alone.
#pragma once

#include <poll.h>

#include <array>
#include <functional>
#include <thread>
#include <utility>

#include "hypercopy/cancellation.hpp"

namespace hypercopy {

class StopRelay {
 public:
  StopRelay(const Cancellation& from, Cancellation& to, Cancellation& end)
      : StopRelay(
            from, [&to] { to.request(Cancellation::Level::immediate); }, end) {}
  // `at_stop`: on the thread of this.
  StopRelay(const Cancellation& from, std::function<void()> at_stop, Cancellation& end)
      : end_(end), thread_([&from, at_stop = std::move(at_stop), &end] {
          std::array<pollfd, 2> waits{pollfd{.fd = from.graceful_fd(), .events = POLLIN, .revents = 0},
                                      pollfd{.fd = end.graceful_fd(), .events = POLLIN, .revents = 0}};
          while (::poll(waits.data(), waits.size(), -1) < 0) {
          }
          if (waits[0].revents != 0) at_stop();
        }) {}
  ~StopRelay() { end_.request(Cancellation::Level::graceful); }
  StopRelay(const StopRelay&) = delete;
  StopRelay& operator=(const StopRelay&) = delete;

 private:
  Cancellation& end_;
  std::jthread thread_;
};

}  // namespace hypercopy
