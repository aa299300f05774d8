// --build-chunks on with --import-id: whatever ends a run, and wherever, the next one hands over what is owed, and what is
// there then is what an ordinary load leaves.
#include <fmt/format.h>

#include <csignal>

#include "support/built_chunks_import.hpp"
#include "support/open_pipe.hpp"

namespace hypercopy::test {
namespace {

TEST_F(BuildChunksImport, WithoutAnyFault) {
  if (!has_timescale()) return;
  make_tables();
  const std::string input = across();
  static_cast<void>(folder_.file("in.csv", input));
  expect_done(run_again(), input);
  const Outcome again = run_again();
  EXPECT_TRUE(heard(again, "is done: nothing was left to load")) << again.err;
  EXPECT_EQ(count("target"), kRecords);
}

// The old side tables keep the type that was encoded for.
TEST_F(BuildChunksImport, ATypeIsChangedBetweenTwoRuns) {
  if (!has_timescale()) return;
  make_held_tables();
  static_cast<void>(folder_.file("in.csv", across() + held()));
  const auto killed = begin();
  await_done(kBatches);
  await_held();
  kill(*killed);
  server().execute("ALTER TABLE target ALTER device TYPE real");
  release();
  const Outcome again = run_again();
  EXPECT_EQ(again.exit_code, 2) << again.err;
  EXPECT_TRUE(heard(again, "column device is \"real NOT NULL\" in")) << again.err;
  EXPECT_EQ(count("target"), 0U);
}

// What is in side tables of the killed run stays, whoever else loads; the next run fills them up.
TEST_F(BuildChunksImport, KilledWhileItLoads) {
  if (!has_timescale()) return;
  make_held_tables({"ALTER TABLE {} ADD PRIMARY KEY (at, device)", "GRANT SELECT ON {} TO PUBLIC"});
  const std::string input = across() + held();
  static_cast<void>(folder_.file("in.csv", input));
  const auto killed = begin();
  await_done(kBatches);
  await_held();
  kill(*killed);
  EXPECT_EQ(count("target"), 0U);
  EXPECT_EQ(shown()["state"], "stopped");
  EXPECT_EQ(shown()["side_tables"], kDays);
  EXPECT_NE(imports({"show", id()}).out.find("owed:     the rows of 6 side tables"), std::string::npos);
  EXPECT_NE(imports({"list"}).out.find(fmt::format("import '{}': the rows of 6 side tables", id())),
            std::string::npos);
  const std::string other = record(9, 1);
  const Outcome between = load({"-t", "target", folder_.file("other.csv", other)});
  EXPECT_EQ(between.exit_code, 0) << between.err;
  EXPECT_TRUE(heard(between, fmt::format("import '{}' owes this table the rows of 6 side tables", id())))
      << between.err;
  // What is changed in between is so in chunks that were begun before.
  for (const char* table : {"target", "judge"}) {
    server().execute(
        fmt::format("CREATE INDEX {0}_value ON {0} (value); GRANT INSERT ON {0} TO PUBLIC", table));
  }
  release();
  const Outcome done = run_again();
  EXPECT_TRUE(heard(done, "going on with 6 side tables")) << done.err;
  EXPECT_TRUE(heard(done, "6 chunks were built aside and handed over")) << done.err;
  expect_done(done, input + other);
}

// With every batch done the ledger calls the import done; it is not complete before the last hand-over.
TEST_F(BuildChunksImport, KilledAtTheHandOver) {
  if (!has_timescale()) return;
  struct Case {
    const char* name;
    unsigned locked;  // side tables that are not handed over before the end
  };
  for (const auto& [name, locked] : {Case{"before the first", kDays}, Case{"before the last", 1}}) {
    SCOPED_TRACE(name);
    static_cast<void>(imports({"forget", id()}));
    make_held_tables();
    const std::string input = by_time() + held();
    static_cast<void>(folder_.file("in.csv", input));
    const auto killed = begin();
    await_done(kBatches);
    await_held();
    lock_side_tables(locked);
    release();
    await(fmt::format(
        "SELECT count(*) = {} FROM pg_class WHERE relkind = 'r' AND relname LIKE 'hypercopy_chunk_%' "
        "AND relnamespace = current_schema()::regnamespace",
        locked));
    await_blocked(locked == 1 ? 1 : 2);
    kill(*killed);
    // Their backends are there still, and wait.
    await_blocked(locked == 1 ? 1 : 2);
    EXPECT_EQ(server().value(fmt::format("SELECT state FROM hypercopy.job WHERE import_id = '{}'", id())),
              "done");
    EXPECT_EQ(shown()["state"], "stopped");
    EXPECT_EQ(shown()["side_tables"], locked);
    const auto again = begin();
    EXPECT_TRUE(again->await_said("going on with"));
    await_blocked(locked == 1 ? 1 : 2);
    unlock();
    const Outcome done = again->wait();
    EXPECT_TRUE(heard(done, "is done: nothing was left to load")) << done.err;
    EXPECT_TRUE(heard(done, locked == 1 ? "1 chunk was built aside" : "6 chunks were built aside"))
        << done.err;
    expect_done(done, input);
  }
}

// Its report goes into a FIFO that nobody reads.
TEST_F(BuildChunksImport, KilledBehindTheHandOver) {
  if (!has_timescale()) return;
  make_tables();
  const std::string input = across();
  static_cast<void>(folder_.file("in.csv", input));
  const std::string report = folder_.path() + "/report.fifo";
  ASSERT_EQ(::mkfifo(report.c_str(), 0600), 0);
  Texts all = words();
  all.insert(all.begin(), {"load", "-w", "-d", dsn(), "--report", report});
  Process killed(all);
  EXPECT_TRUE(killed.await_said("6 chunks were built aside and handed over"));
  kill(killed);
  EXPECT_EQ(side_tables(), "0");
  expect_done(run_again(), input);
}

TEST_F(BuildChunksImport, InterruptedOnce) {
  if (!has_timescale()) return;
  make_held_tables();
  const std::size_t half = by_time().find('\n', by_time().size() / 2) + 1;
  const std::string all = by_time().substr(0, half) + held() + by_time().substr(half);
  static_cast<void>(folder_.file("in.csv", all));
  const auto interrupted = begin("1");
  await_held();
  interrupted->signal(SIGINT);
  ASSERT_TRUE(interrupted->await_said("batches in flight are finished first"));
  release();
  const Outcome stopped = interrupted->wait();
  EXPECT_EQ(stopped.exit_code, 130) << stopped.err;
  EXPECT_TRUE(heard(stopped, "chunks were built aside and handed over")) << stopped.err;
  EXPECT_TRUE(heard(stopped, "goes on from there:")) << stopped.err;
  EXPECT_TRUE(heard(stopped, "--build-chunks on --import-id")) << stopped.err;
  EXPECT_EQ(side_tables(), "0");
  EXPECT_GE(count("target"), kRecords / 2);
  expect_done(run_again(), all);
}

TEST_F(BuildChunksImport, InterruptedTwice) {
  if (!has_timescale()) return;
  for (const bool by_import : {true, false}) {
    SCOPED_TRACE(by_import ? "an import" : "no import");
    make_held_tables();
    const std::string input = by_time() + held();
    static_cast<void>(folder_.file("in.csv", input));
    const auto interrupted = begin("1", by_import);
    await_held();
    interrupted->signal(SIGINT);
    ASSERT_TRUE(interrupted->await_said("batches in flight are finished first"));
    lock_side_tables(kDays);
    release();
    await_blocked(1);
    interrupted->signal(SIGINT);
    const Outcome stopped = interrupted->wait();
    unlock();
    EXPECT_EQ(stopped.exit_code, 130) << stopped.err;
    EXPECT_EQ(count("target"), 0U);
    EXPECT_EQ(side_tables(), std::to_string(kDays));
    EXPECT_TRUE(heard(stopped, "0 rows are committed in")) << stopped.err;
    if (by_import) {
      EXPECT_TRUE(heard(stopped, "6 side tables are not in")) << stopped.err;
      EXPECT_TRUE(heard(stopped, "hands them over when it is run again")) << stopped.err;
      expect_done(run_again(), input);
      continue;
    }
    EXPECT_TRUE(heard(stopped, "the next load into it removes them")) << stopped.err;
    const Outcome next = load(words("2", false));
    EXPECT_EQ(next.exit_code, 0) << next.err;
    EXPECT_TRUE(heard(next, "removed 6 side tables")) << next.err;
    load_judge(input);
    expect_same();
  }
}

TEST_F(BuildChunksImport, Forgotten) {
  if (!has_timescale()) return;
  make_held_tables();
  const std::string input = by_time() + held();
  static_cast<void>(folder_.file("in.csv", input));
  const auto killed = begin();
  await_done(kBatches);
  kill(*killed);
  release();
  const Outcome refused = imports({"forget", id()});
  EXPECT_EQ(refused.exit_code, 2) << refused.err;
  EXPECT_TRUE(heard(refused, "the rows of 6 side tables")) << refused.err;
  EXPECT_TRUE(heard(refused, "--drop-side-tables")) << refused.err;
  EXPECT_EQ(shown()["side_tables"], kDays);
  const Outcome forgotten = imports({"forget", id(), "--drop-side-tables"});
  EXPECT_EQ(forgotten.exit_code, 0) << forgotten.err;
  EXPECT_NE(forgotten.out.find("dropped 6 side tables"), std::string::npos) << forgotten.out;
  EXPECT_EQ(side_tables(), "0");
  expect_done(run_again(), input);
}

TEST_F(BuildChunksImport, ASecondLoaderIsRefused) {
  if (!has_timescale()) return;
  make_held_tables();
  const std::string input = by_time() + held();
  static_cast<void>(folder_.file("in.csv", input));
  const auto first = begin();
  await_held();
  const Outcome second = run_again();
  EXPECT_EQ(second.exit_code, 2) << second.err;
  EXPECT_TRUE(heard(second, "with --build-chunks there is one at a time")) << second.err;
  release();
  expect_done(first->wait(), input);
}

TEST_F(BuildChunksImport, WhatDoesNotFitIsRefused) {
  if (!has_timescale()) return;
  make_held_tables();
  const std::string input = by_time() + held();
  static_cast<void>(folder_.file("in.csv", input));
  const auto killed = begin();
  await_done(kBatches);
  kill(*killed);
  release();
  const Outcome without = load({"-t", "target", "--import-id", id(), folder_.path() + "/in.csv"});
  EXPECT_EQ(without.exit_code, 2) << without.err;
  EXPECT_TRUE(heard(without, "build-chunks was 'on' and is now not given")) << without.err;
  // As if the ledger had been made anew since.
  const std::string one = server().value(
      "SELECT oid::regclass::text FROM pg_class WHERE relname LIKE 'hypercopy_chunk_i%' AND relkind = 'r' "
      "AND "
      "relnamespace = current_schema()::regnamespace ORDER BY relname DESC LIMIT 1");
  const std::string comment =
      server().value(fmt::format("SELECT obj_description('{}'::regclass, 'pg_class')", one));
  server().execute(fmt::format("COMMENT ON TABLE {} IS 'hypercopy --build-chunks, of another ledger'", one));
  const Outcome missing = run_again();
  EXPECT_EQ(missing.exit_code, 2) << missing.err;
  EXPECT_TRUE(heard(missing, "of 300 rows only 250 wait in 5 side tables")) << missing.err;
  Texts into_empty = words();
  into_empty.emplace_back("--resume-into-empty");
  const Outcome stranger = load(into_empty);
  EXPECT_EQ(stranger.exit_code, 1) << stranger.err;
  EXPECT_TRUE(heard(stranger, "is there, and is not of this load")) << stranger.err;
  server().execute(fmt::format("COMMENT ON TABLE {} IS $${}$$", one, comment));
  const Outcome done = run_again();
  EXPECT_EQ(done.exit_code, 0) << done.err;
  load_judge(input);
  EXPECT_EQ(server().rows_as_text("target"), server().rows_as_text("judge"));
  EXPECT_EQ(side_tables(), "0");
}

// What is in the way of a hand-over may be put right: nothing is lost, and the import is not complete before.
TEST_F(BuildChunksImport, RefusedByTheHypertable) {
  if (!has_timescale()) return;
  make_held_tables({"ALTER TABLE {} ADD PRIMARY KEY (at, device)"});
  const std::string input = by_time() + held();
  static_cast<void>(folder_.file("in.csv", input));
  const auto killed = begin();
  await_done(kBatches);
  kill(*killed);
  release();
  server().execute("INSERT INTO target SELECT '2024-01-03 00:00+00', 0, 1, 'theirs'");
  for (int time = 0; time < 2; ++time) {
    const Outcome refused = run_again();
    EXPECT_EQ(refused.exit_code, 1) << refused.err;
    EXPECT_TRUE(heard(refused, "could not be handed over to the hypertable")) << refused.err;
    EXPECT_TRUE(heard(refused, "run the import again")) << refused.err;
    EXPECT_EQ(side_tables(), "1");
    EXPECT_EQ(shown()["state"], "stopped");
  }
  server().execute("DELETE FROM target WHERE note = 'theirs'");
  expect_done(run_again(), input);
}

// Ranges that were begun by the old interval are handed over as they are, and no new table lies across them.
TEST_F(BuildChunksImport, TheIntervalOfChunksIsChangedInBetween) {
  if (!has_timescale()) return;
  make_held_tables();
  const std::string input = by_time() + held() + record(7, 3) + record(20, 5);
  static_cast<void>(folder_.file("in.csv", input));
  const auto killed = begin("1");
  await_held();
  kill(*killed);
  release();
  server().execute("SELECT set_chunk_time_interval('target', interval '36 hours')");
  const Outcome done = run_again();
  EXPECT_EQ(done.exit_code, 0) << done.err;
  load_judge(input);
  EXPECT_EQ(server().rows_as_text("target"), server().rows_as_text("judge"));
  EXPECT_EQ(side_tables(), "0");
}

}  // namespace
}  // namespace hypercopy::test
