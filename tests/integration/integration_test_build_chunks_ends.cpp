// What befalls side tables between a run and its end, or the next run: the hypertable is emptied or changed, the ledger
// forgets, a COMMIT is not answered, another load takes them. Rows that are not there are never called loaded.
#include "support/built_chunks_import.hpp"
#include "support/fault_proxy.hpp"
#include "support/role.hpp"

namespace hypercopy::test {
namespace {

using Point = FaultProxy::Point;
using Action = FaultProxy::Action;

class BuildChunksEnds : public BuildChunksImport {
 protected:
  // With one worker: the creation of each side table and each batch come before the first hand-over.
  static constexpr unsigned kFirstHandOver = kDays + kBatches + 1;
  static constexpr unsigned kConnections = 3;  // of such a run, before the first hand-over

  [[nodiscard]] std::string socket() const {
    return fmt::format("{}/.s.PGSQL.{}", server().value("SHOW unix_socket_directories"),
                       server().value("SHOW port"));
  }
  [[nodiscard]] std::unique_ptr<Process> begin_through(const FaultProxy& proxy,
                                                       const Texts& more = {}) const {
    const std::string own = dsn();
    const std::string same =
        server().value("SELECT format(' dbname=%s user=%s', current_database(), current_user)");
    Texts all{"load", "-w", "-d", proxy.dsn() + same + own.substr(own.find(" options="))};
    const Texts usual = words("1", /*by_import=*/false);
    all.insert(all.end(), usual.begin(), usual.end());
    all.insert(all.end(), more.begin(), more.end());
    return std::make_unique<Process>(all);
  }
  // Of an import, with all batches done but the held one.
  void kill_while_it_loads(const std::string& input, const Texts& more = {}) {
    static_cast<void>(imports({"forget", id(), "--drop-side-tables"}));
    make_held_tables(more);
    static_cast<void>(folder_.file("in.csv", input));
    const auto killed = begin();
    await_done(kBatches);
    await_held();
    kill(*killed);
    release();
  }
  // As a crash of the server does, of this run.
  void end_backends() const {
    const std::string run = server().value(
        "SELECT split_part(relname, '_', 3) FROM pg_class WHERE relkind = 'r' AND relname LIKE "
        "'hypercopy_chunk_%' AND relnamespace = current_schema()::regnamespace LIMIT 1");
    const std::string backends =
        fmt::format("FROM pg_stat_activity WHERE application_name LIKE 'hypercopy load {} %'", run);
    server().execute("SELECT pg_terminate_backend(pid) " + backends);
    await("SELECT count(*) = 0 " + backends);
  }
};

// Whose they are is in the ledger, which is none of this role's business.
TEST_F(BuildChunksEnds, ARoleThatMayNotReadTheLedgerLoadsBesideThem) {
  if (!has_timescale()) return;
  kill_while_it_loads(by_time() + held());
  const TestRole role(server(), schema(), {});
  server().execute("GRANT ALL ON target TO " + role.name());
  const Outcome loaded = run_program({"load", "-w", "-d", dsn() + " user=" + role.name(), "-t", "target",
                                      folder_.file("other.csv", "2024-03-01 00:00:00+00,1,1,a\n")});
  EXPECT_EQ(loaded.exit_code, 0) << loaded.err;
  EXPECT_TRUE(heard(loaded, "owes this table the rows")) << loaded.err;
  EXPECT_EQ(server().value("SELECT count(*) FROM target"), "1");
  static_cast<void>(imports({"forget", id(), "--drop-side-tables"}));
}

TEST_F(BuildChunksEnds, TheTableIsEmptiedBehindSomeHandOvers) {
  if (!has_timescale()) return;
  for (const char* const emptied :
       {"TRUNCATE target", "SELECT drop_chunks('target', older_than => '2030-01-01'::timestamptz)"}) {
    SCOPED_TRACE(emptied);
    static_cast<void>(imports({"forget", id(), "--drop-side-tables"}));
    make_held_tables();
    static_cast<void>(folder_.file("in.csv", by_time() + held()));
    const auto killed = begin();
    await_done(kBatches);
    await_held();
    lock_side_tables(1);
    release();
    await(
        "SELECT count(*) = 1 FROM pg_class WHERE relkind = 'r' AND relname LIKE 'hypercopy_chunk_%' AND "
        "relnamespace = current_schema()::regnamespace");
    await_blocked(1);
    kill(*killed);
    EXPECT_EQ(count("target"), kRecords + 1 - kPerDay);
    server().execute(
        fmt::format("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name LIKE "
                    "'hypercopy load % chunk %' AND query LIKE '%{}%'",
                    schema()));
    unlock();
    server().execute(emptied);
    const Outcome refused = run_again();
    EXPECT_EQ(refused.exit_code, 2) << refused.err;
    EXPECT_TRUE(heard(refused, "is empty, though rows of this import were committed to it")) << refused.err;
    EXPECT_TRUE(heard(refused, "of 301 rows only 50 wait in 1 side table")) << refused.err;
    EXPECT_EQ(side_tables(), "1");
    Texts into_empty = words();
    into_empty.emplace_back("--resume-into-empty");
    const Outcome rest = load(into_empty);
    EXPECT_EQ(rest.exit_code, 0) << rest.err;
    EXPECT_EQ(count("target"), static_cast<std::uint64_t>(kPerDay));
  }
}

TEST_F(BuildChunksEnds, TheTableIsEmptiedBehindAllHandOvers) {
  if (!has_timescale()) return;
  make_tables();
  static_cast<void>(folder_.file("in.csv", by_time()));
  EXPECT_EQ(run_again().exit_code, 0);
  server().execute("TRUNCATE target");
  const Outcome refused = run_again();
  EXPECT_EQ(refused.exit_code, 2) << refused.err;
  EXPECT_TRUE(
      heard(refused, "is empty, though rows of this import were committed to it: it was emptied since"))
      << refused.err;
}

TEST_F(BuildChunksEnds, TheHypertableIsChangedBetweenTwoRuns) {
  if (!has_timescale()) return;
  struct Case {
    const char* name;
    const char* change;
    Texts said;
  };
  const std::string input = by_time() + held();
  for (const auto& [name, change, said] : {
           Case{"column added",
                "ALTER TABLE target ADD COLUMN more int",
                {"column more is \"integer\" in", "and not there in 6 of its 6 side tables"}},
           Case{"column dropped",
                "ALTER TABLE target DROP COLUMN value",
                {"column value is not there in", "and \"double precision\" in 6"}},
           Case{"type",
                "ALTER TABLE target ALTER device TYPE bigint",
                {"column device is \"bigint NOT NULL\""}},
           Case{"NOT NULL", "ALTER TABLE target ALTER value SET NOT NULL", {"\"double precision NOT NULL\""}},
           Case{"constraint added",
                "ALTER TABLE target ADD CONSTRAINT small CHECK (device < 100)",
                {"constraint small is \"CHECK ((device < 100))\" in"}},
           Case{"constraint dropped",
                "ALTER TABLE target DROP CONSTRAINT target_note_check",
                {"constraint target_note_check is not there in"}},
           Case{"a trigger",
                "CREATE TRIGGER more BEFORE INSERT ON target FOR EACH ROW EXECUTE FUNCTION "
                "suppress_redundant_updates_trigger()",
                {"the table has triggers", "goes on only with it"}},
       }) {
    SCOPED_TRACE(name);
    kill_while_it_loads(input);
    server().execute(change);
    const Outcome refused = run_again();
    EXPECT_EQ(refused.exit_code, 2) << refused.err;
    for (const auto& text : said) EXPECT_TRUE(heard(refused, text)) << text << "\n" << refused.err;
    EXPECT_FALSE(heard(refused, "could not be handed over")) << refused.err;
    EXPECT_EQ(count("target"), 0U);
    EXPECT_EQ(side_tables(), std::to_string(kDays));
  }
  server().execute("DROP TRIGGER more ON target");
  expect_done(run_again(), input);
}

TEST_F(BuildChunksEnds, ACheckThatIsNotValidatedFits) {
  if (!has_timescale()) return;
  kill_while_it_loads(by_time() + held(),
                      {"ALTER TABLE {} ADD CONSTRAINT late CHECK (device < 100) NOT VALID"});
  const Outcome done = run_again();
  EXPECT_EQ(done.exit_code, 0) << done.err;
  EXPECT_EQ(count("target"), kRecords + 1);
}

// The id alone does not make them its own.
TEST_F(BuildChunksEnds, TheLedgerWasMadeAnew) {
  if (!has_timescale()) return;
  const std::string input = by_time() + held();
  kill_while_it_loads(input);
  for (const char* table : {"reject", "interval", "input"}) {
    server().execute(fmt::format(
        "DELETE FROM hypercopy.{} WHERE job = (SELECT id FROM hypercopy.job WHERE import_id = '{}')", table,
        id()));
  }
  server().execute(fmt::format("DELETE FROM hypercopy.job WHERE import_id = '{}'", id()));
  const std::string sentence =
      fmt::format("are left from an import '{}' that the ledger does not know", id());
  const Outcome anew = run_again();
  EXPECT_EQ(anew.exit_code, 0) << anew.err;
  EXPECT_TRUE(heard(anew, sentence)) << anew.err;
  EXPECT_EQ(side_tables(), std::to_string(kDays));
  const Outcome other = load({"-t", "target", folder_.file("other.csv", record(9, 1))});
  EXPECT_TRUE(heard(other, sentence)) << other.err;
  EXPECT_FALSE(heard(other, "owes this table")) << other.err;
  load_judge(input + record(9, 1));
  EXPECT_EQ(server().rows_as_text("target"), server().rows_as_text("judge"));
}

TEST_F(BuildChunksEnds, WhatWaitsIsNotShownAsVisible) {
  if (!has_timescale()) return;
  kill_while_it_loads(by_time() + held());
  await(
      "SELECT sum(pg_stat_get_live_tuples(oid)) = 300 FROM pg_class WHERE relkind = 'r' AND relname LIKE "
      "'hypercopy_chunk_%' AND relnamespace = current_schema()::regnamespace");
  const std::string shown = imports({"show", id()}).out;
  EXPECT_NE(shown.find("loaded:   300 rows (about 0 visible, 300 waiting) of 300 records"), std::string::npos)
      << shown;
}

TEST_F(BuildChunksEnds, InterruptedOnceAtTheHandOver) {
  if (!has_timescale()) return;
  make_held_tables();
  const std::string input = by_time() + held();
  static_cast<void>(folder_.file("in.csv", input));
  const auto interrupted = begin("1", /*by_import=*/false);
  await_held();
  lock_side_tables(kDays);
  release();
  EXPECT_TRUE(interrupted->await_said("handing over 6 chunks"));
  interrupted->signal(SIGINT);
  EXPECT_TRUE(interrupted->await_said("the hand-over is finished first (once more, and it is cancelled)"));
  unlock();
  const Outcome done = interrupted->wait();
  EXPECT_EQ(done.exit_code, 0) << done.err;
  load_judge(input);
  expect_same();
}

// create_chunk() goes by the oid, and INSERT by the name.
TEST_F(BuildChunksEnds, TheNameMeansAnotherTableAtTheHandOver) {
  if (!has_timescale()) return;
  make_held_tables();
  const std::string input = by_time() + held();
  static_cast<void>(folder_.file("in.csv", input));
  const auto load = begin();
  await_held();
  lock_side_tables(kDays);
  release();
  EXPECT_TRUE(load->await_said("handing over 6 chunks"));
  server().execute("ALTER TABLE target RENAME TO former; CREATE TABLE target (LIKE former)");
  unlock();
  const Outcome stopped = load->wait();
  EXPECT_EQ(stopped.exit_code, 1) << stopped.err;
  EXPECT_TRUE(heard(stopped, "the target was renamed or dropped")) << stopped.err;
  EXPECT_EQ(server().value("SELECT (SELECT count(*) FROM target) + (SELECT count(*) FROM former)"), "0");
  server().execute("DROP TABLE target; ALTER TABLE former RENAME TO target");
  expect_done(begin()->wait(), input);
}

// The summary counts what is there, or says that nobody knows.
TEST_F(BuildChunksEnds, InterruptedTwiceAtTheCommitOfAHandOver) {
  if (!has_timescale()) return;
  struct Case {
    const char* name;
    Point point;
    Texts more;
    int exit_code;
    std::uint64_t rows;
    Texts said;
  };
  for (const auto& [name, point, more, exit_code, rows, said] : {
           Case{"committed", Point::before_commit_answer, {}, 130, kPerDay, {": 50 rows are committed in"}},
           Case{"not committed", Point::before_commit, {}, 130, 0, {": 0 rows are committed in"}},
           Case{"not asked",
                Point::before_commit_answer,
                {"--retry-timeout", "0"},
                1,
                kPerDay,
                {": 0 rows are known to be committed in", "unknown: 50 rows in 1 side table"}},
       }) {
    SCOPED_TRACE(name);
    make_tables();
    static_cast<void>(folder_.file("in.csv", by_time()));
    FaultProxy proxy(socket(), {{.point = point, .action = Action::stall, .nth = kFirstHandOver}});
    const auto interrupted = begin_through(proxy, more);
    EXPECT_TRUE(proxy.await_acted(1));
    interrupted->signal(SIGINT);
    EXPECT_TRUE(interrupted->await_said("the hand-over is finished first"));
    interrupted->signal(SIGINT);
    const Outcome stopped = interrupted->wait();
    proxy.cut_stalled();
    EXPECT_EQ(stopped.exit_code, exit_code) << stopped.err;
    for (const auto& text : said) EXPECT_TRUE(heard(stopped, text)) << text << "\n" << stopped.err;
    EXPECT_EQ(count("target"), rows);
  }
}

// While the server was restarting another load took the side tables for those of a dead run.
TEST_F(BuildChunksEnds, AnotherLoadComesBeforeTheRunIsBack) {
  if (!has_timescale()) return;
  make_held_tables();
  static_cast<void>(folder_.file("in.csv", by_time() + held()));
  FaultProxy proxy(socket(), {{.point = Point::at_start, .action = Action::stall, .nth = kConnections + 1}});
  const auto late = begin_through(proxy);
  await_held();
  end_backends();
  EXPECT_TRUE(proxy.await_acted(1));
  const Outcome other = load({"-t", "target", folder_.file("other.csv", record(9, 1))});
  EXPECT_TRUE(heard(other, "removed 6 side tables")) << other.err;
  release();
  proxy.let_go();
  const Outcome failed = late->wait();
  EXPECT_EQ(failed.exit_code, 1) << failed.err;
  EXPECT_TRUE(heard(failed, "6 side tables of this load are gone, with the rows in them")) << failed.err;
  EXPECT_TRUE(heard(failed, "0 rows are committed in")) << failed.err;
  EXPECT_EQ(count("target"), 1U);
}

// A table that is gone was not handed over by that.
TEST_F(BuildChunksEnds, AnotherLoadComesBetweenACommitAndItsRepetition) {
  if (!has_timescale()) return;
  struct Case {
    const char* name;
    std::uint64_t theirs;  // rows that have made the chunk meanwhile
  };
  for (const auto& [name, theirs] : {Case{"a chunk", 0}, Case{"rows that are inserted", 1}}) {
    SCOPED_TRACE(name);
    make_held_tables();
    std::string input;
    for (int step = 0; step < 40; ++step) input += record(1, step);
    input += "2024-01-01 23:59:00+00,1,1,hold\n";
    static_cast<void>(folder_.file("in.csv", input));
    constexpr unsigned kCommits = 1 + 3;  // of the side table and of the batches
    FaultProxy proxy(socket(),
                     {{.point = Point::before_commit, .action = Action::stall, .nth = kCommits + 1},
                      {.point = Point::at_start, .action = Action::stall, .nth = kConnections + 2}});
    const auto late = begin_through(proxy);
    await_held();
    if (theirs > 0) server().execute("INSERT INTO target VALUES ('2024-01-01 00:00+00', 9, 9, 'theirs')");
    release();
    EXPECT_TRUE(proxy.await_acted(1));
    end_backends();
    proxy.cut_stalled();
    EXPECT_TRUE(proxy.await_acted(2));
    const Outcome other = load({"-t", "target", folder_.file("other.csv", record(9, 1))});
    EXPECT_TRUE(heard(other, "removed 1 side table")) << other.err;
    proxy.let_go();
    const Outcome failed = late->wait();
    EXPECT_EQ(failed.exit_code, 1) << failed.err;
    EXPECT_TRUE(heard(failed, "41 rows could not be handed over to the hypertable")) << failed.err;
    EXPECT_TRUE(heard(failed, "Another load took them")) << failed.err;
    EXPECT_EQ(count("target"), theirs + 1);
  }
}

}  // namespace
}  // namespace hypercopy::test
