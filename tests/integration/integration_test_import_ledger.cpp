// The import ledger itself, step by step on a real server: what each step must refuse is tried without any luck of timing.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "hypercopy/cancellation.hpp"
#include "hypercopy/connection.hpp"
#include "hypercopy/import_ledger.hpp"
#include "hypercopy/imports.hpp"
#include "import_schema.hpp"
#include "support/server.hpp"

namespace hypercopy::test {
namespace {

class LedgerOfAnImport : public ServerTest {
 protected:
  void SetUp() override {
    ServerTest::SetUp();
    if (IsSkipped()) return;
    auto cancellation = Cancellation::create();
    ASSERT_TRUE(cancellation);
    cancellation_ = std::move(*cancellation);
    server().execute("CREATE TABLE t (a int)");
    job_ = {.import_id = schema(),
            .target = static_cast<std::uint32_t>(std::stoul(server().value("SELECT 't'::regclass::oid"))),
            .target_name = "t",
            .settings = {{"format", "csv"}},
            .inputs = {{.name = "input.csv", .size = 100, .fingerprint = "of it"}}};
  }
  void TearDown() override {
    if (!IsSkipped()) {
      auto connection = connect("forgetting");
      static_cast<void>(forget_import(connection, job_.import_id));
    }
    ServerTest::TearDown();
  }

  [[nodiscard]] Connection connect(const std::string& name) const {
    Connector connector({.dbname = dsn()}, *cancellation_, {}, {});
    auto connection = connector.connect(name, {*cancellation_});
    if (!connection) throw std::runtime_error(to_string(connection.error()));
    if (read_only_ && !connection->execute("SET default_transaction_read_only = on"))
      throw std::runtime_error("a connection that only reads");
    return std::move(*connection);
  }
  // What makes the ledger connect again.
  void end_loader() const {
    server().execute(fmt::format(
        "SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory' AND classid = {} "
        "AND objid = (SELECT id FROM hypercopy.job WHERE import_id = '{}')",
        kImportLockClass, job_.import_id));
  }
  // As a failover to a standby that never had it.
  void take_back(const std::string& columns) const {
    server().execute(fmt::format(
        "UPDATE hypercopy.input SET {} WHERE job = (SELECT id FROM hypercopy.job WHERE import_id = '{}')",
        columns, job_.import_id));
  }
  [[nodiscard]] Result<ImportLedger> try_open(const std::string& run) const {
    return ImportLedger::open(
        [this, run](StopAt) -> Result<Connection> {
          return connect(fmt::format("hypercopy load {} control", run));
        },
        job_,
        {.run_id = run,
         .retry_timeout = std::chrono::minutes(1),
         .on_wait =
             [this](const std::string& what) {
               waited_for_.push_back(what);
               if (on_wait_) on_wait_();
             }},
        {*cancellation_});
  }
  [[nodiscard]] ImportLedger open(const std::string& run) const {
    auto ledger = try_open(run);
    if (!ledger) throw std::runtime_error(to_string(ledger.error()));
    return std::move(*ledger);
  }
  [[nodiscard]] static PlannedInterval interval(std::uint64_t begin, std::uint64_t end) {
    return {.extent = {.first = {.byte = begin, .line = 1 + begin, .record = 1 + begin},
                       .end_byte = end,
                       .records = 1},
            .content = 77};
  }
  [[nodiscard]] static bool plan(ImportLedger& ledger, std::uint64_t begin, std::uint64_t end) {
    const auto planned = ledger.plan(interval(begin, end), {.byte = end, .line = 1 + end, .record = 1 + end});
    return planned.value();
  }
  static void start(ImportLedger& ledger, const std::optional<WindowCut>& cut = {}) {
    ASSERT_TRUE(ledger.start_input(0, {.byte = 0, .line = 1, .record = 1}, "columns", "", cut));
  }
  [[nodiscard]] static PlannedWindow two_slices() {
    return {.first = {.byte = 0, .line = 1, .record = 1},
            .behind = {.byte = 30, .line = 4, .record = 4},
            .slices = {{.records = 2, .bytes = 18, .content = 77},
                       {.records = 1, .bytes = 12, .content = UINT64_MAX}}};
  }
  [[nodiscard]] Batch batch(std::uint64_t begin, std::uint64_t end) {
    return {.buffer = PooledBuffer(pool_, *pool_.acquire()),
            .begin = 0,
            .end = static_cast<std::size_t>(end - begin),
            .first = {.byte = begin},
            .records = 1,
            .file = std::make_shared<const InputFile>(),
            .claim = {.begin_byte = begin, .content = 77}};
  }
  void mark_done(const ImportLedger& ledger, std::uint64_t begin, std::uint64_t end) {
    server().execute(ledger.claims().done_sql(batch(begin, end), {.loaded = 1}));
  }
  [[nodiscard]] std::string presences() const {
    return server().value(
        fmt::format("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND classid = {} AND objid = "
                    "(SELECT id FROM "
                    "hypercopy.job WHERE import_id = '{}')",
                    kImportLockClass, job_.import_id));
  }

  std::unique_ptr<Cancellation> cancellation_;
  ImportJob job_;
  mutable std::vector<std::string> waited_for_{};
  std::function<void()> on_wait_{};
  bool read_only_ = false;  // the connections that are made from now on
  BatchPool pool_{4, 64};
};

TEST_F(LedgerOfAnImport, OnlyOneOfTwoPlansTheSameBytes) {
  auto one = open("one");
  auto other = open("other");
  start(one);
  start(other);
  EXPECT_TRUE(plan(one, 0, 10));
  EXPECT_FALSE(plan(other, 0, 20)) << "these bytes are planned, and end elsewhere";
  EXPECT_TRUE(plan(other, 0, 10)) << "exactly this is planned: as good as its own";
  EXPECT_FALSE(plan(other, 5, 15)) << "in the middle of what is planned";
  EXPECT_FALSE(plan(other, 20, 30)) << "behind a gap";
  EXPECT_TRUE(plan(other, 10, 20));
  EXPECT_EQ(one.intervals(0, false)->size(), 2U);
  EXPECT_EQ(one.input(0)->planned.byte, 20U);
}

TEST_F(LedgerOfAnImport, AllSlicesOfAWindowArePlannedAtOnceOrNone) {
  auto one = open("one");
  auto other = open("other");
  start(one);
  start(other);
  const PlannedWindow window = two_slices();
  EXPECT_TRUE(*one.plan(window));
  EXPECT_FALSE(plan(other, 0, 10));
  PlannedWindow cut_elsewhere = window;
  std::swap(cut_elsewhere.slices[0], cut_elsewhere.slices[1]);
  EXPECT_FALSE(*other.plan(cut_elsewhere));
  EXPECT_TRUE(*other.plan(window)) << "exactly this is planned: as good as its own";
  EXPECT_EQ(one.input(0)->planned, window.behind);
  const auto slices = *one.intervals(0, true);
  ASSERT_EQ(slices.size(), 2U);
  EXPECT_EQ(slices[1].slice, 1U);
  EXPECT_EQ(slices[1].slices, 2U);
  EXPECT_EQ(slices[1].content, UINT64_MAX);
  EXPECT_EQ(slices[1].extent.end_byte, 30U);
  mark_done(one, 0, 18);
  EXPECT_EQ(one.intervals(0, true)->size(), 1U) << "a slice is done, its neighbour is not";
  EXPECT_EQ(one.slices_with(slices[1])->size(), 2U);
  const auto totals = *one.totals();
  ASSERT_EQ(totals.size(), 1U);
  EXPECT_EQ(totals[0].mine.bytes, 18U);
  EXPECT_EQ(totals[0].mine.records, 2U);
}

TEST_F(LedgerOfAnImport, TheFirstCutOfWindowsHolds) {
  auto one = open("one");
  auto other = open("other");
  const Position first{.byte = 0, .line = 1, .record = 1};
  const WindowCut cut{
      .slice = {.bytes = 4096, .records = UINT64_MAX},
      .field = {
          .index = 3, .fields = 5, .type_oid = 1184, .interval = -7, .utc = true, .server_version = 150002}};
  EXPECT_FALSE(one.start_input(0, first, "columns", "")->cut);
  EXPECT_TRUE(one.start_input(0, first, "columns", "", cut)->cut);
  const auto held =
      other.start_input(0, first, "columns", "", WindowCut{.slice = {.bytes = 1}, .field = {}})->cut;
  ASSERT_TRUE(held);
  EXPECT_EQ(held->slice.bytes, 4096U);
  EXPECT_EQ(held->slice.records, UINT64_MAX);
  EXPECT_EQ(held->field.index, 3U);
  EXPECT_EQ(held->field.fields, 5U);
  EXPECT_EQ(held->field.type_oid, 1184U);
  EXPECT_EQ(held->field.interval, -7);
  EXPECT_TRUE(held->field.utc);
  EXPECT_EQ(held->field.server_version, 150002);
}

// A loader that loses races of plans asks it each time.
TEST_F(LedgerOfAnImport, WhereABegunInputStandsIsOnlyRead) {
  const WindowCut cut{.slice = {.bytes = 4096}, .field = {}};
  auto ledger = open("one");
  start(ledger, cut);
  EXPECT_TRUE(plan(ledger, 0, 10));
  read_only_ = true;
  end_loader();
  const auto state = ledger.start_input(0, {.byte = 0, .line = 1, .record = 1}, "columns", "", cut);
  ASSERT_TRUE(state) << to_string(state.error());
  EXPECT_EQ(state->planned.byte, 10U);
  EXPECT_EQ(state->cut, cut);
}

TEST_F(LedgerOfAnImport, ABeginningThatAFailoverTookBackIsSaidAgain) {
  const WindowCut cut{.slice = {.bytes = 4096}, .field = {}};
  auto ledger = open("one");
  start(ledger, cut);
  take_back("first_byte = NULL, mapping = NULL, planned_byte = NULL, cut = NULL");
  start(ledger, cut);
  EXPECT_EQ(ledger.input(0)->cut, cut);
  take_back("cut = NULL");
  start(ledger, cut);
  EXPECT_EQ(ledger.input(0)->cut, cut);
  EXPECT_TRUE(plan(ledger, 0, 10));
}

// Else who reads the window again would not find its slices.
TEST_F(LedgerOfAnImport, AWindowIsPlannedOnlyByTheCutThatIsRecorded) {
  const WindowCut cut{.slice = {.bytes = 4096}, .field = {}};
  const WindowCut other_cut{.slice = {.bytes = 1024}, .field = {.index = 1}};
  auto one = open("one");
  auto other = open("other");
  start(one, cut);
  take_back("cut = NULL");
  start(other, other_cut);
  PlannedWindow window = two_slices();
  window.cut = cut;
  EXPECT_FALSE(*one.plan(window));
  EXPECT_EQ(one.input(0)->planned.byte, 0U);
  EXPECT_TRUE(one.intervals(0, false)->empty());
  window.cut = other_cut;
  EXPECT_TRUE(*one.plan(window));
}

TEST_F(LedgerOfAnImport, NothingIsPlannedBehindTheEnd) {
  auto ledger = open("one");
  start(ledger);
  EXPECT_TRUE(plan(ledger, 0, 10));
  EXPECT_FALSE(*ledger.complete_input(0, {.byte = 5})) << "somebody has planned further";
  EXPECT_FALSE(ledger.input(0)->complete);
  EXPECT_TRUE(*ledger.complete_input(0, {.byte = 10}));
  EXPECT_FALSE(plan(ledger, 10, 20));
}

TEST_F(LedgerOfAnImport, ALaterRunKeepsWhatIsPlanned) {
  auto one = open("one");
  start(one);
  EXPECT_TRUE(plan(one, 0, 10));
  auto other = open("other");
  EXPECT_TRUE(other.was_begun());
  EXPECT_EQ(other.start_input(0, {.byte = 0, .line = 1, .record = 1}, "columns", "")->planned.byte, 10U);
  EXPECT_FALSE(other.start_input(0, {.byte = 3, .line = 1, .record = 1}, "columns", ""));
  EXPECT_FALSE(other.start_input(0, {.byte = 0, .line = 1, .record = 1}, "other columns", ""));
}

TEST_F(LedgerOfAnImport, IsDoneWhenAllIsPlannedAndDone) {
  auto ledger = open("one");
  start(ledger);
  EXPECT_FALSE(*ledger.finish()) << "nothing was read";
  EXPECT_TRUE(plan(ledger, 0, 10));
  mark_done(ledger, 0, 10);
  EXPECT_FALSE(*ledger.finish()) << "more may come";
  EXPECT_TRUE(plan(ledger, 10, 20));
  EXPECT_TRUE(*ledger.complete_input(0, {.byte = 20}));
  EXPECT_FALSE(*ledger.finish()) << "one is open";
  EXPECT_FALSE(ledger.is_done());
  mark_done(ledger, 10, 20);
  EXPECT_TRUE(*ledger.finish());
  EXPECT_TRUE(*ledger.finish()) << "again";
  server().execute("INSERT INTO t VALUES (1), (2)");  // as if they were loaded
  EXPECT_TRUE(open("other").is_done());
}

TEST_F(LedgerOfAnImport, AClaimExcludesAllOthersUntilItEnds) {
  auto ledger = open("one");
  start(ledger);
  EXPECT_TRUE(plan(ledger, 0, 10));
  const auto claims = ledger.claims();
  const auto others = open("other").claims();
  const Batch what = batch(0, 10);
  const Server holder(dsn());
  const Server second(dsn());
  second.execute("SET lock_timeout = '10s'");
  holder.execute("BEGIN");
  EXPECT_EQ(holder.execute(claims.claim_sql(what)).size(), 1U);
  EXPECT_EQ(second.execute(others.claim_sql(what)).size(), 0U) << "at once, without waiting";
  holder.execute(claims.done_sql(what, {.loaded = 1}));
  EXPECT_EQ(second.execute(others.claim_sql(what)).size(), 0U);
  EXPECT_EQ(second.execute(claims.is_done_sql(what)).size(), 0U) << "not committed";
  holder.execute("ROLLBACK");
  EXPECT_EQ(second.execute(others.claim_sql(what)).size(), 1U);
  second.execute(others.done_sql(what, {.loaded = 1}));
  EXPECT_EQ(second.execute(claims.claim_sql(what)).size(), 0U);
  EXPECT_EQ(second.execute(others.is_done_sql(what)).size(), 1U);
  EXPECT_EQ(second.execute(claims.is_done_sql(what)).size(), 0U) << "by another run: not what this one asks";
  second.execute(claims.done_sql(what, {.loaded = 1}));
  EXPECT_EQ(second.execute(others.is_done_sql(what)).size(), 1U) << "whose it was it stays";
}

// While it lives its import cannot be forgotten, also when it had to connect again.
TEST_F(LedgerOfAnImport, TellsThatItsLoaderLives) {
  auto ledger = open("one");
  EXPECT_EQ(presences(), "1");
  end_loader();
  ASSERT_TRUE(ledger.input(0));
  EXPECT_EQ(presences(), "1");
  auto connection = connect("forgetting");
  const auto forgotten = forget_import(connection, job_.import_id);
  ASSERT_FALSE(forgotten);
  EXPECT_EQ(forgotten.error().kind, ErrorKind::usage);
}

TEST_F(LedgerOfAnImport, APipeHasOneLoader) {
  job_.inputs = {{.name = "pipe"}};
  {
    const auto one = open("one");
    const auto other = try_open("other");
    ASSERT_FALSE(other);
    EXPECT_EQ(other.error().kind, ErrorKind::usage);
    EXPECT_EQ(waited_for_, std::vector<std::string>{"another process that has this import for itself"});
  }
  EXPECT_TRUE(try_open("other"));
  EXPECT_EQ(waited_for_.size(), 1U);
}

// Another loader has the job's row while it publishes what is staged.
TEST_F(LedgerOfAnImport, TellsThatItWaitsForTheEndOfAnotherLoader) {
  auto ledger = open("one");
  start(ledger);
  EXPECT_TRUE(*ledger.complete_input(0, {.byte = 0}));
  const Server holder(dsn());
  holder.execute(
      fmt::format("BEGIN; SELECT FROM hypercopy.job WHERE import_id = '{}' FOR UPDATE", job_.import_id));
  on_wait_ = [&] { holder.execute("ROLLBACK"); };
  EXPECT_TRUE(*ledger.finish());
  EXPECT_EQ(waited_for_, std::vector<std::string>{"another process that begins or ends this import"});
}

TEST_F(LedgerOfAnImport, TellsWhoHoldsABatch) {
  auto ledger = open("one");
  start(ledger);
  EXPECT_TRUE(plan(ledger, 0, 10));
  const Server holder(dsn());
  holder.execute("SET application_name = 'somebody'");
  holder.execute("BEGIN; " + ledger.claims().claim_sql(batch(0, 10)));
  on_wait_ = [&] { holder.execute("ROLLBACK"); };
  ASSERT_TRUE(ledger.wait_for(interval(0, 10)));
  ASSERT_EQ(waited_for_.size(), 1U);
  EXPECT_NE(waited_for_[0].find("another process that loads a batch of this import (somebody, backend "),
            std::string::npos)
      << waited_for_[0];
}

TEST_F(LedgerOfAnImport, AJobThatMayNotBeginLeavesNothing) {
  const auto refused =
      ImportLedger::open([this](StopAt) -> Result<Connection> { return connect("ledger"); }, job_,
                         {.run_id = "one",
                          .retry_timeout = std::chrono::minutes(1),
                          .may_begin = [] { return fail(ErrorKind::usage, "not now"); }},
                         {*cancellation_});
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().message, "not now");
  EXPECT_EQ(server().value(
                fmt::format("SELECT count(*) FROM hypercopy.job WHERE import_id = '{}'", job_.import_id)),
            "0");
  EXPECT_FALSE(open("other").was_begun());
}

}  // namespace
}  // namespace hypercopy::test
