// --import-id: whatever ended a load, the same command goes on, and every record is in the table once.
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <filesystem>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "hypercopy/import_ledger.hpp"
#include "support/checked_load.hpp"
#include "support/file_contents.hpp"
#include "support/forget_imports.hpp"
#include "support/open_pipe.hpp"
#include "support/own_lock.hpp"
#include "support/role.hpp"

namespace hypercopy::test {
namespace {

constexpr std::uint64_t kRows = 1000;

std::string numbers(std::uint64_t from = 1, std::uint64_t to = kRows) {
  std::string bytes;
  for (std::uint64_t number = from; number <= to; ++number) bytes += fmt::format("{}\n", number);
  return bytes;
}

class Import : public CheckedLoadTest {
 protected:
  void TearDown() override {
    if (!IsSkipped()) forget_imports(server(), schema());
    CheckedLoadTest::TearDown();
  }

  // Import ids are of the whole database.
  [[nodiscard]] std::string id(const std::string& name = "a") const { return schema() + "-" + name; }

  void expect_each_row_once(const std::string& table = "t") const {
    EXPECT_EQ(server().value(fmt::format("SELECT count(*) FROM {}", table)), std::to_string(kRows));
    EXPECT_EQ(server().value(fmt::format(
                  "SELECT count(*) FROM generate_series(1, {}) n WHERE 1 <> (SELECT count(*) FROM "
                  "{} WHERE a = n)",
                  kRows, table)),
              "0");
  }

  // The transaction that inserts 500 waits until the test gives its lock free.
  void make_table_that_waits() const {
    server().execute(fmt::format(R"(CREATE TABLE t (a int);
      CREATE FUNCTION wait_at() RETURNS trigger LANGUAGE plpgsql AS
        $$BEGIN IF NEW.a = 500 THEN PERFORM pg_advisory_xact_lock({}); END IF; RETURN NEW; END$$;
      CREATE TRIGGER wait_at BEFORE INSERT ON t FOR EACH ROW EXECUTE FUNCTION wait_at())",
                                 own_lock(schema())));
  }
  void hold(const Server& holder) const {
    holder.execute(fmt::format("SELECT pg_advisory_lock({})", own_lock(schema())));
  }
  void release(const Server& holder) const {
    holder.execute(fmt::format("SELECT pg_advisory_unlock({})", own_lock(schema())));
  }

  [[nodiscard]] std::vector<std::string> arguments(std::vector<std::string> more) const {
    std::vector<std::string> all{"--import-id", id(), "--batch-rows", "50", "-j", "2"};
    all.insert(all.end(), more.begin(), more.end());
    return all;
  }
  [[nodiscard]] std::string input(const std::string& name = "input.csv") const {
    return folder_.file(name, numbers());
  }
  // Of this import, as the ledger has it.
  [[nodiscard]] std::string ledger(const std::string& what, const std::string& where = "true") const {
    return server().value(
        fmt::format("SELECT {} FROM hypercopy.interval JOIN hypercopy.job ON job.id = job WHERE "
                    "import_id = '{}' AND {}",
                    what, id(), where));
  }
  // What application_name of the run begins with whose batch waits for the lock.
  [[nodiscard]] std::string waiting_run() const {
    const std::string workers = fmt::format(
        "FROM pg_stat_activity WHERE application_name LIKE 'hypercopy load % worker %' AND wait_event = "
        "'advisory' AND query LIKE '%{}%'",
        schema());
    await("SELECT count(*) > 0 " + workers);
    return server().value("SELECT substring(application_name from '^hypercopy load [0-9a-f]+') " + workers +
                          " LIMIT 1");
  }
  // Waits until so many backends of the run are left.
  void await_backends(const std::string& run, int left) const {
    ASSERT_FALSE(run.empty());
    await(fmt::format("SELECT count(*) = {} FROM pg_stat_activity WHERE application_name LIKE '{}%'", left,
                      run));
  }
  // For a batch that another loader holds; a second at a time, so the wait may be just over.
  void await_loader_that_waits() const {
    const std::string job =
        server().value(fmt::format("SELECT id FROM hypercopy.job WHERE import_id = '{}'", id()));
    await(fmt::format(
        "SELECT count(*) = 1 FROM pg_stat_activity WHERE application_name LIKE 'hypercopy load % control' "
        "AND wait_event_type = 'Lock' AND query LIKE '%hypercopy.interval WHERE job = {} AND%'",
        job));
  }
  static void kill_9(Process& process) {
    process.signal(SIGKILL);
    EXPECT_EQ(process.wait().exit_code, 128 + SIGKILL);
  }
  // kill -9, and the end of all that the server still does for it; with the lock given free, its last batch fails.
  void kill_for_good(Process& process, const Server& holder) const {
    const std::string run = waiting_run();
    kill_9(process);
    release(holder);
    await_backends(run, 0);
  }
  // A run that ends in the middle: with 500 waiting, it is killed when nothing else moves.
  void load_half() {
    const Server holder;
    hold(holder);
    const auto process = start("t", arguments({input()}));
    await_blocked(1);
    kill_for_good(*process, holder);
    rows_before_ = count("t");
    EXPECT_GT(rows_before_, 0U);
    EXPECT_LT(rows_before_, kRows);
  }
};

TEST_F(Import, ASecondRunFindsNothingToDo) {
  server().execute("CREATE TABLE t (a int)");
  const std::string file = input();
  const Checked first = run("t", arguments({file}));
  expect_success(first, kRows);
  EXPECT_EQ(first.report["import_done"], true);
  rows_before_ = kRows;
  const Checked second = run("t", arguments({file}));
  expect_success(second, 0);
  EXPECT_TRUE(says(second, "is done: nothing was left to load"));
  EXPECT_EQ(second.report["totals"]["already_done"]["records"], kRows);
  const Checked third = run("t", {"--import-id", id(), file});
  expect_success(third, 0);
  EXPECT_TRUE(says_not(third, "using ")) << "workers";
  expect_each_row_once();
}

TEST_F(Import, GoesOnAfterKill9WithOtherBatchesAndWorkers) {
  make_table_that_waits();
  load_half();
  const Checked run = this->run("t", {"--import-id", id(), "--batch-rows", "333", "-j", "3", input()});
  expect_success(run, kRows - rows_before_);
  EXPECT_EQ(run.report["totals"]["already_done"]["records"], rows_before_);
  EXPECT_EQ(run.report["totals"]["split"]["records"], kRows);
  EXPECT_TRUE(says(run, fmt::format("going on with import '{}'", id())));
  expect_each_row_once();
}

// The killed loader's backend is in the middle of its batch and does not notice: it holds the interval.
TEST_F(Import, EndsTheOrphanThatHoldsABatch) {
  make_table_that_waits();
  const Server holder;
  hold(holder);
  const std::string file = input();
  const auto killed = start("t", arguments({file}));
  await_blocked(1);
  const std::string orphan = server().value(
      "SELECT pid FROM pg_stat_activity WHERE wait_event = 'advisory' AND query LIKE '%" + schema() + "%'");
  const std::string run_before = waiting_run();
  kill_9(*killed);
  await_backends(run_before, 1);
  rows_before_ = count("t");
  const auto process = start("t", arguments({file}));
  await("SELECT NOT EXISTS (SELECT FROM pg_stat_activity WHERE pid = " + orphan + ")");
  release(holder);
  const Checked run = finish(*process, "t");
  expect_success(run, kRows - rows_before_);
  expect_each_row_once();
}

TEST_F(Import, TwoLoadersShareTheWorkAndNeitherEndsBeforeAllIsCommitted) {
  make_table_that_waits();
  const Server holder;
  hold(holder);
  const auto first = start("t", arguments({input("here.csv")}));
  await_blocked(1);
  // The same bytes at another path.
  Process second({"load", "-w", "-d", dsn(), "-t", "t", "--import-id", id(), "--batch-rows", "20",
                  "--progress", "none", input("there.csv")});
  // It has nothing left to load and waits for the interval that the first one holds: also when it has seen that its loader
  // lives, whom nothing happens.
  EXPECT_TRUE(
      second.await_said("waiting for another process that loads a batch of this import (hypercopy load"));
  release(holder);
  const Outcome there = second.wait();
  EXPECT_EQ(there.exit_code, 0) << there.err;
  const Outcome here = first->wait();
  EXPECT_EQ(here.exit_code, 0) << here.err;
  EXPECT_EQ(here.err.find("trying again"), std::string::npos) << here.err;
  EXPECT_EQ(std::stoull(here.out.substr(5)) + std::stoull(there.out.substr(5)), kRows);
  expect_each_row_once();
}

TEST_F(Import, ALivingLoaderTakesOverFromAKilledOne) {
  make_table_that_waits();
  const Server holder;
  hold(holder);
  const auto killed = start("t", arguments({input("here.csv")}));
  await_blocked(1);
  Process living({"load", "-w", "-d", dsn(), "-t", "t", "--import-id", id(), "--batch-rows", "20",
                  "--progress", "none", input("there.csv")});
  await_loader_that_waits();
  const std::string orphan = server().value(
      "SELECT pid FROM pg_stat_activity WHERE wait_event = 'advisory' AND query LIKE '%" + schema() + "%'");
  kill_9(*killed);
  await("SELECT NOT EXISTS (SELECT FROM pg_stat_activity WHERE pid = " + orphan + ")");
  release(holder);
  const Outcome outcome = living.wait();
  EXPECT_EQ(outcome.exit_code, 0) << outcome.err;
  expect_each_row_once();
}

TEST_F(Import, APipeIsReadAgainAndPassedOver) {
  make_table_that_waits();
  const Server holder;
  hold(holder);
  {
    const OpenPipe pipe(folder_.path() + "/pipe");
    pipe.write(numbers());
    const auto process = start("t", arguments({folder_.path() + "/pipe"}));
    await_blocked(1);
    kill_for_good(*process, holder);
  }
  rows_before_ = count("t");
  // Another input is found out before anything of it is loaded.
  std::string other = numbers();
  other.replace(0, 1, "7");
  const Checked refused = run("t", arguments({"-"}), {.stdin_bytes = other});
  expect_failure(refused, 0, {"is not what it was when this import began"});
  const Checked run = this->run("t", arguments({"-"}), {.stdin_bytes = numbers()});
  expect_success(run, kRows - rows_before_);
  expect_each_row_once();
}

TEST_F(Import, InterruptedItPrintsTheCommandThatGoesOn) {
  make_table_that_waits();
  const Server holder;
  hold(holder);
  const std::string file = input();
  const auto process = start("t", arguments({file}));
  await_blocked(1);
  process->signal(SIGINT);
  EXPECT_TRUE(process->await_said("interrupted"));
  release(holder);
  const Checked interrupted = finish(*process, "t");
  EXPECT_EQ(interrupted.outcome.exit_code, 130);
  EXPECT_TRUE(says(interrupted, fmt::format("-t t --import-id {}", id())));
  rows_before_ = count("t");
  const Checked run = this->run("t", arguments({file}));
  expect_success(run, kRows - rows_before_);
  expect_each_row_once();
}

TEST_F(Import, ErrorsOfAResumedRunNameTheSameRecord) {
  server().execute("CREATE TABLE t (a int CHECK (a <> 777))");
  const std::string file = input();
  for (int attempt = 0; attempt < 2; ++attempt) {
    const Checked run = this->run("t", {"--import-id", id(), "--batch-rows", "50", "-j", "1", file});
    expect_failure(run, attempt == 0 ? 750 : 0, {"record 777, line 777"});
    rows_before_ = 750;
  }
  server().execute("ALTER TABLE t DROP CONSTRAINT t_a_check");
  expect_success(run("t", arguments({file})), kRows - 750);
  expect_each_row_once();
}

TEST_F(Import, SeveralInputsWithHeadersAndALimit) {
  server().execute("CREATE TABLE t (a int CHECK (a <> 333))");
  const std::string one = folder_.file("one.csv", "a\n" + numbers(1, 400));
  const std::string two = folder_.file("two.csv", "a\n" + numbers(401, 800));
  const std::string three = folder_.file("three.csv", "a\n" + numbers(801, 1200));
  const auto all = arguments({"--header", "--limit", "1000", one, two, three});
  const Checked stopped = run("t", all);
  EXPECT_EQ(stopped.outcome.exit_code, 1);
  rows_before_ = count("t");
  server().execute("ALTER TABLE t DROP CONSTRAINT t_a_check");
  const Checked run = this->run("t", all);
  expect_success(run, kRows - rows_before_);
  EXPECT_EQ(run.report["inputs"][0]["totals"]["split"]["records"], 400);
  EXPECT_EQ(run.report["inputs"][2]["totals"]["split"]["records"], 200);
  expect_each_row_once();
}

// Also within the input that is gone on with.
TEST_F(Import, ALimitCountsWhatEarlierRunsHavePlanned) {
  server().execute("CREATE TABLE t (a int CHECK (a <> 100))");
  const std::string file = input();
  const std::vector<std::string> all{"--import-id", id(),      "--batch-rows", "10", "-j",
                                     "1",           "--limit", "900",          file};
  EXPECT_EQ(run("t", all).outcome.exit_code, 1);
  rows_before_ = count("t");
  server().execute("ALTER TABLE t DROP CONSTRAINT t_a_check");
  expect_success(run("t", all), 900 - rows_before_);
  EXPECT_EQ(server().value("SELECT count(DISTINCT a) || ' ' || max(a) FROM t"), "900 900");
}

TEST_F(Import, EmptyInputsAreDoneAtOnce) {
  server().execute("CREATE TABLE t (a int)");
  expect_success(run("t", arguments({folder_.file("empty.csv", ""), folder_.file("also.csv", "")})), 0);
  EXPECT_EQ(server().value(fmt::format("SELECT state FROM hypercopy.job WHERE import_id = '{}'", id())),
            "done");
}

TEST_F(Import, AsynchronousCommitsEndInADurableOne) {
  server().execute("CREATE TABLE t (a int)");
  expect_success(run("t", arguments({"--async-commit", input()})), kRows);
  EXPECT_EQ(ledger("count(*) FILTER (WHERE done_by IS NULL)"), "0");
  expect_each_row_once();
}

// Exit 3 has its reason and its file, whoever rejected them.
TEST_F(Import, TellsWhatEachRunRejectedAndWhereItIs) {
  server().execute("CREATE TABLE t (a int CHECK (a % 100 <> 0))");
  const std::vector<std::string> plain{"--import-id", id(), "--batch-rows", "50", "-j", "1", input()};
  std::vector<std::string> rejects = plain;
  rejects.insert(rejects.end(), {"--on-error", "reject"});
  std::vector<std::string> few = rejects;
  few.insert(few.end(), {"--max-rejects", "5"});
  EXPECT_EQ(run("t", few).outcome.exit_code, 1);
  rows_before_ = count("t");
  const Checked rest = run("t", rejects);
  EXPECT_EQ(rest.outcome.exit_code, 3);
  EXPECT_TRUE(says(
      rest,
      "5 records were rejected by this run, 5 by earlier runs or other loaders of this import: 10 in all"));
  EXPECT_TRUE(says(rest, "input.csv.rejects"));
  rows_before_ = kRows - 10;
  const Checked again = run("t", rejects);
  EXPECT_EQ(again.outcome.exit_code, 3);
  EXPECT_TRUE(says(again, "10 records were rejected when this import ran"));
  EXPECT_TRUE(says(again, "input.csv.rejects"));
  const Checked other = run("t", plain);
  EXPECT_EQ(other.outcome.exit_code, 3);
  EXPECT_TRUE(says(other, "10 records were rejected when this import ran"));
  EXPECT_TRUE(says(other, "the same command with --on-error reject writes them into a reject file"));
}

// Of a run that died while it wrote its reject files; not of one that writes them now.
TEST_F(Import, RemovesNewRejectFilesThatNobodyWrites) {
  server().execute("CREATE TABLE t (a int CHECK (a % 100 <> 0))");
  const std::string path = input();
  const std::string dead = folder_.file("input.csv.rejects.123.new", "100\n");
  const std::string dead_reasons = folder_.file("input.csv.rejects.jsonl.123.new", "{}\n");
  const std::string living = folder_.file("input.csv.rejects.124.new", "100\n");
  const std::string other = folder_.file("input.csv.rejects.old.new", "100\n");
  const int held = ::open(living.c_str(), O_RDONLY | O_CLOEXEC);
  ASSERT_EQ(::flock(held, LOCK_EX | LOCK_NB), 0);
  const Checked done = run("t", arguments({"--on-error", "reject", path}));
  ::close(held);
  EXPECT_EQ(done.outcome.exit_code, 3);
  EXPECT_FALSE(std::filesystem::exists(dead));
  EXPECT_FALSE(std::filesystem::exists(dead_reasons));
  EXPECT_TRUE(std::filesystem::exists(living));
  EXPECT_TRUE(std::filesystem::exists(other));
  EXPECT_EQ(contents(path + ".rejects").substr(0, 8), "100\n200\n");
}

TEST_F(Import, ASuppressingTriggerIsAccountedFor) {
  server().execute(R"(CREATE TABLE t (a int);
    CREATE FUNCTION odd_only() RETURNS trigger LANGUAGE plpgsql AS
      $$BEGIN IF NEW.a % 2 = 0 THEN RETURN NULL; END IF; RETURN NEW; END$$;
    CREATE TRIGGER odd_only BEFORE INSERT ON t FOR EACH ROW EXECUTE FUNCTION odd_only())");
  const Checked run = this->run("t", arguments({input()}));
  expect_success(run, kRows / 2);
  EXPECT_EQ(run.report["totals"]["rows_suppressed"], kRows / 2);
}

// What must be the same, and what is said when it is not.
struct Difference {
  const char* name;
  std::vector<std::string> arguments;
  const char* says;
};

class ImportRefusal : public Import, public ::testing::WithParamInterface<Difference> {};

TEST_P(ImportRefusal, NamesTheDifference) {
  make_table_that_waits();
  load_half();
  const std::map<std::string, std::string> files{
      {"input.csv", folder_.file("input.csv", numbers())},
      {"same_size.csv", folder_.file("same_size.csv", "2" + numbers().substr(1))},
      {"longer.csv", folder_.file("longer.csv", numbers() + "1\n")}};
  server().execute("CREATE TABLE other (a int)");
  std::vector<std::string> all{"load", "-w", "-d", dsn(), "--import-id", id(), "--batch-rows", "50"};
  for (const auto& argument : GetParam().arguments) {
    const auto file = files.find(argument);
    all.push_back(file == files.end() ? argument : file->second);
  }
  const Outcome outcome = run_program(all);
  EXPECT_EQ(outcome.exit_code, 2) << outcome.err;
  EXPECT_NE(outcome.err.find(GetParam().says), std::string::npos) << outcome.err;
  EXPECT_EQ(outcome.out, "");
  EXPECT_EQ(count("t"), rows_before_);
}

INSTANTIATE_TEST_SUITE_P(
    All, ImportRefusal,
    ::testing::Values(
        Difference{"content", {"-t", "t", "same_size.csv"}, "same_size.csv has changed since it was begun"},
        Difference{"size", {"-t", "t", "longer.csv"}, "bytes) and is now "},
        Difference{"inputs", {"-t", "t", "input.csv", "longer.csv"}, "it has 1 inputs, and 2 are given"},
        Difference{"table", {"-t", "other", "input.csv"}, ".other"},
        Difference{
            "delimiter", {"-t", "t", "--delimiter", ";", "input.csv"}, "delimiter was ',' and is now ';'"},
        Difference{
            "header", {"-t", "t", "--skip-header", "input.csv"}, "header was 'none' and is now 'skipped'"},
        Difference{"limit", {"-t", "t", "--limit", "5", "input.csv"}, "limit was '0' and is now '5'"},
        Difference{
            "truncate", {"-t", "t", "--truncate", "input.csv"}, "--truncate would empty the table under"}),
    [](const auto& param) { return std::string(param.param.name); });

TEST_F(Import, ARecreatedOrEmptiedTableIsNoticed) {
  make_table_that_waits();
  load_half();
  server().execute("TRUNCATE t");
  rows_before_ = 0;
  const std::string file = input();
  const Checked emptied = run("t", arguments({file}));
  EXPECT_EQ(emptied.outcome.exit_code, 2);
  EXPECT_TRUE(says(emptied, "is empty, though rows of this import were committed to it"));
  const Checked forced = run("t", arguments({"--resume-into-empty", file}));
  EXPECT_EQ(forced.outcome.exit_code, 0) << forced.outcome.err;
  EXPECT_LT(count("t"), kRows);
  server().execute("DROP TABLE t; CREATE TABLE t (a int)");
  rows_before_ = 0;
  const Checked recreated = run("t", arguments({file}));
  EXPECT_EQ(recreated.outcome.exit_code, 2);
  EXPECT_TRUE(says(recreated, "was dropped and created again since"));
}

TEST_F(Import, TargetsThatCannotBeProvenAreRefused) {
  server().execute(
      R"(CREATE UNLOGGED TABLE u (a int); CREATE TABLE t (a int); CREATE VIEW v AS SELECT * FROM t;
    CREATE TABLE p (a int) PARTITION BY RANGE (a);
    CREATE UNLOGGED TABLE p1 PARTITION OF p FOR VALUES FROM (0) TO (2000);
    CREATE FUNCTION into_t() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN INSERT INTO t VALUES (NEW.a); RETURN NEW; END$$;
    CREATE TRIGGER into_t INSTEAD OF INSERT ON v FOR EACH ROW EXECUTE FUNCTION into_t())");
  server().execute(fmt::format(
      "CREATE FOREIGN DATA WRAPPER {0}; CREATE SERVER {0} FOREIGN DATA WRAPPER {0}; CREATE TABLE f (a int) "
      "PARTITION BY RANGE (a); CREATE TABLE f1 PARTITION OF f FOR VALUES FROM (0) TO (2000); CREATE FOREIGN "
      "TABLE f2 PARTITION OF f FOR VALUES FROM (2000) TO (3000) SERVER {0}",
      schema()));
  for (const std::string table : {"u", "v", "p", "f"}) {
    SCOPED_TRACE(table);
    const Outcome refused = load({"-t", table, "--import-id", id(), input()});
    EXPECT_EQ(refused.exit_code, 2) << refused.err;
    EXPECT_NE(refused.err.find("--import-id is not possible for"), std::string::npos) << refused.err;
  }
  server().execute(
      fmt::format("SET client_min_messages = warning; DROP FOREIGN DATA WRAPPER {} CASCADE", schema()));
}

TEST_F(Import, ARoleWithoutRightsIsToldWhatToGrant) {
  server().execute("CREATE TABLE t (a int)");
  expect_success(run("t", arguments({input()})), kRows);  // there is a ledger now, and it is somebody else's
  rows_before_ = kRows;
  const TestRole role(server(), schema(), {});
  other_dsn_ = dsn() + " user=" + role.name();
  const Checked run = this->run("t", {"--import-id", id("b"), input()});
  EXPECT_EQ(run.outcome.exit_code, 1);
  EXPECT_TRUE(says(run, "GRANT USAGE ON SCHEMA hypercopy"));
}

// Every tenth record is refused; the reject file is written from the ledger, whichever run refused them.
TEST_F(Import, RejectsOfAllRunsAreInOneFileOnce) {
  make_table_that_waits();
  server().execute("ALTER TABLE t ADD CHECK (a % 10 <> 0 OR a = 500)");
  std::string expected = "a\n";
  for (std::uint64_t number = 10; number <= kRows; number += 10) {
    if (number != 500) expected += fmt::format("{}\n", number);
  }
  const std::string file = folder_.file("input.csv", "a\n" + numbers());
  const std::string rejects = folder_.path() + "/bad";
  const auto all = arguments({"--header", "--on-error", "reject", "--reject-file", rejects, file});
  const Server holder;
  hold(holder);
  const auto process = start("t", all);
  await_blocked(1);
  kill_for_good(*process, holder);
  rows_before_ = count("t");
  const Checked run = this->run("t", all);
  EXPECT_EQ(run.outcome.exit_code, 3) << run.outcome.err;
  EXPECT_EQ(count("t"), kRows - 99);
  EXPECT_EQ(contents(rejects), expected);
  EXPECT_EQ(std::ranges::count(contents(rejects + ".jsonl"), '\n'), 99);
  EXPECT_NE(contents(rejects + ".jsonl").find(R"("record":770,"line":771)"), std::string::npos);
  // Done, and its rejects are not forgotten.
  std::filesystem::remove(rejects);
  rows_before_ = kRows - 99;
  const Checked again = this->run("t", all);
  EXPECT_EQ(again.outcome.exit_code, 3);
  EXPECT_EQ(again.outcome.out, "COPY 0\n");
  EXPECT_EQ(contents(rejects), expected);
}

// More than one statement has room for, and more than one answer.
TEST_F(Import, ManyRejectsOfOneBatch) {
  server().execute("CREATE TABLE t (a int, b text)");
  std::string bad;
  for (int number = 1; number <= 2500; ++number)
    bad += fmt::format("x{},{}\n", number, std::string(1000, 'b'));
  const std::string rejects = folder_.path() + "/bad";
  const Checked run = this->run("t", {"--import-id", id(), "-j", "1", "--on-error", "reject", "--reject-file",
                                      rejects, folder_.file("input.csv", bad)});
  EXPECT_EQ(run.outcome.exit_code, 3) << run.outcome.err;
  EXPECT_EQ(run.report["totals"]["records_rejected"], 2500);
  EXPECT_TRUE(contents(rejects) == bad);
}

// A crash may take back a plan that a loader still has in its queue; what is cut there anew may be other records.
TEST_F(Import, AClaimIsOfExactlyTheBatchThatWasPlanned) {
  server().execute("CREATE TABLE t (a int)");
  expect_success(run("t", arguments({input()})), kRows);
  BatchPool pool(1, 64);
  const Batch batch{.buffer = PooledBuffer(pool, *pool.acquire()),
                    .begin = 0,
                    .end = 10,
                    .first = {.byte = 100},
                    .records = 1,
                    .file = std::make_shared<const InputFile>(),
                    .claim = {.begin_byte = 100, .slice = 2, .content = 5}};
  const ImportClaims claims(-1, "'run'");
  for (const auto& [slice, content] : {std::pair(2, 5), std::pair(2, 6), std::pair(1, 5)}) {
    SCOPED_TRACE(fmt::format("slice {} content {}", slice, content));
    const bool is_it = slice == 2 && content == 5;
    server().execute(fmt::format(
        "DELETE FROM hypercopy.interval WHERE job = -1; INSERT INTO hypercopy.interval (job, input, "
        "begin_byte, slice, slices, end_byte, first_line, first_record, records, bytes, content) VALUES (-1, "
        "0, 100, {}, 3, 110, 1, 1, 1, 10, {})",
        slice, content));
    EXPECT_EQ(server().execute(claims.claim_sql(batch)).size(), is_it ? 1U : 0U);
    server().execute(claims.done_sql(batch, {.loaded = 1}));
    EXPECT_EQ(server().execute(claims.is_done_sql(batch)).size(), is_it ? 1U : 0U);
    EXPECT_EQ(server().execute(claims.claim_sql(batch)).size(), 0U);  // done, or not this one
  }
  server().execute("DELETE FROM hypercopy.interval WHERE job = -1");
}

TEST_F(Import, AnotherRejectFileIsNotOverwritten) {
  server().execute("CREATE TABLE t (a int CHECK (a <> 7))");
  const std::string used = folder_.file("bad", "of yesterday\n");
  const auto all = arguments({"--on-error", "reject", "--reject-file", used, input()});
  for (int attempt = 0; attempt < 2; ++attempt) {
    const Checked run = this->run("t", all);
    EXPECT_EQ(run.outcome.exit_code, 2);
    EXPECT_TRUE(says(run, "is not empty"));
    // It has not begun: another file may be loaded under this id.
    EXPECT_EQ(server().value(fmt::format("SELECT count(*) FROM hypercopy.job WHERE import_id = '{}'", id())),
              "0");
  }
}

// Its tables may lack what is asked for, or mean something else: found out before anything is asked.
TEST_F(Import, ALedgerOfAnotherVersionIsLeftAlone) {
  struct Other {
    const char* comment;
    const char* says;
  };
  const std::string database = schema() + "_ledger";
  server().execute("CREATE DATABASE " + database);
  other_dsn_ = fmt::format("{} dbname={}", dsn(), database);
  const std::string file = input();
  {
    const Server there(other_dsn_);
    there.execute(fmt::format("CREATE SCHEMA {0}; CREATE TABLE {0}.t (a int)", schema()));
    expect_success(run("t", arguments({file})), kRows);
    for (const Other& other : {Other{"NULL", "is that of an older hypercopy"},
                               Other{"'ledger version 0'", "DROP TABLE hypercopy.job"},
                               Other{"'ledger version 999999'", "it has version 999999, known here is "}}) {
      SCOPED_TRACE(other.comment);
      there.execute(fmt::format("COMMENT ON TABLE hypercopy.job IS {}", other.comment));
      const Checked refused = run("t", arguments({file}));
      EXPECT_EQ(refused.outcome.exit_code, 1);
      EXPECT_TRUE(says(refused, other.says));
      const Outcome list = run_program({"imports", "list", "-w", "-d", other_dsn_});
      EXPECT_EQ(list.exit_code, 1);
      EXPECT_NE(list.err.find(other.says), std::string::npos) << list.err;
    }
    // Somebody's tables of these names in a schema of this name.
    there.execute(
        "DROP SCHEMA hypercopy CASCADE; CREATE SCHEMA hypercopy; CREATE TABLE hypercopy.job (id int)");
    EXPECT_TRUE(says(run("t", arguments({file})), "is that of an older hypercopy"));
    // One that an administrator has made for it, with nothing in it.
    there.execute("DROP SCHEMA hypercopy CASCADE; CREATE SCHEMA hypercopy");
    expect_success(run("t", arguments({file})), kRows);
  }
  other_dsn_.clear();
  server().execute(fmt::format("DROP DATABASE {}", database));
}

TEST_F(Import, TheDropInGoesOnToo) {
  make_table_that_waits();
  const std::string file = input();
  const std::vector<std::string> words{"-table", "t", "-file", file, "-import-id", id(), "-batch-size", "50"};
  const Server holder;
  hold(holder);
  {
    std::vector<std::string> all{"-connection", dsn(), "-schema", schema()};
    all.insert(all.end(), words.begin(), words.end());
    Process process(all, {.program = drop_in_path()});
    await_blocked(1);
    kill_for_good(process, holder);
  }
  const std::uint64_t before = count("t");
  EXPECT_LT(before, kRows);
  EXPECT_EQ(drop_in(words).out, fmt::format("COPY {}\n", kRows - before));
  EXPECT_EQ(drop_in(words).out, "COPY 0\n");
  expect_each_row_once();
}

TEST_F(Import, AnIdThatAnotherToolHasBegunIsRefused) {
  server().execute(R"(CREATE TABLE t (a int); CREATE SCHEMA IF NOT EXISTS timescaledb_parallel_copy;
    CREATE TABLE IF NOT EXISTS timescaledb_parallel_copy.transactions (import_id text, start_row bigint, row_count bigint,
      byte_offset bigint, byte_len bigint, created_at timestamp, state text, failure_reason text,
      PRIMARY KEY (import_id, start_row)))");
  server().execute(
      fmt::format("INSERT INTO timescaledb_parallel_copy.transactions VALUES ('{0}', 0, 5000, 0, 99, now(), "
                  "'completed', NULL), ('{1}', 0, 5000, 0, 99, now(), 'failed', NULL)",
                  id(), id("failed")));
  const Checked run = this->run("t", arguments({input()}));
  EXPECT_EQ(run.outcome.exit_code, 2);
  EXPECT_TRUE(says(run, "5000 rows in 1 batches are recorded in timescaledb_parallel_copy.transactions"));
  expect_success(this->run("t", {"--import-id", id("failed"), input()}), kRows);
  server().execute(
      fmt::format("DELETE FROM timescaledb_parallel_copy.transactions WHERE import_id LIKE '{}%'", schema()));
}

TEST_F(Import, TheImportsCommandListsShowsAndForgets) {
  make_table_that_waits();
  load_half();
  const auto imports = [&](std::vector<std::string> words) {
    words.insert(words.begin(), "imports");
    words.insert(words.end(), {"-w", "-d", dsn()});
    return run_program(words);
  };
  const Outcome list = imports({"list", "--json"});
  ASSERT_EQ(list.exit_code, 0) << list.err;
  nlohmann::json mine;
  for (const auto& import : nlohmann::json::parse(list.out)) {
    if (import["import_id"] == id()) mine = import;
  }
  EXPECT_EQ(mine["state"], "stopped");
  EXPECT_EQ(mine["rows_loaded"], rows_before_);
  // As wide as the longest name of all imports that there are.
  const std::string table = imports({"list"}).out;
  const std::size_t line = table.find(id() + "  ");
  ASSERT_NE(line, std::string::npos) << table;
  EXPECT_EQ(table.find_first_not_of(' ', line + id().size()), table.find("stopped", line)) << table;
  EXPECT_NE(imports({"show", id()}).out.find("delimiter = ,"), std::string::npos);

  const std::string file = input();
  const Server holder;
  hold(holder);
  const auto process = start("t", arguments({file}));
  await_blocked(1);
  const Outcome refused = imports({"forget", id()});
  EXPECT_EQ(refused.exit_code, 2);
  EXPECT_NE(refused.err.find("is being loaded by 1 process"), std::string::npos) << refused.err;
  release(holder);
  const Checked run = finish(*process, "t");
  EXPECT_EQ(run.outcome.exit_code, 0);
  EXPECT_EQ(imports({"forget", id()}).exit_code, 0);
  const Outcome gone = imports({"show", id()});
  EXPECT_EQ(gone.exit_code, 1);
  EXPECT_NE(gone.err.find("there is no import"), std::string::npos);
  expect_each_row_once();
}

}  // namespace
}  // namespace hypercopy::test
