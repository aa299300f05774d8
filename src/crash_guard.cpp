#include "crash_guard.hpp"

#include "hypercopy/retry.hpp"

namespace hypercopy {

Status CrashGuard::know(Connection& connection) {
  auto mark = read_server_mark(connection);
  if (!mark && mark.error().kind != ErrorKind::sql) return fail(std::move(mark).error());
  if (mark) server_ = std::move(*mark);
  return {};
}

Status CrashGuard::expect_rows_kept(Connection& connection) {
  auto now = read_server_mark(connection);
  if (!now && (now.error().kind != ErrorKind::sql || is_read_only(now.error()))) {
    return fail(std::move(now).error());
  }
  if (now && server_ == *now) return {};
  if (target_ == Target::staging) {
    return fail(ErrorKind::target,
                "the server crashed or failed over, which empties the staging table of --atomic",
                "Load the input again: nothing reached the table. With --import-id it would go on.");
  }
  // Where a COMMIT is in doubt, that is the run's error.
  if (!emptied_.test_and_set()) {
    console_.log(LogLevel::error,
                 "the server crashed or failed over, which empties an UNLOGGED table: what was "
                 "committed before is lost");
  }
  return fail(ErrorKind::target, "the load of an UNLOGGED table does not go on after a crash of the server",
              "Load the input again from its beginning, with --truncate where the table holds nothing else.");
}

}  // namespace hypercopy
