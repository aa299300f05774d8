// A new file that is only appended to, and whose end can be taken back.
// Shape:   open() makes the file, or takes an empty one; append() returns when the bytes are on the disk. For as long as it
//          lives it holds the file (flock), where the file system can: others see by it that a file with bytes is written.
// Owns:    its descriptor.
// Threads: one at a time.
// Errors:  output, naming the file. After a failed append() the file is as long as before, or as its error says.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "hypercopy/result.hpp"

namespace hypercopy {

class AppendFile {
 public:
  explicit AppendFile(std::string path) : path_(std::move(path)) {}
  ~AppendFile();
  AppendFile(const AppendFile&) = delete;
  AppendFile& operator=(const AppendFile&) = delete;

  // Nothing happens where it is open.
  [[nodiscard]] Status open();
  // REQUIRES: open().
  [[nodiscard]] Status append(std::string_view bytes);
  [[nodiscard]] Status cut_to(std::uint64_t size);
  [[nodiscard]] std::uint64_t size() const { return size_; }
  [[nodiscard]] const std::string& path() const { return path_; }
  // Removes it where it is open and empty.
  void remove_if_empty() noexcept;

 private:
  [[nodiscard]] Status write_all(std::string_view bytes) const;

  std::string path_;
  int fd_ = -1;
  std::uint64_t size_ = 0;
};

}  // namespace hypercopy
