// An import whose records are regrouped by time, killed at random moments and run again with other options: then the table
// holds exactly the rows of the input, and the ledger has each record once.
#include <fmt/format.h>

#include <csignal>

#include "support/fault_load.hpp"

namespace hypercopy::test {
namespace {

using Texts = std::vector<std::string>;

class FaultImportOrder : public FaultTest {
 protected:
  void make_import(const LoadShape& shape) {
    make_target(shape, "TABLE", "PARTITION BY RANGE (at)");
    connect().execute(
        "CREATE TABLE IF NOT EXISTS early PARTITION OF t FOR VALUES FROM (MINVALUE) TO ('2024-01-10'); "
        "CREATE TABLE IF NOT EXISTS late PARTITION OF t DEFAULT");
    import_id_ = fmt::format("order {}", ++imports_);
  }

  // As many windows as it takes, each of several slices; sometimes without.
  [[nodiscard]] Texts random_options() {
    if (random_.one_in(5)) return {"--order-by-time", "off"};
    return {"--order-by-time", "on",
            "--batch-bytes",   fmt::format("{}KB", 4 + random_.below(16)),
            "--order-memory",  fmt::format("{}KB", 100 + random_.below(500))};
  }
  [[nodiscard]] std::unique_ptr<Process> start_import(Texts options) {
    options.insert(options.end(), {"--import-id", import_id_});
    return start_load(options);
  }

  void expect_finished_by_another_run() {
    const Checked run = finish_load(*start_import(random_options()));
    ASSERT_EQ(run.outcome.exit_code, 0) << run.outcome.err;
    expect_all_rows();
    EXPECT_EQ(connect().value(fmt::format(
                  "SELECT sum(records) || ' ' || sum(loaded) || ' ' || (sum(bytes) = max(planned_byte)) FROM "
                  "hypercopy.interval JOIN hypercopy.input USING (job) JOIN hypercopy.job ON job.id = job "
                  "WHERE import_id = '{}'",
                  import_id_)),
              fmt::format("{0} {0} true", shape().rows));
    expect_success(finish_load(*start_import(random_options())), 0);
  }

 private:
  std::string import_id_;
  unsigned imports_ = 0;
};

TEST_F(FaultImportOrder, TheProgramIsKilledAndRunAgain) {
  for (unsigned round = 0; round < times(3, 50); ++round) {
    make_import(random_shape(6000));
    for (const std::uint64_t moment : random_moments(1 + static_cast<unsigned>(random_.below(3)))) {
      const auto load = start_import(random_options());
      static_cast<void>(await_rows(*load, moment));
      load->signal(SIGKILL);
      static_cast<void>(load->wait());
    }
    expect_finished_by_another_run();
  }
}

// Two loaders fill windows of the same bytes, of other sizes; the one that is left finishes all.
TEST_F(FaultImportOrder, OneOfTwoLoadersIsKilled) {
  for (unsigned round = 0; round < times(2, 30); ++round) {
    make_import(random_shape(8000));
    const auto killed = start_import(random_options());
    const auto left = start_import(random_options());
    static_cast<void>(await_rows(*killed, random_moments(1).front()));
    killed->signal(SIGKILL);
    static_cast<void>(killed->wait());
    const Outcome run = left->wait();
    EXPECT_EQ(run.exit_code, 0) << run.err;
    expect_all_rows();
    expect_finished_by_another_run();
  }
}

// The crash takes back plans of windows that no batch has made durable.
TEST_F(FaultImportOrder, TheServerCrashes) {
  for (unsigned round = 0; round < times(1, 20); ++round) {
    make_import(random_shape(8000));
    const auto load = start_import(random_options());
    break_server(*load, ServerBreak::immediate, 1);
    static_cast<void>(finish_load(*load));
    expect_finished_by_another_run();
  }
}

}  // namespace
}  // namespace hypercopy::test
