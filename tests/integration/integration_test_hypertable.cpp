// What is read of a target before it is loaded: TimescaleDB's side of a hypertable, and the indexes, triggers and
// foreign keys of any table.
#include <fmt/format.h>

#include "hypercopy/connection.hpp"
#include "hypercopy/hypertable.hpp"
#include "hypercopy/table_facts.hpp"
#include "support/role.hpp"
#include "support/server.hpp"

namespace hypercopy::test {
namespace {

using Texts = std::vector<std::string>;
constexpr std::int64_t kSecond = 1'000'000;
constexpr std::int64_t kDay = 86'400 * kSecond;

template <typename T>
T must(Result<T> result) {
  if (!result) throw std::runtime_error(to_string(result.error()));
  return std::move(*result);
}

class TargetFacts : public ServerTest {
 protected:
  void SetUp() override {
    ServerTest::SetUp();
    if (IsSkipped()) return;
    cancellation_ = must(Cancellation::create());
  }

  [[nodiscard]] Connection connect(const std::string& more = {}) const {
    Connector connector({.dbname = dsn() + more}, *cancellation_, {}, {});
    return must(connector.connect("target facts", {*cancellation_}));
  }
  [[nodiscard]] std::optional<Hypertable> find(const std::string& table, const std::string& more = {}) const {
    Connection connection = connect(more);
    return must(read_hypertable(connection, must(describe_table(connection, {.name = table}))));
  }
  [[nodiscard]] Hypertable read(const std::string& table, const std::string& more = {}) const {
    auto hypertable = find(table, more);
    if (!hypertable) throw std::runtime_error(table + " is no hypertable");
    return std::move(*hypertable);
  }
  [[nodiscard]] std::vector<ChunkRange> chunks(const std::string& table) const {
    Connection connection = connect();
    return must(read_chunk_ranges(connection, must(describe_table(connection, {.name = table}))));
  }
  [[nodiscard]] TableFacts facts(const std::string& table) const {
    Connection connection = connect();
    return must(read_table_facts(connection, must(describe_table(connection, {.name = table}))));
  }

  std::unique_ptr<Cancellation> cancellation_;
};

class HypertableFacts : public TargetFacts {
 protected:
  void SetUp() override {
    TargetFacts::SetUp();
    if (IsSkipped()) return;
    if (!has_timescale()) GTEST_SKIP() << "the server has no TimescaleDB";
    server().execute("SET timezone = 'UTC'");
  }
};

struct DimensionCase {
  const char* type;
  const char* interval;  // as SQL
  const char* value;
  DimensionKind kind;
  std::int64_t length;
  std::int64_t begin;  // of the chunk that holds the value
};

TEST_F(HypertableFacts, PrimaryDimensionsOfEveryType) {
  const DimensionCase cases[] = {
      {"timestamptz", "interval '7 days'", "'1970-01-09 01:00+00'", DimensionKind::time, 7 * kDay, 7 * kDay},
      {"timestamptz", "interval '90 minutes'", "'2024-01-01 02:00+00'", DimensionKind::time, 5400 * kSecond,
       19'723 * kDay + 5400 * kSecond},
      {"timestamp", "interval '1 day'", "'1969-12-31 23:59:59'", DimensionKind::time, kDay, -kDay},
      {"date", "interval '1 day'", "'2000-01-01'", DimensionKind::time, kDay, 10'957 * kDay},
      {"smallint", "100", "-1", DimensionKind::integer, 100, -100},
      {"int", "1000", "999", DimensionKind::integer, 1000, 0},
      {"bigint", "1000000000000", "-1000000000001", DimensionKind::integer, 1'000'000'000'000,
       -2'000'000'000'000},
      {"uuid", "interval '1 day'", "'018cc251-f400-7000-8000-000000000000'", DimensionKind::uuid, kDay,
       19'723 * kDay},
  };
  for (const auto& wanted : cases) {
    SCOPED_TRACE(fmt::format("{} by {}", wanted.type, wanted.interval));
    server().execute(fmt::format(
        "CREATE TABLE h (at {} NOT NULL, a int); SELECT create_hypertable('h', by_range('at', {}));"
        "INSERT INTO h VALUES ({}, 1)",
        wanted.type, wanted.interval, wanted.value));
    const Hypertable hypertable = read("h");
    ASSERT_EQ(hypertable.dimensions.size(), 1U);
    const Dimension& at = hypertable.primary();
    EXPECT_EQ(at.column, "at");
    EXPECT_EQ(at.kind, wanted.kind);
    EXPECT_EQ(at.type, server().value(fmt::format("SELECT format_type('{}'::regtype, NULL)", wanted.type)));
    EXPECT_EQ(std::to_string(at.type_oid),
              server().value(fmt::format("SELECT '{}'::regtype::oid", wanted.type)));
    EXPECT_EQ(at.interval, wanted.length);
    EXPECT_EQ(hypertable.chunks, 1U);
    const auto ranges = chunks("h");
    ASSERT_EQ(ranges.size(), 1U);
    EXPECT_EQ(ranges[0].begin, wanted.begin);
    EXPECT_EQ(ranges[0].end, wanted.begin + wanted.length);
    EXPECT_FALSE(ranges[0].compressed);
    server().execute("DROP TABLE h");
  }
}

TEST_F(HypertableFacts, ChunksAtTheEdgesOfTheType) {
  server().execute(
      "CREATE TABLE t (at timestamptz NOT NULL); SELECT create_hypertable('t', 'at');"
      "INSERT INTO t VALUES ('4714-11-24 00:00+00 BC'), ('infinity');"
      "CREATE TABLE b (at bigint NOT NULL); SELECT create_hypertable('b', by_range('at', 1000000));"
      "INSERT INTO b VALUES (9223372036854775807), (-9223372036854775808)");
  for (const char* table : {"t", "b"}) {
    SCOPED_TRACE(table);
    const auto ranges = chunks(table);
    ASSERT_EQ(ranges.size(), 2U);
    EXPECT_EQ(ranges[0].begin, INT64_MIN);
    EXPECT_LT(ranges[0].end, 0);
    EXPECT_GT(ranges[1].begin, 0);
    EXPECT_EQ(ranges[1].end, INT64_MAX);
  }
}

TEST_F(HypertableFacts, SpacePartitionsComeBehindTheTime) {
  server().execute(
      "CREATE TABLE h (at timestamptz NOT NULL, device text, site int);"
      "SELECT create_hypertable('h', by_range('at', interval '1 day'));"
      "SELECT add_dimension('h', by_hash('device', 3)); SELECT add_dimension('h', by_range('site', 10));"
      "INSERT INTO h SELECT '2024-01-01', 'd' || d, 1 FROM generate_series(1, 50) d");
  const Hypertable hypertable = read("h");
  ASSERT_EQ(hypertable.dimensions.size(), 3U);
  EXPECT_EQ(hypertable.primary().column, "at");
  EXPECT_EQ(hypertable.primary().interval_text, "1 day");
  EXPECT_EQ(hypertable.dimensions[1].column, "device");
  EXPECT_EQ(hypertable.dimensions[1].kind, DimensionKind::hash);
  EXPECT_EQ(hypertable.dimensions[1].partitions, 3U);
  EXPECT_EQ(hypertable.dimensions[1].interval, 0);
  EXPECT_EQ(hypertable.dimensions[2].kind, DimensionKind::integer);
  EXPECT_EQ(hypertable.dimensions[2].interval, 10);
  EXPECT_EQ(hypertable.chunks, 3U);
  EXPECT_EQ(chunks("h").size(), 3U);
}

TEST_F(HypertableFacts, AFunctionOfTheUsersIsSaid) {
  server().execute(
      "CREATE FUNCTION year_of(text) RETURNS int IMMUTABLE LANGUAGE sql AS 'SELECT left($1, 4)::int';"
      "CREATE TABLE h (at text NOT NULL);"
      "SELECT create_hypertable('h', by_range('at', 10, partition_func => 'year_of'))");
  EXPECT_EQ(read("h").primary().kind, DimensionKind::function);
}

TEST_F(HypertableFacts, ColumnstoreWithNamesThatNeedQuotes) {
  server().execute(
      "CREATE TABLE h (at timestamptz NOT NULL, \"a,b\" text, \"C\" int, v float8);"
      "SELECT create_hypertable('h', by_range('at', interval '1 day'))");
  EXPECT_FALSE(read("h").columnstore.enabled);
  server().execute(
      "ALTER TABLE h SET (timescaledb.compress, timescaledb.compress_segmentby = '\"C\",\"a,b\"',"
      " timescaledb.compress_orderby = 'at DESC NULLS LAST, v ASC');"
      "INSERT INTO h SELECT d, 'x', 1, 2 FROM generate_series(timestamptz '2024-01-01', '2024-01-03', '1 "
      "day') d;"
      "SELECT compress_chunk(c) FROM (SELECT c FROM show_chunks('h') c ORDER BY c LIMIT 2) c");
  const Hypertable hypertable = read("h");
  EXPECT_TRUE(hypertable.columnstore.enabled);
  EXPECT_EQ(hypertable.columnstore.segment_by, (Texts{"C", "a,b"}));
  const auto& order = hypertable.columnstore.order_by;
  ASSERT_EQ(order.size(), 2U);
  EXPECT_EQ(order[0].column, "at");
  EXPECT_TRUE(order[0].descending);
  EXPECT_FALSE(order[0].nulls_first);
  EXPECT_EQ(order[1].column, "v");
  EXPECT_FALSE(order[1].descending);
  EXPECT_FALSE(order[1].nulls_first);
  EXPECT_EQ(hypertable.chunks, 3U);
  EXPECT_EQ(hypertable.compressed_chunks, 2U);
  const auto ranges = chunks("h");
  ASSERT_EQ(ranges.size(), 3U);
  EXPECT_TRUE(ranges[0].compressed && ranges[1].compressed);
  EXPECT_FALSE(ranges[2].compressed);
}

TEST_F(HypertableFacts, AggregatesAndJobs) {
  server().execute(
      "CREATE TABLE h (at timestamptz NOT NULL, v float8) WITH (autovacuum_enabled = false);"
      "SELECT create_hypertable('h', by_range('at', interval '1 day'));"
      "ALTER TABLE h SET (timescaledb.compress);"
      "SELECT alter_job(add_retention_policy('h', interval '900 days'), scheduled => false);"
      "SELECT add_compression_policy('h', interval '9000 days', initial_start => '2100-01-01')");
  server().execute(
      "CREATE MATERIALIZED VIEW hourly WITH (timescaledb.continuous, timescaledb.materialized_only) AS "
      "SELECT time_bucket('1 hour', at) AS hour, avg(v) FROM h GROUP BY 1 WITH NO DATA");
  server().execute(
      "SELECT add_continuous_aggregate_policy('hourly', NULL, interval '1 hour', interval '1 year', "
      "initial_start => '2100-01-01')");
  const Hypertable hypertable = read("h");
  ASSERT_EQ(hypertable.aggregates.size(), 1U);
  EXPECT_EQ(hypertable.aggregates[0].schema, schema());
  EXPECT_EQ(hypertable.aggregates[0].name, "hourly");
  EXPECT_TRUE(hypertable.aggregates[0].materialized_only);
  ASSERT_EQ(hypertable.jobs.size(), 3U);
  EXPECT_EQ(hypertable.jobs[0].procedure, "policy_retention");
  EXPECT_FALSE(hypertable.jobs[0].scheduled);
  EXPECT_EQ(hypertable.jobs[1].procedure, "policy_compression");
  EXPECT_TRUE(hypertable.jobs[1].scheduled);
  EXPECT_EQ(hypertable.jobs[1].target, "h");
  EXPECT_EQ(hypertable.jobs[2].procedure, "policy_refresh_continuous_aggregate");
  EXPECT_EQ(hypertable.jobs[2].target, "hourly");
  EXPECT_EQ(hypertable.jobs[2].interval, "1 year");
  // What watches the table for the aggregate is not the user's trigger.
  EXPECT_TRUE(facts("h").triggers.empty());
}

TEST_F(HypertableFacts, ChunkSkippingVersionAndLicence) {
  server().execute(
      "CREATE TABLE h (at timestamptz NOT NULL, v int); SELECT create_hypertable('h', by_range('at'));"
      "ALTER TABLE h SET (timescaledb.compress);"
      "SET timescaledb.enable_chunk_skipping = on; SELECT enable_chunk_skipping('h', 'v')");
  const Hypertable hypertable = read("h");
  EXPECT_EQ(hypertable.chunk_skipping, (Texts{"v"}));
  EXPECT_EQ(hypertable.extension_version,
            server().value("SELECT extversion FROM pg_extension WHERE extname = 'timescaledb'"));
  EXPECT_EQ(hypertable.is_community, server().value("SHOW timescaledb.license") == "timescale");
}

TEST_F(HypertableFacts, ARoleWithoutRightsOnTheCatalogReadsTheSame) {
  server().execute(
      "CREATE TABLE h (at timestamptz NOT NULL, device int); SELECT create_hypertable('h', by_range('at'));"
      "ALTER TABLE h SET (timescaledb.compress, timescaledb.compress_segmentby = 'device');"
      "SELECT add_compression_policy('h', interval '9000 days', initial_start => '2100-01-01'); INSERT INTO "
      "h VALUES ('2024-01-01', 1)");
  const TestRole role(server(), schema(), {});
  const Hypertable hypertable = read("h", " user=" + role.name());
  EXPECT_EQ(hypertable.columnstore.segment_by, (Texts{"device"}));
  EXPECT_EQ(hypertable.chunks, 1U);
  EXPECT_EQ(hypertable.jobs.size(), 1U);
  EXPECT_TRUE(hypertable.is_community);
}

TEST_F(HypertableFacts, ForeignKeysBothWaysAndConstraints) {
  server().execute(
      "CREATE TABLE device (id int PRIMARY KEY); CREATE TABLE h (at timestamptz NOT NULL, device int "
      "REFERENCES "
      "device, v int, PRIMARY KEY (at, device)); SELECT create_hypertable('h', by_range('at'));"
      "INSERT INTO device VALUES (1); INSERT INTO h VALUES ('2024-01-01', 1, 1), ('2025-01-01', 1, 1)");
  server().execute(
      "CREATE TABLE note (at timestamptz, device int, FOREIGN KEY (at, device) REFERENCES h (at, device))");
  const TableFacts found = facts("h");
  ASSERT_EQ(found.references.size(), 1U);
  EXPECT_EQ(found.references[0].other_table, "device");
  ASSERT_EQ(found.referenced_by.size(), 1U);
  EXPECT_EQ(found.referenced_by[0].other_table, "note");
  EXPECT_TRUE(found.has_uniqueness());
  EXPECT_TRUE(found.triggers.empty());
}

TEST_F(TargetFacts, APlainTable) {
  server().execute(
      "CREATE EXTENSION IF NOT EXISTS btree_gist SCHEMA public;"
      "CREATE TABLE t (at timestamptz, a int, b text, EXCLUDE USING gist (a WITH =));"
      "CREATE INDEX t_b ON t (lower(b), a DESC) WHERE a > 0; CREATE INDEX t_at ON t USING brin (at);"
      "CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';"
      "CREATE TRIGGER row_before BEFORE INSERT ON t FOR EACH ROW EXECUTE FUNCTION f();"
      "CREATE TRIGGER statement_after AFTER INSERT ON t REFERENCING NEW TABLE AS n EXECUTE FUNCTION f();"
      "CREATE TRIGGER not_for_inserts BEFORE UPDATE ON t FOR EACH ROW EXECUTE FUNCTION f();"
      "CREATE TRIGGER off BEFORE INSERT ON t FOR EACH ROW EXECUTE FUNCTION f();"
      "ALTER TABLE t DISABLE TRIGGER off");
  EXPECT_FALSE(find("t"));
  const TableFacts found = facts("t");
  ASSERT_EQ(found.indexes.size(), 3U);
  EXPECT_TRUE(found.indexes[0].exclusion);
  EXPECT_EQ(found.indexes[1].name, "t_at");
  EXPECT_EQ(found.indexes[1].method, "brin");
  EXPECT_EQ(found.indexes[2].definition, "btree (lower(b), a DESC) WHERE (a > 0)");
  EXPECT_FALSE(found.indexes[2].unique || found.indexes[2].exclusion || found.indexes[2].primary);
  EXPECT_TRUE(found.has_uniqueness());
  ASSERT_EQ(found.triggers.size(), 2U);
  EXPECT_EQ(found.triggers[0].name, "row_before");
  EXPECT_TRUE(found.triggers[0].for_each_row && found.triggers[0].before);
  EXPECT_EQ(found.triggers[1].name, "statement_after");
  EXPECT_FALSE(found.triggers[1].for_each_row || found.triggers[1].before);
  EXPECT_TRUE(found.triggers[1].has_transition_table);
}

TEST_F(TargetFacts, ANativelyPartitionedTable) {
  server().execute(
      "CREATE TABLE other (id int PRIMARY KEY); CREATE TABLE t (at date, o int REFERENCES other, UNIQUE "
      "(at)) "
      "PARTITION BY RANGE (at); CREATE TABLE t1 PARTITION OF t FOR VALUES FROM ('2024-01-01') TO "
      "('2025-01-01');"
      "CREATE TABLE t2 PARTITION OF t DEFAULT");
  server().execute("CREATE TABLE child (at date REFERENCES t (at))");
  EXPECT_FALSE(find("t"));
  const TableFacts found = facts("t");
  EXPECT_EQ(found.indexes.size(), 1U);
  EXPECT_TRUE(found.has_uniqueness());
  EXPECT_EQ(found.references.size(), 1U);
  EXPECT_EQ(found.referenced_by.size(), 1U);
}

}  // namespace
}  // namespace hypercopy::test
