// Loads the good records of a batch and tells which ones the server refuses, in one transaction that stays open.
// Shape:   copy() sends the batch as ever, in one COPY without a savepoint, while none of its records is expected to be
//          bad: clean input costs nothing. Once a record was refused, batches are worked through in order as runs of
//          records, each a COPY under a savepoint: a refused run is rolled back to it and cut, until a record is refused
//          that is a run of its own. So of records that clash the first one wins, as in one COPY that skips.
// Cuts:    a record that the encoder gives up is one, known before anything is sent; the record that the server's line
//          names is one, on trust: if the server accepts it alone, its lines are not used any more in this batch. Without
//          a line (foreign keys, triggers at the end of a statement) the run is halved.
// Judge:   a record alone always goes as it is, so that the server's own reader judges it, in its own words.
// Runs:    as long as what a refusal wastes (half a run) and what a savepoint costs are about equal, at the distance
//          between bad records seen so far; over all batches of a worker. Measured: bench/results/*-rejects.md.
// Keys:    with --on-conflict a run is COPY into the staging table and a merge (conflict_merge.hpp), once a key of the
//          batch clashed or a record of it was refused. Runs are merged in order, so that of records with one key the same
//          one wins as in one merge. What the merge refuses has no line.
// Units:   rows as the server counted them.
// Owns:    nothing but that distance; RejectedRecord::bytes are the batch's.
// Threads: one.
// Errors:  what is not a record's fault (is_data_error), and whatever the server says before a COPY takes data. After an
//          error the transaction must be rolled back.
#pragma once

#include <cstdint>
#include <functional>
#include <limits>
#include <span>
#include <string>
#include <vector>

#include "hypercopy/batch_copier.hpp"
#include "hypercopy/conflict_merge.hpp"
#include "hypercopy/merge_turns.hpp"
#include "hypercopy/reject_sink.hpp"

namespace hypercopy {

// What the records of a batch became, before COMMIT.
struct Isolated {
  bool claimed = true;  // false: another transaction had claimed the batch, and nothing was sent
  RowCounts rows{};     // without the rejected ones
  std::vector<RejectedRecord> rejected{};
};

class BadRecordIsolation {
 public:
  struct Policy {
    std::string relation;  // as it stands in the server's CONTEXT
    bool may_suppress_rows = false;
    Kernel kernel = Kernel::scalar;
  };
  // When constraints are checked that COPY itself does not check.
  enum class Checks : std::uint8_t {
    with_copy,       // there are none, once SET CONSTRAINTS ALL IMMEDIATE has been said
    behind_each_run  // something defers them again: COMMIT has refused this batch
  };
  // Asked after each rejected record; its error ends the work.
  using MayGoOn = std::function<Status(std::span<const RejectedRecord>)>;

  BadRecordIsolation(CopyStream& stream, BatchCopier& copier, ConflictMerge& store, Policy policy)
      : stream_(stream), copier_(copier), store_(store), policy_(std::move(policy)) {}

  // `turn`: the transaction's, for as long as it lasts.
  [[nodiscard]] Result<Isolated> copy(const Batch& batch, const TransactionHead& head, Checks checks,
                                      const MayGoOn& may_go_on, MergeTurns::Turn& turn);

 private:
  class Pass;

  // The most records that are sent in one COPY.
  [[nodiscard]] std::uint64_t run_length() const;
  void accepted(std::uint64_t records);
  void refused();
  void refused_somewhere_in(std::uint64_t records);

  CopyStream& stream_;
  BatchCopier& copier_;
  ConflictMerge& store_;
  Policy policy_;
  double distance_ = std::numeric_limits<double>::infinity();  // between records that the server found bad
  std::uint64_t since_refused_ = 0;
};

}  // namespace hypercopy
