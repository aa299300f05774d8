// Whether a transaction is there when nobody answered its COMMIT: asked from the server, never guessed.
// Shape:   every connection knows its server's mark (read once); every batch's transaction knows its id. When the
//          connection is lost around COMMIT, find_commit_outcome() asks on a new connection. A backend that is still at
//          it is ended first, so that it cannot commit later.
// Units:   transaction ids are 64-bit (xid8), as text.
// Errors:  connection and sql of the asking itself, interrupted; that nobody can know is a value, `unknown`.
// Why:     after a crash or failover, ids that never became durable are given away again: a lost id then reads
//          `committed` though another transaction did that. So `committed` counts only from a server that neither
//          crashed nor failed over since the lost connection began. `aborted`, and an id that is still to come, count from
//          any later state of the same cluster: a commit that had become durable would be seen.
// Source:  PostgreSQL manual, "Transaction ID and Snapshot Information Functions" (pg_xact_status).
#pragma once

#include <chrono>
#include <string>

#include "hypercopy/cancellation.hpp"
#include "hypercopy/connection.hpp"
#include "hypercopy/result.hpp"

namespace hypercopy {

// What changes when a server crashes (statistics are thrown away then), fails over (timeline), or is another one.
struct ServerMark {
  std::string cluster;   // the system identifier
  std::string timeline;  // of the WAL that is written now
  std::string statistics_reset;

  friend bool operator==(const ServerMark&, const ServerMark&) = default;
};

[[nodiscard]] Result<ServerMark> read_server_mark(Connection& connection);

struct LostTransaction {
  std::string id;  // pg_current_xact_id()
  int backend_pid = 0;
  ServerMark server{};
};

enum class CommitOutcome {
  committed,
  rolled_back,
  unknown,
};

// `patience`: how long a backend that was told to end may take.
[[nodiscard]] Result<CommitOutcome> find_commit_outcome(Connection& connection, const LostTransaction& lost,
                                                        std::chrono::milliseconds patience, StopAt stop);

}  // namespace hypercopy
