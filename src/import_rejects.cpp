#include "import_rejects.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>

#include "append_file.hpp"
#include "hexadecimal.hpp"
#include "reject_reason.hpp"

namespace hypercopy {

namespace {

namespace fs = std::filesystem;

constexpr std::string_view kNewSuffix = ".new";
// A statement of rejects is about as large as this, and not as a whole batch of them in hexadecimal.
constexpr std::size_t kStatementBytes = std::size_t{1} << 20;

class Committed final : public KeptRejects {
 public:
  Status end(CommitOutcome /*outcome*/) override { return {}; }
  std::string place() const override { return {}; }
};

std::string text_sql(std::string_view text) {
  return fmt::format("pg_catalog.convert_from({}, pg_catalog.pg_client_encoding())", bytes_sql(text));
}

// Whether it is such a new file with bytes in it, and nobody holds it any more (AppendFile): then its writer has died, on
// whatever host.
bool is_left_behind(const fs::path& found, const std::string& prefix) {
  const std::string name = found.filename().string();
  if (!name.starts_with(prefix) || !name.ends_with(kNewSuffix) ||
      name.size() <= prefix.size() + kNewSuffix.size())
    return false;
  const auto pid =
      std::string_view(name).substr(prefix.size(), name.size() - prefix.size() - kNewSuffix.size());
  if (pid.find_first_not_of("0123456789") != std::string_view::npos) return false;
  const int fd = ::open(found.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
  if (fd < 0) return false;
  struct stat info {};
  const bool is = ::fstat(fd, &info) == 0 && S_ISREG(info.st_mode) && info.st_size > 0 &&
                  ::flock(fd, LOCK_EX | LOCK_NB) == 0;
  ::close(fd);
  return is;
}

void remove_left_behind(const std::string& path) {
  const fs::path folder = fs::path(path).parent_path();
  const std::string prefix = fs::path(path).filename().string() + ".";
  std::error_code failed;  // what cannot be looked at stays
  std::vector<fs::path> left;
  for (fs::directory_iterator at(folder.empty() ? "." : folder, failed), end; !failed && at != end;
       at.increment(failed)) {
    if (is_left_behind(at->path(), prefix)) left.push_back(at->path());
  }
  for (const auto& file : left) fs::remove(file, failed);
}

// A file that takes its name, and the place of an older one, when it is whole. Several loaders of an import may write it at
// once, each from the same ledger: the last one's stays.
class NewFile {
 public:
  explicit NewFile(const std::string& path)
      : path_(path), file_(fmt::format("{}.{}{}", path, ::getpid(), kNewSuffix)) {}

  Status begin() {
    std::error_code ignored;  // what stands there is the rest of a run that died
    fs::remove(file_.path(), ignored);
    remove_left_behind(path_);
    return file_.open();
  }
  Status append(std::string_view bytes) {
    buffer_ += bytes;
    return buffer_.size() < kBufferBytes ? Status{} : flush();
  }
  Status flush() {
    HYPERCOPY_TRY(file_.append(buffer_));
    buffer_.clear();
    return {};
  }
  Status take_name() {
    std::error_code failed;
    fs::rename(file_.path(), path_, failed);
    if (!failed) return {};
    return fail(ErrorKind::output, fmt::format("cannot write {}: {}", path_, failed.message()));
  }

 private:
  static constexpr std::size_t kBufferBytes = std::size_t{1} << 20;

  std::string path_;
  AppendFile file_;
  std::string buffer_{};
};

}  // namespace

Result<std::unique_ptr<KeptRejects>> ImportRejects::keep(const Batch& batch,
                                                         std::span<const RejectedRecord> records,
                                                         CopyStream& stream) {
  std::string rows;
  const auto insert = [&]() -> Status {
    HYPERCOPY_TRY(
        stream.execute("INSERT INTO hypercopy.reject (job, input, record, line, byte, content, sqlstate, "
                       "column_name, constraint_name, message, detail) VALUES " +
                       rows));
    rows.clear();
    return {};
  };
  for (const auto& record : records) {
    rows += fmt::format("{}({}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {})", rows.empty() ? "" : ", ", job_,
                        batch.file->index, record.at.record, record.at.line, record.at.byte,
                        bytes_sql(record.bytes), text_sql(record.sqlstate), text_sql(record.column),
                        text_sql(record.constraint), text_sql(record.message), text_sql(record.detail));
    if (rows.size() >= kStatementBytes) HYPERCOPY_TRY(insert());
  }
  if (!rows.empty()) HYPERCOPY_TRY(insert());
  return std::make_unique<Committed>();
}

namespace {

// The reject file of one input and the reasons beside it, both made with the first record.
class NewPair {
 public:
  NewPair(const RejectFile& file, std::string name)
      : records_(file.path), reasons_(file.reasons), name_(std::move(name)) {}

  Status add(const RejectedRecord& record, std::string_view prologue, NewlineStyle newline) {
    if (count_++ == 0) HYPERCOPY_TRY(begin(prologue));
    HYPERCOPY_TRY(records_.append(with_newline(record.bytes, newline)));
    return reasons_.append(reason_line(name_, record));
  }
  // Both are on disk before either is seen.
  Status end() {
    HYPERCOPY_TRY(records_.flush());
    HYPERCOPY_TRY(reasons_.flush());
    HYPERCOPY_TRY(reasons_.take_name());
    return records_.take_name();
  }
  [[nodiscard]] std::uint64_t count() const { return count_; }

 private:
  Status begin(std::string_view prologue) {
    HYPERCOPY_TRY(records_.begin());
    HYPERCOPY_TRY(reasons_.begin());
    return records_.append(prologue);
  }

  NewFile records_;
  NewFile reasons_;
  std::string name_;
  std::uint64_t count_ = 0;
};

}  // namespace

Result<std::vector<RejectFile>> write_reject_files(ImportLedger& ledger,
                                                   const std::vector<std::string>& paths,
                                                   const std::vector<std::string>& names) {
  std::vector<RejectFile> files;
  for (std::size_t input = 0; input < paths.size(); ++input) {
    RejectFile file{.input = input, .path = paths[input], .reasons = reasons_path(paths[input])};
    NewPair pair(file, names[input]);
    HYPERCOPY_TRY(ledger.for_each_reject(
        input, [&](const RejectedRecord& record, std::string_view prologue, NewlineStyle newline) {
          return pair.add(record, prologue, newline);
        }));
    file.records = pair.count();
    if (file.records == 0) continue;
    HYPERCOPY_TRY(pair.end());
    files.push_back(std::move(file));
  }
  return files;
}

}  // namespace hypercopy
