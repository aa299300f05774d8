// Chunks that are made ahead of their rows are the ones that the server would make, and --max-new-chunks stops a load before
// it makes too many.
#include <fmt/format.h>

#include <algorithm>

#include "support/checked_load.hpp"
#include "support/role.hpp"

namespace hypercopy::test {
namespace {

using Texts = std::vector<std::string>;

// All that a chunk is but its name: range, owner, rights, settings, indexes, constraints, triggers.
constexpr std::string_view kChunkFacts = R"(
WITH chunks AS (
  SELECT c.*, format('%I.%I', c.chunk_schema, c.chunk_name)::regclass AS oid FROM timescaledb_information.chunks c
  WHERE c.hypertable_schema = '{0}' AND c.hypertable_name = '{1}')
SELECT c.range_start, c.range_end, c.range_start_integer, c.range_end_integer, c.is_compressed, c.chunk_tablespace,
       r.relowner::regrole, r.relacl, r.reloptions, r.relpersistence, r.relam,
       (SELECT string_agg(regexp_replace(pg_get_indexdef(i.indexrelid), '_hyper_\d+_\d+_chunk|{1}', '', 'g'), '; '
                         ORDER BY regexp_replace(pg_get_indexdef(i.indexrelid), '_hyper_\d+_\d+_chunk|{1}', '', 'g'))
        FROM pg_index i WHERE i.indrelid = c.oid),
       (SELECT string_agg(o.contype::text || ' ' || pg_get_constraintdef(o.oid), '; ' ORDER BY o.contype, pg_get_constraintdef(o.oid))
        FROM pg_constraint o WHERE o.conrelid = c.oid),
       (SELECT string_agg(t.tgname, '; ' ORDER BY t.tgname) FROM pg_trigger t WHERE t.tgrelid = c.oid AND NOT t.tgisinternal)
FROM chunks c JOIN pg_class r ON r.oid = c.oid
ORDER BY c.range_start, c.range_start_integer)";

class ChunksAhead : public CheckedLoadTest {
 protected:
  // The same hypertable twice: `target` for the load, `reference` for one COPY.
  void make_tables(const std::string& type, const std::string& interval, const std::string& more = "") const {
    for (const std::string table : {"target", "reference"}) {
      server().execute(
          fmt::format("CREATE TABLE {0} (at {1} NOT NULL, v int); SELECT create_hypertable('{0}', 'at', "
                      "chunk_time_interval => {2})",
                      table, type, interval));
      if (!more.empty()) server().execute(fmt::format(fmt::runtime(more), table));
    }
  }
  void expect_as_one_copy(const std::string& input) const {
    const CopyOutcome outcome = server().copy("COPY reference FROM STDIN CSV", input);
    ASSERT_TRUE(outcome.rows) << outcome.message;
    EXPECT_EQ(server().rows_as_text("target"), server().rows_as_text("reference"));
    EXPECT_EQ(chunk_facts("target"), chunk_facts("reference"));
  }
  [[nodiscard]] Rows chunk_facts(const std::string& table) const {
    return server().execute(fmt::format(kChunkFacts, schema(), table));
  }
  [[nodiscard]] std::uint64_t chunks(const std::string& table = "target") const {
    return chunk_facts(table).size();
  }
  Checked run_batches(const std::string& input, Texts more = {}) {
    Texts arguments{"-v", "-j", "3", "--batch-rows", "7"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    arguments.push_back(folder_.file("in.csv", input));
    return run("target", arguments);
  }
};

std::string records(const Texts& times, int rounds) {
  std::string input;
  for (int round = 0; round < rounds; ++round) {
    for (const auto& time : times) input += fmt::format("{},{}\n", time, round);
  }
  return input;
}

TEST_F(ChunksAhead, RowsAndChunksAreThoseOfOneCopy) {
  if (!has_timescale()) return;
  struct Case {
    const char* name;
    const char* type;
    const char* interval;
    Texts times;
    unsigned made;  // the others are at the ends of the type
  };
  const Case cases[] = {
      {"timestamptz",
       "timestamptz",
       "interval '7 days'",
       {"2024-01-01 00:00:00+00", "2024-01-03 23:59:59.999999+00", "2024-01-04 00:00:00+00",
        "1969-12-31 23:59:59.999999+00", "1970-01-01 00:00:00+00", "1969-12-25 00:00:00+00",
        "1960-02-29 12:00:00+02", "0044-03-15 12:00:00+00 BC", "2999-12-31 00:00:00+00"},
       7},
      {"timestamp of an odd interval",
       "timestamp",
       "interval '5 hours 7 seconds'",
       {"2024-01-01 00:00:00", "2024-01-01 05:00:00", "2024-01-01 07:00:00", "1969-12-31 19:00:00",
        "1969-12-31 18:59:52", "1900-01-01 00:00:00"},
       5},
      {"date",
       "date",
       "interval '3 days'",
       {"2024-01-01", "2024-01-02", "2024-01-03", "2024-01-04", "1970-01-01", "1969-12-31", "1969-12-29",
        "1969-12-28", "1848-03-18"},
       6},
      {"smallint", "smallint", "1000", {"0", "999", "1000", "-1", "-1000", "-1001", "32767", "-32768"}, 4},
      {"integer",
       "integer",
       "86400",
       {"0", "86399", "86400", "-1", "-86400", "-86401", "1700000000", "2147483647"},
       5},
      {"bigint",
       "bigint",
       "604800000",
       {"0", "604799999", "604800000", "-1", "-604800000", "-604800001", "1700000000000",
        "9223372036854775807", "-9223372036854775807"},
       5},
  };
  for (const Case& one : cases) {
    SCOPED_TRACE(one.name);
    server().execute("DROP TABLE IF EXISTS target, reference");
    make_tables(one.type, one.interval);
    const std::string input = records(one.times, 9);
    const Checked done = run_batches(input);
    expect_success(done, one.times.size() * 9);
    EXPECT_TRUE(says(done, fmt::format("{} chunks made ahead", one.made)));
    expect_as_one_copy(input);
  }
}

TEST_F(ChunksAhead, ChunksHaveAllThatOrdinaryOnesHave) {
  if (!has_timescale()) return;
  server().execute(
      "CREATE TABLE device (id int PRIMARY KEY); INSERT INTO device SELECT generate_series(0, 100);"
      "CREATE FUNCTION seen() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END'");
  const TestRole reader(server(), schema(), {});
  make_tables(
      "timestamptz", "interval '1 day'",
      "ALTER TABLE {0} ADD CHECK (v >= 0), ADD FOREIGN KEY (v) REFERENCES device, SET (fillfactor = 70);"
      "CREATE INDEX ON {0} (v DESC, at); CREATE UNIQUE INDEX ON {0} (at, v) WHERE v > 1000;"
      "GRANT SELECT ON {0} TO " +
          reader.name() +
          "; CREATE TRIGGER seen AFTER INSERT ON {0} FOR EACH ROW EXECUTE FUNCTION seen();"
          "ALTER TABLE {0} SET (timescaledb.compress, timescaledb.compress_segmentby = 'v')");
  Texts times;
  for (int day = 1; day <= 28; ++day) times.push_back(fmt::format("2024-02-{:02} 12:00:00+00", day));
  const std::string input = records(times, 5);
  const Checked done = run_batches(input);
  expect_success(done, 140);
  EXPECT_TRUE(says(done, "28 chunks made ahead"));
  expect_as_one_copy(input);
}

TEST_F(ChunksAhead, FourHundredChunks) {
  if (!has_timescale()) return;
  std::string input;
  for (int device = 0; device < 5; ++device) {
    for (int step = 0; step < 400; ++step) input += fmt::format("{},{}\n", step * 10 + device, device);
  }
  for (const std::string wire : {"auto", "csv"}) {
    SCOPED_TRACE(wire);
    server().execute("DROP TABLE IF EXISTS target, reference");
    make_tables("bigint", "10");
    const Checked done =
        run("target", {"-v", "-j", "4", "--batch-rows", "90", "--wire", wire, folder_.file("in.csv", input)});
    expect_success(done, 2000);
    EXPECT_TRUE(says(done, "400 chunks made ahead"));
    expect_as_one_copy(input);
  }
}

// Ranges of the new interval that older chunks cover in part are the server's.
TEST_F(ChunksAhead, AnIntervalThatWasChangedBefore) {
  if (!has_timescale()) return;
  make_tables("timestamptz", "interval '1 day'",
              "INSERT INTO {0} VALUES ('2024-01-02 12:00+00', 0), ('2024-01-05 12:00+00', 0);"
              "SELECT set_chunk_time_interval('{0}', interval '7 hours')");
  rows_before_ = 2;
  Texts times;
  for (int hour = 0; hour < 24 * 7; ++hour)
    times.push_back(fmt::format("2024-01-{:02} {:02}:30:00+00", 1 + hour / 24, hour % 24));
  const std::string input = records(times, 2);
  const Checked done = run_batches(input);
  expect_success(done, times.size() * 2);
  EXPECT_TRUE(says(done, "made ahead"));
  expect_as_one_copy(input);
}

// The load waits for the transaction that changes the interval, and goes on with the one that it began with.
TEST_F(ChunksAhead, AnIntervalThatIsChangedMeanwhile) {
  if (!has_timescale()) return;
  make_tables("timestamptz", "interval '1 day'");
  rows_before_ = 2;
  Texts times;
  for (int hour = 0; hour < 24 * 7; ++hour)
    times.push_back(fmt::format("2024-01-{:02} {:02}:30:00+00", 1 + hour / 24, hour % 24));
  const std::string input = records(times, 2);
  const Server other(dsn());
  other.execute("BEGIN; LOCK TABLE target IN SHARE UPDATE EXCLUSIVE MODE");
  const auto process = start("target", {"-j", "2", "--batch-rows", "40", folder_.file("in.csv", input)});
  await_blocked(1);
  other.execute("SELECT set_chunk_time_interval('target', interval '7 hours')");
  other.execute("INSERT INTO target VALUES ('2024-01-02 12:00+00', 77), ('2024-01-05 12:00+00', 77)");
  other.execute("COMMIT");
  const Checked done = finish(*process, "target");
  expect_success(done, times.size() * 2);
  server().execute("DELETE FROM target WHERE v = 77");
  ASSERT_TRUE(server().copy("COPY reference FROM STDIN CSV", input).rows);
  EXPECT_EQ(server().rows_as_text("target"), server().rows_as_text("reference"));
}

TEST_F(ChunksAhead, TwoLoadsAtOnce) {
  if (!has_timescale()) return;
  make_tables("integer", "10");
  std::string input;
  for (int step = 0; step < 1000; ++step) input += fmt::format("{},1\n", step);
  const std::string file = folder_.file("in.csv", input);
  const auto arguments = Texts{"load", "-d", dsn(), "-t", "target", "-j", "2", "--batch-rows", "50", file};
  Process first(arguments);
  Process second(arguments);
  const Outcome one = first.wait();
  const Outcome two = second.wait();
  EXPECT_EQ(one.exit_code, 0) << one.err;
  EXPECT_EQ(two.exit_code, 0) << two.err;
  expect_as_one_copy(input + input);
}

TEST_F(ChunksAhead, ARoleThatMayOnlyInsert) {
  if (!has_timescale()) return;
  struct Case {
    const char* name;
    const char* grant;
    bool ahead;
  };
  const Case cases[] = {
      {"owner", "ALTER TABLE target OWNER TO {0}; ALTER TABLE reference OWNER TO {0}", true},
      {"INSERT", "REVOKE ALL ON target, reference FROM {0}; GRANT INSERT ON target, reference TO {0}", true},
      {"INSERT into its columns",
       "REVOKE ALL ON target, reference FROM {0}; GRANT INSERT (at, v) ON target, reference TO {0}", false},
  };
  for (const Case& one : cases) {
    SCOPED_TRACE(one.name);
    server().execute("DROP TABLE IF EXISTS target, reference");
    make_tables("integer", "10");
    const TestRole role(server(), schema(), {});
    server().execute(fmt::format(fmt::runtime(one.grant), role.name()));
    other_dsn_ = dsn() + " user=" + role.name();
    Texts times;
    for (int step = 0; step < 20; ++step) times.push_back(fmt::format("{}", step * 10));
    const std::string input = records(times, 3);
    const Checked done = run_batches(input);
    expect_success(done, 60);
    EXPECT_EQ(static_cast<bool>(says(done, "20 chunks made ahead")), one.ahead) << done.outcome.err;
    EXPECT_EQ(static_cast<bool>(says(done, "new chunks are left to the server")), !one.ahead)
        << done.outcome.err;
    expect_as_one_copy(input);
    server().execute("DROP TABLE target, reference");
  }
}

TEST_F(ChunksAhead, SpacePartitionsAreLeftToTheServer) {
  if (!has_timescale()) return;
  make_tables("integer", "10", "SELECT add_dimension('{0}', 'v', number_partitions => 3)");
  const std::string input = records({"1", "11", "21", "31"}, 9);
  const Checked done = run_batches(input, {"--max-new-chunks", "4"});
  expect_success(done, 36);
  EXPECT_TRUE(says_not(done, "made ahead"));
  ASSERT_TRUE(server().copy("COPY reference FROM STDIN CSV", input).rows);
  EXPECT_EQ(server().rows_as_text("target"), server().rows_as_text("reference"));
}

// Milliseconds where the column has seconds.
TEST_F(ChunksAhead, AUnitMixUpMakesNoChunk) {
  if (!has_timescale()) return;
  std::string input;
  for (int step = 0; step < 2000; ++step)
    input += fmt::format("{},{}\n", 1'700'000'000'000 + step * 86'400'000LL, step);
  struct Case {
    const char* name;
    const char* more;  // of the table
    Texts arguments;
  };
  const Case cases[] = {
      {"encoded", "", {}},
      {"as CSV", "", {"--wire", "csv"}},
      {"one worker", "", {"-j", "1"}},
      {"in one transaction", "", {"--single-transaction"}},
      {"atomic", "", {"--atomic"}},
      {"rejecting", "", {"--on-error", "reject"}},
      {"with a ledger", "", {"--import-id", schema()}},
      {"space partitions", "SELECT add_dimension('{0}', 'v', number_partitions => 2)", {}},
  };
  for (const Case& one : cases) {
    SCOPED_TRACE(one.name);
    server().execute("DROP TABLE IF EXISTS target, reference");
    make_tables("bigint", "86400", one.more);
    Texts arguments{"--max-new-chunks", "1000"};
    arguments.insert(arguments.end(), one.arguments.begin(), one.arguments.end());
    arguments.push_back(folder_.file("in.csv", input));
    const Checked done = run("target", arguments);
    expect_failure(done, 0,
                   {"in.csv: record 1001, line 1001, byte ", "more than 1000 new chunks",
                    "the time 1786400000000", "86,400", "milliseconds for seconds"});
    EXPECT_EQ(chunks(), 0U);
  }
}

TEST_F(ChunksAhead, TheLimitCountsOverBatchesAndIsOneRunsOwn) {
  if (!has_timescale()) return;
  make_tables("integer", "10");
  std::string input;
  for (int step = 0; step < 100; ++step) input += fmt::format("{},1\n", step * 10);
  const std::string file = folder_.file("in.csv", input);
  const Texts arguments{"-j", "1", "--batch-rows", "10", "--max-new-chunks", "60", file};
  const Checked stopped = run("target", arguments);
  expect_failure(stopped, 60, {"in.csv: record 61, line 61"});
  EXPECT_EQ(chunks(), 60U);
  server().execute("DELETE FROM target");
  // The chunks are there now.
  expect_success(run("target", arguments), 100);
  EXPECT_EQ(chunks(), 100U);
  server().execute("DROP TABLE target, reference");
  make_tables("integer", "10");
  expect_success(run("target", {"--max-new-chunks", "0", file}), 100);
}

TEST_F(ChunksAhead, TruncateTakesTheChunksThatThereWere) {
  if (!has_timescale()) return;
  const std::string input = records({"1", "11", "21"}, 3);
  const std::string file = folder_.file("in.csv", input);
  for (const Texts& more : {Texts{}, Texts{"--single-transaction"}}) {
    server().execute("DROP TABLE IF EXISTS target, reference");
    make_tables("integer", "10", "INSERT INTO {0} SELECT n * 10 FROM generate_series(0, 9) AS n");
    Texts arguments{"--truncate", "--max-new-chunks", "2", file};
    arguments.insert(arguments.end(), more.begin(), more.end());
    rows_before_ = more.empty() ? 0 : 10;  // rolled back
    const Checked done = run("target", arguments);
    expect_failure(done, 0, {"record 3, line 3", "more than 2 new chunks"});
  }
}

}  // namespace
}  // namespace hypercopy::test
