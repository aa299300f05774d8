// What became of every batch: the one place where records are counted.
// Shape:   each batch ends in exactly one of committed, skipped, failed or unknown; dropped batches were cut
//          and never sent. Sums only: memory does not grow with the input.
// Units:   records as the splitter counted them, rows as the server counted them, bytes of input.
// Threads: any thread may record and read; one mutex, once per batch. Invariant:records_split == sum of the
//          records of all endings (balanced()); rows_loaded + suppressed == records committed.
#pragma once

#include <cstdint>
#include <mutex>
#include <optional>

#include "hypercopy/result.hpp"

namespace hypercopy {

struct Counts {
  std::uint64_t batches = 0;
  std::uint64_t records = 0;
  std::uint64_t bytes = 0;

  void add(std::uint64_t batch_records, std::uint64_t batch_bytes) {
    ++batches;
    records += batch_records;
    bytes += batch_bytes;
  }
};

struct LedgerTotals {
  Counts split;                       // cut by the reader
  Counts committed;                   // COMMIT was answered with COMMIT
  Counts skipped;                     // refused by the server and dropped because the user asked for it
  Counts failed;                      // refused by the server, or lost before COMMIT was sent: rolled back
  Counts unknown;                     // the connection was lost between COMMIT and its answer
  Counts dropped;                     // cut, but the run ended before they were sent
  std::uint64_t attempts_again = 0;   // batches sent once more after a failure that passed
  std::uint64_t bytes_sent = 0;       // in a transaction that is still open; for the progress only
  std::uint64_t rows_loaded = 0;      // the server's count of committed rows
  std::uint64_t rows_suppressed = 0;  // committed records that a trigger or WHERE left out

  // Every record that was split has exactly one ending, and every committed record is loaded or suppressed.
  [[nodiscard]] bool balanced() const;
};

class Ledger {
 public:
  void split(std::uint64_t records, std::uint64_t bytes);
  // Fewer rows than records: the difference was suppressed by the server. More rows than records can only be
  // a defect, and leave the totals unbalanced.
  void committed(std::uint64_t records, std::uint64_t bytes, std::uint64_t rows);
  void skipped(std::uint64_t records, std::uint64_t bytes);
  void failed(std::uint64_t records, std::uint64_t bytes);
  void unknown(std::uint64_t records, std::uint64_t bytes);
  void dropped(std::uint64_t records, std::uint64_t bytes);
  // A batch that has no ending yet is sent once more.
  void tried_again();
  // Bytes that were sent in a transaction which goes on (a single transaction for the whole load).
  void sent(std::uint64_t bytes);

  // The first error wins; later ones are consequences. Returns true if this one is the first.
  bool set_error(Error error);

  [[nodiscard]] LedgerTotals totals() const;
  [[nodiscard]] std::optional<Error> error() const;

 private:
  mutable std::mutex mutex_;
  LedgerTotals totals_;         // protected by mutex_
  std::optional<Error> error_;  // protected by mutex_
};

}  // namespace hypercopy
