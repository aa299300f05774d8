#include "hypercopy/conflict_key.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <optional>
#include <set>

#include "hypercopy/connection.hpp"
#include "hypercopy/sql_identifier.hpp"

namespace hypercopy {

namespace {

// A row per key column of each index that ON CONFLICT can name, the primary key first. indnullsnotdistinct is there since
// PostgreSQL 15.
constexpr std::string_view kUniqueIndexes = R"(
SELECT i.indexrelid, i.indisprimary, a.attname,
       coalesce((pg_catalog.to_jsonb(i) ->> 'indnullsnotdistinct')::boolean, false)
FROM pg_catalog.pg_index i
CROSS JOIN LATERAL pg_catalog.unnest(i.indkey::int2[]) WITH ORDINALITY k(attnum, place)
JOIN pg_catalog.pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = k.attnum
WHERE i.indrelid = $1::oid AND i.indisunique AND i.indisvalid AND i.indimmediate AND NOT i.indisexclusion
  AND i.indpred IS NULL AND i.indexprs IS NULL AND k.place <= i.indnkeyatts
ORDER BY i.indisprimary DESC, i.indexrelid, k.place)";

constexpr std::string_view kColumnTypes = R"(
SELECT a.attname,
       pg_catalog.format_type(a.atttypid, a.atttypmod) || CASE WHEN a.attcollation <> t.typcollation
         THEN ' COLLATE ' || pg_catalog.quote_ident(n.nspname) || '.' || pg_catalog.quote_ident(c.collname)
         ELSE '' END,
       a.attidentity = 'a'
FROM pg_catalog.pg_attribute a
JOIN pg_catalog.pg_type t ON t.oid = a.atttypid
LEFT JOIN pg_catalog.pg_collation c ON c.oid = a.attcollation
LEFT JOIN pg_catalog.pg_namespace n ON n.oid = c.collnamespace
WHERE a.attrelid = $1::oid AND a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated = '')";

using Parameters = std::array<std::string, 1>;

struct UniqueIndex {
  std::string oid;
  bool primary = false;
  bool nulls_equal = false;
  std::vector<std::string> columns{};
};

Result<std::vector<UniqueIndex>> unique_indexes(Connection& connection, const TargetTable& table) {
  HYPERCOPY_ASSIGN(const QueryResult rows,
                   connection.execute(kUniqueIndexes, Parameters{fmt::to_string(table.oid)}));
  std::vector<UniqueIndex> indexes;
  for (int row = 0; row < rows.rows(); ++row) {
    if (indexes.empty() || indexes.back().oid != rows.text(row, 0)) {
      indexes.push_back({.oid = std::string(rows.text(row, 0)),
                         .primary = rows.boolean(row, 1),
                         .nulls_equal = rows.boolean(row, 3)});
    }
    indexes.back().columns.emplace_back(rows.text(row, 2));
  }
  return indexes;
}

std::string displayed(const std::vector<std::string>& columns) {
  std::vector<std::string> names;
  names.reserve(columns.size());
  for (const auto& column : columns) names.push_back(display_identifier(column));
  return fmt::format("{}", fmt::join(names, ","));
}

std::string candidates(const std::vector<UniqueIndex>& indexes) {
  std::string text;
  for (const auto& index : indexes)
    text += fmt::format("{}--conflict-key {}", text.empty() ? "" : ", ", displayed(index.columns));
  return text.empty()
             ? "It has no unique index that ON CONFLICT can use (not partial, not of expressions, not "
               "deferrable)."
             : fmt::format("It can be: {}.", text);
}

std::optional<UniqueIndex> chosen(const std::vector<UniqueIndex>& indexes,
                                  const std::vector<std::string>& asked) {
  if (asked.empty()) {
    if (indexes.empty() || (!indexes.front().primary && indexes.size() > 1)) return std::nullopt;
    return indexes.front();
  }
  const std::set<std::string> wanted(asked.begin(), asked.end());
  std::optional<UniqueIndex> found;
  for (const auto& index : indexes) {
    if (std::set<std::string>(index.columns.begin(), index.columns.end()) != wanted) continue;
    const bool nulls_equal = found && found->nulls_equal;
    found = index;
    found->nulls_equal = found->nulls_equal || nulls_equal;  // all that fit are asked by the server
  }
  return found;
}

Status read_columns(Connection& connection, const TargetTable& table, ConflictRule& rule) {
  HYPERCOPY_ASSIGN(const QueryResult rows,
                   connection.execute(kColumnTypes, Parameters{fmt::to_string(table.oid)}));
  for (int row = 0; row < rows.rows(); ++row) {
    rule.columns[std::string(rows.text(row, 0))] = {.type = std::string(rows.text(row, 1)),
                                                    .always_identity = rows.boolean(row, 2)};
  }
  return {};
}

Status find_key(Connection& connection, const TargetTable& table, const LoadOptions& options,
                ConflictRule& rule) {
  HYPERCOPY_ASSIGN(const auto indexes, unique_indexes(connection, table));
  const auto index = chosen(indexes, options.conflict_key);
  const std::string shown = display_qualified(table.schema, table.name);
  if (!index && !options.conflict_key.empty()) {
    return fail(ErrorKind::usage,
                fmt::format("--conflict-key {}: {} has no unique index of exactly these columns",
                            displayed(options.conflict_key), shown),
                candidates(indexes));
  }
  if (!index) {
    const std::string_view why =
        indexes.empty() ? "has no key" : "has several unique indexes and no primary key: name a key";
    return fail(ErrorKind::usage, fmt::format("--on-conflict {}: {} {}", to_string(rule.action), shown, why),
                candidates(indexes));
  }
  rule.key = index->columns;
  const auto can_be_null = [&](const std::string& name) {
    const Column* const column = table.find(name);
    return column == nullptr || !column->not_null;
  };
  rule.nulls_differ = !index->nulls_equal && std::ranges::any_of(rule.key, can_be_null);
  return {};
}

}  // namespace

Result<ConflictRule> find_conflict_rule(Connection& connection, const TargetTable& table,
                                        const LoadOptions& options) {
  if (table.kind == TableKind::view || table.kind == TableKind::foreign) {
    return fail(ErrorKind::usage,
                fmt::format("--on-conflict {} is not possible for a {}", to_string(options.on_conflict),
                            to_string(table.kind)),
                "Name the table that holds the rows.");
  }
  ConflictRule rule{.action = options.on_conflict, .key = {}, .columns = {}};
  HYPERCOPY_TRY(read_columns(connection, table, rule));
  if (!options.any_conflict) HYPERCOPY_TRY(find_key(connection, table, options, rule));
  return rule;
}

}  // namespace hypercopy
