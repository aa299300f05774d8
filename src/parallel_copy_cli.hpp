// The drop-in for timescaledb-parallel-copy v0.13: its flags, what it prints, its exit codes. Used when
// hypercopy is called through a link of that name.
// Shape:   arguments -> ParallelCopyCommand (what to load) or CommandExit (nothing to load); at the end
//          LoadSummary -> CommandExit. All functions are pure: time and version are passed in.
// Units:   in the names; rows as the server counted them.
// Errors:  as the peer: flag syntax is exit 2 with the usage; all else is exit 1 with one line behind a
//          date, in the peer's words where it has words for it. The value of -connection is never printed.
// Order:   flag syntax, -version, -db-name, -header-line-count, -column-mapping's syntax, HEADER, the other
//          options in the peer's order, flags that are not built yet, -copy-options' syntax, -columns.
// Source:  the peer's documentation, and runs of its v0.13.0.
//
// What each flag does here, and ("there") where the peer differs. Defaults are the peer's.
//
// -connection           libpq's key=value string or URI; there pgx's, so parameters that only pgx knows are
//                       errors here, and a word that is neither is a database's name
// -db-name              any value is refused, as there
// -schema, -table       names as they stand, case kept, never parsed, quoted correctly; an empty one is an
//                       error before anything is touched
// -truncate             same, after the input was checked; a failure ends the run (there only logged)
// -copy-options         parsed (legacy_copy_options.hpp), there pasted: `;`, comments, FREEZE and FORCE ... *
//                       are refused. WHERE is refused on a hypertable by the load
// -split                same, and `\t` means tab (there an error); without CSV it is the delimiter too
// -quote, -escape       same; escape defaults to quote
// -file                 one path, never a pattern; `-` is a file's name; empty is standard input
// -columns              SQL identifiers, parsed and quoted; there pasted
// -column-mapping       same; a mapping whose name the header lacks is an error (there ignored)
// -auto-column-mapping  same; a byte order mark is dropped (there part of the first name)
// -skip-header          skips one record (there one physical line)
// -header-line-count    anything but 1 is refused, as there
// -batch-size           same; 0 means the default 5000 (there one physical line, which cuts quoted ones)
// -batch-byte-size      same, but a record is never cut: a longer one is a batch of its own
// -buffer-byte-size     checked, then without meaning: no record is too long for a buffer
// -skip-batch-errors    same, exit 0 too; how much was dropped is always said on stderr
// -disable-windows-1252-handling
//                       same; without it only a batch that is not UTF-8 is sent as WIN1252 (there all later
//                       ones too), and never when -copy-options has ENCODING
// -disable-direct-compress
//                       accepted: direct compress is not used (there used unless this is given)
// -no-retry, -retry-timeout
//                       same, but what passes is told by SQLSTATE (there by words in the error's text), and a batch
//                       whose COMMIT was not answered is sent again only if the server says that it is not there
// -import-id            better: hypercopy's own ledger (import_ledger.hpp), so batch sizes may change and rows between
//                       batches are never cut; refused, not guessed: an id that timescaledb-parallel-copy's own table
//                       knows, another table or file under the same id, -truncate over a half-done import,
//                       -skip-batch-errors
// -on-conflict-do-nothing
//                       same, and generated columns work (there an error)
// -enable-client-side-sorting
//                       refused: not built yet
// -verbose, -log-batches
//                       same, in own words; -log-batches speaks only with -verbose, as there
// -version              same, with hypercopy's own version behind the imitated one
// -skip-lines, -limit, -workers, -reporting-period
//                       same
//
// Other differences: stdout holds the COPY line and nothing else; the row in an error is exact behind quoted
// newlines; SIGINT and SIGTERM roll back what is open before the process ends with 130 or 143.
#pragma once

#include <chrono>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "command.hpp"
#include "hypercopy/load_options.hpp"
#include "hypercopy/report.hpp"

namespace hypercopy {

struct ParallelCopyCommand {
  LoadOptions options{};  // progress is none: reporting_period asks for this command line's own lines
  bool verbose = false;
  bool log_batches = false;                       // already false without -verbose
  std::chrono::milliseconds reporting_period{0};  // 0: no lines; else ProgressReporter::Style::parallel_copy
  std::vector<std::string> notices{};             // for parallel_copy_log_line(), before the load begins
};

struct ParallelCopyCall {
  std::span<const std::string_view> arguments;  // the program's name first
  std::string_view version;                     // hypercopy's own, for -version
  std::chrono::system_clock::time_point now;    // for the date before a message
};

// Whether the program was called by the peer's name, in whatever folder.
[[nodiscard]] bool is_parallel_copy_name(std::string_view program);

[[nodiscard]] std::variant<ParallelCopyCommand, CommandExit> parse_parallel_copy(
    const ParallelCopyCall& call);

// "2026/05/15 12:00:00 message\n", in local time.
[[nodiscard]] std::string parallel_copy_log_line(std::chrono::system_clock::time_point now,
                                                 std::string_view message);

// "COPY 5000", and for -verbose ", took 1.2s with 4 worker(s) (mean rate 4166.666667/sec)"; without newline.
[[nodiscard]] std::string parallel_copy_tag(std::uint64_t rows, bool verbose, std::chrono::nanoseconds took,
                                            unsigned workers);

// The peer's text for an error that ended a load, without date. Of a server's refusal the peer's own line
// comes first ("failed to copy CSV: continue: false, at row N, error failed to copy from lines ERROR: ...
// (SQLSTATE 22P02)"; N is the physical line counted from 0, -1 if unknown), then hypercopy's.
[[nodiscard]] std::string parallel_copy_error(const Error& error);

// The end of a run. Codes: 0 also when batches were dropped by -skip-batch-errors; 1; 130 and 143.
[[nodiscard]] CommandExit parallel_copy_exit(const ParallelCopyCommand& command, const LoadSummary& summary,
                                             std::chrono::system_clock::time_point now);

}  // namespace hypercopy
