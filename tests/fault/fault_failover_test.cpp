// The primary fails and its streaming standby takes over, in the middle of a load whose DSN names both: nothing is lost
// that the standby had, and what it had not is loaded again or said to be lost, never counted as loaded.
#include <fmt/format.h>

#include "support/fault_load.hpp"

namespace hypercopy::test {
namespace {

class FaultFailover : public FaultTest {
 protected:
  void SetUp() override {
    FaultTest::SetUp();
    if (IsSkipped()) return;
    std::string why_not;
    standby_ = private_server_->start_standby(why_not);
    if (!standby_) GTEST_SKIP() << why_not;
    other_dsn_ = fmt::format("host={},{} user=postgres dbname=postgres target_session_attrs=read-write",
                             private_server_->host(), standby_->host());
  }

  // A load that is not over before its server fails: one of its batches is held.
  [[nodiscard]] std::unique_ptr<Process> start_held_load(const LoadShape& shape,
                                                         const std::vector<std::string>& more = {}) {
    make_target(shape);
    hold_row(shape.rows * 3 / 4);
    await_caught_up();
    return start_load(more);
  }

  void await_caught_up() const {
    const std::string position = connect().value("SELECT pg_current_wal_flush_lsn()");
    const Server standby(standby_->dsn());
    while (standby.value(fmt::format("SELECT pg_last_wal_replay_lsn() >= '{}'", position)) != "t") {
      standby.execute("SELECT pg_sleep(0.01)");
    }
  }

  // From now on commits happen on the primary alone.
  void cut_replication() const {
    const Server standby(standby_->dsn());
    standby.execute("ALTER SYSTEM SET primary_conninfo = ''");
    standby.execute("SELECT pg_reload_conf()");
    while (standby.value("SELECT count(*) FROM pg_stat_wal_receiver") != "0") {
      standby.execute("SELECT pg_sleep(0.01)");
    }
  }

  // From now on COMMIT waits for the standby.
  void replicate_synchronously() const {
    const Server admin = connect();
    admin.execute("ALTER SYSTEM SET synchronous_standby_names = '*'");
    admin.execute("SELECT pg_reload_conf()");
    await_there("SELECT count(*) = 1 FROM pg_stat_replication WHERE sync_state = 'sync'");
  }

  void promote() {
    Server(standby_->dsn()).execute("SELECT pg_promote()");
    std::swap(private_server_, standby_);
  }

  void fail_over() {
    private_server_->stop_immediately();
    promote();
  }

  // Rows that the primary has committed and the standby never saw, when it fails over: some.
  void fail_over_behind(const Process& load) {
    ASSERT_TRUE(await_rows(load, shape().rows / 4));
    cut_replication();
    const std::uint64_t kept = std::stoull(Server(standby_->dsn()).value("SELECT count(*) FROM t"));
    ASSERT_TRUE(await_rows(load, kept + 10 * shape().batch_rows));
    fail_over();
  }

  std::unique_ptr<PrivateServer> standby_;
};

const std::vector<std::string> kImport{"--import-id", "failover"};

// Rows and the marks of their batches are lost together, so the same run loads them again.
TEST_F(FaultFailover, AnImportLoadsAgainWhatTheStandbyNeverHad) {
  const auto load = start_held_load({}, kImport);
  fail_over_behind(*load);
  const Checked run = finish_load(*load);
  fmt::print("{}\n", run.outcome.err);
  expect_all_rows();
}

TEST_F(FaultFailover, WithoutImport) {
  const auto load = start_held_load({});
  fail_over_behind(*load);
  const Checked run = finish_load(*load);
  fmt::print("{} {}\n", run.outcome.exit_code, run.outcome.err);
  expect_all_rows();
}

TEST_F(FaultFailover, Sync) {
  const auto load = start_held_load({.jobs = 1});
  replicate_synchronously();
  await_held_row();
  fail_over();
  const Checked run = finish_load(*load);
  fmt::print("{} {}\n", run.outcome.exit_code, run.outcome.err);
  expect_all_rows();
}

TEST_F(FaultFailover, ReadOnly) {
  const auto load = start_held_load({.jobs = 1});
  await_held_row();
  set_read_only(true);
  release_row();
  ASSERT_TRUE(load->await_said("trying again"));
  await_caught_up();
  promote();
  const Checked run = finish_load(*load);
  fmt::print("{} {}\n", run.outcome.exit_code, run.outcome.err);
  expect_all_rows();
}

}  // namespace
}  // namespace hypercopy::test
