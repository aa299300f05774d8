#include "support/fault_load.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <poll.h>
#include <signal.h>
#include <sys/wait.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdlib>
#include <iterator>
#include <optional>
#include <span>
#include <stdexcept>

namespace hypercopy::test {

namespace {

using Clock = std::chrono::steady_clock;
constexpr std::chrono::minutes kPatience{5};  // only what hangs takes so long, on a loaded machine too

constexpr std::string_view kWorkers = "FROM pg_stat_activity WHERE application_name LIKE 'hypercopy load%'";

constexpr int kRowLockClass = 20240210;

bool has_ended(const Process& process) {
  siginfo_t info{};
  return ::waitid(P_PID, static_cast<id_t>(process.pid()), &info, WEXITED | WNOHANG | WNOWAIT) == 0 &&
         info.si_pid != 0;
}

std::string first_of(const std::vector<std::string>& rows) {
  std::string text;
  for (const auto& row : std::span(rows).first(std::min<std::size_t>(rows.size(), 3))) text += "\n  " + row;
  return text;
}

std::vector<std::string> difference(const std::vector<std::string>& of,
                                    const std::vector<std::string>& from) {
  std::vector<std::string> rest;
  std::ranges::set_difference(of, from, std::back_inserter(rest));
  return rest;
}

std::size_t count_of(std::string_view text, std::string_view word) {
  std::size_t count = 0;
  for (std::size_t at = text.find(word); at != std::string_view::npos; at = text.find(word, at + 1)) ++count;
  return count;
}

// Its words have been read, or the server has gone: no wait without an end.
void await_lost(const Server& connection) {
  const auto deadline = Clock::now() + kPatience;
  try {
    while (Clock::now() < deadline) connection.execute("SELECT pg_sleep(0.01)");
  } catch (const std::runtime_error&) {
    return;
  }
  ADD_FAILURE() << "the server did not end its connections";
}

void await_server(const std::string& dsn) {
  const auto deadline = Clock::now() + kPatience;
  while (PQping(dsn.c_str()) != PQPING_OK) {
    ASSERT_LT(Clock::now(), deadline) << "the server does not come back";
    ::poll(nullptr, 0, 20);
  }
}

}  // namespace

void FaultTest::SetUp() {
  CheckedLoadTest::SetUp();
  if (IsSkipped()) return;
  std::string why_not;
  std::optional<std::string> settings = "";
  if (extensions_ == Extensions::timescale) settings = PrivateServer::timescale_settings(server());
  if (!settings) GTEST_SKIP() << "TimescaleDB is not installed for the server's programs";
  private_server_ = PrivateServer::start(server(), why_not, PrivateServer::kTrust, {}, *settings);
  if (!private_server_) GTEST_SKIP() << why_not;
  const std::uint64_t seed = test_seed();
  fmt::print("seed {} (HYPERCOPY_TEST_SEED repeats its choices)\n", seed);
  random_ = Random(seed);
  const Server admin = connect();
  admin.execute("ALTER SYSTEM SET commit_delay = 5000");
  admin.execute("ALTER SYSTEM SET commit_siblings = 0");
  // What no COMMIT has flushed is lost by a crash, however late it comes.
  admin.execute("ALTER SYSTEM SET wal_writer_delay = '10s'");
  admin.execute("SELECT pg_reload_conf()");
  if (extensions_ == Extensions::timescale) {
    admin.execute("SET client_min_messages = warning; CREATE EXTENSION timescaledb SCHEMA public");
  }
  socket_ =
      fmt::format("{}/.s.PGSQL.{}", admin.value("SHOW unix_socket_directories"), admin.value("SHOW port"));
  other_dsn_ = private_server_->dsn();
}

unsigned FaultTest::times(unsigned short_form, unsigned long_form) {
  const char* const form = std::getenv("HYPERCOPY_TEST_FAULTS");
  return form != nullptr && std::string_view(form) == "long" ? long_form : short_form;
}

LoadShape FaultTest::random_shape(std::uint64_t rows) {
  return {.rows = rows,
          .batch_rows = 20 + random_.below(200),
          .jobs = 1 + static_cast<unsigned>(random_.below(4))};
}

std::string FaultTest::random_rows() {
  static constexpr std::array kWords{
      "plain", "\"quoted, with a comma\"", "\"a \"\"b\"\"\nsecond line\"", "", "\"\"", "öäü €"};
  std::string bytes;
  for (std::uint64_t id = 1; id <= shape_.rows; ++id) {
    bytes += fmt::format(
        "{},2024-01-{:02} {:02}:{:02}:00.{:06}+00,{},{},{}.{:02}\n", id, 1 + random_.below(28),
        random_.below(24), random_.below(60), random_.below(1'000'000), random_.pick(kWords),
        static_cast<double>(random_.below(1'000'000)) / 7.0, random_.below(10'000), random_.below(100));
  }
  return bytes;
}

void FaultTest::make_target(const LoadShape& shape, const std::string& kind, const std::string& storage) {
  static constexpr std::string_view kColumns =
      "(id bigint, at timestamptz, word text, value float8, amount numeric)";
  shape_ = shape;
  const Server admin = connect();
  // A hypertable goes alone.
  for (const char* table : {"t", "reference"}) admin.execute(fmt::format("DROP TABLE IF EXISTS {}", table));
  admin.execute(fmt::format("CREATE {} t {} {}", kind, kColumns, storage));
  admin.execute(fmt::format("CREATE TABLE reference {}", kColumns));
  const std::string bytes = random_rows();
  input_ = folder_.file("input.csv", bytes);
  const CopyOutcome loaded = admin.copy("COPY reference FROM STDIN (FORMAT csv)", bytes);
  ASSERT_EQ(loaded.rows, shape.rows) << loaded.message;
}

void FaultTest::make_hypertable(const LoadShape& shape, std::uint64_t chunk_ids) {
  make_target(shape);
  connect().execute(fmt::format("SELECT create_hypertable('t', 'id', chunk_time_interval => {})", chunk_ids));
}

std::unique_ptr<Process> FaultTest::start_load(const std::vector<std::string>& more) {
  std::vector<std::string> arguments{"-j", std::to_string(shape_.jobs), "--batch-rows",
                                     std::to_string(shape_.batch_rows)};
  arguments.insert(arguments.end(), more.begin(), more.end());
  arguments.push_back(input_);
  return start("t", arguments, {.timeout = std::chrono::minutes(5)});
}

Checked FaultTest::finish_load(Process& load) { return finish(load, "t"); }

Checked FaultTest::load_through(FaultProxy& proxy, const std::vector<std::string>& more) {
  other_dsn_ = proxy.dsn();
  const auto load = start_load(more);
  other_dsn_ = private_server_->dsn();
  return finish_load(*load);
}

std::vector<std::uint64_t> FaultTest::random_moments(unsigned count) {
  std::vector<std::uint64_t> moments;
  for (unsigned number = 0; number < count; ++number) {
    moments.push_back(1 + random_.below(shape_.rows - shape_.batch_rows));
  }
  std::ranges::sort(moments);
  return moments;
}

bool FaultTest::await_rows(const Process& load, std::uint64_t rows) const {
  const Server watcher = connect();
  while (std::stoull(watcher.value("SELECT count(*) FROM t")) < rows) {
    if (has_ended(load)) return false;
    watcher.execute("SELECT pg_sleep(0.001)");
  }
  return !has_ended(load);
}

void FaultTest::break_workers(const Process& load, unsigned count) {
  for (const std::uint64_t moment : random_moments(count)) {
    if (!await_rows(load, moment)) return;
    connect().execute(fmt::format("SELECT pg_terminate_backend(pid) {} ORDER BY random() LIMIT 1", kWorkers));
  }
}

void FaultTest::break_server(const Process& load, ServerBreak way, unsigned count) {
  for (const std::uint64_t moment : random_moments(count)) {
    if (!await_rows(load, moment)) return;
    break_server(way);
  }
}

void FaultTest::break_server(ServerBreak way) {
  if (way == ServerBreak::backend) {
    const Server watcher = connect();
    const Rows pids = watcher.execute(fmt::format("SELECT pid {} ORDER BY random() LIMIT 1", kWorkers));
    if (pids.empty()) return;
    ASSERT_EQ(::kill(std::stoi(*pids[0][0]), SIGKILL), 0);
    await_lost(watcher);
    return await_server(private_server_->dsn());
  }
  if (way == ServerBreak::fast) private_server_->stop_fast();
  if (way == ServerBreak::immediate) private_server_->stop_immediately();
  ASSERT_TRUE(private_server_->run());
}

void FaultTest::await_there(const std::string& condition) const {
  const Server watcher = connect();
  const auto deadline = Clock::now() + kPatience;
  while (watcher.value(condition) != "t") {
    ASSERT_LT(Clock::now(), deadline) << condition << " never came true";
    watcher.execute("SELECT pg_sleep(0.01)");
  }
}

void FaultTest::hold_row(std::uint64_t id) {
  constexpr int kLock = 20240209;
  row_holder_ = std::make_unique<Server>(private_server_->dsn());
  row_holder_->execute(
      fmt::format("CREATE OR REPLACE FUNCTION hold_row() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN PERFORM "
                  "pg_advisory_xact_lock_shared({0}); RETURN NULL; END$$; CREATE TRIGGER hold_row AFTER "
                  "INSERT ON t FOR EACH ROW WHEN "
                  "(NEW.id = {1}) EXECUTE FUNCTION hold_row(); SELECT pg_advisory_lock({0})",
                  kLock, id));
}

void FaultTest::await_held_row() const {
  await_there(fmt::format("SELECT count(*) = 1 {} AND wait_event = 'advisory'", kWorkers));
}

void FaultTest::hold_rows(const std::vector<std::uint64_t>& ids) {
  connect().execute(fmt::format(
      "CREATE OR REPLACE FUNCTION passes(id bigint) RETURNS boolean LANGUAGE plpgsql AS $$BEGIN IF id "
      "IN ({}) THEN PERFORM pg_advisory_xact_lock_shared({}, id::int); END IF; RETURN true; END$$; "
      "ALTER TABLE t ADD CONSTRAINT passes CHECK (passes(id))",
      fmt::join(ids, ", "), kRowLockClass));
  for (const std::uint64_t id : ids) {
    auto& holder = row_holders_[id] = std::make_unique<Server>(private_server_->dsn());
    holder->execute(fmt::format("SELECT pg_advisory_lock({}, {})", kRowLockClass, id));
  }
}

void FaultTest::await_held_row(std::uint64_t id) const {
  await_there(
      fmt::format("SELECT EXISTS (SELECT FROM pg_locks WHERE locktype = 'advisory' AND NOT granted AND "
                  "classid = {} AND objid = {})",
                  kRowLockClass, id));
}

std::unique_ptr<Server> FaultTest::lock(const std::string& table, const std::string& mode) const {
  auto holder = std::make_unique<Server>(private_server_->dsn());
  holder->execute(fmt::format("BEGIN; LOCK TABLE {} IN {} MODE", table, mode));
  return holder;
}

std::string FaultTest::side_table(std::uint64_t begin) const {
  return connect().value(fmt::format(
      "SELECT relname FROM pg_class WHERE relkind = 'r' AND relname ~ '^hypercopy_chunk_.*_{}$'", begin));
}

std::uint64_t FaultTest::side_tables() const {
  return std::stoull(connect().value(
      "SELECT count(*) FROM pg_class WHERE relkind = 'r' AND relname LIKE 'hypercopy_chunk_%' AND "
      "relnamespace = 'public'::regnamespace"));
}

void FaultTest::await_waiting_hand_over(std::uint64_t ids) const {
  await_there(
      fmt::format("SELECT (SELECT count(*) = {} FROM t) AND EXISTS (SELECT {} AND application_name LIKE "
                  "'% chunk %' AND wait_event_type = 'Lock')",
                  ids, kWorkers));
}

void FaultTest::set_read_only(bool read_only) const {
  const Server admin = connect();
  admin.execute("SET default_transaction_read_only = off");
  const std::string value = read_only ? "on" : "off";
  admin.execute("ALTER SYSTEM SET default_transaction_read_only = " + value);
  admin.execute("SELECT pg_reload_conf()");
  // A new backend that has it was made when all others were told.
  const auto deadline = Clock::now() + kPatience;
  while (connect().value("SHOW default_transaction_read_only") != value) {
    ASSERT_LT(Clock::now(), deadline) << "the server does not take up its settings";
  }
}

void FaultTest::hold_commits() const {
  const Server admin = connect();
  admin.execute("ALTER SYSTEM SET synchronous_standby_names = 'nobody'");
  admin.execute("SELECT pg_reload_conf()");
  // It holds when the checkpointer has taken it up: found by trying.
  for (const auto deadline = Clock::now() + kPatience; Clock::now() < deadline;) {
    const Server probe = connect();
    PQsendQuery(probe.handle(), "SELECT pg_logical_emit_message(true, 'probe', 'probe')");
    const std::string held = fmt::format("SELECT wait_event = 'SyncRep' FROM pg_stat_activity WHERE pid = {}",
                                         PQbackendPID(probe.handle()));
    while (PQconsumeInput(probe.handle()) == 1 && PQisBusy(probe.handle()) == 1) {
      if (admin.value(held) == "t") return;
    }
  }
  FAIL() << "commits are not held";
}

std::vector<int> FaultTest::await_held_commits(std::size_t backends) const {
  const std::string held = fmt::format("{} AND wait_event = 'SyncRep'", kWorkers);
  await_there(fmt::format("SELECT count(*) >= {} {}", backends, held));
  std::vector<int> pids;
  for (const auto& row : connect().execute("SELECT pid " + held)) pids.push_back(std::stoi(*row[0]));
  return pids;
}

void FaultTest::release_commits() const {
  const Server admin = connect();
  admin.execute("ALTER SYSTEM RESET synchronous_standby_names");
  admin.execute("SELECT pg_reload_conf()");
}

void FaultTest::await_no_backend() const { await_there(fmt::format("SELECT count(*) = 0 {}", kWorkers)); }

void FaultTest::judge(const Checked& run) {
  ASSERT_FALSE(run.report.is_null()) << run.outcome.err;
  const auto& totals = run.report["totals"];
  const auto loaded = totals["rows_loaded"].get<std::uint64_t>();
  if (run.outcome.exit_code == 0) {
    EXPECT_EQ(loaded, shape_.rows);
    return expect_all_rows();
  }
  EXPECT_EQ(run.outcome.exit_code, 1) << run.outcome.err;
  expect_whole_batches();
  const std::uint64_t there = std::stoull(connect().value("SELECT count(*) FROM t"));
  EXPECT_GE(there, loaded) << run.outcome.err;
  EXPECT_LE(there, loaded + totals["unknown"]["records"].get<std::uint64_t>()) << run.outcome.err;
  expect_in_doubt_is_named(run);
}

// Of each batch in doubt, else of the one that failed.
void FaultTest::expect_in_doubt_is_named(const Checked& run) const {
  const auto& place = run.report["error"]["location"];
  ASSERT_TRUE(place.is_object()) << run.outcome.err;
  EXPECT_TRUE(place["byte"].is_number());
  EXPECT_TRUE(says(run, "byte")) << run.outcome.err;
  EXPECT_EQ(count_of(run.outcome.err, "Nobody knows whether"), run.report["totals"]["unknown"]["batches"])
      << run.outcome.err;
}

void FaultTest::expect_all_rows() const {
  const Server reader = connect();
  const auto wanted = reader.rows_as_text("reference");
  const auto there = reader.rows_as_text("t");
  const auto lost = difference(wanted, there);
  const auto more = difference(there, wanted);
  EXPECT_TRUE(lost.empty()) << lost.size() << " rows are lost, among them" << first_of(lost);
  EXPECT_TRUE(more.empty()) << more.size() << " rows are there twice or changed, among them"
                            << first_of(more);
}

void FaultTest::expect_whole_batches() const {
  const Server reader = connect();
  const auto more = difference(reader.rows_as_text("t"), reader.rows_as_text("reference"));
  EXPECT_TRUE(more.empty()) << more.size() << " rows are there twice or changed, among them"
                            << first_of(more);
  EXPECT_EQ(reader.value(fmt::format("SELECT count(*) FROM (SELECT FROM t GROUP BY (id - 1) / {0} "
                                     "HAVING count(*) <> least({0}, {1} - (id - 1) / {0} * {0})) torn",
                                     shape_.batch_rows, shape_.rows)),
            "0")
      << "batches are there in part";
}

}  // namespace hypercopy::test
