// Ctrl-C and SIGTERM in the middle: what is committed is whole batches, the exit code is the signal's, and
// the server is left alone.
#include <arpa/inet.h>
#include <fmt/format.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include "support/checked_load.hpp"
#include "support/open_pipe.hpp"

namespace hypercopy::test {
namespace {

struct Signal {
  const char* name;
  int number;
  int exit_code;
};

class Interrupt : public CheckedLoadTest, public ::testing::WithParamInterface<Signal> {
 protected:
  [[nodiscard]] static std::string numbers(int from, int to) {
    std::string bytes;
    for (int number = from; number <= to; ++number) bytes += fmt::format("{}\n", number);
    return bytes;
  }
  void expect_interrupted(const Checked& run) {
    EXPECT_EQ(run.outcome.exit_code, GetParam().exit_code) << run.outcome.err;
    EXPECT_EQ(run.outcome.out, "");
    EXPECT_TRUE(says(run, fmt::format("interrupted by {}", GetParam().name)));
    EXPECT_TRUE(says_not(run, "error:"));
    EXPECT_EQ(run.report["totals"]["rows_loaded"].get<int>() % 10, 0) << "committed batches are whole";
  }
};

TEST_P(Interrupt, WhileItWaitsForInput) {
  server().execute("CREATE TABLE t (a int)");
  const std::string path = folder_.path() + "/pipe.csv";
  const OpenPipe pipe(path);
  const auto process = start("t", {"-j", "2", "--batch-rows", "10", path});
  pipe.write(numbers(1, 95));
  await("SELECT count(*) = 90 FROM t");
  process->signal(GetParam().number);
  const Checked run = finish(*process, "t");
  expect_interrupted(run);
  EXPECT_EQ(count("t"), 90U);
  EXPECT_TRUE(says(run, "90 rows ("));
  EXPECT_TRUE(says(run, "loading the same input again would double the committed rows"));
}

TEST_P(Interrupt, BeforeTheFirstRow) {
  server().execute("CREATE TABLE t (a int)");
  const std::string path = folder_.path() + "/pipe.csv";
  const OpenPipe pipe(path);
  const std::string filenode = server().value("SELECT pg_relation_filenode('t')");
  const auto process = start("t", {"--truncate", path});
  // The last thing it changes before it waits for input.
  await(fmt::format("SELECT pg_relation_filenode('t') <> {}", filenode));
  process->signal(GetParam().number);
  const Checked run = finish(*process, "t");
  expect_interrupted(run);
  EXPECT_TRUE(says(run, "no row is committed"));
}

TEST_P(Interrupt, BatchesInFlightAreFinishedFirst) {
  server().execute("CREATE TABLE t (a int)");
  const Server locker;
  locker.execute(fmt::format("BEGIN; LOCK TABLE {}.t IN SHARE MODE", schema()));
  const auto process =
      start("t", {"-j", "2", "--batch-rows", "10", folder_.file("input.csv", numbers(1, 1000))});
  await_blocked(2);
  process->signal(GetParam().number);
  ASSERT_TRUE(process->await_said("interrupted: batches in flight are finished first"));
  await_blocked(2);  // they were not cancelled
  locker.execute("ROLLBACK");
  const Checked run = finish(*process, "t");
  expect_interrupted(run);
  EXPECT_GE(count("t"), 20U);
}

TEST_P(Interrupt, TheSecondSignalCancelsWhatTheServerHolds) {
  server().execute("CREATE TABLE t (a int)");
  const Server locker;
  locker.execute(fmt::format("BEGIN; LOCK TABLE {}.t IN SHARE MODE", schema()));
  const auto process =
      start("t", {"-j", "2", "--batch-rows", "10", folder_.file("input.csv", numbers(1, 1000))});
  await_blocked(2);
  process->signal(GetParam().number);
  ASSERT_TRUE(process->await_said("interrupted: batches in flight are finished first"));
  process->signal(GetParam().number);
  // The lock is still held: the program ends all the same, and its backends with it.
  const Checked run = finish(*process, "t");
  expect_interrupted(run);
  EXPECT_EQ(count("t"), 0U);
  EXPECT_TRUE(says(run, "no row is committed"));
  locker.execute("ROLLBACK");
}

TEST_P(Interrupt, SingleTransactionLeavesNothing) {
  server().execute("CREATE TABLE t (a int)");
  const std::string path = folder_.path() + "/pipe.csv";
  const OpenPipe pipe(path);
  const auto process = start("t", {"-1", "--batch-rows", "10", path});
  pipe.write(numbers(1, 95));
  await(fmt::format(
      "SELECT count(*) = 1 FROM pg_stat_activity WHERE application_name LIKE 'hypercopy load%' AND "
      "query LIKE '%COPY%{}%'",
      schema()));
  process->signal(GetParam().number);
  const Checked run = finish(*process, "t");
  expect_interrupted(run);
  EXPECT_EQ(count("t"), 0U);
}

TEST_P(Interrupt, WhileTheServerDoesNotAnswer) {
  const int listener = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  ASSERT_EQ(::bind(listener, reinterpret_cast<const sockaddr*>(&address), size), 0);
  ASSERT_EQ(::listen(listener, 1), 0);
  ASSERT_EQ(::getsockname(listener, reinterpret_cast<sockaddr*>(&address), &size), 0);
  other_dsn_ = fmt::format("host=127.0.0.1 port={} user=u dbname=d", ntohs(address.sin_port));
  const auto process = start("t", {folder_.file("input.csv", "1\n")});
  const int accepted = ::accept(listener, nullptr, nullptr);
  process->signal(GetParam().number);
  const Checked run = finish(*process, "t");
  ::close(accepted);
  ::close(listener);
  expect_interrupted(run);
}

TEST_P(Interrupt, GivesTheExitCodeEvenWhenTheReportCannotBeWritten) {
  server().execute("CREATE TABLE t (a int)");
  const std::string path = folder_.path() + "/pipe.csv";
  const OpenPipe pipe(path);
  const auto process = start("t", {"--batch-rows", "10", "--report", "/dev/full", path});
  pipe.write(numbers(1, 15));
  await("SELECT count(*) = 10 FROM t");
  process->signal(GetParam().number);
  const Checked run = finish(*process, "t");
  EXPECT_EQ(run.outcome.exit_code, GetParam().exit_code);
  EXPECT_TRUE(says(run, "cannot write the report /dev/full (rows committed: 10)"));
}

INSTANTIATE_TEST_SUITE_P(Signals, Interrupt,
                         ::testing::Values(Signal{"SIGINT", SIGINT, 130}, Signal{"SIGTERM", SIGTERM, 143}),
                         [](const auto& test) { return std::string(test.param.name); });

}  // namespace
}  // namespace hypercopy::test
