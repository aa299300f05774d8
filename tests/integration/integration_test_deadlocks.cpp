// Deadlocks between a load and others that write to the same hypertable: the load is sent again, and each row is there
// once. What makes them is that a new chunk locks the hypertable, and what its foreign keys refer to, until COMMIT. The
// deadlock of two direct compresses is in integration_test_direct_compress.cpp.
#include <fmt/format.h>

#include <memory>
#include <string>
#include <vector>

#include "support/checked_load.hpp"
#include "support/own_lock.hpp"

namespace hypercopy::test {
namespace {

class Deadlocks : public CheckedLoadTest {
 protected:
  void SetUp() override {
    CheckedLoadTest::SetUp();
    if (IsSkipped()) return;
    other_ = std::make_unique<Server>(dsn());
    gate_ = std::make_unique<Server>(dsn());
  }
  // The load waits at the record with v = 'gate' until open_gate().
  void make_gate() const {
    server().execute(
        fmt::format("CREATE OR REPLACE FUNCTION gate() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN PERFORM "
                    "pg_advisory_xact_lock_shared({}); RETURN NEW; END$$; CREATE TRIGGER gate BEFORE INSERT "
                    "ON target FOR EACH ROW "
                    "WHEN (NEW.v = 'gate') EXECUTE FUNCTION gate()",
                    own_lock(schema())));
    gate_->execute(fmt::format("SELECT pg_advisory_lock({})", own_lock(schema())));
  }
  void open_gate() const { gate_->execute(fmt::format("SELECT pg_advisory_unlock({})", own_lock(schema()))); }
  // A statement of the other one that will wait for a lock of the load's.
  void send_and_await_wait(const std::string& sql) const {
    ASSERT_EQ(PQsendQuery(other_->handle(), sql.c_str()), 1);
    await(fmt::format("SELECT wait_event_type = 'Lock' FROM pg_stat_activity WHERE pid = {}",
                      PQbackendPID(other_->handle())));
  }
  void expect_it_done() const {
    while (PGresult* const result = PQgetResult(other_->handle())) {
      EXPECT_EQ(PQresultStatus(result), PGRES_COMMAND_OK) << PQresultErrorMessage(result);
      PQclear(result);
    }
  }
  [[nodiscard]] std::string times() const {
    return server().value("SELECT string_agg(at::date || ' ' || v, ', ' ORDER BY at, v) FROM target");
  }
  // When a backend of the load that waits for a lock looks for a deadlock.
  void look_after(const char* time) {
    other_dsn_ =
        fmt::format("{} options='-c search_path={},public -c deadlock_timeout={}'", dsn(), schema(), time);
  }

  std::unique_ptr<Server> other_;
  std::unique_ptr<Server> gate_;
};

// With a second dimension: such chunks are not made ahead, but by the transactions that fill them.
constexpr const char* kUnique =
    "CREATE TABLE target (at timestamptz NOT NULL, id int, v text, UNIQUE (at, id)); SELECT "
    "create_hypertable('target', 'at', 'id', 1, chunk_time_interval => interval '1 day'); INSERT INTO target "
    "VALUES "
    "('2024-01-20 00:00+00', 1, 'old'), ('2024-01-20 00:00+00', 2, 'old')";

// The load has made a chunk and waits for a key that the other has inserted; the other waits to make a chunk.
TEST_F(Deadlocks, AKeyAgainstANewChunk) {
  if (!has_timescale()) return;
  for (const char* wire : {"auto", "csv"}) {
    SCOPED_TRACE(wire);
    server().execute("DROP TABLE IF EXISTS target");
    server().execute(kUnique);
    make_gate();
    other_->execute(
        "SET timezone = 'UTC'; SET deadlock_timeout = '1h'; BEGIN; INSERT INTO target VALUES ('2024-01-20 "
        "01:00', 7, "
        "'other')");
    look_after("50ms");
    const auto process =
        start("target", {"-j", "1", "--on-conflict", "nothing", "--wire", wire,
                         folder_.file("in.csv",
                                      "2024-01-10 00:00:00+00,1,first\n2024-01-10 01:00:00+00,1,gate\n"
                                      "2024-01-20 01:00:00+00,7,second\n")});
    await_blocked(1);
    send_and_await_wait("INSERT INTO target VALUES ('2024-01-30 00:00', 1, 'other')");
    open_gate();
    expect_it_done();
    other_->execute("COMMIT");
    const Outcome run = process->wait();
    EXPECT_EQ(run.exit_code, 0) << run.err;
    EXPECT_EQ(run.out, "COPY 2\n");
    EXPECT_EQ(
        times(),
        "2024-01-10 first, 2024-01-10 gate, 2024-01-20 old, 2024-01-20 old, 2024-01-20 other, 2024-01-30 "
        "other");
  }
}

// Each holds a row that the other wants to update.
TEST_F(Deadlocks, UpdatesOfTheSameRows) {
  if (!has_timescale()) return;
  server().execute(kUnique);
  make_gate();
  other_->execute(
      "SET timezone = 'UTC'; SET deadlock_timeout = '1h'; BEGIN; UPDATE target SET v = 'other' WHERE id = 2");
  look_after("50ms");
  const auto process = start(
      "target", {"-j", "1", "--on-conflict", "update",
                 folder_.file("in.csv", "2024-01-20 00:00:00+00,1,new\n2024-01-20 00:00:00+00,2,gate\n")});
  await_blocked(1);
  send_and_await_wait("UPDATE target SET v = 'other' WHERE id = 1");
  open_gate();
  expect_it_done();
  other_->execute("COMMIT");
  const Outcome run = process->wait();
  EXPECT_EQ(run.exit_code, 0) << run.err;
  EXPECT_TRUE(run.err.find("sent again") != std::string::npos) << run.err;
  EXPECT_EQ(times(), "2024-01-20 gate, 2024-01-20 new");
}

// A new chunk of a table with a foreign key locks what that refers to: the load has the hypertable and waits for the
// devices; the other has changed a device and waits to make a chunk. The load looks seconds after it began to wait.
TEST_F(Deadlocks, AForeignKeyAgainstANewChunk) {
  if (!has_timescale()) return;
  server().execute(
      "CREATE TABLE device (id int PRIMARY KEY, name text); INSERT INTO device VALUES (1, 'a'), (2, 'b');"
      "CREATE TABLE target (at timestamptz NOT NULL, device int REFERENCES device, v text);"
      "SELECT create_hypertable('target', 'at', 'device', 1, chunk_time_interval => interval '1 day')");
  other_->execute(
      "SET timezone = 'UTC'; SET deadlock_timeout = '1h'; BEGIN; UPDATE device SET name = 'c' WHERE id = 2");
  look_after("3s");
  const auto process =
      start("target",
            {"-j", "2", "--batch-rows", "1",
             folder_.file("in.csv", "2024-01-10 00:00:00+00,1,first\n2024-01-11 00:00:00+00,2,second\n")});
  await_blocked(2);
  send_and_await_wait("INSERT INTO target VALUES ('2024-01-30 00:00', 1, 'other')");
  expect_it_done();
  other_->execute("COMMIT");
  const Outcome run = process->wait();
  EXPECT_EQ(run.exit_code, 0) << run.err;
  EXPECT_EQ(run.out, "COPY 2\n");
  EXPECT_TRUE(run.err.find("deadlock") != std::string::npos) << run.err;
  EXPECT_EQ(times(), "2024-01-10 first, 2024-01-11 second, 2024-01-30 other");
}

}  // namespace
}  // namespace hypercopy::test
