#include "owed_rows.hpp"

#include <fmt/format.h>

#include "human_units.hpp"
#include "query_numbers.hpp"

namespace hypercopy {

namespace {

struct Missing {
  std::string import_id;
  std::uint64_t done = 0;
  std::uint64_t waiting = 0;
};

// In one snapshot, so that a batch that is committed meanwhile counts on both sides or on none. The role that loads may have
// the ledger, and the owner the tables.
Result<std::optional<Missing>> find_missing(Connection& connection, int job, const ChunkBuildingPlan& plan,
                                            const std::vector<OwedTable>& owed) {
  HYPERCOPY_TRY(connection.execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"));
  HYPERCOPY_ASSIGN(const QueryResult done,
                   connection.execute(fmt::format(
                       "SELECT import_id, (SELECT coalesce(pg_catalog.sum(loaded), 0) FROM "
                       "hypercopy.interval WHERE job = id AND done_by IS NOT NULL) FROM hypercopy.job "
                       "WHERE id = {}",
                       job)));
  const std::uint64_t rows_done = done.rows() == 0 ? 0 : count_at(done, 0, 1);
  if (rows_done == 0) return std::optional<Missing>();
  HYPERCOPY_ASSIGN(const QueryResult there,
                   connection.execute(fmt::format("SET LOCAL ROLE {}; SELECT EXISTS (SELECT FROM {})",
                                                  plan.owner, plan.target)));
  if (there.boolean(0, 0)) return std::optional<Missing>();
  std::uint64_t waiting = 0;
  for (const OwedTable& table : owed) {
    HYPERCOPY_ASSIGN(const QueryResult rows,
                     connection.execute(fmt::format("SELECT pg_catalog.count(*) FROM {}", table.relation)));
    waiting += count_at(rows, 0, 0);
  }
  if (waiting >= rows_done) return std::optional<Missing>();
  return std::optional(
      Missing{.import_id = std::string(done.text(0, 0)), .done = rows_done, .waiting = waiting});
}

}  // namespace

Error emptied_since(const std::string& import_id, const std::string& target_name,
                    const std::string& waiting) {
  return {
      .kind = ErrorKind::usage,
      .message = fmt::format("import '{}' cannot go on: {} is empty, though rows of this import were "
                             "committed to it{}: it was emptied since",
                             import_id, target_name, waiting),
      .hint = fmt::format("To load everything again: hypercopy imports forget {}{}. To load only the rest: "
                          "--resume-into-empty",
                          import_id, waiting.empty() ? "" : " --drop-side-tables")};
}

Status expect_rows_there(Connection& connection, int job, const ChunkBuildingPlan& plan,
                         const std::string& target_name, const std::vector<OwedTable>& owed) {
  HYPERCOPY_ASSIGN(const auto missing, find_missing(connection, job, plan, owed));
  HYPERCOPY_TRY(connection.execute("ROLLBACK"));
  if (!missing) return {};
  const std::string waiting =
      owed.empty() ? ""
                   : fmt::format(", and of {} only {} {} in {}", counted(missing->done, "row"),
                                 grouped(missing->waiting), missing->waiting == 1 ? "waits" : "wait",
                                 counted(owed.size(), "side table"));
  return fail(emptied_since(missing->import_id, target_name, waiting));
}

}  // namespace hypercopy
