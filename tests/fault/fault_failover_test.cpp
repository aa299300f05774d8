// The primary fails and its streaming standby takes over, in the middle of a load whose DSN names both: what the standby
// had is not lost, and what it had not is loaded again or said to be lost, never counted as loaded.
#include <fmt/format.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <csignal>
#include <memory>
#include <stdexcept>
#include <utility>

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

// How windows are cut is lost, and another loader records it otherwise before the first one is back: that holds for both.
TEST_F(FaultFailover, WindowsAreCutAsItWasRecordedLast) {
  make_target({.rows = 12'000, .batch_rows = 1000, .jobs = 2}, "TABLE", "PARTITION BY RANGE (at)");
  const auto options = [](const std::vector<std::string>& more) {
    std::vector<std::string> all = kImport;
    all.insert(all.end(), more.begin(), more.end());
    return all;
  };
  const auto by_time = [&](const char* slice) {
    return options({"--order-by-time", "on", "--order-memory", "100KB", "--batch-bytes", slice});
  };
  const auto blocked = [this] {
    await_there(
        "SELECT count(*) = 2 FROM pg_stat_activity WHERE application_name LIKE 'hypercopy load % worker %' "
        "AND "
        "wait_event_type = 'Lock'");
  };
  connect().execute(
      "CREATE TABLE all_times PARTITION OF t DEFAULT; "
      "ALTER TABLE t ADD CONSTRAINT refused CHECK (id <> 1500)");
  EXPECT_EQ(finish_load(*start_load(options({"--order-by-time", "off"}))).outcome.exit_code, 1);
  connect().execute("ALTER TABLE t DROP CONSTRAINT refused");
  await_caught_up();
  cut_replication();

  auto holder = std::make_unique<Server>(private_server_->dsn());
  holder->execute("BEGIN; LOCK TABLE t IN SHARE MODE");
  const auto first = start_load(by_time("16KB"));
  blocked();
  EXPECT_EQ(connect().value("SELECT cut->>'slice_bytes' FROM hypercopy.input"), "16384");
  first->signal(SIGSTOP);
  fail_over();
  EXPECT_EQ(connect().value("SELECT cut IS NULL FROM hypercopy.input"), "t");
  holder = std::make_unique<Server>(private_server_->dsn());
  holder->execute("BEGIN; LOCK TABLE t IN SHARE MODE");
  const auto other = start_load(by_time("4KB"));
  blocked();
  other->signal(SIGKILL);
  static_cast<void>(other->wait());
  EXPECT_EQ(connect().value("SELECT NOT complete FROM hypercopy.input"), "t");
  holder.reset();
  first->signal(SIGCONT);
  const Checked run = finish_load(*first);
  EXPECT_EQ(run.outcome.exit_code, 0) << run.outcome.err;
  expect_all_rows();
  EXPECT_EQ(connect().value("SELECT cut->>'slice_bytes' FROM hypercopy.input"), "4096");
  EXPECT_EQ(connect().value("SELECT count(DISTINCT begin_byte) > 5 AND max(bytes) <= 4096 FROM "
                            "hypercopy.interval WHERE slices > 1"),
            "t");
  expect_success(finish_load(*start_load(kImport)), 0);
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

// Its answer was cut off, and the server said that it was carried out: then that commit is lost, too. Nothing was
// committed behind it that a guard could meet.
class FaultFailoverSettled : public FaultFailover {
 protected:
  static constexpr LoadShape kShape{.rows = 300, .batch_rows = 10, .jobs = 1};

  // One batch is settled by asking, and on the primary alone; the next one waits.
  [[nodiscard]] Checked load_with_a_settled_commit(const std::vector<std::string>& more) {
    make_target(kShape);
    hold_rows({150, 160});
    await_caught_up();
    // The connection that made the plan is the worker's.
    auto proxy = std::make_unique<FaultProxy>(
        socket(), std::vector<FaultProxy::Fault>{
                      {.point = FaultProxy::Point::before_commit_answer, .nth = 15, .connection = 1}});
    const std::string direct = std::exchange(other_dsn_, dsn_through(*proxy));
    const auto load = start_load(more);
    other_dsn_ = direct;
    await_held_row(150);
    await_caught_up();
    cut_replication();
    release_row(150);
    await_held_row(160);
    EXPECT_EQ(proxy->acted(), 1U);
    EXPECT_EQ(connect().value("SELECT count(*) FROM t"), "150");
    // A host that takes connections, only to close them, is where libpq ends its search.
    proxy.reset();
    fail_over();
    return finish_load(*load);
  }
};

TEST_F(FaultFailoverSettled, IsLostToALoad) {
  const Checked run = load_with_a_settled_commit({});
  EXPECT_EQ(run.outcome.exit_code, 1) << run.outcome.err;
  EXPECT_EQ(run.report["failed_over"], true);
  EXPECT_TRUE(says(run, "the server failed over to a standby that lacks what this load had committed"));
  EXPECT_EQ(run.report["totals"]["rows_loaded"], 0);
  EXPECT_GE(run.report["totals"]["unknown"]["records"], 150);
  EXPECT_EQ(connect().value("SELECT count(*) FROM t"), "140");
  expect_success(finish_load(*start_load({"--truncate"})), shape().rows);
  expect_all_rows();
}

TEST_F(FaultFailoverSettled, IsLoadedAgainByAnImport) {
  const Checked run = load_with_a_settled_commit(kImport);
  expect_success(run, shape().rows);
  expect_all_rows();
  expect_success(finish_load(*start_load(kImport)), 0);
  expect_all_rows();
}

// Its log does not tell any more how far it had followed.
TEST_F(FaultFailover, ToAServerThatWasRestartedSince) {
  make_target({.rows = 300, .batch_rows = 10, .jobs = 1});
  hold_rows({150});
  await_caught_up();
  const auto load = start_load();
  await_held_row(150);
  await_caught_up();
  promote();
  private_server_->stop_fast();
  ASSERT_TRUE(private_server_->run());
  standby_->stop_immediately();
  const Checked run = finish_load(*load);
  EXPECT_EQ(run.outcome.exit_code, 1) << run.outcome.err;
  EXPECT_TRUE(says(run, "nobody knows whether what this load had committed is still there"));
  EXPECT_EQ(run.report["failed_over"], true);
  expect_whole_batches();
}

class FaultFailoverBeginning : public FaultFailover {
 protected:
  static constexpr LoadShape kShape{.rows = 600, .batch_rows = 10, .jobs = 2};

  // The ledger is there, and this is no import's first number.
  void make_ledger() {
    make_target({.rows = 10});
    expect_success(finish_load(*start_load({"--import-id", "before"})), 10);
  }
  // It has loaded some of it, on the primary alone.
  [[nodiscard]] std::unique_ptr<Process> start_unknown_to_standby() {
    make_target(kShape);
    hold_rows({300});
    await_caught_up();
    cut_replication();
    auto load = start_load(kImport);
    await_held_row(300);
    return load;
  }
  // The run may have ended: with all rows, or saying that it has not.
  void expect_ended_or_to_be_run_again(Process& load) {
    const Checked run = finish_load(load);
    EXPECT_TRUE(run.outcome.exit_code == 0 || run.outcome.exit_code == 1) << run.outcome.err;
    if (run.outcome.exit_code == 0) expect_all_rows();
    expect_run_again();
  }
  void expect_run_again() {
    const Checked again = finish_load(*start_load(kImport));
    EXPECT_EQ(again.outcome.exit_code, 0) << again.outcome.err;
    expect_all_rows();
    expect_success(finish_load(*start_load(kImport)), 0);
    expect_all_rows();
  }
};

// The job is there, and not where its input begins.
TEST_F(FaultFailoverBeginning, OfTheInputIsLost) {
  constexpr int kImportLockClass = 1752789091;
  make_ledger();
  make_target(kShape);
  hold_rows({300});
  const std::string number =
      connect().value("SELECT nextval(pg_get_serial_sequence('hypercopy.job', 'id')) + 1");
  auto holder = std::make_unique<Server>(private_server_->dsn());
  holder->execute(fmt::format("SELECT pg_advisory_lock({}, {})", kImportLockClass, number));
  await_caught_up();
  const auto load = start_load(kImport);
  await_there(
      fmt::format("SELECT EXISTS (SELECT FROM pg_locks WHERE NOT granted AND classid = {} AND objid = {})",
                  kImportLockClass, number));
  await_caught_up();
  cut_replication();
  holder.reset();
  await_held_row(300);
  fail_over();
  expect_success(finish_load(*load), shape().rows);
  expect_all_rows();
  expect_run_again();
}

TEST_F(FaultFailoverBeginning, OfTheJobIsLost) {
  make_ledger();
  const auto load = start_unknown_to_standby();
  fail_over();
  expect_ended_or_to_be_run_again(*load);
}

TEST_F(FaultFailoverBeginning, OfTheLedgerIsLost) {
  const auto load = start_unknown_to_standby();
  fail_over();
  expect_ended_or_to_be_run_again(*load);
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
