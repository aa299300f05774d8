#include "hypercopy/time_order.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "hypercopy/connection.hpp"
#include "hypercopy/field_encoder.hpp"
#include "hypercopy/record_chunks.hpp"

namespace hypercopy {

namespace {

constexpr std::string_view kRangeColumn = R"(
SELECT a.attname
FROM pg_catalog.pg_partitioned_table p
JOIN pg_catalog.pg_attribute a ON a.attrelid = p.partrelid AND a.attnum = p.partattrs[0]
WHERE p.partrelid = $1::oid AND p.partstrat = 'r' AND p.partnatts = 1)";

// tgtype bits: ROW 1, INSERT 4 (src/include/catalog/pg_trigger.h). Partitions and chunks may have triggers of their own.
// Those that older versions of TimescaleDB make look at no order.
constexpr std::string_view kSeesOrder = R"(
WITH RECURSIVE family(oid) AS (
  SELECT $1::oid UNION SELECT i.inhrelid FROM pg_catalog.pg_inherits i JOIN family f ON i.inhparent = f.oid)
SELECT EXISTS (SELECT FROM pg_catalog.pg_trigger t JOIN family f ON t.tgrelid = f.oid
               WHERE NOT t.tgisinternal AND t.tgtype & 4 <> 0
                 AND t.tgname NOT IN ('ts_insert_blocker', 'ts_cagg_invalidation_trigger') AND (t.tgtype & 1 <> 0 OR t.tgnewtable IS NOT NULL)
                 AND t.tgenabled = ANY (CASE WHEN pg_catalog.current_setting('session_replication_role') = 'replica'
                                             THEN '{R,A}' ELSE '{O,A}' END::"char"[])))";

// An expression's text names the functions that it calls by number; an identity column's default is no expression.
constexpr std::string_view kVolatileDefaults = R"(
SELECT a.attname
FROM pg_catalog.pg_attribute a
LEFT JOIN pg_catalog.pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
WHERE a.attrelid = $1::oid AND a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated = ''
  AND (a.attidentity <> '' OR EXISTS (
    SELECT FROM pg_catalog.regexp_matches(d.adbin::text, ':(?:op)?funcid (\d+)', 'g') AS called(function)
    JOIN pg_catalog.pg_proc p ON p.oid = called.function[1]::oid AND p.provolatile = 'v')))";

void take_dimension(const Hypertable& hypertable, SendOrder& order) {
  const Dimension& time = hypertable.primary();
  order.column = time.column;
  order.segment_by = hypertable.columnstore.segment_by;
  const auto grid = ChunkGrid::of(time);
  if (!grid) return;
  const TimeKey key = grid->key(0);
  order.chunk_width = key.chunk_width;
  order.chunk_shift = key.chunk_shift;
}

}  // namespace

Result<SendOrder> describe_time_order(Connection& connection, const TargetTable& table,
                                      const std::optional<Hypertable>& hypertable) {
  const std::array<std::string, 1> oid{std::to_string(table.oid)};
  SendOrder order;
  if (hypertable) {
    take_dimension(*hypertable, order);
  } else if (table.kind == TableKind::partitioned) {
    HYPERCOPY_ASSIGN(const QueryResult found, connection.execute(kRangeColumn, oid));
    if (found.rows() > 0) order.column = found.text(0, 0);
  }
  if (order.column.empty()) return order;
  HYPERCOPY_ASSIGN(const QueryResult triggers, connection.execute(kSeesOrder, oid));
  order.has_row_triggers = triggers.boolean(0, 0);
  HYPERCOPY_ASSIGN(const QueryResult defaults, connection.execute(kVolatileDefaults, oid));
  for (int row = 0; row < defaults.rows(); ++row) order.volatile_defaults.emplace_back(defaults.text(row, 0));
  return order;
}

OrderDecision order_of(const SendOrder& order, const TargetTable& table, const ColumnMapping& mapping) {
  if (order.column.empty()) return {};
  const auto& columns = mapping.columns;
  const auto is_loaded = [&](const std::string& name) {
    return std::find(columns.begin(), columns.end(), name) != columns.end();
  };
  if (order.has_row_triggers) return {.reason = "the table has triggers that see the rows' order"};
  const auto filled =
      std::find_if_not(order.volatile_defaults.begin(), order.volatile_defaults.end(), is_loaded);
  if (filled != order.volatile_defaults.end()) {
    return {.reason = fmt::format("column {} takes its values from a default that may depend on the order",
                                  *filled)};
  }
  const auto found = std::find(columns.begin(), columns.end(), order.column);
  const Column* const described = table.find(order.column);
  if (found == columns.end() || described == nullptr || !is_time_key_type(described->wire.oid)) {
    return {.reason = fmt::format("column {} is not loaded, or of a type that is no time", order.column)};
  }
  TimeKey key{.field = static_cast<std::uint16_t>(found - columns.begin())};
  if (!order.groups_segments) return {.key = std::move(key)};
  key.chunk_width = order.chunk_width;
  key.chunk_shift = order.chunk_shift;
  for (const auto& segment : order.segment_by) {
    const auto at = std::find(columns.begin(), columns.end(), segment);
    if (at != columns.end()) key.segment_fields.push_back(static_cast<std::uint16_t>(at - columns.begin()));
  }
  return {.key = std::move(key)};
}

}  // namespace hypercopy
