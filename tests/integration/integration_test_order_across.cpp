// Records regrouped by time across the input: the same rows, and whatever goes wrong is told with the place in the input.
#include <fmt/format.h>
#include <signal.h>

#include <algorithm>
#include <fstream>
#include <set>

#include "support/checked_load.hpp"
#include "support/file_contents.hpp"
#include "support/forget_imports.hpp"
#include "support/random.hpp"

namespace hypercopy::test {
namespace {

using Texts = std::vector<std::string>;

constexpr int kDevices = 40;
constexpr int kTimes = 50;
constexpr std::uint64_t kRecords = kDevices * kTimes;
constexpr const char* kColumns = "(at timestamptz NOT NULL, device text, step int, note text)";

std::string time_of(int step) {
  return fmt::format("2024-01-{:02} {:02}:00:00+00", 1 + step / 2, step % 2 * 12);
}

std::string record_of(int device, int step) {
  return fmt::format("{},dev{},{},\"note\n{}\"\n", time_of(step), device, step, device * step);
}

// Device by device, each from its first time to its last.
std::string by_device() {
  std::string input;
  for (int device = 0; device < kDevices; ++device) {
    for (int step = 0; step < kTimes; ++step) input += record_of(device, step);
  }
  return input;
}

Texts operator+(Texts left, const Texts& right) {
  left.insert(left.end(), right.begin(), right.end());
  return left;
}

// Several windows, each of several slices.
const Texts kRegrouped{"--order-by-time", "on", "--batch-bytes", "4KB", "--order-memory", "60KB"};

class OrderAcross : public CheckedLoadTest {
 protected:
  void make_hypertable(const std::string& more = "") const {
    server().execute(
        fmt::format("DROP TABLE IF EXISTS target; CREATE TABLE target {}; {}; SELECT "
                    "create_hypertable('target', 'at', chunk_time_interval => interval '1 day')",
                    kColumns, more));
  }
  void make_partitions() const {
    server().execute(fmt::format(
        "DROP TABLE IF EXISTS target; CREATE TABLE target {} PARTITION BY RANGE (at); CREATE TABLE p1 "
        "PARTITION OF target FOR VALUES FROM (MINVALUE) TO ('2024-01-08'); CREATE TABLE p2 PARTITION OF "
        "target DEFAULT",
        kColumns));
  }
  void expect_rows_of_one_copy(const std::string& input, const std::string& copy_options) const {
    server().execute("DROP TABLE IF EXISTS judge; CREATE TABLE judge (LIKE target)");
    EXPECT_GT(server().copy("COPY judge FROM STDIN WITH (" + copy_options + ")", input).rows, 0U);
    EXPECT_EQ(server().rows_as_text("target"), server().rows_as_text("judge"));
  }
  [[nodiscard]] std::string in_file(const std::string& input) const { return folder_.file("in.csv", input); }
};

TEST_F(OrderAcross, RowsAreThoseOfOneCopy) {
  const std::string lines = by_device();
  std::string crlf;
  for (const char byte : lines) crlf += byte == '\n' ? std::string("\r\n") : std::string(1, byte);
  std::string unread = lines;
  for (int number = 0; number < 30; ++number) {
    unread += fmt::format("Jan {} 2024 05:00:00 UTC,unread,{},x\n", 1 + number, number);
    unread += record_of(50, number);
  }
  struct Case {
    const char* name;
    std::string input;
    std::string copy_options;
    Texts arguments;
    std::uint64_t records;
  };
  const std::vector<Case> cases{
      {"as it is", lines, "FORMAT csv", {}, kRecords},
      {"as csv", lines, "FORMAT csv", {"--wire", "csv"}, kRecords},
      {"no newline at the end", lines.substr(0, lines.size() - 1), "FORMAT csv", {}, kRecords},
      {"crlf", crlf, "FORMAT csv", {}, kRecords},
      {"header", "at,device,step,note\n" + lines, "FORMAT csv, HEADER", {"--header"}, kRecords},
      {"times that are not encoded", unread, "FORMAT csv", {}, kRecords + 60},
      {"rows limit batches", lines, "FORMAT csv", {"--batch-rows", "7"}, kRecords},
  };
  for (const char* table : {"hypertable", "partitions"}) {
    for (const Case& one : cases) {
      for (const char* jobs : {"1", "3"}) {
        SCOPED_TRACE(fmt::format("{}: {}, -j {}", table, one.name, jobs));
        if (table == std::string("partitions")) {
          make_partitions();
        } else if (!has_timescale()) {
          continue;
        } else {
          make_hypertable();
        }
        const Checked done =
            run("target", kRegrouped + Texts{"-j", jobs} + one.arguments + Texts{in_file(one.input)});
        expect_success(done, one.records);
        EXPECT_TRUE(says(done, "records are regrouped by time across the input, within 61.4 kB"));
        expect_rows_of_one_copy(one.input, one.copy_options);
      }
    }
  }
}

TEST_F(OrderAcross, TextFormatAndDroppedFields) {
  make_partitions();
  std::string text;
  std::string wide = "twice,device,at,step,note\n";
  for (int device = 0; device < kDevices; ++device) {
    for (int step = 0; step < kTimes; ++step) {
      text += fmt::format("{}\tdev{}\t{}\ttab\\tnew\\nline\n", time_of(step), device, step);
      wide += fmt::format("1,dev{},{},{},tab\n", device, time_of(step), step);
    }
  }
  expect_success(run("target", kRegrouped + Texts{"--format", "text", in_file(text)}), kRecords);
  expect_rows_of_one_copy(text, "FORMAT text");
  make_partitions();
  server().execute("ALTER TABLE target ADD twice int GENERATED ALWAYS AS (step * 2) STORED");
  expect_success(run("target", kRegrouped + Texts{"--header", in_file(wide)}), kRecords);
  EXPECT_EQ(server().value("SELECT count(DISTINCT (at, device)) || ' ' || count(*) FROM target WHERE note = "
                           "'tab' AND twice = step * 2"),
            fmt::format("{} {}", kRecords, kRecords));
}

TEST_F(OrderAcross, SeveralInputsStandardInputAndLimit) {
  make_partitions();
  const std::string half = by_device();
  const std::string one = folder_.file("one.csv", half);
  const std::string two = folder_.file("two.csv", half);
  expect_success(run("target", kRegrouped + Texts{one, two}), 2 * kRecords);
  make_partitions();
  expect_success(run("target", kRegrouped + Texts{"--limit", std::to_string(kRecords + 10), one, two}),
                 kRecords + 10);
  EXPECT_EQ(server().value("SELECT count(*) FROM target WHERE device = 'dev0'"), std::to_string(kTimes + 10));
  make_partitions();
  expect_success(run("target", kRegrouped + Texts{"-"}, {.stdin_bytes = half}), kRecords);
  expect_rows_of_one_copy(half, "FORMAT csv");
}

// What lies in one transaction has one xmin.
TEST_F(OrderAcross, ATransactionHasNeighbouringTimes) {
  make_partitions();
  constexpr const char* kSpread =
      "SELECT round(avg(times)) FROM (SELECT count(DISTINCT at) AS times FROM target GROUP BY xmin::text) t";
  expect_success(run("target", kRegrouped + Texts{"-j", "2", in_file(by_device())}), kRecords);
  const int regrouped = std::stoi(server().value(kSpread));
  make_partitions();
  expect_success(run("target", {"--batch-bytes", "4KB", "-j", "2", in_file(by_device())}), kRecords);
  EXPECT_LT(regrouped * 3, std::stoi(server().value(kSpread)));
}

TEST_F(OrderAcross, AnErrorHasItsPlaceInTheInput) {
  struct Case {
    const char* name;
    const char* bad;
    const char* sqlstate;
  };
  for (const Case& one : {Case{"type", "2024-01-09 00:00:00+00,bad,x7,\"q\nr\"\n", "22P02"},
                          Case{"check", "2024-01-09 00:00:00+00,bad,77,\"q\nr\"\n", "23514"},
                          Case{"time", "someday,bad,7,\"q\nr\"\n", "22007"},
                          Case{"fields", "2024-01-09 00:00:00+00,bad\n", "22P04"}}) {
    for (const char* wire : {"auto", "csv"}) {
      SCOPED_TRACE(fmt::format("{} --wire {}", one.name, wire));
      make_partitions();
      server().execute("ALTER TABLE target ADD CHECK (step <> 77)");
      const std::string front = by_device();
      const Checked done = run(
          "target", kRegrouped + Texts{"-j", "1", "--wire", wire, in_file(front + one.bad + by_device())});
      EXPECT_EQ(done.outcome.exit_code, 1);
      const auto& at = done.report["error"]["location"];
      EXPECT_EQ(at["record"], kRecords + 1) << done.outcome.err;
      EXPECT_EQ(at["line"], std::count(front.begin(), front.end(), '\n') + 1) << done.outcome.err;
      EXPECT_EQ(at["byte"], front.size()) << done.outcome.err;
      EXPECT_EQ(done.report["error"]["sqlstate"], one.sqlstate);
    }
  }
}

TEST_F(OrderAcross, WhatNoRecordEndsInIsTheReadersError) {
  for (const auto& [name, tail, text] : {std::tuple{"open quote", "2024-01-01,a,1,\"open\n", "never closed"},
                                         std::tuple{"newlines", "2024-01-01,a,1,x\r\n", "carriage return"}}) {
    SCOPED_TRACE(name);
    make_partitions();
    const Checked done = run("target", kRegrouped + Texts{"-j", "2", in_file(by_device() + tail)});
    EXPECT_EQ(done.outcome.exit_code, 1);
    EXPECT_TRUE(says(done, text));
    EXPECT_EQ(done.report["error"]["location"]["record"], kRecords + 1);
  }
}

// Reject files hold the same records with the same places, in whatever order.
TEST_F(OrderAcross, RejectsAreThoseOfTheInputsOrder) {
  const std::uint64_t seed = test_seed();
  SCOPED_TRACE(fmt::format("HYPERCOPY_TEST_SEED={}", seed));
  Random random(seed);
  std::string input;
  for (int number = 0; number < 3000; ++number) {
    const auto step = static_cast<int>(random.below(kTimes));
    const auto kind = random.below(80);
    const std::string text = kind == 0 ? "77" : kind == 1 ? "x" : std::to_string(step);
    const std::string time = random.one_in(200) ? "someday" : time_of(step);
    input += fmt::format("{},dev{},{},\"{}\n\"\n", time, random.below(300), text, number);
    if (random.one_in(300)) input += "misfit\n";
  }
  std::vector<Texts> rows;
  std::vector<std::multiset<std::string>> rejects;
  for (const bool regroup : {true, false}) {
    make_partitions();
    server().execute("ALTER TABLE target ADD CHECK (step <> 77)");
    const std::string kept = folder_.path() + (regroup ? "/on.rejects" : "/off.rejects");
    const Checked done =
        run("target", (regroup ? kRegrouped : Texts{"--order-by-time", "off"}) +
                          Texts{"-j", "2", "--on-error", "reject", "--reject-file", kept, in_file(input)});
    EXPECT_EQ(done.outcome.exit_code, 3) << done.outcome.err;
    rows.push_back(server().rows_as_text("target"));
    std::ifstream reasons(kept + ".jsonl");
    std::multiset<std::string> lines;
    for (std::string line; std::getline(reasons, line);) lines.insert(line);
    rejects.push_back(std::move(lines));
  }
  EXPECT_EQ(rows[0], rows[1]);
  EXPECT_EQ(rejects[0], rejects[1]);
  EXPECT_GT(rejects[0].size(), 30U);
}

TEST_F(OrderAcross, InterruptedItLeavesWholeSlicesAndCountsThatAddUp) {
  make_partitions();
  const Server locker;
  locker.execute(fmt::format("BEGIN; LOCK TABLE {}.target IN SHARE MODE", schema()));
  const auto process = start("target", kRegrouped + Texts{"-j", "2", in_file(by_device())});
  await_blocked(2);
  process->signal(SIGINT);
  ASSERT_TRUE(process->await_said("interrupted: batches in flight are finished first"));
  locker.execute("ROLLBACK");
  const Checked done = finish(*process, "target");
  EXPECT_EQ(done.outcome.exit_code, 130) << done.outcome.err;
  const std::uint64_t loaded = done.report["totals"]["rows_loaded"];
  EXPECT_GT(loaded, 0U);
  EXPECT_LT(loaded, kRecords);
}

TEST_F(OrderAcross, IsRefusedWhereItCannotBe) {
  struct Case {
    const char* name;
    const char* table;
    Texts arguments;
    const char* reason;
  };
  constexpr const char* kParts = " PARTITION BY RANGE (at); CREATE TABLE p0 PARTITION OF target DEFAULT";
  const std::string parts = kColumns + std::string(kParts);
  const std::string trigger =
      parts +
      "; CREATE OR REPLACE FUNCTION look() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END'; "
      "CREATE TRIGGER looks AFTER INSERT ON target FOR EACH ROW EXECUTE FUNCTION look()";
  const std::string serial =
      "(at timestamptz, device text, step int, note text, n serial)" + std::string(kParts);
  const std::string key =
      "(at timestamptz, device text, step int, note text, PRIMARY KEY (at, device))" + std::string(kParts);
  for (const Case& one : {
           Case{"no time", kColumns, {}, "neither a hypertable nor partitioned by ranges"},
           Case{"one transaction", parts.c_str(), {"-1"}, "one transaction"},
           Case{"atomic", parts.c_str(), {"--atomic"}, "--atomic fills a staging table"},
           Case{"keys", key.c_str(), {"--on-conflict", "update"}, "(--on-conflict update)"},
           Case{"trigger", trigger.c_str(), {}, "triggers that see the rows' order"},
           Case{"volatile default", serial.c_str(), {"--columns", "at,device,step,note"}, "column n takes"},
           Case{"much memory", parts.c_str(), {"--order-memory", "5GB"}, "more than 4 GB"},
           Case{"little memory", parts.c_str(), {"--order-memory", "8KB"}, "too few batches"},
       }) {
    SCOPED_TRACE(one.name);
    server().execute(fmt::format("DROP TABLE IF EXISTS target; CREATE TABLE target {}", one.table));
    const Checked done = run("target", Texts{"--batch-bytes", "4KB"} + one.arguments +
                                           Texts{"--order-by-time", "on", in_file(by_device())});
    EXPECT_EQ(done.outcome.exit_code, 2);
    EXPECT_TRUE(says(done, one.reason));
    EXPECT_TRUE(says(done, "no row is committed"));
    EXPECT_EQ(server().value("SELECT count(*) FROM target"), "0");
  }
}

TEST_F(OrderAcross, AutoGoesByASample) {
  if (!has_timescale()) return;
  std::string by_time;
  for (int step = 0; step < kTimes; ++step) {
    for (int device = 0; device < kDevices; ++device) by_time += record_of(device, step);
  }
  struct Case {
    const char* name;
    std::string input;
    Texts arguments;
    bool regroups;
  };
  for (const Case& one :
       {Case{"by device", by_device(), {}, true}, Case{"by time", by_time, {}, false},
        Case{"off", by_device(), {"--order-by-time", "off"}, false},
        Case{"atomic", by_device(), {"--atomic"}, false}, Case{"one transaction", by_device(), {"-1"}, false},
        Case{"ledger", by_device(), {"--import-id", schema()}, true},
        Case{"small", by_device().substr(0, 3 * 4096), {}, false}}) {
    SCOPED_TRACE(one.name);
    make_hypertable();
    std::string input = one.input;
    input.resize(input.rfind("\n2024-") + 1);
    const Checked done = run("target", Texts{"--batch-bytes", "4KB"} + one.arguments + Texts{in_file(input)});
    EXPECT_EQ(done.outcome.exit_code, 0) << done.outcome.err;
    const char* const said = "they are regrouped by time within 268.4 MB of memory";
    EXPECT_TRUE(one.regroups ? says(done, said) : says_not(done, said));
    expect_rows_of_one_copy(input, "FORMAT csv");
  }
  forget_imports(server(), schema());
}

}  // namespace
}  // namespace hypercopy::test
