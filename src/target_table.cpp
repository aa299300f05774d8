#include "hypercopy/target_table.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <charconv>

#include "hypercopy/connection.hpp"
#include "near_name.hpp"

namespace hypercopy {

namespace {

// By name where a schema is given, else what search_path finds first.
constexpr std::string_view kFindTable = R"(
SELECT c.oid, n.nspname, c.relname, c.relkind, pg_catalog.pg_is_other_temp_schema(n.oid)
FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE c.relname = $1 AND CASE WHEN $2 = '' THEN pg_catalog.pg_table_is_visible(c.oid) ELSE n.nspname = $2 END)";

constexpr std::string_view kFindSimilar = R"(
SELECT pg_catalog.quote_ident(n.nspname) || '.' || pg_catalog.quote_ident(c.relname)
FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE pg_catalog.lower(c.relname) = pg_catalog.lower($1) AND c.relkind IN ('r', 'p', 'f', 'v')
  AND n.nspname NOT IN ('pg_catalog', 'information_schema')
ORDER BY 1 LIMIT 3)";

// What a name may have been meant for: tables that are seen without a schema, or those of the schema that was named.
constexpr std::string_view kFindNear = R"(
SELECT c.relname
FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'p', 'f', 'v') AND n.nspname NOT IN ('pg_catalog', 'information_schema')
  AND pg_catalog.abs(pg_catalog.length(c.relname::text) - pg_catalog.length($1)) <= 2
  AND CASE WHEN $2 = '' THEN pg_catalog.pg_table_is_visible(c.oid) ELSE n.nspname = $2 END
ORDER BY 1 LIMIT 10000)";

// Domains may stand on domains: `base` follows them down to a type that is none.
constexpr std::string_view kColumns = R"(
WITH RECURSIVE base(attnum, oid, kind, below, element) AS (
  SELECT a.attnum, t.oid, t.typtype, t.typbasetype, t.typelem
  FROM pg_catalog.pg_attribute a JOIN pg_catalog.pg_type t ON t.oid = a.atttypid
  WHERE a.attrelid = $1::oid AND a.attnum > 0 AND NOT a.attisdropped
  UNION ALL
  SELECT b.attnum, t.oid, t.typtype, t.typbasetype, t.typelem
  FROM base b JOIN pg_catalog.pg_type t ON t.oid = b.below WHERE b.kind = 'd')
SELECT a.attname, pg_catalog.format_type(a.atttypid, a.atttypmod), a.attgenerated <> '', a.attnotnull,
       a.attidentity <> '' OR coalesce(pg_catalog.pg_get_expr(d.adbin, d.adrelid) LIKE '%nextval(%', false),
       b.oid, b.kind = 'e',
       CASE WHEN e.typarray = b.oid AND e.typtype IN ('b', 'e') THEN e.oid ELSE 0 END,
       coalesce(e.typarray = b.oid AND e.typtype = 'e', false)
FROM pg_catalog.pg_attribute a
JOIN base b ON b.attnum = a.attnum AND b.kind <> 'd'
LEFT JOIN pg_catalog.pg_type e ON e.oid = b.element
LEFT JOIN pg_catalog.pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
WHERE a.attrelid = $1::oid
ORDER BY a.attnum)";

// tgtype bits: ROW 1, BEFORE 2, INSERT 4, INSTEAD 64 (src/include/catalog/pg_trigger.h). Partitions and
// chunks may have row triggers of their own; statement triggers fire on the named table only.
constexpr std::string_view kTriggers = R"(
WITH RECURSIVE family(oid) AS (
  SELECT $1::oid UNION SELECT i.inhrelid FROM pg_catalog.pg_inherits i JOIN family f ON i.inhparent = f.oid)
SELECT coalesce(bool_or(t.tgtype & 1 <> 0 AND t.tgtype & 66 <> 0), false),
       coalesce(bool_or(t.tgtype & 1 = 0 AND t.tgrelid = $1::oid), false),
       EXISTS (SELECT FROM pg_catalog.pg_class c JOIN family f ON c.oid = f.oid WHERE c.relpersistence = 'u')
FROM pg_catalog.pg_trigger t JOIN family f ON t.tgrelid = f.oid
WHERE NOT t.tgisinternal AND t.tgtype & 4 <> 0 AND t.tgenabled = ANY (
  CASE WHEN pg_catalog.current_setting('session_replication_role') = 'replica' THEN '{R,A}' ELSE '{O,A}' END::"char"[]))";

constexpr std::string_view kSelfReferences = R"(
SELECT conname FROM pg_catalog.pg_constraint
WHERE contype = 'f' AND conrelid = $1::oid AND confrelid = conrelid ORDER BY 1)";

constexpr std::string_view kHasTimescale =
    "SELECT 1 FROM pg_catalog.pg_extension WHERE extname = 'timescaledb'";

constexpr std::string_view kIsHypertable =
    "SELECT 1 FROM timescaledb_information.hypertables WHERE hypertable_schema = $1 AND hypertable_name = $2";

using Parameters = std::array<std::string, 1>;

std::uint32_t number(std::string_view digits) {
  std::uint32_t value = 0;
  std::from_chars(digits.data(), digits.data() + digits.size(), value);
  return value;
}

std::string shown(const TableName& name) {
  return name.schema.empty() ? name.name : fmt::format("{}.{}", name.schema, name.name);
}

std::vector<std::string> first_column(const QueryResult& rows) {
  std::vector<std::string> texts;
  texts.reserve(static_cast<std::size_t>(rows.rows()));
  for (int row = 0; row < rows.rows(); ++row) texts.emplace_back(rows.text(row, 0));
  return texts;
}

Result<Error> no_such_table(Connection& connection, const TableName& name) {
  HYPERCOPY_ASSIGN(const QueryResult similar, connection.execute(kFindSimilar, Parameters{name.name}));
  std::string hint =
      name.schema.empty() ? "It is not in search_path; name it with its schema: -t SCHEMA.TABLE" : "";
  if (similar.rows() > 0) {
    hint = fmt::format("There is {}. Quote upper case for shell and SQL: -t '\"Name\"'.",
                       fmt::join(first_column(similar), ", "));
  } else {
    const std::array<std::string, 2> parameters{name.name, name.schema};
    HYPERCOPY_ASSIGN(const QueryResult near, connection.execute(kFindNear, parameters));
    const std::string meant = near_name_hint(name.name, first_column(near));
    if (!meant.empty()) hint = meant;
  }
  return Error{.kind = ErrorKind::target,
               .message = fmt::format("there is no table {}", shown(name)),
               .sqlstate = "42P01",
               .hint = std::move(hint)};
}

Result<TableKind> kind_of(char relkind, const TargetTable& table) {
  switch (relkind) {
    case 'r':
      return TableKind::plain;
    case 'p':
      return TableKind::partitioned;
    case 'f':
      return TableKind::foreign;
    case 'v':
      // COPY fills a view through an INSTEAD OF INSERT trigger and refuses it without one.
      if (table.may_suppress_rows) return TableKind::view;
      return fail(Error{.kind = ErrorKind::target,
                        .message = fmt::format("cannot load into the view {}.{}", table.schema, table.name),
                        .sqlstate = "42809",
                        .hint = "Name its table, or give the view an INSTEAD OF INSERT row trigger."});
    default:
      return fail(Error{.kind = ErrorKind::target,
                        .message = fmt::format("{}.{} is not a table", table.schema, table.name),
                        .sqlstate = "42809"});
  }
}

Status read_columns(Connection& connection, const std::string& oid, TargetTable& table) {
  HYPERCOPY_ASSIGN(const QueryResult rows, connection.execute(kColumns, Parameters{oid}));
  for (int row = 0; row < rows.rows(); ++row) {
    table.columns.push_back(Column{.name = std::string(rows.text(row, 0)),
                                   .type = std::string(rows.text(row, 1)),
                                   .wire = {.oid = number(rows.text(row, 5)),
                                            .is_enum = rows.boolean(row, 6),
                                            .element_oid = number(rows.text(row, 7)),
                                            .element_is_enum = rows.boolean(row, 8)},
                                   .generated = rows.boolean(row, 2),
                                   .not_null = rows.boolean(row, 3),
                                   .has_sequence_default = rows.boolean(row, 4)});
  }
  return {};
}

Status read_triggers_and_references(Connection& connection, const std::string& oid, TargetTable& table) {
  HYPERCOPY_ASSIGN(const QueryResult triggers, connection.execute(kTriggers, Parameters{oid}));
  table.may_suppress_rows = triggers.boolean(0, 0);
  table.has_statement_triggers = triggers.boolean(0, 1);
  table.is_unlogged = triggers.boolean(0, 2);
  HYPERCOPY_ASSIGN(const QueryResult references, connection.execute(kSelfReferences, Parameters{oid}));
  for (int row = 0; row < references.rows(); ++row)
    table.self_references.emplace_back(references.text(row, 0));
  return {};
}

Result<bool> is_hypertable(Connection& connection, const TargetTable& table) {
  HYPERCOPY_ASSIGN(const QueryResult extension, connection.execute(kHasTimescale));
  if (extension.rows() == 0) return false;
  const std::array<std::string, 2> parameters{table.schema, table.name};
  HYPERCOPY_ASSIGN(const QueryResult found, connection.execute(kIsHypertable, parameters));
  return found.rows() > 0;
}

}  // namespace

const Column* TargetTable::find(std::string_view column) const {
  const auto found =
      std::find_if(columns.begin(), columns.end(), [&](const Column& c) { return c.name == column; });
  return found == columns.end() ? nullptr : &*found;
}

std::string_view to_string(TableKind kind) {
  switch (kind) {
    case TableKind::plain:
      return "table";
    case TableKind::partitioned:
      return "partitioned table";
    case TableKind::hypertable:
      return "hypertable";
    case TableKind::foreign:
      return "foreign table";
    case TableKind::view:
      return "view";
  }
  return "?";
}

Result<TargetTable> describe_table(Connection& connection, const TableName& name) {
  const std::array<std::string, 2> parameters{name.name, name.schema};
  HYPERCOPY_ASSIGN(const QueryResult found, connection.execute(kFindTable, parameters));
  if (found.rows() == 0) {
    HYPERCOPY_ASSIGN(Error error, no_such_table(connection, name));
    return fail(std::move(error));
  }
  TargetTable table;
  const std::string oid(found.text(0, 0));
  table.oid = number(oid);
  table.schema = found.text(0, 1);
  table.name = found.text(0, 2);
  // PostgreSQL 18 lets a superuser's COPY write into it, and the rows are never seen.
  if (found.boolean(0, 4)) {
    return fail(ErrorKind::target,
                fmt::format("{}.{} is a temporary table of another session", table.schema, table.name));
  }
  HYPERCOPY_TRY(read_columns(connection, oid, table));
  HYPERCOPY_TRY(read_triggers_and_references(connection, oid, table));
  HYPERCOPY_ASSIGN(table.kind, kind_of(found.text(0, 3).front(), table));
  if (table.kind == TableKind::foreign) table.may_suppress_rows = true;  // its wrapper decides what it keeps
  if (table.kind == TableKind::plain) {
    HYPERCOPY_ASSIGN(const bool hypertable, is_hypertable(connection, table));
    if (hypertable) table.kind = TableKind::hypertable;
  }
  return table;
}

}  // namespace hypercopy
