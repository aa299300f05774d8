// --order-by-time with --import-id: slices of windows are planned, loaded once each, and cut again where a run has died.
#include <fmt/format.h>

#include <algorithm>
#include <csignal>
#include <fstream>
#include <set>

#include "support/checked_load.hpp"
#include "support/forget_imports.hpp"
#include "support/open_pipe.hpp"

namespace hypercopy::test {
namespace {

using Texts = std::vector<std::string>;

constexpr int kDevices = 40;
constexpr int kTimes = 50;
constexpr std::uint64_t kRecords = kDevices * kTimes;

std::string record_of(int device, int step, std::size_t padding = 0) {
  return fmt::format("2024-01-{:02} {:02}:00:00+00,dev{},{},\"note\n{}{}\"\n", 1 + step / 2, step % 2 * 12,
                     device, step, device * step, std::string(padding, '.'));
}

// Device by device, each from its first time to its last.
std::string by_device(std::size_t padding = 0) {
  std::string input;
  for (int device = 0; device < kDevices; ++device) {
    for (int step = 0; step < kTimes; ++step) input += record_of(device, step, padding);
  }
  return input;
}

Texts operator+(Texts left, const Texts& right) {
  left.insert(left.end(), right.begin(), right.end());
  return left;
}

// Several windows, each of several slices.
const Texts kRegrouped{"--order-by-time", "on", "--batch-bytes", "4KB", "--order-memory", "60KB"};

enum class Kind { partitions, hypertable };

class ImportOrder : public CheckedLoadTest {
 protected:
  void TearDown() override {
    if (!IsSkipped()) forget_imports(server(), schema());
    CheckedLoadTest::TearDown();
  }

  // A table without rows, and an import that was not begun.
  void make_target(Kind kind) {
    static constexpr std::string_view kColumns =
        "(at timestamptz NOT NULL, device text, step int, note text)";
    server().execute("DROP TABLE IF EXISTS target");
    forget_imports(server(), schema());
    rows_before_ = 0;
    if (kind == Kind::hypertable) {
      // The chunk of the latest times is there, to be locked.
      server().execute(fmt::format(
          "CREATE TABLE target {}; SELECT create_hypertable('target', 'at', chunk_time_interval => "
          "interval '1 day'); INSERT INTO target VALUES ('2024-01-25 05:00:00+00')",
          kColumns));
      late_ = server().value("SELECT show_chunks('target')");
      server().execute("DELETE FROM target");
    } else {
      server().execute(fmt::format(
          "CREATE TABLE target {} PARTITION BY RANGE (at); CREATE TABLE early PARTITION OF target "
          "FOR VALUES FROM (MINVALUE) TO ('2024-01-25'); CREATE TABLE late PARTITION OF target "
          "DEFAULT",
          kColumns));
      late_ = "late";
    }
  }
  [[nodiscard]] std::vector<Kind> kinds() const {
    return has_timescale() ? std::vector{Kind::partitions, Kind::hypertable} : std::vector{Kind::partitions};
  }
  // Transactions with the latest times wait.
  void hold_late_times(const Server& holder) const {
    holder.execute(fmt::format("BEGIN; SET search_path TO {}; LOCK TABLE {} IN SHARE MODE", schema(), late_));
  }

  [[nodiscard]] std::string in_file(const std::string& input) const { return folder_.file("in.csv", input); }
  [[nodiscard]] Texts import(const Texts& more) const { return Texts{"--import-id", schema()} + more; }
  [[nodiscard]] std::string ledger(const std::string& what) const {
    return server().value(
        fmt::format("SELECT {} FROM hypercopy.interval JOIN hypercopy.job ON job.id = job "
                    "WHERE import_id = '{}'",
                    what, schema()));
  }
  // What is planned, without what became of it.
  [[nodiscard]] std::set<std::string> planned() const {
    std::set<std::string> all;
    for (const auto& row : server().execute(fmt::format(
             "SELECT concat_ws(' ', begin_byte, end_byte, slice, slices, records, bytes, content) FROM "
             "hypercopy.interval JOIN hypercopy.job ON job.id = job WHERE import_id = '{}'",
             schema()))) {
      all.insert(*row[0]);
    }
    return all;
  }

  void expect_all_rows(const std::string& input) const {
    server().execute("DROP TABLE IF EXISTS judge; CREATE TABLE judge (LIKE target)");
    EXPECT_GT(server().copy("COPY judge FROM STDIN WITH (FORMAT csv)", input).rows, 0U);
    EXPECT_EQ(server().rows_as_text("target"), server().rows_as_text("judge"));
    EXPECT_EQ(ledger("sum(records) || ' ' || sum(bytes) || ' ' || sum(loaded)"),
              fmt::format("{0} {1} {0}", kRecords, input.size()));
    EXPECT_EQ(
        server().value(fmt::format(
            "SELECT count(*) FROM (SELECT FROM hypercopy.interval JOIN hypercopy.job ON job.id = job "
            "WHERE import_id = '{}' GROUP BY begin_byte HAVING count(*) <> max(slices) OR sum(bytes) <> "
            "max(end_byte) - min(begin_byte)) AS broken",
            schema())),
        "0");
  }

  // kill -9 of a run that has loaded a part, and the end of all that the server still does for it.
  void kill_half_way(const Texts& options, const std::string& path) {
    const Server holder;
    hold_late_times(holder);
    const auto process = start("target", import(options + Texts{"-j", "2", path}));
    await_blocked(2);
    kill_for_good(*process, holder);
  }
  void kill_for_good(Process& process, const Server& holder) {
    process.signal(SIGKILL);
    EXPECT_EQ(process.wait().exit_code, 128 + SIGKILL);
    holder.execute("ROLLBACK");
    await_no_writer("target");
    rows_before_ = count("target");
    EXPECT_LT(rows_before_, kRecords);
    EXPECT_EQ(ledger("coalesce(sum(loaded), 0)"), std::to_string(rows_before_));
  }

  std::string late_{};
};

TEST_F(ImportOrder, RowsAreThoseOfOneCopyAndASecondRunLoadsNothing) {
  const std::string input = by_device();
  for (const Kind kind : kinds()) {
    for (const char* jobs : {"1", "3"}) {
      SCOPED_TRACE(fmt::format("kind {} -j {}", static_cast<int>(kind), jobs));
      make_target(kind);
      const Texts all = import(kRegrouped + Texts{"-j", jobs, in_file(input)});
      const Checked done = run("target", all);
      expect_success(done, kRecords);
      EXPECT_TRUE(says(done, "records are regrouped by time across the input"));
      EXPECT_EQ(done.report["totals"]["split"]["bytes"], input.size());
      expect_all_rows(input);
      EXPECT_GT(std::stoi(ledger("max(slices)")), 3);
      EXPECT_GT(std::stoi(ledger("count(DISTINCT begin_byte)")), 3);
      rows_before_ = kRecords;
      const Checked again = run("target", all);
      expect_success(again, 0);
      EXPECT_TRUE(says_not(again, "regrouped"));
      EXPECT_TRUE(again.report["notices"].empty());
    }
  }
}

TEST_F(ImportOrder, AKilledRunIsGoneOnWithWhateverOptionsAndOnlyWhatIsMissingIsSent) {
  struct Case {
    const char* name;
    Texts before;
    Texts after;
    const char* between = "";
  };
  const Texts off{"--order-by-time", "off", "--batch-bytes", "4KB"};
  const std::vector<Case> cases{
      {"the same", kRegrouped, kRegrouped},
      {"smaller", kRegrouped, {"--order-by-time", "on", "--batch-bytes", "1KB", "--order-memory", "9KB"}},
      {"larger", kRegrouped, {"--order-by-time", "on", "--batch-bytes", "50KB", "-j", "3"}},
      {"rows", kRegrouped, kRegrouped + Texts{"--batch-rows", "7", "-j", "1"}},
      {"off", kRegrouped, {"--order-by-time", "off", "-j", "3"}},
      {"auto", kRegrouped, {"--batch-bytes", "2KB"}},
      {"begun without", off, kRegrouped},
      {"another interval", kRegrouped, kRegrouped,
       "SELECT set_chunk_time_interval('target', interval '3 days')"},
  };
  const std::string input = by_device();
  const std::string path = in_file(input);
  for (const Kind kind : kinds()) {
    for (const Case& one : cases) {
      if (kind == Kind::partitions && *one.between != '\0') continue;
      SCOPED_TRACE(fmt::format("kind {}: {}", static_cast<int>(kind), one.name));
      make_target(kind);
      kill_half_way(one.before, path);
      const std::set<std::string> before = planned();
      const std::string open = ledger("count(*) FILTER (WHERE done_by IS NULL)");
      EXPECT_NE(open, "0");
      if (*one.between != '\0') server().execute(one.between);
      const Checked done = run("target", import(one.after + Texts{path}));
      expect_success(done, kRecords - rows_before_);
      expect_all_rows(input);
      const std::set<std::string> after = planned();
      EXPECT_TRUE(std::includes(after.begin(), after.end(), before.begin(), before.end()));
      const std::string run_id = done.report["run_id"];
      EXPECT_EQ(ledger(fmt::format("count(*) FILTER (WHERE done_by = '{}')", run_id)),
                std::to_string(std::stoul(open) + after.size() - before.size()));
      EXPECT_EQ(ledger(fmt::format("sum(loaded) FILTER (WHERE done_by = '{}')", run_id)),
                std::to_string(kRecords - rows_before_));
    }
  }
}

// Both fill windows of the same bytes; the table waits until both have planned something.
TEST_F(ImportOrder, TwoLoadersShareWindowsAndOneTakesOverFromADeadOne) {
  const Texts large{"--order-by-time", "on", "--batch-bytes", "4KB", "--order-memory", "200KB"};
  const Texts off{"--order-by-time", "off", "--batch-bytes", "3KB"};
  const std::string input = by_device();
  const std::string path = in_file(input);
  for (const Kind kind : kinds()) {
    for (const Texts& other : {kRegrouped, large, off}) {
      for (const bool kills : {false, true}) {
        SCOPED_TRACE(fmt::format("kind {} {} {}", static_cast<int>(kind), other.back(), kills));
        make_target(kind);
        const Server holder;
        hold_late_times(holder);
        const auto one = start("target", import(kRegrouped + Texts{"-j", "2", path}));
        await_blocked(2);
        Process two(Texts{"load", "-w", "-d", dsn(), "-t", "target", "-j", "2"} +
                    import(other + Texts{path}));
        await_blocked(4);
        if (kills) one->signal(SIGKILL);
        holder.execute("ROLLBACK");
        EXPECT_EQ(one->wait().exit_code, kills ? 128 + SIGKILL : 0);
        if (!kills) expect_all_rows(input);
        const Outcome second = two.wait();
        EXPECT_EQ(second.exit_code, 0) << second.err;
        expect_all_rows(input);
      }
    }
  }
}

// Longer than its samples (64 blocks of 64 KiB): a change between them is found when its slice is read again.
TEST_F(ImportOrder, AChangedFileIsRefusedWithItsPlace) {
  make_target(Kind::partitions);
  std::string input = by_device(4000);
  const Texts options{"--order-by-time", "on", "--batch-bytes", "100KB", "--order-memory", "16MB"};
  kill_half_way(options, in_file(input));
  // In a record with a late time, which is not loaded.
  const std::size_t stride = (input.size() - 65'536) / 63;
  std::size_t at = 0;
  for (int device = kDevices / 4; at % stride <= 65'536; ++device) {
    ASSERT_LT(device, kDevices);
    at = input.find(fmt::format("dev{},49,", device)) + 1000;
  }
  ASSERT_EQ(input[at], '.');
  input[at] = '!';
  const Checked refused = run("target", import(options + Texts{in_file(input)}));
  EXPECT_EQ(refused.outcome.exit_code, 1);
  EXPECT_TRUE(says(refused, "in.csv is not what it was when this import began"));
  // The window with it, from its first record to its last.
  const auto& place = refused.report["error"]["location"];
  EXPECT_LE(place["byte"], at);
  ASSERT_TRUE(place["last_byte"].is_number()) << place;
  EXPECT_GE(place["last_byte"], at);
  rows_before_ = count("target");
  input[at] = '.';
  const Checked done = run("target", import(options + Texts{in_file(input)}));
  EXPECT_EQ(done.outcome.exit_code, 0) << done.outcome.err;
  expect_all_rows(input);
}

TEST_F(ImportOrder, APipeIsReadAgainAndItsWindowsCutAgain) {
  make_target(Kind::partitions);
  const std::string input = by_device();
  const Server holder;
  hold_late_times(holder);
  {
    const OpenPipe pipe(folder_.path() + "/pipe");
    const auto process = start("target", import(kRegrouped + Texts{"-j", "2", folder_.path() + "/pipe"}));
    pipe.write(input.substr(0, 60'000));
    await_blocked(2);
    kill_for_good(*process, holder);
  }
  EXPECT_GT(std::stoi(ledger("max(slices)")), 3);
  std::string other = input;
  other[input.find("note\n", 10'000)] = 'N';
  const Checked refused = run("target", import(kRegrouped + Texts{"-"}), {.stdin_bytes = other});
  EXPECT_EQ(refused.outcome.exit_code, 1);
  EXPECT_TRUE(says(refused, "is not what it was when this import began"));
  rows_before_ = count("target");
  const std::string shorter = input.substr(0, input.find("\n2024", 10'000) + 1);
  const Checked ended = run("target", import(kRegrouped + Texts{"-"}), {.stdin_bytes = shorter});
  EXPECT_EQ(ended.outcome.exit_code, 1);
  EXPECT_TRUE(
      says(ended, fmt::format("standard input ends at byte {}, and this import had read it up to byte ",
                              shorter.size())));
  rows_before_ = count("target");
  for (const Texts& options : {Texts{"--order-by-time", "off"}, kRegrouped}) {
    const Checked done = run("target", import(options + Texts{"-"}), {.stdin_bytes = input});
    EXPECT_EQ(done.outcome.exit_code, 0) << done.outcome.err;
    expect_all_rows(input);
    rows_before_ = kRecords;
  }
}

TEST_F(ImportOrder, SeveralInputsAndALimit) {
  make_target(Kind::partitions);
  const std::string input = by_device();
  const std::string one = folder_.file("one.csv", input);
  const std::string two = folder_.file("two.csv", input);
  const Texts all = import(kRegrouped + Texts{"--limit", std::to_string(kRecords + 100), one, two});
  const Server holder;
  hold_late_times(holder);
  const auto process = start("target", all + Texts{"-j", "2"});
  await_blocked(2);
  kill_for_good(*process, holder);
  const std::uint64_t before = rows_before_;
  expect_success(run("target", all), kRecords + 100 - before);
  EXPECT_EQ(ledger("sum(records) FILTER (WHERE input = 1)"), "100");
}

// Rejects of an import are rows of its ledger, with their places in the file.
TEST_F(ImportOrder, RejectsLieWhereTheyLieInTheFile) {
  std::string input;
  for (int device = 0; device < kDevices; ++device) {
    for (int step = 0; step < kTimes; ++step) {
      input += record_of(device, step);
      if ((device * kTimes + step) % 97 == 0)
        input += fmt::format("2024-01-0{},bad,x,\"two\nlines\"\n", 1 + step % 9);
      if ((device * kTimes + step) % 301 == 0) input += "someday,bad,1,time\n";
    }
  }
  std::vector<std::string> reasons;
  std::vector<Texts> rows;
  for (const bool regroup : {true, false}) {
    make_target(Kind::partitions);
    const std::string kept = folder_.path() + (regroup ? "/on" : "/off");
    const Checked done = run(
        "target", import((regroup ? kRegrouped : Texts{"--order-by-time", "off"}) +
                         Texts{"-j", "2", "--on-error", "reject", "--reject-file", kept, in_file(input)}));
    EXPECT_EQ(done.outcome.exit_code, 3) << done.outcome.err;
    std::ifstream file(kept + ".jsonl");
    reasons.emplace_back(std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>());
    rows.push_back(server().rows_as_text("target"));
  }
  EXPECT_GT(std::count(reasons[0].begin(), reasons[0].end(), '\n'), 20);
  EXPECT_EQ(reasons[0], reasons[1]);
  EXPECT_EQ(rows[0], rows[1]);
}

}  // namespace
}  // namespace hypercopy::test
