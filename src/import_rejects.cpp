#include "import_rejects.hpp"

#include <fmt/format.h>

#include <filesystem>

#include "append_file.hpp"
#include "hexadecimal.hpp"
#include "reject_reason.hpp"

namespace hypercopy {

namespace {

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

// A file that takes its name, and the place of an older one, when it is whole.
class NewFile {
 public:
  explicit NewFile(const std::string& path) : path_(path), file_(path + ".new") {}

  Status begin() {
    std::error_code ignored;  // what stands there is the rest of a run that died
    std::filesystem::remove(file_.path(), ignored);
    return file_.open();
  }
  Status append(std::string_view bytes) {
    buffer_ += bytes;
    return buffer_.size() < kBufferBytes ? Status{} : flush();
  }
  Status end() {
    HYPERCOPY_TRY(flush());
    std::error_code failed;
    std::filesystem::rename(file_.path(), path_, failed);
    if (!failed) return {};
    return fail(ErrorKind::output, fmt::format("cannot write {}: {}", path_, failed.message()));
  }

 private:
  static constexpr std::size_t kBufferBytes = std::size_t{1} << 20;

  Status flush() {
    HYPERCOPY_TRY(file_.append(buffer_));
    buffer_.clear();
    return {};
  }

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

Result<std::vector<RejectFile>> write_reject_files(ImportLedger& ledger,
                                                   const std::vector<std::string>& paths,
                                                   const std::vector<std::string>& names) {
  std::vector<RejectFile> files;
  for (std::size_t input = 0; input < paths.size(); ++input) {
    RejectFile file{.input = input, .path = paths[input], .reasons = reasons_path(paths[input])};
    NewFile records(file.path);
    NewFile reasons(file.reasons);
    const auto write = [&](const RejectedRecord& record, std::string_view prologue,
                           NewlineStyle newline) -> Status {
      if (file.records++ == 0) {
        HYPERCOPY_TRY(records.begin());
        HYPERCOPY_TRY(reasons.begin());
        HYPERCOPY_TRY(records.append(prologue));
      }
      HYPERCOPY_TRY(records.append(with_newline(record.bytes, newline)));
      return reasons.append(reason_line(names[input], record));
    };
    HYPERCOPY_TRY(ledger.for_each_reject(input, write));
    if (file.records == 0) continue;
    HYPERCOPY_TRY(records.end());
    HYPERCOPY_TRY(reasons.end());
    files.push_back(std::move(file));
  }
  return files;
}

}  // namespace hypercopy
