// --defer-indexes and kill -9 at any moment: the next start of whatever load brings all indexes back.
#include <fmt/format.h>
#include <poll.h>

#include <array>
#include <chrono>
#include <csignal>
#include <string>
#include <vector>

#include "support/fault_load.hpp"

namespace hypercopy::test {
namespace {

using Clock = std::chrono::steady_clock;

class FaultDeferIndexes : public FaultTest {
 protected:
  void make_indexed() {
    make_target(random_shape(6000));
    connect().execute(
        R"(CREATE INDEX t_at ON t (at DESC); CREATE INDEX t_word ON t (lower(word), value) WHERE value > 5;
      COMMENT ON INDEX t_at IS 'newest first'; CREATE INDEX t_amount ON t USING brin (amount);
      ALTER TABLE t ADD CONSTRAINT t_key PRIMARY KEY (id); ALTER INDEX t_word ALTER COLUMN 1 SET STATISTICS 50)");
  }
  [[nodiscard]] std::string indexes() const {
    return connect().value(R"(SELECT string_agg(concat_ws(' ', pg_get_indexdef(indexrelid), indisvalid,
        obj_description(indexrelid, 'pg_class'), (SELECT pg_get_constraintdef(oid) FROM pg_constraint WHERE conindid =
        indexrelid), (SELECT string_agg(attstattarget::text, ' ' ORDER BY attnum) FROM pg_attribute WHERE attrelid = indexrelid)),
        E'\n' ORDER BY indexrelid::regclass::text) FROM pg_index WHERE indrelid = 't'::regclass)");
  }
  void expect_nothing_owed() const {
    EXPECT_EQ(connect().value("SELECT count(*) FROM hypercopy.deferred_index"), "0");
  }
  static void wait(std::uint64_t milliseconds) { ::poll(nullptr, 0, static_cast<int>(milliseconds)); }

  // Where in a load it is killed: behind what it said, or anywhere.
  void await_some_moment(Process& load, std::chrono::milliseconds whole) {
    static constexpr std::array<std::string_view, 3> kSaid{"", "left out while", "rebuilding"};
    const std::string_view said = random_.pick(kSaid);
    if (!said.empty() && load.await_said(said)) return wait(random_.below(40));
    wait(random_.below(static_cast<std::uint64_t>(whole.count()) + 1));
  }
};

TEST_F(FaultDeferIndexes, TheProgramIsKilledAndTheNextStartBringsThemBack) {
  make_indexed();
  const std::string before = indexes();
  const auto begun = Clock::now();
  expect_success(finish_load(*start_load({"--defer-indexes", "--defer-constraints"})), shape().rows);
  const auto whole = std::chrono::duration_cast<std::chrono::milliseconds>(Clock::now() - begun);
  EXPECT_EQ(indexes(), before);
  for (unsigned round = 0; round < times(10, 100); ++round) {
    SCOPED_TRACE(round);
    make_indexed();
    const auto load = start_load({"--defer-indexes", "--defer-constraints"});
    await_some_moment(*load, whole);
    load->signal(SIGKILL);
    static_cast<void>(load->wait());
    const bool defers = random_.one_in(2);
    const Checked next =
        finish_load(*start_load(defers ? std::vector<std::string>{"--truncate", "--defer-indexes"}
                                       : std::vector<std::string>{"--truncate"}));
    EXPECT_EQ(next.outcome.exit_code, 0) << next.outcome.err;
    EXPECT_EQ(indexes(), before);
    expect_nothing_owed();
    expect_all_rows();
  }
}

// Who may not create schemas is given this one.
TEST_F(FaultDeferIndexes, ASchemaThatAnotherRoleMadeIsEnough) {
  make_indexed();
  connect().execute(
      R"(CREATE SCHEMA hypercopy; CREATE ROLE loader LOGIN; GRANT USAGE, CREATE ON SCHEMA hypercopy TO loader;
    GRANT ALL ON SCHEMA public TO loader; ALTER TABLE t OWNER TO loader)");
  const std::string before = indexes();
  other_dsn_ += " user=loader";
  const Checked run = finish_load(*start_load({"--defer-indexes"}));
  expect_success(run, shape().rows);
  EXPECT_EQ(indexes(), before);
  expect_nothing_owed();
}

TEST_F(FaultDeferIndexes, TheServerStopsAndCrashes) {
  for (const ServerBreak way : {ServerBreak::fast, ServerBreak::immediate, ServerBreak::backend}) {
    SCOPED_TRACE(static_cast<int>(way));
    make_indexed();
    const std::string before = indexes();
    const auto load =
        start_load({"--defer-indexes", "--import-id", fmt::format("defer {}", static_cast<int>(way))});
    break_server(*load, way, times(1, 10));
    const Checked run = finish_load(*load);
    EXPECT_EQ(run.outcome.exit_code, 0) << run.outcome.err;
    EXPECT_EQ(indexes(), before);
    expect_nothing_owed();
    expect_all_rows();
  }
}

class FaultDeferIndexesLeftBehind : public FaultDeferIndexes {
 protected:
  void SetUp() override {
    FaultDeferIndexes::SetUp();
    if (IsSkipped()) return;
    // Whoever comes first makes the schema.
    make_indexed();
    expect_success(finish_load(*start_load({"--defer-indexes"})), shape().rows);
    make_indexed();
    before_ = indexes();
  }
  void await_waiting(const std::string& name) const {
    await_there(fmt::format(
        "SELECT EXISTS (SELECT FROM pg_stat_activity WHERE application_name LIKE 'hypercopy load {}' "
        "AND wait_event_type = 'Lock')",
        name));
  }
  static void kill(Process& load) {
    load.signal(SIGKILL);
    static_cast<void>(load.wait());
  }
  void expect_all_is_back(const Checked& run) {
    EXPECT_EQ(run.outcome.exit_code, 0) << run.outcome.err;
    EXPECT_EQ(indexes(), before_) << run.outcome.err;
    expect_nothing_owed();
    expect_all_rows();
  }

 private:
  std::string before_;
};

// The drop is durable, cannot be seen, and has the table to itself. The next run waits for it.
TEST_F(FaultDeferIndexesLeftBehind, ByALoadThatIsKilledInTheCommitOfItsDrop) {
  auto reader = lock("t", "ACCESS SHARE");
  const auto load = start_load({"--defer-indexes"});
  await_waiting("%");
  hold_commits();
  reader.reset();
  static_cast<void>(await_held_commits(1));
  kill(*load);
  const auto next = start_load({"--truncate", "--defer-indexes"});
  await_waiting("%");
  release_commits();
  expect_all_is_back(finish_load(*next));
}

struct NextRun {
  const char* name;
  std::vector<std::string> words;
};

class FaultDeferIndexesThenLoaded : public FaultDeferIndexesLeftBehind,
                                    public ::testing::WithParamInterface<NextRun> {};

TEST_P(FaultDeferIndexesThenLoaded, BehindALoadThatIsKilledInItsRebuild) {
  hold_row(shape().rows);
  const auto load = start_load({"--defer-indexes"});
  await_held_row();
  auto writer = lock("t", "ROW EXCLUSIVE");
  release_row();
  await_waiting("% index %");
  kill(*load);
  const auto next = start_load(GetParam().words);
  await_there(
      "SELECT count(DISTINCT substr(application_name, 1, 24)) = 2 FROM pg_stat_activity WHERE "
      "application_name LIKE "
      "'hypercopy load %' AND wait_event_type = 'Lock'");
  writer.reset();
  expect_all_is_back(finish_load(*next));
}

INSTANTIATE_TEST_SUITE_P(NextRun, FaultDeferIndexesThenLoaded,
                         ::testing::Values(NextRun{"AsWell", {"--truncate", "--defer-indexes"}},
                                           NextRun{"Plain", {"--truncate"}}),
                         [](const auto& next) { return std::string(next.param.name); });

}  // namespace
}  // namespace hypercopy::test
