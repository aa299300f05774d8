// `hypercopy bench`: loads the same input with a grid of settings and tells which is best on this server.
// Shape:   run_ingest_bench() makes a scratch table like the target, loads it once per setting and round
//          with run_load(), and drops it, also after an error or a request to stop. The report is a plain
//          value; how it is shown are pure functions of it.
// Units:   times are CLOCK_MONOTONIC wall time, CPU time is that of this process; rates are decimal (MB =
//          1,000,000 bytes); batch sizes are as --batch-bytes takes them (1MB = 1,048,576 bytes).
// Owns:    the scratch table. The target is described and never written; nor are the sequences of its
//          defaults, for which the scratch table has its own.
// Memory:  that of one run_load() with the largest setting.
// Threads: those of run_load(), and one that passes a request to stop on.
// Errors:  in the report. usage: input that cannot be read again, a target that has no twin; accounting: runs
//          that loaded different counts of rows. A request to stop ends the run under way at once: nothing of
//          it is worth finishing. A second one ends the dropping of the scratch table.
// Why:     one kind of table: UNLOGGED would be faster than what is measured for. CHECKPOINT before a run, so
//          that it does not pay for the pages of the one before.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "hypercopy/cancellation.hpp"
#include "hypercopy/connection.hpp"
#include "hypercopy/console.hpp"
#include "hypercopy/exit_code.hpp"
#include "hypercopy/load_options.hpp"
#include "hypercopy/result.hpp"

namespace hypercopy {

enum class BenchIndexes : std::uint8_t {
  keep,  // there while the rows come
  none,  // secondary ones are dropped first and built afterwards; the time to build them counts
};

[[nodiscard]] std::string_view to_string(BenchIndexes indexes);

struct BenchSetting {
  unsigned workers = 1;
  std::size_t batch_bytes = 0;
  Wire wire = Wire::automatic;
  BenchIndexes indexes = BenchIndexes::keep;

  friend bool operator==(const BenchSetting&, const BenchSetting&) = default;
};

// The grid is their product. No list is empty.
struct BenchGrid {
  std::vector<unsigned> workers;                          // --workers
  std::vector<std::size_t> batch_bytes;                   // --batch-bytes
  std::vector<Wire> wires{Wire::automatic};               // --wire
  std::vector<BenchIndexes> indexes{BenchIndexes::keep};  // --indexes
};

struct BenchOptions {
  // Connection, target, input and columns; what the grid sets is left as it is. limit_records 0: as many as
  // fit into `budget`.
  LoadOptions load{};
  BenchGrid grid{};
  unsigned rounds = 3;                 // --rounds
  std::chrono::seconds budget{300};    // --minutes; 0: the whole input, however long it takes
  std::optional<TableName> scratch{};  // --scratch; without it a unique name in the target's schema
  bool checkpoint = true;              // --no-checkpoint
  std::vector<std::string> command{};  // of the `hypercopy load` to advise: options as typed, no passwords
};

struct BenchRun {
  std::size_t setting = 0;  // index into BenchReport::settings
  unsigned round = 1;
  std::chrono::nanoseconds load{};
  std::chrono::nanoseconds index_build{};
  std::chrono::nanoseconds client_cpu{};
  double waiting_for_server = 0;  // share of the workers' time, 0..1
  std::uint64_t rows = 0;
  std::uint64_t bytes = 0;  // of input

  [[nodiscard]] std::chrono::nanoseconds total() const { return load + index_build; }
};

struct BenchReport {
  std::string target{};  // as a person would write it
  std::string target_kind{};
  std::string scratch{};
  std::vector<std::string> sources{};
  std::uint64_t source_bytes = 0;  // of all files
  std::string server_version{};
  std::string timescaledb_version{};                                   // empty: the server has none
  std::vector<std::pair<std::string, std::string>> server_settings{};  // as SHOW gives them
  unsigned client_cores = 0;
  unsigned rounds = 0;
  std::size_t secondary_indexes = 0;
  std::vector<BenchSetting> settings{};
  std::vector<BenchRun> runs{};  // in the order in which they ran; the warm-up is not one
  std::vector<std::string> command{};
  std::vector<std::string> files{};    // as typed, for the command
  std::vector<std::string> notices{};  // what makes the numbers differ from a load of the target
  std::optional<Error> error{};
  int interrupted_by = 0;  // SIGINT, SIGTERM or 0
};

[[nodiscard]] ExitCode exit_code(const BenchReport& report);

struct BenchEnvironment {
  Console& console;
  Cancellation& cancellation;
  PasswordPrompt password_prompt;
};

// Says its plan, and each run, on the console.
[[nodiscard]] BenchReport run_ingest_bench(const BenchOptions& options, const BenchEnvironment& environment);

// A table for people, in 80 columns but for long names, and the line `use: hypercopy load ...` when every
// setting was measured. Ends with a newline; empty where nothing was measured.
[[nodiscard]] std::string bench_table(const BenchReport& report);

// One JSON object over several lines, no trailing newline; names are stable, documented in README. Durations
// end in _seconds. Bytes that are not UTF-8 become U+FFFD.
[[nodiscard]] std::string bench_json(const BenchReport& report);

}  // namespace hypercopy
