#include "import_schema.hpp"

#include <fmt/format.h>

#include <string_view>

namespace hypercopy {

namespace {

constexpr std::string_view kInsufficientPrivilege = "42501";

// IF NOT EXISTS is no protection against another session that creates the same at this moment; the lock is. Rows of
// interval are updated once, which stays within the page where there is room.
constexpr std::string_view kCreate = R"sql(
BEGIN;
SELECT pg_catalog.pg_advisory_xact_lock({}, 0);
CREATE SCHEMA IF NOT EXISTS hypercopy;
COMMENT ON SCHEMA hypercopy IS 'What hypercopy has loaded: see "hypercopy imports"';
CREATE TABLE IF NOT EXISTS hypercopy.job (
  id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  import_id text NOT NULL UNIQUE,
  target oid NOT NULL,
  target_name text NOT NULL,
  settings jsonb NOT NULL,
  state text NOT NULL DEFAULT 'loading' CHECK (state IN ('loading', 'done')),
  created_by text NOT NULL DEFAULT current_user,
  created_at timestamptz NOT NULL DEFAULT pg_catalog.now(),
  finished_at timestamptz,
  rows_published bigint
);
CREATE TABLE IF NOT EXISTS hypercopy.input (
  job integer NOT NULL REFERENCES hypercopy.job,
  number integer NOT NULL,
  name text NOT NULL,
  size bigint,
  fingerprint text NOT NULL,
  mapping text,
  prologue bytea,
  first_byte bigint,
  first_line bigint,
  planned_byte bigint,
  planned_line bigint,
  planned_record bigint,
  newline smallint NOT NULL DEFAULT 0,
  complete boolean NOT NULL DEFAULT false,
  PRIMARY KEY (job, number)
) WITH (fillfactor = 50);
CREATE TABLE IF NOT EXISTS hypercopy.reject (
  job integer NOT NULL,
  input integer NOT NULL,
  record bigint NOT NULL,
  line bigint NOT NULL,
  byte bigint NOT NULL,
  content bytea NOT NULL,
  sqlstate text NOT NULL,
  column_name text NOT NULL,
  constraint_name text NOT NULL,
  message text NOT NULL,
  detail text NOT NULL,
  PRIMARY KEY (job, input, record)
);
CREATE TABLE IF NOT EXISTS hypercopy.interval (
  job integer NOT NULL,
  input integer NOT NULL,
  begin_byte bigint NOT NULL,
  end_byte bigint NOT NULL,
  first_line bigint NOT NULL,
  first_record bigint NOT NULL,
  records bigint NOT NULL,
  content bigint NOT NULL,
  done_by text,
  done_at timestamptz,
  loaded bigint,
  updated bigint,
  conflicts bigint,
  rejected bigint,
  PRIMARY KEY (job, input, begin_byte)
) WITH (fillfactor = 60);
COMMIT)sql";

}  // namespace

Result<bool> has_import_schema(Connection& connection) {
  HYPERCOPY_ASSIGN(const QueryResult found,
                   connection.execute("SELECT pg_catalog.to_regclass('hypercopy.interval') IS NOT NULL"));
  return found.boolean(0, 0);
}

Status ensure_import_schema(Connection& connection) {
  HYPERCOPY_ASSIGN(const bool there, has_import_schema(connection));
  if (there) return {};
  auto created = connection.execute(fmt::format(kCreate, kImportLockClass));
  if (created) return {};
  if (connection.in_transaction()) HYPERCOPY_TRY(connection.execute("ROLLBACK"));
  Error error = std::move(created).error();
  if (error.sqlstate == kInsufficientPrivilege) {
    error.message = "the import ledger cannot be created: " + error.message;
    error.hint =
        "--import-id keeps its ledger in the schema hypercopy of the target's database. Who may create it "
        "runs: "
        "CREATE SCHEMA hypercopy AUTHORIZATION the_loading_role;";
  }
  return fail(std::move(error));
}

Error with_ledger_grants(Error error) {
  if (error.sqlstate != kInsufficientPrivilege || !error.hint.empty()) return error;
  error.hint =
      "The import ledger belongs to another role. Its owner runs: GRANT USAGE ON SCHEMA hypercopy TO "
      "the_loading_role; GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA hypercopy TO "
      "the_loading_role;";
  return error;
}

}  // namespace hypercopy
