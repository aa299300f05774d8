// --wire: what goes as COPY BINARY gives the same rows as CSV, what cannot is given up batch by batch, and errors are
// those of the server's CSV reader.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include <fstream>

#include "support/server.hpp"

namespace hypercopy::test {
namespace {

class WireTest : public ServerTest {
 protected:
  struct Loaded {
    Outcome run;
    std::uint64_t binary = 0;    // batches
    std::uint64_t given_up = 0;  // batches
  };

  // Loads `input` into `table` with more arguments; the report tells what was sent how.
  [[nodiscard]] Loaded load_into(const std::string& table, const std::string& input,
                                 std::vector<std::string> more) const {
    const std::string report = folder_.path() + "/report.json";
    std::vector<std::string> arguments{"-t", table, "--report", report, folder_.file("input.csv", input)};
    arguments.insert(arguments.end(), more.begin(), more.end());
    Loaded loaded{.run = load(arguments)};
    const auto json = nlohmann::json::parse(std::ifstream(report));
    loaded.binary = json.at("batches_binary");
    loaded.given_up = json.at("batches_given_up");
    return loaded;
  }

  // The same input by one COPY into `judge` and by every wire into `loaded`, which must have the columns of `judge`.
  void expect_same(const std::string& input, const std::string& copy_options, std::vector<std::string> more) {
    server().execute("TRUNCATE judge");
    const CopyOutcome judge =
        server().copy(fmt::format("COPY judge FROM STDIN WITH (FORMAT csv{})", copy_options), input);
    ASSERT_TRUE(judge.rows) << judge.message;
    const auto expected = server().rows_as_text("judge");
    for (const char* wire : {"csv", "auto", "binary"}) {
      server().execute("TRUNCATE loaded");
      std::vector<std::string> arguments = more;
      arguments.insert(arguments.end(), {"--wire", wire});
      const Loaded loaded = load_into("loaded", input, arguments);
      ASSERT_EQ(loaded.run.exit_code, 0) << wire << ": " << loaded.run.err;
      EXPECT_EQ(server().rows_as_text("loaded"), expected) << wire;
      EXPECT_EQ(loaded.given_up, 0U) << wire;
      EXPECT_EQ(loaded.binary > 0, std::string(wire) != "csv");
    }
  }

  void make_tables(const std::string& columns) {
    server().execute(fmt::format("CREATE TABLE judge ({0}); CREATE TABLE loaded ({0})", columns));
  }
};

TEST_F(WireTest, EveryTypeWithAnEncoderGivesTheSameRows) {
  server().execute(
      "CREATE TYPE mood AS ENUM ('sad', 'ok', 'happy, really'); CREATE DOMAIN positive AS int CHECK (VALUE > "
      "0);"
      "CREATE DOMAIN more_positive AS positive");
  make_tables(
      "a int2, b int4, c int8, d float4, e float8, f numeric, g numeric(10,2), h bool, i text, j "
      "varchar(10), k char(5), "
      "l mood, m timestamptz, n timestamp(3), o date, p time, q timetz, r interval, s uuid, t bytea, u json, "
      "v jsonb, "
      "w inet, x cidr, y macaddr, z oid, aa name, ab int[], ac text[], ad mood[], ae more_positive, af "
      "timestamptz[]");
  const std::string row =
      "-1,2147483647,-9223372036854775808,1.5,-0,123456789012345678901234567890.000100,1.005,t,\"a "
      "\"\"b\"\", c\",abc,ab,"
      "\"happy, really\",2024-02-29 12:34:56.789+05:30,2024-02-29 "
      "12:34:56.7891,0001-01-01,23:59:59.999999,10:00:00+02,"
      "\"1 year 2 mons -3 days 04:05:06.7\",a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11,\\x00ff,\"{\"\"a\"\": 1 }\","
      "\"{\"\"b\"\": [1, 2 ]}\",192.168.0.1/24,10.0.0.0/8,08:00:2b:01:02:03,4294967295,a "
      "name,\"{1,NULL,-3}\","
      "\"{\"\"x y\"\",NULL,\"\"NULL\"\",\"\"q\\\"\"\"\"}\",\"{sad,ok}\",7,\"{\"\"2024-01-01 "
      "00:00:00+00\"\"}\"\n";
  const std::string nulls(31, ',');
  expect_same(row + nulls + "\n" + row, "", {"-j", "1"});
}

TEST_F(WireTest, NullRulesAreThoseOfTheServer) {
  make_tables("a text, b text, c text, d int");
  const std::string input = "NA,\"NA\",,1\n\"NA\",NA,\"\",2\n,\"\",NA,NA\nx,y,z,\n";
  // An int column cannot hold the empty string: the last record is for text columns only.
  const std::string good = input.substr(0, input.find("x,y,z"));
  expect_same(good, ", NULL 'NA', FORCE_NULL (a), FORCE_NOT_NULL (c)",
              {"--null", "NA", "--force-null", "a", "--force-not-null", "c"});
  expect_same("NA,\"NA\",,1\n,,,\n\"\",\"\",\"\",2\n", "", {});
  expect_same("NA,\"\",,1\n,,,\n\"\",\"\",\"\",2\n", ", FORCE_NULL (a, b)", {"--force-null", "a,b"});
}

TEST_F(WireTest, DialectsAreReadAsOneCopyReadsThem) {
  make_tables("a int, b text");
  expect_same("1;'x''y;'\r\n2;mid'q;'dle\r\n3;'a\r\nb'", ", DELIMITER ';', QUOTE ''''",
              {"--delimiter", ";", "--quote", "'"});
  expect_same("1,\"x\\\"y\\\\\"\n2,\"\\n\"\n", ", ESCAPE E'\\\\'", {"--escape", "\\"});
}

TEST_F(WireTest, ABatchWithAnotherSpellingIsGivenUpAndTheRestIsNot) {
  make_tables("id int, day date");
  std::string input;
  for (int id = 0; id < 100; ++id) input += fmt::format("{},2024-01-{:02}\n", id, id % 28 + 1);
  input += "100,Jan 5 2024\n";
  ASSERT_TRUE(server().copy("COPY judge FROM STDIN WITH (FORMAT csv)", input).rows);
  const Loaded loaded = load_into("loaded", input, {"-j", "1", "--batch-rows", "20", "-v"});
  EXPECT_EQ(loaded.run.exit_code, 0) << loaded.run.err;
  EXPECT_EQ(loaded.binary, 5U);
  EXPECT_EQ(loaded.given_up, 1U);
  EXPECT_NE(loaded.run.err.find("a value of column day in"), std::string::npos) << loaded.run.err;
  EXPECT_EQ(server().rows_as_text("loaded"), server().rows_as_text("judge"));
}

TEST_F(WireTest, ARunStopsTryingWhenMostBatchesAreGivenUp) {
  make_tables("id int, day date");
  std::string input;
  for (int id = 0; id < 30; ++id) input += fmt::format("{},Jan {} 2024\n", id, id % 28 + 1);
  const Loaded loaded = load_into("loaded", input, {"-j", "1", "--batch-rows", "1"});
  EXPECT_EQ(loaded.run.exit_code, 0) << loaded.run.err;
  EXPECT_EQ(loaded.binary, 0U);
  EXPECT_EQ(loaded.given_up, 8U);
  EXPECT_NE(loaded.run.err.find("the rest is sent as CSV"), std::string::npos) << loaded.run.err;
  EXPECT_EQ(count("loaded"), 30U);
}

TEST_F(WireTest, WhatTheServerRefusesInBinaryHasTheWordsOfItsCsvReader) {
  server().execute("CREATE TABLE loaded (id int PRIMARY KEY, v varchar(3), CHECK (id <> 7))");
  for (const auto& [bad, sqlstate] :
       std::vector<std::pair<std::string, std::string>>{{"5,toolong", "22001"},
                                                        {"7,ok", "23514"},
                                                        {"1,dup", "23505"},
                                                        {"x,ok", "22P02"},
                                                        {"5,ok,more", "22P04"}}) {
    server().execute("TRUNCATE loaded");
    const Loaded loaded = load_into("loaded", "1,a\n2,b\n" + bad + "\n", {"-j", "1"});
    EXPECT_EQ(loaded.run.exit_code, 1) << bad;
    EXPECT_NE(loaded.run.err.find("SQLSTATE: " + sqlstate), std::string::npos) << loaded.run.err;
    EXPECT_NE(loaded.run.err.find("record 3, line 3, byte 8"), std::string::npos) << loaded.run.err;
    EXPECT_EQ(count("loaded"), 0U);
  }
}

TEST_F(WireTest, BinaryOnlyNamesTheFirstValueThatCannotBeEncoded) {
  make_tables("id int, day date");
  const Loaded loaded = load_into("loaded", "1,2024-01-01\n2,yesterday\n", {"--wire", "binary"});
  EXPECT_EQ(loaded.run.exit_code, 1);
  EXPECT_NE(loaded.run.err.find("record 2, line 2, byte 13"), std::string::npos) << loaded.run.err;
  EXPECT_NE(loaded.run.err.find("column: day"), std::string::npos) << loaded.run.err;
  EXPECT_EQ(count("loaded"), 0U);
}

TEST_F(WireTest, AColumnWithoutEncoderSendsTheTableAsCsvAndMinusVSaysWhich) {
  make_tables("id int, p point");
  const Loaded loaded = load_into("loaded", "1,\"(1,2)\"\n", {"-v"});
  EXPECT_EQ(loaded.run.exit_code, 0) << loaded.run.err;
  EXPECT_EQ(loaded.binary, 0U);
  EXPECT_NE(loaded.run.err.find("column p of type point has no encoder"), std::string::npos)
      << loaded.run.err;
  const Outcome demanded = load({"-t", "loaded", "--wire", "binary", folder_.file("p.csv", "1,\"(1,2)\"\n")});
  EXPECT_EQ(demanded.exit_code, 2);
}

TEST_F(WireTest, GeneratedColumnsOfABackupAreLeftOut) {
  server().execute("CREATE TABLE loaded (a int, double int GENERATED ALWAYS AS (a * 2) STORED, b text)");
  const Loaded loaded =
      load_into("loaded", "b,double,a\n\"x\ny\",2,1\nz,4,2\n", {"--header", "--wire", "binary"});
  EXPECT_EQ(loaded.run.exit_code, 0) << loaded.run.err;
  EXPECT_EQ(server().rows_as_text("loaded"), (std::vector<std::string>{"(1,2,\"x\ny\")", "(2,4,z)"}));
}

// A timestamptz without offset is an instant only where the zone is known.
TEST_F(WireTest, ZonesDecideWhatATimestampWithoutOffsetMeans) {
  make_tables("t timestamptz");
  for (const char* zone : {"UTC", "Europe/Berlin", "America/New_York"}) {
    server().execute(fmt::format("TRUNCATE judge, loaded; SET TimeZone = '{}'", zone));
    const std::string input = "2024-07-01 12:00:00\n2024-01-01 12:00:00+00\n";
    ASSERT_TRUE(server().copy("COPY judge FROM STDIN WITH (FORMAT csv)", input).rows);
    const std::string file = folder_.file("zone.csv", input);
    const Outcome run = load({"-t", "loaded", file}, {.environment = {{"PGTZ", zone}}});
    ASSERT_EQ(run.exit_code, 0) << run.err;
    EXPECT_EQ(server().rows_as_text("loaded"), server().rows_as_text("judge")) << zone;
  }
}

TEST_F(WireTest, ArrayNullsIsTheSessions) {
  make_tables("a text[]");
  server().execute("SET array_nulls = off");
  ASSERT_TRUE(server().copy("COPY judge FROM STDIN WITH (FORMAT csv)", "\"{NULL,x}\"\n").rows);
  const std::string file = folder_.file("nulls.csv", "\"{NULL,x}\"\n");
  const Outcome run = run_program({"load", "-w", "-d",
                                   fmt::format("{} options='-c search_path={} -c array_nulls=off'",
                                               std::getenv("HYPERCOPY_TEST_DSN"), schema()),
                                   "-t", "loaded", file});
  ASSERT_EQ(run.exit_code, 0) << run.err;
  EXPECT_EQ(server().rows_as_text("loaded"), server().rows_as_text("judge"));
}

TEST_F(WireTest, HypertablesTakeCopyBinary) {
  if (!has_timescale()) GTEST_SKIP() << "the server has no TimescaleDB";
  make_tables("time timestamptz NOT NULL, v float8");
  server().execute(
      "SELECT public.create_hypertable('loaded', 'time', chunk_time_interval => interval '1 hour')");
  std::string input;
  for (int hour = 0; hour < 24; ++hour) input += fmt::format("2024-01-01 {:02}:30:00+00,{}.25\n", hour, hour);
  expect_same(input, "", {"--batch-rows", "5"});
}

}  // namespace
}  // namespace hypercopy::test
