#include "owed_rebuild.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "human_units.hpp"
#include "hypercopy/session.hpp"
#include "hypercopy/target_table.hpp"
#include "index_deferral.hpp"
#include "query_numbers.hpp"

namespace hypercopy {

namespace {

constexpr std::chrono::milliseconds kRetryTimeout{300'000};

struct Rebuilding {
  const OwedRebuild& what;
  Connector& connector;
  Connection& connection;
  Console& console;
  const Cancellation& cancellation;
  const SessionSettings& session;
};

Result<std::string> rebuild_table(const std::vector<OwedIndex>& owed, const Rebuilding& with) {
  const OwedIndex& first = owed.front();
  HYPERCOPY_ASSIGN(const bool alone, lock_if_abandoned(with.connection, first.target));
  if (!alone) {
    const std::string why = fmt::format(
        "a living process has left indexes of {} out and will rebuild them, "
        "or does so now",
        first.table);
    if (!with.what.table.empty()) return fail(ErrorKind::usage, why, "Wait for it, or stop it first.");
    return why + "\n";
  }
  const RebuildOptions options{
      .jobs = with.what.jobs,
      .retry_timeout = kRetryTimeout,
      .command = rebuild_command(with.what.connection, with.what.table),
      .progress = with.what.progress,
      .connect = [&with](unsigned number) -> Result<Connection> {
        HYPERCOPY_ASSIGN(
            Connection connection,
            with.connector.connect(fmt::format("hypercopy imports index {}", number), {with.cancellation}));
        HYPERCOPY_TRY(pin_session(connection, with.session));
        return connection;
      }};
  with.connection.interrupt_at(Cancellation::Level::immediate);
  RebuildOutcome outcome = rebuild_indexes(owed, options, with.connection, with.console, {with.cancellation});
  with.connection.interrupt_at(Cancellation::Level::graceful);
  if (outcome.error) return fail(std::move(*outcome.error));
  HYPERCOPY_TRY(unlock_all(with.connection));
  std::string text;
  for (const auto& index : outcome.rebuilt) {
    text += fmt::format("rebuilt {} of {} in {}\n", index.index, first.table, human_time(index.elapsed));
  }
  return text;
}

}  // namespace

Result<std::string> rebuild_owed(const OwedRebuild& what, Connector& connector, Connection& connection,
                                 Console& console, const Cancellation& cancellation) {
  HYPERCOPY_ASSIGN(const SessionSettings session, read_session(connection, {}));
  HYPERCOPY_TRY(pin_session(connection, session));
  std::optional<std::uint32_t> target;
  if (!what.table.empty()) {
    HYPERCOPY_ASSIGN(const TableName name, parse_table_name(what.table));
    HYPERCOPY_ASSIGN(const TargetTable table, describe_table(connection, name));
    target = table.oid;
  }
  HYPERCOPY_ASSIGN(const auto owed, owed_indexes(connection, target));
  if (owed.empty()) return std::string("no index is owed\n");
  const Rebuilding with{what, connector, connection, console, cancellation, session};
  std::string text;
  for (auto begin = owed.begin(); begin != owed.end();) {
    const auto end =
        std::find_if(begin, owed.end(), [&](const auto& one) { return one.target != begin->target; });
    HYPERCOPY_ASSIGN(const std::string rebuilt, rebuild_table({begin, end}, with));
    text += rebuilt;
    begin = end;
  }
  return text;
}

Result<std::vector<OwedIndex>> owed_indexes_of_import(Connection& connection, const std::string& import_id) {
  const std::array<std::string, 1> which{import_id};
  HYPERCOPY_ASSIGN(const QueryResult target,
                   connection.execute("SELECT target FROM hypercopy.job WHERE import_id = $1", which));
  if (target.rows() == 0) return std::vector<OwedIndex>{};
  return owed_indexes(connection, number_at<std::uint32_t>(target, 0, 0));
}

}  // namespace hypercopy
