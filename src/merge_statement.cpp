#include "hypercopy/merge_statement.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <functional>
#include <utility>

#include "hypercopy/sql_identifier.hpp"

namespace hypercopy {

namespace {

constexpr std::string_view kChanges = "pg_temp.hypercopy_changes";

bool contains(const std::vector<std::string>& names, const std::string& name) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

}  // namespace

MergeStatement::MergeStatement(const Connection& connection, const TargetTable& table, ConflictRule rule,
                               const CopyStatement& copy)
    : rule_(std::move(rule)),
      copy_(copy),
      target_(fmt::format("{}.{}", connection.quote_identifier(table.schema),
                          connection.quote_identifier(table.name))),
      may_suppress_rows_(table.may_suppress_rows) {
  for (const auto& column : table.columns) quoted_[column.name] = connection.quote_identifier(column.name);
}

std::string MergeStatement::list(const std::vector<std::string>& columns, std::string_view prefix) const {
  std::string text;
  for (const auto& column : columns)
    text += fmt::format("{}{}{}", text.empty() ? "" : ", ", prefix, quoted_.at(column));
  return text;
}

// A name that no column has.
std::string MergeStatement::ordinal() const {
  std::string name = "hypercopy_ordinal";
  while (quoted_.contains(name)) name += '_';
  return name;
}

// What the records of one key have in common, and no two keys: a key with a NULL in it may be one of its own.
std::string MergeStatement::key_in_order() const {
  std::string text = list(rule_.key);
  if (!rule_.nulls_differ) return text;
  std::string has_null;
  for (const auto& column : rule_.key)
    has_null += fmt::format("{}{} IS NULL", has_null.empty() ? "" : " OR ", quoted_.at(column));
  return text + fmt::format(", CASE WHEN {} THEN {} END", has_null, ordinal());
}

// A record of key columns alone changes nothing, but its row is locked and counted as one that was changed.
std::string MergeStatement::set_clause(const std::vector<std::string>& columns) const {
  std::string text;
  const auto set = [&](const std::string& column) {
    text +=
        fmt::format("{}{} = EXCLUDED.{}", text.empty() ? "" : ", ", quoted_.at(column), quoted_.at(column));
  };
  for (const auto& column : columns) {
    if (!contains(rule_.key, column) && !rule_.columns.at(column).always_identity) set(column);
  }
  for (const auto& [column, how] : rule_.columns) {
    if (!text.empty()) break;
    if (!how.always_identity) text = fmt::format("{0} = hypercopy_target.{0}", quoted_.at(column));
  }
  return text;
}

Result<MergeSql> MergeStatement::for_columns(const std::vector<std::string>& columns) const {
  for (const auto& column : rule_.key) {
    if (contains(columns, column)) continue;
    return fail(ErrorKind::target,
                fmt::format("column {} of the conflict key is not in the input", display_identifier(column)),
                "--on-conflict needs all columns of the key; --conflict-key names another one.");
  }
  std::string definition;
  for (const auto& column : columns)
    definition += fmt::format("{} {}, ", quoted_.at(column), rule_.columns.at(column).type);
  definition += fmt::format("{} bigint GENERATED ALWAYS AS IDENTITY (CACHE 1000)", ordinal());

  MergeSql sql;
  sql.staging = fmt::format("hypercopy_staging_{:016x}", std::hash<std::string>()(definition));
  const std::string staging = "pg_temp." + sql.staging;
  sql.create = fmt::format("CREATE TEMPORARY TABLE IF NOT EXISTS {} ({}) ON COMMIT DELETE ROWS; ", staging,
                           definition);
  const CopyStatement copy = copy_.into(staging);
  sql.clear = fmt::format("TRUNCATE {}", staging);
  sql.copy_sql = copy.for_columns(columns);
  sql.binary_sql = copy.binary_for_columns(columns);
  if (rule_.action == OnConflict::nothing) {
    leave_out(columns, staging, sql);
  } else {
    update(columns, staging, sql);
  }
  return sql;
}

std::string MergeStatement::insert_head(const std::vector<std::string>& columns) const {
  return fmt::format("INSERT INTO {} AS hypercopy_target ({}) OVERRIDING SYSTEM VALUE SELECT ", target_,
                     list(columns));
}

void MergeStatement::leave_out(const std::vector<std::string>& columns, const std::string& staging,
                               MergeSql& sql) const {
  const bool any = rule_.key.empty();
  sql.insert = fmt::format("{}{} FROM {} ORDER BY {}{} ON CONFLICT{} DO NOTHING", insert_head(columns),
                           list(columns), staging, any ? "" : list(rule_.key) + ", ", ordinal(),
                           any ? "" : fmt::format(" ({})", list(rule_.key)));
  sql.explain = "EXPLAIN " + sql.insert;
  if (!may_suppress_rows_ || any) return;
  sql.keys = fmt::format("SELECT count(*) FROM {} s WHERE EXISTS (SELECT FROM {} t WHERE ({}) = ({}))",
                         staging, target_, list(rule_.key, "t."), list(rule_.key, "s."));
}

void MergeStatement::update(const std::vector<std::string>& columns, const std::string& staging,
                            MergeSql& sql) const {
  const std::string key = key_in_order();
  const std::string insert = fmt::format(
      "{0}DISTINCT ON ({1}) {2} FROM {3} ORDER BY {1}, {4} DESC ON CONFLICT ({5}) DO UPDATE SET {6} "
      "WHERE pg_catalog.nextval('{7}') > 0",
      insert_head(columns), key, list(columns), staging, ordinal(), list(rule_.key), set_clause(columns),
      kChanges);
  sql.create += fmt::format("CREATE TEMPORARY SEQUENCE IF NOT EXISTS {} CACHE 1000; ", kChanges);
  sql.insert = fmt::format("SELECT pg_catalog.setval('{}', 1); {}", kChanges, insert);
  sql.explain = "EXPLAIN " + insert;
  sql.changed = fmt::format("SELECT pg_catalog.nextval('{}') - 2", kChanges);
  if (may_suppress_rows_)
    sql.keys = fmt::format("SELECT count(*) FROM (SELECT DISTINCT ON ({}) 1 FROM {}) keys", key, staging);
}

}  // namespace hypercopy
