// What ends a run early ends it at once, whatever a pipe does; and a load that can only fail leaves the table alone.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <csignal>

#include "support/role.hpp"
#include "support/server.hpp"

namespace hypercopy::test {
namespace {

class Stops : public ServerTest {
 protected:
  [[nodiscard]] std::string make_fifo() const {
    std::string path = folder_.path() + "/fifo";
    EXPECT_EQ(::mkfifo(path.c_str(), 0600), 0);
    return path;
  }
  [[nodiscard]] std::vector<std::string> words(std::vector<std::string> more) const {
    more.insert(more.begin(), {"load", "-w", "-d", dsn()});
    return more;
  }
};

TEST_F(Stops, AFifoThatNobodyWritesCanBeInterrupted) {
  server().execute("CREATE TABLE t (a int)");
  Process process(words({"-t", "t", make_fifo()}));
  // Said before the input is opened: from then on the signal must end the run wherever it is.
  ASSERT_TRUE(process.await_said("using"));
  process.signal(SIGINT);
  const Outcome run = process.wait();
  EXPECT_FALSE(run.timed_out);
  EXPECT_EQ(run.exit_code, 130) << run.err;
}

TEST_F(Stops, AFailedRunDoesNotWaitForAnIdlePipe) {
  server().execute("CREATE TABLE t (a int)");
  const std::string path = make_fifo();
  const int writer = ::open(path.c_str(), O_RDWR | O_CLOEXEC);  // open for as long as the test lives
  ASSERT_GE(writer, 0);
  const std::string bytes = "1\nbad\n3\n";
  ASSERT_EQ(::write(writer, bytes.data(), bytes.size()), static_cast<ssize_t>(bytes.size()));
  const Outcome run = load({"-t", "t", "-j", "1", "--batch-rows", "1", path});
  ::close(writer);
  EXPECT_FALSE(run.timed_out);
  EXPECT_EQ(run.exit_code, 1) << run.err;
  EXPECT_NE(run.err.find("record 2, line 2, byte 2"), std::string::npos) << run.err;
}

TEST_F(Stops, ALoadThatIsNotAllowedDoesNotTruncate) {
  server().execute("CREATE TABLE t (a int); INSERT INTO t VALUES (1)");
  const TestRole role(server(), schema(), {});
  server().execute("REVOKE INSERT ON t FROM " + role.name());
  const std::string file = folder_.file("t.csv", "2\n");
  const Outcome run =
      run_program({"load", "-w", "-d", dsn() + " user=" + role.name(), "-t", "t", "--truncate", file});
  EXPECT_EQ(run.exit_code, 1) << run.err;
  EXPECT_NE(run.err.find("42501"), std::string::npos) << run.err;
  EXPECT_EQ(server().value("SELECT a FROM t"), "1");
}

TEST_F(Stops, AWhereThatCopyRefusesDoesNotTruncate) {
  server().execute("CREATE TABLE t (a int); INSERT INTO t VALUES (1)");
  const std::string file = folder_.file("t.csv", "2\n");
  const Outcome run =
      drop_in({"-table", "t", "-file", file, "-truncate", "-copy-options", "CSV WHERE a IN (SELECT 1)"});
  EXPECT_EQ(run.exit_code, 1) << run.err;
  EXPECT_EQ(server().value("SELECT a FROM t"), "1");
}

TEST_F(Stops, ATriggersOwnErrorNamesItsRecordAndCanBeSkipped) {
  server().execute(
      "CREATE TABLE t (a int, b text); CREATE FUNCTION no_five() RETURNS trigger LANGUAGE plpgsql AS $$ "
      "BEGIN "
      "IF NEW.a = 5 THEN RAISE EXCEPTION 'no five' USING ERRCODE = 'AB123'; END IF; RETURN NEW; END $$; "
      "CREATE TRIGGER t BEFORE INSERT ON t FOR EACH ROW EXECUTE FUNCTION no_five()");
  const std::string file = folder_.file("t.csv", "1,\"a\nb\"\n2,\"a\nb\"\n3,\"a\nb\"\n4,x\n5,bad\n6,y\n");
  const Outcome run = load({"-t", "t", "-j", "1", file});
  EXPECT_EQ(run.exit_code, 1);
  EXPECT_NE(run.err.find("record 5, line 8, byte 28"), std::string::npos) << run.err;
  const Outcome skipping = drop_in({"-table", "t", "-file", file, "-skip-batch-errors", "-batch-size", "1"});
  EXPECT_EQ(skipping.exit_code, 0) << skipping.err;
  EXPECT_EQ(skipping.out, "COPY 5\n");
}

TEST_F(Stops, ANameThatGrowsInConversionIsCutAsByCsv) {
  server().execute("CREATE TABLE t (n name)");
  const std::string file = folder_.file("t.csv", std::string(40, '\xE9') + "\n");
  const Outcome run = load({"-t", "t", "--encoding", "LATIN1", file});
  EXPECT_EQ(run.exit_code, 0) << run.err;
  EXPECT_EQ(server().value("SELECT octet_length(n::text) FROM t"), "62");
}

TEST_F(Stops, AClosedStandardInputIsAnError) {
  server().execute("CREATE TABLE t (a int)");
  const std::string script = "\"$0\" \"$@\" <&-";
  std::vector<std::string> arguments{"-c", script, program_path()};
  const auto more = words({"-t", "t"});
  arguments.insert(arguments.end(), more.begin(), more.end());
  const Outcome run = run_program(arguments, {.program = "/bin/sh"});
  EXPECT_FALSE(run.timed_out);
  EXPECT_EQ(run.exit_code, 1) << run.err;
  EXPECT_NE(run.err.find("standard input"), std::string::npos) << run.err;
}

}  // namespace
}  // namespace hypercopy::test
