// While chunks that were built aside are handed over, the server crashes, connections are cut in the middle of a COMMIT, the
// program is killed and leaves a backend behind, or another load tidies up: each row is in the hypertable once in the
// end, and no side table is left.
#include <fmt/format.h>

#include <csignal>
#include <string>
#include <utility>
#include <vector>

#include "support/fault_load.hpp"

namespace hypercopy::test {
namespace {

using Words = std::vector<std::string>;
using Point = FaultProxy::Point;
using Action = FaultProxy::Action;

const Words kImport{"--import-id", "aside"};

class FaultHandOver : public FaultTest {
 protected:
  static constexpr std::uint64_t kChunkIds = 200;
  // Ids begin with 1, so the first chunk has one fewer.
  static constexpr std::uint64_t kFirst = kChunkIds - 1;
  static constexpr std::uint64_t kChunks = 5;
  static constexpr LoadShape kShape{.rows = 999, .batch_rows = 100, .jobs = 1};

  FaultHandOver() : FaultTest(Extensions::timescale) {}

  [[nodiscard]] std::unique_ptr<Process> start_building(Words more) {
    more.insert(more.end(), {"--build-chunks", "on"});
    return start_load(more);
  }
  // It waits for its last row.
  [[nodiscard]] std::unique_ptr<Process> start_held(const Words& more) {
    make_hypertable(kShape, kChunkIds);
    hold_rows({kShape.rows});
    auto load = start_building(more);
    await_held_row(kShape.rows);
    return load;
  }
  // COMMIT of the first hand-over hangs.
  [[nodiscard]] std::unique_ptr<Process> start_committing(const Words& more) {
    auto load = start_held(more);
    const auto first = lock(side_table(0), "ACCESS SHARE");
    release_row(kShape.rows);
    await_waiting_hand_over(0);
    hold_commits();
    return load;
  }
  void expect_whole(const Checked& run) {
    EXPECT_EQ(run.outcome.exit_code, 0) << run.outcome.err;
    expect_all_rows();
    EXPECT_EQ(side_tables(), 0U);
  }
  // From now on COMMITs of this test's programs are not held.
  void commit_without_standby() { other_dsn_ += " options='-c synchronous_commit=local'"; }
};

struct Way {
  const char* name;
  Words words;
};

class FaultHandOverOf : public FaultHandOver, public ::testing::WithParamInterface<Way> {};

TEST_P(FaultHandOverOf, TheServerCrashes) {
  std::vector<ServerBreak> ways{ServerBreak::immediate};
  if (times(0, 1) > 0) ways.insert(ways.end(), {ServerBreak::backend, ServerBreak::fast});
  for (const ServerBreak way : ways) {
    SCOPED_TRACE(static_cast<int>(way));
    connect().execute("DROP SCHEMA IF EXISTS hypercopy CASCADE");
    const auto load = start_held(GetParam().words);
    const auto third = lock(side_table(2 * kChunkIds), "ACCESS SHARE");
    release_row(kShape.rows);
    await_waiting_hand_over(kFirst + kChunkIds);
    break_server(way);
    const Checked run = finish_load(*load);
    expect_success(run, kShape.rows);
    expect_whole(run);
  }
}

// The backend of a connection that was cut is still at it, when the next one looks for the table.
TEST_P(FaultHandOverOf, ItsCommitIsUnderWayWhenItIsTriedAgain) {
  FaultProxy proxy(socket(), {});
  other_dsn_ = proxy.dsn();
  const auto load = start_committing(GetParam().words);
  const auto committing = await_held_commits(1);
  proxy.cut_all();
  await_there(
      "SELECT EXISTS (SELECT FROM pg_stat_activity WHERE application_name LIKE 'hypercopy load % chunk %' "
      "AND "
      "wait_event_type = 'Lock')");
  release_commits();
  const Checked run = finish_load(*load);
  expect_success(run, kShape.rows);
  expect_whole(run);
}

INSTANTIATE_TEST_SUITE_P(Loads, FaultHandOverOf,
                         ::testing::Values(Way{"Plain", {}}, Way{"ImportId", kImport}),
                         [](const auto& way) { return std::string(way.param.name); });

// Its COMMIT is durable, and cannot be seen as long as it hangs. Nobody lets it go but the next run.
TEST_F(FaultHandOver, TheCommitOfAKilledImportHangs) {
  const auto load = start_committing(kImport);
  static_cast<void>(await_held_commits(1));
  load->signal(SIGKILL);
  static_cast<void>(load->wait());
  commit_without_standby();
  expect_whole(finish_load(*start_building(kImport)));
}

// As long as one connection of it lasts, a run lives.
TEST_F(FaultHandOver, AnotherLoadLeavesTheTablesOfALivingRunAlone) {
  const auto load = start_held({});
  const auto load_nothing = [this] {
    // With the table's own words: the report is the other one's.
    const Outcome other =
        run_program({"load", "-w", "-d", private_server_->dsn(), "-t", "t", folder_.file("none.csv", "")});
    EXPECT_EQ(other.exit_code, 0) << other.err;
  };
  connect().execute(
      "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name LIKE 'hypercopy load % "
      "side tables'");
  await_there("SELECT NOT EXISTS (SELECT FROM pg_stat_activity WHERE application_name LIKE '% side tables')");
  load_nothing();
  EXPECT_EQ(side_tables(), kChunks) << "while its last batch is under way";
  auto third = lock(side_table(2 * kChunkIds), "ACCESS SHARE");
  release_row(kShape.rows);
  await_waiting_hand_over(kFirst + kChunkIds);
  load_nothing();
  EXPECT_EQ(side_tables(), kChunks - 2) << "while the third one is handed over";
  third.reset();
  expect_whole(finish_load(*load));
}

// The backend that has the import's lock, which is for one loader alone, does not notice that its connection is lost.
TEST_F(FaultHandOver, TheLedgersOwnBackendIsLeftBehind) {
  for (unsigned nth = 1; nth <= 3; ++nth) {
    SCOPED_TRACE(nth);
    connect().execute("DROP SCHEMA IF EXISTS hypercopy CASCADE");
    make_hypertable(kShape, kChunkIds);
    FaultProxy proxy(
        socket(),
        {{.point = Point::before_commit_answer, .action = Action::orphan, .nth = nth, .connection = 2}});
    const std::string direct = std::exchange(other_dsn_, proxy.dsn());
    const auto load = start_building(kImport);
    other_dsn_ = direct;
    const Checked run = finish_load(*load);
    EXPECT_EQ(proxy.acted(), 1U);
    expect_success(run, kShape.rows);
    expect_whole(run);
  }
}

}  // namespace
}  // namespace hypercopy::test
