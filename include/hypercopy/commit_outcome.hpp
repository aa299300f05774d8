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
// Kept:    COMMIT that was answered is asked about too, when a standby took over: it may never have had it. A promoted
//          server knows how far it had followed. If that is behind a position at which the transaction was in the log
//          already, its id was seen and is not given away again, so `committed` is the truth; else the commit is lost.
//          Whoever crashed since, or was promoted twice, cannot tell.
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

// Of a standby: 25006, for the load belongs to another server.
[[nodiscard]] Result<ServerMark> read_server_mark(Connection& connection);

enum class CommitOutcome {
  committed,
  rolled_back,
  unknown,
};

// Whose COMMIT was answered.
struct AnsweredTransaction {
  std::string id;        // pg_current_xact_id(); empty: it is there if all up to `position` is
  std::string position;  // in the log: behind what the transaction wrote; without an id behind its commit too
  ServerMark server{};
  std::chrono::steady_clock::time_point answered{};
};

// Stands for all that this server has committed by now.
[[nodiscard]] Result<AnsweredTransaction> read_all_committed(Connection& connection);

// Of what was answered by a server whose place `connection`'s may have taken.
[[nodiscard]] Result<CommitOutcome> find_kept_outcome(Connection& connection, const ServerMark& now,
                                                      const AnsweredTransaction& transaction);

struct LostTransaction {
  std::string id;  // pg_current_xact_id()
  int backend_pid = 0;
  ServerMark server{};
};

// `patience`: how long a backend that was told to end may take.
[[nodiscard]] Result<CommitOutcome> find_commit_outcome(Connection& connection, const LostTransaction& lost,
                                                        std::chrono::milliseconds patience, StopAt stop);

}  // namespace hypercopy
