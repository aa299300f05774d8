#include "append_file.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <utility>

namespace hypercopy {

namespace {

tl::unexpected<Error> failure(std::string_view what, const std::string& path) {
  return fail(ErrorKind::output, fmt::format("cannot {} {}: {}", what, path, std::strerror(errno)));
}

// Until its folder is written, a new file may be gone after a crash.
Status sync_folder_of(const std::string& path) {
  const std::string parent = std::filesystem::path(path).parent_path().string();
  const int fd = ::open(parent.empty() ? "." : parent.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) return failure("open the folder of", path);
  const bool synced = ::fsync(fd) == 0 || errno == EINVAL;  // a file system that knows no such thing
  ::close(fd);
  return synced ? Status{} : failure("sync the folder of", path);
}

}  // namespace

AppendFile::~AppendFile() {
  if (fd_ >= 0) ::close(fd_);
}

Status AppendFile::open() {
  if (fd_ >= 0) return {};
  // A FIFO without a reader must not block.
  const int fd = ::open(path_.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NONBLOCK, 0666);
  if (fd < 0) return failure("open", path_);
  struct stat info {};
  const bool usable = ::fstat(fd, &info) == 0 && S_ISREG(info.st_mode) && info.st_size == 0;
  if (!usable) {
    ::close(fd);
    return fail(ErrorKind::output, fmt::format("{} is not an empty file any more", path_));
  }
  fd_ = fd;
  static_cast<void>(::flock(fd, LOCK_EX | LOCK_NB));
  return sync_folder_of(path_);
}

Status AppendFile::write_all(std::string_view bytes) const {
  while (!bytes.empty()) {
    const ssize_t written = ::write(fd_, bytes.data(), bytes.size());
    if (written < 0 && errno != EINTR) return failure("write", path_);
    if (written > 0) bytes.remove_prefix(static_cast<std::size_t>(written));
  }
  return ::fsync(fd_) == 0 ? Status{} : failure("sync", path_);
}

Status AppendFile::append(std::string_view bytes) {
  auto written = write_all(bytes);
  if (written) {
    size_ += bytes.size();
    return {};
  }
  Error error = std::move(written).error();
  if (auto cut = cut_to(size_); !cut) error.detail = std::move(cut).error().message;
  return fail(std::move(error));
}

Status AppendFile::cut_to(std::uint64_t size) {
  if (::ftruncate(fd_, static_cast<off_t>(size)) != 0) return failure("cut the end off", path_);
  size_ = size;
  return {};
}

void AppendFile::remove_if_empty() noexcept {
  if (fd_ >= 0 && size_ == 0) ::unlink(path_.c_str());
}

}  // namespace hypercopy
