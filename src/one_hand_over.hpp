// The hand-over of one side table: tried as often as it takes, and what an unanswered COMMIT of it did.
// Shape:   attempt() is one transaction; where its COMMIT was not answered the next attempt, or settle(), finds out first.
//          A table that is there by its oid is a chunk by now or was not handed over. Of one that is gone only the
//          transaction's id can tell whether its rows were inserted, or somebody dropped it (commit_outcome.hpp).
// Owns:    nothing; borrows plan and table.
// Threads: one.
// Errors:  sql, connection, interrupted; target: the table is gone, or nobody knows; accounting.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>

#include "chunk_building_plan.hpp"
#include "hypercopy/cancellation.hpp"
#include "hypercopy/commit_outcome.hpp"
#include "hypercopy/connection.hpp"
#include "side_tables.hpp"

namespace hypercopy {

class OneHandOver {
 public:
  enum class Ending : std::uint8_t { chunk, merged, dropped };

  // What the number of rows is compared with: what this run has put in. Of an import nothing is: rows of earlier runs are
  // in the table, and batches that a crash or a failover took back were sent again. Its ledger has marked the batches that
  // are in there in their own transactions.
  enum class RowCheck : std::uint8_t { exact, at_least, none };

  // How long a backend that was told to end may take, and how long is asked what became of a COMMIT.
  static constexpr std::chrono::seconds kPatience{5};

  OneHandOver(const ChunkBuildingPlan& plan, const FilledTable& filled, RowCheck check, StopAt stop)
      : plan_(plan), filled_(filled), check_(check), stop_(stop) {}

  [[nodiscard]] Result<Ending> attempt(Connection& connection);
  // Its COMMIT was sent, and nobody knows what it did.
  [[nodiscard]] bool in_doubt() const { return in_doubt_; }
  [[nodiscard]] bool is_gone() const { return gone_; }
  // What the COMMIT in doubt did. Nothing: it did not happen, and will not.
  [[nodiscard]] Result<std::optional<Ending>> settle(Connection& connection, StopAt stop);

 private:
  // Of the transaction that begins now, but for its id.
  [[nodiscard]] static Result<LostTransaction> describe_own(Connection& connection);
  [[nodiscard]] Result<Ending> commit(Connection& connection);
  // By an attempt whose COMMIT was not answered.
  [[nodiscard]] Result<std::optional<Ending>> ended_before(Connection& connection, StopAt stop);
  // The backend of an unanswered COMMIT may have been at work in it still, when it was looked for.
  [[nodiscard]] Result<Ending> ended_meanwhile(Connection& connection, Error error);

  // The build of an index counts the rows for pg_class. What does not come out as expected is counted by count(*).
  [[nodiscard]] Result<std::uint64_t> build_indexes_and_count(Connection& connection) const;
  // Most of these hold nothing; what an earlier run of an import has left may hold all of its rows.
  [[nodiscard]] Result<std::uint64_t> count_and_build_indexes(Connection& connection,
                                                              const std::string& indexes) const;
  [[nodiscard]] Result<std::uint64_t> count_rows(Connection& connection) const;
  [[nodiscard]] Result<Ending> drop(Connection& connection) const;
  [[nodiscard]] Result<Ending> make_chunk(Connection& connection, std::uint64_t rows);
  // Somebody's rows have made a chunk for this range, or for a part of it.
  [[nodiscard]] Result<Ending> merge_if_taken(Connection& connection, Error error, std::uint64_t rows);
  // A table that becomes a chunk logs nothing: a refresh would call its range up to date. An UPDATE that changes nothing, of
  // the first and the last time, logs all between them. No aggregate comes to be meanwhile: its triggers would wait.
  [[nodiscard]] Status expect_target(Connection& connection) const;
  [[nodiscard]] Status log_for_aggregates(Connection& connection) const;

  const ChunkBuildingPlan& plan_;
  const FilledTable& filled_;
  const RowCheck check_;
  const StopAt stop_;
  bool in_doubt_ = false;
  bool gone_ = false;
  Ending ending_ = Ending::chunk;  // what the COMMIT in doubt makes of it
  LostTransaction lost_{};         // of the latest attempt
};

}  // namespace hypercopy
