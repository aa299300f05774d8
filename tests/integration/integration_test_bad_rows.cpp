// Rows that the server refuses: the message names record, physical line, byte and column of the whole input,
// wherever the batches were cut, and says what is committed.
#include <fmt/format.h>

#include "support/checked_load.hpp"
#include "support/private_server.hpp"

namespace hypercopy::test {
namespace {

class BadRows : public CheckedLoadTest {
 protected:
  Checked run_file(std::string_view bytes, std::vector<std::string> arguments = {}) {
    static_cast<void>(folder_.file("input.csv", bytes));
    arguments.push_back(path_);
    return run("t", arguments);
  }
  [[nodiscard]] std::string at(std::uint64_t record, std::uint64_t line, std::uint64_t byte) const {
    return fmt::format("at {}: record {}, line {}, byte {}\n", path_, record, line, byte);
  }
  // A range.
  [[nodiscard]] std::string at(std::uint64_t record, std::uint64_t line, std::uint64_t byte,
                               std::uint64_t last_record, std::uint64_t last_line,
                               std::uint64_t last_byte) const {
    return fmt::format("at {}: records {} to {}, lines {} to {}, bytes {} to {}\n", path_, record,
                       last_record, line, last_line, byte, last_byte);
  }

  const std::string path_ = folder_.path() + "/input.csv";
};

TEST_F(BadRows, TooFewColumns) {
  server().execute("CREATE TABLE t (a int, b text, c text)");
  expect_failure(run_file("1,x,y\n2,x\n3,x,y\n"), 0,
                 {"missing data for column \"c\"", "SQLSTATE: 22P04", at(2, 2, 6), "no row is committed"});
}

TEST_F(BadRows, TooManyColumns) {
  server().execute("CREATE TABLE t (a int, b text)");
  expect_failure(run_file("1,x\n2,x\n3,x,y\n"), 0,
                 {"extra data after last expected column", "SQLSTATE: 22P04", at(3, 3, 8)});
}

TEST_F(BadRows, TooFewAndTooManyWhereAGeneratedColumnIsDroppedHere) {
  server().execute("CREATE TABLE t (a int, g int GENERATED ALWAYS AS (a + 1) STORED, b text)");
  for (const char* const bad : {"2,3", "2,3,x,y"}) {
    expect_failure(run_file(fmt::format("a,g,b\n1,2,x\n{}\n", bad), {"--header"}), 0,
                   {"SQLSTATE: 22P04", at(2, 3, 12)});
  }
}

// A long input whose last record, and that alone, has a word where a number should be.
struct Layout {
  const char* name;
  const char* newline;
  std::string value;    // of the text column
  std::uint64_t lines;  // physical lines of a record
  const char* cut;
  const char* cut_value;
};

class WrongTypeInTheLastRow : public BadRows, public ::testing::WithParamInterface<Layout> {};

constexpr std::uint64_t kRecords = 3000;

// `byte`: where the wrong record begins.
std::string wrong_in_the_last_row(const Layout& layout, std::size_t& byte) {
  std::string input = fmt::format("a,b,n{}", layout.newline);
  for (std::uint64_t record = 1; record < kRecords; ++record)
    input += fmt::format("{},{},7{}", record, layout.value, layout.newline);
  byte = input.size();
  input += fmt::format("{},{},seven{}", kRecords, layout.value, layout.newline);
  return input;
}

TEST_P(WrongTypeInTheLastRow, IsFoundExactly) {
  const Layout& layout = GetParam();
  server().execute("CREATE TABLE t (a int, b text, n int)");
  std::size_t byte = 0;
  const std::string input = wrong_in_the_last_row(layout, byte);
  const Checked run = run_file(input, {"--header", "-j", "3", layout.cut, layout.cut_value});
  EXPECT_EQ(run.outcome.exit_code, 1);
  for (const auto& text :
       {std::string("invalid input syntax for type integer: \"seven\""), std::string("SQLSTATE: 22P02"),
        std::string("column: n"), at(kRecords, 2 + (kRecords - 1) * layout.lines, byte)}) {
    EXPECT_TRUE(says(run, text));
  }
  EXPECT_TRUE(says_not(run, "It is one of records"));
  EXPECT_TRUE(says_not(run, "alone it is accepted"));
  const auto& totals = run.report["totals"];
  EXPECT_GE(totals["failed"]["batches"], 1);
  EXPECT_LT(totals["rows_loaded"], kRecords);
}

// One COPY of the whole input: the server's line counts from its beginning.
TEST_P(WrongTypeInTheLastRow, IsFoundExactlyInASingleTransaction) {
  const Layout& layout = GetParam();
  server().execute("CREATE TABLE t (a int, b text, n int)");
  std::size_t byte = 0;
  const std::string input = wrong_in_the_last_row(layout, byte);
  expect_failure(run_file(input, {"--header", "-1", layout.cut, layout.cut_value}), 0,
                 {"invalid input syntax for type integer: \"seven\"", "SQLSTATE: 22P02", "column: n",
                  at(kRecords, 2 + (kRecords - 1) * layout.lines, byte)});
}

INSTANTIATE_TEST_SUITE_P(
    Layouts, WrongTypeInTheLastRow,
    ::testing::Values(Layout{"lf", "\n", "x", 1, "--batch-bytes", "4096"},
                      Layout{"crlf", "\r\n", "x", 1, "--batch-bytes", "4096"},
                      Layout{"cr", "\r", "x", 1, "--batch-bytes", "4096"},
                      Layout{"lf_quoted_lf", "\n", "\"x\n\ny\"", 3, "--batch-rows", "100"},
                      Layout{"lf_quoted_crlf", "\n", "\"x\r\ny\"", 2, "--batch-rows", "100"},
                      Layout{"crlf_quoted_crlf", "\r\n", "\"x\r\ny\"", 2, "--batch-rows", "100"},
                      Layout{"crlf_quoted_lf", "\r\n", "\"x\ny\"", 2, "--batch-rows", "100"},
                      Layout{"cr_quoted_cr", "\r", "\"x\ry\"", 2, "--batch-rows", "100"},
                      Layout{"first_record_of_its_batch", "\n", "\"x\n\ny\"", 3, "--batch-rows", "2999"},
                      Layout{"one_batch", "\n", "\"x\n\ny\"", 3, "--batch-bytes", "8MB"},
                      Layout{"one_record_a_batch", "\n", "\"x\n\ny\"", 3, "--batch-rows", "1"}),
    [](const auto& test) { return std::string(test.param.name); });

TEST_F(BadRows, CommittedBatchesAreCountedTruly) {
  server().execute("CREATE TABLE t (a int)");
  std::string input;
  for (int row = 1; row <= 50; ++row) input += fmt::format("{}\n", row);
  input += "x\n";
  // One worker: all batches before the bad one are committed.
  expect_failure(run_file(input, {"-j", "1", "--batch-rows", "10"}), 50,
                 {at(51, 51, 141), "50 rows (141 bytes) are committed in " + schema() + ".t",
                  "loading the same input again would double the committed rows"});
}

TEST_F(BadRows, SingleTransactionLeavesNothing) {
  server().execute("CREATE TABLE t (a int)");
  expect_failure(run_file("1\n2\nx\n", {"-1", "--batch-rows", "1"}), 0,
                 {"SQLSTATE: 22P02", at(3, 3, 4), "column: a", "no row is committed"});
}

TEST_F(BadRows, SingleTransactionFindsARecordThatWasSentLongAgo) {
  server().execute("CREATE TABLE t (a int, b text)");
  std::string input;
  for (int row = 1; row <= 20000; ++row) input += fmt::format("{},\"x\ny\"\n", row);
  const std::size_t byte = input.size();
  input += "x,y\n";
  for (int row = 0; row < 50000; ++row) input += "1,a value of some length that fills a few megabytes\n";
  expect_failure(run_file(input, {"-1"}), 0, {"SQLSTATE: 22P02", at(20001, 40001, byte), "column: a"});
}

TEST_F(BadRows, SingleTransactionNamesTheInputOfTheRecord) {
  server().execute("CREATE TABLE t (a int, g int GENERATED ALWAYS AS (a + 1) STORED, b text)");
  const std::string before = folder_.file("before.csv", "a,b\n1,\"x\ny\"\n");
  const std::string behind = folder_.file("behind.csv", "b,a\nz,1\n");
  // The column that is dropped here has lines of its own, which the server does not see.
  static_cast<void>(folder_.file("input.csv", "g,a,b\n\"1\n2\",3,x\n\"3\n4\",five,x\n"));
  expect_failure(run("t", {"-1", "--header", before, path_, behind}), 0,
                 {"SQLSTATE: 22P02", at(2, 4, 16), "column: a"});
}

TEST_F(BadRows, SingleTransactionOfAPipeNamesTheRecords) {
  server().execute("CREATE TABLE t (a int)");
  const Checked run = this->run("t", {"-1"}, {.stdin_bytes = "1\n2\nx\n"});
  expect_failure(run, 0, {"SQLSTATE: 22P02", "at standard input: record 3, line 3, byte 4\n"});
}

TEST_F(BadRows, AsBinaryTheServerCountsRecords) {
  server().execute("CREATE TABLE t (a int CHECK (a < 100), b text)");
  expect_failure(run_file("1,\"x\ny\"\n2,\"x\ny\"\n3,z\n100,z\n", {"--wire", "binary"}), 0,
                 {"SQLSTATE: 23514", at(4, 6, 20)});
}

// The record is only known as one of its batch: by the trigger's own statement, which has no line of COPY.
TEST_F(BadRows, AStatementTriggerThatRaisesNamesTheRecordsOfTheBatch) {
  server().execute(R"(CREATE TABLE t (a int);
    CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS
      $$BEGIN IF (SELECT max(a) FROM t) > 4 THEN RAISE EXCEPTION 'enough'; END IF; RETURN NULL; END$$;
    CREATE TRIGGER refuse AFTER INSERT ON t EXECUTE FUNCTION refuse();)");
  expect_failure(run_file("1\n2\n3\n4\n5\n6\n", {"-j", "1", "--batch-rows", "3"}), 3,
                 {"enough", "SQLSTATE: P0001", at(4, 4, 6, 6, 6, 11)});
}

TEST_F(BadRows, BytesInvalidInTheEncoding) {
  server().execute("CREATE TABLE t (a int, b text)");
  std::string input;
  for (int row = 1; row <= 400; ++row) input += fmt::format("{},x\n", row);
  const std::size_t byte = input.size();
  input += "401,\xFF\n402,x\n";
  const Checked run = run_file(input, {"-j", "1", "--batch-rows", "100"});
  expect_failure(run, 400, {"invalid byte sequence for encoding \"UTF8\": 0xff", "SQLSTATE: 22021"});
  EXPECT_TRUE(says(run, at(401, 401, byte)));
}

TEST_F(BadRows, EncodingThatTheServerDoesNotKnow) {
  server().execute("CREATE TABLE t (a text)");
  const Checked run = run_file("x\n", {"--encoding", "KLINGON"});
  EXPECT_EQ(run.outcome.exit_code, 2);
  EXPECT_TRUE(says(run, "--encoding KLINGON"));
  EXPECT_TRUE(says(run, "SQLSTATE: 22023"));
}

TEST_F(BadRows, EncodingThatHidesDelimitersIsRefused) {
  server().execute("CREATE TABLE t (a text)");
  const Checked run = run_file("x\n", {"--encoding", "SJIS"});
  EXPECT_EQ(run.outcome.exit_code, 2);
  EXPECT_TRUE(says(run, "input in SJIS cannot be cut into records"));
  EXPECT_TRUE(says(run, "iconv -f SJIS -t UTF-8"));
}

TEST_F(BadRows, NotNullNamesTheColumn) {
  server().execute("CREATE TABLE t (a int, b text NOT NULL)");
  expect_failure(run_file("1,x\n2,\n3,x\n"), 0, {"SQLSTATE: 23502", "column: b", at(2, 2, 4)});
}

TEST_F(BadRows, CheckConstraint) {
  server().execute("CREATE TABLE t (a int CHECK (a < 100))");
  expect_failure(run_file("1\n2\n100\n"), 0, {"SQLSTATE: 23514", at(3, 3, 4)});
}

TEST_F(BadRows, TwinsInOneBatch) {
  server().execute("CREATE TABLE t (a int PRIMARY KEY)");
  const Checked run = run_file("1\n2\n3\n2\n");
  expect_failure(run, 0,
                 {"SQLSTATE: 23505", "Key (a)=(2) already exists.", at(4, 4, 6),
                  "alone it is accepted, so it clashes with another one of records 1 to 4"});
}

TEST_F(BadRows, TwinOfARowInTheTable) {
  server().execute("CREATE TABLE t (a int PRIMARY KEY); INSERT INTO t VALUES (2)");
  rows_before_ = 1;
  const Checked run = run_file("1\n2\n3\n");
  expect_failure(run, 0, {"SQLSTATE: 23505", at(2, 2, 2)});
  EXPECT_TRUE(says_not(run, "alone it is accepted"));
}

TEST_F(BadRows, ForeignKeyNamesTheRecordsOfItsBatch) {
  server().execute(
      "CREATE TABLE r (a int PRIMARY KEY); INSERT INTO r SELECT generate_series(1, 25); "
      "CREATE TABLE t (a int REFERENCES r)");
  std::string input;
  for (int row = 1; row <= 30; ++row) input += fmt::format("{}\n", row);
  expect_failure(
      run_file(input, {"-j", "1", "--batch-rows", "10"}), 20,
      {"SQLSTATE: 23503", at(21, 21, 51, 30, 30, 80), "Key (a)=(26) is not present in table \"r\"."});
}

TEST_F(BadRows, DeferredConstraintsAreCheckedBeforeTheBatchIsCounted) {
  server().execute(
      "CREATE TABLE r (a int PRIMARY KEY); INSERT INTO r VALUES (1), (2); "
      "CREATE TABLE t (a int REFERENCES r DEFERRABLE INITIALLY DEFERRED)");
  expect_failure(run_file("1\n2\n3\n4\n", {"-j", "1", "--batch-rows", "2"}), 2,
                 {"SQLSTATE: 23503", at(3, 3, 4, 4, 4, 7)});
  rows_before_ = 2;
  const Checked whole = run_file("1\n2\n3\n4\n", {"-1", "--batch-rows", "2"});
  expect_failure(whole, 0, {"SQLSTATE: 23503", at(1, 1, 0, 4, 4, 7)});
  EXPECT_EQ(whole.report["error"]["location"]["record"], 1);
  EXPECT_EQ(whole.report["error"]["location"]["last_record"], 4);
  const std::string other = folder_.file("other.csv", "1\n");
  const Checked two_files = run_file("1\n3\n", {"-1", other});
  expect_failure(two_files, 0, {"SQLSTATE: 23503", "It is one of the 3 records of 2 inputs."});
  EXPECT_TRUE(two_files.report["error"]["location"].is_null());
}

TEST_F(BadRows, TriggerThatRaisesInsideNestedFunctions) {
  server().execute(R"(CREATE TABLE t (a int, b text);
    CREATE FUNCTION inner_check(v int) RETURNS int LANGUAGE plpgsql AS
      $$BEGIN IF v = 3 THEN RAISE EXCEPTION 'no threes' USING HINT = 'count differently', ERRCODE = 'P0003'; END IF;
      RETURN v; END$$;
    CREATE FUNCTION check_row() RETURNS trigger LANGUAGE plpgsql AS
      $$BEGIN PERFORM inner_check(NEW.a); RETURN NEW; END$$;
    CREATE TRIGGER check_row BEFORE INSERT ON t FOR EACH ROW EXECUTE FUNCTION check_row();)");
  expect_failure(run_file("1,\"x\ny\"\n2,x\n3,x\n4,x\n"), 0,
                 {"no threes", "SQLSTATE: P0003", "count differently", at(3, 4, 12)});
}

// What a value says cannot lead the search for the server's line number astray.
TEST_F(BadRows, ContextWithDataThatLooksLikeACopyLine) {
  server().execute("CREATE TABLE t (a int, j json)");
  const Checked run = run_file("1,{}\n2,\"{\"\"COPY t, line 1, column a: \"\": nonsense}\"\n3,{}\n");
  expect_failure(run, 0, {"SQLSTATE: 22P02", at(2, 2, 5), "column: j"});
}

TEST_F(BadRows, RelationAndColumnNamesWithDigitsCommasAndColons) {
  server().execute(R"(CREATE TABLE "t 2, line 7: x" ("line 9" int, "a: b" int, "a" int, "column" int))");
  const std::string file = folder_.file("input.csv", "1,2,3,4\n1,x,3,4\n");
  const std::string where = fmt::format("at {}: record 2, line 2, byte 8\n", file);
  expect_failure(run("\"t 2, line 7: x\"", {file}), 0, {"SQLSTATE: 22P02", where, "column: a: b\n"});
  const std::string last = folder_.file("last.csv", "1,2,3,x\n");
  expect_failure(run("\"t 2, line 7: x\"", {last}), 0, {"SQLSTATE: 22P02", "column: column\n"});
}

TEST_F(BadRows, MessagesInGerman) {
  std::string why_not;
  const auto private_server = PrivateServer::start(server(), why_not, "local all all trust\n",
                                                   {{"LANGUAGE", "de"}, {"LC_ALL", "C.UTF-8"}});
  if (!private_server) GTEST_SKIP() << why_not;
  const Server german(private_server->dsn());
  german.execute("SET lc_messages = 'C.UTF-8'; CREATE TABLE t (a int, b text)");
  const CopyOutcome judge = german.copy("COPY t FROM STDIN WITH (FORMAT csv)", "x,y\n");
  if (judge.message.find("FEHLER") == std::string::npos) {
    GTEST_SKIP() << "this server has no German messages: " << judge.message;
  }
  other_dsn_ = private_server->dsn() + " options='-c lc_messages=C.UTF-8'";
  const Checked run = run_file("1,x\n2,\"y\ny\"\n3,z\nvier,z\n");
  expect_failure(run, 0, {"ungültige Eingabesyntax", "SQLSTATE: 22P02", at(4, 5, 16), "column: a"});
}

}  // namespace
}  // namespace hypercopy::test
