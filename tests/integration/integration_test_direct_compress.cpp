// Rows that TimescaleDB compresses as they arrive are the rows that one COPY stores; where it cannot, or shall not, none is
// compressed, and the run says why.
#include <fmt/format.h>

#include <algorithm>
#include <random>

#include "support/checked_load.hpp"
#include "support/random.hpp"

namespace hypercopy::test {
namespace {

using Texts = std::vector<std::string>;

class DirectCompress : public CheckedLoadTest {
 protected:
  static constexpr const char* kColumns = "(at timestamptz NOT NULL, device text, v float8, note text)";

  // `make`: how the hypertable comes to be; `more`: what else is done to it.
  void make(const std::string& more = "",
            const std::string& create =
                "SELECT create_hypertable('target', 'at', chunk_time_interval => interval '1 day')",
            const std::string& columns = kColumns) const {
    server().execute(
        fmt::format("DROP TABLE IF EXISTS target, judge CASCADE; CREATE TABLE target {0}; CREATE TABLE judge "
                    "{0}; {1}; ALTER TABLE "
                    "target SET (timescaledb.compress, timescaledb.compress_segmentby = 'device'); {2}",
                    columns, create, more));
  }
  // Time by time, some times twice, NULLs and quotes among the values.
  static std::string rows(int devices, int times, const std::function<std::string(int)>& time) {
    std::string input;
    for (int step = 0; step < times; ++step) {
      for (int device = 0; device < devices; ++device)
        input += fmt::format("{},{},{},\"n\n{}\"\n", time(step - step % 7 / 6),
                             device == 0 ? "" : fmt::format("dev{}", device), step * 0.5, device);
    }
    return input;
  }
  static std::string hour(int step) {
    return fmt::format("2024-01-{:02} {:02}:00:00+00", 1 + step / 24, step % 24);
  }
  [[nodiscard]] std::string compressed_rows() const {
    return server().value(
        "SELECT count(*) FROM show_chunks('target') c WHERE _timescaledb_functions.chunk_status(c) & 1 = 1");
  }
  [[nodiscard]] bool has_setting() const {
    return server().value(
               "SELECT count(*) FROM pg_settings WHERE name = 'timescaledb.enable_direct_compress_copy'") ==
           "1";
  }
  bool can_compress() const {
    if (!has_timescale()) return false;
    if (has_setting()) return true;
    [] { GTEST_SKIP() << "this TimescaleDB has no direct compress"; }();
    return false;
  }
  // What a plain session of the programs has.
  void set_for_session(const std::string& setting) {
    other_dsn_ = fmt::format("{} options='-c search_path={},public -c {}'", dsn(), schema(), setting);
  }
  Checked load_in(const std::string& input, Texts arguments) {
    arguments.push_back(folder_.file("in.csv", input));
    return run("target", arguments);
  }
  void expect_judged(const std::string& input) {
    server().execute("TRUNCATE judge");
    ASSERT_TRUE(server().copy("COPY judge FROM STDIN WITH (FORMAT csv)", input).rows);
    EXPECT_EQ(server().rows_as_text("target"), server().rows_as_text("judge"));
  }
};

TEST_F(DirectCompress, RowsAreThoseOfOneCopy) {
  if (!can_compress()) return;
  const auto number = [](int step) { return std::to_string(step * 7 - 500); };
  struct Case {
    const char* name;
    const char* create;
    const char* type;
    std::function<std::string(int)> time;
  };
  for (const auto& [name, create, type, time] :
       {Case{"time", "SELECT create_hypertable('target', 'at', chunk_time_interval => interval '1 day')",
             "timestamptz", hour},
        Case{"many chunks",
             "SELECT create_hypertable('target', 'at', chunk_time_interval => interval '6 hours')",
             "timestamptz", hour},
        Case{"space",
             "SELECT create_hypertable('target', 'at', 'device', 3, chunk_time_interval => interval '1 day')",
             "timestamptz", hour},
        Case{"integer", "SELECT create_hypertable('target', 'at', chunk_time_interval => 100)", "bigint",
             number},
        Case{"date", "SELECT create_hypertable('target', 'at', chunk_time_interval => interval '2 days')",
             "date",
             [](int step) { return fmt::format("2024-{:02}-{:02}", 1 + step / 28 % 12, 1 + step % 28); }}}) {
    SCOPED_TRACE(name);
    const std::string input = rows(9, 100, time);
    for (const Texts& arguments : {Texts{"-j", "1"}, Texts{"-j", "2", "--batch-rows", "300"},
                                   Texts{"-j", "3", "--batch-rows", "100", "--wire", "csv"}}) {
      make("", create, fmt::format("(at {} NOT NULL, device text, v float8, note text)", type));
      Texts all{"--direct-compress", "on"};
      all.insert(all.end(), arguments.begin(), arguments.end());
      const Checked done = load_in(input, all);
      expect_success(done, 900);
      EXPECT_TRUE(says(done, "direct compress: rows are compressed as they arrive"));
      EXPECT_NE(compressed_rows(), "0");
      expect_judged(input);
    }
  }
}

TEST_F(DirectCompress, OutOfOrderIntoChunksThatAreCompressed) {
  if (!can_compress()) return;
  make();
  const std::uint64_t seed = test_seed();
  SCOPED_TRACE(seed);
  std::mt19937_64 random(seed);
  std::vector<std::string> lines;
  for (int number = 0; number < 3000; ++number)
    lines.push_back(
        fmt::format("{},dev{},{},x\n", hour(static_cast<int>(random() % 200)), random() % 5, number));
  std::string input;
  for (const auto& line : lines) input += line;
  expect_success(load_in(input, {"--direct-compress", "on", "-j", "2", "--batch-rows", "500"}), 3000);
  rows_before_ = 3000;
  expect_success(load_in(input, {"--direct-compress", "on", "-j", "2", "--batch-rows", "500"}), 3000);
  expect_judged(input + input);
}

TEST_F(DirectCompress, OffHoldsAgainstTheRolesSetting) {
  if (!can_compress()) return;
  make();
  set_for_session("timescaledb.enable_direct_compress_copy=on");
  const std::string input = rows(9, 200, hour);
  ASSERT_TRUE(Server(other_dsn_).copy("COPY target FROM STDIN WITH (FORMAT csv)", input).rows);
  ASSERT_NE(compressed_rows(), "0");
  server().execute("TRUNCATE target");
  const std::string file = folder_.file("in.csv", input);
  expect_success(run("target", {"--direct-compress", "off", file}), 1800);
  EXPECT_EQ(compressed_rows(), "0");
  // So does what auto decides.
  server().execute("TRUNCATE target");
  const Checked declined = run("target", {"--batch-rows", "50", file});
  expect_success(declined, 1800);
  EXPECT_TRUE(says(declined, "direct compress is not used: a batch of"));
  EXPECT_EQ(compressed_rows(), "0");
}

TEST_F(DirectCompress, AutoTakesItWhereABatchHasEnoughRows) {
  if (!can_compress()) return;
  make();
  std::string input;
  for (int second = 0; second < 20'000; ++second)
    input += fmt::format("2024-01-01 {:02}:{:02}:{:02}+00,dev{},1,x\n", second / 3600, second / 60 % 60,
                         second % 60, second % 4);
  expect_success(load_in(input, {"-j", "2"}), 20'000);
  EXPECT_NE(compressed_rows(), "0");
  expect_judged(input);
}

TEST_F(DirectCompress, IsRefusedWhereRowsMustBeSeen) {
  if (!can_compress()) return;
  server().execute(
      "CREATE TABLE other (device text PRIMARY KEY); INSERT INTO other SELECT 'dev' || n FROM "
      "generate_series(1, 9) n; CREATE FUNCTION look() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN "
      "NEW; END'");
  struct Case {
    const char* reason;
    const char* more;
  };
  for (const auto& [reason, more] :
       {Case{"the hypertable has no columnstore", "ALTER TABLE target SET (timescaledb.compress = false)"},
        Case{"a unique index or EXCLUDE constraint", "CREATE UNIQUE INDEX ON target (at, device, v)"},
        Case{"trigger looks must see each row",
             "CREATE TRIGGER looks AFTER INSERT ON target FOR EACH ROW EXECUTE FUNCTION look()"},
        Case{"trigger looks must see each row",
             "CREATE TRIGGER looks BEFORE INSERT ON target FOR EACH ROW EXECUTE FUNCTION look()"},
        Case{"the foreign key f must see each row",
             "ALTER TABLE target ADD CONSTRAINT f FOREIGN KEY (device) REFERENCES other"}}) {
    SCOPED_TRACE(reason);
    make(more);
    const std::string input = rows(1, 100, hour);
    const Checked demanded = load_in(input, {"--direct-compress", "on"});
    EXPECT_EQ(demanded.outcome.exit_code, 2) << demanded.outcome.err;
    EXPECT_TRUE(says(demanded, fmt::format("--direct-compress on is not possible: {}", reason)));
    const Checked automatic = load_in(input, {});
    expect_success(automatic, 100);
    EXPECT_EQ(automatic.outcome.err.find("direct compress is not used") == std::string::npos,
              std::string_view(reason).ends_with("no columnstore"));
    EXPECT_EQ(compressed_rows(), "0");
    EXPECT_TRUE(says_not(automatic, "disabling direct compress"));
  }
}

TEST_F(DirectCompress, AfterwardsEveryChunkIsCompressedInOrder) {
  if (!can_compress()) return;
  for (const char* when : {"on", "off"}) {
    SCOPED_TRACE(when);
    make();
    const std::string input = rows(9, 200, hour);
    server().execute("INSERT INTO target VALUES ('2024-01-03 05:30:00+00', 'early', 1, NULL)");
    rows_before_ = 1;
    const Checked done = load_in(
        input, {"--direct-compress", when, "-j", "2", "--batch-rows", "300", "--after", "compress,analyze"});
    expect_success(done, 1800);
    EXPECT_TRUE(says(done, "compressed 9 chunks"));
    EXPECT_EQ(server().value("SELECT count(*) FROM show_chunks('target') c WHERE "
                             "_timescaledb_functions.chunk_status(c) <> 1"),
              "0");
    server().execute("DELETE FROM target WHERE device = 'early'");
    expect_judged(input);
  }
}

TEST_F(DirectCompress, AnalyzedAfterwards) {
  server().execute(fmt::format("CREATE TABLE target {}", kColumns));
  expect_success(load_in(rows(9, 20, hour), {"--after", "analyze"}), 180);
  EXPECT_NE(server().value(fmt::format("SELECT count(*) FROM pg_stats WHERE schemaname = '{}'", schema())),
            "0");
}

// Another session has marked the first chunk as compressed, and the load the second one; then each wants the other's.
TEST_F(DirectCompress, ADeadlockIsTriedAgain) {
  if (!can_compress()) return;
  make();
  const std::string early = "2024-01-01 01:00:00+00,a,1,x\n";
  const std::string late = "2024-01-05 01:00:00+00,a,2,x\n";
  ASSERT_EQ(server().copy("COPY target FROM STDIN WITH (FORMAT csv)", early + late).rows, 2U);
  const Server other(dsn());
  other.execute("SET timescaledb.enable_direct_compress_copy = on; SET deadlock_timeout = '1h'; BEGIN");
  ASSERT_EQ(other.copy("COPY target FROM STDIN WITH (FORMAT csv)", early).rows, 1U);
  const std::string file = folder_.file("late_first.csv", late + early);
  set_for_session("deadlock_timeout=3s");
  auto process = start("target", {"--direct-compress", "on", "-j", "1", "--order-by-time", "off", file});
  await_blocked(1);
  ASSERT_EQ(other.copy("COPY target FROM STDIN WITH (FORMAT csv)", late).rows, 1U);
  other.execute("COMMIT");
  rows_before_ = 4;
  const Checked done = finish(*process, "target");
  expect_success(done, 2);
  EXPECT_GT(done.report["batches_sent_again"], 0) << done.outcome.err;
  EXPECT_TRUE(says(done, "deadlock"));
  expect_judged(early + late + early + late + late + early);
}

TEST_F(DirectCompress, AnImportThatWasKilledHasEachRowOnce) {
  if (!can_compress()) return;
  make();
  const std::string input = rows(9, 600, [](int step) { return hour(step % 700); });
  const std::string file = folder_.file("killed.csv", input);
  const std::string id = "direct-" + schema();
  const Texts arguments{"--direct-compress", "on", "-j", "2", "--batch-rows", "60", "--import-id", id, file};
  auto process = start("target", arguments);
  await("SELECT count(*) > 0 FROM target");
  process->signal(9);
  static_cast<void>(process->wait());
  await_no_writer("target");
  rows_before_ = count("target");
  const Checked done = run("target", arguments);
  EXPECT_EQ(done.outcome.exit_code, 0) << done.outcome.err;
  expect_judged(input);
}

}  // namespace
}  // namespace hypercopy::test
