// --atomic under faults: the table holds all rows or none, what the program says is true, and the next load leaves no
// staging table behind.
#include <fmt/format.h>

#include <csignal>

#include "support/fault_load.hpp"

namespace hypercopy::test {
namespace {

using Point = FaultProxy::Point;
using Action = FaultProxy::Action;

class FaultAtomic : public FaultTest {
 protected:
  // The staging table's creation, the batches, and the end.
  [[nodiscard]] unsigned commits() const { return batches() + 2; }
  [[nodiscard]] unsigned random_commit() { return 1 + static_cast<unsigned>(random_.below(commits())); }

  [[nodiscard]] std::unique_ptr<Process> start_atomic(std::vector<std::string> more = {}) {
    more.emplace_back("--atomic");
    return start_load(more);
  }
  [[nodiscard]] std::string rows() const { return connect().value("SELECT count(*) FROM t"); }
  [[nodiscard]] std::string staging_tables() const {
    return connect().value(
        "SELECT count(*) FROM pg_class WHERE relname LIKE 'hypercopy_atomic_%' AND relkind = 'r'");
  }
  void expect_all_or_nothing() const {
    await_no_backend();
    if (rows() != "0") expect_all_rows();
  }
  // Nothing breaks this one.
  void expect_finished_by_another_run(const std::vector<std::string>& more = {}) {
    if (rows() == "0" || !more.empty()) {
      const Checked run = finish_load(*start_atomic(more));
      EXPECT_EQ(run.outcome.exit_code, 0) << run.outcome.err;
    }
    expect_all_rows();
    EXPECT_EQ(staging_tables(), "0");
  }
};

// Whatever COMMIT it is whose answer never comes, the last one above all.
TEST_F(FaultAtomic, ConnectionsAreCut) {
  for (unsigned round = 0; round < times(1, 10); ++round) {
    for (const Point point :
         {Point::in_copy_data, Point::before_commit, Point::behind_commit, Point::before_commit_answer}) {
      for (const Action action : {Action::close, Action::reset}) {
        make_target(random_shape(1000));
        const bool copy = point == Point::in_copy_data;
        const unsigned nth =
            random_.one_in(2) && !copy ? commits() : 1 + static_cast<unsigned>(random_.below(batches()));
        SCOPED_TRACE(fmt::format("point {}, way {}, time {} of {}", static_cast<int>(point),
                                 static_cast<int>(action), nth, commits()));
        FaultProxy proxy(socket(), {{.point = point, .action = action, .nth = nth}});
        const Checked run = load_through(proxy, {"--atomic"});
        EXPECT_EQ(proxy.acted(), 1U);
        if (nth == 1 && !copy) {
          // Its first COMMIT creates the staging table: nothing is tried again before the load has begun.
          expect_all_or_nothing();
          expect_finished_by_another_run();
          continue;
        }
        EXPECT_EQ(run.outcome.exit_code, 0) << run.outcome.err;
        expect_all_rows();
        EXPECT_EQ(staging_tables(), "0");
      }
    }
  }
}

TEST_F(FaultAtomic, TheProgramIsKilled) {
  for (unsigned round = 0; round < times(3, 50); ++round) {
    make_target(random_shape(3000));
    const Point point = random_.one_in(2) ? Point::before_commit : Point::before_commit_answer;
    const unsigned nth = random_.one_in(3) ? commits() : random_commit();
    SCOPED_TRACE(fmt::format("point {}, time {} of {}", static_cast<int>(point), nth, commits()));
    FaultProxy proxy(socket(), {{.point = point, .action = Action::stall, .nth = nth}});
    other_dsn_ = proxy.dsn();
    const auto load = start_atomic();
    other_dsn_ = private_server_->dsn();
    ASSERT_TRUE(proxy.await_acted(1));
    load->signal(SIGKILL);
    static_cast<void>(load->wait());
    proxy.cut_stalled();
    expect_all_or_nothing();
    expect_finished_by_another_run();
  }
}

// What a crash takes from the staging table must not be missing in the end.
TEST_F(FaultAtomic, TheServerCrashes) {
  for (unsigned round = 0; round < times(2, 20); ++round) {
    make_target(random_shape(3000));
    FaultProxy proxy(socket(),
                     {{.point = Point::before_commit, .action = Action::stall, .nth = random_commit()}});
    other_dsn_ = proxy.dsn();
    const auto load = start_atomic();
    other_dsn_ = private_server_->dsn();
    ASSERT_TRUE(proxy.await_acted(1));
    break_server(ServerBreak::immediate);
    proxy.cut_stalled();
    const Checked run = finish_load(*load);
    if (run.outcome.exit_code == 0) {
      expect_all_rows();
    } else {
      EXPECT_EQ(run.outcome.exit_code, 1) << run.outcome.err;
      EXPECT_EQ(rows(), "0");
    }
    expect_finished_by_another_run();
  }
}

class FaultAtomicImport : public FaultAtomic {
 protected:
  void make_import(const LoadShape& shape) {
    make_target(shape);
    import_ = {"--import-id", fmt::format("fault atomic {}", ++imports_)};
  }
  std::vector<std::string> import_;

 private:
  unsigned imports_ = 0;
};

TEST_F(FaultAtomicImport, TheProgramIsKilledAndRunAgain) {
  for (unsigned round = 0; round < times(3, 50); ++round) {
    make_import(random_shape(3000));
    const Point point = random_.one_in(2) ? Point::before_commit : Point::before_commit_answer;
    FaultProxy proxy(socket(), {{.point = point, .action = Action::stall, .nth = random_commit()}});
    other_dsn_ = proxy.dsn();
    const auto load = start_atomic(import_);
    other_dsn_ = private_server_->dsn();
    ASSERT_TRUE(proxy.await_acted(1));
    load->signal(SIGKILL);
    static_cast<void>(load->wait());
    proxy.cut_stalled();
    expect_all_or_nothing();
    expect_finished_by_another_run(import_);
    expect_finished_by_another_run(import_);
  }
}

TEST_F(FaultAtomicImport, TheServerCrashes) {
  for (unsigned round = 0; round < times(2, 20); ++round) {
    make_import(random_shape(3000));
    FaultProxy proxy(socket(),
                     {{.point = Point::before_commit, .action = Action::stall, .nth = random_commit()}});
    other_dsn_ = proxy.dsn();
    const auto load = start_atomic(import_);
    other_dsn_ = private_server_->dsn();
    ASSERT_TRUE(proxy.await_acted(1));
    break_server(ServerBreak::immediate);
    proxy.cut_stalled();
    static_cast<void>(finish_load(*load));
    expect_all_or_nothing();
    expect_finished_by_another_run(import_);
  }
}

// Two loaders fill one staging table, and one of them empties it.
TEST_F(FaultAtomicImport, TwoLoadersShareIt) {
  make_import({});
  const auto one = start_atomic(import_);
  std::vector<std::string> second{"load",
                                  "-w",
                                  "-d",
                                  private_server_->dsn(),
                                  "-t",
                                  "t",
                                  "--atomic",
                                  "--batch-rows",
                                  std::to_string(shape().batch_rows)};
  second.insert(second.end(), import_.begin(), import_.end());
  second.push_back(input());
  Process other(second, RunOptions{.timeout = std::chrono::minutes(5)});
  const Outcome outcome = other.wait();
  EXPECT_EQ(outcome.exit_code, 0) << outcome.err;
  expect_all_rows();
  const Checked run = finish_load(*one);
  EXPECT_EQ(run.outcome.exit_code, 0) << run.outcome.err;
  expect_all_rows();
  EXPECT_EQ(staging_tables(), "0");
}

}  // namespace
}  // namespace hypercopy::test
