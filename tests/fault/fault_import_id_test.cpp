// With --import-id the same command is run again until it ends with exit 0, whatever ended it before: then the table
// holds exactly the rows of the input, always.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <array>
#include <csignal>
#include <filesystem>

#include "support/fault_load.hpp"
#include "support/file_contents.hpp"

namespace hypercopy::test {
namespace {

using Point = FaultProxy::Point;
using Action = FaultProxy::Action;

class FaultImportId : public FaultTest {
 protected:
  // A table that is made anew is another target, and wants another import.
  void make_import(const LoadShape& shape) {
    make_target(shape);
    import_id_ = fmt::format("fault {}", ++imports_);
  }

  [[nodiscard]] std::unique_ptr<Process> start_import(std::vector<std::string> more = {}) {
    more.insert(more.end(), {"--import-id", import_id_});
    return start_load(more);
  }

  // Beside the one that writes the report; with a copy of the file at another path, of another time, as on another host.
  [[nodiscard]] std::unique_ptr<Process> start_second() const {
    const std::string copy = folder_.file("copy of the input.csv", contents(input()));
    std::filesystem::last_write_time(copy,
                                     std::filesystem::last_write_time(input()) - std::chrono::hours(24));
    return std::make_unique<Process>(
        std::vector<std::string>{"load", "-w", "-d", private_server_->dsn(), "-t", "t", "-j",
                                 std::to_string(shape().jobs), "--batch-rows",
                                 std::to_string(shape().batch_rows), "--import-id", import_id_, copy},
        RunOptions{.timeout = std::chrono::minutes(5)});
  }

  // One run that nothing breaks finishes what is left. One more changes nothing.
  void expect_finished_by_another_run() {
    const Checked run = finish_load(*start_import());
    ASSERT_EQ(run.outcome.exit_code, 0) << run.outcome.err;
    expect_all_rows();
    expect_success(finish_load(*start_import()), 0);
    expect_all_rows();
  }

 private:
  std::string import_id_;
  unsigned imports_ = 0;
};

TEST_F(FaultImportId, WithoutAnyFaultTheSecondRunLoadsNothing) {
  make_import({});
  expect_success(finish_load(*start_import()), shape().rows);
  expect_all_rows();
  expect_success(finish_load(*start_import()), 0);
  expect_all_rows();
}

TEST_F(FaultImportId, TheProgramIsKilledAndRunAgain) {
  for (unsigned round = 0; round < times(3, 50); ++round) {
    make_import(random_shape(6000));
    for (const std::uint64_t moment : random_moments(1 + static_cast<unsigned>(random_.below(3)))) {
      const auto load = start_import();
      static_cast<void>(await_rows(*load, moment));
      load->signal(SIGKILL);
      static_cast<void>(load->wait());
    }
    expect_finished_by_another_run();
  }
}

TEST_F(FaultImportId, TheProgramIsInterruptedAndRunAgain) {
  for (unsigned round = 0; round < times(1, 20); ++round) {
    make_import(random_shape(6000));
    const auto load = start_import();
    static_cast<void>(await_rows(*load, random_moments(1).front()));
    load->signal(SIGINT);
    const Checked run = finish_load(*load);
    EXPECT_TRUE(run.outcome.exit_code == 0 || run.outcome.exit_code == 130) << run.outcome.err;
    expect_finished_by_another_run();
  }
}

// Two loaders share the import; the one that is left finishes it, and its exit 0 means all of it.
TEST_F(FaultImportId, OneOfTwoLoadersIsKilled) {
  for (unsigned round = 0; round < times(1, 30); ++round) {
    make_import(random_shape(8000));
    auto left = start_import();
    auto killed = start_second();
    if (random_.one_in(2)) std::swap(left, killed);
    static_cast<void>(await_rows(*killed, random_moments(1).front()));
    killed->signal(SIGKILL);
    static_cast<void>(killed->wait());
    const Outcome run = left->wait();
    EXPECT_EQ(run.exit_code, 0) << run.err;
    expect_all_rows();
    expect_finished_by_another_run();
  }
}

TEST_F(FaultImportId, BackendsAreTerminated) {
  make_import({});
  const auto load = start_import();
  break_workers(*load, times(5, 50));
  static_cast<void>(finish_load(*load));
  expect_finished_by_another_run();
}

// Also the ledger's own connection meets it.
TEST_F(FaultImportId, TheServerIsReadOnlyForAWhile) {
  make_import({.jobs = 1});
  hold_row(shape().rows / 2);
  const auto load = start_import();
  await_held_row();
  set_read_only(true);
  release_row();
  ASSERT_TRUE(load->await_said("trying again"));
  set_read_only(false);
  expect_success(finish_load(*load), shape().rows);
  expect_finished_by_another_run();
}

TEST_F(FaultImportId, TheServerStopsAndCrashes) {
  for (const ServerBreak way : {ServerBreak::fast, ServerBreak::immediate, ServerBreak::backend}) {
    SCOPED_TRACE(static_cast<int>(way));
    make_import(random_shape(8000));
    const auto load = start_import();
    break_server(*load, way, times(1, 10));
    static_cast<void>(finish_load(*load));
    expect_finished_by_another_run();
  }
}

// The crash takes the newest batches back, and their marks with them; also those that the program was told of.
TEST_F(FaultImportId, TheServerCrashesUnderAsyncCommit) {
  for (unsigned round = 0; round < times(1, 20); ++round) {
    make_import(random_shape(8000));
    const auto load = start_import({"--async-commit"});
    break_server(*load, ServerBreak::immediate, 1);
    static_cast<void>(finish_load(*load));
    expect_finished_by_another_run();
  }
}

// Exit 0 is a promise: no COMMIT of a batch has waited for the disk, the last transaction has, also where a role does not.
TEST_F(FaultImportId, TheServerCrashesBehindAnAsyncImportThatIsDone) {
  make_import({.rows = 2000});
  connect().execute("ALTER ROLE postgres SET synchronous_commit = off");
  // Nobody but a COMMIT that waits makes anything durable.
  const int log_writer =
      std::stoi(connect().value("SELECT pid FROM pg_stat_activity WHERE backend_type = 'walwriter'"));
  ASSERT_EQ(::kill(log_writer, SIGSTOP), 0);
  expect_success(finish_load(*start_import({"--async-commit"})), shape().rows);
  break_server(ServerBreak::immediate);
  expect_all_rows();
  expect_success(finish_load(*start_import()), 0);
}

TEST_F(FaultImportId, TheConnectionIsCutAndTheProgramRunAgain) {
  for (unsigned round = 0; round < times(1, 10); ++round) {
    for (const Point point : {Point::in_copy_data, Point::before_copy_answer, Point::before_commit,
                              Point::behind_commit, Point::before_commit_answer}) {
      for (const Action action : {Action::close, Action::orphan}) {
        make_import(random_shape(1000));
        const auto nth = 1 + static_cast<unsigned>(random_.below(batches()));
        SCOPED_TRACE(
            fmt::format("point {}, way {}, time {}", static_cast<int>(point), static_cast<int>(action), nth));
        auto proxy = std::make_unique<FaultProxy>(
            socket(), std::vector<FaultProxy::Fault>{{.point = point, .action = action, .nth = nth}});
        other_dsn_ = proxy->dsn();
        const auto load = start_import({"--retry-timeout", "0"});
        other_dsn_ = private_server_->dsn();
        static_cast<void>(finish_load(*load));
        EXPECT_EQ(proxy->acted(), 1U);
        // Orphans end before, or while, the next run is at it.
        const auto again = start_import();
        proxy.reset();
        static_cast<void>(finish_load(*again));
        expect_finished_by_another_run();
      }
    }
  }
}

// Killed while its COMMITs hang: they are durable, and no one can see them until they are over. The next run starts
// meanwhile.
TEST_F(FaultImportId, BackendsInTheMiddleOfTheirCommitAreLeftBehind) {
  for (unsigned round = 0; round < times(1, 20); ++round) {
    make_import(random_shape(6000));
    FaultProxy proxy(socket(), {{.point = Point::before_copy_answer,
                                 .action = Action::stall,
                                 .nth = 1 + static_cast<unsigned>(random_.below(batches()))}});
    other_dsn_ = proxy.dsn();
    const auto load = start_import();
    other_dsn_ = private_server_->dsn();
    ASSERT_TRUE(proxy.await_acted(1));
    hold_commits();
    proxy.let_go();
    const auto orphans = await_held_commits(1);
    load->signal(SIGKILL);
    static_cast<void>(load->wait());
    const auto again = start_import();
    await_there(
        fmt::format("SELECT count(*) > 0 FROM pg_stat_activity WHERE application_name LIKE "
                    "'hypercopy load%' AND NOT pid = ANY ('{{{}}}')",
                    fmt::join(orphans, ",")));
    release_commits();
    static_cast<void>(finish_load(*again));
    expect_finished_by_another_run();
  }
}

// Nobody lets them go but the next run.
TEST_F(FaultImportId, TheNextRunEndsBackendsInTheMiddleOfTheirCommit) {
  make_import({.rows = 2000});
  hold_row(shape().rows / 2);
  const auto load = start_import();
  await_held_row();
  // The plan is made: only a worker's COMMIT is under way when the program dies.
  await_there("SELECT count(*) = 1 FROM hypercopy.input WHERE complete");
  hold_commits();
  release_row();
  static_cast<void>(await_held_commits(1));
  load->signal(SIGKILL);
  static_cast<void>(load->wait());
  // Its own COMMITs are not held.
  other_dsn_ += " options='-c synchronous_commit=local'";
  expect_finished_by_another_run();
}

}  // namespace
}  // namespace hypercopy::test
