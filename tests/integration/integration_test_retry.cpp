// Failures that pass: whatever they interrupt, every record is in the table in the end, once.
#include <fmt/format.h>

#include <csignal>
#include <string>

#include "support/checked_load.hpp"
#include "support/own_lock.hpp"
#include "support/private_server.hpp"

namespace hypercopy::test {
namespace {

constexpr std::uint64_t kRows = 1000;

std::string numbers() {
  std::string bytes;
  for (std::uint64_t number = 1; number <= kRows; ++number) bytes += fmt::format("{}\n", number);
  return bytes;
}

class Retry : public CheckedLoadTest {
 protected:
  // Every row that is there, compared one by one.
  static void expect_each_row_once(const Server& on, const std::string& table = "t") {
    EXPECT_EQ(on.value(fmt::format("SELECT count(*) FROM {}", table)), std::to_string(kRows));
    EXPECT_EQ(
        on.value(fmt::format(
            "SELECT count(*) FROM generate_series(1, {}) n WHERE 1 <> (SELECT count(*) FROM {} WHERE a = n)",
            kRows, table)),
        "0");
  }

  // The first `times` statements that insert a row with a = 500 fail with this SQLSTATE; a sequence forgets nothing.
  void make_table_that_fails(const std::string& sqlstate, int times) {
    server().execute(fmt::format(R"(CREATE TABLE t (a int); CREATE SEQUENCE failures;
      CREATE FUNCTION fail_at_first() RETURNS trigger LANGUAGE plpgsql AS
        $$BEGIN IF NEW.a = 500 AND nextval('failures') <= {} THEN
            RAISE EXCEPTION 'as the test wants' USING ERRCODE = '{}'; END IF; RETURN NEW; END$$;
      CREATE TRIGGER fail_at_first BEFORE INSERT ON t FOR EACH ROW EXECUTE FUNCTION fail_at_first())",
                                 times, sqlstate));
  }

  void make_table_that_waits(const Server& on) const {
    on.execute(fmt::format(R"(CREATE TABLE t (a int);
      CREATE FUNCTION wait_at() RETURNS trigger LANGUAGE plpgsql AS
        $$BEGIN IF NEW.a = 500 THEN PERFORM pg_advisory_xact_lock({}); END IF; RETURN NEW; END$$;
      CREATE TRIGGER wait_at BEFORE INSERT ON t FOR EACH ROW EXECUTE FUNCTION wait_at())",
                           own_lock(schema())));
  }

  [[nodiscard]] std::string input() const { return folder_.file("input.csv", numbers()); }
};

TEST_F(Retry, ErrorsThatPassAreTriedAgain) {
  for (const char* const sqlstate : {"40001", "40P01", "55P03", "53100", "53200", "25006"}) {
    SCOPED_TRACE(sqlstate);
    server().execute(
        "DROP TABLE IF EXISTS t; DROP SEQUENCE IF EXISTS failures; DROP FUNCTION IF EXISTS fail_at_first");
    // In COPY BINARY, then as CSV: each attempt sends a refused batch twice.
    make_table_that_fails(sqlstate, 4);
    const Checked run = this->run("t", {"-j", "2", "--batch-rows", "50", input()});
    expect_success(run, kRows);
    expect_each_row_once(server());
    EXPECT_TRUE(says(
        run, fmt::format("as the test wants (SQLSTATE {}): trying again with records 451 to 500", sqlstate)));
    EXPECT_GE(run.report["batches_sent_again"], 1);
  }
}

TEST_F(Retry, ErrorsThatStayAreNotTriedAgain) {
  for (const char* const sqlstate : {"22P02", "23514", "53400", "57014", "XX001"}) {
    SCOPED_TRACE(sqlstate);
    server().execute(
        "DROP TABLE IF EXISTS t; DROP SEQUENCE IF EXISTS failures; DROP FUNCTION IF EXISTS fail_at_first");
    make_table_that_fails(sqlstate, 1'000'000);
    const Checked run = this->run("t", {"-j", "1", "--batch-rows", "50", input()});
    expect_failure(run, 450, {fmt::format("SQLSTATE: {}", sqlstate)});
    EXPECT_TRUE(says_not(run, "trying again"));
    EXPECT_EQ(run.report["batches_sent_again"], 0);
  }
}

TEST_F(Retry, WhatDoesNotPassInTimeIsTheError) {
  make_table_that_fails("40P01", 1'000'000);
  const Checked run = this->run("t", {"-j", "1", "--batch-rows", "50", "--retry-timeout", "0.3", input()});
  expect_failure(run, 450, {"as the test wants", "SQLSTATE: 40P01", "--retry-timeout", "records 451 to 500"});
}

TEST_F(Retry, ABackendTerminatedDuringCopyIsReplaced) {
  make_table_that_waits(server());
  const Server holder;
  holder.execute(fmt::format("SELECT pg_advisory_lock({})", own_lock(schema())));
  const auto process = start("t", {"-j", "2", "--batch-rows", "50", input()});
  await_blocked(1);
  server().execute(
      fmt::format("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE wait_event = 'advisory' "
                  "AND query LIKE '%{}%'",
                  schema()));
  await_blocked(1);  // the next attempt waits at the same row
  holder.execute(fmt::format("SELECT pg_advisory_unlock({})", own_lock(schema())));
  const Checked run = finish(*process, "t");
  expect_success(run, kRows);
  expect_each_row_once(server());
  EXPECT_TRUE(
      says(run, "terminating connection due to administrator command (SQLSTATE 57P01): trying again"));
  EXPECT_TRUE(says(run, "one batch was sent again after failures that passed; each is loaded once"));
}

// The same table, as a deferred trigger that waits inside COMMIT.
TEST_F(Retry, ABackendTerminatedDuringCommitIsAskedForItsOutcome) {
  server().execute(fmt::format(R"(CREATE TABLE t (a int);
    CREATE FUNCTION wait_at() RETURNS trigger LANGUAGE plpgsql AS
      $$BEGIN PERFORM pg_advisory_xact_lock({}); RETURN NULL; END$$;
    CREATE CONSTRAINT TRIGGER wait_at AFTER INSERT ON t DEFERRABLE INITIALLY DEFERRED
      FOR EACH ROW WHEN (NEW.a = 500) EXECUTE FUNCTION wait_at())",
                               own_lock(schema())));
  const Server holder;
  holder.execute(fmt::format("SELECT pg_advisory_lock({})", own_lock(schema())));
  const auto process = start("t", {"-j", "1", "--batch-rows", "50", input()});
  const std::string blocked = fmt::format(
      "FROM pg_stat_activity WHERE wait_event = 'advisory' AND application_name LIKE 'hypercopy load%' AND "
      "pid IN (SELECT pid FROM pg_locks WHERE locktype = 'relation' AND relation = '{}.t'::regclass)",
      schema());
  await("SELECT count(*) = 1 " + blocked);
  server().execute("SELECT pg_terminate_backend(pid) " + blocked);
  await("SELECT count(*) = 1 " + blocked);
  holder.execute(fmt::format("SELECT pg_advisory_unlock({})", own_lock(schema())));
  const Checked run = finish(*process, "t");
  expect_success(run, kRows);
  expect_each_row_once(server());
  EXPECT_EQ(run.report["totals"]["unknown"]["records"], 0);
}

class RetryOverRestart : public Retry, public ::testing::WithParamInterface<const char*> {};

TEST_P(RetryOverRestart, EveryRowIsThereOnce) {
  std::string why_not;
  const auto private_server = PrivateServer::start(server(), why_not);
  if (!private_server) GTEST_SKIP() << why_not;
  other_dsn_ = private_server->dsn();
  auto holder = std::make_unique<Server>(other_dsn_);
  make_table_that_waits(*holder);
  holder->execute(fmt::format("SELECT pg_advisory_lock({})", own_lock(schema())));
  const auto process = start("t", {"-j", "2", "--batch-rows", "50", input()});
  // All others are answered too: their workers wait for what comes next, or have gone.
  while (holder->value(
             "SELECT (SELECT count(*) FROM t) = 950 AND NOT EXISTS (SELECT FROM pg_stat_activity WHERE "
             "application_name LIKE 'hypercopy load%' AND coalesce(wait_event, '') NOT IN ('ClientRead', "
             "'advisory'))") != "t")
    holder->execute("SELECT pg_sleep(0.01)");
  if (GetParam() == std::string("immediate")) {
    private_server->stop_immediately();
  } else {
    private_server->stop_fast();
  }
  holder.reset();  // its lock went with the server
  ASSERT_TRUE(process->await_said("trying again"));
  ASSERT_TRUE(private_server->run());
  const Checked run = finish(*process, "t");
  expect_success(run, kRows);
  expect_each_row_once(Server(other_dsn_));
}

INSTANTIATE_TEST_SUITE_P(Ways, RetryOverRestart, testing::Values("immediate", "fast"),
                         [](const auto& test) { return std::string(test.param); });

TEST_F(Retry, AnInterruptionEndsTheWaiting) {
  make_table_that_fails("40P01", 1'000'000);
  const auto process = start("t", {"-j", "1", "--batch-rows", "50", input()});
  ASSERT_TRUE(process->await_said("trying again"));
  process->signal(SIGINT);
  const Checked run = finish(*process, "t");
  EXPECT_EQ(run.outcome.exit_code, 130);
  EXPECT_EQ(count("t"), 450U);
}

}  // namespace
}  // namespace hypercopy::test
