// --on-error reject: whatever the server refuses costs itself only. The judge is one COPY, by the server, of the file
// without its bad records; the reject file has exactly those.
#include <fmt/format.h>

#include <algorithm>
#include <fstream>
#include <set>
#include <sstream>

#include "support/bad_mixture.hpp"
#include "support/checked_load.hpp"
#include "support/file_contents.hpp"
#include "support/random.hpp"

namespace hypercopy::test {
namespace {

std::vector<nlohmann::json> reasons(const std::string& path) {
  std::ifstream file(path);
  std::vector<nlohmann::json> all;
  for (std::string line; std::getline(file, line);) all.push_back(nlohmann::json::parse(line));
  return all;
}

class Rejects : public CheckedLoadTest {
 protected:
  void SetUp() override {
    CheckedLoadTest::SetUp();
    if (IsSkipped()) return;
    server().execute(kBadMixtureParents);
  }
  void make_table(const std::string& name) const { server().execute(bad_mixture_table(name)); }
  // Exit 3, or 0 where nothing was bad.
  void expect_rejects(const Checked& run, std::uint64_t rows, std::uint64_t rejected) const {
    ASSERT_FALSE(run.report.is_null()) << run.outcome.err;
    EXPECT_EQ(run.outcome.exit_code, rejected == 0 ? 0 : 3) << run.outcome.err;
    EXPECT_EQ(run.report["totals"]["rows_loaded"], rows) << run.outcome.err;
    EXPECT_EQ(run.report["totals"]["records_rejected"], rejected);
  }
  void expect_same_rows(const std::string& table, const std::string& reference) const {
    EXPECT_TRUE(server().rows_as_text(table) == server().rows_as_text(reference));
  }
  void load_reference(const std::string& copy, std::string_view bytes) const {
    const CopyOutcome outcome = server().copy(copy, bytes);
    ASSERT_TRUE(outcome.rows) << outcome.message;
  }
  static std::string sorted_lines(const std::string& text) {
    std::istringstream in(text);
    std::vector<std::string> lines;
    for (std::string line; std::getline(in, line);) lines.push_back(line);
    std::sort(lines.begin(), lines.end());
    return fmt::format("{}", fmt::join(lines, "\n"));
  }

  const std::string rejects_ = folder_.path() + "/bad";
};

struct Way {
  const char* name;
  std::uint64_t records;
  std::uint64_t distance;
  std::vector<std::string> arguments;
};

class RejectsOfEveryKind : public Rejects, public ::testing::WithParamInterface<Way> {};

TEST_P(RejectsOfEveryKind, CostThemselvesAndCanBeCorrected) {
  const Way& way = GetParam();
  make_table("t");
  make_table("reference");
  // One per `distance`.
  const Mixture mixture = mix(
      way.records,
      [&](std::uint64_t number) { return number != 1 && number % way.distance == way.distance / 2; },
      [](std::uint64_t number) { return number - 1; });
  const std::string header = "id,n,v,d,f\n";
  load_reference("COPY reference FROM STDIN CSV", mixture.good);
  std::vector<std::string> arguments{"--on-error", "reject", "--header"};
  arguments.insert(arguments.end(), way.arguments.begin(), way.arguments.end());

  std::vector<std::string> first = arguments;
  first.insert(first.end(), {"--reject-file", rejects_, folder_.file("in.csv", header + mixture.all)});
  const Checked run = this->run("t", first);
  expect_rejects(run, mixture.good_records, mixture.sqlstates.size());
  expect_same_rows("t", "reference");
  const bool in_order = std::find(way.arguments.begin(), way.arguments.end(), "1") != way.arguments.end();
  const std::string rejected = contents(rejects_);
  if (in_order) {
    EXPECT_TRUE(rejected == header + mixture.bad);
  } else {
    EXPECT_TRUE(sorted_lines(rejected) == sorted_lines(header + mixture.bad));
  }
  const auto why = reasons(rejects_ + ".jsonl");
  ASSERT_EQ(why.size(), mixture.sqlstates.size());
  std::multiset<std::string> sqlstates;
  for (const auto& reason : why) sqlstates.insert(reason["sqlstate"].get<std::string>());
  EXPECT_TRUE(sqlstates == std::multiset<std::string>(mixture.sqlstates.begin(), mixture.sqlstates.end()));
  EXPECT_TRUE(says(run, "those of " + folder_.path() + "/in.csv are in " + rejects_ + ", the reasons in " +
                            rejects_ + ".jsonl"));
  EXPECT_EQ(run.report["reject_files"][0]["records"], mixture.sqlstates.size());

  // Corrected, the reject file loads with the same options.
  rows_before_ = mixture.good_records;
  std::vector<std::string> again = arguments;
  again.insert(again.end(),
               {"--reject-file", rejects_ + ".again", folder_.file("bad", header + mixture.corrected)});
  expect_rejects(this->run("t", again), mixture.sqlstates.size(), 0);
  EXPECT_EQ(count("t"), way.records);
}

INSTANTIATE_TEST_SUITE_P(
    Ways, RejectsOfEveryKind,
    ::testing::Values(Way{"one_batch", 5000, 40, {"-j", "1"}},
                      Way{"one_batch_as_csv", 5000, 40, {"-j", "1", "--wire", "csv"}},
                      Way{"small_batches", 5000, 40, {"-j", "1", "--batch-rows", "100"}},
                      Way{"batches_of_one", 300, 20, {"-j", "1", "--batch-rows", "1"}},
                      Way{"dense", 2000, 2, {"-j", "1"}},
                      Way{"three_workers", 20000, 100, {"-j", "3", "--batch-rows", "700"}},
                      Way{"spread_over_many", 200000, 1000, {"-j", "2"}}),
    [](const auto& test) { return std::string(test.param.name); });

TEST_F(Rejects, EveryRecord) {
  server().execute("CREATE TABLE t (a int, b int CHECK (b > 0))");
  std::string input;
  for (int row = 0; row < 3000; ++row) input += row % 2 == 0 ? "x,1\n" : fmt::format("{},0\n", row);
  const Checked run = this->run(
      "t", {"--on-error", "reject", "-j", "1", "--reject-file", rejects_, folder_.file("in.csv", input)});
  expect_rejects(run, 0, 3000);
  EXPECT_TRUE(contents(rejects_) == input);
}

TEST_F(Rejects, ReasonsSayWhereAndWhy) {
  make_table("t");
  const std::string path =
      folder_.file("in.csv",
                   "skipped\nid,n,v,d,f\n1,1,\"a\nb\",,1\n2,ten,x,,1\n3,1,,,1\n4,-1,x,,1\n"
                   "1,1,x,,1\n6,1,x,,77\n7,1,x");
  const Checked run = this->run("t", {"--on-error", "reject", "--skip-lines", "1", "--header", "-j", "1",
                                      "--reject-file", rejects_, path});
  expect_rejects(run, 1, 6);
  EXPECT_EQ(contents(rejects_),
            "skipped\nid,n,v,d,f\n2,ten,x,,1\n3,1,,,1\n4,-1,x,,1\n1,1,x,,1\n6,1,x,,77\n7,1,x\n");
  struct Expected {
    int record, line, byte;
    const char* sqlstate;
    nlohmann::json column, constraint;
  };
  const std::vector<Expected> expected{
      {2, 5, 32, "22P02", "n", nullptr},         {3, 6, 43, "23502", "v", nullptr},
      {4, 7, 51, "23514", nullptr, "t_n_check"}, {5, 8, 61, "23505", nullptr, "t_unique"},
      {6, 9, 70, "23503", nullptr, "t_one"},     {7, 10, 80, "22P04", nullptr, nullptr}};
  const auto why = reasons(rejects_ + ".jsonl");
  ASSERT_EQ(why.size(), expected.size());
  for (std::size_t index = 0; index < expected.size(); ++index) {
    SCOPED_TRACE(why[index].dump());
    EXPECT_EQ(why[index]["file"], path);
    EXPECT_EQ(why[index]["record"], expected[index].record);
    EXPECT_EQ(why[index]["line"], expected[index].line);
    EXPECT_EQ(why[index]["byte"], expected[index].byte);
    EXPECT_EQ(why[index]["sqlstate"], expected[index].sqlstate);
    EXPECT_EQ(why[index]["column"], expected[index].column);
    EXPECT_EQ(why[index]["constraint"], expected[index].constraint);
    EXPECT_FALSE(why[index]["message"].get<std::string>().empty());
  }
}

TEST_F(Rejects, WhereAColumnIsLeftOut) {
  server().execute("CREATE TABLE t (a int, g int GENERATED ALWAYS AS (a + 1) STORED, b text NOT NULL)");
  const std::string bad = "2,3\nx,1,y\n4,5,\n";
  for (const char* const wire : {"auto", "csv"}) {
    server().execute("TRUNCATE t");
    const Checked run =
        this->run("t", {"--on-error", "reject", "--header", "-j", "1", "--wire", wire, "--reject-file",
                        rejects_ + wire, folder_.file("in.csv", "a,g,b\n1,2,x\n" + bad + "5,6,z\n")});
    expect_rejects(run, 2, 3);
    EXPECT_EQ(contents(rejects_ + wire), "a,g,b\n" + bad);
  }
}

TEST_F(Rejects, OtherFormatsAndNewlines) {
  server().execute("CREATE TABLE t (a int, b text)");
  struct Case {
    std::vector<std::string> arguments;
    std::string input, rejected;
    std::uint64_t rows;
  };
  const std::vector<Case> cases{
      {{"--format", "text"}, "1\ta\\\nb\nx\ty\n2\t\\N\n3\n", "x\ty\n3\n", 2},
      {{}, "1,a\r\nx,\"b\r\nc\"\r\n2,c\r\ny,z", "x,\"b\r\nc\"\r\ny,z\r\n", 2},
      {{}, "1,a\rx,b\r2,c\r", "x,b\r", 2},
      {{"--delimiter", ";", "--quote", "'"}, "1;'a;b'\nx;'a\nb'\n", "x;'a\nb'\n", 1},
      {{"--skip-header"}, "\xEF\xBB\xBFp,q\n1,a\nx,b\n", "\xEF\xBB\xBFp,q\nx,b\n", 1}};
  for (std::size_t index = 0; index < cases.size(); ++index) {
    SCOPED_TRACE(cases[index].input);
    server().execute("TRUNCATE t");
    const std::string rejects = fmt::format("{}{}", rejects_, index);
    std::vector<std::string> arguments{"--on-error", "reject", "-j", "1", "--reject-file", rejects};
    arguments.insert(arguments.end(), cases[index].arguments.begin(), cases[index].arguments.end());
    arguments.push_back(folder_.file("in.csv", cases[index].input));
    const Checked run = this->run("t", arguments);
    EXPECT_EQ(run.outcome.exit_code, 3) << run.outcome.err;
    EXPECT_EQ(count("t"), cases[index].rows);
    EXPECT_EQ(contents(rejects), cases[index].rejected);
  }
}

// A constraint trigger that is deferred anew by each row: only COMMIT finds out.
constexpr const char* kDeferredAgain = R"(CREATE TABLE t (a int);
  CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS
    $$BEGIN IF NEW.a % 10 = 3 THEN RAISE EXCEPTION 'not this one' USING ERRCODE = '23514'; END IF;
      RETURN NULL; END$$;
  CREATE CONSTRAINT TRIGGER late AFTER INSERT ON t DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW EXECUTE FUNCTION refuse();
  CREATE FUNCTION defer() RETURNS trigger LANGUAGE plpgsql AS
    $$BEGIN SET CONSTRAINTS late DEFERRED; RETURN NEW; END$$;
  CREATE TRIGGER defer BEFORE INSERT ON t FOR EACH ROW EXECUTE FUNCTION defer())";

TEST_F(Rejects, WhatOnlyCommitRefuses) {
  server().execute(kDeferredAgain);
  std::string input, bad;
  for (int row = 1; row <= 200; ++row) {
    input += fmt::format("{}\n", row);
    if (row % 10 == 3) bad += fmt::format("{}\n", row);
  }
  const Checked run = this->run("t", {"--on-error", "reject", "-j", "1", "--batch-rows", "50",
                                      "--reject-file", rejects_, folder_.file("in.csv", input)});
  expect_rejects(run, 180, 20);
  EXPECT_EQ(contents(rejects_), bad);
}

// COMMIT fails twice for a reason that passes, when the rejects are on disk already: they are taken back.
TEST_F(Rejects, OfACommitThatFailedStandThereOnce) {
  server().execute(R"(CREATE TABLE t (a int); CREATE SEQUENCE failures;
    CREATE FUNCTION fail_at_first() RETURNS trigger LANGUAGE plpgsql AS
      $$BEGIN IF NEW.a = 5 AND nextval('failures') <= 2 THEN
          RAISE EXCEPTION 'as the test wants' USING ERRCODE = '40001'; END IF; RETURN NULL; END$$;
    CREATE CONSTRAINT TRIGGER late AFTER INSERT ON t DEFERRABLE INITIALLY DEFERRED
      FOR EACH ROW EXECUTE FUNCTION fail_at_first();
    CREATE FUNCTION defer() RETURNS trigger LANGUAGE plpgsql AS
      $$BEGIN SET CONSTRAINTS late DEFERRED; RETURN NEW; END$$;
    CREATE TRIGGER defer BEFORE INSERT ON t FOR EACH ROW EXECUTE FUNCTION defer())");
  const Checked run = this->run("t", {"--on-error", "reject", "-j", "1", "--reject-file", rejects_,
                                      folder_.file("in.csv", "1\nx\n5\ny\n")});
  expect_rejects(run, 2, 2);
  EXPECT_EQ(run.report["batches_sent_again"], 2);
  EXPECT_EQ(contents(rejects_), "x\ny\n");
  EXPECT_EQ(reasons(rejects_ + ".jsonl").size(), 2U);
}

TEST_F(Rejects, OfAHypertable) {
  if (!has_timescale()) return;
  server().execute(
      "CREATE TABLE t (time timestamptz NOT NULL, device int NOT NULL, v float8 CHECK (v < 100));"
      "CREATE UNIQUE INDEX ON t (time, device)");
  server().execute("SELECT create_hypertable('t', 'time', chunk_time_interval => interval '1 hour')");
  server().execute("CREATE TABLE reference (LIKE t)");
  std::string input, good, bad;
  std::uint64_t rows = 0;
  for (int row = 0; row < 20000; ++row) {
    const std::string time =
        fmt::format("2024-01-01 {:02}:{:02}:{:02}+00", row / 3600, row / 60 % 60, row % 60);
    std::string record = fmt::format("{},{},1.5\n", time, row);
    const bool is_bad = row % 500 == 77;
    if (is_bad && row % 3 == 0) record = fmt::format("{},{},x\n", time, row);
    if (is_bad && row % 3 == 1) record = fmt::format("{},{},100\n", time, row);
    if (is_bad && row % 3 == 2) record = fmt::format("2024-01-01 00:00:00+00,0,1\n");
    input += record;
    (is_bad ? bad : good) += record;
    if (!is_bad) ++rows;
  }
  load_reference("COPY reference FROM STDIN CSV", good);
  const Checked run = this->run("t", {"--on-error", "reject", "-j", "1", "--batch-rows", "6000",
                                      "--reject-file", rejects_, folder_.file("in.csv", input)});
  expect_rejects(run, rows, 40);
  expect_same_rows("t", "reference");
  EXPECT_EQ(contents(rejects_), bad);
}

TEST_F(Rejects, RowsThatATriggerLeavesOutAreNotBad) {
  server().execute(R"(CREATE TABLE t (a int CHECK (a < 100));
    CREATE FUNCTION drop_odd() RETURNS trigger LANGUAGE plpgsql AS
      $$BEGIN IF NEW.a % 2 = 1 THEN RETURN NULL; END IF; RETURN NEW; END$$;
    CREATE TRIGGER drop_odd BEFORE INSERT ON t FOR EACH ROW EXECUTE FUNCTION drop_odd())");
  const Checked run = this->run("t", {"--on-error", "reject", "-j", "1", "--reject-file", rejects_,
                                      folder_.file("in.csv", "1\n2\n3\n100\n4\nx\n")});
  expect_rejects(run, 2, 2);
  EXPECT_EQ(run.report["totals"]["rows_suppressed"], 2);
}

TEST_F(Rejects, AnErrorThatIsNoRecordsFaultEndsTheLoad) {
  server().execute(R"(CREATE TABLE t (a int);
    CREATE FUNCTION break() RETURNS trigger LANGUAGE plpgsql AS
      $$BEGIN RAISE EXCEPTION 'disk on fire' USING ERRCODE = '58030'; END$$;
    CREATE TRIGGER break BEFORE INSERT ON t FOR EACH ROW EXECUTE FUNCTION break())");
  expect_failure(
      this->run("t", {"--on-error", "reject", "--reject-file", rejects_, folder_.file("in.csv", "1\n2\n")}),
      0, {"disk on fire", "SQLSTATE: 58030"});
  EXPECT_EQ(contents(rejects_), "");
}

// Each batch holds the keys of its good records until COMMIT, in an order of its own. After the first deadlock they take
// turns: those that were at work then may see one more.
TEST_F(Rejects, KeysOfOtherBatchesAreNoEndlessDeadlock) {
  server().execute("CREATE TABLE t (a int PRIMARY KEY, b int)");
  const std::uint64_t seed = test_seed();
  SCOPED_TRACE(fmt::format("seed {}", seed));
  Random random(seed);
  std::string input;
  for (unsigned number = 0; number < 5000; ++number)
    input += fmt::format("{},{}\n", random.below(1500), number);
  other_dsn_ = fmt::format("{} options='-c search_path={},public -c deadlock_timeout=20ms'", dsn(), schema());
  const Checked run = this->run("t", {"--on-error", "reject", "-j", "4", "--batch-rows", "100",
                                      "--reject-file", rejects_, folder_.file("in.csv", input)});
  const std::uint64_t keys = count("t");
  EXPECT_GT(keys, 1000U);
  expect_rejects(run, keys, 5000 - keys);
  EXPECT_LE(run.report["batches_sent_again"], 8) << run.outcome.err;
}

TEST_F(Rejects, ATableThatRefersToItselfIsRefused) {
  server().execute("CREATE TABLE t (a int PRIMARY KEY, b int REFERENCES t)");
  const std::string path = folder_.file("in.csv", "1,2\n2,\n");
  const Checked run = this->run("t", {"--on-error", "reject", path});
  EXPECT_EQ(run.outcome.exit_code, 2);
  EXPECT_TRUE(says(run, "t_b_fkey refers to the table itself"));
  EXPECT_TRUE(says(run, "HINT: Drop the foreign key"));
  EXPECT_EQ(count("t"), 0U);
}

TEST_F(Rejects, TooMany) {
  server().execute("CREATE TABLE t (a int)");
  std::string input;
  for (int row = 1; row <= 100; ++row) input += row % 10 == 0 ? "x\n" : fmt::format("{}\n", row);
  const std::string path = folder_.file("in.csv", input);
  const auto load = [&](const std::string& limit) {
    server().execute("TRUNCATE t");
    std::remove(rejects_.c_str());
    std::remove((rejects_ + ".jsonl").c_str());
    return this->run("t", {"--on-error", "reject", "-j", "1", "--batch-rows", "20", "--max-rejects", limit,
                           "--reject-file", rejects_, path});
  };
  expect_rejects(load("10"), 90, 10);
  expect_rejects(load("10%"), 90, 10);
  // The sixth is in the third batch, which is rolled back.
  expect_failure(
      load("5"), 36,
      {"too many bad records (--max-rejects 5); the last one: invalid input syntax for type integer",
       "SQLSTATE: 22P02", "record 60, line 60"});
  EXPECT_EQ(contents(rejects_), "x\nx\nx\nx\n");
  expect_failure(load("0"), 0, {"too many bad records (--max-rejects 0)", "record 10, line 10"});
  EXPECT_EQ(contents(rejects_), "");
  // So few records are judged at the end only: all others are loaded by then.
  expect_failure(load("9.5%"), 90,
                 {"too many bad records: 10 of 100 records were rejected (--max-rejects 9.5%)"});
}

TEST_F(Rejects, AShareOfManyStopsTheRun) {
  server().execute("CREATE TABLE t (a int)");
  std::string input;
  for (int row = 1; row <= 30000; ++row) input += row > 12000 ? "x\n" : fmt::format("{}\n", row);
  const Checked run =
      this->run("t", {"--on-error", "reject", "-j", "1", "--batch-rows", "1000", "--max-rejects", "1%",
                      "--reject-file", rejects_, folder_.file("in.csv", input)});
  EXPECT_EQ(run.outcome.exit_code, 1);
  EXPECT_TRUE(says(run, "too many bad records (--max-rejects 1%)"));
  EXPECT_EQ(count("t"), 12000U);
  EXPECT_GT(run.report["totals"]["dropped"]["records"].get<int>() +
                run.report["totals"]["failed"]["records"].get<int>(),
            0);
}

}  // namespace
}  // namespace hypercopy::test
