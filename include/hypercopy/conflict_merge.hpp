// Stores one batch in the open transaction of a worker's stream, whatever --on-conflict says about its keys; COMMIT is the
// caller's.
// Shape:   without --on-conflict it is BatchCopier's COPY. With it, COPY into the target comes first too, and only a batch
//          whose keys clash is rolled back, copied into a staging table and merged (merge_statement.hpp). Where recent
//          batches had conflicts, the next one is staged at once. find_refused() looks for the record that a merge was
//          refused for, which has no line in the server's words.
// Units:   records as the server counted them: inserted, changed or superseded, left out for their key; what is missing
//          was left out by a BEFORE INSERT trigger. A row that a BEFORE UPDATE trigger keeps as it is counts as changed.
// Owns:    nothing but what it remembers of recent batches. Borrows the stream and the copier.
// Threads: one.
// Errors:  as the copier and the stream give them; a clash of keys is one only where the merge does not cover it: another
//          unique index. After an error the transaction must be rolled back.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "hypercopy/batch_copier.hpp"
#include "hypercopy/copy_stream.hpp"
#include "hypercopy/failure_location.hpp"
#include "hypercopy/ledger.hpp"
#include "hypercopy/report.hpp"

namespace hypercopy {

// What became of a batch, not yet committed.
struct Stored {
  bool claimed = true;  // false: another transaction had claimed the batch, and nothing was sent
  RowCounts rows{};
};

class ConflictMerge {
 public:
  // `relation`: the target's name as it stands in the server's CONTEXT.
  ConflictMerge(CopyStream& stream, BatchCopier& copier, TimeShares& shares, std::string relation)
      : stream_(stream), copier_(copier), shares_(shares), relation_(std::move(relation)) {}

  [[nodiscard]] Result<Stored> store(const Batch& batch, const TransactionHead& head,
                                     CopyForm form = CopyForm::best);
  // The same for a whole input, whose records are put in between, in one transaction with others. Conflicts or not, it is
  // staged: what was sent could not be sent again.
  [[nodiscard]] Status begin_whole(const InputFile& file);
  [[nodiscard]] Result<RowCounts> finish_whole(const InputFile& file);

  // Whether recent batches had conflicts, so that the next one is better staged at once.
  [[nodiscard]] bool expects_conflicts() const { return conflicts_expected_ >= kLikely; }
  void remember(bool had_conflicts);

  // What was copied into the staging table, which is left as it is.
  [[nodiscard]] Result<RowCounts> merge_staged(const MergeSql& sql, std::uint64_t staged);
  // The server names the staging table; where a record stands is known by the target's name.
  [[nodiscard]] Error of_target(Error error, const InputFile& file) const;

  // The first record of the batch that alone is refused with this SQLSTATE, found by halves in transactions that are
  // rolled back.
  // REQUIRES: the batch was refused with it, and rolled back.
  [[nodiscard]] std::optional<RecordInBatch> find_refused(const Batch& batch, const std::string& sqlstate);

 private:
  [[nodiscard]] Result<Stored> merge(const Batch& batch, const TransactionHead& head, CopyForm form);
  [[nodiscard]] Result<RowCounts> count_updated(const MergeSql& sql, std::uint64_t staged,
                                                std::uint64_t touched);
  [[nodiscard]] Result<RowCounts> count_each(const MergeSql& sql);
  [[nodiscard]] Result<RowCounts> count_left_out(const MergeSql& sql, std::uint64_t staged,
                                                 std::uint64_t inserted);
  [[nodiscard]] bool refuses(const Batch& batch, std::string_view records, const std::string& sqlstate);

  static constexpr int kSure = 3;
  static constexpr int kLikely = 2;

  CopyStream& stream_;
  BatchCopier& copier_;
  TimeShares& shares_;
  std::string relation_;
  int conflicts_expected_ =
      0;  // from 0 to kSure: up with a batch that had conflicts, down with one that had none
};

}  // namespace hypercopy
