// What can be loaded into, and what a load does to it: partitions, hypertables, triggers, foreign keys,
// views, foreign tables; all or nothing.
#include <gtest/gtest.h>

#include "support/expect.hpp"
#include "support/server.hpp"

namespace hypercopy::test {
namespace {

using Texts = std::vector<std::string>;

class Targets : public ServerTest {
 protected:
  // Loads `input` into `target` with several workers, and by one COPY into `judge`; both must hold the same.
  void expect_equal(const std::string& input, std::uint64_t rows) {
    ASSERT_EQ(server().copy("COPY judge FROM STDIN WITH (FORMAT csv)", input).rows, rows);
    const std::string file = folder_.file("in.csv", input);
    for (const char* jobs : {"1", "2", "7"}) {
      SCOPED_TRACE(jobs);
      expect_loaded(load({"-t", "target", "--truncate", "-j", jobs, "--batch-bytes", "100", file}), rows);
      EXPECT_EQ(server().rows_as_text("target"), server().rows_as_text("judge"));
    }
  }
  static std::string days(int count) {
    std::string input;
    for (int day = 0; day < count; ++day)
      input +=
          fmt::format("2024-{:02}-{:02} 12:00:00+00,{},\"d\n{}\"\n", 1 + day / 28, 1 + day % 28, day, day);
    return input;
  }
};

TEST_F(Targets, PlainTable) {
  server().execute(
      "CREATE TABLE judge (at timestamptz, a int, b text); CREATE TABLE target (LIKE judge INCLUDING ALL)");
  expect_equal(days(100), 100);
}

TEST_F(Targets, UnloggedTableWithIndexesAndConstraints) {
  server().execute(
      "CREATE TABLE judge (at timestamptz, a int PRIMARY KEY, b text CHECK (b <> '')); CREATE UNLOGGED TABLE "
      "target (LIKE judge INCLUDING ALL); CREATE INDEX ON target (at, b)");
  expect_equal(days(100), 100);
}

TEST_F(Targets, PartitionedTable) {
  server().execute(
      "CREATE TABLE judge (at timestamptz, a int, b text); CREATE TABLE target (LIKE judge) PARTITION BY "
      "RANGE "
      "(at); CREATE TABLE p1 PARTITION OF target FOR VALUES FROM ('2024-01-01') TO ('2024-02-01');"
      "CREATE TABLE p2 PARTITION OF target FOR VALUES FROM ('2024-02-01') TO ('2024-03-01') PARTITION BY "
      "HASH "
      "(a); CREATE TABLE p2a PARTITION OF p2 FOR VALUES WITH (MODULUS 2, REMAINDER 0);"
      "CREATE TABLE p2b PARTITION OF p2 FOR VALUES WITH (MODULUS 2, REMAINDER 1);"
      "CREATE TABLE rest PARTITION OF target DEFAULT");
  expect_equal(days(100), 100);
  const Outcome run = load({"-t", "p1", "-j", "2"}, {.stdin_bytes = days(40)});
  expect_refused(run, 1, "23514");
  EXPECT_TRUE(says(run, "record 29")) << run.err;
}

TEST_F(Targets, Hypertable) {
  if (!has_timescale()) GTEST_SKIP() << "the server has no TimescaleDB";
  server().execute(
      "CREATE TABLE judge (at timestamptz NOT NULL, a int, b text); CREATE TABLE target (LIKE judge);"
      "SELECT create_hypertable('target', 'at', chunk_time_interval => interval '1 day')");
  expect_equal(days(100), 100);
  const Outcome run = load({"-t", "target", "-v", "-j", "2"}, {.stdin_bytes = days(1)});
  expect_loaded(run, 1);
  EXPECT_TRUE(says(run, "hypertable")) << run.err;
}

TEST_F(Targets, HypertableBehindADroppedColumn) {
  if (!has_timescale()) GTEST_SKIP() << "the server has no TimescaleDB";
  server().execute(
      "CREATE TABLE judge (at timestamptz NOT NULL, a int, b text);"
      "CREATE TABLE target (gone1 text, at timestamptz NOT NULL, gone2 int, a int, b text);"
      "SELECT create_hypertable('target', 'at', chunk_time_interval => interval '1 day');"
      "INSERT INTO target VALUES ('x', '2024-01-01 12:00+00', 5, 6, 'old');"
      "ALTER TABLE target DROP COLUMN gone1; ALTER TABLE target DROP COLUMN gone2");
  const std::string input = days(60);
  // Some rows go into a chunk from before the columns were dropped, others into new ones.
  server().execute("INSERT INTO judge VALUES ('2024-01-01 12:00+00', 6, 'old')");
  ASSERT_EQ(server().copy("COPY judge FROM STDIN WITH (FORMAT csv)", input).rows, 60U);
  expect_loaded(load({"-t", "target", "-j", "3", "--batch-bytes", "100", folder_.file("in.csv", input)}), 60);
  EXPECT_EQ(server().rows_as_text("target"), server().rows_as_text("judge"));
}

// --- triggers ---------------------------------------------------------------------------------------------

TEST_F(Targets, RowsThatATriggerLeavesOutAreCounted) {
  server().execute(
      "CREATE TABLE t (a int); CREATE FUNCTION even() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN IF NEW.a % "
      "2 = "
      "1 THEN RETURN NULL; END IF; RETURN NEW; END$$; CREATE TRIGGER even BEFORE INSERT ON t FOR EACH ROW "
      "EXECUTE FUNCTION even()");
  std::string input;
  for (int number = 0; number < 101; ++number) input += fmt::format("{}\n", number);
  for (const char* how : {"-j3", "-1"}) {
    server().execute("TRUNCATE t");
    const Outcome run = load({"-t", "t", how, "--batch-rows", "7"}, {.stdin_bytes = input});
    expect_loaded(run, 51);
    EXPECT_TRUE(says(run, "50 records were left out by the server")) << run.err;
    EXPECT_EQ(count("t"), 51U);
  }
}

TEST_F(Targets, AnErrorThatATriggerRaisesNamesTheRecord) {
  server().execute(
      "CREATE TABLE t (a int); CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN IF NEW.a "
      "= 5 "
      "THEN RAISE EXCEPTION 'no fives'; END IF; RETURN NEW; END$$; CREATE TRIGGER refuse BEFORE INSERT ON t "
      "FOR "
      "EACH ROW EXECUTE FUNCTION refuse()");
  const Outcome run = load({"-t", "t", "-j", "1"}, {.stdin_bytes = "1\n2\n5\n7\n"});
  expect_refused(run, 1, "no fives");
  EXPECT_TRUE(says(run, "record 3")) << run.err;
  EXPECT_EQ(count("t"), 0U);
}

TEST_F(Targets, StatementTriggersAreSaidOnce) {
  server().execute(
      "CREATE TABLE t (a int); CREATE TABLE log (a int); CREATE FUNCTION log() RETURNS trigger LANGUAGE "
      "plpgsql "
      "AS $$BEGIN INSERT INTO log VALUES (1); RETURN NULL; END$$; CREATE TRIGGER log AFTER INSERT ON t FOR "
      "EACH "
      "STATEMENT EXECUTE FUNCTION log()");
  const Outcome run = load({"-t", "t", "-j", "2", "--batch-rows", "1"}, {.stdin_bytes = "1\n2\n3\n"});
  expect_loaded(run, 3);
  const auto first = run.err.find("statement triggers");
  EXPECT_NE(first, std::string::npos) << run.err;
  EXPECT_EQ(run.err.find("statement triggers", first + 1), std::string::npos) << run.err;
  EXPECT_EQ(count("log"), 3U);
  server().execute("TRUNCATE log");
  const Outcome single = load({"-t", "t", "-1", "--batch-rows", "1"}, {.stdin_bytes = "1\n2\n3\n"});
  expect_loaded(single, 3);
  EXPECT_FALSE(says(single, "statement triggers")) << single.err;
  EXPECT_EQ(count("log"), 1U) << "one COPY";
}

TEST_F(Targets, DisabledTriggersCountAsNone) {
  server().execute(
      "CREATE TABLE t (a int); CREATE FUNCTION nothing() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN "
      "NULL; "
      "END'; CREATE TRIGGER nothing BEFORE INSERT ON t FOR EACH ROW EXECUTE FUNCTION nothing(); ALTER TABLE "
      "t "
      "DISABLE TRIGGER nothing");
  expect_loaded(load({"-t", "t"}, {.stdin_bytes = "1\n"}), 1);
}

// --- foreign keys and transactions ------------------------------------------------------------------------

TEST_F(Targets, ASelfReferenceIsLoadedInOneTransaction) {
  server().execute("CREATE TABLE t (id int PRIMARY KEY, parent int REFERENCES t)");
  // Each record needs the next one: no batch of these could be committed alone.
  std::string input;
  for (int id = 0; id < 200; ++id) input += fmt::format("{},{}\n", id, id + 1);
  input += "200,\n";
  for (const auto& arguments : std::vector<Texts>{{"-j", "4"}, {}, {"-1"}}) {
    std::vector<std::string> all{"-t", "t", "--truncate", "--batch-rows", "3"};
    all.insert(all.end(), arguments.begin(), arguments.end());
    const Outcome run = load(all, {.stdin_bytes = input});
    expect_loaded(run, 201);
    EXPECT_EQ(count("t"), 201U);
  }
  EXPECT_TRUE(says(load({"-t", "t", "--truncate", "-j", "4"}, {.stdin_bytes = input}), "t_parent_fkey"));
}

TEST_F(Targets, ASingleTransactionIsAllOrNothing) {
  server().execute("CREATE TABLE t (a int); INSERT INTO t VALUES (0)");
  std::string input;
  for (int number = 1; number <= 500; ++number) input += fmt::format("{}\n", number);
  for (const bool truncate : {false, true}) {
    std::vector<std::string> arguments{"-t", "t", "-1", "--batch-rows", "10"};
    if (truncate) arguments.emplace_back("--truncate");
    const Outcome run = load(arguments, {.stdin_bytes = input + "bad\n"});
    expect_refused(run, 1, "22P02");
    EXPECT_TRUE(says(run, "line 501")) << run.err;
    EXPECT_EQ(server().rows_as_text("t"), Texts{"(0)"});
  }
  expect_loaded(load({"-t", "t", "-1", "--truncate", "--batch-rows", "10"}, {.stdin_bytes = input}), 500);
  EXPECT_EQ(count("t"), 500U);
  // The second file fails: nothing of the first stays.
  const std::string one = folder_.file("one.csv", "1\n2\n");
  const std::string two = folder_.file("two.csv", "3\nx\n");
  expect_refused(load({"-t", "t", "-1", "--truncate", one, two}), 1, "two.csv");
  EXPECT_EQ(count("t"), 500U);
}

TEST_F(Targets, ASingleTransactionOfNothing) {
  server().execute("CREATE TABLE t (a int); INSERT INTO t VALUES (0)");
  const Outcome run = load({"-t", "t", "-1"}, {.stdin_bytes = ""});
  expect_loaded(run, 0);
  EXPECT_FALSE(says(run, "no transaction in progress")) << run.err;
  EXPECT_EQ(count("t"), 1U);
  expect_loaded(load({"-t", "t", "-1", "--truncate"}, {.stdin_bytes = ""}), 0);
  EXPECT_EQ(count("t"), 0U);
}

// One COPY of nothing fires them once, too.
TEST_F(Targets, AnInputWithoutRecordsFiresStatementTriggersOnce) {
  server().execute(R"(CREATE TABLE t (a int); CREATE TABLE fired (at text);
    CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS
      $$BEGIN INSERT INTO fired VALUES (TG_WHEN); RETURN NULL; END$$;
    CREATE TRIGGER b BEFORE INSERT ON t EXECUTE FUNCTION note();
    CREATE TRIGGER a AFTER INSERT ON t EXECUTE FUNCTION note();)");
  for (const char* how : {"-1", "-j1", "-j4"}) {
    server().execute("TRUNCATE fired");
    expect_loaded(load({"-t", "t", how}, {.stdin_bytes = ""}), 0);
    EXPECT_EQ(server().rows_as_text("fired"), (Texts{"(AFTER)", "(BEFORE)"})) << how;
  }
}

TEST_F(Targets, ADeferredConstraintFailsItsBatchAtCommit) {
  server().execute("CREATE TABLE t (a int UNIQUE DEFERRABLE INITIALLY DEFERRED)");
  const Outcome run = load({"-t", "t", "-j", "1"}, {.stdin_bytes = "1\n2\n1\n"});
  expect_refused(run, 1, "23505");
  EXPECT_EQ(count("t"), 0U);
}

TEST_F(Targets, WithoutSingleTransactionEarlierBatchesStay) {
  server().execute("CREATE TABLE t (a int)");
  const Outcome run = load({"-t", "t", "-j", "1", "--batch-rows", "1"}, {.stdin_bytes = "1\n2\nx\n"});
  expect_refused(run, 1, "2 rows");
  EXPECT_EQ(server().rows_as_text("t"), (Texts{"(1)", "(2)"}));
}

TEST_F(Targets, TruncateEmptiesTheTableOnce) {
  server().execute("CREATE TABLE t (a int); INSERT INTO t SELECT generate_series(1, 100)");
  expect_loaded(load({"-t", "t", "--truncate", "-j", "3", "--batch-rows", "1"}, {.stdin_bytes = "1\n2\n3\n"}),
                3);
  EXPECT_EQ(count("t"), 3U);
  expect_loaded(load({"-t", "t", "--truncate"}, {.stdin_bytes = ""}), 0);
  EXPECT_EQ(count("t"), 0U);
}

TEST_F(Targets, ATruncateThatFailsLoadsNothing) {
  server().execute(
      "CREATE TABLE t (a int PRIMARY KEY); INSERT INTO t VALUES (0); CREATE TABLE child (a int REFERENCES "
      "t)");
  expect_refused(load({"-t", "t", "--truncate"}, {.stdin_bytes = "1\n"}), 1, "0A000");
  EXPECT_EQ(server().rows_as_text("t"), Texts{"(0)"});
}

// --- what is not a table ----------------------------------------------------------------------------------

TEST_F(Targets, AViewWithAnInsteadOfTrigger) {
  server().execute(
      "CREATE TABLE base (a int, b text); CREATE VIEW t AS SELECT b, a FROM base; CREATE FUNCTION "
      "into_base() "
      "RETURNS trigger LANGUAGE plpgsql AS $$BEGIN IF NEW.a < 0 THEN RETURN NULL; END IF; INSERT INTO base "
      "VALUES "
      "(NEW.a, NEW.b); RETURN NEW; END$$; CREATE TRIGGER into_base INSTEAD OF INSERT ON t FOR EACH ROW "
      "EXECUTE "
      "FUNCTION into_base()");
  expect_loaded(load({"-t", "t", "-j", "2", "--batch-rows", "1"}, {.stdin_bytes = "x,1\ny,2\nz,-3\n"}), 3);
  // One COPY says 3 too: the server counts a record that such a trigger takes, whatever it does with it.
  EXPECT_EQ(server().rows_as_text("base"), (Texts{"(1,x)", "(2,y)"}));
}

TEST_F(Targets, WhatCannotBeLoadedInto) {
  server().execute(
      "CREATE TABLE base (a int); CREATE VIEW plain_view AS SELECT a FROM base; CREATE MATERIALIZED VIEW "
      "matview "
      "AS SELECT a FROM base; CREATE SEQUENCE seq; CREATE INDEX idx ON base (a); CREATE TEMP TABLE temporary "
      "(a "
      "int)");
  for (const char* table : {"plain_view", "matview", "seq", "idx"})
    expect_refused(load({"-t", table}, {.stdin_bytes = "1\n"}), 1, "42809");
  expect_refused(load({"-t", "temporary"}, {.stdin_bytes = "1\n"}), 1, "there is no table temporary");
  const std::string temp_schema =
      server().value("SELECT nspname FROM pg_namespace WHERE oid = pg_my_temp_schema()");
  expect_refused(load({"-t", temp_schema + ".temporary"}, {.stdin_bytes = "1\n"}), 1, "temporary");
}

TEST_F(Targets, AForeignTable) {
  if (server().value("SELECT count(*) FROM pg_available_extensions WHERE name = 'postgres_fdw'") == "0")
    GTEST_SKIP() << "the server has no postgres_fdw";
  server().execute(
      "SET client_min_messages = warning; CREATE EXTENSION IF NOT EXISTS postgres_fdw SCHEMA public");
  server().execute(fmt::format(
      "CREATE TABLE base (a int, b text); CREATE SERVER {0} FOREIGN DATA WRAPPER postgres_fdw OPTIONS (host "
      "'{1}', "
      "port '{2}', dbname '{3}'); CREATE USER MAPPING FOR CURRENT_USER SERVER {0} OPTIONS (user '{4}', "
      "password_required 'false'); CREATE FOREIGN TABLE t (a int, b text) SERVER {0} OPTIONS (schema_name "
      "'{0}', "
      "table_name 'base')",
      schema(), PQhost(server().handle()), PQport(server().handle()), PQdb(server().handle()),
      PQuser(server().handle())));
  expect_loaded(load({"-t", "t", "-j", "2", "--batch-rows", "1"}, {.stdin_bytes = "1,x\n2,\"y\nz\"\n"}), 2);
  EXPECT_EQ(server().rows_as_text("base"), (Texts{"(1,x)", "(2,\"y\nz\")"}));
  server().execute(fmt::format("SET client_min_messages = warning; DROP SERVER {} CASCADE", schema()));
}

TEST_F(Targets, RowSecurityIsTheServersToEnforce) {
  server().execute(
      fmt::format("CREATE TABLE t (a int); ALTER TABLE t ENABLE ROW LEVEL SECURITY; CREATE ROLE {0} LOGIN; "
                  "GRANT ALL ON SCHEMA "
                  "{0} TO {0}; GRANT ALL ON t TO {0}",
                  schema()));
  const Outcome run =
      run_program({"load", "-w", "-d", dsn() + " user=" + schema(), "-t", "t"}, {.stdin_bytes = "1\n"});
  expect_refused(run, 1, "row-level security");
  EXPECT_EQ(count("t"), 0U);
  server().execute(fmt::format("DROP OWNED BY {0}; DROP ROLE {0}", schema()));
}

}  // namespace
}  // namespace hypercopy::test
