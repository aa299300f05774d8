#include "hypercopy/merge_statement.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <functional>
#include <utility>

#include "hypercopy/sql_identifier.hpp"

namespace hypercopy {

namespace {

constexpr std::string_view kChanges = "pg_temp.hypercopy_changes";
constexpr std::string_view kInserted = "hypercopy.inserted";
constexpr std::size_t kMostColumns = 1600;  // of a table: MaxHeapAttributeNumber

// Where nextval() was not called, nothing was changed: then what the INSERT touched is new.
constexpr std::string_view kLoop = R"(
#variable_conflict use_column
DECLARE
  hypercopy_record record;
  hypercopy_touched bigint;
  hypercopy_inserted bigint := 0;
  hypercopy_changes bigint := 1;
BEGIN
  PERFORM pg_catalog.setval('{changes}', 1);
  FOR hypercopy_record IN {select} LOOP
    {insert};
    GET DIAGNOSTICS hypercopy_touched = ROW_COUNT;
    IF pg_catalog.currval('{changes}') = hypercopy_changes THEN
      hypercopy_inserted := hypercopy_inserted + hypercopy_touched;
    END IF;
    hypercopy_changes := pg_catalog.currval('{changes}');
  END LOOP;
  PERFORM pg_catalog.set_config('{inserted}', hypercopy_inserted::text, true);
END)";

bool is_in_key(const ConflictRule& rule, const std::string& name) {
  return std::ranges::find(rule.key, name, &ConflictRule::KeyColumn::name) != rule.key.end();
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

// The index that is meant, and no other one of these columns.
std::string MergeStatement::conflict_target() const {
  std::string text;
  for (const auto& column : rule_.key) {
    text += fmt::format("{}{} {} {}", text.empty() ? "" : ", ", quoted_.at(column.name), column.collation,
                        column.operator_class);
  }
  return text;
}

// What the records of one key have in common, and no two keys.
std::string MergeStatement::key_alone() const {
  std::string text;
  for (const auto& column : rule_.key)
    text += fmt::format("{}{} {}", text.empty() ? "" : ", ", quoted_.at(column.name), column.collation);
  return text + null_apart();
}

// DISTINCT ON takes from it what is equal.
std::string MergeStatement::key_order() const {
  std::string text;
  for (const auto& column : rule_.key) {
    text += fmt::format("{}{} {} USING {}", text.empty() ? "" : ", ", quoted_.at(column.name),
                        column.collation, column.less);
  }
  return text + null_apart();
}

// A key with a NULL in it may be one of its own.
std::string MergeStatement::null_apart() const {
  if (!rule_.nulls_differ) return {};
  std::string has_null;
  for (const auto& column : rule_.key)
    has_null += fmt::format("{}{} IS NULL", has_null.empty() ? "" : " OR ", quoted_.at(column.name));
  return fmt::format(", CASE WHEN {} THEN {} END", has_null, ordinal());
}

// A record of key columns alone changes nothing, but its row is locked and counted as one that was changed.
std::string MergeStatement::set_clause(const std::vector<std::string>& columns) const {
  std::string text;
  const auto set = [&](const std::string& column) {
    text +=
        fmt::format("{}{} = EXCLUDED.{}", text.empty() ? "" : ", ", quoted_.at(column), quoted_.at(column));
  };
  for (const auto& column : columns) {
    if (!is_in_key(rule_, column) && !rule_.columns.at(column).always_identity) set(column);
  }
  for (const auto& [column, how] : rule_.columns) {
    if (!text.empty()) break;
    if (!how.always_identity) text = fmt::format("{0} = hypercopy_target.{0}", quoted_.at(column));
  }
  return text;
}

Result<MergeSql> MergeStatement::for_columns(const std::vector<std::string>& columns) const {
  for (const auto& column : rule_.key) {
    if (std::ranges::find(columns, column.name) != columns.end()) continue;
    return fail(
        ErrorKind::target,
        fmt::format("column {} of the conflict key is not in the input", display_identifier(column.name)),
        "--on-conflict needs all columns of the key; --conflict-key names another one.");
  }
  if (columns.size() >= kMostColumns) {
    return fail(ErrorKind::usage,
                fmt::format("--on-conflict {} is not possible for {} loaded columns: its temporary table has "
                            "one more, and a table of PostgreSQL can have {}",
                            to_string(rule_.action), columns.size(), kMostColumns),
                "Leave a column out of the input, or load into another table and merge that by INSERT ... ON "
                "CONFLICT.");
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
  return fmt::format("INSERT INTO {} AS hypercopy_target ({}) OVERRIDING SYSTEM VALUE ", target_,
                     list(columns));
}

// The first of a key is kept, by whatever key a trigger leaves it with: so in file order, where that is promised.
void MergeStatement::leave_out(const std::vector<std::string>& columns, const std::string& staging,
                               MergeSql& sql) const {
  const bool any = rule_.key.empty();
  const bool by_key = !any && !(rule_.has_row_triggers && rule_.in_file_order);
  sql.insert =
      fmt::format("{}{} FROM {} ORDER BY {}{} ON CONFLICT{} DO NOTHING", insert_head(columns) + "SELECT ",
                  list(columns), staging, by_key ? key_order() + ", " : "", ordinal(),
                  any ? "" : fmt::format(" ({})", conflict_target()));
  sql.explain = "EXPLAIN " + sql.insert;
  if (!may_suppress_rows_ || any) return;
  std::string same_key;
  for (const auto& column : rule_.key) {
    same_key += fmt::format("{}t.{} {} {} s.{}", same_key.empty() ? "" : " AND ", quoted_.at(column.name),
                            column.collation, column.equal, quoted_.at(column.name));
  }
  sql.keys = fmt::format("SELECT count(*) FROM {} s WHERE EXISTS (SELECT FROM {} t WHERE {})", staging,
                         target_, same_key);
}

void MergeStatement::update(const std::vector<std::string>& columns, const std::string& staging,
                            MergeSql& sql) const {
  const std::string order = key_order();
  const std::string on_conflict =
      fmt::format("ON CONFLICT ({}) DO UPDATE SET {} WHERE pg_catalog.nextval('{}') > 0", conflict_target(),
                  set_clause(columns), kChanges);
  const std::string insert =
      fmt::format("{0}SELECT DISTINCT ON ({1}) {2} FROM {3} ORDER BY {4}, {5} DESC {6}", insert_head(columns),
                  key_alone(), list(columns), staging, order, ordinal(), on_conflict);
  sql.create += fmt::format("CREATE TEMPORARY SEQUENCE IF NOT EXISTS {} CACHE 1000; ", kChanges);
  sql.explain = "EXPLAIN " + insert;
  sql.changed = fmt::format("SELECT pg_catalog.nextval('{}') - 2", kChanges);
  if (!rule_.has_row_triggers) {
    sql.insert = fmt::format("SELECT pg_catalog.setval('{}', 1); {}", kChanges, insert);
    return;
  }
  sql.insert = record_by_record(columns,
                                fmt::format("SELECT {} FROM {} ORDER BY {}{}", list(columns), staging,
                                            rule_.in_file_order ? "" : order + ", ", ordinal()),
                                on_conflict);
  sql.inserted = fmt::format("SELECT pg_catalog.current_setting('{}')", kInserted);
}

std::string MergeStatement::record_by_record(const std::vector<std::string>& columns,
                                             const std::string& select,
                                             const std::string& on_conflict) const {
  const std::string insert =
      fmt::format("{}VALUES ({}) {}", insert_head(columns), list(columns, "hypercopy_record."), on_conflict);
  const std::string body =
      fmt::format(fmt::runtime(kLoop), fmt::arg("changes", kChanges), fmt::arg("inserted", kInserted),
                  fmt::arg("select", select), fmt::arg("insert", insert));
  std::string tag = "hypercopy";
  while (body.find("$" + tag + "$") != std::string::npos) tag += '_';
  return fmt::format("DO LANGUAGE plpgsql ${0}${1}${0}$", tag, body);
}

}  // namespace hypercopy
