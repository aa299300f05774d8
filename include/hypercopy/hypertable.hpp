// What TimescaleDB knows of a target and a loader decides by: dimensions, columnstore, chunks, continuous aggregates,
// jobs, licence. Indexes, triggers and foreign keys, which every table has, are in table_facts.hpp.
// Shape:   dimensions in the order they were added; the first is the primary one and always a range.
// Units:   ranges and intervals are TimescaleDB's internal int64: microseconds since 1970-01-01 00:00 UTC for
//          timestamps, dates and UUIDs of version 7, else the column's own integer.
// Threads: plain values after they were read.
// Errors:  sql, connection. A table that is no hypertable, or a server without the extension, is no error: nothing.
// Source:  timescaledb_information.* by column name. Its catalog only where the views are silent: dimension (a
//          partitioning function of one's own), compression_settings (the view joins segmentby and orderby by commas,
//          unquoted), chunk_column_stats (chunk skipping). Run with TimescaleDB 2.28.3 on PostgreSQL 15; what older
//          versions do not have is read as empty.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "hypercopy/result.hpp"
#include "hypercopy/target_table.hpp"

namespace hypercopy {

class Connection;

enum class DimensionKind : std::uint8_t {
  time,      // timestamp, timestamptz, date: ranges of time
  integer,   // smallint, integer, bigint
  uuid,      // version 7: ranges of the time in it
  function,  // a range of what a function of the user's makes of the column: only the server knows it
  hash,      // closed: partitions by hash
};

[[nodiscard]] std::string_view to_string(DimensionKind kind);

struct Dimension {
  std::string column;
  DimensionKind kind = DimensionKind::time;
  std::uint32_t type_oid = 0;
  std::string type;           // format_type(): for messages
  std::int64_t interval = 0;  // of one range, in internal units; 0 for hash
  std::string interval_text;  // "7 days", "1000"; empty for hash
  unsigned partitions = 0;    // of hash
};

struct OrderColumn {
  std::string column;
  bool descending = false;
  bool nulls_first = false;
};

struct Columnstore {
  bool enabled = false;
  std::vector<std::string> segment_by;  // empty: none, or left to the server
  std::vector<OrderColumn>
      order_by;  // empty: left to the server, as a rule the primary dimension, descending
};

struct ContinuousAggregate {
  std::string schema;
  std::string name;
  bool materialized_only = false;
};

// A background job of the table or of a continuous aggregate over it.
struct TableJob {
  int id = 0;
  std::string procedure;   // policy_compression, policy_retention, policy_refresh_continuous_aggregate, ...
  std::string target;      // the table's name, or that of the aggregate
  std::string interval;    // between runs, as the server writes it
  std::string next_start;  // as the server writes it; empty: none is planned
  bool scheduled = false;
};

struct Hypertable {
  std::string extension_version;
  bool is_community = false;  // timescaledb.license is timescale: columnstore, jobs and create_chunk() work
  std::vector<Dimension> dimensions;
  Columnstore columnstore;
  std::vector<std::string> chunk_skipping;  // columns whose ranges are kept per chunk
  std::vector<ContinuousAggregate> aggregates;
  std::vector<TableJob> jobs;
  std::uint64_t chunks = 0;
  std::uint64_t compressed_chunks = 0;

  [[nodiscard]] const Dimension& primary() const { return dimensions.front(); }
};

// Nothing for a table that is no hypertable.
[[nodiscard]] Result<std::optional<Hypertable>> read_hypertable(Connection& connection,
                                                                const TargetTable& table);

// One chunk's range in the primary dimension. With more dimensions several chunks have the same.
struct ChunkRange {
  std::string schema;
  std::string name;
  std::int64_t begin = 0;
  std::int64_t end = 0;  // the first value that is not in it
  bool compressed = false;
};

// The chunks of a hypertable, by begin.
[[nodiscard]] Result<std::vector<ChunkRange>> read_chunk_ranges(Connection& connection,
                                                                const TargetTable& table);

}  // namespace hypercopy
