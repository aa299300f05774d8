// `hypercopy bench` against a real server: the scratch table is like the target and always gone afterwards, the
// target and its sequences are never touched, and what is said is what was measured.
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/stat.h>

#include <nlohmann/json.hpp>

#include "support/checked_load.hpp"
#include "support/expect.hpp"
#include "support/role.hpp"
#include "support/server.hpp"

namespace hypercopy::test {
namespace {

using Words = std::vector<std::string>;
using Json = nlohmann::json;

class IngestBench : public CheckedLoadTest {
 protected:
  // Without CHECKPOINT: the server is not the test's alone.
  [[nodiscard]] static Words arguments(const Words& words, const std::string& dsn) {
    Words all{"bench",         "-w",   "-d",       dsn, "--workers",      "1,2",
              "--batch-bytes", "64KB", "--rounds", "1", "--no-checkpoint"};
    all.insert(all.end(), words.begin(), words.end());
    return all;
  }
  [[nodiscard]] Outcome bench(const Words& words) const { return run_program(arguments(words, dsn())); }
  [[nodiscard]] std::string dsn_of(const TestRole& role) const {
    return fmt::format("{} user={}", dsn(), role.name());
  }
  [[nodiscard]] Outcome bench_as(const TestRole& role, const Words& words) const {
    return run_program(arguments(words, dsn_of(role)));
  }
  // Exit 0, and its JSON.
  [[nodiscard]] Json measured(Words words) const {
    words.emplace_back("--json");
    const Outcome run = bench(words);
    EXPECT_EQ(run.exit_code, 0) << run.err;
    return Json::parse(run.out, nullptr, false);
  }

  // Tables, indexes and sequences of the schema: before and after a bench they must be the same.
  [[nodiscard]] std::string relations() const {
    return server().value(
        fmt::format("SELECT coalesce(string_agg(relkind::text || ' ' || relname || ' ' || relfilenode, ', ' "
                    "ORDER BY oid), '') "
                    "FROM pg_class WHERE relnamespace = '{}'::regnamespace",
                    schema()));
  }
  [[nodiscard]] std::string numbers(int count) const {
    std::string bytes;
    for (int number = 0; number < count; ++number) {
      bytes += fmt::format("2024-01-{:02} 12:00:00+00,{},\"d {}\"\n", 1 + number % 28, number, number);
    }
    return folder_.file("in.csv", bytes);
  }
};

constexpr int kRows = 3000;

TEST_F(IngestBench, PlainTableIsNeverTouched) {
  server().execute(
      "CREATE TABLE target (at timestamptz, a int PRIMARY KEY, b text CHECK (b <> ''));"
      "CREATE INDEX ON target (at); INSERT INTO target VALUES (now(), -1, 'mine')");
  const auto rows = server().rows_as_text("target");
  const std::string before = relations();
  const std::string file = numbers(kRows);
  const Json json =
      measured({"-t", "target", "--wire", "auto,csv", "--indexes", "keep,none", "--rounds", "3", file});
  EXPECT_EQ(relations(), before);
  EXPECT_EQ(server().rows_as_text("target"), rows);
  EXPECT_EQ(server().value("SELECT n_tup_ins FROM pg_stat_user_tables WHERE relid = 'target'::regclass"),
            "1");

  EXPECT_EQ(json["target"], schema() + ".target");
  EXPECT_EQ(json["rows_per_run"], kRows);
  EXPECT_EQ(json["secondary_indexes"], 1);
  EXPECT_EQ(json["server_version"], server().value("SHOW server_version"));
  for (const char* name :
       {"shared_buffers", "max_wal_size", "wal_level", "full_page_writes", "fsync", "max_connections"}) {
    EXPECT_EQ(json["server_settings"][name], server().value(fmt::format("SHOW {}", name)));
  }
  ASSERT_EQ(json["settings"].size(), 8U);
  for (const auto& setting : json["settings"]) {
    ASSERT_EQ(setting["runs"].size(), 3U);
    EXPECT_GT(setting["median_seconds"].get<double>(), 0);
    EXPECT_LE(setting["min_seconds"], setting["median_seconds"]);
    EXPECT_LE(setting["median_seconds"], setting["max_seconds"]);
    for (const auto& run : setting["runs"]) {
      EXPECT_EQ(run["rows"], kRows);
      EXPECT_EQ(run["index_build_seconds"].get<double>() > 0, setting["indexes"] == "none");
    }
  }
  const std::string command = json["advice"]["command"];
  EXPECT_NE(command.find(" -t target -j "), std::string::npos) << command;
  EXPECT_NE(command.find(file), std::string::npos) << command;
}

TEST_F(IngestBench, TableForPeople) {
  server().execute("CREATE TABLE target (at timestamptz, a int, b text)");
  const Outcome run = bench({"-t", "target", numbers(kRows)});
  ASSERT_EQ(run.exit_code, 0) << run.err;
  EXPECT_TRUE(run.out.starts_with("3,000 rows (")) << run.out;
  EXPECT_NE(run.out.find("workers"), std::string::npos) << run.out;
  EXPECT_NE(run.out.find("\nuse: hypercopy load "), std::string::npos) << run.out;
  EXPECT_TRUE(says(run, "2 settings x 1 round = 2 runs of about 3,000 rows")) << run.err;
  EXPECT_TRUE(says(run, "run 2 of 2, 2 workers, 64KB batches: ")) << run.err;
}

// What the advice says must be a load that works.
TEST_F(IngestBench, TheAdvisedCommandLoads) {
  server().execute("CREATE TABLE \"Odd 'name'\" (at timestamptz, a int, b text)");
  const std::string file = numbers(kRows);
  const Json json = measured({"-t", "\"Odd 'name'\"", file});
  std::string command = json["advice"]["command"];
  command.replace(0, std::string("hypercopy").size(), program_path());
  const Outcome run = run_program({"-c", command}, {.program = "/bin/sh"});
  expect_loaded(run, kRows);
  EXPECT_EQ(count("\"Odd 'name'\""), static_cast<std::uint64_t>(kRows));
}

TEST_F(IngestBench, UnusualNames) {
  const std::string other = schema() + "\"\" .S";
  server().execute(fmt::format(
      R"(CREATE SCHEMA "{0}"; CREATE TABLE "{0}"."T ""x"".y" ("A b" timestamptz, "select" int, "ü" text);
         CREATE INDEX "Idx ON ONLY " ON "{0}"."T ""x"".y" ("A b"))",
      other));
  const Json json =
      measured({"-t", fmt::format(R"("{}"."T ""x"".y")", other), "--indexes", "none", numbers(kRows)});
  EXPECT_EQ(json["rows_per_run"], kRows);
  EXPECT_EQ(json["secondary_indexes"], 1);
  EXPECT_EQ(
      server().value(fmt::format(
          R"(SELECT count(*) FROM pg_class WHERE relnamespace = '"{}"'::regnamespace AND relkind IN ('r', 'S'))",
          other)),
      "1");
  server().execute(fmt::format(R"(DROP SCHEMA "{}" CASCADE)", other));
}

TEST_F(IngestBench, SequencesOfTheTargetDoNotMove) {
  server().execute(
      "CREATE TABLE target (id bigserial PRIMARY KEY, small smallserial, own int GENERATED BY DEFAULT AS "
      "IDENTITY,"
      "  at timestamptz, a int, b text, twice int GENERATED ALWAYS AS (a * 2) STORED);"
      "INSERT INTO target (a) VALUES (1)");
  const std::string before = relations();
  const Json json = measured({"-t", "target", "--columns", "at,a,b", numbers(kRows)});
  EXPECT_EQ(json["rows_per_run"], kRows);
  EXPECT_EQ(relations(), before);
  for (const char* column : {"id", "small", "own"}) {
    EXPECT_EQ(server().value(fmt::format("SELECT nextval(pg_get_serial_sequence('target', '{}'))", column)),
              "2");
  }
}

TEST_F(IngestBench, ASequenceInAnExpressionIsRefused) {
  server().execute(
      "CREATE SEQUENCE s; CREATE TABLE target (at timestamptz, a int, b text, id text DEFAULT 'x' || "
      "nextval('s'))");
  const std::string before = relations();
  const Outcome run = bench({"-t", "target", "--columns", "at,a,b", numbers(10)});
  expect_refused(run, 1, "would move the sequence of the target");
  EXPECT_EQ(relations(), before);
}

TEST_F(IngestBench, PartitionsOfPartitions) {
  server().execute(
      "CREATE TABLE target (at timestamptz, a int, b text) PARTITION BY RANGE (at);"
      "CREATE TABLE p1 PARTITION OF target FOR VALUES FROM ('2024-01-01') TO ('2024-01-10');"
      "CREATE TABLE p2 PARTITION OF target FOR VALUES FROM ('2024-01-10') TO ('2024-01-20') PARTITION BY "
      "HASH (a);"
      "CREATE TABLE p2a PARTITION OF p2 FOR VALUES WITH (MODULUS 2, REMAINDER 0) WITH (fillfactor = 70);"
      "CREATE TABLE p2b PARTITION OF p2 FOR VALUES WITH (MODULUS 2, REMAINDER 1) PARTITION BY LIST ((a % 3));"
      "CREATE TABLE p2b1 PARTITION OF p2b FOR VALUES IN (0, 1);"
      "CREATE TABLE p2b2 PARTITION OF p2b DEFAULT;"
      "CREATE TABLE rest PARTITION OF target DEFAULT; CREATE INDEX ON target (at); CREATE INDEX ON p1 (b)");
  const std::string before = relations();
  const Json json = measured({"-t", "target", "--indexes", "none,keep", "--rounds", "2", numbers(kRows)});
  EXPECT_EQ(json["target_kind"], "partitioned table");
  EXPECT_EQ(json["rows_per_run"], kRows);
  EXPECT_EQ(json["secondary_indexes"], 1);
  EXPECT_EQ(json["notices"][0], "the scratch table has not the 1 index that only single partitions have");
  EXPECT_EQ(relations(), before);
  EXPECT_EQ(count("target"), 0U);
}

TEST_F(IngestBench, HypertableWithTwoDimensions) {
  if (!has_timescale()) GTEST_SKIP() << "the server has no TimescaleDB";
  server().execute(
      "CREATE TABLE target (at timestamptz NOT NULL, a int, b text);"
      "SELECT create_hypertable('target', 'at', chunk_time_interval => interval '2 days');"
      "SELECT add_dimension('target', 'a', number_partitions => 3)");
  const std::string before = relations();
  const std::string file = numbers(kRows);
  Process process(arguments({"-t", "target", "--scratch", "looked_at", file}, dsn()));
  await(fmt::format(
      "SELECT count(*) > 0 FROM timescaledb_information.chunks WHERE hypertable_schema = '{}' AND "
      "hypertable_name = 'looked_at'",
      schema()));
  const Rows dimensions = server().execute(fmt::format(
      "SELECT column_name, time_interval, num_partitions FROM timescaledb_information.dimensions "
      "WHERE hypertable_schema = '{}' AND hypertable_name = 'looked_at' ORDER BY dimension_number",
      schema()));
  const Outcome run = process.wait();
  EXPECT_EQ(run.exit_code, 0) << run.err;
  ASSERT_EQ(dimensions.size(), 2U);
  EXPECT_EQ(dimensions[0][1], "2 days");
  EXPECT_EQ(dimensions[1][2], "3");
  EXPECT_NE(run.out.find("TimescaleDB"), std::string::npos) << run.out;
  EXPECT_EQ(relations(), before);
  EXPECT_EQ(server().value(fmt::format(
                "SELECT count(*) FROM timescaledb_information.hypertables WHERE hypertable_schema = '{}'",
                schema())),
            "1");
}

TEST_F(IngestBench, HypertableByNumbers) {
  if (!has_timescale()) GTEST_SKIP() << "the server has no TimescaleDB";
  server().execute(
      "CREATE TABLE target (at timestamptz, a int NOT NULL, b text);"
      "SELECT create_hypertable('target', 'a', chunk_time_interval => 1000)");
  const Json json = measured({"-t", "target", "--indexes", "none", numbers(kRows)});
  EXPECT_EQ(json["target_kind"], "hypertable");
  EXPECT_EQ(json["secondary_indexes"], 1);
  EXPECT_EQ(count("target"), 0U);
}

TEST_F(IngestBench, SaysWhatTheScratchTableHasNot) {
  server().execute(
      "CREATE TABLE other (a int PRIMARY KEY); CREATE UNLOGGED TABLE target (at timestamptz, a int, b text);"
      "CREATE UNLOGGED TABLE linked (a int PRIMARY KEY);"
      "ALTER TABLE target ADD FOREIGN KEY (a) REFERENCES linked; ALTER TABLE target ENABLE ROW LEVEL "
      "SECURITY;"
      "CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';"
      "CREATE TRIGGER t BEFORE INSERT ON target FOR EACH ROW EXECUTE FUNCTION f()");
  const Json json = measured({"-t", "target", numbers(kRows)});
  EXPECT_EQ(json["rows_per_run"], kRows) << "the trigger would have left all out";
  const std::string notices = json["notices"].dump();
  EXPECT_NE(notices.find("1 trigger and 1 foreign key"), std::string::npos) << notices;
  EXPECT_NE(notices.find("row level security"), std::string::npos) << notices;
  EXPECT_NE(notices.find("UNLOGGED"), std::string::npos) << notices;
}

TEST_F(IngestBench, RefusesWhatHasNoTwin) {
  server().execute("CREATE TABLE t (at timestamptz, a int, b text); CREATE VIEW v AS SELECT * FROM t");
  const std::string before = relations();
  expect_refused(bench({"-t", "v", numbers(10)}), 1, "view");
  expect_refused(bench({"-t", "nothing", numbers(10)}), 1, "there is no table nothing");
  EXPECT_EQ(relations(), before);
}

TEST_F(IngestBench, RefusesInputThatCannotBeReadAgain) {
  server().execute("CREATE TABLE t (at timestamptz, a int, b text)");
  const std::string pipe = folder_.path() + "/pipe";
  ASSERT_EQ(::mkfifo(pipe.c_str(), 0600), 0);
  expect_refused(bench({"-t", "t", pipe}), 2, "is not a regular file");
  expect_refused(bench({"-t", "t", "-"}), 2, "standard input is not a regular file");
  expect_refused(bench({"-t", "t"}), 2, "standard input can be read only once");
  expect_refused(bench({"-t", "t", folder_.path() + "/none.csv"}), 1, "cannot read");
  expect_refused(bench({"-t", "t", folder_.file("empty.csv", "")}), 1, "has no records");
  expect_refused(bench({"-t", "t", "--workers", "1000", numbers(10)}), 2, "max_connections");
}

TEST_F(IngestBench, ABadRowEndsItAndNothingStays) {
  server().execute("CREATE TABLE target (at timestamptz, a int, b text)");
  const std::string before = relations();
  const std::string file = folder_.file("bad.csv", "2024-01-01,1,x\n2024-01-01,two,x\n");
  const Outcome run = bench({"-t", "target", file});
  expect_refused(run, 1, "invalid input syntax for type integer: \"two\"");
  EXPECT_TRUE(says(run, "record 2, line 2")) << run.err;
  EXPECT_EQ(relations(), before);
  const Outcome json = bench({"-t", "target", "--json", file});
  EXPECT_EQ(json.exit_code, 1);
  EXPECT_EQ(Json::parse(json.out)["error"]["sqlstate"], "22P02");
  EXPECT_EQ(Json::parse(json.out)["advice"], nullptr);
}

TEST_F(IngestBench, AWireThatIsNotPossibleIsFoundBeforeTheFirstRun) {
  server().execute("CREATE TABLE target (at timestamptz, a int, b xml)");
  const std::string before = relations();
  const Outcome run =
      bench({"-t", "target", "--wire", "auto,binary", folder_.file("in.csv", "2024-01-01,1,<a/>\n")});
  EXPECT_TRUE(says(run, "--wire binary is not possible")) << run.err;
  EXPECT_EQ(run.exit_code, 2);
  EXPECT_FALSE(says(run, "run 1 of")) << run.err;
  EXPECT_EQ(run.out, "");
  EXPECT_EQ(relations(), before);
}

TEST_F(IngestBench, AFileThatChangesMeanwhileEndsIt) {
  server().execute("CREATE TABLE target (at timestamptz, a int, b text)");
  const std::string before = relations();
  const std::string file = numbers(kRows);
  Process process(arguments({"-t", "target", "--rounds", "1000", file}, dsn()));
  ASSERT_TRUE(process.await_said("run 1 of"));
  ASSERT_EQ(::truncate(file.c_str(), 0), 0);
  const Outcome run = process.wait();
  EXPECT_EQ(run.exit_code, 1) << run.err;
  EXPECT_TRUE(says(run, "in.csv was changed while bench ran")) << run.err;
  EXPECT_NE(run.out.find("incomplete: stopped after"), std::string::npos) << run.out;
  EXPECT_EQ(relations(), before);
}

TEST_F(IngestBench, WithoutPrivileges) {
  server().execute("CREATE TABLE target (at timestamptz, a int, b text)");
  const std::string file = numbers(kRows);
  const TestRole role(server(), schema(), {});
  const std::string before = relations();
  const Outcome run = run_program(
      {"bench", "-w", "-d", dsn_of(role), "-t", "target", "--workers", "1", "--batch-bytes", "64KB", file});
  EXPECT_EQ(run.exit_code, 0) << run.err;
  EXPECT_TRUE(says(run, "1 setting x 3 rounds = 3 runs")) << run.err;
  EXPECT_TRUE(says(run, "no CHECKPOINT before each run")) << run.err;
  EXPECT_NE(run.out.find("no CHECKPOINT before each run"), std::string::npos) << run.out;
  EXPECT_EQ(relations(), before);

  server().execute(fmt::format("REVOKE CREATE ON SCHEMA {} FROM {}", schema(), role.name()));
  expect_refused(bench_as(role, {"-t", "target", file}), 1, "--scratch SCHEMA.NAME");
  server().execute(fmt::format("CREATE SCHEMA AUTHORIZATION {}", role.name()));
  const Outcome elsewhere = bench_as(role, {"-t", "target", "--scratch", role.name() + ".here", file});
  EXPECT_EQ(elsewhere.exit_code, 0) << elsewhere.err;
  server().execute(fmt::format("REVOKE SELECT ON target FROM {}", role.name()));
  expect_refused(bench_as(role, {"-t", "target", "--scratch", role.name() + ".here", file}), 1,
                 "SELECT on the target");
  EXPECT_EQ(relations(), before);
}

TEST_F(IngestBench, AScratchNameThatIsTakenIsLeftAlone) {
  server().execute(
      "CREATE TABLE target (at timestamptz, a int, b text); CREATE TABLE mine AS SELECT 1 AS one");
  const std::string before = relations();
  expect_refused(bench({"-t", "target", "--scratch", "mine", numbers(10)}), 1, "already exists");
  expect_refused(bench({"-t", "target", "--scratch", "target", numbers(10)}), 1, "already exists");
  EXPECT_EQ(relations(), before);
  EXPECT_EQ(count("mine"), 1U);
}

TEST_F(IngestBench, TellsOfTablesThatAKilledBenchLeft) {
  server().execute("CREATE TABLE target (at timestamptz, a int, b text)");
  const std::string file = numbers(kRows);
  const Words endless{"-t", "target", "--rounds", "1000", file};
  Process killed(arguments(endless, dsn()));
  ASSERT_TRUE(killed.await_said("run 1 of"));
  killed.signal(SIGKILL);
  EXPECT_EQ(killed.wait().exit_code, 128 + SIGKILL);
  await(
      "SELECT count(*) = 0 FROM pg_stat_activity WHERE application_name LIKE 'hypercopy bench%' AND query "
      "LIKE '%" +
      schema() + "%'");
  const std::string left =
      server().value(fmt::format("SELECT relname FROM pg_class WHERE relnamespace = '{}'::regnamespace AND "
                                 "relname LIKE 'hypercopy_bench_%'",
                                 schema()));
  // One that runs is not called left behind.
  Process running(
      arguments({"-t", "target", "--rounds", "1000", "--scratch", "hypercopy_bench_in_use", file}, dsn()));
  ASSERT_TRUE(running.await_said("run 1 of"));
  const Outcome next = bench({"-t", "target", file});
  running.signal(SIGTERM);
  EXPECT_EQ(running.wait().exit_code, 128 + SIGTERM);
  EXPECT_EQ(next.exit_code, 0) << next.err;
  EXPECT_TRUE(says(next, fmt::format("drop it: DROP TABLE \"{}\".\"{}\";", schema(), left))) << next.err;
  EXPECT_FALSE(says(next, "hypercopy_bench_in_use")) << next.err;
  EXPECT_EQ(count(left) % 1, 0U) << "it is still there";
}

struct Signal {
  const char* name;
  int number;
};

class IngestBenchInterrupt : public IngestBench, public ::testing::WithParamInterface<Signal> {};

TEST_P(IngestBenchInterrupt, BetweenRunsOrInOne) {
  server().execute("CREATE TABLE target (at timestamptz, a int, b text)");
  const std::string before = relations();
  Process process(arguments({"-t", "target", "--rounds", "1000", numbers(kRows)}, dsn()));
  ASSERT_TRUE(process.await_said("run 3 of 2000"));
  process.signal(GetParam().number);
  const Outcome run = process.wait();
  EXPECT_EQ(run.exit_code, 128 + GetParam().number) << run.err;
  EXPECT_NE(run.out.find("incomplete: stopped after"), std::string::npos) << run.out;
  EXPECT_FALSE(says(run, "error:")) << run.err;
  EXPECT_EQ(relations(), before);
}

// Nothing that the server does may keep the program: the run waits for a lock, and so does the drop.
TEST_P(IngestBenchInterrupt, WhileALoadWaitsForALock) {
  server().execute("CREATE TABLE target (at timestamptz, a int, b text)");
  const std::string before = relations();
  Process process(
      arguments({"-t", "target", "--rounds", "1000", "--scratch", "held", numbers(kRows)}, dsn()));
  ASSERT_TRUE(process.await_said("run 1 of 2000"));
  const Server locker;
  locker.execute(fmt::format("BEGIN; LOCK TABLE {}.held IN SHARE MODE", schema()));
  const std::string waiting = fmt::format(
      "SELECT count(*) > 0 FROM pg_locks WHERE relation = '{}.held'::regclass AND NOT granted", schema());
  await(waiting);
  process.signal(GetParam().number);
  await(fmt::format(
      "SELECT count(*) = 1 FROM pg_locks WHERE relation = '{}.held'::regclass AND NOT granted AND mode = "
      "'AccessExclusiveLock' AND pid IN (SELECT pid FROM pg_stat_activity WHERE query LIKE 'DROP TABLE%')",
      schema()));
  process.signal(GetParam().number);
  const Outcome run = process.wait();
  EXPECT_EQ(run.exit_code, 128 + GetParam().number) << run.err;
  EXPECT_TRUE(says(
      run,
      fmt::format("the scratch table stays (interrupted); drop it: DROP TABLE \"{}\".\"held\";", schema())))
      << run.err;
  locker.execute("ROLLBACK");
  server().execute("DROP TABLE held");
  EXPECT_EQ(relations(), before);
}

INSTANTIATE_TEST_SUITE_P(Signals, IngestBenchInterrupt,
                         ::testing::Values(Signal{"SIGINT", SIGINT}, Signal{"SIGTERM", SIGTERM}),
                         [](const auto& test) { return std::string(test.param.name); });

TEST_F(IngestBench, OnlyAsManyRecordsAsAsked) {
  server().execute("CREATE TABLE target (at timestamptz, a int, b text)");
  EXPECT_EQ(measured({"-t", "target", "--limit", "100", numbers(kRows)})["rows_per_run"], 100);
}

TEST_F(IngestBench, APublicationOfAllTablesIsRespected) {
  server().execute(fmt::format("CREATE DATABASE {}", schema()));
  const std::string database = fmt::format("{} dbname={}", dsn(), schema());
  {
    const Server other(database);
    other.execute("CREATE TABLE public.target (at timestamptz, a int, b text)");
    other.execute("CREATE PUBLICATION everything FOR ALL TABLES");
    expect_refused(run_program(arguments({"-t", "public.target", numbers(10)}, database)), 1,
                   "the publication everything would send the scratch table to its subscribers");
  }
  server().execute(fmt::format("DROP DATABASE {} WITH (FORCE)", schema()));
}

}  // namespace
}  // namespace hypercopy::test
