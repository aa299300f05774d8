#include "import_schema.hpp"

#include <fmt/format.h>

#include <string>
#include <string_view>

#include "query_numbers.hpp"
#include "sqlstate.hpp"

namespace hypercopy {

namespace {

// Of the tables below: whoever changes them in any way, or what a recorded cut of windows comes to (WindowCut), counts it up.
// The comment on the first tells what there is.
constexpr int kVersion = 2;
constexpr std::string_view kFind = R"sql(
SELECT count(class.oid), coalesce(pg_catalog.max(pg_catalog.substring(pg_catalog.obj_description(class.oid, 'pg_class'),
  'ledger version ([0-9]{1,9})')::integer), 0)
FROM pg_catalog.pg_namespace AS schema JOIN pg_catalog.pg_class AS class ON class.relnamespace = schema.oid
  AND class.relname IN ('job', 'input', 'interval', 'reject')
WHERE schema.nspname = 'hypercopy')sql";

// CREATE SCHEMA IF NOT EXISTS needs the right to create one even where it exists, made for this role by somebody else.
// IF NOT EXISTS is no protection against another session that creates the same at this moment; the lock is. Rows of
// interval are updated once, which stays within the page where there is room.
constexpr std::string_view kLock = "BEGIN; SELECT pg_catalog.pg_advisory_xact_lock({}, 0)";
constexpr std::string_view kCreate = R"sql(
DO $hypercopy$
BEGIN
  IF NOT EXISTS (SELECT FROM pg_catalog.pg_namespace WHERE nspname = 'hypercopy') THEN
    CREATE SCHEMA hypercopy;
  END IF;
END $hypercopy$;
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
COMMENT ON TABLE hypercopy.job IS 'What hypercopy has loaded: see "hypercopy imports" (ledger version {})';
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
  cut jsonb,
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
  slice integer NOT NULL DEFAULT 0,
  slices integer NOT NULL DEFAULT 1,
  end_byte bigint NOT NULL,
  first_line bigint NOT NULL,
  first_record bigint NOT NULL,
  records bigint NOT NULL,
  bytes bigint NOT NULL,
  content bigint NOT NULL,
  done_by text,
  done_at timestamptz,
  loaded bigint,
  updated bigint,
  conflicts bigint,
  rejected bigint,
  PRIMARY KEY (job, input, begin_byte, slice)
) WITH (fillfactor = 60))sql";

Error other_version(int found) {
  const bool newer = found > kVersion;
  return {
      .kind = ErrorKind::target,
      .message =
          fmt::format("the import ledger of this database (schema hypercopy) is that of {} hypercopy: {}",
                      newer ? "a newer" : "an older",
                      newer ? fmt::format("it has version {}, known here is {}", found, kVersion)
                            : "its tables are not those that are used here"),
      .hint =
          newer ? "Use that hypercopy for this database."
                : "Finish its imports with the hypercopy that began them, then remove it (loaded rows stay) "
                  "and a new one is made: DROP TABLE hypercopy.job, hypercopy.input, hypercopy.interval, "
                  "hypercopy.reject"};
}

Status create_tables(Connection& connection) {
  HYPERCOPY_TRY(connection.execute(fmt::format(kLock, kImportLockClass)));
  HYPERCOPY_ASSIGN(const bool there, has_import_schema(connection));  // by now, by somebody else
  HYPERCOPY_TRY(
      connection.execute(there ? "COMMIT" : fmt::format("{}; COMMIT", fmt::format(kCreate, kVersion))));
  return {};
}

}  // namespace

Result<bool> has_import_schema(Connection& connection) {
  HYPERCOPY_ASSIGN(const QueryResult found, connection.execute(kFind));
  const int tables = found.rows() == 0 ? 0 : number_at<int>(found, 0, 0);
  if (tables == 0) return false;
  const int version = number_at<int>(found, 0, 1);
  if (version == kVersion) return true;
  return fail(other_version(version));
}

Status ensure_import_schema(Connection& connection) {
  HYPERCOPY_ASSIGN(const bool there, has_import_schema(connection));
  if (there) return {};
  auto created = create_tables(connection);
  if (created) return {};
  if (connection.in_transaction()) HYPERCOPY_TRY(connection.execute("ROLLBACK"));
  Error error = std::move(created).error();
  if (error.sqlstate == sqlstate::kInsufficientPrivilege) {
    error.message = "the import ledger cannot be created: " + error.message;
    error.hint =
        "--import-id keeps its ledger in the schema hypercopy of the target's database. Who may create it "
        "runs: "
        "CREATE SCHEMA hypercopy AUTHORIZATION the_loading_role; where it exists: GRANT USAGE, CREATE ON "
        "SCHEMA hypercopy TO the_loading_role;";
  }
  return fail(std::move(error));
}

Error with_ledger_grants(Error error) {
  if (error.sqlstate != sqlstate::kInsufficientPrivilege || !error.hint.empty()) return error;
  error.hint =
      "The import ledger belongs to another role. Its owner runs: GRANT USAGE ON SCHEMA hypercopy TO "
      "the_loading_role; GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA hypercopy TO "
      "the_loading_role;";
  return error;
}

}  // namespace hypercopy
