#include "hypercopy/commit_outcome.hpp"

#include <fmt/format.h>

#include <array>
#include <charconv>
#include <chrono>
#include <cstdint>
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

// What the functions of a primary answer on a standby: object_not_in_prerequisite_state.
constexpr std::string_view kInRecovery = "55000";

// What a standby had followed when it was promoted. A crash since then changes that position, and is seen by statistics
// that are younger ($2: seconds) than the commit; a restart leaves none.
constexpr std::string_view kWasFollowed =
    "SELECT pg_catalog.pg_last_wal_replay_lsn() >= $1::pg_lsn, "
    "coalesce(stats_reset < pg_catalog.clock_timestamp() - $2::float8 * interval '1 s', false) "
    "FROM pg_catalog.pg_stat_bgwriter";

enum class Answer { committed, aborted, in_progress, forgotten };

std::uint32_t timeline_number(const ServerMark& mark) {
  std::uint32_t number = 0;
  std::from_chars(mark.timeline.data(), mark.timeline.data() + mark.timeline.size(), number, 16);
  return number;
}

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
  auto mark = connection.execute(kReadMark);
  if (!mark && mark.error().sqlstate == kInRecovery) {
    return fail(Error{.kind = ErrorKind::sql,
                      .message = "the server is a standby, which is read-only",
                      .sqlstate = "25006"});
  }
  if (!mark) return fail(std::move(mark).error());
  return ServerMark{.cluster = std::string(mark->text(0, 0)),
                    .timeline = std::string(mark->text(0, 1)),
                    .statistics_reset = std::string(mark->text(0, 2))};
}

Result<AnsweredTransaction> read_all_committed(Connection& connection) {
  HYPERCOPY_ASSIGN(ServerMark server, read_server_mark(connection));
  HYPERCOPY_ASSIGN(const QueryResult position,
                   connection.execute("SELECT pg_catalog.pg_current_wal_insert_lsn()"));
  return AnsweredTransaction{.id = "",
                             .position = std::string(position.text(0, 0)),
                             .server = std::move(server),
                             .answered = Clock::now()};
}

Result<CommitOutcome> find_kept_outcome(Connection& connection, const ServerMark& now,
                                        const AnsweredTransaction& transaction) {
  if (now.cluster != transaction.server.cluster) return CommitOutcome::unknown;
  if (now.timeline == transaction.server.timeline) return CommitOutcome::committed;
  if (timeline_number(now) != timeline_number(transaction.server) + 1) return CommitOutcome::unknown;
  const std::chrono::duration<double> since = Clock::now() - transaction.answered;
  const std::array<std::string, 2> parameters{transaction.position, fmt::format("{}", since.count())};
  HYPERCOPY_ASSIGN(const QueryResult followed, connection.execute(kWasFollowed, parameters));
  if (followed.is_null(0, 0) || !followed.boolean(0, 1)) return CommitOutcome::unknown;
  if (!followed.boolean(0, 0)) return CommitOutcome::rolled_back;
  if (transaction.id.empty()) return CommitOutcome::committed;
  HYPERCOPY_ASSIGN(const Answer answer, ask(connection, transaction.id));
  if (answer == Answer::forgotten) return CommitOutcome::unknown;
  return answer == Answer::committed ? CommitOutcome::committed : CommitOutcome::rolled_back;
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
