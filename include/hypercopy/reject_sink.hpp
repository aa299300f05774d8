// Records that were refused for themselves, and who keeps them.
// Shape:   keep() is called once per batch that has such records, in its open transaction, when its good rows are on the
//          server and nothing but COMMIT is left. What it gives back is told how COMMIT ended; if it is destroyed
//          without, that counts as rolled back. reject_files.hpp is one implementation; another may write rows through
//          `stream`, which are then committed with the batch.
// Owns:    RejectedRecord::bytes are the batch's, which lives longer.
// Threads: keep() may be called by several workers at once; a KeptRejects belongs to one thread.
// Errors:  output: what cannot be kept must not be skipped, so the batch is rolled back and the run ends.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "hypercopy/batch.hpp"
#include "hypercopy/commit_outcome.hpp"
#include "hypercopy/copy_stream.hpp"
#include "hypercopy/result.hpp"

namespace hypercopy {

struct RejectedRecord {
  Position at;
  std::string_view bytes;  // as in the input, newline included
  std::string sqlstate;    // as Error has them
  std::string column;
  std::string constraint;
  std::string message;
  std::string detail;
};

class KeptRejects {
 public:
  virtual ~KeptRejects() = default;
  // What became of the batch. `unknown`: the records stay where they are.
  [[nodiscard]] virtual Status end(CommitOutcome outcome) = 0;
  // Where they stand when the outcome is unknown; empty: wherever the batch's rows are.
  [[nodiscard]] virtual std::string place() const = 0;
};

class RejectSink {
 public:
  virtual ~RejectSink() = default;
  // REQUIRES: !records.empty().
  [[nodiscard]] virtual Result<std::unique_ptr<KeptRejects>> keep(const Batch& batch,
                                                                  std::span<const RejectedRecord> records,
                                                                  CopyStream& stream) = 0;
};

}  // namespace hypercopy
