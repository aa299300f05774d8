// The primary fails while chunks are built aside: in the middle of the hand-over, or before it with batches, or side tables,
// that the standby never had. No run ends well with rows missing, the next one finishes, and no side table is left.
#include <fmt/format.h>

#include <string>
#include <vector>

#include "support/failover_load.hpp"

namespace hypercopy::test {
namespace {

using Words = std::vector<std::string>;

const Words kImport{"--import-id", "aside"};

class FaultFailoverBuildChunks : public FailoverTest {
 protected:
  static constexpr std::uint64_t kChunkIds = 200;
  // Ids begin with 1, so the first chunk has one fewer.
  static constexpr std::uint64_t kFirst = kChunkIds - 1;
  static constexpr LoadShape kShape{.rows = 999, .batch_rows = 10, .jobs = 1};

  FaultFailoverBuildChunks() : FailoverTest(Extensions::timescale) {}

  [[nodiscard]] std::unique_ptr<Process> start_building(Words more) {
    more.insert(more.end(), {"--build-chunks", "on"});
    return start_load(more);
  }
  // It waits for the first of these rows.
  [[nodiscard]] std::unique_ptr<Process> start_held(const Words& more,
                                                    const std::vector<std::uint64_t>& rows) {
    make_hypertable(kShape, kChunkIds);
    hold_rows(rows);
    await_caught_up();
    auto load = start_building(more);
    await_held_row(rows.front());
    return load;
  }
  // It has handed over two of five: the standby knows of the first. The third waits.
  [[nodiscard]] std::unique_ptr<Process> start_half_handed_over(const Words& more) {
    auto load = start_held(more, {999});
    auto second = lock(side_table(kChunkIds), "ACCESS SHARE");
    third_ = lock(side_table(2 * kChunkIds), "ACCESS SHARE");
    release_row(999);
    await_waiting_hand_over(kFirst);
    await_caught_up();
    cut_replication();
    second.reset();
    await_waiting_hand_over(kFirst + kChunkIds);
    return load;
  }
  void expect_finished_by(const Words& more) {
    const Checked run = finish_load(*start_building(more));
    EXPECT_EQ(run.outcome.exit_code, 0) << run.outcome.err;
    expect_all_rows();
    EXPECT_EQ(side_tables(), 0U);
  }

 private:
  std::unique_ptr<Server> third_;
};

TEST_F(FaultFailoverBuildChunks, HandOversThatAreLostEndTheLoad) {
  const auto load = start_half_handed_over({});
  fail_over();
  const Checked run = finish_load(*load);
  EXPECT_EQ(run.outcome.exit_code, 1) << run.outcome.err;
  EXPECT_EQ(run.report["failed_over"], true);
  EXPECT_TRUE(says(run, "the server failed over to a standby that lacks what this load had committed"));
  EXPECT_EQ(run.report["totals"]["rows_loaded"], 0);
  EXPECT_EQ(run.report["totals"]["unknown"]["records"], shape().rows);
  expect_finished_by({"--truncate"});
}

TEST_F(FaultFailoverBuildChunks, HandOversOfAnImportThatAreLostAreOwed) {
  const auto load = start_half_handed_over(kImport);
  fail_over();
  const Checked run = finish_load(*load);
  EXPECT_EQ(run.outcome.exit_code, 1) << run.outcome.err;
  EXPECT_TRUE(
      says(run, "1 side table is not in public.t, although the server had committed their hand-over"));
  EXPECT_EQ(side_tables(), 1U);
  expect_finished_by(kImport);
}

// What was handed over stays so, and what was not is.
TEST_F(FaultFailoverBuildChunks, TheStandbyHasAll) {
  const auto load = start_held({}, {999});
  const auto last = lock(side_table(4 * kChunkIds), "ACCESS SHARE");
  release_row(999);
  await_waiting_hand_over(4 * kChunkIds - 1);
  // The other connection has told how far the server was, and ended.
  await_there(
      "SELECT count(*) = 1 FROM pg_stat_activity WHERE application_name LIKE 'hypercopy load % chunk %'");
  await_caught_up();
  fail_over();
  expect_success(finish_load(*load), shape().rows);
  expect_all_rows();
  EXPECT_EQ(side_tables(), 0U);
}

// All is handed over on the new server, which lacks the last batches and that the import was done.
TEST_F(FaultFailoverBuildChunks, TheEndOfAnImportIsLost) {
  const auto load = start_held(kImport, {950});
  cut_replication();
  const auto hypertable = lock("t", "SHARE ROW EXCLUSIVE");
  release_row(950);
  await_waiting_hand_over(0);
  fail_over();
  const Checked run = finish_load(*load);
  EXPECT_EQ(run.outcome.exit_code, 1) << run.outcome.err;
  EXPECT_TRUE(says(run, "says so no more: it has failed over to a standby that lacks some of it"));
  EXPECT_EQ(connect().value("SELECT count(*) FROM t"), "940");
  expect_finished_by(kImport);
}

TEST_F(FaultFailoverBuildChunks, TheEndOfALoadIsLost) {
  const auto load = start_held({}, {950});
  cut_replication();
  const auto hypertable = lock("t", "SHARE ROW EXCLUSIVE");
  release_row(950);
  await_waiting_hand_over(0);
  fail_over();
  const Checked run = finish_load(*load);
  EXPECT_EQ(run.outcome.exit_code, 1) << run.outcome.err;
  EXPECT_EQ(run.report["failed_over"], true);
  expect_finished_by({"--truncate"});
}

// They are sent again, and counted twice by this run: a side table holds fewer rows than that.
TEST_F(FaultFailoverBuildChunks, BatchesOfAnImportAreSentAgain) {
  const auto load = start_held(kImport, {950, 990});
  cut_replication();
  release_row(950);
  await_held_row(990);
  fail_over();
  const Checked run = finish_load(*load);
  EXPECT_EQ(run.outcome.exit_code, 0) << run.outcome.err;
  expect_all_rows();
  EXPECT_EQ(side_tables(), 0U);
  expect_finished_by(kImport);
}

// The run knows side tables that are not there any more, and cannot end well.
TEST_F(FaultFailoverBuildChunks, SideTablesOfAnImportAreLost) {
  const auto load = start_held(kImport, {350, 750});
  cut_replication();
  release_row(350);
  await_held_row(750);
  fail_over();
  const Outcome run = load->wait();
  EXPECT_EQ(run.exit_code, 1) << run.err;
  EXPECT_NE(run.err.find("does not exist"), std::string::npos) << run.err;
  expect_finished_by(kImport);
}

}  // namespace
}  // namespace hypercopy::test
