#include "hypercopy/table_facts.hpp"

#include <algorithm>
#include <array>

#include "hypercopy/connection.hpp"

namespace hypercopy {

namespace {

constexpr std::string_view kIndexes = R"(
SELECT c.relname, m.amname,
       pg_catalog.substring(pg_catalog.pg_get_indexdef(i.indexrelid), ' USING (.*)$'),
       i.indisunique, i.indisprimary, i.indisexclusion
FROM pg_catalog.pg_index i
JOIN pg_catalog.pg_class c ON c.oid = i.indexrelid
JOIN pg_catalog.pg_am m ON m.oid = c.relam
WHERE i.indrelid = $1::oid ORDER BY i.indisprimary DESC, c.relname)";

// tgtype bits: ROW 1, BEFORE 2, INSERT 4, INSTEAD 64 (src/include/catalog/pg_trigger.h). TimescaleDB before 2.23 kept
// rows out of a hypertable's root by a trigger, and older ones watch continuous aggregates by one: neither is the user's.
constexpr std::string_view kTriggers = R"(
SELECT t.tgname, t.tgtype & 1 <> 0, t.tgtype & 66 <> 0, t.tgnewtable IS NOT NULL
FROM pg_catalog.pg_trigger t
WHERE t.tgrelid = $1::oid AND NOT t.tgisinternal AND t.tgtype & 4 <> 0
  AND t.tgname NOT IN ('ts_insert_blocker', 'ts_cagg_invalidation_trigger')
  AND t.tgenabled = ANY (CASE WHEN pg_catalog.current_setting('session_replication_role') = 'replica'
                         THEN '{R,A}' ELSE '{O,A}' END::"char"[])
ORDER BY t.tgname)";

// Those of partitions and chunks are copies.
constexpr std::string_view kReferences = R"(
SELECT conname, confrelid::pg_catalog.regclass FROM pg_catalog.pg_constraint
WHERE contype = 'f' AND conrelid = $1::oid ORDER BY conname)";
constexpr std::string_view kReferencedBy = R"(
SELECT conname, conrelid::pg_catalog.regclass FROM pg_catalog.pg_constraint
WHERE contype = 'f' AND confrelid = $1::oid AND conparentid = 0 ORDER BY conname)";

using Parameters = std::array<std::string, 1>;

Result<std::vector<TableForeignKey>> foreign_keys(Connection& connection, std::string_view sql,
                                                  const Parameters& oid) {
  HYPERCOPY_ASSIGN(const QueryResult rows, connection.execute(sql, oid));
  std::vector<TableForeignKey> keys;
  keys.reserve(static_cast<std::size_t>(rows.rows()));
  for (int row = 0; row < rows.rows(); ++row) {
    keys.push_back({.name = std::string(rows.text(row, 0)), .other_table = std::string(rows.text(row, 1))});
  }
  return keys;
}

}  // namespace

bool TableFacts::has_uniqueness() const {
  return std::any_of(indexes.begin(), indexes.end(),
                     [](const TableIndex& index) { return index.unique || index.exclusion; });
}

Result<TableFacts> read_table_facts(Connection& connection, const TargetTable& table) {
  const Parameters oid{std::to_string(table.oid)};
  TableFacts facts;
  HYPERCOPY_ASSIGN(const QueryResult indexes, connection.execute(kIndexes, oid));
  for (int row = 0; row < indexes.rows(); ++row) {
    facts.indexes.push_back({.name = std::string(indexes.text(row, 0)),
                             .method = std::string(indexes.text(row, 1)),
                             .definition = std::string(indexes.text(row, 2)),
                             .unique = indexes.boolean(row, 3),
                             .primary = indexes.boolean(row, 4),
                             .exclusion = indexes.boolean(row, 5)});
  }
  HYPERCOPY_ASSIGN(const QueryResult triggers, connection.execute(kTriggers, oid));
  for (int row = 0; row < triggers.rows(); ++row) {
    facts.triggers.push_back({.name = std::string(triggers.text(row, 0)),
                              .for_each_row = triggers.boolean(row, 1),
                              .before = triggers.boolean(row, 2),
                              .has_transition_table = triggers.boolean(row, 3)});
  }
  HYPERCOPY_ASSIGN(facts.references, foreign_keys(connection, kReferences, oid));
  HYPERCOPY_ASSIGN(facts.referenced_by, foreign_keys(connection, kReferencedBy, oid));
  return facts;
}

}  // namespace hypercopy
