// Servers that refuse, vanish or were never there, and outputs that cannot be written: a clean error, true
// counts, no hang, and no password in sight.
#include <fmt/format.h>

#include <filesystem>
#include <fstream>

#include "support/checked_load.hpp"
#include "support/own_lock.hpp"
#include "support/private_server.hpp"

namespace hypercopy::test {
namespace {

// What quoting, URIs and blanks make of it; its pieces are found nowhere else.
constexpr const char* kPassword = "zqx'jw?wv &kkz";
constexpr const char* kWrongPassword = "zqx'jw?wv &kkzz";

std::string numbers(int from, int to) {
  std::string bytes;
  for (int number = from; number <= to; ++number) bytes += fmt::format("{}\n", number);
  return bytes;
}

class NoServer : public ::testing::Test {
 protected:
  [[nodiscard]] static Outcome load_from(const std::string& dsn) {
    return run_program({"load", "-w", "-d", dsn, "-t", "t"}, {.stdin_bytes = "1\n"});
  }
};

TEST_F(NoServer, SocketIsMissing) {
  const TemporaryFolder folder;
  const Outcome run = load_from("host=" + folder.path() + " user=nobody dbname=none");
  EXPECT_EQ(run.exit_code, 1);
  EXPECT_EQ(run.out, "");
  EXPECT_NE(run.err.find("No such file or directory"), std::string::npos) << run.err;
  EXPECT_NE(run.err.find(folder.path()), std::string::npos) << run.err;
  EXPECT_EQ(run.err.find("LOCATION"), std::string::npos) << run.err;
}

TEST_F(NoServer, PortIsRefused) {
  // Port 1 is reserved and nobody listens there.
  const Outcome run = load_from("host=127.0.0.1 port=1 user=nobody dbname=none");
  EXPECT_EQ(run.exit_code, 1);
  EXPECT_EQ(run.out, "");
  EXPECT_NE(run.err.find("Connection refused"), std::string::npos) << run.err;
}

TEST_F(NoServer, HostIsUnknown) {
  const Outcome run = load_from("host=no-such-host.invalid connect_timeout=10 user=nobody dbname=none");
  EXPECT_EQ(run.exit_code, 1);
  EXPECT_EQ(run.out, "");
  EXPECT_NE(run.err.find("no-such-host.invalid"), std::string::npos) << run.err;
  EXPECT_NE(run.err.find("no row is committed"), std::string::npos) << run.err;
}

TEST_F(NoServer, ConnectionStringIsWrong) {
  const Outcome run = load_from("host=x no_such_keyword=1");
  EXPECT_EQ(run.exit_code, 1);
  EXPECT_NE(run.err.find("no_such_keyword"), std::string::npos) << run.err;
}

TEST_F(NoServer, ConnectionStringThatCannotBeParsedIsNotRepeated) {
  for (const char* const dsn :
       {"password=my secret host=x", "host=x password='my secret", "postgresql://u:secret%zz@h/d",
        "postgresql://u:secret@[h/d", "postgresql://u:x@h/d?password=secret%"}) {
    SCOPED_TRACE(dsn);
    const Outcome run = load_from(dsn);
    EXPECT_EQ(run.exit_code, 1);
    EXPECT_NE(run.err.find("the connection string cannot be parsed"), std::string::npos) << run.err;
    EXPECT_EQ(run.err.find("secret"), std::string::npos) << run.err;
  }
}

class BadServer : public CheckedLoadTest {
 protected:
  // Where a role whose password is asked can be made; skips aloud elsewhere.
  void use_password_server() {
    std::string why_not;
    private_server_ = PrivateServer::start(
        server(), why_not, "local all hypercopy_password scram-sha-256\nlocal all all trust\n");
    if (!private_server_) GTEST_SKIP() << why_not;
    const Server admin(private_server_->dsn());
    const std::string literal = quoted(kPassword);
    admin.execute(
        "SET password_encryption = 'scram-sha-256'; CREATE ROLE hypercopy_password LOGIN PASSWORD " +
        literal + "; CREATE TABLE t (a int); GRANT ALL ON t TO hypercopy_password");
  }
  static std::string quoted(const std::string& text) {
    std::string literal = "'";
    for (const char byte : text) literal += byte == '\'' ? std::string("''") : std::string(1, byte);
    return literal + "'";
  }
  // The DSN with the password in each spelling that libpq knows.
  [[nodiscard]] std::vector<std::string> dsns_with(const std::string& password) const {
    std::string escaped;   // inside quotes
    std::string unquoted;  // without quotes
    std::string percent;
    std::string raw;  // what a URI must have encoded, and no more
    for (const char byte : password) {
      if (byte == '\'') escaped += '\\';
      escaped += byte;
      unquoted += byte == '\'' || byte == ' ' ? std::string{'\\', byte} : std::string(1, byte);
      raw += byte == ' ' ? std::string("%20") : std::string(1, byte);
      percent += std::isalnum(static_cast<unsigned char>(byte)) != 0
                     ? std::string(1, byte)
                     : fmt::format("%{:02X}", static_cast<unsigned>(byte));
    }
    const std::string folder = socket_folder();
    std::string folder_percent;
    for (const char byte : folder) folder_percent += byte == '/' ? std::string("%2F") : std::string(1, byte);
    return {fmt::format("host={} user=hypercopy_password dbname=postgres password='{}'", folder, escaped),
            fmt::format("password = '{}' host={} user=hypercopy_password dbname=postgres", escaped, folder),
            fmt::format("host={} user=hypercopy_password dbname=postgres password={}", folder, unquoted),
            fmt::format("user=hypercopy_password password={}\thost={} dbname=postgres", unquoted, folder),
            fmt::format("postgresql://hypercopy_password:{}@{}/postgres", percent, folder_percent),
            fmt::format("postgres://hypercopy_password:{}@{}/postgres", raw, folder_percent),
            fmt::format("postgresql://hypercopy_password@{}/postgres?password={}", folder_percent, percent)};
  }
  [[nodiscard]] std::string socket_folder() const {
    const std::string dsn = private_server_->dsn();
    return dsn.substr(5, dsn.find(' ') - 5);
  }

  std::unique_ptr<PrivateServer> private_server_;
};

// Any piece of a password between special bytes is a leak.
void expect_no_password(const std::string& text) {
  for (const char* const piece : {"zqx", "jw", "wv", "kkz"})
    EXPECT_EQ(text.find(piece), std::string::npos) << piece << " is in: " << text;
}

TEST_F(BadServer, WrongPasswordIsNamedByItsSqlstateAndNowhereShown) {
  ASSERT_NO_FATAL_FAILURE(use_password_server());
  if (IsSkipped()) return;
  for (const auto& dsn : dsns_with(kWrongPassword)) {
    SCOPED_TRACE(dsn);
    for (const bool verbose : {false, true}) {
      other_dsn_ = dsn;
      std::vector<std::string> arguments{folder_.file("input.csv", "1\n")};
      if (verbose) arguments.emplace_back("-v");
      const Checked run = this->run("t", arguments);
      expect_failure(run, 0,
                     {"password authentication failed for user \"hypercopy_password\"", "SQLSTATE: 28P01"});
      expect_no_password(run.outcome.err);
      expect_no_password(run.report.dump());
    }
  }
}

TEST_F(BadServer, MissingPassword) {
  ASSERT_NO_FATAL_FAILURE(use_password_server());
  if (IsSkipped()) return;
  other_dsn_ = fmt::format("host={} user=hypercopy_password dbname=postgres", socket_folder());
  expect_failure(run("t", {folder_.file("input.csv", "1\n")}), 0, {"no password supplied"});
}

TEST_F(BadServer, PasswordIsNotInTheProcessList) {
  ASSERT_NO_FATAL_FAILURE(use_password_server());
  if (IsSkipped()) return;
  const Server admin(private_server_->dsn());
  const Server locker(private_server_->dsn());
  const std::string file = folder_.file("input.csv", "1\n");
  for (const auto& dsn : dsns_with(kPassword)) {
    SCOPED_TRACE(dsn);
    other_dsn_ = dsn;
    locker.execute("BEGIN; LOCK TABLE t IN SHARE MODE");
    const auto process = start("t", {file});
    while (admin.value("SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'") != "1")
      admin.execute("SELECT pg_sleep(0.01)");
    std::ifstream cmdline(fmt::format("/proc/{}/cmdline", process->pid()), std::ios::binary);
    const std::string words(std::istreambuf_iterator<char>(cmdline), {});
    EXPECT_NE(words.find("load"), std::string::npos);
    expect_no_password(words);
    locker.execute("ROLLBACK");
    const Checked run = finish(*process, "t");
    expect_success(run, 1);
    expect_no_password(run.outcome.err);
    expect_no_password(run.report.dump());
  }
}

class ConnectionLimit : public CheckedLoadTest {
 protected:
  void limit_connections(int limit) {
    role_ = schema() + "_limited";
    server().execute(
        fmt::format("CREATE TABLE t (a int); CREATE ROLE {0} LOGIN CONNECTION LIMIT {1}; "
                    "GRANT USAGE ON SCHEMA {2} TO {0}; GRANT ALL ON t TO {0}",
                    role_, limit, schema()));
    // libpq: the last of two equal keywords wins.
    other_dsn_ = fmt::format("{} user={}", dsn(), role_);
  }
  void TearDown() override {
    if (!role_.empty()) {
      await(fmt::format("SELECT NOT EXISTS (SELECT FROM pg_stat_activity WHERE usename = '{}')", role_));
      server().execute(fmt::format("DROP OWNED BY {0}; DROP ROLE {0}", role_));
    }
    CheckedLoadTest::TearDown();
  }

  std::string role_;
};

TEST_F(ConnectionLimit, FewerWorkersWarnAndGoOn) {
  ASSERT_NO_FATAL_FAILURE(limit_connections(2));
  // The workers that have a connection keep it until another one was refused.
  server().execute(fmt::format(
      R"(CREATE FUNCTION wait_for_all() RETURNS trigger LANGUAGE plpgsql AS
         $$BEGIN PERFORM pg_advisory_xact_lock_shared({}); RETURN NEW; END$$;
         CREATE TRIGGER wait_for_all BEFORE INSERT ON t FOR EACH ROW EXECUTE FUNCTION wait_for_all())",
      own_lock(schema())));
  const Server holder;
  holder.execute(fmt::format("SELECT pg_advisory_lock({})", own_lock(schema())));
  const auto process =
      start("t", {"-j", "4", "--batch-rows", "10", folder_.file("input.csv", numbers(1, 500))});
  EXPECT_TRUE(process->await_said("gets no connection, going on with fewer:"));
  holder.execute(fmt::format("SELECT pg_advisory_unlock({})", own_lock(schema())));
  const Checked run = finish(*process, "t");
  expect_success(run, 500);
  EXPECT_EQ(count("t"), 500U);
  EXPECT_TRUE(says(run, "gets no connection, going on with fewer:"));
  EXPECT_TRUE(says(run, "too many connections for role"));
}

TEST_F(ConnectionLimit, NoneIsAnError) {
  ASSERT_NO_FATAL_FAILURE(limit_connections(0));
  expect_failure(run("t", {"-j", "4", folder_.file("input.csv", numbers(1, 5))}), 0,
                 {"too many connections for role", "SQLSTATE: 53300"});
}

class BadOutput : public CheckedLoadTest {};

TEST_F(BadOutput, DiskFullOnStandardOutput) {
  server().execute("CREATE TABLE t (a int)");
  const Outcome run = run_program({"-c", "exec \"$0\" \"$@\" > /dev/full", program_path(), "load", "-w", "-d",
                                   dsn(), "-t", "t", folder_.file("input.csv", numbers(1, 5))},
                                  {.program = "/bin/sh"});
  EXPECT_EQ(run.exit_code, 1);
  EXPECT_NE(run.err.find("cannot write to standard output: No space left on device (rows committed: 5)"),
            std::string::npos)
      << run.err;
  EXPECT_EQ(count("t"), 5U);
}

TEST_F(BadOutput, PipeClosedOnStandardOutput) {
  server().execute("CREATE TABLE t (a int)");
  const std::string script = "{ \"$0\" \"$@\"; echo \"exit $?\" >&2; } | exec true";
  const Outcome run = run_program({"-c", script, program_path(), "load", "-w", "-d", dsn(), "-t", "t",
                                   folder_.file("input.csv", numbers(1, 5))},
                                  {.program = "/bin/sh"});
  EXPECT_NE(run.err.find("cannot write to standard output: Broken pipe (rows committed: 5)"),
            std::string::npos)
      << run.err;
  EXPECT_NE(run.err.find("exit 1\n"), std::string::npos) << run.err;
  EXPECT_EQ(count("t"), 5U);
}

TEST_F(BadOutput, ReportThatCannotBeWritten) {
  server().execute("CREATE TABLE t (a int)");
  const std::string file = folder_.file("input.csv", numbers(1, 5));
  const Outcome run = load({"-t", "t", "--report", "/dev/full", file});
  EXPECT_EQ(run.exit_code, 1);
  EXPECT_NE(run.err.find("cannot write the report /dev/full (rows committed: 5)"), std::string::npos)
      << run.err;
  EXPECT_EQ(count("t"), 5U);
}

// Faults while a COPY is under way: a trigger holds the row 500 until the test lets it go.
class FaultDuringCopy : public CheckedLoadTest {
 protected:
  void make_table_that_waits(const Server& on, const std::string& number) {
    on.execute(fmt::format(R"(CREATE TABLE t (a int);
      CREATE FUNCTION wait_at() RETURNS trigger LANGUAGE plpgsql AS
        $$BEGIN IF NEW.a = {} THEN PERFORM pg_advisory_xact_lock({}); END IF; RETURN NEW; END$$;
      CREATE TRIGGER wait_at BEFORE INSERT ON t FOR EACH ROW EXECUTE FUNCTION wait_at())",
                           number, own_lock(schema())));
  }
};

TEST_F(FaultDuringCopy, BackendIsTerminated) {
  make_table_that_waits(server(), "500");
  const Server holder;
  holder.execute(fmt::format("SELECT pg_advisory_lock({})", own_lock(schema())));
  const auto process = start("t", {"-j", "2", "--retry-timeout", "0", "--batch-rows", "50",
                                   folder_.file("input.csv", numbers(1, 1000))});
  await_blocked(1);
  // The other worker has gone on to the end: all batches but the blocked one are committed.
  await("SELECT count(*) = 950 FROM t");
  server().execute(
      fmt::format("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE wait_event = 'advisory' "
                  "AND query LIKE '%{}%'",
                  schema()));
  const Checked run = finish(*process, "t");
  expect_failure(run, 950,
                 {"terminating connection due to administrator command", "SQLSTATE: 57P01",
                  "records 451 to 500, lines 451 to 500, bytes 1692 to 1891", "950 rows (",
                  "would double the committed rows"});
  EXPECT_EQ(run.report["totals"]["unknown"]["records"], 0);
}

TEST_F(FaultDuringCopy, BackendIsTerminatedWhileDataIsSent) {
  server().execute("CREATE TABLE t (a text)");
  std::string bytes;
  while (bytes.size() < (std::size_t{32} << 20)) bytes += std::string(99, 'x') + "\n";
  const Server locker;
  const std::string file = folder_.file("input.csv", bytes);
  // The first row holds the server, so more is sent than fits on the way.
  server().execute(fmt::format(
      R"(CREATE FUNCTION hold() RETURNS trigger LANGUAGE plpgsql AS
         $$BEGIN PERFORM pg_advisory_xact_lock({}); RETURN NEW; END$$;
         CREATE TRIGGER hold BEFORE INSERT ON t FOR EACH ROW EXECUTE FUNCTION hold())",
      own_lock(schema())));
  locker.execute(fmt::format("SELECT pg_advisory_lock({})", own_lock(schema())));
  const auto process = start("t", {"-j", "1", "--retry-timeout", "0", "--batch-bytes", "16MB", file});
  await_blocked(1);
  server().execute(
      fmt::format("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE wait_event = "
                  "'advisory' AND query LIKE '%{}%'",
                  schema()));
  expect_failure(finish(*process, "t"), 0,
                 {"terminating connection due to administrator command", "SQLSTATE: 57P01",
                  "records 1 to 167772, lines 1 to"});
}

// From COMMIT on nobody can tell: the run says so and does not count the batch.
TEST_F(FaultDuringCopy, BackendIsTerminatedDuringCommit) {
  server().execute(fmt::format(R"(CREATE TABLE t (a int);
    CREATE FUNCTION wait_at() RETURNS trigger LANGUAGE plpgsql AS
      $$BEGIN PERFORM pg_advisory_xact_lock({}); RETURN NULL; END$$;
    CREATE CONSTRAINT TRIGGER wait_at AFTER INSERT ON t DEFERRABLE INITIALLY DEFERRED
      FOR EACH ROW WHEN (NEW.a = 15) EXECUTE FUNCTION wait_at())",
                               own_lock(schema())));
  const Server holder;
  holder.execute(fmt::format("SELECT pg_advisory_lock({})", own_lock(schema())));
  const auto process = start("t", {"-j", "1", "--retry-timeout", "0", "--batch-rows", "10",
                                   folder_.file("input.csv", numbers(1, 30))});
  const std::string blocked = fmt::format(
      "FROM pg_stat_activity WHERE wait_event = 'advisory' AND application_name LIKE 'hypercopy load%' AND "
      "query LIKE '%COMMIT' AND pid IN (SELECT pid FROM pg_locks WHERE locktype = 'relation' AND relation = "
      "'{}.t'::regclass)",
      schema());
  await("SELECT count(*) = 1 " + blocked);
  server().execute("SELECT pg_terminate_backend(pid) " + blocked);
  const Checked run = finish(*process, "t");
  expect_failure(
      run, 10,
      {"the connection was lost while COMMIT was under way: terminating connection due to administrator",
       "Nobody knows whether records 11 to 20 (bytes 21 to 50)", "SQLSTATE: 57P01", "10 rows (",
       "unknown: 1 batch (10 records)", "count its rows before loading them again"});
  EXPECT_EQ(run.report["totals"]["unknown"]["records"], 10);
}

TEST_F(FaultDuringCopy, ServerIsStopped) {
  std::string why_not;
  const auto private_server = PrivateServer::start(server(), why_not);
  if (!private_server) GTEST_SKIP() << why_not;
  other_dsn_ = private_server->dsn();
  auto holder = std::make_unique<Server>(other_dsn_);
  make_table_that_waits(*holder, "500");
  holder->execute(fmt::format("SELECT pg_advisory_lock({})", own_lock(schema())));
  const auto process = start("t", {"-j", "2", "--retry-timeout", "0", "--batch-rows", "50",
                                   folder_.file("input.csv", numbers(1, 1000))});
  // All others are answered too: their workers wait for what comes next, or have gone.
  while (holder->value(
             "SELECT (SELECT count(*) FROM t) = 950 AND NOT EXISTS (SELECT FROM pg_stat_activity WHERE "
             "application_name LIKE 'hypercopy load%' AND coalesce(wait_event, '') NOT IN ('ClientRead', "
             "'advisory'))") != "t")
    holder->execute("SELECT pg_sleep(0.01)");
  private_server->stop_immediately();
  const Checked run = finish(*process, "t");
  expect_failure(run, 950, {"950 rows (", "records 451 to 500, lines 451 to 500, bytes"});
  holder.reset();
  ASSERT_TRUE(private_server->run());
  EXPECT_EQ(Server(other_dsn_).value("SELECT count(*) FROM t"), "950");
}

TEST_F(FaultDuringCopy, FileShrinksWhileItIsRead) {
  server().execute("CREATE TABLE t (a text)");
  // More than fits into the pipeline's buffers and the server's socket.
  std::string bytes;
  while (bytes.size() < (std::size_t{40} << 20)) bytes += std::string(99, 'x') + "\n";
  const std::string file = folder_.file("input.csv", bytes);
  const Server locker;
  locker.execute(fmt::format("BEGIN; LOCK TABLE {}.t IN SHARE MODE", schema()));
  const auto process = start("t", {"-j", "1", "--batch-bytes", "1MB", file});
  await_blocked(1);
  std::filesystem::resize_file(file, 20'000'050);
  locker.execute("ROLLBACK");
  const Checked run = finish(*process, "t");
  EXPECT_EQ(run.outcome.exit_code, 1);
  EXPECT_TRUE(
      says(run, fmt::format("{} shrank while it was read: it had {} bytes when it was opened and ends now at "
                            "byte 20000050",
                            file, bytes.size())));
  EXPECT_LE(run.report["totals"]["rows_loaded"], 200'000);
}

}  // namespace
}  // namespace hypercopy::test
