// Seeded time-series CSV, the same bytes on every machine: for the demo, tests and ingest benchmarks.
// Shape:   one options struct and one function per shape of data; records end in LF and stand in time order.
//          Blocks of whole records go to a sink as they are made.
// Units:   rows without the header; the time range is rows / hosts * interval.
// Owns:    memory is one block plus the last values of each host, whatever the number of rows.
// Errors:  Error::kind usage for options that cannot be met; an error of the sink ends the generation and is
//          returned.
// Source:  the `cpu` measurement of the Time Series Benchmark Suite (columns and names only).
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

#include "hypercopy/result.hpp"

namespace hypercopy {

// Takes one block; the view is valid during the call.
using BlockSink = std::function<Status(std::string_view block)>;

// CPU usage of `hosts` machines, each measured every `interval`, all at the same moments:
//   time timestamptz, tags_id integer, hostname text,
//   then ten percentages (float8), each a random walk in 0..100.
// About 174 bytes per row. PostgreSQL under TimeZone UTC writes every value exactly as it is generated.
// The defaults make 521 MB in 8 h 20 min of data: 9 chunks of one hour.
struct CpuOptions {
  std::uint64_t rows = 3'000'000;
  std::uint64_t seed = 1;
  std::uint32_t hosts = 1000;
  std::chrono::seconds interval{10};
  std::chrono::sys_seconds start = std::chrono::sys_days{std::chrono::year{2016} / 1 / 1};
  bool header = false;
};

[[nodiscard]] Status generate_cpu(const CpuOptions& options, const BlockSink& sink);

// The columns as they stand in CREATE TABLE: "time timestamptz NOT NULL, tags_id integer, ...".
[[nodiscard]] std::string cpu_column_definitions();

}  // namespace hypercopy
