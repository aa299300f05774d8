// --defer-indexes: what was dropped comes back as it was, whatever ends the load; what is owed is never forgotten.
#include <fmt/format.h>

#include <array>
#include <csignal>
#include <memory>
#include <string>
#include <vector>

#include "support/checked_load.hpp"
#include "support/role.hpp"

namespace hypercopy::test {
namespace {

constexpr int kLock = 20261121;

struct Kind {
  std::string name;
  std::string behind_columns;     // of CREATE TABLE
  std::vector<std::string> more;  // statements behind it
};

const std::vector<Kind>& kinds() {
  static const std::vector<Kind> all{
      {"plain", "", {}},
      {"partitioned",
       "PARTITION BY RANGE (at)",
       {"CREATE TABLE t1 PARTITION OF t FOR VALUES FROM ('2024-01-01') TO ('2024-01-02')",
        "CREATE TABLE t2 PARTITION OF t FOR VALUES FROM ('2024-01-02') TO ('2024-01-03') PARTITION BY LIST "
        "(id)",
        "CREATE TABLE t21 PARTITION OF t2 DEFAULT", "CREATE TABLE t3 PARTITION OF t DEFAULT"}},
      {"hypertable",
       "",
       {"SELECT public.create_hypertable('t', 'at', chunk_time_interval => interval '1 day')"}}};
  return all;
}

std::string records(int from = 1, int to = 600) {
  std::string bytes;
  for (int id = from; id <= to; ++id) {
    bytes += fmt::format("{},2024-01-{:02} 12:00:00+00,word {},{}\n", id, 1 + id % 4, id % 7, id * 10);
  }
  return bytes;
}

class DeferIndexes : public CheckedLoadTest {
 protected:
  void TearDown() override {
    if (!IsSkipped() && is_recorded()) {
      server().execute(
          fmt::format("DELETE FROM hypercopy.deferred_index WHERE target_name LIKE '{}.%'", schema()));
    }
    CheckedLoadTest::TearDown();
  }

  [[nodiscard]] bool is_recorded() const {
    return server().value("SELECT to_regclass('hypercopy.deferred_index') IS NOT NULL") == "t";
  }
  // What the server still owes to tables of this test.
  [[nodiscard]] int owed() const {
    if (!is_recorded()) return 0;
    return std::stoi(server().value(fmt::format(
        "SELECT count(*) FROM hypercopy.deferred_index WHERE target_name LIKE '{}.%'", schema())));
  }

  [[nodiscard]] bool make(const Kind& kind) const {
    if (kind.name == "hypertable" && !has_timescale()) {
      fmt::print("no TimescaleDB: hypertables are left out\n");
      return false;
    }
    server().execute(
        fmt::format("SET client_min_messages = warning; DROP TABLE IF EXISTS t CASCADE; CREATE TABLE t (id "
                    "bigint NOT NULL, at timestamptz NOT NULL, word text, value float8) {}",
                    kind.behind_columns));
    for (const auto& statement : kind.more) server().execute(statement);
    return true;
  }

  // All that is known of the indexes of this schema and of chunks, but for their oids.
  [[nodiscard]] std::vector<std::string> indexes() const {
    const Rows rows = server().execute(fmt::format(
        R"(SELECT concat_ws(' | ', CASE WHEN n.nspname = '{0}' THEN i.indexrelid::regclass::text END,
             CASE WHEN n.nspname = '{0}' THEN pg_get_indexdef(i.indexrelid)
               ELSE regexp_replace(pg_get_indexdef(i.indexrelid), '_hyper_\d+_\d+_chunk', 'chunk', 'g') END,
             i.indisvalid, i.indisclustered, i.indisreplident, obj_description(i.indexrelid, 'pg_class'),
             pg_get_constraintdef(con.oid), con.conname = ic.relname, obj_description(con.oid, 'pg_constraint'),
             (SELECT string_agg(attnum || '=' || attstattarget, ',' ORDER BY attnum) FROM pg_attribute
               WHERE attrelid = i.indexrelid), ic.reltablespace, ic.reloptions, c.relreplident,
             (SELECT inhparent::regclass FROM pg_inherits WHERE inhrelid = i.indexrelid))
           FROM pg_index i JOIN pg_class c ON c.oid = i.indrelid JOIN pg_class ic ON ic.oid = i.indexrelid
           JOIN pg_namespace n ON n.oid = c.relnamespace
           LEFT JOIN pg_constraint con ON con.conindid = i.indexrelid AND con.conrelid = i.indrelid AND con.contype <> 'f'
           WHERE n.nspname = '{0}' ORDER BY 1)",
        schema()));
    std::vector<std::string> texts;
    for (const auto& row : rows) texts.push_back(row[0].value_or(""));
    return texts;
  }
  [[nodiscard]] std::string indexes_of_target() const {
    return server().value("SELECT count(*) FROM pg_index WHERE indrelid = 't'::regclass");
  }

  [[nodiscard]] std::string input(int from = 1, int to = 600) const {
    return folder_.file("input.csv", records(from, to));
  }
  Checked run_deferred(std::vector<std::string> more = {}) {
    more.insert(more.end(), {"--defer-indexes", "--batch-rows", "50", input()});
    return run("t", more);
  }
  // How many indexes `t` had when rows came.
  void watch_indexes() const {
    server().execute(R"(CREATE TABLE seen (indexes bigint);
      CREATE FUNCTION look() RETURNS trigger LANGUAGE plpgsql AS
        $$BEGIN INSERT INTO seen SELECT count(*) FROM pg_index WHERE indrelid = TG_RELID; RETURN NULL; END$$;
      CREATE TRIGGER look AFTER INSERT ON t FOR EACH STATEMENT EXECUTE FUNCTION look())");
  }

  // The transaction that inserts id 500 waits until the test gives kLock free.
  void make_waiting_table() const {
    server().execute(fmt::format(R"(CREATE TABLE t (id bigint, at timestamptz, word text, value float8);
      CREATE INDEX t_at ON t (at DESC); CREATE INDEX t_word ON t (word);
      CREATE FUNCTION wait_at() RETURNS trigger LANGUAGE plpgsql AS
        $$BEGIN IF NEW.id = 500 THEN PERFORM pg_advisory_xact_lock({}); END IF; RETURN NEW; END$$;
      CREATE TRIGGER wait_at BEFORE INSERT ON t FOR EACH ROW EXECUTE FUNCTION wait_at())",
                                 kLock));
  }
  static void hold(const Server& holder) {
    holder.execute(fmt::format("SELECT pg_advisory_lock({})", kLock));
  }
  static void release(const Server& holder) {
    holder.execute(fmt::format("SELECT pg_advisory_unlock({})", kLock));
  }
  // A killed load whose indexes are owed.
  void kill_half_way() {
    const Server holder;
    hold(holder);
    const auto process = start("t", {"--defer-indexes", "--batch-rows", "50", "-j", "2", input()});
    await_blocked(1);
    process->signal(SIGKILL);
    EXPECT_EQ(process->wait().exit_code, 128 + SIGKILL);
    release(holder);
    await_no_writer("t");
    rows_before_ = count("t");
  }
  [[nodiscard]] Outcome imports(std::vector<std::string> arguments) const {
    arguments.insert(arguments.begin(), "imports");
    arguments.insert(arguments.end(), {"-w", "-d", dsn()});
    return run_program(arguments);
  }
};

TEST_F(DeferIndexes, AllOfThemComeBackAsTheyWere) {
  for (const auto& kind : kinds()) {
    SCOPED_TRACE(kind.name);
    if (!make(kind)) continue;
    for (const std::string statement :
         {"CREATE INDEX t_order ON t (value DESC NULLS LAST, id)",
          "CREATE INDEX t_expression ON t (id, lower(word), (value * 2))",
          "ALTER INDEX t_expression ALTER COLUMN 2 SET STATISTICS 77",
          "ALTER INDEX t_expression ALTER COLUMN 3 SET STATISTICS 0",
          "CREATE INDEX t_part ON t (value) WHERE id > 5 AND word <> 'x'",
          "CREATE INDEX t_include ON t (id) INCLUDE (word, value)",
          "CREATE INDEX t_class ON t (word text_pattern_ops) WITH (fillfactor = 70)",
          "CREATE INDEX t_brin ON t USING brin (at) WITH (pages_per_range = 4, autosummarize = on)",
          "CREATE INDEX t_gin ON t USING gin (to_tsvector('simple'::regconfig, word))",
          "CREATE INDEX t_hash ON t USING hash (word)", "CREATE INDEX \"Odd \"\" ON ONLY 'x'\" ON t (id, at)",
          "COMMENT ON INDEX t_order IS 'it''s \\ \"the\" order'",
          "CREATE UNIQUE INDEX t_stays ON t (id, at)"}) {
      server().execute(statement);
    }
    if (kind.name != "partitioned") server().execute("ALTER TABLE t CLUSTER ON t_order");
    if (kind.name == "partitioned") {
      server().execute(
          "COMMENT ON INDEX t1_value_id_idx IS 'of a part'; ALTER TABLE t1 CLUSTER ON t1_value_id_idx");
      server().execute("CREATE INDEX only_of_one ON t1 (word, id)");
    }
    const auto before = indexes();
    server().execute("DROP TABLE IF EXISTS seen; DROP FUNCTION IF EXISTS look CASCADE");
    watch_indexes();
    const Checked run = run_deferred();
    expect_success(run, 600);
    EXPECT_EQ(indexes(), before);
    EXPECT_EQ(server().value("SELECT max(indexes) FROM seen"), "1");  // the unique one
    EXPECT_GE(run.report["deferred_indexes"].size(), kind.name == "partitioned" ? 9U * 5 : 9U);
    for (const auto& index : run.report["deferred_indexes"]) EXPECT_EQ(index["rebuilt"], true) << index;
    EXPECT_EQ(owed(), 0);
  }
}

TEST_F(DeferIndexes, ConstraintsComeBackAsTheyWere) {
  for (const auto& kind : kinds()) {
    SCOPED_TRACE(kind.name);
    if (!make(kind)) continue;
    for (const std::string statement :
         {"ALTER TABLE t ADD CONSTRAINT t_key PRIMARY KEY (id, at) INCLUDE (word) WITH (fillfactor = 80)",
          "COMMENT ON CONSTRAINT t_key ON t IS 'the key'", "COMMENT ON INDEX t_key IS 'its index'",
          "ALTER TABLE t ADD CONSTRAINT \"t Unique\" UNIQUE (at, id, value) WITH (fillfactor = 60) "
          "DEFERRABLE INITIALLY DEFERRED",
          "CREATE UNIQUE INDEX t_unique ON t (at, id) INCLUDE (value)", "CREATE INDEX t_word ON t (word)"}) {
      server().execute(statement);
    }
    if (kind.name == "plain") {
      server().execute(
          "ALTER TABLE t ADD CONSTRAINT t_apart EXCLUDE USING gist (box(point(id, id), point(id, id)) WITH "
          "&&) "
          "WITH (fillfactor = 50) WHERE (id > 3)");
      server().execute(
          "CREATE UNIQUE INDEX t_identity ON t (id, at); ALTER TABLE t REPLICA IDENTITY USING INDEX "
          "t_identity; "
          "ALTER TABLE t CLUSTER ON t_key");
    }
    const auto before = indexes();
    server().execute("DROP TABLE IF EXISTS seen; DROP FUNCTION IF EXISTS look CASCADE");
    watch_indexes();
    expect_success(run_deferred({"--defer-constraints"}), 600);
    EXPECT_EQ(indexes(), before);
    EXPECT_EQ(server().value("SELECT max(indexes) FROM seen"), "0");
    EXPECT_EQ(owed(), 0);
  }
}

TEST_F(DeferIndexes, ADuplicateIsFoundAtTheEndAndTheConstraintStaysOwed) {
  for (const auto& kind : kinds()) {
    SCOPED_TRACE(kind.name);
    if (!make(kind)) continue;
    server().execute(
        "ALTER TABLE t ADD CONSTRAINT t_key PRIMARY KEY (id, at); CREATE INDEX t_word ON t (word)");
    const auto before = indexes();
    const std::string file = folder_.file("twice.csv", records() + records(7, 7));
    const Checked run = this->run("t", {"--defer-indexes", "--defer-constraints", file});
    expect_failure(
        run, 601,
        {"t_key", "now violate", "(7, 2024-01-04", "The rows are loaded and stay", "rebuild-indexes"});
    EXPECT_EQ(run.report["error"]["sqlstate"], "23505");
    EXPECT_GT(owed(), 0);
    const Outcome list = imports({"list"});
    EXPECT_NE(list.out.find("index owed: " + schema() + "."), std::string::npos) << list.out;
    EXPECT_EQ(imports({"rebuild-indexes", "-t", "t"}).exit_code, 1);
    server().execute("DELETE FROM t WHERE ctid IN (SELECT ctid FROM t WHERE id = 7 LIMIT 1)");
    const Outcome rebuilt = imports({"rebuild-indexes", "-t", "t"});
    EXPECT_EQ(rebuilt.exit_code, 0) << rebuilt.err;
    EXPECT_EQ(indexes(), before);
    EXPECT_EQ(owed(), 0);
    EXPECT_EQ(imports({"rebuild-indexes", "-t", "t"}).out, "no index is owed\n");
  }
}

TEST_F(DeferIndexes, RefusesWhatCannotBeAndTouchesNothing) {
  server().execute(R"(CREATE TABLE t (id bigint PRIMARY KEY, at timestamptz, word text, value float8);
    CREATE INDEX t_word ON t (word);
    CREATE TABLE refers (id bigint CONSTRAINT refers_to REFERENCES t);
    CREATE TABLE itself (id bigint PRIMARY KEY, up bigint REFERENCES itself);
    CREATE TABLE whole (id bigint) PARTITION BY LIST (id); CREATE TABLE part PARTITION OF whole DEFAULT;
    CREATE INDEX part_id ON part (id);
    CREATE VIEW seen AS SELECT * FROM t;
    CREATE FUNCTION aside() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';
    CREATE TRIGGER aside INSTEAD OF INSERT ON seen FOR EACH ROW EXECUTE FUNCTION aside())");
  const auto before = indexes();
  struct Case {
    std::string name;
    std::string table;
    std::vector<std::string> arguments;
    std::string said;
  };
  const std::vector<Case> cases{
      {"conflicts",
       "t",
       {"--defer-indexes", "--on-conflict", "nothing"},
       "--defer-indexes and --on-conflict exclude"},
      {"one transaction", "t", {"--defer-indexes", "-1"}, "--defer-indexes and --single-transaction exclude"},
      {"all or nothing", "t", {"--defer-indexes", "--atomic"}, "--defer-indexes and --atomic exclude"},
      {"constraints alone", "t", {"--defer-constraints"}, "--defer-constraints needs --defer-indexes"},
      {"rejects",
       "t",
       {"--defer-indexes", "--defer-constraints", "--on-error", "reject"},
       "--on-error reject exclude"},
      {"referenced", "t", {"--defer-indexes", "--defer-constraints"}, "refers_to on refers needs"},
      {"itself", "itself", {"--defer-indexes"}, "a foreign key to itself"},
      {"partition", "part", {"--defer-indexes"}, "it is a part"},
      {"view", "seen", {"--defer-indexes"}, "a view has none"},
      {"word", "t", {"--defer-indexes=perhaps"}, "perhaps"},
  };
  for (const auto& one : cases) {
    SCOPED_TRACE(one.name);
    auto arguments = one.arguments;
    arguments.push_back(input());
    const Checked run = this->run(one.table, arguments);
    EXPECT_EQ(run.outcome.exit_code, 2) << run.outcome.err;
    EXPECT_TRUE(says(run, one.said));
    EXPECT_EQ(indexes(), before);
    EXPECT_EQ(owed(), 0);
  }
}

TEST_F(DeferIndexes, ALargeTableOnlyWhereItIsForcedOrEmptied) {
  ASSERT_TRUE(make(kinds()[0]));
  server().execute(
      "CREATE INDEX t_word ON t (id); INSERT INTO t SELECT n, '2024-01-01', repeat('x', 1000), 1 FROM "
      "generate_series(1, 70000) n");
  const auto before = indexes();
  rows_before_ = 70'000;
  const Checked refused = run_deferred();
  EXPECT_EQ(refused.outcome.exit_code, 2);
  EXPECT_TRUE(says(refused, "more than the input"));
  EXPECT_EQ(indexes(), before);
  expect_success(run("t", {"--defer-indexes=force", input()}), 600);
  EXPECT_EQ(indexes(), before);
  rows_before_ = 0;
  const Checked emptied = run_deferred({"--truncate"});
  expect_success(emptied, 600);
  EXPECT_TRUE(says(emptied, "left out while"));
  EXPECT_EQ(indexes(), before);
}

TEST_F(DeferIndexes, OnlyTheOwnerMayAndNothingIsLostWhereRightsAreMissing) {
  server().execute(
      "CREATE TABLE t (id bigint, at timestamptz, word text, value float8); CREATE INDEX t_word ON t (word)");
  const TestRole role(server(), schema(), {});
  const auto before = indexes();
  other_dsn_ = dsn() + " user=" + role.name();
  const Checked stranger = run_deferred();
  EXPECT_EQ(stranger.outcome.exit_code, 2) << stranger.outcome.err;
  EXPECT_TRUE(says(stranger, "only its owner"));
  server().execute(fmt::format("ALTER TABLE t OWNER TO {}; REVOKE CREATE ON SCHEMA {} FROM {}", role.name(),
                               schema(), role.name()));
  const Checked no_create = run_deferred();
  EXPECT_EQ(no_create.outcome.exit_code, 2) << no_create.outcome.err;
  EXPECT_TRUE(says(no_create, "may not create an index in schema"));
  EXPECT_EQ(indexes(), before);
  server().execute(fmt::format("GRANT CREATE ON SCHEMA {} TO {}", schema(), role.name()));
  if (!is_recorded()) {
    const Checked no_schema = run_deferred();
    expect_failure(no_schema, 0, {"cannot be recorded", "CREATE SCHEMA hypercopy"});
  } else {
    const Checked no_grant = run_deferred();
    expect_failure(no_grant, 0, {"GRANT"});
    server().execute(fmt::format(
        "GRANT USAGE ON SCHEMA hypercopy TO {0}; GRANT ALL ON hypercopy.deferred_index TO {0}", role.name()));
    expect_success(run_deferred(), 600);
  }
  EXPECT_EQ(indexes(), before);
  EXPECT_EQ(owed(), 0);
}

TEST_F(DeferIndexes, AFailedLoadOwesThemAndSaysTheCommandThatBuildsThem) {
  for (const auto& kind : kinds()) {
    SCOPED_TRACE(kind.name);
    if (!make(kind)) continue;
    server().execute("CREATE INDEX t_word ON t (word); CREATE INDEX t_value ON t (value)");
    const auto before = indexes();
    const std::string file = folder_.file("bad.csv", records() + "x,2024-01-01,a,1\n");
    const Checked run = this->run("t", {"--defer-indexes", "--batch-rows", "50", "-j", "1", file});
    expect_failure(run, 600, {"t_value", "not there, left out while loading", "imports rebuild-indexes"});
    EXPECT_GT(owed(), 0);
    const Outcome shown = imports({"list"});
    EXPECT_NE(shown.out.find("t_value"), std::string::npos) << shown.out;
    EXPECT_NE(shown.out.find("hypercopy imports rebuild-indexes builds"), std::string::npos) << shown.out;
    const Outcome rebuilt = imports({"rebuild-indexes", "-t", "t", "-j", "1"});
    EXPECT_EQ(rebuilt.exit_code, 0) << rebuilt.err;
    EXPECT_NE(rebuilt.out.find("rebuilt " + schema() + ".t_value"), std::string::npos) << rebuilt.out;
    EXPECT_EQ(indexes(), before);
    EXPECT_EQ(owed(), 0);
  }
}

TEST_F(DeferIndexes, TheNextLoadBuildsWhatADeadOneOwes) {
  for (const bool defers : {false, true}) {
    SCOPED_TRACE(defers);
    server().execute(
        "SET client_min_messages = warning; DROP TABLE IF EXISTS t; DROP FUNCTION IF EXISTS wait_at");
    make_waiting_table();
    const auto before = indexes();
    rows_before_ = 0;
    kill_half_way();
    EXPECT_EQ(owed(), 2);
    EXPECT_EQ(indexes_of_target(), "0");
    std::vector<std::string> arguments{input()};
    if (defers) arguments.insert(arguments.begin(), "--defer-indexes");
    const Checked next = run("t", arguments);
    expect_success(next, 600);
    EXPECT_TRUE(says(next, "2 indexes were rebuilt"));
    EXPECT_EQ(bool(says(next, "an earlier load left indexes out")), !defers);
    EXPECT_EQ(indexes(), before);
    EXPECT_EQ(owed(), 0);
  }
}

// The key is there before conflicts are looked for.
TEST_F(DeferIndexes, ALoadWithConflictsFindsTheKeyThatADeadOneOwed) {
  ASSERT_TRUE(make(kinds()[0]));
  server().execute("ALTER TABLE t ADD CONSTRAINT t_key PRIMARY KEY (id)");
  const auto before = indexes();
  const std::string bad = folder_.file("bad.csv", records(1, 100) + "x,2024-01-01,a,1\n");
  expect_failure(run("t", {"--defer-indexes", "--defer-constraints", "--batch-rows", "100", "-j", "1", bad}),
                 100, {"t_key"});
  rows_before_ = 100;
  const Checked merged = run("t", {"--on-conflict", "nothing", input()});
  expect_success(merged, 500);
  EXPECT_EQ(indexes(), before);
}

TEST_F(DeferIndexes, ALivingOwnerIsRespected) {
  make_waiting_table();
  const auto before = indexes();
  const Server holder;
  hold(holder);
  const auto owner = start("t", {"--defer-indexes", "--batch-rows", "50", "-j", "2", input()});
  await_blocked(1);
  const std::string other = folder_.file("other.csv", records(1000, 1099));
  // Leaves what is owed to its owner.
  const Outcome plain = load({"-t", "t", other});
  EXPECT_EQ(plain.exit_code, 0) << plain.err;
  EXPECT_NE(plain.err.find("which another load has left out and will rebuild"), std::string::npos)
      << plain.err;
  EXPECT_EQ(owed(), 2);
  const Outcome by_hand = imports({"rebuild-indexes", "-t", "t"});
  EXPECT_EQ(by_hand.exit_code, 2) << by_hand.err;
  EXPECT_NE(imports({"list"}).out.find("lives"), std::string::npos);
  // One that leaves them out too waits for the owner, so that its exit 0 means: they are there.
  Process second({"load", "-w", "-d", dsn(), "-t", "t", "--defer-indexes", other});
  EXPECT_TRUE(second.await_said("waiting for it"));
  EXPECT_EQ(owed(), 2);
  release(holder);
  const Outcome ended = second.wait();
  EXPECT_EQ(ended.exit_code, 0) << ended.err;
  rows_before_ = 200;
  expect_success(finish(*owner, "t"), 600);
  EXPECT_EQ(indexes(), before);
  EXPECT_EQ(owed(), 0);
}

TEST_F(DeferIndexes, AnInterruptedLoadOwesThem) {
  make_waiting_table();
  const auto before = indexes();
  const Server holder;
  hold(holder);
  const auto load = start("t", {"--defer-indexes", "--batch-rows", "50", "-j", "2", input()});
  await_blocked(1);
  await("SELECT count(*) = 550 FROM t");
  load->signal(SIGINT);
  EXPECT_TRUE(load->await_said("once more, and they are cancelled"));
  load->signal(SIGINT);
  const Checked run = finish(*load, "t");
  release(holder);
  EXPECT_EQ(run.outcome.exit_code, 130) << run.outcome.err;
  EXPECT_TRUE(says(run, "2 indexes are not there"));
  EXPECT_TRUE(says(run, "hypercopy imports rebuild-indexes -d"));
  EXPECT_EQ(owed(), 2);
  EXPECT_EQ(imports({"rebuild-indexes"}).exit_code, 0);
  EXPECT_EQ(indexes(), before);
}

TEST_F(DeferIndexes, AnInterruptedRebuildOwesWhatItHasNotBuilt) {
  make_waiting_table();
  const auto before = indexes();
  const Server holder;
  hold(holder);
  const auto load = start("t", {"--defer-indexes", "--batch-rows", "50", "-j", "2", input()});
  await_blocked(1);
  const Server writer;
  writer.execute("BEGIN; LOCK TABLE " + schema() + ".t IN ROW EXCLUSIVE MODE");
  release(holder);
  EXPECT_TRUE(load->await_said("rebuilding"));
  await(
      "SELECT count(*) = 2 FROM pg_stat_activity WHERE application_name LIKE 'hypercopy load % index %' AND "
      "wait_event_type = 'Lock' AND datname = current_database()");
  load->signal(SIGINT);
  const Checked run = finish(*load, "t");
  writer.execute("ROLLBACK");
  EXPECT_EQ(run.outcome.exit_code, 130) << run.outcome.err;
  EXPECT_TRUE(says(run, "interrupted by SIGINT while indexes were rebuilt"));
  EXPECT_TRUE(says(run, "2 indexes are not there"));
  EXPECT_EQ(count("t"), 600U);
  EXPECT_EQ(imports({"rebuild-indexes"}).exit_code, 0);
  EXPECT_EQ(indexes(), before);
}

TEST_F(DeferIndexes, AnImportGoesOnAndItsIndexesComeBackAtItsEnd) {
  make_waiting_table();
  const auto before = indexes();
  const Server holder;
  hold(holder);
  const std::vector<std::string> arguments{
      "--import-id", schema(), "--async-commit", "--defer-indexes", "--batch-rows", "50", "-j", "2", input()};
  const auto killed = start("t", arguments);
  await_blocked(1);
  killed->signal(SIGKILL);
  static_cast<void>(killed->wait());
  release(holder);
  const Outcome shown = imports({"show", schema()});
  EXPECT_NE(shown.out.find("index owed: " + schema() + ".t_at"), std::string::npos) << shown.out << shown.err;
  const auto again = start("t", arguments);
  const Outcome ended = again->wait();
  EXPECT_EQ(ended.exit_code, 0) << ended.err;
  EXPECT_EQ(count("t"), 600U);
  EXPECT_EQ(indexes(), before);
  EXPECT_EQ(owed(), 0);
  EXPECT_EQ(imports({"forget", schema()}).exit_code, 0);
}

// Partitions that came, were dropped or were given the index by hand while it was owed.
TEST_F(DeferIndexes, PartitionsMayChangeMeanwhile) {
  ASSERT_TRUE(make(kinds()[1]));
  server().execute("CREATE INDEX t_word ON t (word)");
  const std::string bad = folder_.file("bad.csv", "x,2024-01-01,a,1\n");
  expect_failure(run("t", {"--defer-indexes", bad}), 0, {"t_word"});
  server().execute(
      "CREATE TABLE t4 PARTITION OF t FOR VALUES FROM ('2024-02-01') TO ('2024-02-02'); DROP TABLE t3; "
      "CREATE INDEX t1_word_idx ON t1 (word)");
  const Outcome rebuilt = imports({"rebuild-indexes", "-t", "t"});
  EXPECT_EQ(rebuilt.exit_code, 0) << rebuilt.err;
  EXPECT_EQ(server().value("SELECT indisvalid FROM pg_index WHERE indexrelid = 't_word'::regclass"), "t");
  EXPECT_EQ(server().value("SELECT count(*) FROM pg_partition_tree('t_word')"), "5");
  EXPECT_EQ(owed(), 0);
}

TEST_F(DeferIndexes, ARenamedTableIsNotTakenForAnother) {
  ASSERT_TRUE(make(kinds()[0]));
  server().execute("CREATE INDEX t_word ON t (word)");
  const std::string bad = folder_.file("bad.csv", "x,2024-01-01,a,1\n");
  expect_failure(run("t", {"--defer-indexes", bad}), 0, {"t_word"});
  server().execute("ALTER TABLE t RENAME TO renamed; CREATE TABLE t (word text)");
  const Outcome refused = imports({"rebuild-indexes", "-t", "renamed"});
  EXPECT_EQ(refused.exit_code, 1);
  EXPECT_NE(refused.err.find("was renamed to"), std::string::npos) << refused.err;
  EXPECT_EQ(indexes_of_target(), "0");
  server().execute("DROP TABLE t; ALTER TABLE renamed RENAME TO t");
  EXPECT_EQ(imports({"rebuild-indexes", "-t", "t"}).exit_code, 0);
  EXPECT_EQ(indexes_of_target(), "1");
}

}  // namespace
}  // namespace hypercopy::test
