// The link named timescaledb-parallel-copy on a real server: one argv per flag (docs/parallel_copy.md). Where
// HYPERCOPY_PEER names the tool itself, the same argv goes through it, and exit code, result and rows are
// equal.
#include <gtest/gtest.h>

#include <cstdlib>
#include <regex>

#include "support/expect.hpp"
#include "support/server.hpp"

namespace hypercopy::test {
namespace {

using Texts = std::vector<std::string>;

// Whether the tool that is replaced does the same; each difference stands in docs/parallel_copy.md.
enum class Peer : std::uint8_t { same, differs };

struct FlagCase {
  const char* name;
  Texts arguments;    // behind -connection and -schema; FILE stands for the path of the input
  std::string input;  // also given as standard input
  int exit_code = 0;
  Texts rows{};  // in the table afterwards, of what was empty before
  Peer peer = Peer::same;
};

const std::string kTwo = "1,x\n2,y\n";
const Texts kTwoRows{"(1,x)", "(2,y)"};

const std::vector<FlagCase>& flags() {
  static const std::vector<FlagCase> all{
      {"file", {"-table", "t", "-file", "FILE"}, kTwo, 0, kTwoRows},
      {"standard_input", {"-table", "t"}, kTwo, 0, kTwoRows},
      {"file_dash_is_a_name", {"-table", "t", "-file", "-"}, kTwo, 1, {}},
      {"file_missing", {"-table", "t", "-file", "FILE.missing"}, kTwo, 1, {}},
      {"double_dash_and_equals", {"--table=t", "--file=FILE"}, kTwo, 0, kTwoRows},
      {"last_wins", {"-table", "nope", "-workers=9", "-table", "t", "-workers", "1"}, kTwo, 0, kTwoRows},
      {"stops_at_a_word", {"-table", "t", "-file", "FILE", "word", "-table", "nope"}, kTwo, 0, kTwoRows},
      {"bool_does_not_take_a_word",
       {"-table", "t", "-skip-header", "false", "-table", "u"},
       kTwo,
       0,
       {"(2,y)"}},
      {"bool_with_equals", {"-table", "t", "-skip-header=F"}, kTwo, 0, kTwoRows},
      {"unknown_flag", {"-table", "t", "-nope"}, kTwo, 2, {}},
      {"missing_value", {"-table"}, kTwo, 2, {}},
      {"bad_integer", {"-table", "t", "-workers", "x"}, kTwo, 2, {}},
      {"bad_duration", {"-table", "t", "-reporting-period", "5"}, kTwo, 2, {}},
      {"integers_of_go", {"-table", "t", "-workers", "0x2", "-batch-size", "5_000"}, kTwo, 0, kTwoRows},
      {"table_missing", {"-table", "nope"}, kTwo, 1, {}},
      {"table_case_counts", {"-table", "T"}, kTwo, 1, {}},
      {"db_name", {"-table", "t", "-db-name", "x"}, kTwo, 1, {}},
      {"truncate", {"-table", "t", "-truncate"}, kTwo, 0, kTwoRows},
      {"split", {"-table", "t", "-split", ";"}, "1;x\n2;y\n", 0, kTwoRows},
      {"split_tab", {"-table", "t", "-split", "\t"}, "1\tx\n2\ty\n", 0, kTwoRows},
      {"split_spelled_tab", {"-table", "t", "-split", "\\t"}, "1\tx\n2\ty\n", 0, kTwoRows, Peer::differs},
      {"split_two_bytes", {"-table", "t", "-split", "||"}, kTwo, 1, {}},
      {"quote", {"-table", "t", "-quote", "'"}, "1,'x,\nx'\n2,y\n", 0, {"(1,\"x,\nx\")", "(2,y)"}},
      {"escape", {"-table", "t", "-escape", "\\"}, "1,\"x\\\"\"\n2,y\n", 0, {"(1,\"x\"\"\")", "(2,y)"}},
      {"quote_two_bytes", {"-table", "t", "-quote", "''"}, kTwo, 1, {}},
      {"null", {"-table", "t", "-copy-options", "CSV NULL 'NULL'"}, "1,NULL\n2,\n", 0, {"(1,)", "(2,\"\")"}},
      {"force_null",
       {"-table", "t", "-copy-options", "CSV FORCE NULL b"},
       "1,\"\"\n2,y\n",
       0,
       {"(1,)", "(2,y)"}},
      {"where", {"-table", "t", "-copy-options", "CSV WHERE a > 1"}, kTwo, 0, {"(2,y)"}},
      {"text", {"-table", "t", "-copy-options", ""}, "1,x\\,\\n\n2,\\N\n", 0, {"(1,\"x,\n\")", "(2,)"}},
      {"text_of_tabs", {"-table", "t", "-copy-options", "", "-split", "\t"}, "1\tx\n2\ty\n", 0, kTwoRows},
      {"text_with_a_lone_quote",
       {"-table", "t", "-copy-options", "", "-batch-size", "1"},
       "1,\"\n2,y\n",
       0,
       {"(1,\"\"\"\")", "(2,y)"},
       Peer::differs},
      {"header_in_copy_options", {"-table", "t", "-copy-options", "CSV HEADER"}, kTwo, 1, {}},
      {"second_statement", {"-table", "t", "-copy-options", "CSV; DROP TABLE t"}, kTwo, 1, {}, Peer::differs},
      {"columns", {"-table", "t", "-columns", "b,a"}, "x,1\ny,2\n", 0, kTwoRows},
      {"column_mapping", {"-table", "t", "-column-mapping", "X:b,Y:a"}, "X,Y\nx,1\ny,2\n", 0, kTwoRows},
      {"column_mapping_json",
       {"-table", "t", "-column-mapping", R"({"X":"b","Y":"a"})"},
       "X,Y\nx,1\ny,2\n",
       0,
       kTwoRows},
      {"column_mapping_lacks_one", {"-table", "t", "-column-mapping", "X:b"}, "X,Y\nx,1\n", 1, {}},
      {"column_mapping_and_columns",
       {"-table", "t", "-column-mapping", "X:b", "-columns", "b"},
       "X\nx\n",
       1,
       {}},
      {"auto_column_mapping", {"-table", "t", "-auto-column-mapping"}, "b,a\nx,1\ny,2\n", 0, kTwoRows},
      {"auto_column_mapping_unknown", {"-table", "t", "-auto-column-mapping"}, "b,zz\nx,1\n", 1, {}},
      {"auto_and_skip_header", {"-table", "t", "-auto-column-mapping", "-skip-header"}, kTwo, 1, {}},
      {"skip_header", {"-table", "t", "-skip-header"}, "a,b\n" + kTwo, 0, kTwoRows},
      {"skip_header_over_two_lines",
       {"-table", "t", "-skip-header"},
       "\"a\nb\",c\n" + kTwo,
       0,
       kTwoRows,
       Peer::differs},
      {"skip_lines", {"-table", "t", "-skip-lines", "2"}, "x\n\n" + kTwo, 0, kTwoRows},
      {"skip_lines_and_header",
       {"-table", "t", "-skip-lines", "1", "-skip-header"},
       "x\na,b\n" + kTwo,
       0,
       kTwoRows},
      {"skip_lines_negative", {"-table", "t", "-skip-lines", "-1"}, kTwo, 0, kTwoRows},
      {"header_line_count", {"-table", "t", "-skip-header", "-header-line-count", "2"}, kTwo, 1, {}},
      {"limit", {"-table", "t", "-limit", "1"}, kTwo, 0, {"(1,x)"}},
      {"limit_of_nothing", {"-table", "t", "-limit", "0"}, kTwo, 0, kTwoRows},
      {"limit_negative", {"-table", "t", "-limit", "-1"}, kTwo, 1, {}},
      {"workers", {"-table", "t", "-workers", "4", "-batch-size", "1"}, kTwo, 0, kTwoRows},
      {"workers_none", {"-table", "t", "-workers", "0"}, kTwo, 1, {}},
      {"batch_size", {"-table", "t", "-batch-size", "1"}, kTwo, 0, kTwoRows},
      {"batch_size_negative", {"-table", "t", "-batch-size", "-1"}, kTwo, 1, {}},
      {"quoted_newlines",
       {"-table", "t", "-batch-size", "1", "-workers", "3"},
       "1,\"x\n\ny\"\n2,\"\"\"\n\"\n",
       0,
       {"(1,\"x\n\ny\")", "(2,\"\"\"\n\")"}},
      {"quoted_newlines_in_tiny_batches",
       {"-table", "t", "-batch-byte-size", "17"},
       "1,\"x\n\n12345678901234567890\ny\"\n2,y\n",
       0,
       {"(1,\"x\n\n12345678901234567890\ny\")", "(2,y)"},
       Peer::differs},
      {"batch_byte_size_too_small", {"-table", "t", "-batch-byte-size", "15"}, kTwo, 1, {}},
      {"buffer_byte_size", {"-table", "t", "-buffer-byte-size", "64"}, kTwo, 0, kTwoRows},
      {"buffer_byte_size_too_small", {"-table", "t", "-buffer-byte-size", "15"}, kTwo, 1, {}},
      {"bad_row", {"-table", "t"}, "1,x\nbad,y\n", 1, {}},
      {"skip_batch_errors",
       {"-table", "t", "-skip-batch-errors", "-batch-size", "1"},
       "1,x\nbad,y\n2,y\n",
       0,
       kTwoRows},
      {"windows_1252", {"-table", "t"}, "1,\x80\n2,\xE9\n", 0, {"(1,\xE2\x82\xAC)", "(2,\xC3\xA9)"}},
      {"windows_1252_only_its_batch",
       {"-table", "t", "-batch-size", "1"},
       "1,\xE9\n2,\xC3\xA9\n",
       0,
       {"(1,\xC3\xA9)", "(2,\xC3\xA9)"},
       Peer::differs},
      {"windows_1252_disabled", {"-table", "t", "-disable-windows-1252-handling"}, "1,\xE9\n", 1, {}},
      {"encoding",
       {"-table", "t", "-copy-options", "CSV ENCODING 'LATIN1'"},
       "1,\xE9\n2,y\n",
       0,
       {"(1,\xC3\xA9)", "(2,y)"}},
      {"disable_direct_compress", {"-table", "t", "-disable-direct-compress"}, kTwo, 0, kTwoRows},
      {"client_side_sorting", {"-table", "t", "-enable-client-side-sorting"}, kTwo, 1, {}},
      {"no_retry", {"-table", "t", "-no-retry", "-retry-timeout", "1m"}, kTwo, 0, kTwoRows},
      {"retry_timeout", {"-table", "t", "-retry-timeout", "1m"}, kTwo, 0, kTwoRows},
      {"on_conflict", {"-table", "t", "-on-conflict-do-nothing"}, kTwo, 0, kTwoRows},
      {"log_batches", {"-table", "t", "-log-batches"}, kTwo, 0, kTwoRows},
      {"empty_input", {"-table", "t"}, "", 0, {}},
      {"no_final_newline", {"-table", "t"}, "1,x\n2,y", 0, kTwoRows},
      {"crlf", {"-table", "t"}, "1,x\r\n2,y\r\n", 0, kTwoRows},
      {"version", {"-version", "-table", "t"}, kTwo, 0, {}},
  };
  return all;
}

std::string last_line(const std::string& text) {
  const std::string body = text.substr(0, text.find_last_not_of('\n') + 1);
  return body.substr(body.find_last_of('\n') + 1);
}

class DropIn : public ServerTest {
 protected:
  void SetUp() override {
    ServerTest::SetUp();
    if (!IsSkipped()) server().execute("CREATE TABLE t (a int, b text)");
  }
  // The same command line through the tool that is replaced.
  [[nodiscard]] Outcome peer(std::vector<std::string> arguments, RunOptions options) const {
    arguments.insert(arguments.begin(), {"-connection", dsn(), "-schema", schema()});
    options.program = std::getenv("HYPERCOPY_PEER");
    return run_program(arguments, std::move(options));
  }
  [[nodiscard]] Outcome run(Texts arguments, const std::string& input) const {
    arguments.insert(arguments.begin(), {"-table", "t"});
    return drop_in(std::move(arguments), {.stdin_bytes = input});
  }
  // The words with the input's path in the place of FILE.
  [[nodiscard]] Texts with_file(const FlagCase& test) const {
    const std::string path = folder_.file("in.csv", test.input);
    Texts words = test.arguments;
    for (auto& word : words) {
      if (const auto at = word.find("FILE"); at != std::string::npos) word.replace(at, 4, path);
    }
    return words;
  }
  // `hypertable`: NAME with a time column "at".
  void make_hypertable(const std::string& name) const {
    server().execute(fmt::format(
        "CREATE TABLE {0} (at timestamptz NOT NULL, a int); SELECT create_hypertable('{0}', 'at')", name));
  }
};

TEST_F(DropIn, EveryFlag) {
  for (const auto& test : flags()) {
    SCOPED_TRACE(test.name);
    server().execute("TRUNCATE t");
    const Outcome run = drop_in(with_file(test), {.stdin_bytes = test.input});
    EXPECT_FALSE(run.timed_out);
    EXPECT_EQ(run.exit_code, test.exit_code) << run.err;
    EXPECT_EQ(server().rows_as_text("t"), test.rows);
    if (test.exit_code != 0 || test.arguments.front() == "-version") {
      EXPECT_EQ(run.out, "");
      EXPECT_NE(run.err, "");
    } else {
      EXPECT_EQ(run.out, fmt::format("COPY {}\n", test.rows.size()));
    }
  }
}

TEST_F(DropIn, EveryFlagAsThePeer) {
  if (std::getenv("HYPERCOPY_PEER") == nullptr)
    GTEST_SKIP() << "HYPERCOPY_PEER does not name a timescaledb-parallel-copy to compare with";
  for (const auto& test : flags()) {
    if (test.peer == Peer::differs) continue;
    SCOPED_TRACE(test.name);
    server().execute("TRUNCATE t");
    const Outcome run = peer(with_file(test), {.stdin_bytes = test.input});
    EXPECT_EQ(run.exit_code, test.exit_code) << run.out << run.err;
    EXPECT_EQ(server().rows_as_text("t"), test.rows);
    if (test.exit_code == 0 && test.arguments.front() != "-version") {
      EXPECT_EQ(last_line(run.out), fmt::format("COPY {}", test.rows.size()));
    }
  }
}

TEST_F(DropIn, VerboseSaysHowLongItTook) {
  const Outcome run = this->run({"-verbose", "-workers", "2", "-batch-size", "1"}, kTwo);
  EXPECT_EQ(run.exit_code, 0) << run.err;
  const std::regex line(
      R"(COPY 2, took [0-9.µ]+[mns]* with 2 worker\(s\) \(mean rate [0-9]+\.[0-9]{6}/sec\)\n)");
  EXPECT_TRUE(std::regex_match(run.out, line)) << run.out;
}

TEST_F(DropIn, HelpAndVersionStandOnStderr) {
  for (const char* flag : {"-h", "-help", "--help"}) {
    const Outcome run = this->run({flag}, "");
    EXPECT_EQ(run.exit_code, 0);
    EXPECT_EQ(run.out, "");
    EXPECT_TRUE(says(run, "-skip-batch-errors")) << run.err;
  }
  const Outcome run = this->run({"-version"}, "");
  EXPECT_TRUE(std::regex_search(
      run.err, std::regex(R"(^\d{4}/\d\d/\d\d \d\d:\d\d:\d\d timescaledb-parallel-copy v0\.13)")))
      << run.err;
}

TEST_F(DropIn, AMappingThatTheHeaderLacksIsSaidOnly) {
  const Outcome run = this->run({"-column-mapping", "x:a,y:b,z:c"}, "y,x\nv,1\n");
  EXPECT_EQ(run.exit_code, 0) << run.err;
  EXPECT_NE(run.err.find("the header has no field \"z\""), std::string::npos) << run.err;
  EXPECT_EQ(server().rows_as_text("t"), Texts{"(1,v)"});
}

TEST_F(DropIn, SkippedBatchesAreSaid) {
  const Outcome run =
      this->run({"-skip-batch-errors", "-batch-size", "2"}, "1,x\n2,y\n3,z\nbad,z\n5,v\n6\n7,w\n");
  EXPECT_EQ(run.exit_code, 0) << run.err;
  EXPECT_EQ(run.out, "COPY 3\n");
  EXPECT_EQ(server().rows_as_text("t"), (Texts{"(1,x)", "(2,y)", "(7,w)"}));
  EXPECT_TRUE(says(run, "-skip-batch-errors: 4 rows were dropped, in batches that the server refused: 2"))
      << run.err;
  EXPECT_TRUE(says(run, "record 4, line 4")) << run.err;
}

TEST_F(DropIn, WhatEndsTheRunIsNotSkipped) {
  server().execute("DROP TABLE t; CREATE TABLE t (a int, b text); REVOKE ALL ON t FROM PUBLIC");
  const Outcome missing = drop_in({"-table", "nope", "-skip-batch-errors"}, {.stdin_bytes = kTwo});
  EXPECT_EQ(missing.exit_code, 1) << missing.err;
  EXPECT_EQ(missing.out, "");
}

TEST_F(DropIn, ReportingPeriodPrintsLines) {
  const Outcome run = this->run({"-reporting-period", "1s"}, kTwo);
  EXPECT_EQ(run.exit_code, 0) << run.err;
  const std::regex line(
      R"(\d{4}/\d\d/\d\d \d\d:\d\d:\d\d \(\d+s\), row rate [0-9.]+/sec \(period\), row rate [0-9.]+/sec \(overall\), 2 inserted rows, 0 skipped rows, 2 total rows\n)");
  EXPECT_TRUE(std::regex_search(run.err, line)) << run.err;
  EXPECT_TRUE(says(run, "There will be reports every 1s")) << run.err;
  EXPECT_FALSE(says(this->run({}, kTwo), "row rate"));
}

TEST_F(DropIn, LogBatchesNeedsVerbose) {
  EXPECT_FALSE(says(this->run({"-log-batches"}, kTwo), "BATCH"));
  EXPECT_EQ(this->run({"-log-batches", "-verbose"}, kTwo).exit_code, 0);
}

TEST_F(DropIn, AFailureNamesThePhysicalRowFromZero) {
  const Outcome run = this->run({"-batch-size", "2"}, "1,\"x\n\n\"\n2,y\n3,z\nbad,q\n");
  EXPECT_EQ(run.exit_code, 1);
  EXPECT_EQ(run.out, "");
  EXPECT_TRUE(
      says(run, "failed to copy CSV: continue: false, at row 5, error failed to copy from lines ERROR: "))
      << run.err;
  EXPECT_TRUE(says(run, "(SQLSTATE 22P02)")) << run.err;
  EXPECT_TRUE(says(run, "record 4, line 6")) << run.err;
  EXPECT_TRUE(says(run, "rows committed: 2")) << run.err;
}

TEST_F(DropIn, TruncateComesAfterTheChecks) {
  server().execute("INSERT INTO t VALUES (0, 'old')");
  EXPECT_EQ(this->run({"-truncate", "-file", folder_.path() + "/missing"}, "").exit_code, 1);
  EXPECT_EQ(this->run({"-truncate", "-auto-column-mapping"}, "nope\n1\n").exit_code, 1);
  EXPECT_EQ(server().rows_as_text("t"), Texts{"(0,old)"});
  EXPECT_EQ(this->run({"-truncate"}, kTwo).exit_code, 0);
  EXPECT_EQ(server().rows_as_text("t"), kTwoRows);
  server().execute("ALTER TABLE t ADD PRIMARY KEY (a); CREATE TABLE child (a int REFERENCES t)");
  EXPECT_EQ(this->run({"-truncate"}, "3,z\n").exit_code, 1);
  EXPECT_EQ(server().rows_as_text("t"), kTwoRows);
}

TEST_F(DropIn, SchemaDefaultsToPublicWhateverSearchPathSays) {
  const Outcome run =
      run_program({"-connection", dsn(), "-table", "t"}, {.stdin_bytes = kTwo, .program = drop_in_path()});
  EXPECT_EQ(run.exit_code, 1) << "the test's table is not in public";
  EXPECT_TRUE(says(run, "public.t")) << run.err;
}

TEST_F(DropIn, WhereIsRefusedForAHypertable) {
  if (!has_timescale()) GTEST_SKIP() << "the server has no TimescaleDB";
  make_hypertable("h");
  const std::string input = "2024-01-01,1\n2024-01-02,2\n";
  const Outcome refused =
      drop_in({"-table", "h", "-copy-options", "CSV WHERE a > 1"}, {.stdin_bytes = input});
  EXPECT_EQ(refused.exit_code, 1);
  EXPECT_TRUE(says(refused, "hypertable")) << refused.err;
  EXPECT_EQ(count("h"), 0U);
  EXPECT_EQ(drop_in({"-table", "h"}, {.stdin_bytes = input}).out, "COPY 2\n");
  EXPECT_EQ(count("h"), 2U);
}

TEST_F(DropIn, WhereIsOneExpression) {
  for (const char* where : {"a > 1) OR (true", "a > 1 LIMIT 1", "nope = 1", "a"}) {
    SCOPED_TRACE(where);
    const Outcome run = this->run({"-copy-options", fmt::format("CSV WHERE {}", where)}, kTwo);
    EXPECT_EQ(run.exit_code, 1) << run.err;
    EXPECT_EQ(count("t"), 0U);
  }
}

TEST_F(DropIn, ManyRowsAndWorkersAreEqualToOneCopy) {
  std::string input = "b,a\n";
  for (int row = 0; row < 20'000; ++row) input += fmt::format("\"line {}\nand \"\"more\"\"\",{}\n", row, row);
  server().execute("CREATE TABLE judge (LIKE t)");
  ASSERT_EQ(server().copy("COPY judge (b, a) FROM STDIN WITH (FORMAT csv, HEADER)", input).rows, 20'000U);
  const std::string file = folder_.file("many.csv", input);
  for (const Texts& arguments : {Texts{"-skip-header", "-columns", "b,a"}, Texts{"-auto-column-mapping"}}) {
    server().execute("TRUNCATE t");
    Texts all{"-workers", "4", "-batch-size", "777", "-file", file};
    all.insert(all.end(), arguments.begin(), arguments.end());
    EXPECT_EQ(this->run(all, "").out, "COPY 20000\n");
    EXPECT_EQ(server().rows_as_text("t"), server().rows_as_text("judge"));
  }
}

}  // namespace
}  // namespace hypercopy::test
