// --after refresh: when the load ends, every continuous aggregate is what its query gives, and nothing else was refreshed.
#include <fmt/format.h>

#include <algorithm>
#include <csignal>
#include <string>
#include <vector>

#include "support/checked_load.hpp"
#include "support/own_lock.hpp"
#include "support/role.hpp"

namespace hypercopy::test {
namespace {

using Texts = std::vector<std::string>;

class RefreshTest : public CheckedLoadTest {
 protected:
  void SetUp() override {
    CheckedLoadTest::SetUp();
    if (!IsSkipped()) server().execute("SET timezone = 'UTC'");
  }

  void make_table(const std::string& type, const std::string& interval) const {
    server().execute(
        fmt::format("CREATE TABLE t (at {} NOT NULL, device int, v float8); SELECT create_hypertable('t', "
                    "by_range('at', {}))",
                    type, interval));
  }
  void make_table() const { make_table("timestamptz", "interval '1 day'"); }
  // An aggregate by `bucket` (an expression over at) over `source`.
  void aggregate(const std::string& name, const std::string& bucket, bool adds_rows = false,
                 const std::string& source = "t") {
    const std::string query = fmt::format(
        "SELECT {} AS at, device, sum(v) AS v, count(*) AS n FROM {} GROUP BY 1, 2", bucket, source);
    server().execute(fmt::format(
        "CREATE MATERIALIZED VIEW {} WITH (timescaledb.continuous, timescaledb.materialized_only = {}) "
        "AS {} WITH NO DATA",
        name, adds_rows ? "false" : "true", query));
    aggregates_.emplace_back(name, query);
  }
  void refresh_all() const {
    for (const auto& [name, query] : aggregates_)
      server().execute(fmt::format("CALL refresh_continuous_aggregate('{}', NULL, NULL)", name));
  }
  void expect_each_is_its_query() const {
    for (const auto& [name, query] : aggregates_) {
      SCOPED_TRACE(name);
      EXPECT_EQ(server().value(
                    fmt::format("SELECT count(*) FROM ((TABLE {0} EXCEPT ALL {1}) UNION ALL ({1} EXCEPT ALL "
                                "TABLE {0})) d",
                                name, query)),
                "0");
      EXPECT_NE(server().value(fmt::format("SELECT count(*) FROM {}", name)), "0");
    }
  }
  // Rows of five devices, one each at the times of the query `times`.
  [[nodiscard]] std::string rows(const std::string& times) const {
    return server().copy_out(
        fmt::format("COPY (SELECT at, d, extract(epoch FROM now())::int % 7 + d FROM ({}) AS s(at), "
                    "generate_series(1, 5) d) TO "
                    "STDOUT (FORMAT csv)",
                    times));
  }
  void insert(const std::string& times) const {
    server().execute(
        fmt::format("INSERT INTO t SELECT at, d, d FROM ({}) AS s(at), generate_series(1, 5) d", times));
  }
  void forget_aggregates() { aggregates_.clear(); }
  Checked load_in(const std::string& input, Texts arguments = {}) {
    arguments.insert(arguments.end(), {"--after", "refresh", folder_.file("in.csv", input)});
    rows_before_ = count("t");
    return run("t", arguments);
  }

 private:
  std::vector<std::pair<std::string, std::string>> aggregates_;
};

std::string hours(const std::string& from, const std::string& to) {
  return fmt::format("SELECT generate_series(timestamptz '{}', '{}', '20 min')", from, to);
}

struct TypeCase {
  const char* type;
  const char* interval;
  Texts buckets;
  const char* there;   // times of rows that are there, all refreshed
  const char* loaded;  // below and above them
};

TEST_F(RefreshTest, TimesOfEveryType) {
  if (!has_timescale()) return;
  const TypeCase cases[] = {
      {"timestamptz",
       "interval '1 day'",
       {"time_bucket('1 hour', at)", "time_bucket('1 day', at, 'Europe/Berlin')",
        "time_bucket('1 month', at)", "time_bucket('7 hours', at, origin => '2001-02-03 04:05:06+00')"},
       "SELECT generate_series(timestamptz '2024-02-01', '2024-05-01', '5 h')",
       "SELECT generate_series(timestamptz '2024-01-30 21:47', '2024-03-31 23:30', '11 h') UNION ALL "
       "SELECT generate_series(timestamptz '2024-05-09', '2024-05-12', '3 h')"},
      {"timestamp",
       "interval '1 day'",
       {"time_bucket('90 minutes', at)", "time_bucket('1 month', at)"},
       "SELECT generate_series(timestamp '2024-02-01', '2024-03-01', '5 h')",
       "SELECT generate_series(timestamp '1999-12-30 21:47', '2000-01-02', '11 h') UNION ALL SELECT "
       "timestamp "
       "'2024-02-03 01:29:59.999999'"},
      {"date",
       "interval '7 days'",
       {"time_bucket('1 day', at)", "time_bucket('3 days', at)", "time_bucket('1 month', at)"},
       "SELECT (date '2024-02-01' + n) FROM generate_series(1, 60) n",
       "SELECT (date '2024-01-20' + n * 2) FROM generate_series(1, 30) n"},
      {"bigint",
       "1000",
       {"time_bucket(10::bigint, at)", "time_bucket(70::bigint, at, 3::bigint)"},
       "SELECT n::bigint FROM generate_series(0, 5000, 3) n",
       "SELECT n::bigint FROM generate_series(-333, 6000, 13) n"},
      {"int",
       "1000",
       {"time_bucket(10, at)"},
       "SELECT n FROM generate_series(0, 900, 3) n",
       "SELECT n FROM generate_series(777, 1777, 7) n"},
      {"smallint",
       "1000",
       {"time_bucket(10::smallint, at)"},
       "SELECT n::smallint FROM generate_series(0, 900, 3) n",
       "SELECT n::smallint FROM generate_series(-777, 777, 7) n UNION ALL SELECT 32755::smallint"},
  };
  for (const auto& wanted : cases) {
    SCOPED_TRACE(wanted.type);
    make_table(wanted.type, wanted.interval);
    if (std::string_view(wanted.type).find("int") != std::string_view::npos) {
      server().execute(
          fmt::format("CREATE FUNCTION now_of_t() RETURNS {0} STABLE LANGUAGE sql AS 'SELECT 900::{0}'; "
                      "SELECT set_integer_now_func('t', 'now_of_t')",
                      wanted.type));
    }
    for (std::size_t at = 0; at < wanted.buckets.size(); ++at) {
      aggregate(fmt::format("m{}", at), wanted.buckets[at]);
      aggregate(fmt::format("r{}", at), wanted.buckets[at], true);
    }
    insert(wanted.there);
    refresh_all();
    const std::string input = rows(wanted.loaded);
    const Checked done = load_in(input, {"-j", "2", "--batch-rows", "40"});
    expect_success(done, static_cast<std::uint64_t>(std::ranges::count(input, '\n')));
    EXPECT_TRUE(says(done, "over the loaded times"));
    EXPECT_TRUE(says(done, fmt::format("({0} of {0} continuous aggregate", 2 * wanted.buckets.size())));
    expect_each_is_its_query();
    server().execute("DROP TABLE t CASCADE; DROP FUNCTION IF EXISTS now_of_t");
    forget_aggregates();
  }
}

TEST_F(RefreshTest, AggregatesOverAggregatesComeBehindThem) {
  if (!has_timescale()) return;
  make_table();
  aggregate("hourly", "time_bucket('1 hour', at)");
  server().execute(
      "CREATE MATERIALIZED VIEW a_daily WITH (timescaledb.continuous, timescaledb.materialized_only = true) "
      "AS SELECT "
      "time_bucket('1 day', at) AS at, sum(n) AS n FROM hourly GROUP BY 1 WITH NO DATA");
  server().execute(
      "CREATE MATERIALIZED VIEW a_monthly WITH (timescaledb.continuous, timescaledb.materialized_only = "
      "true) AS "
      "SELECT time_bucket('1 month', at) AS at, sum(n) AS n FROM a_daily GROUP BY 1 WITH NO DATA");
  insert(hours("2024-02-01", "2024-03-10"));
  for (const char* name : {"hourly", "a_daily", "a_monthly"})
    server().execute(fmt::format("CALL refresh_continuous_aggregate('{}', NULL, NULL)", name));
  for (const Texts& arguments : {Texts{}, Texts{"--wire", "csv"}}) {
    expect_success(load_in(rows(hours("2024-01-31 22:10", "2024-02-02 03:00")), arguments), 435);
    expect_each_is_its_query();
    EXPECT_EQ(server().value("SELECT sum(n) FROM a_daily"), server().value("SELECT count(*) FROM t"));
    EXPECT_EQ(server().value("SELECT sum(n) FROM a_monthly"), server().value("SELECT count(*) FROM t"));
    EXPECT_EQ(server().value("SELECT n FROM a_monthly WHERE at = '2024-01-01'"),
              server().value("SELECT count(*) FROM t WHERE at < '2024-02-01'"));
  }
}

// A year that was never refreshed stays so.
TEST_F(RefreshTest, OnlyTheLoadedTimesAreRefreshed) {
  if (!has_timescale()) return;
  make_table("timestamptz", "interval '30 days'");
  aggregate("hourly", "time_bucket('1 hour', at)");
  insert("SELECT generate_series(timestamptz '2023-01-01', '2024-01-01', '1 h')");
  const auto range = [&] { return server().value("SELECT min(at) || ' ' || max(at) FROM hourly"); };
  expect_success(load_in(rows(hours("2023-06-01 10:10", "2023-06-01 12:30"))), 40);
  EXPECT_EQ(range(), "2023-06-01 10:00:00+00 2023-06-01 12:00:00+00");
  // Nor does it where only the server knows what changed.
  server().execute("CALL refresh_continuous_aggregate('hourly', '2023-06-01 13:00', '2023-12-01')");
  const Checked csv = load_in(rows(hours("2023-03-01 10:10", "2023-03-01 12:30")), {"--wire", "csv"});
  expect_success(csv, 40);
  EXPECT_TRUE(says(csv, "over what the server has noted as changed"));
  EXPECT_EQ(
      server().value("SELECT count(*) FROM hourly WHERE at < '2023-03-01' OR (at > '2023-03-02' AND at < "
                     "'2023-06-01')"),
      "0");
  EXPECT_EQ(
      server().value("SELECT sum(n) FROM hourly WHERE at >= '2023-03-01 10:00' AND at < '2023-03-01 13:00'"),
      server().value("SELECT count(*) FROM t WHERE at >= '2023-03-01 10:00' AND at < '2023-03-01 13:00'"));
}

// What a policy did meanwhile with the server's log loses nothing.
TEST_F(RefreshTest, ChangesThatAnotherRefreshHasMoved) {
  if (!has_timescale()) return;
  make_table();
  aggregate("hourly", "time_bucket('1 hour', at)");
  insert(hours("2024-02-01", "2024-02-10"));
  refresh_all();
  insert(hours("2024-02-02 05:00", "2024-02-02 06:00"));
  server().execute("CALL refresh_continuous_aggregate('hourly', '2024-02-08', '2024-02-09')");
  expect_success(load_in(rows(hours("2024-02-04 05:00", "2024-02-04 06:00")), {"--wire", "csv"}), 20);
  expect_each_is_its_query();
}

TEST_F(RefreshTest, RejectsAndValuesThatOnlyTheServerReads) {
  if (!has_timescale()) return;
  make_table();
  aggregate("hourly", "time_bucket('1 hour', at)");
  insert(hours("2024-02-01", "2024-02-03"));
  refresh_all();
  const std::string good = rows(hours("2024-02-02 05:00", "2024-02-02 09:00"));
  const Checked rejected = load_in("no time,1,1\n" + good + "2024-02-02 05:00:00+00,x,1\n",
                                   {"--on-error", "reject", "--batch-rows", "10"});
  EXPECT_EQ(rejected.report["totals"]["records_rejected"], 2) << rejected.report.dump(2);
  EXPECT_EQ(count("t"), rows_before_ + 65);
  expect_each_is_its_query();
  expect_success(load_in("\"Feb 2, 2024 03:04 UTC\",1,1\n"), 1);
  expect_each_is_its_query();
}

TEST_F(RefreshTest, Columnstore) {
  if (!has_timescale()) return;
  make_table();
  server().execute("ALTER TABLE t SET (timescaledb.compress, timescaledb.compress_segmentby = 'device')");
  aggregate("hourly", "time_bucket('1 hour', at)");
  aggregate("live", "time_bucket('1 hour', at)", true);
  insert(hours("2024-02-01", "2024-02-03"));
  server().execute("SELECT compress_chunk(c) FROM show_chunks('t') c");
  refresh_all();
  for (const char* when : {"on", "off"}) {
    SCOPED_TRACE(when);
    rows_before_ = count("t");
    expect_success(run("t", {"--direct-compress", when, "--after", "refresh,compress",
                             folder_.file("in.csv", rows(hours("2024-01-31 05:00", "2024-02-02 09:00")))}),
                   785);
    expect_each_is_its_query();
  }
}

// A bucket that is not over yet is not kept from the rows that still come.
TEST_F(RefreshTest, TheNewestBucketStaysOpen) {
  if (!has_timescale()) return;
  make_table();
  aggregate("live", "time_bucket('1 day', at)", true);
  aggregate("closed", "time_bucket('1 day', at)");
  const auto days_ago = [](int first, int last) {
    return fmt::format("SELECT now() - interval '1 day' * n FROM generate_series({}, {}) n", last, first);
  };
  expect_success(load_in(rows(days_ago(3, 0))), 20);
  expect_each_is_its_query();
  insert(days_ago(0, 0));
  EXPECT_EQ(server().value("SELECT sum(n) FROM live"), "25");
  EXPECT_EQ(server().value("SELECT sum(n) FROM closed"), "20");
  // All of the load lies in it.
  expect_success(load_in(rows(days_ago(0, 0))), 5);
  EXPECT_EQ(server().value("SELECT sum(n) FROM live"), "30");
  insert(days_ago(0, 0));
  EXPECT_EQ(server().value("SELECT sum(n) FROM live"), "35");
  // Below the watermark it is refreshed, or it would stay as it is.
  server().execute("CALL refresh_continuous_aggregate('live', NULL, NULL)");
  expect_success(load_in(rows(days_ago(0, 0))), 5);
  EXPECT_EQ(server().value("SELECT sum(n) FROM live"), "40");
}

TEST_F(RefreshTest, AResumedImportRefreshesWhatTheKilledRunLoaded) {
  if (!has_timescale()) return;
  make_table();
  aggregate("hourly", "time_bucket('1 hour', at)");
  insert(hours("2024-02-01", "2024-02-10"));
  refresh_all();
  rows_before_ = count("t");
  // One row waits until the test gives its lock free.
  server().execute(
      fmt::format("ALTER TABLE t ADD CONSTRAINT waits CHECK (v <> 99 OR "
                  "pg_advisory_xact_lock_shared({})::text IS NOT NULL)",
                  own_lock(schema())));
  const std::string input = rows(hours("2024-02-02 05:00", "2024-02-02 06:00")) +
                            "2024-02-05 05:00:00+00,1,99\n" +
                            rows(hours("2024-02-07 05:00", "2024-02-07 06:00"));
  const Texts arguments{"--import-id", schema(),       "-j",
                        "1",           "--batch-rows", "20",
                        "--after",     "refresh",      folder_.file("in.csv", input)};
  const Server holder;
  holder.execute(fmt::format("SELECT pg_advisory_lock({})", own_lock(schema())));
  {
    const auto process = start("t", arguments);
    await_blocked(1);
    process->signal(SIGKILL);
    static_cast<void>(process->wait());
  }
  holder.execute(fmt::format("SELECT pg_advisory_unlock({})", own_lock(schema())));
  EXPECT_EQ(count("t"), rows_before_ + 20);
  Texts again{"-t", "t"};
  again.insert(again.end(), arguments.begin(), arguments.end());
  rows_before_ += 20;
  const Checked resumed = run("t", arguments);
  EXPECT_EQ(resumed.outcome.exit_code, 0) << resumed.outcome.err;
  EXPECT_TRUE(says(resumed, "over what the server has noted as changed"));
  EXPECT_EQ(count("t"), rows_before_ + 21);
  expect_each_is_its_query();
  // A run that was killed between its last batch and the refresh is made good by the same command.
  insert(hours("2024-02-03 05:00", "2024-02-03 06:00"));
  EXPECT_EQ(load(again).exit_code, 0);
  expect_each_is_its_query();
}

TEST_F(RefreshTest, AfterTruncateNothingOldIsLeft) {
  if (!has_timescale()) return;
  make_table();
  aggregate("hourly", "time_bucket('1 hour', at)");
  insert(hours("2024-02-01", "2024-02-10"));
  refresh_all();
  const std::string input = rows(hours("2024-02-02 05:00", "2024-02-02 06:00"));
  const Checked done = run("t", {"--truncate", "--after", "refresh", folder_.file("in.csv", input)});
  expect_success(done, 20);
  EXPECT_TRUE(says(done, "the table was emptied"));
  expect_each_is_its_query();
}

TEST_F(RefreshTest, AtomicAndMergedLoads) {
  if (!has_timescale()) return;
  make_table();
  server().execute("CREATE UNIQUE INDEX ON t (at, device)");
  aggregate("hourly", "time_bucket('1 hour', at)");
  insert(hours("2024-02-01", "2024-02-10"));
  refresh_all();
  const Checked atomic = load_in(rows(hours("2024-02-02 05:01", "2024-02-02 06:01")), {"--atomic"});
  expect_success(atomic, 20);
  expect_each_is_its_query();
  const Outcome merged = load({"-t", "t", "--on-conflict", "update", "--after", "refresh",
                               folder_.file("in.csv", rows(hours("2024-02-04 05:00", "2024-02-04 06:00")))});
  EXPECT_EQ(merged.exit_code, 0) << merged.err;
  expect_each_is_its_query();
}

// A refresh by somebody else of the same range ends the call with 55P03.
TEST_F(RefreshTest, WaitsForAnotherRefresh) {
  if (!has_timescale()) return;
  make_table();
  aggregate("hourly", "time_bucket('1 hour', at)");
  insert(hours("2024-02-01", "2024-02-10"));
  refresh_all();
  insert(hours("2024-02-02 05:00", "2024-02-02 06:00"));
  const Server holder;
  const std::string stored = server().value(fmt::format(
      "SELECT format('%I.%I', materialization_hypertable_schema, materialization_hypertable_name) FROM "
      "timescaledb_information.continuous_aggregates WHERE view_schema = '{}'",
      schema()));
  holder.execute(fmt::format("BEGIN; LOCK TABLE {} IN ACCESS EXCLUSIVE MODE", stored));
  const Server other;
  ASSERT_EQ(PQsendQuery(
                other.handle(),
                fmt::format("CALL refresh_continuous_aggregate('{}.hourly', NULL, NULL)", schema()).c_str()),
            1);
  await(fmt::format("SELECT wait_event_type = 'Lock' FROM pg_stat_activity WHERE pid = {}",
                    PQbackendPID(other.handle())));
  const std::string input = rows(hours("2024-02-02 05:00", "2024-02-02 06:00"));
  const auto process = start("t", {"--after", "refresh", folder_.file("in.csv", input)});
  rows_before_ = count("t");
  await(fmt::format(
      "SELECT count(*) = 1 FROM pg_stat_activity WHERE application_name LIKE 'hypercopy load %' AND state "
      "= 'idle' AND query LIKE 'CALL %{}.hourly%'",
      schema()));
  holder.execute("ROLLBACK");
  while (PGresult* const result = PQgetResult(other.handle())) {
    EXPECT_EQ(PQresultStatus(result), PGRES_COMMAND_OK) << PQresultErrorMessage(result);
    PQclear(result);
  }
  const Outcome outcome = process->wait();
  EXPECT_EQ(outcome.exit_code, 0) << outcome.err;
  expect_each_is_its_query();
}

TEST_F(RefreshTest, ARefreshThatFailsLeavesTheRows) {
  if (!has_timescale()) return;
  make_table();
  server().execute(
      "CREATE MATERIALIZED VIEW inverse WITH (timescaledb.continuous) AS SELECT time_bucket('1 hour', at) AS "
      "at, "
      "sum(1 / v) AS v FROM t GROUP BY 1 WITH NO DATA");
  const Checked run = load_in("2024-02-02 05:00:00+00,1,0\n");
  EXPECT_EQ(run.outcome.exit_code, 1);
  EXPECT_EQ(count("t"), 1U);
  EXPECT_TRUE(says(run, "inverse is not refreshed: division by zero"));
}

// TimescaleDB notes nothing of what COPY inserts row by row.
TEST_F(RefreshTest, RowsThatTheServerDoesNotNote) {
  if (!has_timescale()) return;
  make_table();
  aggregate("hourly", "time_bucket('1 hour', at)");
  insert(hours("2024-02-01", "2024-02-03"));
  refresh_all();
  server().execute(
      "CREATE FUNCTION same() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN RETURN NEW; END$$; CREATE TRIGGER "
      "same "
      "BEFORE INSERT ON t FOR EACH ROW EXECUTE FUNCTION same()");
  const std::string input = rows(hours("2024-02-02 05:00", "2024-02-02 06:00"));
  const Checked refused = load_in(input);
  EXPECT_EQ(refused.outcome.exit_code, 2) << refused.outcome.err;
  EXPECT_TRUE(says(refused, "does not note what COPY loads past the table's triggers"));
  EXPECT_EQ(count("t"), rows_before_);
  const Checked without = run("t", {folder_.file("in.csv", input)});
  expect_success(without, 20);
  EXPECT_TRUE(says(without, "needs a forced refresh"));
  // --atomic inserts by a statement.
  server().execute("CALL refresh_continuous_aggregate('hourly', '2024-02-02', '2024-02-03', force => true)");
  expect_success(load_in(input, {"--atomic"}), 20);
  expect_each_is_its_query();
}

TEST_F(RefreshTest, WithoutAggregatesThereIsNothingToDo) {
  if (!has_timescale()) return;
  make_table();
  const Checked run = load_in("2024-02-02 05:00:00+00,1,0\n");
  expect_success(run, 1);
  EXPECT_TRUE(says(run, "no continuous aggregate to refresh"));
}

TEST_F(RefreshTest, WhoDoesNotOwnAnAggregateIsToldBeforeTheFirstRow) {
  if (!has_timescale()) return;
  make_table();
  aggregate("hourly", "time_bucket('1 hour', at)");
  const TestRole role(server(), schema(), {});
  other_dsn_ = dsn() + " user=" + role.name();
  const Checked run = load_in("2024-02-02 05:00:00+00,1,0\n");
  EXPECT_EQ(run.outcome.exit_code, 2) << run.outcome.err;
  EXPECT_TRUE(says(run, "--after refresh is not possible"));
  EXPECT_EQ(count("t"), 0U);
}

TEST_F(RefreshTest, APlainTableHasNone) {
  server().execute("CREATE TABLE t (at timestamptz, device int, v float8)");
  const Checked run = load_in("2024-02-02 05:00:00+00,1,0\n");
  EXPECT_EQ(run.outcome.exit_code, 2) << run.outcome.err;
  EXPECT_TRUE(says(run, "--after refresh is for hypertables"));
  const Checked compress =
      this->run("t", {"--after", "compress", folder_.file("in.csv", "2024-02-02,1,0\n")});
  EXPECT_EQ(compress.outcome.exit_code, 2) << compress.outcome.err;
  EXPECT_TRUE(says(compress, "--after compress is for hypertables"));
  EXPECT_EQ(count("t"), 0U);
}

}  // namespace
}  // namespace hypercopy::test
