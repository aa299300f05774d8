// A file of generated `cpu` rows that goes when the program ends; freshly written, so it is in the page
// cache. Shape:   make() writes rows of generate.hpp into TMPDIR (or /tmp). Owns:    the file. Errors: make()
// says why no file could be made; a benchmark without data cannot go on.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "hypercopy/result.hpp"

namespace hypercopy::bench {

class CpuFile {
 public:
  [[nodiscard]] static Result<std::unique_ptr<CpuFile>> make(std::uint64_t rows);
  ~CpuFile();
  CpuFile(const CpuFile&) = delete;
  CpuFile& operator=(const CpuFile&) = delete;

  [[nodiscard]] const std::string& path() const { return path_; }
  [[nodiscard]] std::uint64_t rows() const { return rows_; }
  [[nodiscard]] std::uint64_t bytes() const { return bytes_; }

 private:
  CpuFile() = default;

  std::string path_;
  std::uint64_t rows_ = 0;
  std::uint64_t bytes_ = 0;
};

}  // namespace hypercopy::bench
