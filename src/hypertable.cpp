#include "hypercopy/hypertable.hpp"

#include <array>
#include <limits>

#include "hypercopy/connection.hpp"
#include "hypercopy/field_encoder.hpp"
#include "query_numbers.hpp"

namespace hypercopy {

namespace {

// The extension's version and licence; nothing for a server or a table without it. The setting is there only once the
// extension's library is loaded, which the view's functions do.
constexpr std::string_view kExtension =
    "SELECT extversion FROM pg_catalog.pg_extension WHERE extname = 'timescaledb'";

constexpr std::string_view kHypertable = R"(
SELECT h.num_chunks, h.compression_enabled,
       coalesce(pg_catalog.current_setting('timescaledb.license', true), ''),
       (SELECT pg_catalog.count(*) FROM timescaledb_information.chunks c
        WHERE c.hypertable_schema = h.hypertable_schema AND c.hypertable_name = h.hypertable_name AND c.is_compressed)
FROM timescaledb_information.hypertables h WHERE h.hypertable_schema = $1 AND h.hypertable_name = $2)";

constexpr std::string_view kDimensions = R"(
SELECT d.column_name, d.dimension_type, d.column_type::oid, pg_catalog.format_type(d.column_type, NULL),
       coalesce(d.integer_interval, (EXTRACT(epoch FROM d.time_interval) * 1000000)::bigint),
       coalesce(d.integer_interval::text, d.time_interval::text), d.num_partitions,
       c.partitioning_func IS NOT NULL
FROM timescaledb_information.dimensions d
JOIN _timescaledb_catalog.hypertable h ON h.schema_name = d.hypertable_schema AND h.table_name = d.hypertable_name
JOIN _timescaledb_catalog.dimension c ON c.hypertable_id = h.id AND c.column_name = d.column_name
WHERE d.hypertable_schema = $1 AND d.hypertable_name = $2 ORDER BY d.dimension_number)";

constexpr std::string_view kCatalog = R"(
SELECT pg_catalog.to_regclass('_timescaledb_catalog.compression_settings') IS NOT NULL,
       pg_catalog.to_regclass('_timescaledb_catalog.chunk_column_stats') IS NOT NULL)";

constexpr std::string_view kSegmentBy = R"(
SELECT s.name FROM _timescaledb_catalog.compression_settings c,
       pg_catalog.unnest(c.segmentby) WITH ORDINALITY AS s(name, number)
WHERE c.relid = $1::oid ORDER BY s.number)";

constexpr std::string_view kOrderBy = R"(
SELECT o.name, coalesce(c.orderby_desc[o.number], false), coalesce(c.orderby_nullsfirst[o.number], false)
FROM _timescaledb_catalog.compression_settings c,
     pg_catalog.unnest(c.orderby) WITH ORDINALITY AS o(name, number)
WHERE c.relid = $1::oid ORDER BY o.number)";

constexpr std::string_view kChunkSkipping = R"(
SELECT DISTINCT s.column_name
FROM _timescaledb_catalog.chunk_column_stats s JOIN _timescaledb_catalog.hypertable h ON h.id = s.hypertable_id
WHERE h.schema_name = $1 AND h.table_name = $2 ORDER BY 1)";

constexpr std::string_view kAggregates = R"(
SELECT view_schema, view_name, materialized_only FROM timescaledb_information.continuous_aggregates
WHERE hypertable_schema = $1 AND hypertable_name = $2 ORDER BY 1, 2)";

// The job of a continuous aggregate bears the view's name.
constexpr std::string_view kJobs = R"(
SELECT j.job_id, j.proc_name, j.hypertable_name, j.schedule_interval, pg_catalog.date_trunc('second', j.next_start),
       j.scheduled
FROM timescaledb_information.jobs j
WHERE (j.hypertable_schema = $1 AND j.hypertable_name = $2)
   OR EXISTS (SELECT FROM timescaledb_information.continuous_aggregates a
              WHERE a.hypertable_schema = $1 AND a.hypertable_name = $2
                AND a.view_schema = j.hypertable_schema AND a.view_name = j.hypertable_name)
ORDER BY j.job_id)";

// Ranges without bound are infinite timestamps.
constexpr std::string_view kChunks = R"(
SELECT chunk_schema, chunk_name,
       coalesce(range_start_integer,
                CASE WHEN pg_catalog.isfinite(range_start) THEN (EXTRACT(epoch FROM range_start) * 1000000)::bigint END),
       coalesce(range_end_integer,
                CASE WHEN pg_catalog.isfinite(range_end) THEN (EXTRACT(epoch FROM range_end) * 1000000)::bigint END),
       is_compressed
FROM timescaledb_information.chunks WHERE hypertable_schema = $1 AND hypertable_name = $2
ORDER BY range_start_integer, range_start, chunk_name)";

using NameParameters = std::array<std::string, 2>;
using OidParameter = std::array<std::string, 1>;

NameParameters name_of(const TargetTable& table) { return {table.schema, table.name}; }

DimensionKind kind_of(std::string_view dimension_type, std::uint32_t type_oid, bool has_function) {
  if (dimension_type != "Time") return DimensionKind::hash;
  if (has_function) return DimensionKind::function;
  switch (type_oid) {
    case type_oid::kInt2:
    case type_oid::kInt4:
    case type_oid::kInt8:
      return DimensionKind::integer;
    case type_oid::kUuid:
      return DimensionKind::uuid;
    case type_oid::kDate:
    case type_oid::kTimestamp:
    case type_oid::kTimestamptz:
      return DimensionKind::time;
    default:
      return DimensionKind::function;  // a type that this program does not know
  }
}

Result<std::vector<std::string>> names(Connection& connection, std::string_view sql,
                                       std::span<const std::string> parameters) {
  HYPERCOPY_ASSIGN(const QueryResult rows, connection.execute(sql, parameters));
  std::vector<std::string> texts;
  texts.reserve(static_cast<std::size_t>(rows.rows()));
  for (int row = 0; row < rows.rows(); ++row) texts.emplace_back(rows.text(row, 0));
  return texts;
}

Status read_dimensions(Connection& connection, const TargetTable& table, Hypertable& hypertable) {
  HYPERCOPY_ASSIGN(const QueryResult rows, connection.execute(kDimensions, name_of(table)));
  for (int row = 0; row < rows.rows(); ++row) {
    const auto type_oid = number_at<std::uint32_t>(rows, row, 2);
    hypertable.dimensions.push_back({.column = std::string(rows.text(row, 0)),
                                     .kind = kind_of(rows.text(row, 1), type_oid, rows.boolean(row, 7)),
                                     .type_oid = type_oid,
                                     .type = std::string(rows.text(row, 3)),
                                     .interval = number_at<std::int64_t>(rows, row, 4),
                                     .interval_text = std::string(rows.text(row, 5)),
                                     .partitions = number_at<unsigned>(rows, row, 6)});
  }
  if (!hypertable.dimensions.empty()) return {};
  return fail(ErrorKind::protocol, "TimescaleDB tells no dimension of the hypertable " + table.name);
}

Status read_settings(Connection& connection, const TargetTable& table, Hypertable& hypertable) {
  HYPERCOPY_ASSIGN(const QueryResult there, connection.execute(kCatalog));
  const OidParameter oid{std::to_string(table.oid)};
  if (there.boolean(0, 0)) {
    Columnstore& columnstore = hypertable.columnstore;
    HYPERCOPY_ASSIGN(columnstore.segment_by, names(connection, kSegmentBy, oid));
    HYPERCOPY_ASSIGN(const QueryResult order, connection.execute(kOrderBy, oid));
    for (int row = 0; row < order.rows(); ++row) {
      columnstore.order_by.push_back({.column = std::string(order.text(row, 0)),
                                      .descending = order.boolean(row, 1),
                                      .nulls_first = order.boolean(row, 2)});
    }
  }
  if (!there.boolean(0, 1)) return {};
  HYPERCOPY_ASSIGN(hypertable.chunk_skipping, names(connection, kChunkSkipping, name_of(table)));
  return {};
}

Status read_aggregates_and_jobs(Connection& connection, const TargetTable& table, Hypertable& hypertable) {
  HYPERCOPY_ASSIGN(const QueryResult aggregates, connection.execute(kAggregates, name_of(table)));
  for (int row = 0; row < aggregates.rows(); ++row) {
    hypertable.aggregates.push_back({.schema = std::string(aggregates.text(row, 0)),
                                     .name = std::string(aggregates.text(row, 1)),
                                     .materialized_only = aggregates.boolean(row, 2)});
  }
  HYPERCOPY_ASSIGN(const QueryResult jobs, connection.execute(kJobs, name_of(table)));
  for (int row = 0; row < jobs.rows(); ++row) {
    hypertable.jobs.push_back({.id = number_at<int>(jobs, row, 0),
                               .procedure = std::string(jobs.text(row, 1)),
                               .target = std::string(jobs.text(row, 2)),
                               .interval = std::string(jobs.text(row, 3)),
                               .next_start = std::string(jobs.text(row, 4)),
                               .scheduled = jobs.boolean(row, 5)});
  }
  return {};
}

}  // namespace

std::string_view to_string(DimensionKind kind) {
  switch (kind) {
    case DimensionKind::time:
      return "time";
    case DimensionKind::integer:
      return "integer";
    case DimensionKind::uuid:
      return "uuid";
    case DimensionKind::function:
      return "function";
    case DimensionKind::hash:
      return "hash";
  }
  return "?";
}

Result<std::optional<Hypertable>> read_hypertable(Connection& connection, const TargetTable& table) {
  if (table.kind != TableKind::hypertable) return std::nullopt;
  Hypertable hypertable;
  HYPERCOPY_ASSIGN(const QueryResult extension, connection.execute(kExtension));
  HYPERCOPY_ASSIGN(const QueryResult found, connection.execute(kHypertable, name_of(table)));
  if (extension.rows() == 0 || found.rows() == 0) return std::nullopt;  // dropped a moment ago
  hypertable.extension_version = extension.text(0, 0);
  hypertable.chunks = count_at(found, 0, 0);
  hypertable.columnstore.enabled = found.boolean(0, 1);
  hypertable.is_community = found.text(0, 2) == "timescale";
  hypertable.compressed_chunks = count_at(found, 0, 3);
  HYPERCOPY_TRY(read_dimensions(connection, table, hypertable));
  HYPERCOPY_TRY(read_settings(connection, table, hypertable));
  HYPERCOPY_TRY(read_aggregates_and_jobs(connection, table, hypertable));
  return hypertable;
}

Result<std::vector<ChunkRange>> read_chunk_ranges(Connection& connection, const TargetTable& table) {
  using Limits = std::numeric_limits<std::int64_t>;
  HYPERCOPY_ASSIGN(const QueryResult rows, connection.execute(kChunks, name_of(table)));
  std::vector<ChunkRange> chunks;
  chunks.reserve(static_cast<std::size_t>(rows.rows()));
  for (int row = 0; row < rows.rows(); ++row) {
    chunks.push_back({.schema = std::string(rows.text(row, 0)),
                      .name = std::string(rows.text(row, 1)),
                      .begin = rows.is_null(row, 2) ? Limits::min() : number_at<std::int64_t>(rows, row, 2),
                      .end = rows.is_null(row, 3) ? Limits::max() : number_at<std::int64_t>(rows, row, 3),
                      .compressed = rows.boolean(row, 4)});
  }
  return chunks;
}

}  // namespace hypercopy
