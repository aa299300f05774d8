// Bad rows and what breaks meanwhile: the table holds exactly the good records, the reject file exactly the bad ones, each
// once; and nothing is committed whose rejects are not kept.
#include <fmt/format.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <csignal>
#include <filesystem>
#include <set>
#include <sstream>

#include "support/bad_mixture.hpp"
#include "support/fault_load.hpp"
#include "support/file_contents.hpp"
#include "support/small_disk.hpp"

namespace hypercopy::test {
namespace {

using Lines = std::multiset<std::string>;

Lines lines_of(const std::string& text) {
  Lines lines;
  std::istringstream in(text);
  for (std::string line; std::getline(in, line);) lines.insert(line);
  return lines;
}

class FaultRejects : public FaultTest {
 protected:
  // The rows of `reference` with a bad record in front of each `distance`-th; with `parents` every other one lacks only the
  // row that it refers to, which is asked at the end of the transaction.
  void make_bad_input(const LoadShape& shape, std::uint64_t distance, bool parents = false) {
    make_target(shape);
    const Server admin = connect();
    if (parents) {
      admin.execute(
          "DROP TABLE IF EXISTS parent; CREATE TABLE parent (id bigint PRIMARY KEY); INSERT INTO parent "
          "SELECT id FROM "
          "reference; ALTER TABLE t ADD FOREIGN KEY (id) REFERENCES parent DEFERRABLE INITIALLY DEFERRED");
    }
    std::string bytes;
    bad_.clear();
    for (std::uint64_t from = 1; from <= shape.rows; from += distance) {
      const bool lacks_parent = parents && bad_.size() % 2 == 1;
      const std::string bad = lacks_parent
                                  ? fmt::format("{},2024-01-01 00:00:00+00,parent,1,1", 1'000'000 + from)
                                  : fmt::format("{},no time,type,1,1", from);
      bytes += bad + "\n";
      bytes += admin.copy_out(
          fmt::format("COPY (SELECT * FROM reference WHERE id BETWEEN {} AND {} ORDER BY id) TO "
                      "STDOUT CSV",
                      from, from + distance - 1));
      bad_.insert(bad);
    }
    ASSERT_EQ(folder_.file("input.csv", bytes), input());
    remove_reject_files();
    import_id_ = fmt::format("rejects {}", ++imports_);
  }

  [[nodiscard]] std::unique_ptr<Process> start_rejecting(std::vector<std::string> more = {}) {
    more.insert(more.end(), {"--on-error", "reject", "--reject-file", rejects_});
    return start_load(more);
  }
  [[nodiscard]] std::unique_ptr<Process> start_import(std::vector<std::string> more = {}) {
    more.insert(more.end(), {"--import-id", import_id_});
    return start_rejecting(std::move(more));
  }

  [[nodiscard]] Lines rejected() const {
    return std::filesystem::exists(rejects_) ? lines_of(contents(rejects_)) : Lines{};
  }
  void expect_all_rows_and_rejects() const {
    expect_all_rows();
    EXPECT_TRUE(rejected() == bad_) << rejected().size() << " rejects, expected " << bad_.size();
    EXPECT_EQ(lines_of(contents(rejects_ + ".jsonl")).size(), bad_.size());
  }
  void expect_finished_by_another_run() {
    for (int run = 0; run < 2; ++run) {
      const Checked finished = finish_load(*start_import());
      ASSERT_EQ(finished.outcome.exit_code, 3) << finished.outcome.err;
      expect_all_rows_and_rejects();
    }
  }
  // Of a load without import id that was ended: its files have exactly what its committed batches left out.
  void expect_kept_what_is_committed(const Checked& run) const {
    EXPECT_EQ(run.outcome.exit_code, 1) << run.outcome.err;
    ASSERT_FALSE(run.report.is_null()) << run.outcome.err;
    EXPECT_EQ(
        connect().value("SELECT count(*) FROM (SELECT t::text FROM t EXCEPT ALL SELECT reference::text FROM "
                        "reference) AS more"),
        "0");
    const Lines kept = rejected();
    EXPECT_TRUE(std::ranges::includes(bad_, kept)) << "something is kept twice, or was not bad";
    EXPECT_EQ(run.report["totals"]["records_rejected"], kept.size());
    EXPECT_EQ(run.report["totals"]["committed"]["records"],
              kept.size() + std::stoull(connect().value("SELECT count(*) FROM t")));
    EXPECT_GT(run.report["totals"]["failed"]["records"], 0);
  }
  // Once there is room: all of it again.
  void expect_whole_load_again() {
    remove_reject_files();
    const Checked again = finish_load(*start_rejecting({"--truncate"}));
    EXPECT_EQ(again.outcome.exit_code, 3) << again.outcome.err;
    expect_all_rows_and_rejects();
  }

  std::string rejects_ = folder_.path() + "/bad";
  Lines bad_;

 private:
  void remove_reject_files() const {
    std::filesystem::remove(rejects_);
    std::filesystem::remove(rejects_ + ".jsonl");
  }

  std::string import_id_;
  unsigned imports_ = 0;
};

// On a disk of their own, of which 16 kB are left.
class FaultRejectsDisk : public FaultRejects {
 protected:
  void SetUp() override {
    FaultRejects::SetUp();
    if (IsSkipped()) return;
    disk_ = SmallDisk::mount(folder_.path() + "/disk", "16k");
    if (!disk_) GTEST_SKIP() << "a small disk cannot be mounted here";
    rejects_ = disk_->path() + "/bad";
    make_bad_input({.rows = 10'000}, 20);
  }
  std::unique_ptr<SmallDisk> disk_;
};

TEST_F(FaultRejectsDisk, IsFull) {
  const Checked run = finish_load(*start_rejecting());
  EXPECT_TRUE(says(run, "No space left on device"));
  expect_kept_what_is_committed(run);
  disk_->resize("64m");
  expect_whole_load_again();
}

// All of them are committed, in the ledger; only the file is missing.
TEST_F(FaultRejectsDisk, IsFullWhenAnImportEnds) {
  const Checked run = finish_load(*start_import());
  EXPECT_EQ(run.outcome.exit_code, 1) << run.outcome.err;
  EXPECT_TRUE(says(run, "No space left on device"));
  EXPECT_TRUE(rejected().empty()) << "half a file would look like a whole one";
  expect_all_rows();
  disk_->resize("64m");
  expect_finished_by_another_run();
}

TEST_F(FaultRejects, BecomeAPipeThatIsClosed) {
  make_bad_input({.rows = 2000, .jobs = 1}, 20);
  hold_row(1);
  const auto load = start_rejecting();
  await_held_row();
  std::filesystem::remove(rejects_);
  ASSERT_EQ(::mkfifo(rejects_.c_str(), 0600), 0);
  release_row();
  const Checked run = finish_load(*load);
  EXPECT_EQ(run.outcome.exit_code, 1) << run.outcome.err;
  EXPECT_EQ(run.report["totals"]["records_rejected"], 0);
  EXPECT_EQ(connect().value("SELECT count(*) FROM t"), "0") << "each batch has bad records";
  expect_whole_load_again();
}

TEST_F(FaultRejects, BecomeAFolderWhileAnImportRuns) {
  make_bad_input({.rows = 2000}, 20);
  hold_row(1);
  const auto load = start_import();
  await_held_row();
  std::filesystem::create_directory(rejects_);
  release_row();
  const Checked run = finish_load(*load);
  EXPECT_EQ(run.outcome.exit_code, 1) << run.outcome.err;
  EXPECT_TRUE(says(run, "cannot write " + rejects_));
  std::filesystem::remove(rejects_);
  expect_finished_by_another_run();
}

// A foreign key that is asked at the end, together with the ledger: the batch's good rows, its rejects and its mark.
TEST_F(FaultRejects, OfADeferredForeignKeyInAnImportThatIsKilled) {
  for (unsigned round = 0; round < times(2, 30); ++round) {
    make_bad_input(random_shape(4000), 25, true);
    for (const std::uint64_t moment : random_moments(2)) {
      const auto load = start_import();
      static_cast<void>(await_rows(*load, moment));
      load->signal(SIGKILL);
      static_cast<void>(load->wait());
    }
    expect_finished_by_another_run();
  }
}

// As above, but a trigger defers the constraint anew in each batch, so that COMMIT is what refuses it.
TEST_F(FaultRejects, ThatOnlyCommitRefusesInAnImport) {
  make_bad_input({.rows = 1000, .batch_rows = 100, .jobs = 2}, 50, true);
  connect().execute(
      "CREATE OR REPLACE FUNCTION defer() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN SET CONSTRAINTS ALL "
      "DEFERRED; "
      "RETURN NEW; END$$; CREATE TRIGGER defer BEFORE INSERT ON t FOR EACH ROW EXECUTE FUNCTION defer()");
  expect_finished_by_another_run();
}

// The rows, the mark and the rejects of a batch come with one COMMIT or not at all.
TEST_F(FaultRejects, OfABatchWhoseCommitIsCutOffInAnImport) {
  using Point = FaultProxy::Point;
  for (const Point point : {Point::before_commit, Point::behind_commit, Point::before_commit_answer}) {
    for (const unsigned nth : {4U, 7U}) {
      SCOPED_TRACE(fmt::format("point {}, COMMIT {}", static_cast<int>(point), nth));
      make_bad_input({.rows = 1000, .batch_rows = 100, .jobs = 1}, 25);
      auto proxy = std::make_unique<FaultProxy>(socket(),
                                                std::vector<FaultProxy::Fault>{{.point = point, .nth = nth}});
      other_dsn_ = proxy->dsn();
      const auto load = start_import({"--retry-timeout", "0"});
      other_dsn_ = private_server_->dsn();
      static_cast<void>(finish_load(*load));
      EXPECT_EQ(proxy->acted(), 1U);
      proxy.reset();
      await_no_backend();
      expect_finished_by_another_run();
    }
  }
}

TEST_F(FaultRejects, OverACrashOfTheServerInAnImport) {
  for (const bool async : {false, true}) {
    for (unsigned round = 0; round < times(1, 20); ++round) {
      make_bad_input(random_shape(4000), 25, true);
      const auto load = async ? start_import({"--async-commit"}) : start_import();
      break_server(*load, random_.one_in(2) ? ServerBreak::immediate : ServerBreak::backend, 1);
      static_cast<void>(finish_load(*load));
      expect_finished_by_another_run();
    }
  }
}

// --- many bad rows ---------------------------------------------------------------------------------------------

struct Spread {
  const char* name;
  std::uint64_t distance;  // one in so many is bad; 0: all that are stand together
  std::vector<std::string> arguments;
};

class FaultManyBadRows : public FaultTest, public ::testing::WithParamInterface<Spread> {};

// A hundredth of 1,000,000 in the long form, or that many and no good one.
TEST_P(FaultManyBadRows, CostThemselvesAndCanBeCorrected) {
  const Spread& spread = GetParam();
  const std::uint64_t bad = times(200, 10'000);
  const std::uint64_t records = spread.distance == 1 ? bad : 100 * bad;
  const Mixture mixture = mix(
      records,
      [&](std::uint64_t number) {
        return spread.distance == 0 ? number > records / 2 && number <= records / 2 + bad
                                    : number % spread.distance == 0;
      },
      [](std::uint64_t /*number*/) { return std::uint64_t{0}; });
  ASSERT_EQ(mixture.sqlstates.size(), bad);
  const Server admin = connect();
  admin.execute(kBadMixtureParents);
  for (const char* const table : {"t", "reference"}) {
    admin.execute(bad_mixture_table(table));
    ASSERT_TRUE(admin.copy(fmt::format("COPY {} FROM STDIN CSV", table), good_record(0)).rows);
  }
  if (!mixture.good.empty()) {
    const CopyOutcome reference = admin.copy("COPY reference FROM STDIN CSV", mixture.good);
    ASSERT_TRUE(reference.rows) << reference.message;
  }
  const std::string rejects = folder_.path() + "/bad";
  const auto load = [&](const std::string& name, const std::string& bytes) {
    std::vector<std::string> arguments{"--on-error", "reject", "--reject-file", rejects + name};
    arguments.insert(arguments.end(), spread.arguments.begin(), spread.arguments.end());
    if (!spread.arguments.empty() && spread.arguments.back() == "--import-id") arguments.push_back(name);
    arguments.push_back(folder_.file(name, bytes));
    return finish_load(*start("t", arguments, {.timeout = std::chrono::minutes(10)}));
  };
  const Checked first = load("first", mixture.all);
  EXPECT_EQ(first.outcome.exit_code, 3) << first.outcome.err;
  EXPECT_EQ(first.report["totals"]["rows_loaded"], mixture.good_records);
  EXPECT_EQ(first.report["totals"]["records_rejected"], bad);
  EXPECT_TRUE(lines_of(contents(rejects + "first")) == lines_of(mixture.bad));
  EXPECT_TRUE(admin.rows_as_text("t") == admin.rows_as_text("reference"));
  std::istringstream reasons(contents(rejects + "first.jsonl"));
  Lines sqlstates;
  for (std::string line; std::getline(reasons, line);)
    sqlstates.insert(nlohmann::json::parse(line)["sqlstate"].get<std::string>());
  EXPECT_TRUE(sqlstates == Lines(mixture.sqlstates.begin(), mixture.sqlstates.end()));

  ASSERT_TRUE(admin.copy("COPY reference FROM STDIN CSV", mixture.corrected).rows);
  const Checked again = load("corrected", mixture.corrected);
  EXPECT_EQ(again.outcome.exit_code, 0) << again.outcome.err;
  EXPECT_TRUE(admin.rows_as_text("t") == admin.rows_as_text("reference"));
}

INSTANTIATE_TEST_SUITE_P(Ways, FaultManyBadRows,
                         ::testing::Values(Spread{"spread", 100, {"-j", "4"}},
                                           Spread{"spread_in_an_import", 100, {"-j", "4", "--import-id"}},
                                           Spread{"in_one_batch", 0, {"-j", "2"}},
                                           Spread{"in_one_batch_as_csv", 0, {"-j", "2", "--wire", "csv"}},
                                           Spread{"every_row", 1, {"-j", "2"}},
                                           Spread{"every_row_in_an_import", 1, {"-j", "4", "--import-id"}}),
                         [](const auto& test) { return std::string(test.param.name); });

}  // namespace
}  // namespace hypercopy::test
