#include "import_presence.hpp"

#include <fmt/format.h>

#include <utility>

#include "former_backend.hpp"
#include "import_schema.hpp"

namespace hypercopy {

namespace {

constexpr std::string_view kLockNotAvailable = "55P03";
// Of what another process still seems to load alone.
constexpr std::string_view kPatience = "10s";

// Said again where an attempt to open the ledger failed behind it. The settings of one statement: its commit need not wait
// for the disk (import_ledger.hpp, "Why safe").
constexpr const char* kPreparePlan = R"(DEALLOCATE ALL;
PREPARE hypercopy_plan (int, int, bigint, bigint, bigint, bigint, bigint, bigint, bigint, bigint, int) AS
WITH unhurried AS (SELECT pg_catalog.set_config('synchronous_commit', 'off', true)),
     moved AS (UPDATE hypercopy.input
               SET planned_byte = $5, planned_line = $9, planned_record = $10, newline = $11
               WHERE job = $1 AND number = $2 AND planned_byte = $3 AND NOT complete RETURNING 1)
INSERT INTO hypercopy.interval (job, input, begin_byte, first_line, end_byte, first_record, records, content, bytes)
SELECT $1, $2, $3, $4, $5, $6, $7, $8, $5 - $3 FROM moved, unhurried)";

}  // namespace

Result<Connection> ImportLedger::Presence::connect() {
  HYPERCOPY_ASSIGN(Connection connection, make_connection(*stop));
  if (job != 0) HYPERCOPY_TRY(settle_in(connection));
  return connection;
}

// The server may not have noticed yet that the connection which had the lock is gone.
Status ImportLedger::Presence::settle_in(Connection& connection) {
  HYPERCOPY_TRY(end_former_backend(connection, std::exchange(backend, connection.backend_pid())));
  HYPERCOPY_TRY(take_lock(connection));
  HYPERCOPY_TRY(connection.execute(kPreparePlan));
  return {};
}

Status ImportLedger::Presence::take_lock(Connection& connection) const {
  if (shared && !builds_chunks) {
    HYPERCOPY_TRY(connection.execute(
        fmt::format("SELECT pg_catalog.pg_advisory_lock_shared({}, {})", kImportLockClass, job)));
    return {};
  }
  auto taken = connection.execute(
      fmt::format("BEGIN; SET LOCAL lock_timeout TO '{}'; SELECT pg_catalog.pg_advisory_lock({}, {}); COMMIT",
                  kPatience, kImportLockClass, job));
  if (taken) return {};
  if (taken.error().sqlstate != kLockNotAvailable) return fail(std::move(taken).error());
  if (shared) {
    return fail(
        ErrorKind::usage,
        "another process is loading this import, and with --build-chunks there is one at a time: it hands "
        "over the tables that others would be filling",
        "Wait for it. Without --build-chunks several loaders may share an import.");
  }
  return fail(
      ErrorKind::usage, "another process is loading this import, and a pipe cannot be shared",
      "Wait for it, or name files instead of piping them: several loaders may then share the import.");
}

}  // namespace hypercopy
