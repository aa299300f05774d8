// What a load of these inputs into this table would meet, found out before it runs: `hypercopy inspect`.
// Shape:   run_inspect() reads all of the input once and asks the server; inspect_page() and inspect_json() are pure
//          functions of what it found. Nothing is written to the server, and the first steps are those of the load
//          itself, so that a wrong file, table or column has the load's own error.
// Units:   bytes; times as in time_survey.hpp.
// Threads: the caller's only. Memory: two batches of kDefaultBatchBytes.
// Errors:  as a load's: input, target, usage, sql, connection, interrupted. What would stop the load while it runs is
//          no error but a problem in the result.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "hypercopy/chunk_forecast.hpp"
#include "hypercopy/exit_code.hpp"
#include "hypercopy/hypertable.hpp"
#include "hypercopy/load.hpp"
#include "hypercopy/table_facts.hpp"
#include "hypercopy/time_survey.hpp"

namespace hypercopy {

struct InspectOptions {
  LoadOptions load{};
  bool has_table = false;              // -t; else only the inputs are looked at
  bool delimiter_given = false;        // else another one may be found to fit
  std::vector<std::string> command{};  // the words about connection, input and columns, as typed
};

struct InspectedInput {
  std::string name;
  std::uint64_t bytes = 0;    // of the records
  std::uint64_t records = 0;  // data records
  NewlineStyle newline = NewlineStyle::unknown;
  TimeSurveyResult times{};
};

struct InspectedColumn {
  std::string name;  // empty: the input names none
  std::string type;
  std::string not_binary{};  // why its values cannot be sent as COPY BINARY
};

// What came of encoding the first batch.
struct WireTrial {
  std::uint64_t records = 0;      // that were encoded
  std::uint64_t value_bytes = 0;  // of their values, as the server stores most of them
  std::string given_up{};         // the column of the first value that was not; empty: none
  std::optional<Position> given_up_at{};
};

struct TimeColumn {
  std::string name;       // empty: see `field`
  std::size_t field = 0;  // from 0
  std::uint32_t type_oid = 0;
};

struct InspectedPartitions {
  std::string key;
  std::uint64_t count = 0;
  bool has_default = false;
  std::vector<std::string> homeless{};  // of the least and greatest time: those without a partition
};

struct ServerFacts {
  std::string version;
  std::string time_zone;
  std::uint64_t max_connections = 0;
  std::uint64_t free_connections = 0;
  std::uint64_t max_wal_bytes = 0;
  std::string max_wal_size;  // as the server writes it
  std::string wal_level;
  std::string synchronous_commit;
};

// An option of the load that this table and input were tried with.
struct InspectedOption {
  bool tried = false;
  std::string refused{};  // why the load would not take it; empty: it would
};

struct InspectedTarget {
  TargetTable table;
  TableFacts facts{};
  std::optional<Hypertable> hypertable{};
  ChunkForecast chunks{};  // of a hypertable
  std::optional<InspectedPartitions> partitions{};
  ServerFacts server{};
  InspectedOption defer_indexes{};  // of a table with secondary indexes
  InspectedOption refresh{};        // --after refresh: of a hypertable with continuous aggregates
  std::size_t fields_wanted = 0;
  // Estimates; 0 where there is no input.
  std::uint64_t table_bytes = 0;
  std::uint64_t index_bytes = 0;
  std::uint64_t wal_bytes = 0;
};

struct Inspection {
  Dialect dialect{};
  bool delimiter_found = false;  // it is not the one that was given
  Header header = Header::none;
  bool header_found = false;  // it was not asked for
  bool dropped_bom = false;
  std::size_t fields = 0;                  // of the first record; 0: not known
  std::vector<InspectedColumn> columns{};  // in the order of the fields; of a target, those that are filled
  std::vector<InspectedInput> inputs{};
  bool limited = false;                // --limit: not all of the input was read
  std::chrono::nanoseconds elapsed{};  // of reading
  std::optional<TimeColumn> time{};
  TimeSurveyResult times{};  // of all inputs
  std::optional<WireTrial> trial{};
  std::optional<InspectedTarget> target{};
  std::vector<std::string> problems{};  // the load would be refused, or stop
  std::vector<std::string> notes{};     // what a person should know
  std::string command{};                // of the load

  [[nodiscard]] std::uint64_t records() const;
  [[nodiscard]] std::uint64_t bytes() const;
};

[[nodiscard]] Result<Inspection> run_inspect(const InspectOptions& options,
                                             const LoadEnvironment& environment);

[[nodiscard]] std::string inspect_page(const Inspection& inspection);
[[nodiscard]] std::string inspect_json(const Inspection& inspection);

// 0, or 1 where there are problems.
[[nodiscard]] ExitCode exit_code(const Inspection& inspection);

}  // namespace hypercopy
