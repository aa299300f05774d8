// `hypercopy load` on a real server: every kind of source, and accounts that add up for every number of
// workers and size of batches.
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>

#include "hypercopy/generate.hpp"
#include "support/expect.hpp"
#include "support/sanitizers.hpp"
#include "support/server.hpp"

namespace hypercopy::test {
namespace {

using Json = nlohmann::json;
using Texts = std::vector<std::string>;

class LoadSources : public ServerTest {
 protected:
  void SetUp() override {
    ServerTest::SetUp();
    if (!IsSkipped()) server().execute("CREATE TABLE t (a int, b text)");
  }

  // The program with its standard input redirected from a file, as a shell does it.
  [[nodiscard]] Outcome load_redirected(const std::string& file, std::vector<std::string> arguments) const {
    arguments.insert(arguments.begin(), {"-c", R"(file=$1; shift; exec "$0" "$@" <"$file")", program_path(),
                                         file, "load", "-w", "-d", dsn()});
    return run_program(arguments, {.program = "/bin/sh"});
  }
};

TEST_F(LoadSources, SeveralFilesAreOneLoad) {
  const std::string one = folder_.file("one.csv", "1,a\n2,b\n");
  const std::string two = folder_.file("two.csv", "3,c");  // its last record has no newline
  const std::string three = folder_.file("three.csv", "4,d\n");
  expect_loaded(load({"-t", "t", one, two, three}), 4);
  EXPECT_EQ(server().rows_as_text("t"), (Texts{"(1,a)", "(2,b)", "(3,c)", "(4,d)"}));
}

TEST_F(LoadSources, APatternIsExpandedWithoutAShell) {
  for (const char* name : {"b.csv", "a.csv", "c.txt"})
    static_cast<void>(folder_.file(name, fmt::format("1,{}\n", name)));
  expect_loaded(load({"-t", "t", folder_.path() + "/[ab]*.csv"}), 2);
  EXPECT_EQ(server().rows_as_text("t"), (Texts{"(1,a.csv)", "(1,b.csv)"}));
}

TEST_F(LoadSources, AFileWhoseNameLooksLikeAPatternIsAFile) {
  const std::string odd = folder_.file("a[1].csv", "1,odd\n");
  static_cast<void>(folder_.file("a1.csv", "2,other\n"));
  expect_loaded(load({"-t", "t", odd}), 1);
  EXPECT_EQ(server().rows_as_text("t"), (Texts{"(1,odd)"}));
}

TEST_F(LoadSources, APatternWithoutAMatchLoadsNothing) {
  const std::string good = folder_.file("good.csv", "1,a\n");
  server().execute("INSERT INTO t VALUES (0, 'old')");
  const Outcome run = load({"-t", "t", "--truncate", good, folder_.path() + "/none*.csv"});
  expect_refused(run, 1, "no file matches");
  EXPECT_EQ(server().rows_as_text("t"), (Texts{"(0,old)"}));
}

TEST_F(LoadSources, AMissingFileAmongManyLoadsNothing) {
  const std::string good = folder_.file("good.csv", "1,a\n");
  server().execute("INSERT INTO t VALUES (0, 'old')");
  const Outcome run = load({"-t", "t", "--truncate", good, folder_.path() + "/missing.csv"});
  expect_refused(run, 1, "missing.csv");
  EXPECT_EQ(server().rows_as_text("t"), (Texts{"(0,old)"}));
}

TEST_F(LoadSources, StandardInputWithoutAndWithDash) {
  expect_loaded(load({"-t", "t"}, {.stdin_bytes = "1,a\n2,b\n"}), 2);
  expect_loaded(load({"-t", "t", "-"}, {.stdin_bytes = "3,c\n"}), 1);
  EXPECT_EQ(server().rows_as_text("t"), (Texts{"(1,a)", "(2,b)", "(3,c)"}));
}

TEST_F(LoadSources, StandardInputBetweenFiles) {
  const std::string one = folder_.file("one.csv", "1,a\n");
  const std::string three = folder_.file("three.csv", "3,c\n");
  expect_loaded(load({"-t", "t", one, "-", three}, {.stdin_bytes = "2,b\n"}), 3);
  EXPECT_EQ(server().rows_as_text("t"), (Texts{"(1,a)", "(2,b)", "(3,c)"}));
}

TEST_F(LoadSources, StandardInputTwiceIsRefused) {
  expect_refused(load({"-t", "t", "-", "-"}, {.stdin_bytes = "1,a\n"}), 2, "named twice");
  EXPECT_EQ(count("t"), 0U);
}

TEST_F(LoadSources, ARedirectedFileHasASize) {
  const std::string file = folder_.file("in.csv", "1,a\n2,b\n3,c\n");
  const Outcome run = load_redirected(file, {"-t", "t", "--progress", "json"});
  expect_loaded(run, 3);
  const auto begin = run.err.rfind("{\"event\"");
  ASSERT_NE(begin, std::string::npos) << run.err;
  const Json last = Json::parse(run.err.substr(begin));
  EXPECT_EQ(last.at("bytes_total"), 12);
  EXPECT_EQ(last.at("percent"), 100.0);
}

TEST_F(LoadSources, APipesSizeIsUnknown) {
  const Outcome run = load({"-t", "t", "--progress", "json"}, {.stdin_bytes = "1,a\n"});
  expect_loaded(run, 1);
  const auto begin = run.err.rfind("{\"event\"");
  ASSERT_NE(begin, std::string::npos) << run.err;
  EXPECT_TRUE(Json::parse(run.err.substr(begin)).at("percent").is_null());
}

TEST_F(LoadSources, Fifo) {
  const std::string fifo = folder_.path() + "/fifo";
  ASSERT_EQ(::mkfifo(fifo.c_str(), 0600), 0);
  Process writer({"-c", "printf 'b,a\\nx,1\\ny,2\\n' >\"$0\"", fifo}, {.program = "/bin/sh"});
  expect_loaded(load({"-t", "t", "--header", fifo}), 2);
  EXPECT_EQ(writer.wait().exit_code, 0);
  EXPECT_EQ(server().rows_as_text("t"), (Texts{"(1,x)", "(2,y)"}));
}

TEST_F(LoadSources, EachFileHasAHeaderInItsOwnOrder) {
  const std::string one = folder_.file("one.csv", "a,b\n1,x\n");
  const std::string two = folder_.file("two.csv", "b,a\ny,2\n");
  const std::string three = folder_.file("three.csv", "b\nz\n");
  const std::string four = folder_.file("four.csv", "");
  for (const char* jobs : {"1", "2", "7"}) {
    SCOPED_TRACE(jobs);
    server().execute("TRUNCATE t");
    const Outcome run = load({"-t", "t", "--header", "-j", jobs, one, two, three, four}, {});
    expect_loaded(run, 3);
    EXPECT_TRUE(says(run, "four.csv is empty")) << run.err;
    EXPECT_EQ(server().rows_as_text("t"), (Texts{"(,z)", "(1,x)", "(2,y)"}));
  }
}

TEST_F(LoadSources, SkippedLinesAndHeaderInEachFile) {
  const std::string one = folder_.file("one.csv", "made by \"x\n\nb,a\nx,1\n");
  const std::string two = folder_.file("two.csv", "made\r\nby\r\na,b\r\n2,y\r\n");
  expect_loaded(load({"-t", "t", "--header", "--skip-lines", "2", one, two}), 2);
  EXPECT_EQ(server().rows_as_text("t"), (Texts{"(1,x)", "(2,y)"}));
}

TEST_F(LoadSources, MoreSkippedLinesThanTheFileHas) {
  const std::string file = folder_.file("in.csv", "1,a\n2,b");
  expect_loaded(load({"-t", "t", "--skip-lines", "9", file}), 0);
}

TEST_F(LoadSources, TheLimitCountsOverAllFiles) {
  const std::string one = folder_.file("one.csv", "h,h\n1,a\n2,b\n");
  const std::string two = folder_.file("two.csv", "h,h\n3,c\n4,d\n");
  for (const char* jobs : {"1", "7"}) {
    server().execute("TRUNCATE t");
    expect_loaded(
        load({"-t", "t", "--skip-header", "--limit", "3", "-j", jobs, "--batch-rows", "2", one, two}), 3);
    EXPECT_EQ(server().rows_as_text("t"), (Texts{"(1,a)", "(2,b)", "(3,c)"}));
  }
}

TEST_F(LoadSources, BadDataBehindTheLimitIsNotLookedAt) {
  const std::string file = folder_.file("in.csv", "1,a\n2,b\nx,\"open");
  expect_loaded(load({"-t", "t", "--limit", "2", file}), 2);
}

TEST_F(LoadSources, AFileNamedTwiceIsLoadedTwice) {
  const std::string file = folder_.file("in.csv", "1,a\n");
  expect_loaded(load({"-t", "t", file, file}), 2);
}

// --- accounts ---------------------------------------------------------------------------------------------

class LoadAccounts : public ServerTest {
 protected:
  static constexpr std::uint64_t kRows = 20'000;

  void SetUp() override {
    ServerTest::SetUp();
    if (IsSkipped()) return;
    server().execute("SET timezone = 'UTC'");
    for (const char* table : {"judge", "cpu"}) server().execute(schema_sql(DataShape::cpu, {.name = table}));
  }

  // The generator's bytes through the program, as a user makes them.
  [[nodiscard]] std::string generate(std::uint64_t rows) const {
    const std::string path = folder_.path() + "/cpu.csv";
    const Outcome run = run_program({"generate", "cpu", "--rows", std::to_string(rows), "-o", path});
    EXPECT_EQ(run.exit_code, 0) << run.err;
    return path;
  }
  static std::string content(const std::string& path) {
    std::ostringstream text;
    text << std::ifstream(path, std::ios::binary).rdbuf();
    return text.str();
  }
  static Json report(const std::string& path) { return Json::parse(content(path)); }

  static void expect_adds_up(const Json& totals) {
    EXPECT_TRUE(totals.at("balanced").get<bool>());
    for (const char* unit : {"batches", "records", "bytes"}) {
      std::uint64_t sum = 0;
      for (const char* ending : {"committed", "skipped", "failed", "unknown", "dropped"})
        sum += totals.at(ending).at(unit).get<std::uint64_t>();
      EXPECT_EQ(sum, totals.at("split").at(unit).get<std::uint64_t>()) << unit;
    }
  }
};

TEST_F(LoadAccounts, EqualToOneCopyForAnyWorkersAndBatches) {
  const std::string file = generate(kRows);
  ASSERT_EQ(server().copy("COPY judge FROM STDIN WITH (FORMAT csv)", content(file)).rows, kRows);
  const auto expected = server().rows_as_text("judge");
  const std::string report_file = folder_.path() + "/report.json";
  struct Variant {
    const char* jobs;
    std::vector<std::string> batches;
    std::uint64_t least_batches;
  };
  const std::vector<Variant> variants{
      {"1", {}, 1},
      {"2", {"--batch-bytes", "100KB"}, 20},
      {"7", {"--batch-rows", "333"}, 61},
      {"7", {"--batch-bytes", "20KB", "--batch-rows", "1000"}, 100},
  };
  for (const auto& variant : variants) {
    SCOPED_TRACE(fmt::format("jobs {} {}", variant.jobs, ::testing::PrintToString(variant.batches)));
    std::vector<std::string> arguments{"-t",         "cpu",      "--truncate", "-j",
                                       variant.jobs, "--report", report_file};
    arguments.insert(arguments.end(), variant.batches.begin(), variant.batches.end());
    arguments.push_back(file);
    expect_loaded(load(arguments), kRows);
    EXPECT_EQ(server().rows_as_text("cpu"), expected);
    const Json json = report(report_file);
    const Json& totals = json.at("totals");
    expect_adds_up(totals);
    EXPECT_EQ(totals.at("rows_loaded"), kRows);
    EXPECT_EQ(totals.at("committed").at("records"), kRows);
    EXPECT_EQ(totals.at("committed").at("bytes"), content(file).size());
    EXPECT_GE(totals.at("committed").at("batches"), variant.least_batches);
    EXPECT_EQ(json.at("exit_code"), 0);
    EXPECT_EQ(json.at("jobs"), std::stoi(variant.jobs));
    EXPECT_EQ(json.at("sources"), Json::array({file}));
    EXPECT_TRUE(json.at("error").is_null());
  }
}

TEST_F(LoadAccounts, ReportOfAFailureNamesTheRecordAndAddsUp) {
  std::string bytes = content(generate(3000));
  const std::string bad = "2016-01-01 00:00:00+00,not a number,h,1,1,1,1,1,1,1,1,1,1\n";
  const std::size_t at = bytes.size();
  bytes += bad;
  const std::string file = folder_.file("bad.csv", bytes);
  const std::string report_file = folder_.path() + "/report.json";
  const Outcome run = load({"-t", "cpu", "-j", "2", "--batch-rows", "100", "--report", report_file, file});
  expect_refused(run, 1, "22P02");
  const Json json = report(report_file);
  expect_adds_up(json.at("totals"));
  EXPECT_EQ(json.at("exit_code"), 1);
  EXPECT_EQ(json.at("error").at("sqlstate"), "22P02");
  EXPECT_EQ(json.at("error").at("column"), "tags_id");
  EXPECT_EQ(json.at("error").at("location").at("record"), 3001);
  EXPECT_EQ(json.at("error").at("location").at("line"), 3001);
  EXPECT_EQ(json.at("error").at("location").at("byte"), at);
  EXPECT_EQ(json.at("totals").at("rows_loaded"), count("cpu")) << "what is said to be committed is there";
}

TEST_F(LoadAccounts, ProgressAsJsonIsOneObjectPerLine) {
  const Outcome run = load({"-t", "cpu", "-j", "1", "--progress", "json", "--reporting-period", "0.01",
                            "--batch-rows", "100", generate(kRows)});
  expect_loaded(run, kRows);
  std::istringstream lines(run.err);
  std::uint64_t before = 0;
  std::uint64_t objects = 0;
  for (std::string line; std::getline(lines, line);) {
    const Json json = Json::parse(line);  // nothing else is on stderr
    const auto rows = json.at("rows_loaded").get<std::uint64_t>();
    EXPECT_GE(rows, before);
    before = rows;
    ++objects;
  }
  EXPECT_GE(objects, 1U);
  EXPECT_EQ(before, kRows);
}

TEST_F(LoadAccounts, ProgressAsPlainLines) {
  const Outcome run = load({"-t", "cpu", "-j", "2", "--progress", "plain", generate(1000)});
  expect_loaded(run, 1000);
  EXPECT_TRUE(says(run, "100%")) << run.err;
  EXPECT_TRUE(says(run, "1,000 rows in ")) << run.err;
}

TEST_F(LoadAccounts, WhatStandsBeforeTheRecordsCountsAsDone) {
  const std::string file = folder_.file("in.csv", "\xEF\xBB\xBFmade by hand\ntime,tags_id\n2024-01-01,1\n");
  const Outcome run = load({"-t", "cpu", "--skip-lines", "1", "--header", "--progress", "plain", file});
  expect_loaded(run, 1);
  EXPECT_TRUE(says(run, "100%")) << run.err;
}

TEST_F(LoadAccounts, AFailureNamesTheTableEvenIfItWasNeverReached) {
  expect_refused(load({"-t", "nope.\"No Table\""}), 1, "committed in nope.\"No Table\"");
}

TEST_F(LoadAccounts, ProgressNoneLeavesTheSummary) {
  const Outcome run = load({"-t", "cpu", "-j", "2", "--progress", "none", generate(1000)});
  expect_loaded(run, 1000);
  EXPECT_FALSE(says(run, "100%")) << run.err;
  EXPECT_TRUE(says(run, "loaded 1,000 rows")) << run.err;
}

TEST_F(LoadAccounts, VerboseNamesServerEncodingAndKernel) {
  const Outcome run =
      load({"-t", "cpu", "-v", "-j", "2", generate(1000)}, {.environment = {{"HYPERCOPY_KERNEL", "scalar"}}});
  expect_loaded(run, 1000);
  for (const char* words : {"client_encoding", "scalar", "PostgreSQL ", "committed"})
    EXPECT_TRUE(says(run, words)) << words << "\n" << run.err;
}

TEST_F(LoadAccounts, TheNumberOfWorkersThatWasChosenIsSaid) {
  EXPECT_TRUE(says(load({"-t", "cpu", generate(10)}), "-j sets it"));
  EXPECT_FALSE(says(load({"-t", "cpu", "-j", "2", generate(10)}), "-j sets it"));
}

TEST_F(LoadAccounts, MemoryDoesNotGrowWithTheInput) {
  if (kSanitized) GTEST_SKIP() << "sanitizers need memory of their own";
  // Statement-level work on the server only: what counts is what passes through the program.
  server().execute(
      "CREATE FUNCTION leave_out() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';"
      "CREATE TRIGGER leave_out BEFORE INSERT ON cpu FOR EACH ROW EXECUTE FUNCTION leave_out()");
  constexpr std::size_t kMegabyte = std::size_t{1} << 20;
  constexpr std::size_t kJobs = 2;
  constexpr std::size_t kBatch = 4 * kMegabyte;
  constexpr std::size_t kMost = 64 * kMegabyte + (1 + 2 * kJobs) * kBatch + kJobs * 2 * (kMegabyte / 4);
  for (const char* rows : {"1000", "1700000"}) {
    SCOPED_TRACE(rows);
    const Outcome run = run_program(
        {"-c", R"("$0" generate cpu --rows "$1" | "$0" load -w -d "$2" -t cpu -j 2 --batch-bytes 4MB)",
         program_path(), rows, dsn()},
        {.program = "/bin/sh", .timeout = std::chrono::seconds(300)});
    expect_loaded(run, 0);
    EXPECT_TRUE(says(run, "left out by the server")) << run.err;
    EXPECT_LT(run.peak_bytes, kMost);
    EXPECT_GT(run.peak_bytes, kMegabyte) << "the measure works";
  }
}

}  // namespace
}  // namespace hypercopy::test
