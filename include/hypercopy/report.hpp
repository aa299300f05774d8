// The end of a run, as a pure function of what was counted: text for people, JSON for programs, exit code.
// Shape:   LoadSummary is filled by load.hpp when all threads have ended; nothing here does I/O.
// Units:   seconds are CLOCK_MONOTONIC wall time summed over threads of one kind; rates are decimal (MB =
//          1,000,000 bytes).
// Errors:  none; a summary that does not balance gives ExitCode::accounting.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "hypercopy/exit_code.hpp"
#include "hypercopy/ledger.hpp"
#include "hypercopy/wire_choice.hpp"

namespace hypercopy {

// Where the threads' time went.
struct TimeShares {
  using Duration = std::chrono::nanoseconds;
  Duration reader_reading{};    // in read(2)
  Duration reader_splitting{};  // finding record ends
  Duration reader_waiting{};    // for a free buffer: the workers are slower than the reader
  Duration worker_encoding{};   // preparing bytes for the server
  Duration worker_sending{};    // waiting for the server to take bytes, to answer, to commit
  Duration worker_waiting{};    // for a batch: the reader is slower than the workers
};

// Why more workers than a run had are not to be had.
enum class JobsLimit : std::uint8_t { none, single_transaction, connections };

struct RejectFile {
  std::size_t input = 0;  // index of the source
  std::string path;
  std::string reasons;  // the path of the file that says why
  std::uint64_t records = 0;
};

// Left out while loading, by this run or one before it.
struct DeferredIndex {
  std::string name;        // as SQL names it
  std::string definition;  // the statement that makes it
  bool rebuilt = false;
  std::chrono::nanoseconds elapsed{};  // of its rebuild; 0: by another process
};

// --build-chunks: what became of the side tables.
struct BuiltChunks {
  std::uint64_t chunks = 0;        // handed over
  std::uint64_t merged = 0;        // their rows were inserted into a chunk that had come to be
  std::uint64_t unknown = 0;       // whether they were handed over: the COMMIT of it was not answered
  std::uint64_t gone = 0;          // dropped by somebody, with their rows
  std::uint64_t kept = 0;          // left, with their rows
  std::uint64_t rows_kept = 0;     // committed there by this run, and not in the hypertable
  std::uint64_t rows_unknown = 0;  // committed by this run, and in the hypertable or not
  std::uint64_t rows_gone = 0;     // committed by this run, and in no table any more
  bool kept_is_owed = false;       // the next run of this import hands them over
  std::chrono::nanoseconds elapsed{};
};

struct LoadSummary {
  std::string table{};       // as a person would write it: schema.table; empty: the run did not get that far
  bool truncated = false;    // TRUNCATE was committed before the first row
  bool emptied = false;      // a crash of the server has emptied the table: what was committed is lost
  bool failed_over = false;  // to a standby that may lack what was committed: all of that is unknown
  std::string import_id{};   // --import-id
  std::uint64_t rejected_before = 0;  // records, by earlier runs and other loaders of the import
  std::string again{};       // the command that goes on with it, for a shell; empty: the one that was given
  bool import_done = false;  // the ledger says that all of it is loaded and durable
  std::string run_id;        // also in application_name of every connection
  std::vector<std::string> sources;
  unsigned jobs = 0;  // workers that had a connection
  JobsLimit jobs_limit = JobsLimit::none;
  std::size_t batch_bytes = 0;
  std::string kernel;  // scan kernel in use
  std::string wire;    // --wire: auto, binary or csv
  WireTotals wire_totals{};
  std::string on_conflict = "error";  // --on-conflict
  bool atomic = false;  // --atomic: rows that are committed are in the table only when the load is complete
  bool repeatable = false;  // each record has a key that is looked for: a second load doubles nothing
  std::string server_version;
  std::chrono::nanoseconds elapsed{};
  TimeShares shares{};
  LedgerTotals totals{};
  std::vector<LedgerTotals> input_totals{};  // of each source
  std::vector<RejectFile> reject_files{};    // those that hold records
  BuiltChunks built{};
  std::vector<DeferredIndex> indexes{};
  std::chrono::nanoseconds rebuild_elapsed{};
  bool rebuild_failed = false;    // the error is of the indexes, not of the rows
  std::string rebuild_command{};  // for a shell; builds what is owed
  std::optional<Error> error{};
  bool complete = false;     // the whole input was read and has its endings
  bool interrupted = false;  // the user\'s request to stop ended it, before any error did
  int interrupted_by = 0;    // SIGINT, SIGTERM or 0; 0 too when the load was complete all the same
  std::vector<std::string>
      notices{};  // said before the first row; what single inputs had to say is on stderr only
};

// In this order: counts that do not add up (also records left behind without an error) or Error::kind
// accounting, an interruption, an error, rejected records, ok. Skipped batches were asked for: ok.
[[nodiscard]] ExitCode exit_code(const LoadSummary& summary);

// Several lines for stderr: what is loaded, what was left out and, after a failure, what a second run would
// do (the error itself is said by its own message). `verbose` adds times in seconds, batches and the setting.
// No trailing newline.
[[nodiscard]] std::string summary_text(const LoadSummary& summary, bool verbose);

// "COPY 1000": PostgreSQL's own command tag, the last line of stdout, with the rows that are new or were changed.
[[nodiscard]] std::string command_tag(const LoadSummary& summary);

// One JSON object over several lines, no trailing newline; field names are those of the structs (durations
// end in _seconds), stable, documented in README. Bytes that are not UTF-8 become U+FFFD.
[[nodiscard]] std::string summary_json(const LoadSummary& summary);

}  // namespace hypercopy
