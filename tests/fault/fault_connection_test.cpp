// The connection breaks at every point of a batch's transaction, between the real program and a real server.
#include <fmt/format.h>

#include <array>

#include "support/fault_load.hpp"

namespace hypercopy::test {
namespace {

using Point = FaultProxy::Point;
using Action = FaultProxy::Action;

struct NamedPoint {
  Point point;
  std::string_view name;
  bool in_doubt;   // COMMIT was sent, as far as the program knows
  bool committed;  // in truth
};
constexpr std::array kPoints{NamedPoint{Point::in_copy_data, "in CopyData", false, false},
                             NamedPoint{Point::before_copy_answer, "before COPY's answer", false, false},
                             NamedPoint{Point::before_commit, "before COMMIT", true, false},
                             NamedPoint{Point::behind_commit, "behind COMMIT", true, true},
                             NamedPoint{Point::before_commit_answer, "before COMMIT's answer", true, true}};

struct NamedCut {
  Action action;
  std::string_view name;
};
constexpr std::array kCuts{NamedCut{Action::close, "closed"}, NamedCut{Action::reset, "reset"},
                           NamedCut{Action::orphan, "orphaned"}};

class FaultConnection : public FaultTest {
 protected:
  unsigned random_batch() { return 1 + static_cast<unsigned>(random_.below(batches())); }

  // Calls body(point, proxy) with each cut at each point of a random batch.
  template <typename Body>
  void at_each_point(Body body) {
    for (unsigned round = 0; round < times(1, 10); ++round) {
      for (const auto& point : kPoints) {
        for (const auto& cut : kCuts) {
          make_target(random_shape(1000));
          const unsigned batch = random_batch();
          SCOPED_TRACE(fmt::format("{} {}, time {} of {} batches", cut.name, point.name, batch, batches()));
          body(point, std::make_unique<FaultProxy>(
                          socket(), std::vector<FaultProxy::Fault>{
                                        {.point = point.point, .action = cut.action, .nth = batch}}));
        }
      }
    }
  }
};

TEST_F(FaultConnection, ACutIsMendedWhereverItIs) {
  at_each_point([this](const NamedPoint&, const std::unique_ptr<FaultProxy>& proxy) {
    const Checked run = load_through(*proxy);
    EXPECT_EQ(proxy->acted(), 1U);
    expect_success(run, shape().rows);
    judge(run);
  });
}

TEST_F(FaultConnection, WithoutRetryACutEndsTheLoadAndNamesTheBytes) {
  at_each_point([this](const NamedPoint& point, std::unique_ptr<FaultProxy> proxy) {
    const Checked run = load_through(*proxy, {"--retry-timeout", "0"});
    EXPECT_EQ(proxy->acted(), 1U);
    proxy.reset();  // orphans end
    await_no_backend();
    ASSERT_EQ(run.outcome.exit_code, 1) << run.outcome.err;
    judge(run);
    EXPECT_EQ(run.report["totals"]["unknown"]["batches"], point.in_doubt ? 1 : 0) << run.outcome.err;
    const auto& place = run.report["error"]["location"];
    const auto& last = place[place["last_record"].is_null() ? "record" : "last_record"];
    EXPECT_EQ(connect().value(fmt::format("SELECT count(*) > 0 FROM t WHERE id BETWEEN {} AND {}",
                                          place["record"].get<std::uint64_t>(), last.get<std::uint64_t>())),
              point.committed ? "t" : "f")
        << run.outcome.err;
  });
}

TEST_F(FaultConnection, ManyCutsAndDelaysInOneLoad) {
  for (unsigned round = 0; round < times(2, 50); ++round) {
    // Sometimes batches of several CopyData messages.
    LoadShape shape = random_shape(6000);
    if (random_.one_in(3)) shape = {.rows = 30'000, .batch_rows = 8000, .jobs = 3};
    make_target(shape);
    std::vector<FaultProxy::Fault> script;
    std::string plan;
    for (unsigned number = 0; number < 8; ++number) {
      const auto& point = random_.pick(kPoints);
      FaultProxy::Fault fault{.point = point.point, .nth = random_batch()};
      const auto& cut = random_.pick(kCuts);
      fault.action = random_.one_in(4) ? Action::delay : cut.action;
      fault.hold = std::chrono::milliseconds(random_.below(50));
      script.push_back(fault);
      plan += fmt::format("{} {}, time {}; ", fault.action == Action::delay ? "delayed" : cut.name,
                          point.name, fault.nth);
    }
    SCOPED_TRACE(plan);
    FaultProxy proxy(socket(), script);
    const Checked run = load_through(proxy);
    EXPECT_GE(proxy.acted(), 1U);
    expect_success(run, shape.rows);
    judge(run);
  }
}

TEST_F(FaultConnection, AWorkerThatIsCutOffBeforeItStartsIsDoneWithout) {
  make_target({.rows = 1000, .jobs = 2});
  FaultProxy proxy(socket(), {{.point = Point::at_start, .connection = 2}});
  const Checked run = load_through(proxy);
  expect_success(run, shape().rows);
  EXPECT_TRUE(says(run, "worker 2 gets no connection, going on with fewer"));
  judge(run);
}

// A COMMIT that waits for a standby is durable here, but not over: the answer is found by ending its backend.
TEST_F(FaultConnection, ABackendThatHangsInItsCommitIsAskedForItsOutcome) {
  make_target({.rows = 1000, .batch_rows = 100, .jobs = 1});
  FaultProxy proxy(socket(), {{.point = Point::before_copy_answer, .action = Action::stall, .nth = 4},
                              {.point = Point::behind_commit, .action = Action::orphan, .nth = 4}});
  other_dsn_ = proxy.dsn();
  const auto load = start_load();
  ASSERT_TRUE(proxy.await_acted(1));
  hold_commits();
  const std::string orphan =
      connect().value("SELECT pid FROM pg_stat_activity WHERE application_name LIKE 'hypercopy load%'");
  proxy.let_go();
  await_there(fmt::format("SELECT NOT EXISTS (SELECT FROM pg_stat_activity WHERE pid = {})", orphan));
  release_commits();
  const Checked run = finish_load(*load);
  expect_success(run, shape().rows);
  judge(run);
}

// The same id means another transaction after a crash, and that one has committed.
TEST_F(FaultConnection, AnIdThatACrashGaveAwayAgainIsNotBelieved) {
  make_target({.rows = 1000, .batch_rows = 100, .jobs = 1});
  connect().execute("CHECKPOINT");
  FaultProxy proxy(socket(), {{.point = Point::before_commit, .action = Action::stall}});
  other_dsn_ = proxy.dsn();
  const auto load = start_load();
  ASSERT_TRUE(proxy.await_acted(1));
  const std::string lost = connect().value(
      "SELECT backend_xid FROM pg_stat_activity WHERE application_name LIKE 'hypercopy load%' AND "
      "backend_xid IS NOT "
      "NULL");
  break_server(ServerBreak::immediate);
  const Server others = connect();
  std::string given;
  for (int attempt = 0; attempt < 100 && given != lost; ++attempt) {
    given = others.value("SELECT pg_current_xact_id()");
  }
  ASSERT_EQ(given, lost) << "the server did not give the lost id to anybody else";
  proxy.cut_stalled();
  const Checked run = finish_load(*load);
  EXPECT_EQ(run.outcome.exit_code, 1) << run.outcome.err;
  EXPECT_EQ(others.value("SELECT count(*) FROM t"), "0");
  EXPECT_EQ(run.report["totals"]["unknown"]["batches"], 1);
  judge(run);
}

// It is durable, but a server that has crashed cannot prove that this id was the load's.
TEST_F(FaultConnection, ACommitBeforeACrashIsInDoubt) {
  make_target({.rows = 1000, .batch_rows = 100, .jobs = 1});
  FaultProxy proxy(socket(), {{.point = Point::before_commit_answer, .action = Action::stall}});
  other_dsn_ = proxy.dsn();
  const auto load = start_load();
  ASSERT_TRUE(proxy.await_acted(1));
  break_server(ServerBreak::immediate);
  proxy.cut_stalled();
  const Checked run = finish_load(*load);
  EXPECT_EQ(run.outcome.exit_code, 1) << run.outcome.err;
  EXPECT_EQ(connect().value("SELECT count(*) FROM t"), "100");
  EXPECT_EQ(run.report["totals"]["unknown"]["batches"], 1);
  judge(run);
}

}  // namespace
}  // namespace hypercopy::test
