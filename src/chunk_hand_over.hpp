// Turns filled side tables into chunks, each in a transaction of its own, several at a time.
// Shape:   hand_over() builds a table's indexes, counts its rows, makes it a chunk and logs what continuous aggregates have to
//          refresh. Where the hypertable has got a chunk for that range meanwhile, the rows are inserted into it instead.
// Repeat:  a hand-over whose COMMIT was not answered is looked for before it is tried again (one_hand_over.hpp).
// Doubt:   where an interruption or the end of patience leaves a COMMIT unanswered, it is asked for once more, on a connection
//          that only time interrupts. What is not known even then is counted as such.
// Units:   rows.
// Threads: hand_over() starts `jobs` threads, each with a connection, and waits for them.
// Errors:  the first one is kept; the other tables are handed over all the same. A table whose rows the hypertable cannot
//          take stays, and its COMMENT says why, so that no later load drops it; an import owes it. After an interruption nothing more is asked.
// Source:  TimescaleDB, create_chunk(hypertable, slices, schema, name, table): it takes the table as it is, checks the range by
//          one scan and matches indexes by their structure.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>
#include <vector>

#include "chunk_building_plan.hpp"
#include "hypercopy/cancellation.hpp"
#include "hypercopy/connection.hpp"
#include "hypercopy/console.hpp"
#include "side_tables.hpp"

namespace hypercopy {

struct HandOverOptions {
  unsigned jobs = 1;
  std::chrono::milliseconds retry_timeout{0};
  bool may_hold_more =
      false;                // batches of which nobody knows whether they were committed may be in the tables
  bool stays_owed = false;  // a table that is refused stays as it is, and the import's next run tries again
  std::function<Result<Connection>(unsigned number)> connect;  // from 1 on, on any thread
  // Behind each COMMIT, on its connection; its error is that of the hand-over, which is then looked for as if unanswered.
  std::function<Status(unsigned number, Connection& connection)> committed;
  // The same, for a question that `stop` alone ends.
  std::function<Result<Connection>(unsigned number, StopAt stop)> connect_at_last;
  StopAt stop;
};

struct HandOverOutcome {
  std::uint64_t chunks = 0;  // tables that are chunks now
  std::uint64_t merged = 0;  // tables whose rows were inserted into a chunk that had come to be
  std::uint64_t kept = 0;    // tables that stay
  std::uint64_t rows_kept = 0;
  std::uint64_t unknown = 0;  // tables that are a chunk, or stay: nobody knows
  std::uint64_t rows_unknown = 0;
  std::uint64_t gone = 0;  // tables that somebody dropped
  std::uint64_t rows_gone = 0;
  std::optional<Error> error{};
};

[[nodiscard]] HandOverOutcome hand_over(const ChunkBuildingPlan& plan, const std::vector<FilledTable>& tables,
                                        const HandOverOptions& options, Console& console);

}  // namespace hypercopy
