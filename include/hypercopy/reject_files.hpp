// Reject files: what was refused, byte for byte, beside a file of reasons; one pair per input.
// Shape:   PATH holds what stands in front of the input's first record (skipped lines, header), then the rejected records
//          as they were, so that it can be corrected and loaded with the same options. A newline is added only behind the
//          last record of an input that lacks one. PATH.jsonl holds one JSON object per record, in the same order: file,
//          record, line, byte, sqlstate, column, constraint, message, detail (null where there is none). Batches stand
//          in the order in which they were committed.
// Safety:  keep() writes both files and waits for fsync, then holds the pair's lock until the batch's COMMIT is answered:
//          so what was written for a batch that is rolled back is the end of the file, and is cut off again. The lock can
//          be part of no deadlock: whoever holds it waits for nothing but COMMIT, and COMMIT for no other worker, as
//          constraints were checked before. Batches without rejects never meet it.
// Threads: any worker; one lock per pair.
// Errors:  output: a file that cannot be opened, written or cut. usage, from plan_reject_files(): see there.
// Ends:    a pair in which nothing was kept is removed again.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "hypercopy/reject_sink.hpp"
#include "hypercopy/report.hpp"

namespace hypercopy {

// The path of each input's reject file. `wanted` is --reject-file: a file's path for a single input, else a folder; empty:
// INPUT.rejects beside each input, stdin.rejects in the current folder. Inputs of one name get numbers.
[[nodiscard]] std::vector<std::string> reject_paths(const std::string& wanted,
                                                    const std::vector<std::string>& inputs);

// The same; a missing folder is made, and each place is looked at.
// Errors: usage: a file that is not a regular file (a pipe keeps nothing), a folder that cannot be written to.
[[nodiscard]] Result<std::vector<std::string>> plan_reject_files(const std::string& wanted,
                                                                 const std::vector<std::string>& inputs);

// Errors: usage: one of them, or of the files that say why, holds something already.
[[nodiscard]] Status refuse_used_reject_files(const std::vector<std::string>& paths);

class RejectFiles final : public RejectSink {
 public:
  // `paths`: one per input.
  explicit RejectFiles(const std::vector<std::string>& paths);
  ~RejectFiles() override;

  Result<std::unique_ptr<KeptRejects>> keep(const Batch& batch, std::span<const RejectedRecord> records,
                                            CopyStream& stream) override;

  // Those that hold records. REQUIRES: no worker is at work.
  [[nodiscard]] std::vector<RejectFile> written() const;

 private:
  struct Pair;
  class Kept;

  std::vector<std::unique_ptr<Pair>> pairs_;
};

}  // namespace hypercopy
