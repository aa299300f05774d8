// What became of every batch: the one place where records are counted.
// Shape:   each batch ends in exactly one of committed, already_done, staged, skipped, failed or unknown; dropped batches
//          were cut and never sent. A committed record was loaded, updated an older row, was in conflict with one,
//          was rejected, or was suppressed by the server. Sums only, per input and over all: memory does not grow
//          with the input.
// Units:   records as the splitter counted them, rows as the server counted them, bytes of input.
// Threads: any thread may record and read; one mutex, once per batch.
// Invariant: balanced(), for each input and for their sum.
#pragma once

#include <cstdint>
#include <mutex>
#include <optional>
#include <vector>

#include "hypercopy/result.hpp"

namespace hypercopy {

// Of a batch, as far as it is counted.
struct BatchSize {
  std::uint64_t records = 0;
  std::uint64_t bytes = 0;
  std::size_t input = 0;  // index of its input
};

struct Counts {
  std::uint64_t batches = 0;
  std::uint64_t records = 0;
  std::uint64_t bytes = 0;

  void add(const BatchSize& batch) {
    ++batches;
    records += batch.records;
    bytes += batch.bytes;
  }
  void add(const Counts& more) {
    batches += more.batches;
    records += more.records;
    bytes += more.bytes;
  }
  void take_away(const BatchSize& batch) {
    --batches;
    records -= batch.records;
    bytes -= batch.bytes;
  }
};

// What the records of a committed batch became. What is missing to its number of records was suppressed: a trigger
// or WHERE left it out.
struct RowCounts {
  std::uint64_t loaded = 0;  // rows that the server counted as new
  std::uint64_t updated =
      0;  // records that changed an older row, or lost to a later record with the same key
  std::uint64_t conflicts = 0;  // records left out because a row with their key exists
  std::uint64_t rejected = 0;   // records kept in the reject file

  [[nodiscard]] std::uint64_t sum() const { return loaded + updated + conflicts + rejected; }
  void add(const RowCounts& more) {
    loaded += more.loaded;
    updated += more.updated;
    conflicts += more.conflicts;
    rejected += more.rejected;
  }
};

struct LedgerTotals {
  Counts split{};         // cut by the reader
  Counts committed{};     // COMMIT was answered with COMMIT
  Counts already_done{};  // committed before, by an earlier run or another loader of the same import
  Counts staged{};        // wait in the staging table of an import that is not done (--atomic)
  Counts skipped{};       // refused by the server and dropped because the user asked for it
  Counts failed{};        // refused by the server, or lost before COMMIT was sent: rolled back
  Counts unknown{};       // the connection was lost between COMMIT and its answer
  Counts dropped{};       // cut, but the run ended before they were sent
  std::uint64_t attempts_again = 0;      // batches sent once more after a failure that passed
  std::uint64_t bytes_sent = 0;          // in a transaction that is still open; for the progress only
  std::uint64_t rows_loaded = 0;         // the sums of RowCounts over committed batches
  std::uint64_t rows_updated = 0;        //
  std::uint64_t records_conflicted = 0;  //
  std::uint64_t records_rejected = 0;    //
  std::uint64_t rows_suppressed = 0;     // committed records that a trigger or WHERE left out

  // Rows that are in the table through this run. A record that was superseded by a later one counts with it.
  [[nodiscard]] std::uint64_t rows_stored() const { return rows_loaded + rows_updated; }
  // Every record that was split has exactly one ending, and what became of every committed record is known.
  [[nodiscard]] bool balanced() const;
  void add(const LedgerTotals& more);
  // What was committed has this ending instead: its rows did not reach the table in the end.
  void take_back(Counts LedgerTotals::*ending);
  // Of the loaded rows some were left out in the end.
  // REQUIRES: rows <= rows_loaded.
  void suppress(std::uint64_t rows);
};

class Ledger {
 public:
  explicit Ledger(std::size_t inputs = 1) : inputs_(inputs) {}

  void split(const BatchSize& batch);
  // More rows than records can only be a defect, and leave the totals unbalanced.
  void committed(const BatchSize& batch, const RowCounts& rows);
  void already_done(const BatchSize& batch);
  void skipped(const BatchSize& batch);
  void failed(const BatchSize& batch);
  void unknown(const BatchSize& batch);
  void dropped(const BatchSize& batch);
  // Another loader of the same import has it: here it counts as never cut.
  void handed_back(const BatchSize& batch);
  // A batch that has no ending yet is sent once more.
  void tried_again();
  // Bytes that were sent in a transaction which goes on (a single transaction for the whole load).
  void sent(std::uint64_t bytes);

  // The first error wins; later ones are consequences. Returns true if this one is the first.
  bool set_error(Error error);

  [[nodiscard]] LedgerTotals totals() const;
  // Of each input; attempts_again and bytes_sent are known for all together only.
  [[nodiscard]] std::vector<LedgerTotals> input_totals() const;
  [[nodiscard]] std::optional<Error> error() const;

 private:
  template <typename Change>
  void count(const BatchSize& batch, Change change);

  mutable std::mutex mutex_;
  LedgerTotals totals_;               // protected by mutex_
  std::vector<LedgerTotals> inputs_;  // protected by mutex_
  std::optional<Error> error_;        // protected by mutex_
};

}  // namespace hypercopy
