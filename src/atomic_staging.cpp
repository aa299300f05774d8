#include "hypercopy/atomic_staging.hpp"

#include <fmt/format.h>
#include <xxhash.h>

#include <algorithm>
#include <array>

#include "human_units.hpp"
#include "hypercopy/sql_identifier.hpp"
#include "insert_rules.hpp"
#include "query_numbers.hpp"
#include "sqlstate.hpp"

namespace hypercopy {

namespace {

constexpr std::string_view kPrefix = "hypercopy_atomic_";
// The first key of the advisory locks of runs that live; the second is the staging table's name, hashed by the server.
constexpr int kLockClass = 1752789093;

std::string quoted(const Connection& connection, const std::string& schema, const std::string& name) {
  return fmt::format("{}.{}", connection.quote_identifier(schema), connection.quote_identifier(name));
}

// Begins the COMMENT of every staging table of this target.
std::string comment_for(std::uint32_t target) {
  return fmt::format("hypercopy --atomic, target {}, ", target);
}

std::string lock_key(const Connection& connection, const std::string& name) {
  return fmt::format("{}, pg_catalog.hashtext({})", kLockClass, connection.quote_literal(name));
}

Error may_not_create(Error error, const std::string& schema) {
  if (error.sqlstate != sqlstate::kInsufficientPrivilege) return error;
  error.message = "the staging table of --atomic cannot be created: " + error.message;
  error.hint = fmt::format(
      "--atomic needs SELECT on the table and CREATE in its schema: GRANT CREATE ON SCHEMA {} TO "
      "the_loading_role; --single-transaction needs neither.",
      display_identifier(schema));
  return error;
}

}  // namespace

Result<AtomicStaging> AtomicStaging::plan(Connection& connection, const TargetTable& table,
                                          const LoadOptions& options, const std::string& run_id) {
  HYPERCOPY_TRY(refuse_insert_rules(connection, table, "--atomic"));
  AtomicStaging staging;
  staging.by_import_ = !options.import_id.empty();
  staging.is_logged_ = staging.by_import_;
  staging.truncates_ = options.truncate;
  staging.may_suppress_rows_ = table.may_suppress_rows;
  staging.target_oid_ = table.oid;
  staging.target_ = quoted(connection, table.schema, table.name);
  staging.name_ =
      staging.by_import_
          ? fmt::format("{}{:016x}", kPrefix, XXH3_64bits(options.import_id.data(), options.import_id.size()))
          : fmt::format("{}{}", kPrefix, run_id);
  staging.relation_ = quoted(connection, table.schema, staging.name_);
  staging.comment_ =
      comment_for(table.oid) +
      (staging.by_import_ ? fmt::format("import {}", options.import_id) : fmt::format("run {}", run_id));
  const std::array<std::string, 1> which{std::to_string(table.oid)};
  HYPERCOPY_ASSIGN(
      const QueryResult rows,
      connection.execute("SELECT attname, attidentity <> '', attgenerated <> '', attnotnull FROM "
                         "pg_catalog.pg_attribute WHERE attrelid = $1::oid AND attnum > 0 AND NOT "
                         "attisdropped ORDER BY attnum",
                         which));
  for (int row = 0; row < rows.rows(); ++row) {
    staging.columns_.push_back({.name = std::string(rows.text(row, 0)),
                                .quoted = connection.quote_identifier(rows.text(row, 0)),
                                .is_identity = rows.boolean(row, 1),
                                .is_generated = rows.boolean(row, 2),
                                .not_null = rows.boolean(row, 3)});
  }
  if (auto allowed = staging.check_rights(connection); !allowed) {
    return fail(may_not_create(std::move(allowed).error(), table.schema));
  }
  return staging;
}

// EXPLAIN checks the rights of the statement without running it.
Status AtomicStaging::check_rights(Connection& connection) const {
  HYPERCOPY_TRY(connection.execute("EXPLAIN " + insert_sql(/*with_identity=*/false, target_)));
  const std::array<std::string, 1> which{std::to_string(target_oid_)};
  HYPERCOPY_ASSIGN(
      const QueryResult rights,
      connection.execute(
          "SELECT pg_catalog.has_schema_privilege(relnamespace, 'CREATE'), "
          "pg_catalog.has_table_privilege(oid, 'TRUNCATE') FROM pg_catalog.pg_class WHERE oid = $1::oid",
          which));
  if (rights.rows() == 0 || !rights.boolean(0, 0)) {
    return fail(Error{.kind = ErrorKind::sql,
                      .message = "permission denied for its schema",
                      .sqlstate = std::string(sqlstate::kInsufficientPrivilege)});
  }
  if (truncates_ && !rights.boolean(0, 1)) {
    return fail(ErrorKind::target, "this role may not TRUNCATE the table",
                "GRANT TRUNCATE on it, or leave --truncate out.");
  }
  return {};
}

std::string AtomicStaging::columns_sql(bool with_identity) const {
  std::string text;
  for (const auto& column : columns_) {
    if (column.is_generated || (column.is_identity && !with_identity)) continue;
    text += (text.empty() ? "" : ", ") + column.quoted;
  }
  return text;
}

std::string AtomicStaging::insert_sql(bool with_identity, const std::string& from) const {
  const std::string columns = columns_sql(with_identity);
  if (columns.empty()) return fmt::format("INSERT INTO {} DEFAULT VALUES", target_);
  return fmt::format("INSERT INTO {} ({}){} SELECT {} FROM {}", target_, columns,
                     with_identity ? " OVERRIDING SYSTEM VALUE" : "", columns, from);
}

Status AtomicStaging::expect(const std::vector<std::string>& columns, const std::string& input) {
  std::string column_name;
  bool fills = false;
  for (const auto& column : columns_) {
    if (!column.is_identity) continue;
    column_name = column.name;
    fills = std::find(columns.begin(), columns.end(), column.name) != columns.end();
  }
  if (!fills_identity_) {
    fills_identity_ = fills;
    first_input_ = input;
  }
  if (*fills_identity_ == fills) return {};
  return fail(
      ErrorKind::usage,
      fmt::format("identity column {} is filled by {} and not by {}, which --atomic cannot load together",
                  display_identifier(column_name), fills ? input : first_input_,
                  fills ? first_input_ : input),
      "Load such inputs one after the other.");
}

Status AtomicStaging::create(Connection& connection) const {
  std::string sql = fmt::format(
      "CREATE {}TABLE {} (LIKE {} INCLUDING DEFAULTS INCLUDING STORAGE{}) WITH (autovacuum_enabled = false); "
      "COMMENT ON TABLE {} IS {}",
      is_logged_ ? "" : "UNLOGGED ", relation_, target_, may_suppress_rows_ ? "" : " INCLUDING CONSTRAINTS",
      relation_, connection.quote_literal(comment_));
  for (const auto& column : columns_) {
    if (column.is_generated) {
      sql += fmt::format("; ALTER TABLE {} DROP COLUMN {}", relation_, column.quoted);
    } else if (column.not_null && (column.is_identity || may_suppress_rows_)) {
      sql += fmt::format("; ALTER TABLE {} ALTER COLUMN {} DROP NOT NULL", relation_, column.quoted);
    }
  }
  HYPERCOPY_TRY(connection.execute(sql));
  return {};
}

Result<bool> AtomicStaging::exists(Connection& connection) const {
  const std::array<std::string, 1> which{relation_};
  HYPERCOPY_ASSIGN(
      const QueryResult found,
      connection.execute("SELECT coalesce(pg_catalog.obj_description(c.oid, 'pg_class'), '') FROM "
                         "pg_catalog.pg_class AS c WHERE c.oid = pg_catalog.to_regclass($1)",
                         which));
  if (found.rows() == 0) return false;
  if (found.text(0, 0) == comment_) return true;
  return fail(ErrorKind::target,
              fmt::format("{} exists and is not the staging table of this load: its comment is \"{}\"",
                          relation_, found.text(0, 0)),
              "Rename or drop that table.");
}

Result<std::uint64_t> AtomicStaging::publish(Connection& connection, std::uint64_t staged) const {
  HYPERCOPY_ASSIGN(const QueryResult counted,
                   connection.execute(fmt::format("SELECT pg_catalog.count(*) FROM {}", relation_)));
  if (count_at(counted, 0, 0) != staged) {
    return fail(
        ErrorKind::target,
        fmt::format("the staging table holds {} rows and {} were copied into it", counted.text(0, 0), staged),
        by_import_ ? "Somebody changed it. Forget the import and load again: nothing reached the table."
                   : "The server crashed or failed over meanwhile. Load again: nothing reached the table.");
  }
  announce_(staged);
  if (truncates_) HYPERCOPY_TRY(connection.execute("TRUNCATE " + target_));
  std::uint64_t taken = 0;
  if (staged > 0) {
    HYPERCOPY_ASSIGN(const QueryResult inserted,
                     connection.execute(insert_sql(fills_identity_.value_or(false), relation_)));
    taken = inserted.rows_affected();
  }
  if (taken != staged && (taken > staged || !may_suppress_rows_)) {
    return fail(ErrorKind::accounting,
                fmt::format("{} rows were staged and the server inserted {}", staged, taken),
                "Nothing was loaded. This is a defect: please report it with the table's definition.");
  }
  HYPERCOPY_TRY(drop(connection));
  return taken;
}

Status AtomicStaging::drop(Connection& connection) const {
  HYPERCOPY_TRY(connection.execute("DROP TABLE " + relation_));
  return {};
}

Status AtomicStaging::mark_as_owned(Connection& connection) const {
  HYPERCOPY_TRY(
      connection.execute(fmt::format("SELECT pg_catalog.pg_advisory_lock({})", lock_key(connection, name_))));
  return {};
}

Result<std::vector<std::string>> drop_left_staging(Connection& connection, const TargetTable& table) {
  const std::array<std::string, 3> which{std::string(kPrefix) + "%", comment_for(table.oid) + "run %",
                                         table.schema};
  HYPERCOPY_ASSIGN(
      const QueryResult left,
      connection.execute(
          "SELECT c.relname, pg_catalog.pg_total_relation_size(c.oid) FROM pg_catalog.pg_class AS c "
          "JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace WHERE c.relname LIKE $1 AND "
          "n.nspname = $3 AND c.relkind = 'r' AND pg_catalog.obj_description(c.oid, 'pg_class') LIKE "
          "$2 ORDER BY 1",
          which));
  std::vector<std::string> said;
  for (int row = 0; row < left.rows(); ++row) {
    const std::string name(left.text(row, 0));
    const std::string key = lock_key(connection, name);
    HYPERCOPY_ASSIGN(const QueryResult dead,
                     connection.execute(fmt::format("SELECT pg_catalog.pg_try_advisory_lock({})", key)));
    if (!dead.boolean(0, 0)) continue;
    const std::string relation = quoted(connection, table.schema, name);
    // A backend of the dead run may still be at work in it, for a moment.
    auto dropped = connection.execute(
        fmt::format("BEGIN; SET LOCAL lock_timeout TO '10s'; DROP TABLE IF EXISTS {}; COMMIT", relation));
    if (!dropped && !connection.is_alive()) return fail(std::move(dropped).error());
    if (!dropped) HYPERCOPY_TRY(connection.execute("ROLLBACK"));
    HYPERCOPY_TRY(connection.execute(fmt::format("SELECT pg_catalog.pg_advisory_unlock({})", key)));
    said.push_back(
        dropped
            ? fmt::format("removed {}, {} that an --atomic load left when it was cut off: nothing of it had "
                          "reached the table",
                          name, human_bytes(count_at(left, row, 1)))
            : fmt::format("{} is left from an --atomic load that was cut off, and cannot be removed: {}",
                          name, dropped.error().message));
  }
  return said;
}

Status drop_import_staging(Connection& connection, const std::string& import_id) {
  const std::array<std::string, 2> which{std::string(kPrefix) + "%", import_id};
  HYPERCOPY_ASSIGN(
      const QueryResult left,
      connection.execute(
          "SELECT pg_catalog.format('%I.%I', n.nspname, c.relname) FROM pg_catalog.pg_class AS c JOIN "
          "pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace JOIN hypercopy.job ON import_id = $2 WHERE "
          "c.relname "
          "LIKE $1 AND c.relkind = 'r' AND pg_catalog.obj_description(c.oid, 'pg_class') = "
          "pg_catalog.format('hypercopy --atomic, target %s, import %s', job.target, import_id)",
          which));
  for (int row = 0; row < left.rows(); ++row)
    HYPERCOPY_TRY(connection.execute(fmt::format("DROP TABLE {}", left.text(row, 0))));
  return {};
}

}  // namespace hypercopy
