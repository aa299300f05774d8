// kill -9 while chunks are built aside, on the server that HYPERCOPY_TEST_DSN names: the
// next load, or the next run of the import, leaves what an ordinary load would have left, and nothing besides.
#include <fmt/format.h>

#include <csignal>
#include <cstdlib>
#include <string_view>

#include "support/built_chunks.hpp"
#include "support/fault_proxy.hpp"
#include "support/random.hpp"

namespace hypercopy::test {
namespace {

using Point = FaultProxy::Point;
using Action = FaultProxy::Action;

class FaultBuildChunks : public BuildChunks {
 protected:
  static constexpr unsigned kBatchRows = 20;
  // A side table's creation and its hand-over for each day, and the batches.
  static constexpr unsigned kCommits = 2 * kDays + (kRecords + kBatchRows - 1) / kBatchRows;

  // The first transactions of its ledger, and the one that calls it done.
  static constexpr unsigned kCommitsOfImport = 2;

  void SetUp() override {
    BuildChunks::SetUp();
    const std::uint64_t seed = test_seed();
    fmt::print("seed {} (HYPERCOPY_TEST_SEED repeats its choices)\n", seed);
    random_ = Random(seed);
  }
  void make_tables_and_aggregate() const {
    server().execute("DROP MATERIALIZED VIEW IF EXISTS hourly");
    make_tables({"CREATE INDEX {0}_device ON {0} (device, at DESC)", "GRANT SELECT ON {} TO PUBLIC",
                 "ALTER TABLE {} SET (fillfactor = 80)"});
    server().execute(
        "CREATE MATERIALIZED VIEW hourly WITH (timescaledb.continuous, timescaledb.materialized_only) AS "
        "SELECT time_bucket('1 hour', at) AS hour, sum(value) AS sum, count(*) FROM target GROUP BY 1 WITH "
        "NO "
        "DATA");
    refresh();
  }
  void refresh() const {
    server().execute("CALL refresh_continuous_aggregate('hourly', '2023-12-01', '2024-02-01')");
  }
  // Of so many that the load makes at least.
  void kill_at_a_commit(const std::string& input, Texts words, unsigned commits) {
    const std::string own_dsn = dsn();
    const Point point = random_.one_in(2) ? Point::before_commit : Point::before_commit_answer;
    const unsigned nth = 1 + static_cast<unsigned>(random_.below(commits));
    fmt::print("killed at point {}, COMMIT {} of {}\n", static_cast<int>(point), nth, commits);
    FaultProxy proxy(socket(), {{.point = point, .action = Action::stall, .nth = nth}});
    other_dsn_ = proxy.dsn() + own_dsn.substr(own_dsn.find(" options="));
    started_ = server().value("SELECT clock_timestamp()");
    words.insert(words.end(), {"-j", "2", "--batch-rows", std::to_string(kBatchRows), "--build-chunks", "on",
                               folder_.file("in.csv", input)});
    const auto killed = start("target", words);
    EXPECT_TRUE(proxy.await_acted(1));
    killed->signal(SIGKILL);
    static_cast<void>(killed->wait());
    proxy.cut_stalled();
    other_dsn_.clear();
  }
  void expect_as_by_an_ordinary_load(const std::string& input) {
    load_judge(input);
    refresh();
    EXPECT_EQ(
        server().value("SELECT count(*) FROM (TABLE hourly EXCEPT ALL SELECT time_bucket('1 hour', at), "
                       "sum(value), count(*) FROM target GROUP BY 1) AS wrong"),
        "0");
    EXPECT_EQ(server().value("SELECT sum(count) FROM hourly"), std::to_string(kRecords));
    expect_same();
  }
  [[nodiscard]] static unsigned rounds() {
    const char* const form = std::getenv("HYPERCOPY_TEST_FAULTS");
    return form != nullptr && std::string_view(form) == "long" ? 20 : 4;
  }
  [[nodiscard]] std::string socket() const {
    return fmt::format("{}/.s.PGSQL.{}", server().value("SHOW unix_socket_directories"),
                       server().value("SHOW port"));
  }
  // What a killed program left behind may still commit.
  void await_no_backend() const {
    await(fmt::format(
        "SELECT count(*) = 0 FROM pg_stat_activity WHERE application_name LIKE 'hypercopy load%' AND "
        "backend_start > '{}'",
        started_));
  }
  std::string started_;
  Random random_{0};
};

TEST_F(FaultBuildChunks, TheProgramIsKilled) {
  if (!has_timescale()) return;
  for (unsigned round = 0; round < rounds(); ++round) {
    make_tables_and_aggregate();
    const std::string input = random_.one_in(2) ? by_time() : across();
    kill_at_a_commit(input, {}, kCommits);
    await_no_backend();
    const Checked done = build(input, {"-j", "2", "--batch-rows", std::to_string(kBatchRows), "--truncate"});
    expect_success(done, kRecords);
    expect_as_by_an_ordinary_load(input);
  }
}

// The next run begins while backends of the killed one may still be at work, and may be killed in its turn.
TEST_F(FaultBuildChunks, TheImportIsKilledAndRunAgain) {
  if (!has_timescale()) return;
  for (unsigned round = 0; round < rounds() + 1; ++round) {
    make_tables_and_aggregate();
    const std::string import_id = fmt::format("{} {}", schema(), round);
    const std::string input = random_.one_in(2) ? by_time() : across();
    kill_at_a_commit(input, {"--import-id", import_id}, kCommits + kCommitsOfImport);
    const std::vector<std::string> words{"-t",
                                         "target",
                                         "-j",
                                         "2",
                                         "--batch-rows",
                                         std::to_string(kBatchRows),
                                         "--build-chunks",
                                         "on",
                                         "--import-id",
                                         import_id,
                                         folder_.path() + "/in.csv"};
    if (random_.one_in(2)) {
      std::vector<std::string> again{"load", "-w", "-d", dsn()};
      again.insert(again.end(), words.begin(), words.end());
      Process killed(again);
      static_cast<void>(killed.await_said(random_.one_in(2) ? "going on with" : "handing over"));
      killed.signal(SIGKILL);
      static_cast<void>(killed.wait());
    }
    const Outcome done = load(words);
    EXPECT_EQ(done.exit_code, 0) << done.err;
    expect_as_by_an_ordinary_load(input);
    const Outcome forgotten = run_program({"imports", "forget", import_id, "-d", dsn()});
    EXPECT_EQ(forgotten.exit_code, 0) << forgotten.err;
  }
}

}  // namespace
}  // namespace hypercopy::test
