// `hypercopy inspect`: the page and its JSON for inputs and targets of every kind, and what stands in a load's way.
#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "hypercopy/load.hpp"
#include "support/expect.hpp"
#include "support/role.hpp"
#include "support/server.hpp"

namespace hypercopy::test {
namespace {

using Json = nlohmann::json;
using Texts = std::vector<std::string>;

class Inspect : public ServerTest {
 protected:
  void SetUp() override {
    ServerTest::SetUp();
    if (!IsSkipped()) server().execute("SET timezone = 'UTC'");
  }

  [[nodiscard]] Outcome inspect(Texts arguments, RunOptions options = {}) const {
    arguments.insert(arguments.begin(), {"inspect", "-w", "-d", dsn()});
    options.environment.emplace("PGTZ", "UTC");
    return run_program(arguments, std::move(options));
  }
  [[nodiscard]] Json inspect_json(Texts arguments, int exit_code = 0, RunOptions options = {}) const {
    arguments.emplace_back("--json");
    const Outcome run = inspect(std::move(arguments), std::move(options));
    EXPECT_EQ(run.exit_code, exit_code) << run.err << run.out;
    return Json::parse(run.out, nullptr, false);
  }
  // One record per hour from 2024-01-01 on.
  static std::string hours(int count) {
    std::string input;
    for (int hour = 0; hour < count; ++hour) {
      input +=
          fmt::format("2024-01-{:02} {:02}:00:00+00,{},\"d,{}\"\n", 1 + hour / 24, hour % 24, hour, hour % 3);
    }
    return input;
  }
};

// Lines may be broken anywhere, and labels are padded.
std::string one_line(std::string_view text) {
  std::string flat;
  for (const char byte : text) {
    const char shown = byte == '\n' ? ' ' : byte;
    if (shown != ' ' || flat.empty() || flat.back() != ' ') flat += shown;
  }
  return flat;
}

void expect_line(const Outcome& run, std::string_view line) {
  EXPECT_NE(one_line(run.out).find(one_line(line)), std::string::npos) << "no \"" << line << "\" in\n"
                                                                       << run.out << run.err;
}

// A page that people read: no line is too wide, none ends in blanks, but for the command.
void expect_tidy(const std::string& page) {
  const std::string body = page.substr(0, page.find("\nCommand\n"));
  std::size_t begin = 0;
  while (begin < body.size()) {
    const std::size_t end = std::min(body.find('\n', begin), body.size());
    const std::string line = body.substr(begin, end - begin);
    EXPECT_LE(line.size(), 80U) << line;
    EXPECT_FALSE(line.ends_with(' ')) << line;
    begin = end + 1;
  }
}

TEST_F(Inspect, AHypertable) {
  if (!has_timescale()) GTEST_SKIP() << "the server has no TimescaleDB";
  server().execute(
      "CREATE TABLE h (at timestamptz NOT NULL, n int, device text);"
      "SELECT create_hypertable('h', by_range('at', interval '6 hours')); CREATE INDEX h_device ON h "
      "(device);"
      "ALTER TABLE h SET (timescaledb.compress, timescaledb.compress_segmentby = 'device');"
      "INSERT INTO h VALUES ('2024-01-01 01:00+00', 1, 'x'), ('2024-01-02 01:00+00', 1, 'x'), ('2030-01-01', "
      "1, 'x');"
      "SELECT compress_chunk(c) FROM (SELECT c FROM show_chunks('h') c ORDER BY c LIMIT 1) c");
  const std::string file = folder_.file("in.csv", hours(48));
  const Outcome page = inspect({"-t", "h", file});
  EXPECT_EQ(page.exit_code, 0) << page.err;
  EXPECT_EQ(page.err, "");
  expect_tidy(page.out);
  expect_line(page, "Input  " + file + "\n  records        48 (");
  expect_line(page, "  dialect        CSV, 3 fields, LF, no header\n");
  expect_line(page, "  time           2024-01-01 00:00:00+00 to 2024-01-02 23:00:00+00 (at)\n");
  expect_line(page, "  order          by time\n");
  expect_line(page, "  columns        3, all sent as COPY BINARY\n");
  expect_line(page, "  chunks         3 of 6 hours, 1 compressed\n");
  expect_line(page, "  this load      6 new, 2 existing (12 records), 1 of them compressed (6 records)\n");
  expect_line(page, "  columnstore    on, segment by device");
  expect_line(page, "h_device btree (device)");
  expect_line(page, "  - records for compressed chunks");
  expect_line(page, "Command\n  hypercopy load -d ");
  expect_line(page, " -t h --after compress " + file + "\n");
  const Json json = inspect_json({"-t", "h", file});
  EXPECT_EQ(json["input"]["records"], 48);
  EXPECT_EQ(json["input"]["time"]["order"], "ascending");
  ASSERT_EQ(json["input"]["time"]["ranges"].size(), 8U);
  EXPECT_EQ(json["input"]["time"]["ranges"][7]["records"], 6);
  EXPECT_EQ(json["input"]["time"]["ranges"][7]["first"]["record"], 43);
  EXPECT_EQ(json["input"]["time"]["ranges"][7]["begin"], "2024-01-02 18:00:00+00");
  EXPECT_EQ(json["target"]["kind"], "hypertable");
  EXPECT_EQ(json["target"]["hypertable"]["load"]["new_ranges"], 6);
  EXPECT_EQ(json["target"]["hypertable"]["load"]["compressed_records"], 6);
  EXPECT_EQ(json["target"]["hypertable"]["columnstore"]["segment_by"], Json({"device"}));
  EXPECT_EQ(json["problems"], Json::array());
  EXPECT_GT(json["server"]["free_connections"], 0);
}

// The forecast is what then happens, whatever the type of the time.
TEST_F(Inspect, TheForecastIsWhatTheLoadDoes) {
  if (!has_timescale()) GTEST_SKIP() << "the server has no TimescaleDB";
  struct Case {
    const char* type;
    const char* interval;
    std::string values;
  };
  std::string numbers;
  std::string uuids;
  for (int number = 0; number < 400; ++number) {
    numbers += fmt::format("{}\n", number * 7919 % 3001 - 1500);
    uuids += fmt::format("{:08x}-{:04x}-7abc-8000-00000000{:04x}\n", 0x18cc251 + number / 3,
                         number * 131 % 65536, number);
  }
  const auto spelled = [&](const char* expression) {
    return server().value(fmt::format(
        "SELECT string_agg(({})::text || E'\\n', '') FROM (SELECT n * 7919 % 3001 - 1500 AS n FROM "
        "generate_series(1, 400) AS n) AS v",
        expression));
  };
  const std::string moments = spelled("timestamptz '1970-01-01 00:00+00' + n * interval '1 h 7 s'");
  const std::string local_moments = spelled("timestamp '1970-01-01 00:00' + n * interval '1 h 7 s'");
  const std::string days = spelled("date '1970-01-01' + n");
  const Case cases[] = {{"timestamptz", "interval '5 hours'", moments},
                        {"timestamp", "interval '7 days'", local_moments},
                        {"date", "interval '3 days'", days},
                        {"smallint", "7", numbers},
                        {"bigint", "100", numbers},
                        {"uuid", "interval '1 hour'", uuids}};
  for (const auto& wanted : cases) {
    SCOPED_TRACE(wanted.type);
    server().execute(
        fmt::format("CREATE TABLE h (at {} NOT NULL); SELECT create_hypertable('h', by_range('at', {}))",
                    wanted.type, wanted.interval));
    const std::string file = folder_.file("in.csv", wanted.values);
    const Json json = inspect_json({"-t", "h", file});
    expect_loaded(load({"-t", "h", file}), 400);
    EXPECT_EQ(
        fmt::format("{}", json["target"]["hypertable"]["load"]["new_ranges"].get<int>()),
        server().value(fmt::format(
            "SELECT count(*) FROM timescaledb_information.chunks WHERE hypertable_schema = '{}'", schema())));
    int checked = 0;
    for (const auto& range : json["input"]["time"]["ranges"]) {
      if (std::string_view(wanted.type) == "uuid" || ++checked > 8) break;
      const std::string begin = range["begin"].get<std::string>();
      const std::string end = range["end"].get<std::string>();
      EXPECT_EQ(
          server().value(fmt::format("SELECT count(*) FROM h WHERE at >= '{}' AND at < '{}'", begin, end)),
          fmt::format("{}", range["records"].get<int>()));
    }
    const Json after = inspect_json({"-t", "h", file});
    EXPECT_EQ(after["target"]["hypertable"]["load"]["new_ranges"], 0);
    EXPECT_EQ(after["target"]["hypertable"]["load"]["existing_records"], 400);
    server().execute("DROP TABLE h");
  }
}

TEST_F(Inspect, ARecordWithoutATimeIsAProblemForAHypertable) {
  if (!has_timescale()) GTEST_SKIP() << "the server has no TimescaleDB";
  server().execute("CREATE TABLE h (at timestamptz NOT NULL, n int); SELECT create_hypertable('h', 'at')");
  const std::string file = folder_.file("in.csv", "2024-01-01 00:00+00,1\n,2\n2024-01-01 00:00+00,3,4\n");
  const Outcome page = inspect({"-t", "h", file});
  EXPECT_EQ(page.exit_code, 1);
  expect_line(page, "Problems\n");
  expect_line(page, "1 record without a time");
  expect_line(page, "record 2, line 2");
  expect_line(page, "1 record with another number of fields than the 2");
}

TEST_F(Inspect, APlainTableWithAHeaderNobodyMentioned) {
  server().execute(
      "CREATE TABLE other (id int PRIMARY KEY); CREATE TABLE t (at timestamp, n int REFERENCES other, device "
      "text, g "
      "tsvector);"
      "CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';"
      "CREATE TRIGGER look BEFORE INSERT ON t FOR EACH ROW EXECUTE FUNCTION f()");
  const std::string file = folder_.file(
      "in.csv", "device;at;n\nx;2024-01-02 00:00;1\ny;2024-01-01 12:30;2\nz;2024-01-03 00:00;2\n");
  const Outcome page = inspect({"-t", "t", file});
  EXPECT_EQ(page.exit_code, 0) << page.err << page.out;
  expect_tidy(page.out);
  expect_line(page, "  dialect        CSV, 3 fields, delimiter ;, LF, header\n");
  expect_line(page, "  time           2024-01-01 12:30:00 to 2024-01-03 00:00:00 (at)\n");
  expect_line(page,
              "  order          not by time: 1 record (33 %) step back, up to 11 h 30 min behind the latest "
              "before\n");
  expect_line(page, "Target  table ");
  expect_line(page, "  triggers       look (before each row)\n");
  expect_line(page, " to other");
  expect_line(page, " --delimiter ';' --header " + file + "\n");
  const Json json = inspect_json({"-t", "t", file});
  EXPECT_EQ(json["input"]["header"], "match");
  EXPECT_TRUE(json["input"]["header_found"].get<bool>());
  EXPECT_EQ(json["target"]["hypertable"], nullptr);
  EXPECT_EQ(json["target"]["triggers"][0]["name"], "look");
  // What it recommends works.
  server().execute("INSERT INTO other VALUES (1), (2)");
  expect_loaded(load({"-t", "t", "--delimiter", ";", "--header", file}), 3);
}

TEST_F(Inspect, ColumnsThatAreNotForTheBinaryWire) {
  server().execute("CREATE TABLE t (n int, g tsvector)");
  const Outcome page = inspect({"-t", "t", folder_.file("in.csv", "1,a b\n")});
  EXPECT_EQ(page.exit_code, 0) << page.err;
  expect_line(page, "  columns        2; not for COPY BINARY: g tsvector\n");
  expect_line(page, "column g of type tsvector has no encoder");
}

TEST_F(Inspect, ANativelyPartitionedTable) {
  server().execute(
      "CREATE TABLE t (at date NOT NULL, n int) PARTITION BY RANGE (at);"
      "CREATE TABLE t1 PARTITION OF t FOR VALUES FROM ('2024-01-01') TO ('2024-02-01')");
  const std::string file = folder_.file("in.csv", "2024-01-31,1\n2024-02-01,2\n");
  const Outcome page = inspect({"-t", "t", file});
  EXPECT_EQ(page.exit_code, 1);
  expect_line(page, "Target  partitioned table ");
  expect_line(page, "  partitions     1 by RANGE (at)\n");
  expect_line(page, "there is no partition for at 2024-02-01\n");
  server().execute("CREATE TABLE rest PARTITION OF t DEFAULT");
  const Json json = inspect_json({"-t", "t", file});
  EXPECT_TRUE(json["target"]["partitions"]["has_default"].get<bool>());
  EXPECT_EQ(json["target"]["partitions"]["without_partition"], Json::array());
}

TEST_F(Inspect, ATableAlone) {
  server().execute("CREATE TABLE t (n int)");
  const Outcome page = inspect({"-t", "t"});
  EXPECT_EQ(page.exit_code, 0) << page.err;
  EXPECT_TRUE(page.out.starts_with("Target  table ")) << page.out;
  EXPECT_EQ(page.out.find("Command"), std::string::npos);
  EXPECT_EQ(inspect_json({"-t", "t"})["input"], nullptr);
}

TEST_F(Inspect, AFileAlone) {
  const std::string file = folder_.file("in.csv", "when,n,name\n" + hours(30));
  const Outcome page = run_program({"inspect", file});
  EXPECT_EQ(page.exit_code, 0) << page.err;
  expect_tidy(page.out);
  expect_line(page, "  records        30 (");
  expect_line(page, "  columns        when timestamptz, n bigint, name text\n");
  expect_line(page, "  time           2024-01-01 00:00:00+00 to 2024-01-02 05:00:00+00 (when)\n");
  const Outcome limited = run_program({"inspect", "--limit", "7", file});
  expect_line(limited, "  records        the first 7 (");
}

TEST_F(Inspect, StandardInput) {
  server().execute("CREATE TABLE t (at timestamptz, n int, device text)");
  const Json json = inspect_json({"-t", "t", "-"}, 0, {.stdin_bytes = hours(10)});
  EXPECT_EQ(json["input"]["records"], 10);
  EXPECT_EQ(json["input"]["time"]["records"], 10);
}

TEST_F(Inspect, ErrorsAreThoseOfTheLoad) {
  server().execute("CREATE TABLE t (n int)");
  const std::string good = folder_.file("good.csv", "1\n");
  struct Case {
    const char* name;
    Texts arguments;
    int exit_code;
    const char* says;
  };
  const Case cases[] = {
      {"no file", {"-t", "t", folder_.path() + "/none.csv"}, 1, "none.csv"},
      {"no table", {"-t", "nothere", good}, 1, "there is no table nothere"},
      {"nothing to look at", {}, 2, "name a file, a table (-t), or both"},
      {"an open quote", {"-t", "t", folder_.file("open.csv", "1\n\"2\n")}, 1, "line 2"},
      {"gzip", {"-t", "t", folder_.file("x.gz", "\x1f\x8b\x08 and so on\n")}, 1, "gzip"},
      {"an unknown column", {"-t", "t", "--columns", "m", good}, 1, "\"m\""},
      {"an unknown option", {"-t", "t", "--truncate", good}, 2, "--truncate"},
  };
  for (const auto& wrong : cases) {
    SCOPED_TRACE(wrong.name);
    const Outcome run = inspect(wrong.arguments);
    EXPECT_EQ(run.exit_code, wrong.exit_code) << run.err;
    EXPECT_EQ(run.out, "");
    EXPECT_TRUE(says(run, wrong.says)) << run.err;
  }
}

TEST_F(Inspect, AnEmptyFile) {
  server().execute("CREATE TABLE t (at timestamptz)");
  const Outcome page = inspect({"-t", "t", folder_.file("empty.csv", "")});
  EXPECT_EQ(page.exit_code, 0) << page.err;
  expect_line(page, "  records        0 (0 bytes)\n");
}

TEST_F(Inspect, TimesWithoutOffsetUnderAnotherTimeZone) {
  server().execute("CREATE TABLE t (at timestamptz)");
  const std::string file = folder_.file("in.csv", "2024-01-01 00:00\n");
  const Outcome page = inspect({"-t", "t", file}, {.environment = {{"PGTZ", "Europe/Berlin"}}});
  EXPECT_EQ(page.exit_code, 0) << page.err;
  expect_line(page, "TimeZone Europe/Berlin");
}

TEST_F(Inspect, ARoleWithOneConnection) {
  server().execute("CREATE TABLE t (n int)");
  const TestRole role(server(), schema(), {"CONNECTION LIMIT 1"});
  const Outcome page = run_program(
      {"inspect", "-w", "-d", dsn() + " user=" + role.name(), "-t", "t", folder_.file("in.csv", "1\n")});
  EXPECT_EQ(page.exit_code, 0) << page.err << page.out;
  expect_line(page, "  connections    1 of ");
  if (default_jobs() > 1) expect_line(page, " -j 1 ");
}

// What the command recommends, the load takes.
TEST_F(Inspect, TheCommandHasWhatPays) {
  if (!has_timescale()) GTEST_SKIP() << "the server has no TimescaleDB";
  server().execute(
      "CREATE TABLE h (at timestamptz NOT NULL, a int, b text); SELECT create_hypertable('h', 'at');"
      "CREATE INDEX h_a ON h (a); SELECT add_retention_policy('h', interval '900 years', initial_start => "
      "'2100-01-01')");
  server().execute(
      "CREATE MATERIALIZED VIEW daily WITH (timescaledb.continuous) AS SELECT time_bucket('1 day', at) AS "
      "at, count(*) "
      "FROM h GROUP BY 1 WITH NO DATA");
  const std::string file = folder_.file(
      "in.csv", server().copy_out("COPY (SELECT timestamptz '2024-01-01' + n * interval '1 s', n, 'x' FROM "
                                  "generate_series(1, 100000) n) TO STDOUT (FORMAT csv)"));
  const Json json = inspect_json({"-t", "h", file});
  EXPECT_EQ(json["target"]["options"]["defer_indexes"], Json({{"accepted", true}, {"refused", nullptr}}));
  EXPECT_EQ(json["target"]["options"]["after_refresh"], Json({{"accepted", true}, {"refused", nullptr}}));
  const std::string command = json["command"];
  EXPECT_NE(command.find(" --pause-jobs --defer-indexes --after refresh "), std::string::npos) << command;
  const Outcome page = inspect({"-t", "h", file});
  expect_tidy(page.out);
  expect_line(
      page, "2 secondary indexes are kept up to date row by row (h_a, h_at_idx): --defer-indexes drops them");
  expect_line(
      page,
      "below the watermark of daily is not seen in it before it is refreshed: --after refresh does that");
  const Outcome run = run_program(
      {"-c", program_path() + command.substr(std::string_view("hypercopy").size())}, {.program = "/bin/sh"});
  EXPECT_EQ(run.exit_code, 0) << run.err;
  EXPECT_EQ(run.out, "COPY 100000\n");
  // A few records are not worth it.
  const Json few = inspect_json({"-t", "h", folder_.file("few.csv", "2024-01-01 00:00:00+00,1,x\n")});
  EXPECT_EQ(std::string(few["command"]).find("--defer-indexes"), std::string::npos) << few["command"];
}

TEST_F(Inspect, WhatTheLoadWouldRefuseIsNotRecommended) {
  if (!has_timescale()) GTEST_SKIP() << "the server has no TimescaleDB";
  server().execute(
      "CREATE TABLE h (at timestamptz NOT NULL, a int, b text); SELECT create_hypertable('h', 'at');"
      "CREATE INDEX h_a ON h (a)");
  server().execute(
      "CREATE MATERIALIZED VIEW daily WITH (timescaledb.continuous) AS SELECT time_bucket('1 day', at) AS "
      "at, count(*) "
      "FROM h GROUP BY 1 WITH NO DATA");
  const std::string file = folder_.file(
      "in.csv", server().copy_out("COPY (SELECT timestamptz '2024-01-01' + n * interval '1 s', n, 'x' FROM "
                                  "generate_series(1, 100000) n) TO STDOUT (FORMAT csv)"));
  const TestRole role(server(), schema(), {});
  const Outcome run =
      run_program({"inspect", "-w", "-d", dsn() + " user=" + role.name(), "-t", "h", "--json", file});
  EXPECT_EQ(run.exit_code, 0) << run.err << run.out;
  const Json json = Json::parse(run.out);
  EXPECT_EQ(json["target"]["options"]["defer_indexes"]["accepted"], false);
  EXPECT_EQ(json["target"]["options"]["after_refresh"]["accepted"], false);
  const std::string command = json["command"];
  EXPECT_EQ(command.find("--defer-indexes"), std::string::npos) << command;
  EXPECT_EQ(command.find("--after"), std::string::npos) << command;
  EXPECT_NE(json["notes"].dump().find("only its owner"), std::string::npos) << json["notes"];
  EXPECT_NE(json["notes"].dump().find("--after refresh is not possible"), std::string::npos) << json["notes"];
  server().execute("CREATE TABLE plain (a int)");
  EXPECT_TRUE(
      inspect_json({"-t", "plain", folder_.file("p.csv", "1\n")})["target"]["options"]["defer_indexes"]
          .is_null());
}

}  // namespace
}  // namespace hypercopy::test
