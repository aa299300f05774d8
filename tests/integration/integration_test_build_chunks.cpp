// --build-chunks on: chunks that are built aside are those of an ordinary load in everything but their names, and whatever
// would make them different is refused.
#include <fmt/format.h>

#include <optional>
#include <regex>

#include "support/built_chunks.hpp"
#include "support/open_pipe.hpp"
#include "support/role.hpp"

namespace hypercopy::test {
namespace {

TEST_F(BuildChunks, AreThoseOfAnOrdinaryLoad) {
  if (!has_timescale()) return;
  const TestRole reader(server(), schema(), {});
  struct Case {
    const char* name;
    Texts more;
  };
  const Case cases[] = {
      {"nothing but the time index", {}},
      {"no index", {"DROP INDEX {}_at_idx"}},
      {"indexes of all kinds",
       {"ALTER TABLE {0} ADD PRIMARY KEY (at, device)",
        "CREATE INDEX {0}_i1 ON {0} (device, at DESC) WHERE note IS NOT NULL",
        "CREATE INDEX {0}_i2 ON {0} USING brin (at) WITH (pages_per_range = 8)",
        "CREATE INDEX {0}_i3 ON {0} (lower(note) text_pattern_ops) INCLUDE (value)",
        "CREATE UNIQUE INDEX \"{0} it's\" ON {0} (device, value, at)"}},
      {"a deferred unique constraint",
       {"ALTER TABLE {0} ADD CONSTRAINT {0}_u UNIQUE (device, at, value) DEFERRABLE INITIALLY DEFERRED"}},
      {"rights, options and statistics targets",
       {"GRANT SELECT, INSERT ON {} TO " + reader.name() + " WITH GRANT OPTION",
        "GRANT SELECT ON {} TO PUBLIC", "GRANT UPDATE (note) ON {} TO " + reader.name(),
        "ALTER TABLE {} ALTER value SET STATISTICS 512", "ALTER TABLE {} ALTER device SET (n_distinct = 7)",
        "ALTER TABLE {} ALTER note SET STORAGE EXTERNAL",
        "ALTER TABLE {} SET (fillfactor = 80, autovacuum_vacuum_scale_factor = 0.01)"}},
      {"default rights that the table does not have",
       {"ALTER DEFAULT PRIVILEGES IN SCHEMA " + schema() + " GRANT SELECT ON TABLES TO " + reader.name(),
        "REVOKE ALL ON {} FROM " + reader.name(), "GRANT SELECT ON {} TO CURRENT_USER"}},
      {"a dropped and a generated column",
       {"ALTER TABLE {} ADD gone int", "ALTER TABLE {} DROP gone",
        "ALTER TABLE {} ADD twice float8 GENERATED ALWAYS AS (value * 2) STORED"}},
      {"a columnstore",
       {"ALTER TABLE {} SET (timescaledb.compress, timescaledb.compress_segmentby = 'device')"}},
      {"chunks that are there",
       {"INSERT INTO {} VALUES ('2024-01-02 05:00+00', 100, 1, 'old'), ('2024-01-05 05:00+00', 100, 1, "
        "'old')"}},
      {"chunks of another interval",
       {"INSERT INTO {} VALUES ('2024-01-03 05:00+00', 100, 1, 'old')",
        "SELECT set_chunk_time_interval('{}', interval '36 hours')"}},
  };
  for (const auto& [name, more] : cases) {
    for (const bool in_order : {true, false}) {
      SCOPED_TRACE(fmt::format("{}, {}", name, in_order ? "by time" : "across"));
      make_tables(more);
      rows_before_ = count("target");
      const std::string input = in_order ? by_time() : across();
      const Checked done =
          build(input, {"-j", "2", "--batch-rows", "70", "--columns", "at,device,value,note"});
      expect_success(done, kRecords);
      EXPECT_GE(done.report["built_chunks"]["chunks"], 3) << done.outcome.err;
      EXPECT_EQ(done.report["built_chunks"]["merged"], 0);
      load_judge(input);
      expect_same();
    }
  }
}

TEST_F(BuildChunks, OfDatesAndNumbers) {
  if (!has_timescale()) return;
  struct Case {
    const char* type;
    const char* interval;
    const char* expression;  // of a step, as SQL
  };
  for (const auto& [type, interval, expression] :
       {Case{"timestamp", "interval '1 day'", "'1969-12-25'::timestamp + s * interval '5h'"},
        Case{"date", "interval '3 days'", "'1969-12-25'::date + s"},
        Case{"bigint", "10", "s::bigint * 3 - 90"}, Case{"int", "10", "s * 3 - 90"},
        Case{"smallint", "10", "(s * 3 - 90)::smallint"}}) {
    SCOPED_TRACE(type);
    for (const char* table : {"target", "judge"}) {
      server().execute(
          fmt::format("DROP TABLE IF EXISTS {0}; CREATE TABLE {0} (device int, at {1} NOT NULL); "
                      "SELECT create_hypertable('{0}', 'at', chunk_time_interval => {2})",
                      table, type, interval));
    }
    const std::string input = server().copy_out(
        fmt::format("COPY (SELECT d, {} FROM generate_series(1, 9) d, generate_series(0, 59) s) TO STDOUT "
                    "WITH (FORMAT csv)",
                    expression));
    expect_success(build(input, {"-j", "2", "--batch-rows", "130"}), 540);
    load_judge(input);
    expect_same();
  }
}

// A refresh must find the rows, though a table that becomes a chunk says nothing of them.
TEST_F(BuildChunks, ContinuousAggregatesAreRefreshed) {
  if (!has_timescale()) return;
  make_tables();
  server().execute(
      "INSERT INTO target VALUES ('2024-01-01 00:10+00', 1, 1, 'a'), ('2024-01-06 23:50+00', 1, 1, 'b')");
  server().execute(
      "CREATE MATERIALIZED VIEW daily WITH (timescaledb.continuous) AS SELECT time_bucket('1 hour', at) AS "
      "day, "
      "device, sum(value) AS sum, count(*) FROM target GROUP BY 1, 2 WITH NO DATA");
  server().execute("CALL refresh_continuous_aggregate('daily', '2023-12-01', '2024-02-01')");
  rows_before_ = 2;
  const Checked done = build(across(), {"-j", "2", "--batch-rows", "70"});
  expect_success(done, kRecords);
  EXPECT_EQ(done.report["built_chunks"]["chunks"], kDays - 2);
  server().execute("CALL refresh_continuous_aggregate('daily', '2023-12-01', '2024-02-01')");
  server().execute("ALTER MATERIALIZED VIEW daily SET (timescaledb.materialized_only = true)");
  EXPECT_EQ(
      server().value("SELECT count(*) FROM (TABLE daily EXCEPT ALL SELECT time_bucket('1 hour', at), device, "
                     "sum(value), count(*) FROM target GROUP BY 1, 2) AS wrong"),
      "0");
  EXPECT_EQ(server().value("SELECT sum(count) FROM daily"), std::to_string(kRecords + 2));
  server().execute("DROP MATERIALIZED VIEW daily");
}

// Somebody's row for a range that is being built aside: its rows are inserted beside it.
TEST_F(BuildChunks, SomebodyElseMakesAChunk) {
  if (!has_timescale()) return;
  make_tables({"ALTER TABLE {} ADD UNIQUE (device, at, value)"});
  const std::string path = folder_.path() + "/in.csv";
  std::optional<OpenPipe> input(path);
  auto program = start("target", {"-j", "1", "--batch-rows", "10", "--build-chunks", "on", path});
  input->write(by_time());
  await(
      "SELECT count(*) > 2 FROM pg_class WHERE relname LIKE 'hypercopy_chunk_%' AND relkind = 'r' AND "
      "relnamespace = current_schema()::regnamespace");
  server().execute("INSERT INTO target VALUES ('2024-01-02 05:00+00', 100, 1, 'theirs')");
  rows_before_ = 1;
  input.reset();
  const Checked done = finish(*program, "target");
  expect_success(done, kRecords);
  EXPECT_EQ(done.report["built_chunks"]["merged"], 1);
  load_judge(by_time() + "2024-01-02 05:00+00,100,1,theirs\n");
  expect_same();
}

// The hypertable has changed meanwhile, so that the server does not take the tables as chunks: their rows are not lost, and
// whoever reads the errors knows where they are and how to move them.
TEST_F(BuildChunks, RowsThatCannotBeHandedOverAreKept) {
  if (!has_timescale()) return;
  make_tables();
  const std::string path = folder_.path() + "/in.csv";
  std::optional<OpenPipe> input(path);
  auto program = start("target", {"-j", "2", "--batch-rows", "10", "--build-chunks", "on", path});
  input->write(by_time());
  await(
      "SELECT count(*) > 2 FROM pg_class WHERE relname LIKE 'hypercopy_chunk_%' AND relkind = 'r' AND "
      "relnamespace = current_schema()::regnamespace");
  server().execute("ALTER TABLE target ADD CONSTRAINT target_late CHECK (device < 100)");
  input.reset();
  const Outcome stopped = program->wait();
  EXPECT_EQ(stopped.exit_code, 1) << stopped.err;
  EXPECT_EQ(stopped.out, "");
  const Rows kept = server().execute(
      "SELECT format('%I.%I', relnamespace::regnamespace, relname), obj_description(oid, 'pg_class') FROM "
      "pg_class WHERE relname LIKE 'hypercopy_chunk_%' AND relkind = 'r' AND relnamespace = "
      "current_schema()::regnamespace ORDER BY 1");
  // Those that were made before the constraint.
  ASSERT_GE(kept.size(), 3U) << stopped.err;
  const std::uint64_t rows = kPerDay * kept.size();
  EXPECT_EQ(count("target"), kRecords - rows);
  const std::string warning =
      fmt::format("warning: {} rows were loaded into {} side tables and are not in", rows, kept.size());
  EXPECT_NE(stopped.err.find(warning), std::string::npos) << stopped.err;

  // No load removes them, each speaks of them.
  rows_before_ = count("target");
  const Checked next = run("target", {folder_.file("next.csv", record(9, 1))});
  expect_success(next, 1);
  for (const auto& table : kept) {
    EXPECT_NE(table[1]->find("kept: these rows could not be handed over"), std::string::npos) << *table[1];
    EXPECT_TRUE(says(next, fmt::format("{} holds rows of an earlier load", *table[0])));
  }
  // What the error says is what moves them.
  static const std::regex kMove(R"((INSERT INTO \S+ \(.*\) SELECT .* FROM (\S+)), then drop it)");
  std::size_t moved = 0;
  for (auto move = std::sregex_iterator(stopped.err.begin(), stopped.err.end(), kMove);
       move != std::sregex_iterator(); ++move, ++moved) {
    server().execute(fmt::format("{}; DROP TABLE {}", move->str(1), move->str(2)));
  }
  EXPECT_EQ(moved, kept.size()) << stopped.err;
  load_judge(by_time() + record(9, 1));
  EXPECT_EQ(server().rows_as_text("target"), server().rows_as_text("judge"));
  rows_before_ = count("target");
  const Checked last = run("target", {folder_.file("last.csv", "")});
  EXPECT_TRUE(says_not(last, "rows of an earlier load"));
}

// Of the test's own, in the server's folder; gone with the tables in it.
class Tablespace {
 public:
  Tablespace(const Server& server, const std::string& name) : server_(server), name_(name) {
    server_.execute("SET allow_in_place_tablespaces = on");
    server_.execute(fmt::format("CREATE TABLESPACE {} LOCATION ''", name_));
  }
  ~Tablespace() {
    try {
      server_.execute("DROP TABLE IF EXISTS target, judge CASCADE");
      server_.execute("DROP TABLESPACE " + name_);
    } catch (const std::exception& exception) {
      ADD_FAILURE() << exception.what();
    }
  }
  Tablespace(const Tablespace&) = delete;
  Tablespace& operator=(const Tablespace&) = delete;

 private:
  const Server& server_;
  std::string name_;
};

TEST_F(BuildChunks, TheirTablespaceIsThatOfTheHypertable) {
  if (!has_timescale()) return;
  if (server().execute("SELECT FROM pg_settings WHERE name = 'allow_in_place_tablespaces'").empty()) {
    GTEST_SKIP() << "this server makes no tablespace without a folder of its own";
  }
  const std::string first = schema() + "_a";
  const std::string second = schema() + "_b";
  const Tablespace of_chunks(server(), first);
  const Tablespace of_index(server(), second);
  make_tables(
      {fmt::format("SELECT attach_tablespace('{}', '{{}}')", first),
       "ALTER TABLE {} ADD PRIMARY KEY (at, device)", "CREATE INDEX {0}_i1 ON {0} (device)",
       "CREATE UNIQUE INDEX {0}_i3 ON {0} (device, value, at)",
       fmt::format(
           "ALTER TABLE {{0}} ADD CONSTRAINT {{0}}_u UNIQUE (at, device, value) USING INDEX TABLESPACE {}",
           second),
       fmt::format("CREATE INDEX {{0}}_i2 ON {{0}} (value) TABLESPACE {}", second)});
  expect_success(build(across(), {"-j", "2", "--batch-rows", "70"}), kRecords);
  load_judge(across());
  expect_same();
  constexpr const char* kTablespaces = R"(
SELECT array_agg(c ORDER BY c)::text FROM (
  SELECT string_agg(format('%s %s', regexp_replace(pg_get_indexdef(x.indexrelid), 'INDEX .* USING', 'INDEX USING'), s.spcname),
                    '; ' ORDER BY regexp_replace(pg_get_indexdef(x.indexrelid), 'INDEX .* USING', 'INDEX USING')) AS c
  FROM pg_inherits i JOIN pg_index x ON x.indrelid = i.inhrelid JOIN pg_class r ON r.oid = x.indexrelid
  LEFT JOIN pg_tablespace s ON s.oid = r.reltablespace WHERE i.inhparent = '{0}'::regclass GROUP BY i.inhrelid) AS all_of_them)";
  EXPECT_EQ(server().value(fmt::format(fmt::runtime(kTablespaces), "target")),
            server().value(fmt::format(fmt::runtime(kTablespaces), "judge")));
  EXPECT_EQ(server().value(fmt::format("SELECT count(*) FROM pg_inherits i JOIN pg_class c ON c.oid = "
                                       "i.inhrelid JOIN pg_tablespace s ON s.oid = c.reltablespace WHERE "
                                       "i.inhparent = 'target'::regclass AND s.spcname = '{}'",
                                       first)),
            std::to_string(kDays));

  rows_before_ = kRecords;
  server().execute(fmt::format("SELECT attach_tablespace('{}', 'target')", second));
  const Checked refused = build(across());
  EXPECT_EQ(refused.outcome.exit_code, 2);
  EXPECT_TRUE(says(refused, "several tablespaces"));
}

TEST_F(BuildChunks, BadRecordsAreNamed) {
  if (!has_timescale()) return;
  struct Case {
    const char* name;
    std::string input;
    std::string said;
  };
  const Case cases[] = {
      {"a check", record(1, 1) + record(2, 2) + record(1, 3) + "2024-01-02 10:00+00,1,1,bad\n", "record 4"},
      {"a duplicate", record(2, 1) + record(1, 2) + record(2, 3) + record(1, 2) + record(2, 5), "record 4"},
      {"no time", record(1, 1) + record(2, 2) + ",1,1,x\n", "record 3"},
      {"no number", record(1, 1) + record(2, 2) + "2024-01-02 10:00+00,one,1,x\n", "record 3"}};
  for (const auto& [name, input, said] : cases) {
    SCOPED_TRACE(name);
    make_tables({"ALTER TABLE {} ADD PRIMARY KEY (at, device)"});
    const Checked done = build(input, {"-j", "1"});
    expect_failure(done, 0, {said});
    EXPECT_EQ(side_tables(), "0");
  }
}

// What was committed before the error is in the hypertable.
TEST_F(BuildChunks, AFailedLoadHandsOverWhatItHas) {
  if (!has_timescale()) return;
  make_tables();
  const Checked done = build(by_time() + "2024-01-07 10:00+00,1,1,bad\n", {"-j", "1", "--batch-rows", "50"});
  expect_failure(done, kRecords, {"record 301"});
  EXPECT_EQ(side_tables(), "0");
  EXPECT_EQ(done.report["built_chunks"]["chunks"], kDays);
}

TEST_F(BuildChunks, ValuesThatAreNotEncodedGoTheOrdinaryWay) {
  if (!has_timescale()) return;
  make_tables();
  const std::string input = by_time() + "\"January 3, 2024 5:00 UTC\",1,1,x\n" + record(8, 1);
  const Checked done = build(input, {"-j", "1", "--batch-rows", "50"});
  expect_success(done, kRecords + 2);
  load_judge(input);
  EXPECT_EQ(server().rows_as_text("target"), server().rows_as_text("judge"));
  EXPECT_EQ(done.report["built_chunks"]["merged"], 1) << done.outcome.err;
  EXPECT_EQ(side_tables(), "0");
}

TEST_F(BuildChunks, OtherOwners) {
  if (!has_timescale()) return;
  const TestRole owner(server(), schema(), {});
  make_tables({"ALTER TABLE {} OWNER TO " + owner.name()});
  expect_success(build(by_time()), kRecords);
  load_judge(by_time());
  expect_same();
}

// What a killed load left is removed by the next one, and of one that lives nothing.
TEST_F(BuildChunks, LeftTablesAreRemoved) {
  if (!has_timescale()) return;
  make_tables();
  const std::string oid = server().value("SELECT 'target'::regclass::oid");
  server().execute(fmt::format(
      "CREATE TABLE hypercopy_chunk_0badcafe_7 (LIKE target); COMMENT ON TABLE hypercopy_chunk_0badcafe_7 IS "
      "'hypercopy --build-chunks, target {0}, run 0badcafe'; CREATE TABLE hypercopy_chunk_0badcaff_7 (LIKE "
      "target); "
      "COMMENT ON TABLE hypercopy_chunk_0badcaff_7 IS 'hypercopy --build-chunks, target {0}, run 0badcaff'; "
      "CREATE TABLE hypercopy_chunk_0badcafd_7 (LIKE target); COMMENT ON TABLE hypercopy_chunk_0badcafd_7 IS "
      "'hypercopy --build-chunks, target {0}, kept: these'; "
      "SELECT pg_advisory_lock(1752789094, hashtext('hypercopy_chunk_0badcaff_'))",
      oid));
  const Checked done = run("target", {folder_.file("in.csv", record(1, 1))});
  expect_success(done, 1);
  EXPECT_TRUE(says(done, "removed 1 side table"));
  EXPECT_TRUE(says(done, "hypercopy_chunk_0badcafd_7 holds rows of an earlier load"));
  EXPECT_EQ(
      server().value("SELECT string_agg(relname, ' ' ORDER BY relname) FROM pg_class WHERE relname LIKE "
                     "'hypercopy_chunk_0badca%'"),
      "hypercopy_chunk_0badcafd_7 hypercopy_chunk_0badcaff_7");
}

TEST_F(BuildChunks, Refusals) {
  if (!has_timescale()) return;
  struct Case {
    const char* name;
    Texts more;
    Texts arguments;
    const char* reason;
  };
  const Case cases[] = {
      {"a row trigger",
       {"CREATE OR REPLACE FUNCTION nothing() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END'",
        "CREATE TRIGGER t BEFORE INSERT ON {} FOR EACH ROW EXECUTE FUNCTION nothing()"},
       {},
       "the table has triggers"},
      {"a foreign key",
       {"CREATE TABLE IF NOT EXISTS devices (id int PRIMARY KEY)",
        "ALTER TABLE {0} ADD CONSTRAINT {0}_fk FOREIGN KEY (device) REFERENCES devices"},
       {},
       "the foreign key target_fk"},
      {"chunk skipping",
       {"SET timescaledb.enable_chunk_skipping = on",
        "ALTER TABLE {} SET (timescaledb.compress, timescaledb.compress_segmentby = '')",
        "SELECT enable_chunk_skipping('{}', 'device')"},
       {},
       "chunk skipping"},
      {"a space dimension",
       {"SELECT add_dimension('{}', by_hash('device', 2))"},
       {},
       "more than one dimension"},
      {"row level security", {"ALTER TABLE {} ENABLE ROW LEVEL SECURITY"}, {}, "row level security"},
      {"an identity column",
       {"ALTER TABLE {} ADD id int GENERATED BY DEFAULT AS IDENTITY"},
       {"--columns", "at,device,value,note"},
       "identity column"},
      {"the time is not loaded",
       {"ALTER TABLE {} ALTER at SET DEFAULT now()", "ALTER TABLE {} ADD at2 timestamptz"},
       {"--columns", "at2,device,value,note"},
       "column at is not loaded"},
      {"--atomic", {}, {"--atomic"}, "--build-chunks on and --atomic exclude each other"},
      {"-1", {}, {"-1"}, "--single-transaction exclude each other"},
      {"--on-conflict", {}, {"--on-conflict", "nothing"}, "--on-conflict exclude each other"},
      {"--on-error", {}, {"--on-error", "reject"}, "--on-error reject exclude each other"},
      {"--direct-compress", {}, {"--direct-compress", "on"}, "--direct-compress on exclude each other"},
      {"--defer-indexes", {}, {"--defer-indexes"}, "--defer-indexes exclude each other"},
      {"--wire csv", {}, {"--wire", "csv"}, "--wire csv exclude each other"},
  };
  for (const auto& [name, more, arguments, reason] : cases) {
    SCOPED_TRACE(name);
    make_tables(more);
    const Checked done = build(by_time(), arguments);
    EXPECT_EQ(done.outcome.exit_code, 2) << done.outcome.err;
    EXPECT_TRUE(says(done, reason));
    EXPECT_EQ(count("target"), 0U);
  }
  server().execute("CREATE TABLE plain (at timestamptz, device int, value float8, note text)");
  const Checked done = run("plain", {"--build-chunks", "on", folder_.file("in.csv", by_time())});
  EXPECT_EQ(done.outcome.exit_code, 2);
  EXPECT_TRUE(says(done, "the table is no hypertable"));
}

}  // namespace
}  // namespace hypercopy::test
