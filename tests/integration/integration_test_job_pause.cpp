// --pause-jobs: no policy of the table starts while it is loaded, and a load that dies cannot keep one from starting.
#include <fmt/format.h>

#include <csignal>
#include <string>
#include <vector>

#include "support/checked_load.hpp"
#include "support/role.hpp"

namespace hypercopy::test {
namespace {

constexpr int kLock = 20240209;

class JobPauseTest : public CheckedLoadTest {
 protected:
  // The job is due at `due`; the load waits until the test gives kLock free.
  void make_table(const std::string& due) {
    server().execute(fmt::format(R"(CREATE TABLE t (at timestamptz NOT NULL, a int);
      SELECT create_hypertable('t', 'at');
      SELECT add_retention_policy('t', interval '100 years', schedule_interval => interval '1 day');
      SELECT alter_job(job_id, next_start => {}) FROM timescaledb_information.jobs WHERE hypertable_schema = '{}';
      CREATE FUNCTION wait_at() RETURNS trigger LANGUAGE plpgsql AS
        $$BEGIN PERFORM pg_advisory_xact_lock_shared({}); RETURN NEW; END$$;
      CREATE TRIGGER wait_at BEFORE INSERT ON t FOR EACH ROW EXECUTE FUNCTION wait_at())",
                                 due, schema(), kLock));
  }
  [[nodiscard]] std::string of_job(const std::string& what) const {
    return server().value(fmt::format(
        "SELECT {} FROM timescaledb_information.jobs WHERE hypertable_schema = '{}'", what, schema()));
  }
  [[nodiscard]] std::string input() const { return folder_.file("in.csv", "2024-01-01 00:00:00+00,1\n"); }
};

constexpr const char* kHeldBack = "next_start > now() + interval '60 seconds'";

TEST_F(JobPauseTest, HoldsAJobBackForAsLongAsTheLoadTakes) {
  if (!has_timescale()) return;
  make_table("now() + interval '30 seconds'");
  const std::string due = of_job("next_start");
  const Server holder;
  holder.execute(fmt::format("SELECT pg_advisory_lock({})", kLock));
  const auto process = start("t", {"--pause-jobs", input()});
  await_blocked(1);
  EXPECT_EQ(of_job(kHeldBack), "t");
  holder.execute(fmt::format("SELECT pg_advisory_unlock({})", kLock));
  const Checked run = finish(*process, "t");
  expect_success(run, 1);
  EXPECT_TRUE(says(run, "one job of the table is held back"));
  // Its own time again, or now where that has come meanwhile.
  EXPECT_EQ(of_job(fmt::format("next_start = '{}' OR next_start BETWEEN '{}' AND now()", due, due)), "t");
  EXPECT_EQ(of_job("scheduled"), "t");
}

TEST_F(JobPauseTest, AJobThatIsDueLaterIsLeftAlone) {
  if (!has_timescale()) return;
  make_table("now() + interval '5 hours'");
  const std::string due = of_job("next_start");
  expect_success(run("t", {"--pause-jobs", input()}), 1);
  EXPECT_EQ(of_job("next_start"), due);
}

TEST_F(JobPauseTest, AKilledLoadLetsItStartSoon) {
  if (!has_timescale()) return;
  make_table("now() + interval '30 seconds'");
  const Server holder;
  holder.execute(fmt::format("SELECT pg_advisory_lock({})", kLock));
  const auto process = start("t", {"--pause-jobs", input()});
  await_blocked(1);
  EXPECT_EQ(of_job(kHeldBack), "t");
  process->signal(SIGKILL);
  static_cast<void>(process->wait());
  EXPECT_EQ(of_job("scheduled AND next_start <= now() + interval '120 seconds'"), "t");
  holder.execute(fmt::format("SELECT pg_advisory_unlock({})", kLock));
}

TEST_F(JobPauseTest, OnlyAHypertableHasJobs) {
  server().execute("CREATE TABLE t (a int)");
  const Checked run = this->run("t", {"--pause-jobs", input()});
  EXPECT_EQ(run.outcome.exit_code, 2) << run.outcome.err;
  EXPECT_TRUE(says(run, "--pause-jobs is for hypertables"));
}

TEST_F(JobPauseTest, ARoleThatDoesNotOwnTheJobsIsToldSo) {
  if (!has_timescale()) return;
  make_table("now() + interval '30 seconds'");
  const TestRole role(server(), schema(), {});
  other_dsn_ = dsn() + " user=" + role.name();
  const Checked run = this->run("t", {"--pause-jobs", input()});
  EXPECT_EQ(run.outcome.exit_code, 1) << run.outcome.err;
  EXPECT_TRUE(says(run, "the table's jobs cannot be paused"));
  EXPECT_EQ(count("t"), 0U);
}

}  // namespace
}  // namespace hypercopy::test
