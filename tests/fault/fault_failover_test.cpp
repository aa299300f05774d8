// The primary fails and its streaming standby takes over, in the middle of a load whose DSN names both: what the standby
// had is not lost, and what it had not is loaded again or said to be lost, never counted as loaded.
#include <fmt/format.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <stdexcept>

#include "support/failover_load.hpp"

namespace hypercopy::test {
namespace {

class FaultFailover : public FailoverTest {
 protected:
  // A load that is not over before its server fails: one of its batches is held.
  [[nodiscard]] std::unique_ptr<Process> start_held_load(const LoadShape& shape,
                                                         const std::vector<std::string>& more = {}) {
    make_target(shape);
    hold_row(shape.rows * 3 / 4);
    await_caught_up();
    return start_load(more);
  }

  // The standby lacks some of what the primary has committed.
  void fail_over_with_loss(const Process& load) {
    ASSERT_TRUE(await_rows(load, shape().rows / 4));
    cut_replication();
    const std::uint64_t kept = std::stoull(Server(standby_->dsn()).value("SELECT count(*) FROM t"));
    ASSERT_TRUE(await_rows(load, kept + 10 * shape().batch_rows));
    fail_over();
  }
};

const std::vector<std::string> kImport{"--import-id", "failover"};

// Rows and the marks of their batches are lost together, so the same run loads them again.
TEST_F(FaultFailover, AnImportLoadsAgainWhatTheStandbyNeverHad) {
  const auto load = start_held_load({}, kImport);
  ASSERT_TRUE(await_rows(*load, shape().rows / 4));
  cut_replication();
  const Server standby(standby_->dsn());
  const std::uint64_t kept = std::stoull(standby.value("SELECT count(*) FROM t"));
  EXPECT_EQ(standby.value("SELECT coalesce(sum(loaded), 0) FROM hypercopy.interval"), std::to_string(kept));
  ASSERT_TRUE(await_rows(*load, kept + 10 * shape().batch_rows));
  fail_over();
  expect_success(finish_load(*load), shape().rows);
  expect_all_rows();
  expect_success(finish_load(*start_load(kImport)), 0);
  expect_all_rows();
}

// Nothing says which rows those are: all that was committed is in doubt, and exit 0 would be a lie.
TEST_F(FaultFailover, ALoadWithoutImportSaysThatCommitsAreLost) {
  const auto load = start_held_load({});
  fail_over_with_loss(*load);
  const Checked run = finish_load(*load);
  EXPECT_EQ(run.outcome.exit_code, 1) << run.outcome.err;
  EXPECT_TRUE(says(run, "all that was committed before the server failed over"));
  EXPECT_TRUE(says(run, "With --import-id it would go on"));
  EXPECT_EQ(run.report["failed_over"], true);
  const auto& totals = run.report["totals"];
  EXPECT_EQ(totals["rows_loaded"], 0);
  EXPECT_GT(totals["unknown"]["bytes"], 0);
  EXPECT_GE(totals["unknown"]["records"], std::stoull(connect().value("SELECT count(*) FROM t")));
  expect_whole_batches();
}

// A TRUNCATE that the standby never saw: its old rows are there again.
TEST_F(FaultFailover, ATruncateThatIsLostEndsTheLoad) {
  make_target({.rows = 2000, .jobs = 1});
  connect().execute("INSERT INTO t SELECT * FROM reference LIMIT 5");
  hold_row(1);
  await_caught_up();
  cut_replication();
  const auto load = start_load({"--truncate"});
  await_held_row();
  fail_over();
  const Checked run = finish_load(*load);
  EXPECT_EQ(run.outcome.exit_code, 1) << run.outcome.err;
  EXPECT_TRUE(says(run, "the server failed over to a standby that lacks"));
  EXPECT_EQ(connect().value("SELECT count(*) FROM t"), "5");
}

TEST_F(FaultFailover, NothingIsLostToASynchronousStandby) {
  const auto load = start_held_load({.rows = 3000, .jobs = 1});
  replicate_synchronously();
  await_held_row();
  fail_over();
  const Checked run = finish_load(*load);
  expect_success(run, shape().rows);
  EXPECT_GE(run.report["batches_sent_again"], 1);
  expect_all_rows();
}

// The old primary still answers: only a new connection leads to the new one.
TEST_F(FaultFailover, FromAPrimaryThatHasBecomeReadOnly) {
  const auto load = start_held_load({.rows = 3000, .jobs = 1});
  await_held_row();
  set_read_only(true);
  release_row();
  ASSERT_TRUE(load->await_said("trying again"));
  await_caught_up();
  promote();
  const Checked run = finish_load(*load);
  EXPECT_TRUE(says(run, "25006"));
  expect_success(run, shape().rows);
  expect_all_rows();
}

// Connections reach the standby before it is promoted.
TEST_F(FaultFailover, ToAStandbyThatIsNotPromotedYet) {
  const auto load = [&] {
    make_target({.rows = 3000, .jobs = 1});
    hold_row(shape().rows / 2);
    await_caught_up();
    other_dsn_ =
        fmt::format("host={},{} user=postgres dbname=postgres", private_server_->host(), standby_->host());
    return start_load();
  }();
  await_held_row();
  await_caught_up();
  private_server_->stop_immediately();
  ASSERT_TRUE(load->await_said("trying again"));
  promote();
  expect_success(finish_load(*load), shape().rows);
  expect_all_rows();
}

// A host that takes connections and says nothing, as a machine that hangs.
class SilentHost {
 public:
  explicit SilentHost(const std::string& folder) : socket_(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_un address{.sun_family = AF_UNIX, .sun_path = {}};
    const std::string path = folder + "/.s.PGSQL.5432";
    path.copy(address.sun_path, sizeof address.sun_path - 1);
    if (::bind(socket_, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0 ||
        ::listen(socket_, 16) != 0) {
      throw std::runtime_error("a silent host");
    }
  }
  ~SilentHost() { ::close(socket_); }
  SilentHost(const SilentHost&) = delete;
  SilentHost& operator=(const SilentHost&) = delete;

 private:
  int socket_;
};

// As psql does it: connect_timeout is of each host.
TEST_F(FaultFailover, AHostThatHangsIsPassedOver) {
  make_target({.rows = 300, .jobs = 1});
  const SilentHost silent(folder_.path());
  other_dsn_ = fmt::format("host={0}/none,{0},{1} port=5432 user=postgres dbname=postgres connect_timeout=2",
                           folder_.path(), private_server_->host());
  expect_success(finish_load(*start_load()), shape().rows);
  expect_all_rows();
}

class FaultFailoverOften : public FaultFailover {
 protected:
  void SetUp() override {
    if (rounds() == 0) GTEST_SKIP() << "takes minutes: ./dev fault";
    FaultFailover::SetUp();
  }
  [[nodiscard]] static unsigned rounds() { return times(0, 30); }
};

// At any moment, with COMMITs in doubt: what the standby has lost, the load has not loaded.
TEST_F(FaultFailoverOften, AtRandomMoments) {
  for (unsigned round = 0; round < rounds(); ++round) {
    if (round > 0) make_standby();
    const bool synchronous = random_.one_in(2);
    const bool import = random_.one_in(3);
    SCOPED_TRACE(fmt::format("round {}, synchronous {}, import {}", round, synchronous, import));
    const auto load = start_held_load(
        random_shape(6000), import ? std::vector<std::string>{"--import-id", fmt::format("round {}", round)}
                                   : std::vector<std::string>{});
    if (synchronous) replicate_synchronously();
    static_cast<void>(await_rows(*load, 1 + random_.below(shape().rows / 2)));
    fail_over();
    const Checked run = finish_load(*load);
    if (run.outcome.exit_code == 0 || !run.report["failed_over"].get<bool>()) {
      judge(run);
    } else {
      EXPECT_EQ(run.outcome.exit_code, 1) << run.outcome.err;
      EXPECT_FALSE(synchronous || import) << run.outcome.err;
      expect_whole_batches();
    }
  }
}

}  // namespace
}  // namespace hypercopy::test
