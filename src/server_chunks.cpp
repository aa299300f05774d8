#include "server_chunks.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "hypercopy/hypertable.hpp"

namespace hypercopy {

namespace {

// Other transactions that create a chunk commit within that time, or hold everybody up.
constexpr std::string_view kSettings = "SET lock_timeout TO '5s'; SET synchronous_commit TO off";

// A target size means that TimescaleDB sets the interval of each new chunk itself. Before 2.12 the function was in
// _timescaledb_internal.
constexpr std::string_view kFunction = R"(
SELECT pg_catalog.format('%I.create_chunk', n.nspname)
FROM pg_catalog.pg_proc p JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace
WHERE p.proname = 'create_chunk' AND n.nspname IN ('_timescaledb_functions', '_timescaledb_internal')
  AND NOT EXISTS (SELECT FROM _timescaledb_catalog.hypertable h
                  WHERE h.schema_name = $1 AND h.table_name = $2 AND h.chunk_target_size > 0)
ORDER BY n.nspname LIMIT 1)";

}  // namespace

Status ServerChunks::make_ready() {
  if (connection_ && connection_->is_alive()) return {};
  connection_.reset();
  HYPERCOPY_ASSIGN(Connection connection, connect_());
  HYPERCOPY_TRY(connection.execute(kSettings));
  const std::array<std::string, 2> name{table_.schema, table_.name};
  HYPERCOPY_ASSIGN(const QueryResult function, connection.execute(kFunction, name));
  create_.clear();
  if (function.rows() > 0) {
    create_ = fmt::format(
        "SELECT FROM {}({}::regclass, pg_catalog.jsonb_build_object($1::text, "
        "pg_catalog.jsonb_build_array($2::bigint, $3::bigint)))",
        function.text(0, 0),
        connection.quote_literal(fmt::format("{}.{}", connection.quote_identifier(table_.schema),
                                             connection.quote_identifier(table_.name))));
  }
  connection_.emplace(std::move(connection));
  return {};
}

Result<std::vector<TimeRange>> ServerChunks::existing() {
  HYPERCOPY_TRY(make_ready());
  HYPERCOPY_ASSIGN(const auto chunks, read_chunk_ranges(*connection_, table_));
  std::vector<TimeRange> ranges;
  ranges.reserve(chunks.size());
  for (const auto& chunk : chunks) ranges.push_back({chunk.begin, chunk.end});
  std::ranges::sort(ranges, {}, [](const TimeRange& one) { return std::pair(one.begin, one.end); });
  const auto repeated = std::ranges::unique(ranges);
  ranges.erase(repeated.begin(), repeated.end());
  return ranges;
}

Status ServerChunks::make(const TimeRange& range) {
  HYPERCOPY_TRY(make_ready());
  if (create_.empty()) {
    return fail(ErrorKind::target,
                "the extension has no create_chunk(), or sets the interval of chunks itself");
  }
  const std::array<std::string, 3> parameters{column_, std::to_string(range.begin),
                                              std::to_string(range.end)};
  HYPERCOPY_TRY(connection_->execute(create_, parameters));
  return {};
}

}  // namespace hypercopy
