// Inputs that are not what they should be, through the real program into a real server: each is loaded, or
// refused with words that name the place, and never half understood.
#include <fmt/format.h>
#include <sys/stat.h>

#include <fstream>
#include <thread>

#include "support/checked_load.hpp"
#include "support/sanitizers.hpp"

namespace hypercopy::test {
namespace {

constexpr int kFirstVersionWithPlainMarker = 180000;
constexpr std::string_view kBom = "\xEF\xBB\xBF";

class BadInput : public CheckedLoadTest {
 protected:
  // Loads `bytes` as a file into t.
  Checked run_file(std::string_view bytes, std::vector<std::string> arguments = {}, RunOptions options = {}) {
    static_cast<void>(folder_.file("input.csv", bytes));
    arguments.push_back(path_);
    return run("t", arguments, std::move(options));
  }
  [[nodiscard]] std::string at(std::uint64_t record, std::uint64_t line, std::uint64_t byte) const {
    return fmt::format("at {}: record {}, line {}, byte {}\n", path_, record, line, byte);
  }
  [[nodiscard]] bool is_marker_data() const { return server().version() >= kFirstVersionWithPlainMarker; }

  const std::string path_ = folder_.path() + "/input.csv";
};

TEST_F(BadInput, MissingFile) {
  server().execute("CREATE TABLE t (a text)");
  const std::string missing = folder_.path() + "/missing.csv";
  expect_failure(run("t", {missing}), 0, {"cannot open " + missing + ": No such file or directory"});
}

TEST_F(BadInput, MissingFileBehindAGoodOneIsFoundBeforeTheFirstRow) {
  server().execute("CREATE TABLE t (a text)");
  const std::string good = folder_.file("good.csv", "1\n2\n");
  const std::string missing = folder_.path() + "/missing.csv";
  expect_failure(run("t", {good, missing}), 0, {"cannot open " + missing + ": No such file or directory"});
}

TEST_F(BadInput, PatternWithoutMatch) {
  server().execute("CREATE TABLE t (a text)");
  expect_failure(run("t", {folder_.path() + "/*.csv"}), 0, {"no file matches " + folder_.path() + "/*.csv"});
}

TEST_F(BadInput, Directory) {
  server().execute("CREATE TABLE t (a text)");
  expect_failure(run("t", {folder_.path()}), 0, {folder_.path() + " is a directory, not a file"});
}

TEST_F(BadInput, UnreadableFile) {
  server().execute("CREATE TABLE t (a text)");
  const std::string file = folder_.file("secret.csv", "1\n");
  ASSERT_EQ(::chmod(file.c_str(), 0), 0);
  // Root may read everything, unless that right is taken from it.
  const std::string words = "exec setpriv --bounding-set -dac_override,-dac_read_search -- ";
  const RunOptions shell{.program = "/bin/sh"};
  if (run_program({"-c", words + "true"}, shell).exit_code != 0) GTEST_SKIP() << "setpriv is refused here";
  if (run_program({"-c", words + "cat '" + file + "'"}, shell).exit_code == 0) {
    GTEST_SKIP() << "a file of mode 000 can be read here";
  }
  const Outcome run = run_program(
      {"-c", words + "\"$0\" \"$@\"", program_path(), "load", "-w", "-d", dsn(), "-t", "t", file}, shell);
  EXPECT_EQ(run.exit_code, 1);
  EXPECT_EQ(run.out, "");
  EXPECT_NE(run.err.find("cannot open " + file + ": Permission denied"), std::string::npos) << run.err;
  EXPECT_EQ(count("t"), 0U);
}

TEST_F(BadInput, FileThatCannotBeRead) {
  server().execute("CREATE TABLE t (a text)");
  expect_failure(run("t", {"/proc/self/mem"}), 0,
                 {"cannot read /proc/self/mem at byte 0: Input/output error"});
}

TEST_F(BadInput, CompressedFileIsNamedAsSuch) {
  server().execute("CREATE TABLE t (a text)");
  expect_failure(run_file("\x1f\x8b\x08rest"), 0, {"is gzip-compressed", "zcat"});
}

TEST_F(BadInput, EmptyFile) {
  server().execute("CREATE TABLE t (a text)");
  expect_success(run_file(""), 0);
  const Checked with_header = run_file("", {"--header"});
  expect_success(with_header, 0);
  EXPECT_TRUE(says(with_header, path_ + " is empty: it has no header and no records"));
  expect_success(run_file("", {"--skip-header"}), 0);
  expect_success(run("t", {}), 0);
}

TEST_F(BadInput, HeaderOnly) {
  server().execute("CREATE TABLE t (a text, b text)");
  for (const char* const header : {"b,a", "b,a\n", "b,a\r\n"}) {
    expect_success(run_file(header, {"--header"}), 0);
    expect_success(run_file(header, {"--skip-header"}), 0);
  }
}

TEST_F(BadInput, ByteOrderMarkIsDroppedAndSaid) {
  server().execute("CREATE TABLE t (a int, b text)");
  const Checked plain = run_file(fmt::format("{}1,x\n2,y\n", kBom));
  expect_success(plain, 2);
  EXPECT_TRUE(says(plain, path_ + ": a UTF-8 byte order mark was dropped (--keep-bom keeps it)"));
  server().execute("TRUNCATE t");
  expect_success(run_file(fmt::format("{}b,a\nx,1\n", kBom), {"--header"}), 1);
  // Positions are of the file with its mark.
  server().execute("TRUNCATE t");
  expect_failure(run_file(fmt::format("{}1,x\nz,y\n", kBom)), 0, {at(2, 2, 7)});
}

TEST_F(BadInput, KeptByteOrderMarkIsDataAsForCopy) {
  server().execute("CREATE TABLE t (a text); CREATE TABLE judge (a text)");
  const std::string input = fmt::format("{}1\n2\n", kBom);
  const Checked kept = run_file(input, {"--keep-bom"});
  expect_success(kept, 2);
  EXPECT_TRUE(says_not(kept, "byte order mark"));
  ASSERT_EQ(server().copy("COPY judge FROM STDIN WITH (FORMAT csv)", input).rows, 2U);
  EXPECT_EQ(server().rows_as_text("t"), server().rows_as_text("judge"));
  server().execute("DROP TABLE t; CREATE TABLE t (a int)");
  expect_failure(run_file(input, {"--keep-bom"}), 0, {"SQLSTATE: 22P02", at(1, 1, 0), "column: a"});
}

TEST_F(BadInput, NoFinalNewline) {
  server().execute("CREATE TABLE t (a int, b text)");
  for (const char* const input : {"1,x\n2,y", "1,x\r\n2,y", "1,x\r2,y"}) {
    server().execute("TRUNCATE t");
    expect_success(run_file(input, {"--batch-rows", "1"}), 2);
    EXPECT_EQ(server().rows_as_text("t"), (std::vector<std::string>{"(1,x)", "(2,y)"}));
  }
}

TEST_F(BadInput, MixedNewlinesAreRefusedThoughEachBatchAloneWouldPass) {
  server().execute("CREATE TABLE t (a text)");
  struct Case {
    const char* input;
    std::uint64_t record, line, byte;
    const char* said;
  };
  const std::vector<Case> cases{
      {"a\nb\nc\r\nd\n", 3, 3, 5, "unquoted carriage return found in data"},
      {"a\nb\nc\rd\n", 3, 3, 5, "unquoted carriage return found in data"},
      {"a\r\nb\r\nc\nd\r\n", 3, 3, 7, "unquoted newline found in data"},
      {"a\rb\rc\nd\r", 3, 3, 5, "unquoted newline found in data"},
  };
  for (const auto& c : cases) {
    SCOPED_TRACE(::testing::PrintToString(c.input));
    server().execute("TRUNCATE t");
    const Checked run = run_file(c.input, {"--batch-rows", "1", "-j", "2"});
    EXPECT_EQ(run.outcome.exit_code, 1);
    for (const auto& text : {std::string(c.said), std::string("SQLSTATE: 22P04")})
      EXPECT_TRUE(says(run, text));
    // The byte is that of the newline, the line and record are those that it would end.
    EXPECT_TRUE(says(run, fmt::format("record {}, line {}, byte", c.record, c.line)));
    EXPECT_LE(run.report["totals"]["rows_loaded"].get<int>(), 2);
  }
}

TEST_F(BadInput, EndMarkerLineInCsvIsNeverPassedOverSilently) {
  server().execute("CREATE TABLE t (a text)");
  const Checked run = run_file("a\nb\n\\.\nc\nd\n");
  if (is_marker_data()) return expect_success(run, 5);
  EXPECT_EQ(run.outcome.exit_code, 1);
  for (const std::string text :
       {"marker \\. ends the data here, but 4 bytes follow behind byte 7", "would silently drop the rest"}) {
    EXPECT_TRUE(says(run, text));
  }
  EXPECT_TRUE(says(run, at(3, 3, 4)));
}

TEST_F(BadInput, EndMarkerLineThatOnlyBlanksFollow) {
  server().execute("CREATE TABLE t (a text)");
  for (const char* const input : {"a\nb\n\\.\n", "a\nb\n\\.", "a\nb\n\\.\n \n\t\n\n"}) {
    SCOPED_TRACE(::testing::PrintToString(input));
    server().execute("TRUNCATE t; CREATE TABLE IF NOT EXISTS judge (a text); TRUNCATE judge");
    const CopyOutcome judge = server().copy("COPY judge FROM STDIN WITH (FORMAT csv)", input);
    ASSERT_TRUE(judge.rows);
    expect_success(run_file(input), *judge.rows);
  }
}

TEST_F(BadInput, EndMarkerOnStandardInput) {
  server().execute("CREATE TABLE t (a text)");
  const Checked run = this->run("t", {"-"}, {.stdin_bytes = "a\n\\.\nb\n"});
  if (is_marker_data()) return expect_success(run, 3);
  EXPECT_EQ(run.outcome.exit_code, 1);
  EXPECT_TRUE(says(run, "but more data follow behind byte 5"));
}

TEST_F(BadInput, EndMarkerBehindDataInTextFormat) {
  server().execute("CREATE TABLE t (a int)");
  const Checked run = run_file("4\n5\\.\n6\n", {"--format", "text"});
  EXPECT_EQ(run.outcome.exit_code, 1) << run.outcome.err;
  if (is_marker_data()) {
    EXPECT_TRUE(says(run, "end-of-copy marker is not alone on its line"));
    EXPECT_TRUE(says(run, "record 2, line 2"));
  } else {
    EXPECT_TRUE(says(run, "but 2 bytes follow behind byte 6"));
  }
}

TEST_F(BadInput, NulByte) {
  server().execute("CREATE TABLE t (a text, b text)");
  for (const char* const format : {"csv", "text"}) {
    SCOPED_TRACE(format);
    const std::string input("a,b\nc,\0d\ne,f\n", 13);
    expect_failure(run_file(input, {"--format", format, "--delimiter", ","}), 0,
                   {"invalid byte sequence for encoding \"UTF8\": 0x00", "SQLSTATE: 22021", at(2, 2, 4)});
  }
}

TEST_F(BadInput, OpenQuoteAtTheEndNamesTheRecordWhereItOpened) {
  server().execute("CREATE TABLE t (a text, b text)");
  const std::string input = "1,x\n2,\"y\nz\"\n3,\"open\n4,x\n5,x\n";
  const std::vector<std::string> texts{"unterminated CSV quoted field", "SQLSTATE: 22P04",
                                       "The quote named here was never closed"};
  const Checked file = run_file(input);
  expect_failure(file, 0, texts);
  EXPECT_TRUE(says(file, "record 3, line 4, byte 14")) << "the quote, not the end of the input";
  const Checked standard_input = run("t", {}, {.stdin_bytes = input});
  expect_failure(standard_input, 0, texts);
  EXPECT_TRUE(says(standard_input, "at standard input: record 3, line 4, byte 14"));
}

TEST_F(BadInput, OpenQuoteInTheHeader) {
  server().execute("CREATE TABLE t (a text, b text)");
  expect_failure(run_file("a,\"b\n1,2\n", {"--header"}), 0,
                 {"unterminated CSV quoted field", "line 1, byte 2"});
}

// A writer of long inputs that need no disk.
class Fifo {
 public:
  explicit Fifo(std::string path) : path_(std::move(path)) {
    if (::mkfifo(path_.c_str(), 0600) != 0) throw std::runtime_error("mkfifo");
  }
  void write_repeated(const std::string& block, std::size_t count, const std::string& end) {
    writer_ = std::jthread([this, block, count, end] {
      std::ofstream file(path_, std::ios::binary);
      for (std::size_t written = 0; file && written < count; ++written) file << block;
      file << end;
    });
  }

 private:
  std::string path_;
  std::jthread writer_;
};

TEST_F(BadInput, RecordOf200MegabytesIsLoaded) {
  if (kSanitized) GTEST_SKIP() << "needs more than 400 MB of memory, and a multiple of it under a sanitizer";
  server().execute("CREATE TABLE t (b text, a int)");
  const std::string path = folder_.path() + "/long.csv";
  Fifo fifo(path);
  fifo.write_repeated(std::string(1 << 20, 'x'), 200, ",1\ny,2\n");
  expect_success(run("t", {path}, {.timeout = std::chrono::seconds(240)}), 2);
  EXPECT_EQ(server().value("SELECT length(b) FROM t WHERE a = 1"), std::to_string(200 << 20));
}

TEST_F(BadInput, RecordOverPostgresLimitOfOneGigabyte) {
  if (std::getenv("HYPERCOPY_TEST_LARGE") == nullptr) {
    GTEST_SKIP() << "needs 2 GB of memory: set HYPERCOPY_TEST_LARGE=1";
  }
  server().execute("CREATE TABLE t (b text, a int)");
  const std::string path = folder_.path() + "/huge.csv";
  Fifo fifo(path);
  fifo.write_repeated(std::string(1 << 20, 'x'), 1100, ",1\ny,2\n");
  expect_failure(run("t", {path}, {.timeout = std::chrono::seconds(240)}), 0,
                 {"the record is longer than 1073741822 bytes, the most that PostgreSQL takes in one line",
                  "record 1, line 1, byte 0"});
}

}  // namespace
}  // namespace hypercopy::test
