#include "hypercopy/commit_outcome.hpp"

#include <array>
#include <chrono>
#include <string_view>

#include "hypercopy/retry.hpp"

namespace hypercopy {

namespace {

using Clock = std::chrono::steady_clock;

constexpr std::chrono::milliseconds kBetweenQuestions{50};

// The current WAL file's name begins with the timeline; pg_control_checkpoint() would tell it only after the next checkpoint.
constexpr std::string_view kReadMark =
    "SELECT (SELECT system_identifier::text FROM pg_catalog.pg_control_system()), "
    "pg_catalog.substr(pg_catalog.pg_walfile_name(pg_catalog.pg_current_wal_insert_lsn()), 1, 8), "
    "(SELECT stats_reset::text FROM pg_catalog.pg_stat_bgwriter)";

// pg_stat_activity knows the lower 32 bits; only the backend that has exactly this transaction is ended.
constexpr std::string_view kEndBackend =
    "SELECT pg_catalog.pg_terminate_backend(pid) FROM pg_catalog.pg_stat_activity "
    "WHERE pid = $1::int AND backend_xid::text::bigint = $2::bigint & 4294967295";

constexpr std::string_view kAsk = "SELECT pg_catalog.pg_xact_status($1::xid8)";

// pg_xact_status() of an id that was not given away yet: invalid_parameter_value.
constexpr std::string_view kIsInTheFuture = "22023";

enum class Answer { committed, aborted, in_progress, forgotten };

Result<Answer> ask(Connection& connection, const std::string& id) {
  const std::array<std::string, 1> parameters{id};
  auto status = connection.execute(kAsk, parameters);
  if (!status && status.error().sqlstate == kIsInTheFuture) return Answer::aborted;
  if (!status) return fail(std::move(status).error());
  if (status->rows() != 1 || status->is_null(0, 0)) return Answer::forgotten;
  const std::string_view text = status->text(0, 0);
  if (text == "committed") return Answer::committed;
  if (text == "aborted") return Answer::aborted;
  return Answer::in_progress;
}

}  // namespace

Result<ServerMark> read_server_mark(Connection& connection) {
  HYPERCOPY_ASSIGN(const QueryResult mark, connection.execute(kReadMark));
  return ServerMark{.cluster = std::string(mark.text(0, 0)),
                    .timeline = std::string(mark.text(0, 1)),
                    .statistics_reset = std::string(mark.text(0, 2))};
}

Result<CommitOutcome> find_commit_outcome(Connection& connection, const LostTransaction& lost,
                                          std::chrono::milliseconds patience, StopAt stop) {
  HYPERCOPY_ASSIGN(const ServerMark server, read_server_mark(connection));
  if (server.cluster != lost.server.cluster) return CommitOutcome::unknown;
  const bool unbroken = server == lost.server;
  const auto deadline = Clock::now() + patience;
  while (true) {
    HYPERCOPY_ASSIGN(const Answer answer, ask(connection, lost.id));
    if (answer == Answer::aborted) return CommitOutcome::rolled_back;
    if (answer == Answer::committed) return unbroken ? CommitOutcome::committed : CommitOutcome::unknown;
    if (answer == Answer::forgotten || Clock::now() >= deadline) return CommitOutcome::unknown;
    if (unbroken) {
      const std::array<std::string, 2> parameters{std::to_string(lost.backend_pid), lost.id};
      HYPERCOPY_TRY(connection.execute(kEndBackend, parameters));
    }
    if (!wait_out(kBetweenQuestions, stop)) return fail(ErrorKind::interrupted, "stopped");
  }
}

}  // namespace hypercopy
