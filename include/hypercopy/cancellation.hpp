// How a run is asked to stop: gracefully (finish the batches in flight), then at once.
// Shape:   levels only rise. Each level has a file descriptor that becomes readable when it is reached, so
//          that every poll(2) of the program can wait for it beside its socket or input.
// Owns:    two eventfds.
// Threads: any; request() is async-signal-safe.
// Errors:  none; where eventfds cannot be made, create() says so.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>

#include "hypercopy/result.hpp"

namespace hypercopy {

class Cancellation {
 public:
  enum class Level : std::uint8_t { none, graceful, immediate };

  [[nodiscard]] static Result<std::unique_ptr<Cancellation>> create();
  ~Cancellation();
  Cancellation(const Cancellation&) = delete;
  Cancellation& operator=(const Cancellation&) = delete;

  void request(Level level) noexcept;
  // One step up: graceful at first, immediate when it was graceful already. For signal handlers.
  void escalate() noexcept;
  [[nodiscard]] Level level() const noexcept { return level_.load(std::memory_order_acquire); }

  // Readable from the moment that level `graceful` (or higher) is reached; never read from it.
  [[nodiscard]] int graceful_fd() const noexcept { return graceful_fd_; }
  [[nodiscard]] int immediate_fd() const noexcept { return immediate_fd_; }

 private:
  Cancellation(int graceful_fd, int immediate_fd) noexcept
      : graceful_fd_(graceful_fd), immediate_fd_(immediate_fd) {}

  static_assert(std::atomic<Level>::is_always_lock_free, "request() is called from signal handlers");
  std::atomic<Level> level_{Level::none};
  int graceful_fd_;
  int immediate_fd_;
};

// When a wait ends early: as soon as this cancellation has this level.
struct StopAt {
  const Cancellation& cancellation;
  Cancellation::Level level = Cancellation::Level::graceful;

  [[nodiscard]] int fd() const noexcept {
    return level == Cancellation::Level::immediate ? cancellation.immediate_fd() : cancellation.graceful_fd();
  }
};

}  // namespace hypercopy
