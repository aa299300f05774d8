// The rejected records of an import: rows of its ledger, and the reject files that are written from them.
// Shape:   ImportRejects is the sink of an import's workers: a batch's rejects are rows of hypercopy.reject, committed with
//          the batch, so that neither can be there without the other. write_reject_files() writes the files of all rejects
//          that the ledger has, of whatever run: at the end of each run, anew, so that none is lost or doubled there.
// Threads: ImportRejects: any. Writing: one, when the workers have ended.
// Errors:  sql: as the stream and the connection give them. output: a file that cannot be written; the rejects are in the
//          ledger all the same, and the next run writes them.
// Why:     values go as hexadecimal digits: rejected bytes may be in no encoding at all, and nothing has to be quoted.
#pragma once

#include <string>
#include <vector>

#include "hypercopy/import_ledger.hpp"
#include "hypercopy/reject_sink.hpp"
#include "hypercopy/report.hpp"

namespace hypercopy {

class ImportRejects final : public RejectSink {
 public:
  explicit ImportRejects(int job) : job_(job) {}

  Result<std::unique_ptr<KeptRejects>> keep(const Batch& batch, std::span<const RejectedRecord> records,
                                            CopyStream& stream) override;

 private:
  int job_;
};

// `paths` and `names`: of each input's reject file, and of the input in it. Files of inputs without rejects are not made.
[[nodiscard]] Result<std::vector<RejectFile>> write_reject_files(ImportLedger& ledger,
                                                                 const std::vector<std::string>& paths,
                                                                 const std::vector<std::string>& names);

}  // namespace hypercopy
