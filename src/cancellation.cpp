#include "hypercopy/cancellation.hpp"

#include <sys/eventfd.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

namespace hypercopy {

namespace {

void make_readable(int fd) noexcept {
  const std::uint64_t one = 1;
  // A full counter (EAGAIN) is readable already, and nothing else can fail here.
  [[maybe_unused]] const auto written = ::write(fd, &one, sizeof one);
}

}  // namespace

Result<std::unique_ptr<Cancellation>> Cancellation::create() {
  const int graceful = ::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  const int immediate = ::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  if (graceful < 0 || immediate < 0) {
    const int cause = errno;
    if (graceful >= 0) ::close(graceful);
    return fail(ErrorKind::internal, std::string("cannot make an eventfd: ") + std::strerror(cause));
  }
  return std::unique_ptr<Cancellation>(new Cancellation(graceful, immediate));
}

Cancellation::~Cancellation() {
  ::close(graceful_fd_);
  ::close(immediate_fd_);
}

void Cancellation::request(Level level) noexcept {
  Level before = level_.load(std::memory_order_acquire);
  while (before < level && !level_.compare_exchange_weak(before, level, std::memory_order_acq_rel)) {
  }
  const int cause = errno;  // a signal handler must leave errno as it was
  if (level >= Level::graceful) make_readable(graceful_fd_);
  if (level >= Level::immediate) make_readable(immediate_fd_);
  errno = cause;
}

void Cancellation::escalate() noexcept {
  request(level() == Level::none ? Level::graceful : Level::immediate);
}

}  // namespace hypercopy
