#include "cpu_file.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>

#include "hypercopy/generate.hpp"

namespace hypercopy::bench {

namespace {

Error write_error(const std::string& path) {
  return Error{.kind = ErrorKind::input,
               .message = fmt::format("cannot write {}: {}", path, std::strerror(errno))};
}

Status write_all(int fd, const std::string& path, std::string_view block) {
  while (!block.empty()) {
    const ssize_t count = ::write(fd, block.data(), block.size());
    if (count < 0) return fail(write_error(path));
    block.remove_prefix(static_cast<std::size_t>(count));
  }
  return {};
}

}  // namespace

Result<std::unique_ptr<CpuFile>> CpuFile::make(std::uint64_t rows) {
  const char* const folder = std::getenv("TMPDIR");
  std::unique_ptr<CpuFile> file(new CpuFile);
  std::string path = fmt::format("{}/hypercopy-bench-XXXXXX", folder == nullptr ? "/tmp" : folder);
  const int fd = ::mkstemp(path.data());
  if (fd < 0) return fail(write_error(path));
  file->path_ = path;
  const Status generated = generate({.rows = rows}, [&](std::string_view block) -> Status {
    file->bytes_ += block.size();
    return write_all(fd, path, block);
  });
  ::close(fd);
  if (!generated) return fail(generated.error());
  file->rows_ = rows;
  return file;
}

CpuFile::~CpuFile() {
  if (!path_.empty()) ::unlink(path_.c_str());
}

}  // namespace hypercopy::bench
