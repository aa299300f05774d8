#include "hypercopy/source.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <glob.h>
#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>

namespace hypercopy {

namespace {

Error input_error(std::string message, std::string hint = {}) {
  return Error{.kind = ErrorKind::input, .message = std::move(message), .hint = std::move(hint)};
}

// The bytes of a regular file that are the input.
struct Extent {
  std::uint64_t begin = 0;
  std::uint64_t size = 0;
};

class FileSource final : public Source {
 public:
  FileSource(int fd, bool owned, std::string name, std::optional<Extent> extent,
             const Cancellation& cancellation)
      : fd_(fd), owned_(owned), name_(std::move(name)), extent_(extent), cancellation_(cancellation) {}

  ~FileSource() override {
    if (owned_) ::close(fd_);
  }
  FileSource(const FileSource&) = delete;
  FileSource& operator=(const FileSource&) = delete;

  Result<std::size_t> read(std::span<char> into) override {
    if (error_) return fail(*error_);
    auto result = read_some(into);
    if (!result) error_ = result.error();
    return result;
  }

  void seek(std::uint64_t byte) override { offset_ = byte; }
  const std::string& name() const override { return name_; }
  std::optional<std::uint64_t> size() const override {
    return extent_ ? std::optional(extent_->size) : std::nullopt;
  }

 private:
  Result<std::size_t> read_some(std::span<char> into) {
    while (true) {
      // A regular file always answers at once; a pipe may wait for its writer for ever.
      if (!extent_) HYPERCOPY_TRY(wait_readable());
      // pread() leaves the descriptor's own offset alone: standard input may be opened again.
      const ssize_t count =
          extent_ ? ::pread(fd_, into.data(), into.size(), static_cast<off_t>(extent_->begin + offset_))
                  : ::read(fd_, into.data(), into.size());
      if (count > 0) {
        offset_ += static_cast<std::uint64_t>(count);
        return static_cast<std::size_t>(count);
      }
      if (count == 0) return end_of_input();
      if (errno != EINTR && errno != EAGAIN) {
        return fail(
            input_error(fmt::format("cannot read {} at byte {}: {}", name_, offset_, std::strerror(errno))));
      }
    }
  }

  Result<std::size_t> end_of_input() const {
    if (extent_ && offset_ < extent_->size) {
      return fail(input_error(
          fmt::format(
              "{} shrank while it was read: it had {} bytes when it was opened and ends now at byte {}",
              name_, extent_->size, offset_),
          "Something else writes or truncates the file. Load a copy that stays as it is."));
    }
    return std::size_t{0};
  }

  Status wait_readable() const {
    std::array<pollfd, 2> waits{pollfd{.fd = fd_, .events = POLLIN, .revents = 0},
                                pollfd{.fd = cancellation_.graceful_fd(), .events = POLLIN, .revents = 0}};
    while (::poll(waits.data(), waits.size(), -1) < 0) {
      if (errno != EINTR) {
        return fail(input_error(fmt::format("cannot wait for {}: {}", name_, std::strerror(errno))));
      }
    }
    if (waits[1].revents != 0) {
      return fail(ErrorKind::interrupted, fmt::format("interrupted while reading {}", name_));
    }
    return {};
  }

  int fd_;
  bool owned_;
  std::string name_;
  std::optional<Extent> extent_;
  const Cancellation& cancellation_;
  std::uint64_t offset_ = 0;
  std::optional<Error> error_;
};

// Bytes from the current position to the end, where the descriptor is a regular file.
Result<std::optional<Extent>> remaining_extent(int fd, const std::string& name) {
  struct stat info {};
  if (::fstat(fd, &info) != 0) {
    return fail(input_error(fmt::format("cannot examine {}: {}", name, std::strerror(errno))));
  }
  if (S_ISDIR(info.st_mode)) {
    return fail(input_error(fmt::format("{} is a directory, not a file", name),
                            fmt::format("To load the files in it, name them: '{}/*.csv'", name)));
  }
  if (!S_ISREG(info.st_mode)) return std::optional<Extent>{};
  const off_t at = std::max<off_t>(::lseek(fd, 0, SEEK_CUR), 0);
  const off_t left = std::max<off_t>(info.st_size - at, 0);
  return std::optional(
      Extent{.begin = static_cast<std::uint64_t>(at), .size = static_cast<std::uint64_t>(left)});
}

bool is_pattern(const std::string& argument) {
  return argument.find_first_of("*?[") != std::string::npos && ::access(argument.c_str(), F_OK) != 0;
}

Status append_matches(const std::string& pattern, std::vector<std::string>& files) {
  glob_t matches{};
  const int outcome = ::glob(pattern.c_str(), GLOB_ERR, nullptr, &matches);
  if (outcome == 0) files.insert(files.end(), matches.gl_pathv, matches.gl_pathv + matches.gl_pathc);
  ::globfree(&matches);
  if (outcome == GLOB_NOMATCH) return fail(input_error(fmt::format("no file matches {}", pattern)));
  if (outcome != 0)
    return fail(input_error(fmt::format("cannot read the folders of the pattern {}", pattern)));
  return {};
}

}  // namespace

std::string source_name(const std::string& path) { return path == "-" ? "standard input" : path; }

Result<std::unique_ptr<Source>> open_source(const std::string& path, const Cancellation& cancellation) {
  const bool standard_input = path == "-";
  std::string name = source_name(path);
  // A FIFO that nobody writes would block open(2), which no request to stop could end. Opened like this, poll(2) waits
  // for the first writer instead.
  const int flags = O_RDONLY | O_CLOEXEC | (is_fifo(path) ? O_NONBLOCK : 0);
  const int fd = standard_input ? STDIN_FILENO : ::open(path.c_str(), flags);
  if (fd < 0) return fail(input_error(fmt::format("cannot open {}: {}", path, std::strerror(errno))));
  auto extent = remaining_extent(fd, name);
  if (!extent) {
    if (!standard_input) ::close(fd);
    return fail(std::move(extent).error());
  }
  if (*extent) ::posix_fadvise(fd, 0, 0, POSIX_FADV_SEQUENTIAL);  // advice: what it answers changes nothing
  return std::make_unique<FileSource>(fd, !standard_input, std::move(name), *extent, cancellation);
}

bool is_fifo(const std::string& path) {
  struct stat info {};
  return ::stat(path.c_str(), &info) == 0 && S_ISFIFO(info.st_mode);
}

Result<std::vector<std::string>> expand_files(const std::vector<std::string>& arguments) {
  if (arguments.empty()) return std::vector<std::string>{"-"};
  std::vector<std::string> files;
  for (const auto& argument : arguments) {
    if (is_pattern(argument)) {
      HYPERCOPY_TRY(append_matches(argument, files));
    } else {
      files.push_back(argument);
    }
  }
  return files;
}

Result<std::vector<std::string>> literal_files(std::vector<std::string> arguments) {
  if (arguments.empty()) {
    arguments.emplace_back("-");
  } else {
    std::ranges::replace(arguments, "-", "./-");
  }
  return arguments;
}

}  // namespace hypercopy
