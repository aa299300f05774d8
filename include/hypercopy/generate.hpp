// Seeded time-series CSV, the same bytes on every machine: for the demo, tests and ingest benchmarks.
// Shape:   generate() writes rows of one of five shapes; schema_sql() makes the table that they fit. Blocks of
//          whole records go to a sink as they are made. Records end in LF. Fewer rows are a prefix of more.
// Units:   rows without the header; series are the hosts, trucks or devices that are each measured once per
//          interval, so the time range is rows / series * interval. PostgreSQL's COPY TO (FORMAT csv) under
//          TimeZone UTC, DateStyle ISO and IntervalStyle postgres writes every value exactly as it is here.
// Owns:    memory is one block plus the state of each series, whatever the number of rows.
// Errors:  Error::kind usage for options that cannot be met; an error of the sink ends the generation and is
//          returned.
// Source:  cpu and iot follow the measurements of the Time Series Benchmark Suite (columns and names only).
#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "hypercopy/load_options.hpp"
#include "hypercopy/result.hpp"

namespace hypercopy {

enum class DataShape : std::uint8_t {
  // CPU usage of hosts: time timestamptz, tags_id integer, hostname text, ten percentages (float8), each a
  // random walk in 0..100. About 174 bytes per row; the defaults make 521 MB in 8 h 20 min of data.
  cpu,
  // Readings of trucks: time, name, fleet, driver, model (NULL for one truck in eight), eight float8 of which
  // four are NULL in one row of 16 each. One row in 20 comes late: 1 to kMostLateSteps intervals behind those
  // of its time. About 101 bytes per row.
  iot,
  // A time, a device's number, then integer and float8 in turns: 100 columns, about 840 bytes per row.
  wide,
  // Text with delimiters, doubled quotes, newlines (LF and CRLF) and letters of several scripts; empty
  // strings beside NULLs. About 215 bytes per row.
  quoted,
  // A column of each type that can be sent as COPY BINARY, arrays, an enum and a domain; each value but the
  // time is NULL in one row of 16. About 740 bytes per row.
  types,
};

inline constexpr std::array kShapes{DataShape::cpu, DataShape::iot, DataShape::wide, DataShape::quoted,
                                    DataShape::types};
inline constexpr std::uint32_t kMostLateSteps = 60;

[[nodiscard]] std::string_view to_string(DataShape shape);

struct GenerateOptions {
  DataShape shape = DataShape::cpu;
  std::uint64_t rows = 3'000'000;
  std::optional<std::chrono::seconds> span{};  // instead of rows: as many as fall into this time
  std::uint64_t seed = 1;
  std::uint32_t series = 1000;  // 1 makes every row a moment of its own
  std::chrono::seconds interval{10};
  std::chrono::sys_seconds start = std::chrono::sys_days{std::chrono::year{2016} / 1 / 1};
  bool header = false;
};

// What `hypercopy generate SHAPE` makes without options: some 500 MB.
[[nodiscard]] GenerateOptions default_options(DataShape shape);

// Takes one block; the view is valid during the call.
using BlockSink = std::function<Status(std::string_view block)>;

[[nodiscard]] Status generate(const GenerateOptions& options, const BlockSink& sink);

struct GeneratedColumn {
  std::string_view name;
  // As CREATE TABLE spells it; `level` and `percent` of DataShape::types are an enum and a domain over smallint.
  std::string_view type;
};

// The first is `time`, NOT NULL. The views are valid for ever.
[[nodiscard]] std::vector<GeneratedColumn> columns_of(DataShape shape);

// CREATE TABLE, and CREATE TYPE and DOMAIN before it where the shape needs them (named TABLE_level and
// TABLE_percent), each ending in ";\n".
[[nodiscard]] std::string schema_sql(DataShape shape, const TableName& table);

}  // namespace hypercopy
