// A file system of a few kilobytes or megabytes, seen by this process and those that it starts from now on.
// Owns:    the mount, which goes with this; what the kernel shows of it to others is nothing.
// Errors:  mount() gives nothing where this user may not mount.
#pragma once

#include <fmt/format.h>
#include <sched.h>
#include <sys/mount.h>

#include <algorithm>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <memory>
#include <string>

namespace hypercopy::test {

class SmallDisk {
 public:
  // `path` is made; `size` as tmpfs takes it: 16k, 6m.
  [[nodiscard]] static std::unique_ptr<SmallDisk> mount(const std::string& path, const std::string& size) {
    std::filesystem::create_directory(path);
    if (::unshare(CLONE_NEWNS) != 0 || ::mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0 ||
        ::mount("tmpfs", path.c_str(), "tmpfs", 0, ("size=" + size).c_str()) != 0) {
      return nullptr;
    }
    return std::unique_ptr<SmallDisk>(new SmallDisk(path));
  }
  ~SmallDisk() { ::umount2(path_.c_str(), MNT_DETACH); }
  SmallDisk(const SmallDisk&) = delete;
  SmallDisk& operator=(const SmallDisk&) = delete;

  [[nodiscard]] const std::string& path() const { return path_; }
  // All of the room but so many bytes, until make_room().
  void fill_up_to(std::uintmax_t left) const {
    const std::uintmax_t free = std::filesystem::space(path_).available;
    std::ofstream(filler()) << std::string(free - std::min(left, free), 'x');
  }
  void make_room() const { std::filesystem::remove(filler()); }
  void resize(const std::string& size) const {
    ::mount("tmpfs", path_.c_str(), "tmpfs", MS_REMOUNT, ("size=" + size).c_str());
  }

 private:
  [[nodiscard]] std::string filler() const { return path_ + "/filler"; }

  explicit SmallDisk(std::string path) : path_(std::move(path)) {}
  std::string path_;
};

}  // namespace hypercopy::test
