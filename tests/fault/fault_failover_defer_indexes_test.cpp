// --defer-indexes and a failover between the drop of the indexes and the end of their rebuild: they are back, or owed, and
// that is said. Exit 0 means that they, and all rows, are there.
#include <fmt/format.h>

#include <string>
#include <vector>

#include "support/failover_load.hpp"

namespace hypercopy::test {
namespace {

using Words = std::vector<std::string>;

struct Way {
  const char* name;
  Words words;
};

class FaultFailoverDeferIndexes : public FailoverTest, public ::testing::WithParamInterface<Way> {
 protected:
  static constexpr LoadShape kShape{.rows = 600, .batch_rows = 10, .jobs = 1};

  // The build of the second one, `t_slow`, can be held.
  void make_indexed(const std::vector<std::uint64_t>& held_rows) {
    make_target(kShape);
    connect().execute(fmt::format(
        "CREATE FUNCTION slow(id bigint) RETURNS bigint LANGUAGE plpgsql IMMUTABLE AS $$BEGIN PERFORM "
        "pg_catalog.pg_advisory_xact_lock_shared({}); RETURN id; END$$; CREATE INDEX t_at ON t (at DESC); "
        "CREATE INDEX "
        "t_slow ON t (slow(id)); COMMENT ON INDEX t_at IS 'newest first'",
        kBuildLock));
    if (!held_rows.empty()) hold_rows(held_rows);
    before_ = indexes();
    await_caught_up();
  }
  void hold_build() {
    build_holder_ = std::make_unique<Server>(private_server_->dsn());
    build_holder_->execute(fmt::format("SELECT pg_advisory_lock({})", kBuildLock));
  }
  void await_held_build() const {
    await_there(
        "SELECT EXISTS (SELECT FROM pg_stat_activity WHERE application_name LIKE 'hypercopy load % index %' "
        "AND "
        "wait_event = 'advisory')");
  }
  [[nodiscard]] std::unique_ptr<Process> start_deferring() {
    Words words = GetParam().words;
    words.emplace_back("--defer-indexes");
    return start_load(words);
  }
  [[nodiscard]] bool is_import() const { return !GetParam().words.empty(); }
  [[nodiscard]] std::string indexes() const {
    return connect().value(
        "SELECT string_agg(concat_ws(' ', pg_get_indexdef(indexrelid), indisvalid, "
        "obj_description(indexrelid, "
        "'pg_class')), E'\\n' ORDER BY indexrelid::regclass::text) FROM pg_index WHERE indrelid = "
        "'t'::regclass");
  }
  [[nodiscard]] std::string owed() const {
    if (connect().value("SELECT to_regclass('hypercopy.deferred_index')").empty()) return "0";
    return connect().value("SELECT count(*) FROM hypercopy.deferred_index");
  }
  void expect_indexes_are_back() const {
    EXPECT_EQ(indexes(), before_);
    EXPECT_EQ(owed(), "0");
  }
  // Whatever it ended with is true; then another run, or who is told to, finishes.
  void expect_true_and_finish(const Checked& run) {
    if (run.outcome.exit_code == 0) {
      expect_all_rows();
      return expect_indexes_are_back();
    }
    EXPECT_EQ(run.outcome.exit_code, 1) << run.outcome.err;
    if (owed() == "0") {
      EXPECT_EQ(indexes(), before_);
    } else {
      EXPECT_TRUE(says(run, "imports rebuild-indexes"));
      const Outcome rebuilt =
          run_program({"imports", "rebuild-indexes", "-d", private_server_->dsn(), "-t", "t"});
      EXPECT_EQ(rebuilt.exit_code, 0) << rebuilt.err;
      expect_indexes_are_back();
    }
    other_dsn_ = private_server_->dsn();
    Words again = GetParam().words;
    if (!is_import()) again.emplace_back("--truncate");
    const Checked next = finish_load(*start_load(again));
    EXPECT_EQ(next.outcome.exit_code, 0) << next.outcome.err;
    expect_all_rows();
    expect_indexes_are_back();
  }

 private:
  static constexpr int kBuildLock = 20240212;
  std::unique_ptr<Server> build_holder_;
  std::string before_;
};

// The standby knows that they are left out, and lacks rows.
TEST_P(FaultFailoverDeferIndexes, RowsAreLost) {
  make_indexed({300, 400});
  const auto load = start_deferring();
  await_held_row(300);
  await_caught_up();
  cut_replication();
  release_row(300);
  await_held_row(400);
  fail_over();
  const Checked run = finish_load(*load);
  EXPECT_EQ(run.outcome.exit_code, is_import() ? 0 : 1) << run.outcome.err;
  expect_true_and_finish(run);
}

// The standby has the indexes, and nothing says that they are to be built.
TEST_P(FaultFailoverDeferIndexes, TheDropIsLost) {
  make_indexed({300});
  cut_replication();
  const auto load = start_deferring();
  await_held_row(300);
  fail_over();
  const Checked run = finish_load(*load);
  EXPECT_EQ(run.outcome.exit_code, 1) << run.outcome.err;
  EXPECT_EQ(owed(), "0");
  expect_true_and_finish(run);
}

TEST_P(FaultFailoverDeferIndexes, NothingIsLost) {
  make_indexed({300});
  const auto load = start_deferring();
  await_held_row(300);
  await_caught_up();
  fail_over();
  const Checked run = finish_load(*load);
  EXPECT_EQ(run.outcome.exit_code, 0) << run.outcome.err;
  expect_true_and_finish(run);
}

// The first index was built already, on the primary alone.
TEST_P(FaultFailoverDeferIndexes, ARebuildIsLost) {
  make_indexed({600});
  const auto load = start_deferring();
  await_held_row(600);
  hold_build();
  auto built_first = lock("t", "ROW EXCLUSIVE");
  release_row(600);
  await_there(
      "SELECT EXISTS (SELECT FROM pg_stat_activity WHERE application_name LIKE 'hypercopy load % index %' "
      "AND "
      "wait_event_type = 'Lock')");
  await_caught_up();
  cut_replication();
  built_first.reset();
  await_held_build();
  EXPECT_EQ(owed(), "1");
  fail_over();
  expect_true_and_finish(finish_load(*load));
}

// All was loaded when the rebuild began. Rows are lost while it lasts.
TEST_P(FaultFailoverDeferIndexes, RowsAreLostDuringTheRebuild) {
  make_indexed({300});
  const auto load = start_deferring();
  await_held_row(300);
  await_caught_up();
  cut_replication();
  hold_build();
  release_row(300);
  await_held_build();
  fail_over();
  expect_true_and_finish(finish_load(*load));
}

INSTANTIATE_TEST_SUITE_P(Loads, FaultFailoverDeferIndexes,
                         ::testing::Values(Way{"Plain", {}}, Way{"ImportId", {"--import-id", "deferred"}}),
                         [](const auto& way) { return std::string(way.param.name); });

}  // namespace
}  // namespace hypercopy::test
