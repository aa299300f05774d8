// ALTER TABLE of a hypertable while a load into it runs, in batches, in side tables, and regrouped by time: values that were
// encoded for another type never reach it.
#include <fmt/format.h>

#include "support/checked_load.hpp"

namespace hypercopy::test {
namespace {

struct Way {
  const char* name;
  std::vector<std::string> options;
  bool is_import = false;
  // Batches lock the hypertable: ALTER TABLE waits for the first, and the second for ALTER TABLE.
  std::uint64_t rows_before = 10;
};

class HypertableTypesWhileLoading : public CheckedLoadTest, public ::testing::WithParamInterface<Way> {
 protected:
  static constexpr int kRows = 40;

  void make_tables() const {
    for (const char* table : {"t", "reference"}) {
      server().execute(fmt::format("CREATE TABLE {} (a int NOT NULL, b int, c text)", table));
    }
    server().execute("SELECT create_hypertable('t', 'a', chunk_time_interval => 1000)");
  }
  // Its fifth row waits until the holder lets it go.
  void hold_first_batch(const Server& holder) const {
    holder.execute("SELECT pg_advisory_lock(20240213, pg_backend_pid())");
    server().execute(fmt::format(
        "CREATE FUNCTION passes(a int) RETURNS boolean LANGUAGE plpgsql AS $$BEGIN IF a = 5 THEN PERFORM "
        "pg_advisory_xact_lock_shared(20240213, {}); END IF; RETURN true; END$$; ALTER TABLE t ADD "
        "CONSTRAINT passes CHECK ({}.passes(a))",
        PQbackendPID(holder.handle()), schema()));
  }
  [[nodiscard]] std::vector<std::string> words(const std::string& path) const {
    std::vector<std::string> words{"-j", "1", "--batch-rows", "10"};
    words.insert(words.end(), GetParam().options.begin(), GetParam().options.end());
    if (GetParam().is_import) words.insert(words.end(), {"--import-id", schema() + " hypertable"});
    words.push_back(path);
    return words;
  }
  Checked load_across(const std::string& change) {
    const std::string path = folder_.file("in.csv", records());
    const Server changer(dsn());
    const Server holder;
    hold_first_batch(holder);
    const auto process = start("t", words(path));
    await(fmt::format(
        "SELECT EXISTS (SELECT FROM pg_locks WHERE NOT granted AND classid = 20240213 AND objid = {})",
        PQbackendPID(holder.handle())));
    EXPECT_EQ(PQsendQuery(changer.handle(), change.c_str()), 1);
    await(
        fmt::format("SELECT EXISTS (SELECT FROM pg_stat_activity WHERE pid = {} AND query LIKE 'ALTER%' AND "
                    "(wait_event_type = 'Lock' OR state = 'idle'))",
                    PQbackendPID(changer.handle())));
    holder.execute("SELECT pg_advisory_unlock_all()");
    Checked run = finish(*process, "t");
    while (PGresult* const result = PQgetResult(changer.handle())) {
      EXPECT_EQ(PQresultStatus(result), PGRES_COMMAND_OK) << PQresultErrorMessage(result);
      PQclear(result);
    }
    return run;
  }
  [[nodiscard]] static std::string records() {
    std::string bytes;
    for (int number = 1; number <= kRows; ++number) bytes += fmt::format("{0},{0},x\n", number);
    return bytes;
  }
  // Row by row.
  void expect_rows(std::uint64_t rows) const {
    server().execute(fmt::format(
        "INSERT INTO reference SELECT number, number, 'x' FROM generate_series(1, {}) AS number", rows));
    EXPECT_EQ(server().rows_as_text("t"), server().rows_as_text("reference"));
  }
};

// An integer is as wide as a real: the server takes one for the other.
TEST_P(HypertableTypesWhileLoading, OfTheSameWidth) {
  if (!has_timescale()) return;
  make_tables();
  const Checked run = load_across("ALTER TABLE t ALTER b TYPE real");
  expect_failure(run, GetParam().rows_before,
                 {"the type of a column was changed while records were encoded for the one it had"});
  expect_rows(GetParam().rows_before);
}

TEST_P(HypertableTypesWhileLoading, AnotherColumnIsAdded) {
  if (!has_timescale()) return;
  if (GetParam().rows_before == 0) GTEST_SKIP() << "side tables lack it, and are refused by TimescaleDB";
  make_tables();
  expect_success(load_across("ALTER TABLE t ADD d real"), kRows);
  server().execute("ALTER TABLE t DROP d");
  expect_rows(kRows);
}

INSTANTIATE_TEST_SUITE_P(
    Ways, HypertableTypesWhileLoading,
    ::testing::Values(Way{"Plain", {}}, Way{"ByTime", {"--order-by-time", "on"}},
                      Way{"ImportId", {}, /*is_import=*/true},
                      Way{"ImportByTime", {"--order-by-time", "on"}, /*is_import=*/true},
                      Way{"Aside", {"--build-chunks", "on"}, /*is_import=*/false, /*rows_before=*/0},
                      Way{"ImportAside", {"--build-chunks", "on"}, /*is_import=*/true, /*rows_before=*/0},
                      Way{"ImportAsideByTime",
                          {"--build-chunks", "on", "--order-by-time", "on"},
                          /*is_import=*/true,
                          /*rows_before=*/0}),
    [](const auto& way) { return std::string(way.param.name); });

}  // namespace
}  // namespace hypercopy::test
