// A FIFO that stays open: whoever reads it waits for more.
// Errors:  std::runtime_error where it cannot be made or written.
#pragma once

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <stdexcept>
#include <string>
#include <string_view>

namespace hypercopy::test {

class OpenPipe {
 public:
  explicit OpenPipe(const std::string& path) {
    if (::mkfifo(path.c_str(), 0600) == 0) fd_ = ::open(path.c_str(), O_RDWR | O_CLOEXEC);
    if (fd_ < 0) throw std::runtime_error("mkfifo");
  }
  ~OpenPipe() { ::close(fd_); }
  OpenPipe(const OpenPipe&) = delete;
  OpenPipe& operator=(const OpenPipe&) = delete;

  void write(std::string_view bytes) const {
    if (::write(fd_, bytes.data(), bytes.size()) != static_cast<ssize_t>(bytes.size()))
      throw std::runtime_error("write to a FIFO");
  }

 private:
  int fd_ = -1;
};

}  // namespace hypercopy::test
