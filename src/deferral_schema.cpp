#include <fmt/format.h>

#include "hypercopy/deferred_indexes.hpp"
#include "sqlstate.hpp"

namespace hypercopy {

namespace {

constexpr std::string_view kIsThere =
    "SELECT EXISTS (SELECT FROM pg_catalog.pg_class AS c JOIN pg_catalog.pg_namespace AS n ON n.oid = "
    "c.relnamespace WHERE n.nspname = 'hypercopy' AND c.relname = 'deferred_index')";

// CREATE SCHEMA IF NOT EXISTS needs the right to create one even where it exists.
constexpr std::string_view kCreate = R"sql(
DO $hypercopy$
BEGIN
  PERFORM pg_catalog.pg_advisory_xact_lock({}, 0);
  IF NOT EXISTS (SELECT FROM pg_catalog.pg_namespace WHERE nspname = 'hypercopy') THEN
    CREATE SCHEMA hypercopy;
  END IF;
  IF NOT EXISTS (SELECT FROM pg_catalog.pg_class AS c JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
                 WHERE n.nspname = 'hypercopy' AND c.relname = 'deferred_index') THEN
    CREATE TABLE hypercopy.deferred_index (
      id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
      target oid NOT NULL,
      target_name text NOT NULL,
      relation oid NOT NULL,
      relation_name text NOT NULL,
      index_name text NOT NULL,
      is_constraint boolean NOT NULL,
      depth integer NOT NULL,
      definition text NOT NULL,
      drop_statement text NOT NULL,
      statements text[] NOT NULL,
      run text NOT NULL,
      created_by text NOT NULL DEFAULT current_user,
      created_at timestamptz NOT NULL DEFAULT pg_catalog.now()
    );
    COMMENT ON TABLE hypercopy.deferred_index IS
      'Indexes that a load has dropped and still has to build: see "hypercopy imports rebuild-indexes"';
  END IF;
END $hypercopy$)sql";

}  // namespace

Status ensure_deferral_schema(Connection& connection) {
  HYPERCOPY_ASSIGN(const QueryResult there, connection.execute(kIsThere));
  if (there.boolean(0, 0)) return {};
  auto created = connection.execute(fmt::format(kCreate, kDeferralLockClass));
  if (created) return {};
  Error error = std::move(created).error();
  if (error.sqlstate == sqlstate::kInsufficientPrivilege) {
    error.message = "the indexes to be rebuilt cannot be recorded: " + error.message;
    error.hint =
        "--defer-indexes keeps their definitions in the schema hypercopy of the target's database. Who may "
        "create it runs: CREATE SCHEMA hypercopy AUTHORIZATION the_loading_role; where it exists: GRANT "
        "USAGE, CREATE ON SCHEMA hypercopy TO the_loading_role;";
  }
  return fail(std::move(error));
}

}  // namespace hypercopy
