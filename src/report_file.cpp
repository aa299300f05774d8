#include "report_file.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>

#include "hypercopy/reject_files.hpp"
#include "hypercopy/source.hpp"
#include "reject_reason.hpp"

namespace hypercopy {
namespace {

namespace fs = std::filesystem;

constexpr const char* kHint = "name another file with --report";

// Reject files may not be there yet. Pipes and the like are overwritten by nothing.
bool is_same_file(const fs::path& one, const fs::path& other) {
  std::error_code unknown;
  const bool are_there = fs::exists(one, unknown) && fs::exists(other, unknown);
  if (are_there) return fs::equivalent(one, other, unknown) && !unknown;
  const fs::path first = fs::weakly_canonical(one, unknown);
  if (unknown) return false;
  const fs::path second = fs::weakly_canonical(other, unknown);
  return !unknown && first == second;
}

Status refuse_same(const std::string& path, const std::string& other, std::string_view what) {
  if (!is_same_file(path, other)) return {};
  return fail(ErrorKind::usage, fmt::format("the report {} would overwrite {}", path, what), kHint);
}

Status expect_writable(const std::string& path) {
  std::error_code unknown;
  const auto refuse = [&path](std::string_view why) {
    return fail(ErrorKind::usage, fmt::format("the report {} cannot be written: {}", path, why), kHint);
  };
  if (fs::is_directory(path, unknown)) return refuse("it is a folder");
  const fs::path folder = fs::path(path).parent_path();
  const bool is_writable = fs::exists(path, unknown)
                               ? ::access(path.c_str(), W_OK) == 0
                               : ::access(folder.empty() ? "." : folder.c_str(), W_OK | X_OK) == 0;
  return is_writable ? Status{} : refuse(std::strerror(errno));
}

}  // namespace

Status expect_place_for_report(const LoadOptions& options) {
  const std::string& path = options.report_file;
  if (path.empty()) return {};
  HYPERCOPY_TRY(expect_writable(path));
  const auto inputs = options.literal_files ? literal_files(options.files) : expand_files(options.files);
  if (!inputs) return {};  // what is wrong with them, the run says
  for (const auto& input : *inputs) {
    if (input != "-") HYPERCOPY_TRY(refuse_same(path, input, fmt::format("the input {}", input)));
  }
  if (options.on_error == OnError::stop) return {};
  for (const auto& file : reject_paths(options.reject_file, *inputs)) {
    HYPERCOPY_TRY(refuse_same(path, file, fmt::format("the reject file {}", file)));
    HYPERCOPY_TRY(refuse_same(path, reasons_path(file), fmt::format("the reasons for {}", file)));
  }
  return {};
}

Status write_report(const std::string& path, const LoadSummary& summary) {
  if (path.empty()) return {};
  std::ofstream file(path, std::ios::binary | std::ios::trunc);
  file << summary_json(summary) << '\n';
  file.close();
  if (file) return {};
  return fail(ErrorKind::output, fmt::format("cannot write the report {}", path));
}

}  // namespace hypercopy
