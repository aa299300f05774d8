// The pure parts of `hypercopy bench`: the plan, the statistics, the advice, and how they are shown.
#include "hypercopy/ingest_bench.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <set>
#include <sstream>

#include "ingest_bench_advice.hpp"
#include "ingest_bench_plan.hpp"

namespace hypercopy {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using Indexes = BenchIndexes;

constexpr std::size_t kMegabyte = std::size_t{1} << 20;

BenchSetting setting(unsigned workers, std::size_t megabytes = 4, Wire wire = Wire::automatic,
                     Indexes indexes = Indexes::keep) {
  return {.workers = workers, .batch_bytes = megabytes * kMegabyte, .wire = wire, .indexes = indexes};
}

// A report whose setting N took the N-th list of milliseconds.
BenchReport report_of(std::vector<BenchSetting> settings, const std::vector<std::vector<int>>& times) {
  BenchReport report{.target = "public.cpu",
                     .target_kind = "hypertable",
                     .scratch = "public.hypercopy_bench_01234567",
                     .sources = {"cpu.csv"},
                     .source_bytes = 3'000'000'000,
                     .server_version = "15.20 (Debian 15.20-0+deb12u1)",
                     .timescaledb_version = "2.28.3",
                     .server_settings = {{"shared_buffers", "128MB"}, {"fsync", "on"}},
                     .client_cores = 2,
                     .settings = std::move(settings),
                     .command = {"-d", "my db", "-t", "cpu"},
                     .files = {"cpu.csv"}};
  for (std::size_t index = 0; index < times.size(); ++index) {
    report.rounds = std::max(report.rounds, static_cast<unsigned>(times[index].size()));
    unsigned round = 0;
    for (const int time : times[index]) {
      report.runs.push_back({.setting = index,
                             .round = ++round,
                             .load = milliseconds(time),
                             .client_cpu = milliseconds(time / 10),
                             .waiting_for_server = 0.9,
                             .rows = 1'000'000,
                             .bytes = 500'000'000});
    }
  }
  return report;
}

std::optional<BenchAdvice> advice_of(const BenchReport& report) {
  return bench_advice(report, bench_statistics(report));
}

TEST(BenchPlan, IsTheProductWithEachValueOnce) {
  const BenchGrid grid{.workers = {2, 1, 2},
                       .batch_bytes = {kMegabyte, 4 * kMegabyte},
                       .wires = {Wire::automatic, Wire::csv, Wire::csv},
                       .indexes = {Indexes::keep, Indexes::none}};
  const auto settings = bench_settings(grid);
  ASSERT_EQ(settings.size(), 16U);
  EXPECT_EQ(settings[0], setting(2, 1));
  EXPECT_EQ(settings[1], setting(2, 1, Wire::automatic, Indexes::none));
  EXPECT_EQ(settings[2], setting(2, 1, Wire::csv));
  EXPECT_EQ(settings[4], setting(2, 4));
  EXPECT_EQ(settings[15], setting(1, 4, Wire::csv, Indexes::none));
}

TEST(BenchPlan, EachRoundHasAllSettingsAndBeginsElsewhere) {
  for (const std::size_t settings : {std::size_t{3}, std::size_t{4}, std::size_t{27}}) {
    constexpr unsigned kRounds = 3;
    std::set<std::size_t> first;
    for (unsigned round = 0; round < kRounds; ++round) {
      auto order = bench_round(settings, round, kRounds);
      first.insert(order.front());
      std::ranges::sort(order);
      for (std::size_t place = 0; place < settings; ++place) EXPECT_EQ(order.at(place), place);
    }
    EXPECT_EQ(first.size(), kRounds) << settings << " settings";
  }
}

TEST(BenchPlan, FewerSettingsThanRounds) {
  EXPECT_EQ(bench_round(1, 2, 3), (std::vector<std::size_t>{0}));
  EXPECT_EQ(bench_round(2, 0, 3), (std::vector<std::size_t>{0, 1}));
  EXPECT_EQ(bench_round(2, 1, 3), (std::vector<std::size_t>{1, 0}));
}

struct BudgetCase {
  const char* name;
  seconds budget;
  std::size_t runs;
  std::uint64_t records;
  milliseconds time;
  std::uint64_t expected;
};

class BenchBudget : public ::testing::TestWithParam<BudgetCase> {};

TEST_P(BenchBudget, GivesRecords) {
  const BudgetCase& c = GetParam();
  EXPECT_EQ(records_within(c.budget, c.runs, c.records, c.time), c.expected);
}

INSTANTIATE_TEST_SUITE_P(
    Cases, BenchBudget,
    ::testing::Values(BudgetCase{"two_digits", seconds(300), 27, 200'000, milliseconds(400), 5'500'000},
                      BudgetCase{"not_less_than_the_warm_up", seconds(1), 27, 200'000, milliseconds(400),
                                 200'000},
                      BudgetCase{"one_run", seconds(10), 1, 1000, milliseconds(1000), 10'000},
                      BudgetCase{"no_time_at_all", seconds(10), 1, 1000, milliseconds(0), 1000},
                      BudgetCase{"more_than_any_input", seconds(1'000'000'000'000), 1, 1'000'000'000,
                                 milliseconds(1), 1'000'000'000'000'000'000}),
    [](const auto& test) { return std::string(test.param.name); });

TEST(BenchPlan, DefaultWorkersGoToTheCores) {
  EXPECT_EQ(default_bench_workers(1), (std::vector<unsigned>{1, 2, 4}));
  EXPECT_EQ(default_bench_workers(4), (std::vector<unsigned>{1, 2, 4}));
  EXPECT_EQ(default_bench_workers(8), (std::vector<unsigned>{1, 2, 4, 8}));
}

TEST(BenchStatistics, MedianLeastGreatest) {
  auto report = report_of({setting(1), setting(2), setting(4)}, {{3000, 1000, 2000}, {4000, 1000}, {}});
  report.runs[0].index_build = milliseconds(500);
  const auto statistics = bench_statistics(report);
  EXPECT_EQ(statistics[0].runs, 3U);
  EXPECT_EQ(statistics[0].median, milliseconds(2000));
  EXPECT_EQ(statistics[0].least, milliseconds(1000));
  EXPECT_EQ(statistics[0].greatest, milliseconds(3500)) << "building indexes counts";
  EXPECT_EQ(statistics[0].client_cpu, milliseconds(200));
  EXPECT_DOUBLE_EQ(statistics[0].rows_per_second, 500'000);
  EXPECT_DOUBLE_EQ(statistics[0].bytes_per_second, 250e6);
  EXPECT_EQ(statistics[1].median, milliseconds(2500));
  EXPECT_EQ(statistics[2].runs, 0U);
}

struct AdviceCase {
  const char* name;
  std::vector<BenchSetting> settings;
  std::vector<std::vector<int>> times;
  std::size_t use;
  std::size_t fastest;
  std::vector<std::size_t> as_good;
};

class BenchAdvised : public ::testing::TestWithParam<AdviceCase> {};

TEST_P(BenchAdvised, Setting) {
  const auto advice = advice_of(report_of(GetParam().settings, GetParam().times));
  ASSERT_TRUE(advice);
  EXPECT_EQ(advice->use, GetParam().use);
  EXPECT_EQ(advice->fastest, GetParam().fastest);
  EXPECT_EQ(advice->as_good, GetParam().as_good);
}

const std::vector<AdviceCase>& advised() {
  static const std::vector<AdviceCase> all{
      {"clearly_the_fastest", {setting(1), setting(2)}, {{200}, {100}}, 1, 1, {}},
      {"only_one_setting", {setting(1)}, {{200}}, 0, 0, {}},
      {"fewest_workers_within_3_percent",
       {setting(1), setting(2), setting(4)},
       {{103}, {101}, {100}},
       0,
       2,
       {0, 1}},
      {"beyond_3_percent", {setting(1), setting(2)}, {{104}, {100}}, 1, 1, {}},
      {"beyond_3_percent_but_runs_overlap",
       {setting(1), setting(2)},
       {{101, 106, 107}, {99, 100, 102}},
       0,
       1,
       {0}},
      {"beyond_10_percent_although_one_slow_run_overlaps",
       {setting(1), setting(2)},
       {{120, 121, 122}, {99, 100, 500}},
       1,
       1,
       {}},
      {"default_batch_among_equals",
       {setting(2, 1), setting(2, 4), setting(2, 16)},
       {{100}, {101}, {100}},
       1,
       0,
       {1, 2}},
      {"fewer_workers_before_default_batch", {setting(1, 16), setting(2, 4)}, {{100}, {100}}, 0, 0, {1}},
      {"indexes_kept_before_fewer_workers",
       {setting(1, 4, Wire::automatic, Indexes::none), setting(2)},
       {{100}, {102}},
       1,
       0,
       {1}},
      {"wire_auto_among_equals", {setting(1, 4, Wire::csv), setting(1)}, {{100}, {101}}, 1, 0, {1}},
      {"the_faster_of_two_other_sizes", {setting(1, 1), setting(1, 16)}, {{101}, {100}}, 1, 1, {0}},
  };
  return all;
}

INSTANTIATE_TEST_SUITE_P(Cases, BenchAdvised, ::testing::ValuesIn(advised()),
                         [](const auto& test) { return std::string(test.param.name); });

TEST(BenchAdvice, NothingUntilEverySettingRan) {
  EXPECT_FALSE(advice_of(report_of({setting(1), setting(2)}, {{100}, {}})));
  EXPECT_FALSE(advice_of(report_of({}, {})));
}

TEST(BenchCommand, CanBePasted) {
  const auto report = report_of({setting(2)}, {{100}});
  EXPECT_EQ(bench_command(report, setting(2)),
            "hypercopy load -d 'my db' -t cpu -j 2 --batch-bytes 4MB cpu.csv");
  EXPECT_EQ(bench_command(report, setting(1, 16, Wire::csv, Indexes::none)),
            "hypercopy load -d 'my db' -t cpu -j 1 --batch-bytes 16MB --wire csv cpu.csv");
  auto odd = report;
  odd.files = {"-x.csv", "it's *.csv"};
  EXPECT_EQ(bench_command(odd, setting(2)),
            "hypercopy load -d 'my db' -t cpu -j 2 --batch-bytes 4MB ./-x.csv 'it'\\''s *.csv'");
}

TEST(BenchCommand, ShellWords) {
  EXPECT_EQ(shell_word("plain-1.csv"), "plain-1.csv");
  EXPECT_EQ(shell_word(""), "''");
  EXPECT_EQ(shell_word("$(rm)"), "'$(rm)'");
  EXPECT_EQ(shell_word("\"Name\""), "'\"Name\"'");
  EXPECT_EQ(shell_word("a\nb"), "'a\nb'");
}

TEST(BenchCommand, BatchSizes) {
  EXPECT_EQ(batch_size_word(4 * kMegabyte), "4MB");
  EXPECT_EQ(batch_size_word(1024 * kMegabyte), "1GB");
  EXPECT_EQ(batch_size_word(512 * 1024), "512KB");
  EXPECT_EQ(batch_size_word(1000), "1000");
}

// The widest there is: every column, long times.
BenchReport wide_report() {
  std::vector<BenchSetting> settings;
  std::vector<std::vector<int>> times;
  for (const unsigned workers : {1U, 16U}) {
    for (const Wire wire : {Wire::automatic, Wire::binary}) {
      for (const Indexes indexes : {Indexes::keep, Indexes::none}) {
        settings.push_back(setting(workers, 512, wire, indexes));
        times.push_back({static_cast<int>(1'234'560 / workers), static_cast<int>(1'334'560 / workers)});
      }
    }
  }
  return report_of(settings, times);
}

std::vector<std::string> lines_of(const std::string& text) {
  std::vector<std::string> lines;
  std::istringstream stream(text);
  for (std::string line; std::getline(stream, line);) lines.push_back(line);
  return lines;
}

TEST(BenchTable, FitsIntoEightyColumns) {
  auto report = wide_report();
  report.notices = {
      "the scratch table has not the target's 2 triggers and 1 foreign key: where they cost time, a load "
      "takes longer"};
  const std::string table = bench_table(report);
  for (const auto& line : lines_of(table)) {
    if (line.starts_with("use: ")) continue;
    EXPECT_LE(line.size(), 80U) << line;
  }
  EXPECT_NE(table.find("workers"), std::string::npos);
  EXPECT_NE(table.find("build"), std::string::npos);
}

TEST(BenchTable, ShowsWhatWasMeasured) {
  EXPECT_EQ(bench_table(report_of({setting(1), setting(2)}, {{4000, 4200, 4100}, {2500, 2000, 2100}})),
            R"(1,000,000 rows (500.0 MB of input) per run into a scratch table like public.cpu
  (hypertable)
PostgreSQL 15.20, TimescaleDB 2.28.3; client with 2 cores; medians of 3 rounds
shared_buffers 128MB, fsync on
all runs: --wire auto, indexes kept while loading

   workers  batch  seconds   min   max  rows/s   MB/s  CPU s  wait
         1    4MB     4.10  4.00  4.20    244k  122.0   0.41   90%
*        2    4MB     2.10  2.00  2.50    476k  238.1   0.21   90%

best: 2 workers, 4MB batches, 2.10 s
use: hypercopy load -d 'my db' -t cpu -j 2 --batch-bytes 4MB cpu.csv
)");
}

TEST(BenchTable, SaysWhichSettingsAreAsGood) {
  const std::string table = bench_table(report_of({setting(1), setting(2)}, {{4010}, {4000}}));
  EXPECT_NE(table.find("\n*        1 "), std::string::npos) << table;
  EXPECT_NE(table.find("\n=        2 "), std::string::npos) << table;
  EXPECT_NE(table.find("1 other setting (=) cannot be told from it"), std::string::npos) << table;
  EXPECT_NE(table.find("use: hypercopy load -d 'my db' -t cpu -j 1 "), std::string::npos) << table;
}

TEST(BenchTable, SaysWhatToDoWithIndexes) {
  auto report = report_of({setting(1), setting(1, 4, Wire::automatic, Indexes::none)}, {{9000}, {3000}});
  report.runs[1].index_build = milliseconds(2000);
  const std::string table = bench_table(report);
  EXPECT_NE(table.find("secondary indexes built afterwards, 5.00 s"), std::string::npos) << table;
  EXPECT_NE(table.find("hypercopy load drops no index"), std::string::npos) << table;
  EXPECT_NE(table.find("with the indexes in place the fastest is: 1 worker, 4MB batches, 9.00 s"),
            std::string::npos)
      << table;
}

TEST(BenchTable, OfAnInterruptedBenchGivesNoAdvice) {
  const std::string table = bench_table(report_of({setting(1), setting(2)}, {{4000}, {}}));
  EXPECT_NE(table.find("incomplete: stopped after 1 of 2 runs"), std::string::npos) << table;
  EXPECT_EQ(table.find("use:"), std::string::npos) << table;
  EXPECT_EQ(bench_table(report_of({setting(1)}, {{}})), "");
}

TEST(BenchTable, WarnsOfWhatTellsLittle) {
  auto report = report_of({setting(2, 16)}, {{400}});
  report.runs.front().bytes = 50'000'000;
  const std::string table = bench_table(report);
  EXPECT_NE(table.find("note: runs of less than a second"), std::string::npos) << table;
  EXPECT_NE(table.find("note: the input has less than two of the largest batches"), std::string::npos)
      << table;
}

TEST(BenchJson, HasEverything) {
  auto report =
      report_of({setting(1), setting(2, 4, Wire::csv, Indexes::none)}, {{4000, 5000}, {2000, 3000}});
  report.notices = {"note"};
  const auto json = nlohmann::json::parse(bench_json(report));
  EXPECT_EQ(json["target"], "public.cpu");
  EXPECT_EQ(json["exit_code"], 0);
  EXPECT_EQ(json["rows_per_run"], 1'000'000);
  EXPECT_EQ(json["server_settings"]["fsync"], "on");
  EXPECT_EQ(json["timescaledb_version"], "2.28.3");
  EXPECT_EQ(json["client_cores"], 2);
  ASSERT_EQ(json["settings"].size(), 2U);
  EXPECT_EQ(json["settings"][1]["workers"], 2);
  EXPECT_EQ(json["settings"][1]["batch_bytes"], 4 * kMegabyte);
  EXPECT_EQ(json["settings"][1]["wire"], "csv");
  EXPECT_EQ(json["settings"][1]["indexes"], "none");
  EXPECT_DOUBLE_EQ(json["settings"][1]["median_seconds"].get<double>(), 2.5);
  EXPECT_EQ(json["settings"][1]["runs"][0]["place"], 3);
  EXPECT_EQ(json["advice"]["setting"], 1);
  EXPECT_EQ(json["advice"]["command"],
            "hypercopy load -d 'my db' -t cpu -j 2 --batch-bytes 4MB --wire csv cpu.csv");
  EXPECT_EQ(json["error"], nullptr);
}

TEST(BenchJson, OfAFailureNamesIt) {
  auto report = report_of({setting(1)}, {{}});
  report.timescaledb_version.clear();
  report.error = Error{.kind = ErrorKind::sql, .message = "bad \xff byte", .sqlstate = "22021"};
  const auto json = nlohmann::json::parse(bench_json(report));
  EXPECT_EQ(json["exit_code"], 1);
  EXPECT_EQ(json["error"]["sqlstate"], "22021");
  EXPECT_EQ(json["timescaledb_version"], nullptr);
  EXPECT_EQ(json["settings"][0]["median_seconds"], nullptr);
  EXPECT_EQ(json["advice"], nullptr);
}

struct ExitCase {
  ErrorKind kind;
  int signal;
  ExitCode code;
};

TEST(BenchExit, Codes) {
  EXPECT_EQ(exit_code(BenchReport{}), ExitCode::ok);
  for (const ExitCase& c : {ExitCase{ErrorKind::usage, 0, ExitCode::usage},
                            ExitCase{ErrorKind::accounting, 0, ExitCode::accounting},
                            ExitCase{ErrorKind::sql, 0, ExitCode::failed},
                            ExitCase{ErrorKind::interrupted, 2, ExitCode::interrupted},
                            ExitCase{ErrorKind::interrupted, 15, ExitCode::terminated}}) {
    EXPECT_EQ(
        exit_code(BenchReport{.error = Error{.kind = c.kind, .message = "m"}, .interrupted_by = c.signal}),
        c.code);
  }
}

}  // namespace
}  // namespace hypercopy
