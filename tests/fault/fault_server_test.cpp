// The server ends backends, stops, crashes, or has no room left, in the middle of a load.
#include <fmt/format.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>

#include "support/fault_load.hpp"

namespace hypercopy::test {
namespace {

using FaultServer = FaultTest;

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

// A tablespace on a file system of its own, which goes with the process.
class FaultDisk : public FaultTest {
 protected:
  void SetUp() override {
    FaultTest::SetUp();
    if (IsSkipped()) return;
    const std::string folder = socket().substr(0, socket().rfind('/'));
    struct stat owner {};
    ASSERT_EQ(::stat(folder.c_str(), &owner), 0);
    place_ = folder + "/disk";
    std::filesystem::create_directory(place_);
    // The server must see the mount: it is started again, as a child of this process.
    if (::unshare(CLONE_NEWNS) != 0 || ::mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0 ||
        ::mount("tmpfs", place_.c_str(), "tmpfs", 0, "size=6m") != 0) {
      GTEST_SKIP() << "a small disk cannot be mounted here: " << std::strerror(errno);
    }
    ASSERT_EQ(::chown(place_.c_str(), owner.st_uid, owner.st_gid), 0);
    break_server(ServerBreak::fast);
    connect().execute(fmt::format("CREATE TABLESPACE small LOCATION '{}'", place_));
  }

  void TearDown() override {
    ::umount2(place_.c_str(), MNT_DETACH);
    FaultTest::TearDown();
  }

  // All of the room but a megabyte.
  void fill() const {
    const auto size = std::filesystem::space(place_).available - (1U << 20);
    std::ofstream(place_ + "/filler") << std::string(size, 'x');
  }
  void make_room() const { std::filesystem::remove(place_ + "/filler"); }

  void load_over_a_full_disk(const std::vector<std::string>& arguments) {
    const auto load = start_load(arguments);
    ASSERT_TRUE(load->await_said("trying again"));
    make_room();
    const Checked run = finish_load(*load);
    EXPECT_TRUE(says(run, "53100"));
    expect_success(run, shape().rows);
    judge(run);
  }

 private:
  std::string place_;
};

TEST_F(FaultDisk, IsFullForAWhile) {
  make_target({.rows = 20'000}, "TABLE", "TABLESPACE small");
  fill();
  load_over_a_full_disk({});
}

// What TRUNCATE frees is used, and is not enough.
TEST_F(FaultDisk, IsFullBehindATruncate) {
  make_target({.rows = 20'000}, "UNLOGGED TABLE", "TABLESPACE small");
  connect().execute("INSERT INTO t SELECT g FROM generate_series(1, 10000) g");
  fill();
  load_over_a_full_disk({"--truncate"});
}

}  // namespace
}  // namespace hypercopy::test
