// The server ends backends, stops, crashes, or has no room left, in the middle of a load.
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <stdexcept>

#include "support/fault_load.hpp"
#include "support/small_disk.hpp"

namespace hypercopy::test {
namespace {

class FaultServer : public FaultTest {
 protected:
  // Writes to the log until the server has ended for lack of room.
  void fill_log_until_it_ends() const {
    try {
      const Server writer = connect();
      while (true) writer.execute("SELECT pg_logical_emit_message(false, 'fill', repeat('x', 1000000))");
    } catch (const std::runtime_error&) {
    }
  }
};

TEST_F(FaultServer, BackendsAreTerminated) {
  make_target({});
  hold_row(shape().rows / 2);
  const auto load = start_load();
  await_held_row();
  connect().execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE wait_event = 'advisory'");
  await_held_row();  // by the next attempt
  release_row();
  break_workers(*load, times(5, 50));
  const Checked run = finish_load(*load);
  EXPECT_GE(run.report["batches_sent_again"], 1);
  expect_success(run, shape().rows);
  judge(run);
}

TEST_F(FaultServer, ItStopsAndStartsAgain) {
  make_target({});
  const auto load = start_load();
  break_server(*load, ServerBreak::fast, times(1, 10));
  const Checked run = finish_load(*load);
  expect_success(run, shape().rows);
  judge(run);
}

// Each crash in a load of its own: the first that leaves a COMMIT in doubt ends it.
TEST_F(FaultServer, ItCrashes) {
  for (const ServerBreak way : {ServerBreak::immediate, ServerBreak::backend}) {
    for (unsigned round = 0; round < times(1, 10); ++round) {
      SCOPED_TRACE(fmt::format("way {}, round {}", static_cast<int>(way), round));
      make_target(random_shape(6000));
      const auto load = start_load();
      break_server(*load, way, 1);
      judge(finish_load(*load));
    }
  }
}

TEST_F(FaultServer, AnUnloggedTableSurvivesAStop) {
  make_target({}, "UNLOGGED TABLE");
  const auto load = start_load();
  break_server(*load, ServerBreak::fast, 1);
  const Checked run = finish_load(*load);
  expect_success(run, shape().rows);
  judge(run);
}

// The crash has emptied it: what was committed before is gone, and going on would hide that.
TEST_F(FaultServer, ACrashEndsTheLoadOfAnUnloggedTable) {
  make_target({}, "UNLOGGED TABLE");
  hold_row(shape().rows / 2);
  const auto load = start_load();
  ASSERT_TRUE(await_rows(*load, shape().rows / 4));
  break_server(ServerBreak::immediate);
  const Checked run = finish_load(*load);
  EXPECT_EQ(run.outcome.exit_code, 1) << run.outcome.err;
  EXPECT_TRUE(says(run, "UNLOGGED"));
  EXPECT_TRUE(says(run, "and are lost: the server's crash has emptied it"));
  EXPECT_TRUE(says_not(run, "would double"));
  EXPECT_EQ(run.report["emptied"], true);
  expect_whole_batches();
}

// Goes read-only for a while, as after a failover to a standby that is not promoted yet.
TEST_F(FaultServer, IsReadOnlyForAWhile) {
  make_target({.jobs = 1});
  hold_row(shape().rows / 2);
  const auto load = start_load();
  await_held_row();
  set_read_only(true);
  release_row();
  ASSERT_TRUE(load->await_said("trying again"));
  set_read_only(false);
  const Checked run = finish_load(*load);
  EXPECT_TRUE(says(run, "25006"));
  expect_success(run, shape().rows);
  judge(run);
}

// A tablespace on a disk of its own.
class FaultDisk : public FaultTest {
 protected:
  void SetUp() override {
    FaultTest::SetUp();
    if (IsSkipped()) return;
    const std::string folder = socket().substr(0, socket().rfind('/'));
    struct stat owner {};
    ASSERT_EQ(::stat(folder.c_str(), &owner), 0);
    disk_ = SmallDisk::mount(folder + "/disk", "6m");
    if (!disk_) GTEST_SKIP() << "a small disk cannot be mounted here: " << std::strerror(errno);
    ASSERT_EQ(::chown(disk_->path().c_str(), owner.st_uid, owner.st_gid), 0);
    // The server must see the mount: it is started again, as a child of this process.
    break_server(ServerBreak::fast);
    connect().execute(fmt::format("CREATE TABLESPACE small LOCATION '{}'", disk_->path()));
  }

  void load_over_a_full_disk(const std::vector<std::string>& arguments) {
    const auto load = start_load(arguments);
    ASSERT_TRUE(load->await_said("trying again"));
    disk_->make_room();
    const Checked run = finish_load(*load);
    EXPECT_TRUE(says(run, "53100"));
    expect_success(run, shape().rows);
    judge(run);
  }

  std::unique_ptr<SmallDisk> disk_;
};

TEST_F(FaultDisk, IsFullForAWhile) {
  make_target({.rows = 20'000}, "TABLE", "TABLESPACE small");
  disk_->fill_up_to(1U << 20);
  load_over_a_full_disk({});
}

TEST_F(FaultDisk, IsFullForAWhileInAnImport) {
  make_target({.rows = 20'000}, "TABLE", "TABLESPACE small");
  disk_->fill_up_to(1U << 20);
  load_over_a_full_disk({"--import-id", "full"});
}

// Not for a while: the first run ends, the next one goes on when there is room.
TEST_F(FaultDisk, IsFullUntilTheNextRunOfAnImport) {
  make_target({.rows = 20'000}, "TABLE", "TABLESPACE small");
  disk_->fill_up_to(1U << 20);
  const Checked run = finish_load(*start_load({"--import-id", "full", "--retry-timeout", "0"}));
  EXPECT_EQ(run.outcome.exit_code, 1) << run.outcome.err;
  EXPECT_TRUE(says(run, "53100"));
  expect_whole_batches();
  const std::uint64_t there = std::stoull(connect().value("SELECT count(*) FROM t"));
  EXPECT_EQ(there, run.report["totals"]["rows_loaded"]);
  disk_->make_room();
  expect_success(finish_load(*start_load({"--import-id", "full"})), shape().rows - there);
  expect_all_rows();
}

// What TRUNCATE frees is used, and is not enough.
TEST_F(FaultDisk, IsFullBehindATruncate) {
  make_target({.rows = 20'000}, "UNLOGGED TABLE", "TABLESPACE small");
  connect().execute("INSERT INTO t SELECT g FROM generate_series(1, 10000) g");
  disk_->fill_up_to(1U << 20);
  load_over_a_full_disk({"--truncate"});
}

// No room for the log of changes: the server ends, and starts again when there is some.
TEST_F(FaultServer, HasNoRoomForItsLog) {
  for (const bool import : {true, false}) {
    SCOPED_TRACE(import);
    const std::string data = connect().value("SHOW data_directory");
    private_server_->stop_fast();
    const auto disk = SmallDisk::mount(fmt::format("{}/../log{}", data, import), "80m");
    if (!disk) GTEST_SKIP() << "a small disk cannot be mounted here: " << std::strerror(errno);
    const Outcome moved =
        run_program({"-c", fmt::format("cp -a '{0}/pg_wal/.' '{1}/' && mv '{0}/pg_wal' '{0}/../wal{2}' && "
                                       "chown --reference='{0}' '{1}' && chmod 700 '{1}' && ln -s "
                                       "'{1}' '{0}/pg_wal'",
                                       data, disk->path(), import)},
                    {.program = "/bin/sh"});
    ASSERT_EQ(moved.exit_code, 0) << moved.err;
    ASSERT_TRUE(private_server_->run());
    make_target({});
    hold_row(shape().rows / 2);
    const auto load = import ? start_load({"--import-id", "log"}) : start_load();
    await_held_row();
    disk->fill_up_to(0);
    fill_log_until_it_ends();
    disk->make_room();
    private_server_->stop_immediately();
    ASSERT_TRUE(private_server_->run());
    const Checked run = finish_load(*load);
    if (import) {
      EXPECT_EQ(finish_load(*start_load({"--import-id", "log"})).outcome.exit_code, 0);
      expect_all_rows();
    } else {
      judge(run);
    }
    private_server_->stop_fast();
    const Outcome back =
        run_program({"-c", fmt::format("rm '{0}/pg_wal' && mv '{0}/../wal{2}' '{0}/pg_wal' && rm -rf "
                                       "'{0}/pg_wal/'* && cp -a '{1}/.' '{0}/pg_wal/'",
                                       data, disk->path(), import)},
                    {.program = "/bin/sh"});
    ASSERT_EQ(back.exit_code, 0) << back.err;
    ASSERT_TRUE(private_server_->run());
  }
}

}  // namespace
}  // namespace hypercopy::test
