#include "hypercopy/conflict_key.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <optional>
#include <set>

#include "hypercopy/connection.hpp"
#include "hypercopy/sql_identifier.hpp"
#include "insert_rules.hpp"

namespace hypercopy {

namespace {

// A row per key column of each index that ON CONFLICT can name, the primary key first. indnullsnotdistinct is there since
// PostgreSQL 15. A unique index is a btree, whose strategies 1 and 3 are less and equal.
constexpr std::string_view kUniqueIndexes = R"(
SELECT i.indexrelid, i.indisprimary, a.attname,
       coalesce((pg_catalog.to_jsonb(i) ->> 'indnullsnotdistinct')::boolean, false),
       coalesce('COLLATE ' || pg_catalog.quote_ident(cn.nspname) || '.' || pg_catalog.quote_ident(c.collname), ''),
       pg_catalog.format('%I.%I', fn.nspname, f.opcname),
       pg_catalog.format('OPERATOR(%I.%s)', ln.nspname, l.oprname),
       pg_catalog.format('OPERATOR(%I.%s)', en.nspname, e.oprname)
FROM pg_catalog.pg_index i
CROSS JOIN LATERAL pg_catalog.unnest(i.indkey::int2[]) WITH ORDINALITY k(attnum, place)
JOIN pg_catalog.pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = k.attnum
JOIN pg_catalog.pg_opclass f ON f.oid = i.indclass[k.place::int - 1]
JOIN pg_catalog.pg_namespace fn ON fn.oid = f.opcnamespace
JOIN pg_catalog.pg_amop la ON (la.amopfamily, la.amoplefttype, la.amoprighttype, la.amopstrategy) =
  (f.opcfamily, f.opcintype, f.opcintype, 1)
JOIN pg_catalog.pg_operator l ON l.oid = la.amopopr
JOIN pg_catalog.pg_namespace ln ON ln.oid = l.oprnamespace
JOIN pg_catalog.pg_amop ea ON (ea.amopfamily, ea.amoplefttype, ea.amoprighttype, ea.amopstrategy) =
  (f.opcfamily, f.opcintype, f.opcintype, 3)
JOIN pg_catalog.pg_operator e ON e.oid = ea.amopopr
JOIN pg_catalog.pg_namespace en ON en.oid = e.oprnamespace
LEFT JOIN pg_catalog.pg_collation c ON c.oid = i.indcollation[k.place::int - 1]
LEFT JOIN pg_catalog.pg_namespace cn ON cn.oid = c.collnamespace
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

// tgtype bits: ROW 1, BEFORE 2, INSERT 4, UPDATE 16. Older versions of TimescaleDB keep rows out of the hypertable's own
// heap by a trigger.
constexpr std::string_view kRowTriggers = R"(
WITH RECURSIVE family(oid) AS (
  SELECT $1::oid UNION SELECT i.inhrelid FROM pg_catalog.pg_inherits i JOIN family f ON i.inhparent = f.oid)
SELECT EXISTS (SELECT FROM pg_catalog.pg_trigger t JOIN family f ON t.tgrelid = f.oid
  WHERE NOT t.tgisinternal AND t.tgtype & 3 = 3 AND t.tgtype & 20 <> 0 AND t.tgname <> 'ts_insert_blocker'
    AND t.tgenabled = ANY (CASE WHEN pg_catalog.current_setting('session_replication_role') = 'replica'
                           THEN '{R,A}' ELSE '{O,A}' END::"char"[])))";

using Parameters = std::array<std::string, 1>;

struct UniqueIndex {
  std::string oid;
  bool primary = false;
  bool nulls_equal = false;
  std::vector<ConflictRule::KeyColumn> columns{};
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
    indexes.back().columns.push_back({.name = std::string(rows.text(row, 2)),
                                      .collation = std::string(rows.text(row, 4)),
                                      .operator_class = std::string(rows.text(row, 5)),
                                      .less = std::string(rows.text(row, 6)),
                                      .equal = std::string(rows.text(row, 7))});
  }
  return indexes;
}

std::string displayed(const std::vector<std::string>& columns) {
  std::vector<std::string> names;
  names.reserve(columns.size());
  for (const auto& column : columns) names.push_back(display_identifier(column));
  return fmt::format("{}", fmt::join(names, ","));
}

std::vector<std::string> names_of(const UniqueIndex& index) {
  std::vector<std::string> names;
  names.reserve(index.columns.size());
  for (const auto& column : index.columns) names.push_back(column.name);
  return names;
}

// Both can be asked by one ON CONFLICT.
bool take_the_same_for_equal(const UniqueIndex& one, const UniqueIndex& other) {
  return std::ranges::all_of(one.columns, [&](const ConflictRule::KeyColumn& mine) {
    return std::ranges::any_of(other.columns, [&](const ConflictRule::KeyColumn& theirs) {
      return mine.name == theirs.name && mine.collation == theirs.collation && mine.equal == theirs.equal;
    });
  });
}

std::string candidates(const std::vector<UniqueIndex>& indexes) {
  std::string text;
  for (const auto& index : indexes)
    text += fmt::format("{}--conflict-key {}", text.empty() ? "" : ", ", displayed(names_of(index)));
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
    const auto names = names_of(index);
    if (std::set<std::string>(names.begin(), names.end()) != wanted) continue;
    if (!found) {
      found = index;
    } else if (take_the_same_for_equal(*found, index)) {
      found->nulls_equal = found->nulls_equal || index.nulls_equal;  // all such are asked by the server
    }
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
  const auto can_be_null = [&](const ConflictRule::KeyColumn& in_key) {
    const Column* const column = table.find(in_key.name);
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
  HYPERCOPY_TRY(refuse_insert_rules(connection, table,
                                    fmt::format("--on-conflict {}", to_string(options.on_conflict))));
  ConflictRule rule{.action = options.on_conflict, .key = {}, .columns = {}};
  HYPERCOPY_TRY(read_columns(connection, table, rule));
  HYPERCOPY_ASSIGN(const QueryResult triggers,
                   connection.execute(kRowTriggers, Parameters{fmt::to_string(table.oid)}));
  rule.has_row_triggers = triggers.boolean(0, 0);
  if (!options.any_conflict) HYPERCOPY_TRY(find_key(connection, table, options, rule));
  return rule;
}

}  // namespace hypercopy
