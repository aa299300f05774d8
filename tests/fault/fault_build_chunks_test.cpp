// kill -9 while chunks are built aside, on the server that HYPERCOPY_TEST_DSN names, for private ones have no TimescaleDB: the
// next load leaves what an ordinary load would have left, and nothing besides.
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
};

TEST_F(FaultBuildChunks, TheProgramIsKilled) {
  if (!has_timescale()) return;
  const std::uint64_t seed = test_seed();
  fmt::print("seed {} (HYPERCOPY_TEST_SEED repeats its choices)\n", seed);
  Random random(seed);
  const std::string own_dsn = dsn();
  for (unsigned round = 0; round < rounds(); ++round) {
    make_tables({"CREATE INDEX {0}_device ON {0} (device, at DESC)", "GRANT SELECT ON {} TO PUBLIC",
                 "ALTER TABLE {} SET (fillfactor = 80)"});
    server().execute(
        "CREATE MATERIALIZED VIEW daily WITH (timescaledb.continuous, timescaledb.materialized_only) AS "
        "SELECT "
        "time_bucket('1 hour', at) AS hour, sum(value) AS sum, count(*) FROM target GROUP BY 1 WITH NO DATA");
    server().execute("CALL refresh_continuous_aggregate('daily', '2023-12-01', '2024-02-01')");
    const std::string input = random.one_in(2) ? by_time() : across();
    const Point point = random.one_in(2) ? Point::before_commit : Point::before_commit_answer;
    const unsigned nth = 1 + static_cast<unsigned>(random.below(kCommits));
    SCOPED_TRACE(
        fmt::format("round {}, point {}, COMMIT {} of {}", round, static_cast<int>(point), nth, kCommits));
    const FaultProxy::Fault fault{.point = point, .action = Action::stall, .nth = nth};
    FaultProxy proxy(socket(), {fault});
    other_dsn_ = proxy.dsn() + own_dsn.substr(own_dsn.find(" options="));
    started_ = server().value("SELECT clock_timestamp()");
    const auto killed = start("target", {"-j", "2", "--batch-rows", std::to_string(kBatchRows),
                                         "--build-chunks", "on", folder_.file("in.csv", input)});
    ASSERT_TRUE(proxy.await_acted(1));
    killed->signal(SIGKILL);
    static_cast<void>(killed->wait());
    proxy.cut_stalled();
    other_dsn_.clear();
    await_no_backend();
    const Checked done = build(input, {"-j", "2", "--batch-rows", std::to_string(kBatchRows), "--truncate"});
    expect_success(done, kRecords);
    load_judge(input);
    server().execute("CALL refresh_continuous_aggregate('daily', '2023-12-01', '2024-02-01')");
    EXPECT_EQ(server().value("SELECT count(*) FROM (TABLE daily EXCEPT ALL SELECT time_bucket('1 hour', at), "
                             "sum(value), count(*) FROM target GROUP BY 1) AS wrong"),
              "0");
    EXPECT_EQ(server().value("SELECT sum(count) FROM daily"), std::to_string(kRecords));
    server().execute("DROP MATERIALIZED VIEW daily");
    expect_same();
  }
}

}  // namespace
}  // namespace hypercopy::test
