#include "ingest_bench_twin.hpp"

#include <fmt/format.h>

#include <array>
#include <map>

#include "hypercopy/sql_identifier.hpp"

namespace hypercopy {

namespace {

using OneParameter = std::array<std::string, 1>;

// LIKE leaves out storage parameters, tablespace and access method.
constexpr std::string_view kStorage = R"(
SELECT CASE WHEN am.amname <> 'heap' THEN ' USING ' || pg_catalog.quote_ident(am.amname) ELSE '' END
    || coalesce((SELECT ' WITH (' || pg_catalog.string_agg(pg_catalog.quote_ident(option_name) || ' = '
                     || pg_catalog.quote_literal(option_value), ', ') || ')'
                 FROM pg_catalog.pg_options_to_table(c.reloptions)), '')
    || coalesce(' TABLESPACE ' || pg_catalog.quote_ident(s.spcname), '')
FROM pg_catalog.pg_class c LEFT JOIN pg_catalog.pg_am am ON am.oid = c.relam
LEFT JOIN pg_catalog.pg_tablespace s ON s.oid = c.reltablespace
WHERE c.oid = $1::oid)";

// Parents before their children.
constexpr std::string_view kPartitions = R"(
SELECT t.relid::oid, t.parentrelid::oid, pg_catalog.pg_get_expr(c.relpartbound, c.oid),
       pg_catalog.pg_get_partkeydef(c.oid), c.relkind = 'f', c.oid::regclass
FROM pg_catalog.pg_partition_tree($1::oid::regclass) t JOIN pg_catalog.pg_class c ON c.oid = t.relid
ORDER BY t.level, t.relid)";

constexpr std::string_view kDimensions = R"(
SELECT column_name, dimension_type = 'Time', time_interval, integer_interval, num_partitions
FROM timescaledb_information.dimensions
WHERE hypertable_schema = $1 AND hypertable_name = $2 ORDER BY dimension_number)";

constexpr std::string_view kTimescaleSchema = R"(
SELECT pg_catalog.quote_ident(n.nspname) FROM pg_catalog.pg_extension e
JOIN pg_catalog.pg_namespace n ON n.oid = e.extnamespace WHERE e.extname = 'timescaledb')";

// Defaults that LIKE copied take their values from the target's sequences: loading must not move those.
constexpr std::string_view kBorrowedSequences = R"(
SELECT a.attname, pg_catalog.pg_get_expr(d.adbin, d.adrelid)
         = 'nextval(' || pg_catalog.quote_literal(s.oid::regclass) || '::regclass)',
       q.seqtypid::regtype, q.seqincrement, q.seqcache, s.oid::regclass
FROM pg_catalog.pg_attrdef d
JOIN pg_catalog.pg_attribute a ON a.attrelid = d.adrelid AND a.attnum = d.adnum
JOIN pg_catalog.pg_depend p ON p.classid = 'pg_catalog.pg_attrdef'::regclass AND p.objid = d.oid
     AND p.refclassid = 'pg_catalog.pg_class'::regclass
JOIN pg_catalog.pg_class s ON s.oid = p.refobjid AND s.relkind = 'S'
JOIN pg_catalog.pg_sequence q ON q.seqrelid = s.oid
WHERE d.adrelid = $1::regclass AND a.attidentity = '' AND a.attgenerated = '' ORDER BY a.attnum)";

// Triggers, foreign keys, row security, UNLOGGED; indexes that only single partitions have.
constexpr std::string_view kDifferences = R"(
WITH family AS (SELECT $1::oid AS oid UNION SELECT relid::oid FROM pg_catalog.pg_partition_tree($1::oid::regclass))
SELECT (SELECT pg_catalog.count(*) FROM pg_catalog.pg_trigger
        WHERE tgrelid = $1::oid AND NOT tgisinternal AND tgenabled <> 'D'),
       (SELECT pg_catalog.count(*) FROM pg_catalog.pg_constraint WHERE conrelid = $1::oid AND contype = 'f'),
       c.relrowsecurity, c.relpersistence = 'u',
       (SELECT pg_catalog.count(*) FROM pg_catalog.pg_index i JOIN family f ON f.oid = i.indrelid
        WHERE i.indrelid <> $1::oid
          AND NOT EXISTS (SELECT FROM pg_catalog.pg_inherits h WHERE h.inhrelid = i.indexrelid))
FROM pg_catalog.pg_class c WHERE c.oid = $1::oid)";

constexpr std::string_view kHasColumnstore = R"(
SELECT compression_enabled FROM timescaledb_information.hypertables
WHERE hypertable_schema = $1 AND hypertable_name = $2)";

std::string quoted(const Connection& connection, const std::string& schema, const std::string& name) {
  return fmt::format("{}.{}", connection.quote_identifier(schema), connection.quote_identifier(name));
}

Result<std::string> storage_of(Connection& connection, std::string oid) {
  HYPERCOPY_ASSIGN(const QueryResult rows, connection.execute(kStorage, OneParameter{std::move(oid)}));
  return rows.rows() == 0 || rows.is_null(0, 0) ? std::string() : std::string(rows.text(0, 0));
}

Status create_partitions(Connection& connection, const TargetTable& target, const TableName& name,
                         const std::string& qualified, const std::string& stem) {
  const std::string root = fmt::format("{}", target.oid);
  HYPERCOPY_ASSIGN(const QueryResult rows, connection.execute(kPartitions, OneParameter{root}));
  std::map<std::string, std::string> twins;  // oid of the target's partition -> its twin, quoted
  for (int row = 0; row < rows.rows(); ++row) {
    const std::string oid(rows.text(row, 0));
    if (rows.boolean(row, 4)) {
      return fail(ErrorKind::target,
                  fmt::format("{} has the foreign table {} as a partition: it has no twin",
                              display_qualified(target.schema, target.name), rows.text(row, 5)),
                  "Bench a table like it that holds its rows itself.");
    }
    const std::string by =
        rows.is_null(row, 3) ? std::string() : fmt::format(" PARTITION BY {}", rows.text(row, 3));
    HYPERCOPY_ASSIGN(const std::string storage, storage_of(connection, oid));
    if (oid == root) {
      HYPERCOPY_TRY(
          connection.execute(fmt::format("CREATE TABLE {} (LIKE {} INCLUDING ALL){}{}", qualified,
                                         quoted(connection, target.schema, target.name), by, storage)));
      twins[oid] = qualified;
      continue;
    }
    const std::string twin = quoted(connection, name.schema, fmt::format("{}_p{}", stem, row));
    HYPERCOPY_TRY(connection.execute(fmt::format("CREATE TABLE {} PARTITION OF {} {}{}{}", twin,
                                                 twins[std::string(rows.text(row, 1))], rows.text(row, 2), by,
                                                 storage)));
    twins[oid] = twin;
  }
  return {};
}

Status make_hypertable(Connection& connection, const TargetTable& target, const std::string& qualified) {
  const std::array<std::string, 2> parameters{target.schema, target.name};
  HYPERCOPY_ASSIGN(const QueryResult schema, connection.execute(kTimescaleSchema));
  HYPERCOPY_ASSIGN(const QueryResult dimensions, connection.execute(kDimensions, parameters));
  for (int row = 0; row < dimensions.rows(); ++row) {
    const bool time = dimensions.boolean(row, 1);
    std::string arguments = fmt::format("{}::regclass, {}::name, ", connection.quote_literal(qualified),
                                        connection.quote_literal(dimensions.text(row, 0)));
    if (!time) {
      arguments += fmt::format("number_partitions => {}", dimensions.text(row, 4));
    } else if (!dimensions.is_null(row, 3)) {
      arguments += fmt::format("chunk_time_interval => {}::bigint", dimensions.text(row, 3));
    } else {
      arguments += fmt::format("chunk_time_interval => {}::interval",
                               connection.quote_literal(dimensions.text(row, 2)));
    }
    // The indexes came by LIKE.
    const bool first = row == 0;
    auto made = connection.execute(fmt::format("SELECT {}.{}({}{})", schema.text(0, 0),
                                               first ? "create_hypertable" : "add_dimension", arguments,
                                               first ? ", create_default_indexes => false" : ""));
    if (made) continue;
    Error error = std::move(made).error();
    if (error.hint.empty()) {
      error.hint = fmt::format(
          "The scratch table could not be made a hypertable as {} is; partitioning functions of one's own "
          "are "
          "not copied.",
          display_qualified(target.schema, target.name));
    }
    return fail(std::move(error));
  }
  return {};
}

Status own_sequences(Connection& connection, const TableName& name, const std::string& qualified,
                     const std::string& stem) {
  HYPERCOPY_ASSIGN(const QueryResult rows, connection.execute(kBorrowedSequences, OneParameter{qualified}));
  for (int row = 0; row < rows.rows(); ++row) {
    const std::string_view column = rows.text(row, 0);
    if (!rows.boolean(row, 1)) {
      return fail(
          ErrorKind::target,
          fmt::format("the default of column {} uses the sequence {} in an expression: loading a scratch "
                      "table would move the sequence of the target",
                      display_identifier(column), rows.text(row, 5)),
          "Bench a table like it with another default.");
    }
    const std::string sequence = quoted(connection, name.schema, fmt::format("{}_s{}", stem, row));
    HYPERCOPY_TRY(connection.execute(
        fmt::format("CREATE SEQUENCE {0} AS {1} INCREMENT BY {2} CACHE {3} OWNED BY {4}.{5};"
                    "ALTER TABLE {4} ALTER COLUMN {5} SET DEFAULT pg_catalog.nextval({6}::regclass)",
                    sequence, rows.text(row, 2), rows.text(row, 3), rows.text(row, 4), qualified,
                    connection.quote_identifier(column), connection.quote_literal(sequence))));
  }
  return {};
}

std::string plural(std::string_view count, std::string_view singular, std::string_view plural_form) {
  return fmt::format("{} {}", count, count == "1" ? singular : plural_form);
}

Status create_like(Connection& connection, const TargetTable& target, const std::string& qualified) {
  HYPERCOPY_ASSIGN(const std::string storage, storage_of(connection, fmt::format("{}", target.oid)));
  HYPERCOPY_TRY(connection.execute(fmt::format("CREATE TABLE {} (LIKE {} INCLUDING ALL){}", qualified,
                                               quoted(connection, target.schema, target.name), storage)));
  return target.kind == TableKind::hypertable ? make_hypertable(connection, target, qualified) : Status{};
}

}  // namespace

Status create_twin(Connection& connection, const TargetTable& target, const TableName& name,
                   const std::string& qualified, const std::string& stem) {
  switch (target.kind) {
    case TableKind::foreign:
    case TableKind::view:
      return fail(ErrorKind::target,
                  fmt::format("{} is a {}: it has no twin to load into",
                              display_qualified(target.schema, target.name), to_string(target.kind)),
                  "Name the table behind it.");
    case TableKind::partitioned:
      HYPERCOPY_TRY(create_partitions(connection, target, name, qualified, stem));
      break;
    case TableKind::plain:
    case TableKind::hypertable:
      HYPERCOPY_TRY(create_like(connection, target, qualified));
      break;
  }
  return own_sequences(connection, name, qualified, stem);
}

Result<std::vector<std::string>> twin_differences(Connection& connection, const TargetTable& target) {
  std::vector<std::string> notices;
  HYPERCOPY_ASSIGN(const QueryResult found,
                   connection.execute(kDifferences, OneParameter{fmt::format("{}", target.oid)}));
  if (found.text(0, 0) != "0" || found.text(0, 1) != "0") {
    notices.push_back(fmt::format(
        "the scratch table has not the target's {} and {}: where they cost time, a load takes longer",
        plural(found.text(0, 0), "trigger", "triggers"),
        plural(found.text(0, 1), "foreign key", "foreign keys")));
  }
  if (!target.self_references.empty()) {
    notices.emplace_back(
        "a foreign key of the target refers to the target itself: hypercopy load uses one worker there, "
        "whatever "
        "-j says");
  }
  if (found.boolean(0, 2)) {
    notices.emplace_back("the target has row level security, the scratch table has not");
  }
  if (found.boolean(0, 3)) {
    notices.emplace_back("the target is UNLOGGED, the scratch table is not: it writes WAL as a table does");
  }
  if (target.kind == TableKind::partitioned && found.text(0, 4) != "0") {
    notices.push_back(fmt::format("the scratch table has not the {} that only single partitions have",
                                  plural(found.text(0, 4), "index", "indexes")));
  }
  if (target.kind != TableKind::hypertable) return notices;
  const std::array<std::string, 2> parameters{target.schema, target.name};
  HYPERCOPY_ASSIGN(const QueryResult columnstore, connection.execute(kHasColumnstore, parameters));
  if (columnstore.rows() > 0 && columnstore.boolean(0, 0)) {
    notices.emplace_back("the columnstore (compression) of the target is off in the scratch table");
  }
  return notices;
}

}  // namespace hypercopy
