#include "hypercopy/reject_files.hpp"

#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <mutex>
#include <set>

#include "append_file.hpp"
#include "hypercopy/input_file.hpp"
#include "reject_reason.hpp"

namespace hypercopy {

namespace {

namespace fs = std::filesystem;

constexpr std::string_view kSuffix = ".rejects";

// What is on the way to an input is no place for its rejects: /dev/stdin, /dev/fd/63.
std::string beside(const std::string& input) {
  if (input == "-") return "stdin";
  return input.starts_with("/dev/") ? fs::path(input).filename().string() : input;
}

std::string unique(const std::string& stem, std::set<std::string>& taken) {
  std::string path = fmt::format("{}{}", stem, kSuffix);
  for (unsigned number = 2; !taken.insert(path).second; ++number)
    path = fmt::format("{}.{}{}", stem, number, kSuffix);
  return path;
}

Status check_folder(const std::string& path) {
  const std::string folder = fs::path(path).parent_path().string();
  if (::access(folder.empty() ? "." : folder.c_str(), W_OK | X_OK) == 0) return {};
  return fail(ErrorKind::usage,
              fmt::format("the reject file {} cannot be made: {}", path, std::strerror(errno)),
              "name another place with --reject-file");
}

// That rejects can be kept there is seen before the first row, not after hours.
Status check_place(const std::string& path) {
  struct stat info {};
  if (::stat(path.c_str(), &info) != 0) return check_folder(path);
  if (!S_ISREG(info.st_mode)) {
    return fail(ErrorKind::usage, fmt::format("the reject file {} is not a regular file", path),
                "rejected records must be on disk before their batch is committed: name a file");
  }
  if (::access(path.c_str(), W_OK) == 0) return {};
  return fail(ErrorKind::usage,
              fmt::format("the reject file {} cannot be written: {}", path, std::strerror(errno)),
              "name another file with --reject-file");
}

Status check_empty(const std::string& path) {
  struct stat info {};
  if (::stat(path.c_str(), &info) != 0 || info.st_size == 0) return {};
  return fail(ErrorKind::usage, fmt::format("the reject file {} is not empty", path),
              "it may hold the bad records of an earlier load: correct and load it, then remove it, or name "
              "another file with --reject-file");
}

bool is_folder(const std::string& wanted, const std::vector<std::string>& inputs) {
  return inputs.size() > 1 || wanted.ends_with('/') || fs::is_directory(wanted);
}

Status make_folder(const std::string& folder) {
  std::error_code failed;
  fs::create_directories(folder, failed);
  if (!failed) return {};
  return fail(ErrorKind::usage,
              fmt::format("the folder {} for reject files cannot be made: {}", folder, failed.message()),
              "with several inputs --reject-file names a folder");
}

}  // namespace

Result<std::vector<std::string>> plan_reject_files(const std::string& wanted,
                                                   const std::vector<std::string>& inputs) {
  if (!wanted.empty() && is_folder(wanted, inputs)) HYPERCOPY_TRY(make_folder(wanted));
  const std::vector<std::string> paths = reject_paths(wanted, inputs);
  for (const auto& path : paths) {
    HYPERCOPY_TRY(check_place(path));
    HYPERCOPY_TRY(check_place(reasons_path(path)));
  }
  return paths;
}

std::vector<std::string> reject_paths(const std::string& wanted, const std::vector<std::string>& inputs) {
  const bool into_folder = is_folder(wanted, inputs);
  std::vector<std::string> paths;
  std::set<std::string> taken;
  for (const auto& input : inputs) {
    const std::string stem = beside(input);
    if (wanted.empty()) {
      paths.push_back(unique(stem, taken));
    } else if (into_folder) {
      paths.push_back(unique((fs::path(wanted) / fs::path(stem).filename()).string(), taken));
    } else {
      paths.push_back(wanted);
    }
  }
  return paths;
}

Status refuse_used_reject_files(const std::vector<std::string>& paths) {
  for (const auto& path : paths) {
    HYPERCOPY_TRY(check_empty(path));
    HYPERCOPY_TRY(check_empty(reasons_path(path)));
  }
  return {};
}

struct RejectFiles::Pair {
  explicit Pair(const std::string& path) : records(path), reasons(reasons_path(path)) {}

  std::mutex mutex;        // held from keep() to the end of what it gave
  AppendFile records;      // protected by mutex
  AppendFile reasons;      // protected by mutex
  std::uint64_t kept = 0;  // protected by mutex
};

// The end of both files, until it is known whether it stays.
class RejectFiles::Kept final : public KeptRejects {
 public:
  explicit Kept(Pair& pair)
      : pair_(pair),
        lock_(pair.mutex),
        records_size_(pair.records.size()),
        reasons_size_(pair.reasons.size()) {}
  ~Kept() override {
    if (lock_.owns_lock()) static_cast<void>(end(CommitOutcome::rolled_back));
  }
  Kept(const Kept&) = delete;
  Kept& operator=(const Kept&) = delete;

  Status write(const Batch& batch, std::span<const RejectedRecord> records) {
    HYPERCOPY_TRY(pair_.records.open());
    HYPERCOPY_TRY(pair_.reasons.open());
    std::string bytes = records_size_ == 0 ? batch.file->prologue : std::string();
    std::string reasons;
    for (const auto& record : records) {
      bytes += with_newline(record.bytes, batch.newline);
      reasons += reason_line(batch.file->name, record);
    }
    count_ = records.size();
    HYPERCOPY_TRY(pair_.records.append(bytes));
    return pair_.reasons.append(reasons);
  }

  Status end(CommitOutcome outcome) override {
    const std::unique_lock<std::mutex> last = std::move(lock_);
    if (outcome != CommitOutcome::rolled_back) {
      pair_.kept += count_;
      return {};
    }
    auto cut = cut_back(pair_.records, records_size_);
    auto cut_reasons = cut_back(pair_.reasons, reasons_size_);
    return cut ? cut_reasons : cut;
  }
  std::string place() const override { return pair_.records.path(); }

 private:
  static Status cut_back(AppendFile& file, std::uint64_t size) {
    return file.size() == size ? Status{} : file.cut_to(size);
  }

  Pair& pair_;
  std::unique_lock<std::mutex> lock_;
  std::uint64_t records_size_;
  std::uint64_t reasons_size_;
  std::uint64_t count_ = 0;
};

RejectFiles::RejectFiles(const std::vector<std::string>& paths) {
  for (const auto& path : paths) pairs_.push_back(std::make_unique<Pair>(path));
}

RejectFiles::~RejectFiles() {
  for (const auto& pair : pairs_) {
    pair->records.remove_if_empty();
    pair->reasons.remove_if_empty();
  }
}

Result<std::unique_ptr<KeptRejects>> RejectFiles::keep(const Batch& batch,
                                                       std::span<const RejectedRecord> records,
                                                       CopyStream& /*stream*/) {
  auto kept = std::make_unique<Kept>(*pairs_[batch.file->index]);
  auto written = kept->write(batch, records);
  if (written) return kept;
  Error error = std::move(written).error();
  if (auto cut = kept->end(CommitOutcome::rolled_back); !cut) error.detail = std::move(cut).error().message;
  error.hint = "The batch was rolled back: nothing of it is loaded or kept.";
  return fail(std::move(error));
}

std::vector<RejectFile> RejectFiles::written() const {
  std::vector<RejectFile> files;
  for (std::size_t input = 0; input < pairs_.size(); ++input) {
    const Pair& pair = *pairs_[input];
    if (pair.kept == 0) continue;
    files.push_back(
        {.input = input, .path = pair.records.path(), .reasons = pair.reasons.path(), .records = pair.kept});
  }
  return files;
}

}  // namespace hypercopy
