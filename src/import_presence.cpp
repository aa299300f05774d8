#include "import_presence.hpp"

#include <fmt/format.h>

#include <utility>

#include "former_backend.hpp"
#include "import_schema.hpp"
#include "sqlstate.hpp"

namespace hypercopy {

namespace {

// With what another process still seems to load alone, behind kSilence.
constexpr std::string_view kPatience = "8s";
constexpr std::string_view kForEver = "0";

// Of a window and of a batch, which is one slice. Said again where an attempt to open the ledger failed behind it. The
// settings of one statement: its commit need not wait for the disk (import_ledger.hpp, "Why safe").
constexpr const char* kPreparePlan = R"(DEALLOCATE ALL;
PREPARE hypercopy_plan (int, int, bigint, bigint, bigint, bigint, bigint, bigint, int, jsonb, bigint[], bigint[], bigint[]) AS
WITH unhurried AS (SELECT pg_catalog.set_config('synchronous_commit', 'off', true)),
     moved AS (UPDATE hypercopy.input
               SET planned_byte = $6, planned_line = $7, planned_record = $8, newline = $9
               WHERE job = $1 AND number = $2 AND planned_byte = $3 AND NOT complete AND ($10 IS NULL OR cut = $10)
               RETURNING 1)
INSERT INTO hypercopy.interval (job, input, begin_byte, first_line, first_record, end_byte, slice, slices, records, bytes,
                                content)
SELECT $1, $2, $3, $4, $5, $6, slice.number - 1, pg_catalog.cardinality($11), slice.records, slice.bytes, slice.content
FROM moved, unhurried, ROWS FROM (pg_catalog.unnest($11), pg_catalog.unnest($12), pg_catalog.unnest($13)) WITH ORDINALITY
     AS slice(records, bytes, content, number))";

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

void ImportLedger::Presence::say_waiting(Wait kind, const std::string& what) {
  if (said.insert(kind).second && on_wait) on_wait(what);
}

Result<bool> ImportLedger::Presence::try_lock(Connection& connection, std::string_view timeout) const {
  auto taken = connection.execute(fmt::format(
      "BEGIN; SET LOCAL lock_timeout TO '{}'; SELECT pg_catalog.pg_advisory_lock{}({}, {}); COMMIT", timeout,
      is_alone() ? "" : "_shared", kImportLockClass, job));
  if (taken) return true;
  if (taken.error().sqlstate != sqlstate::kLockNotAvailable) return fail(std::move(taken).error());
  HYPERCOPY_TRY(connection.execute("ROLLBACK"));
  return false;
}

Status ImportLedger::Presence::take_lock(Connection& connection) {
  HYPERCOPY_ASSIGN(bool taken, try_lock(connection, kSilence));
  if (taken) return {};
  say_waiting(Wait::lock, "another process that has this import for itself");
  HYPERCOPY_ASSIGN(taken, try_lock(connection, is_alone() ? kPatience : kForEver));
  if (taken) return {};
  if (shared) {
    return fail(
        ErrorKind::usage,
        "another process is loading this import, and with --build-chunks there is one at a time: it hands "
        "over the tables that others would be filling",
        "Wait for it. Several loaders may share an import that was begun without --build-chunks.");
  }
  return fail(
      ErrorKind::usage, "another process is loading this import, and a pipe cannot be shared",
      builds_chunks
          ? "Wait for it. Several loaders may share an import of files that was begun without --build-chunks."
          : "Wait for it, or name files instead of piping them: several loaders may then share the import.");
}

}  // namespace hypercopy
