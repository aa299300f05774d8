// The program itself is ended in the middle: what it leaves behind is whole batches, none twice.
#include <fmt/format.h>

#include <csignal>

#include "support/fault_load.hpp"

namespace hypercopy::test {
namespace {

using FaultClient = FaultTest;

TEST_F(FaultClient, IsInterrupted) {
  for (unsigned round = 0; round < times(2, 50); ++round) {
    make_target(random_shape(6000));
    const auto load = start_load();
    static_cast<void>(await_rows(*load, random_moments(1).front()));
    load->signal(SIGINT);
    const Checked run = finish_load(*load);
    await_no_backend();
    expect_whole_batches();
    ASSERT_FALSE(run.report.is_null()) << run.outcome.err;
    EXPECT_EQ(connect().value("SELECT count(*) FROM t"),
              std::to_string(run.report["totals"]["rows_loaded"].get<std::uint64_t>()));
    // The signal may come behind the last batch.
    if (run.outcome.exit_code == 0) {
      judge(run);
    } else {
      EXPECT_EQ(run.outcome.exit_code, 130) << run.outcome.err;
    }
  }
}

TEST_F(FaultClient, IsKilled) {
  for (unsigned round = 0; round < times(3, 50); ++round) {
    make_target(random_shape(6000));
    const auto load = start_load();
    const bool runs = await_rows(*load, random_moments(1).front());
    load->signal(SIGKILL);
    const Checked run = finish_load(*load);
    if (runs) {
      EXPECT_EQ(run.outcome.exit_code, 128 + SIGKILL);
    }
    await_no_backend();
    expect_whole_batches();
  }
}

}  // namespace
}  // namespace hypercopy::test
