// Records that do not come in the order of time: sorted within their batch they are the same rows, and whatever goes wrong
// is told and settled as if nothing had been sorted.
#include <fmt/format.h>

#include <algorithm>

#include "support/checked_load.hpp"
#include "support/file_contents.hpp"
#include "support/random.hpp"

namespace hypercopy::test {
namespace {

using Texts = std::vector<std::string>;

constexpr int kDevices = 7;
constexpr int kTimes = 60;
constexpr std::uint64_t kRecords = kDevices * kTimes;

std::string time_of(int step) {
  return fmt::format("2024-01-{:02} {:02}:00:00+00", 1 + step / 4, step % 4 * 6);
}

// Device by device, each from its first time to its last.
std::string by_device() {
  std::string input;
  for (int device = 0; device < kDevices; ++device) {
    for (int step = 0; step < kTimes; ++step)
      input += fmt::format("{},dev{},{},\"note\n{}\"\n", time_of(step), device, step, device * step);
  }
  return input;
}

std::string by_time() {
  std::string input;
  for (int step = 0; step < kTimes; ++step) {
    for (int device = 0; device < kDevices; ++device)
      input += fmt::format("{},dev{},{},\"note\n{}\"\n", time_of(step), device, step, device * step);
  }
  return input;
}

class Order : public CheckedLoadTest {
 protected:
  static constexpr const char* kColumns = "(at timestamptz NOT NULL, device text, step int, note text)";

  void make_hypertable(const std::string& more = "") const {
    server().execute(
        fmt::format("CREATE TABLE target {}; {}; SELECT create_hypertable('target', 'at', "
                    "chunk_time_interval => interval '2 days')",
                    kColumns, more));
  }
  Checked run_sorted(const std::string& input, Texts arguments, bool sorted = true) {
    arguments.push_back(folder_.file("in.csv", input));
    Checked done = run("target", arguments);
    if (done.report.contains("batches_sorted")) {
      EXPECT_EQ(done.report["batches_sorted"] > 0, sorted) << done.outcome.err;
    }
    return done;
  }
  // The devices of a chunk's rows, as they lie in it.
  [[nodiscard]] std::string steps_in_heap_order(const std::string& table) const {
    return server().value(
        fmt::format("SELECT string_agg(step::text, ' ' ORDER BY tableoid, ctid) FROM {}", table));
  }
};

TEST_F(Order, RowsAreThoseOfOneCopy) {
  if (!has_timescale()) return;
  struct Case {
    const char* name;
    const char* type;
    const char* interval;
    const char* expression;  // of a step, as SQL
  };
  for (const auto& [name, type, interval, expression] :
       {Case{"timestamptz", "timestamptz", "interval '1 day'",
             "'2024-01-01 00:00+00'::timestamptz + s * interval '5h'"},
        Case{"timestamp", "timestamp", "interval '1 day'", "'2024-01-01'::timestamp + s * interval '5h'"},
        Case{"date", "date", "interval '3 days'", "'2024-01-01'::date + s"},
        Case{"bigint", "bigint", "10", "s::bigint * 3 - 90"}, Case{"int", "int", "10", "s * 3 - 90"},
        Case{"smallint", "smallint", "10", "(s * 3 - 90)::smallint"}}) {
    SCOPED_TRACE(name);
    server().execute(
        fmt::format("DROP TABLE IF EXISTS target, judge; CREATE TABLE judge (gone int, a text, device int, "
                    "at {0} NOT NULL, f "
                    "float8[]); CREATE TABLE target (LIKE judge); ALTER TABLE target DROP COLUMN gone; ALTER "
                    "TABLE judge DROP "
                    "COLUMN gone; SELECT create_hypertable('target', 'at', chunk_time_interval => {1});"
                    "INSERT INTO judge SELECT CASE WHEN s % 3 = 0 THEN 'x,' || s END, d, {2}, ARRAY[s, d] "
                    "FROM generate_series(1, 9) d, generate_series(0, 59) s",
                    type, interval, expression));
    const std::string input =
        server().copy_out("COPY (SELECT * FROM judge ORDER BY device, at) TO STDOUT WITH (FORMAT csv)");
    for (const char* jobs : {"1", "2"}) {
      expect_success(run_sorted(input, {"-j", jobs, "--wire", "binary", "--truncate", "--batch-rows", "130"}),
                     540);
      EXPECT_EQ(server().rows_as_text("target"), server().rows_as_text("judge"));
    }
  }
}

TEST_F(Order, ABatchIsInTheOrderOfTime) {
  if (!has_timescale()) return;
  make_hypertable();
  const Checked sorted = run_sorted(by_device(), {"-j", "1"});
  expect_success(sorted, kRecords);
  EXPECT_TRUE(says(sorted, "in.csv is not in the order of time: the records of each batch are sorted"));
  server().execute(fmt::format("CREATE TABLE judge {}", kColumns));
  ASSERT_EQ(server().copy("COPY judge FROM STDIN WITH (FORMAT csv)", by_time()).rows, kRecords);
  EXPECT_EQ(steps_in_heap_order("target"), steps_in_heap_order("judge"));
}

TEST_F(Order, WhatIsInOrderOrShallStayIsSentAsItIs) {
  if (!has_timescale()) return;
  make_hypertable();
  const Checked ordered = run_sorted(by_time(), {"-j", "1"}, /*sorted=*/false);
  expect_success(ordered, kRecords);
  EXPECT_TRUE(says_not(ordered, "order of time"));
  const Checked off =
      run_sorted(by_device(), {"-j", "1", "--order-by-time", "off", "--truncate"}, /*sorted=*/false);
  expect_success(off, kRecords);
  EXPECT_TRUE(says_not(off, "order of time"));
  expect_success(run_sorted(by_device(), {"-j", "1", "--wire", "csv", "--truncate"}, /*sorted=*/false),
                 kRecords);
  expect_success(run_sorted(by_device(), {"-1", "--truncate"}, /*sorted=*/false), kRecords);
}

TEST_F(Order, PartitionedByRangeOfOneColumn) {
  server().execute(fmt::format(
      "CREATE TABLE target {} PARTITION BY RANGE (at); CREATE TABLE p1 PARTITION OF target FOR VALUES FROM "
      "(MINVALUE) TO ('2024-01-08'); CREATE TABLE p2 PARTITION OF target DEFAULT",
      kColumns));
  expect_success(run_sorted(by_device(), {"-j", "2", "--batch-rows", "100"}), kRecords);
  server().execute("CREATE TABLE judge (LIKE target)");
  ASSERT_EQ(server().copy("COPY judge FROM STDIN WITH (FORMAT csv)", by_device()).rows, kRecords);
  EXPECT_EQ(server().rows_as_text("target"), server().rows_as_text("judge"));
}

TEST_F(Order, OtherTablesHaveNone) {
  for (const std::string more : {"", " PARTITION BY RANGE (at, step)", " PARTITION BY RANGE ((step % 3))",
                                 " PARTITION BY LIST (at)", " PARTITION BY HASH (at)"}) {
    SCOPED_TRACE(more);
    server().execute(fmt::format("DROP TABLE IF EXISTS target; CREATE TABLE target {}{}", kColumns, more));
    if (more.ends_with("HASH (at)")) {
      server().execute("CREATE TABLE p0 PARTITION OF target FOR VALUES WITH (MODULUS 1, REMAINDER 0)");
    } else if (!more.empty()) {
      server().execute("CREATE TABLE p0 PARTITION OF target DEFAULT");
    }
    expect_success(run_sorted(by_device(), {"-j", "1"}, /*sorted=*/false), kRecords);
  }
}

TEST_F(Order, IsKeptWhereSomethingSeesIt) {
  if (!has_timescale()) return;
  struct Case {
    const char* name;
    const char* more;
    const char* reason;
    bool kept;
  };
  constexpr const char* kFunction =
      "CREATE OR REPLACE FUNCTION look() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END'; CREATE "
      "TRIGGER "
      "looks {} INSERT ON target FOR EACH {} EXECUTE FUNCTION look()";
  const std::string before = fmt::format(kFunction, "BEFORE", "ROW");
  const std::string after = fmt::format(kFunction, "AFTER", "ROW");
  const std::string statement = fmt::format(kFunction, "AFTER", "STATEMENT");
  const std::string disabled = after + "; ALTER TABLE target DISABLE TRIGGER looks";
  for (const auto& [name, more, reason, kept] :
       {Case{"BEFORE trigger", before.c_str(), "triggers that see the rows' order", true},
        Case{"AFTER trigger", after.c_str(), "triggers that see the rows' order", true},
        Case{"statement trigger", statement.c_str(), "", false},
        Case{"disabled trigger", disabled.c_str(), "", false},
        Case{"serial", "ALTER TABLE target ADD n serial", "column n takes its values from a default", true},
        Case{"identity", "ALTER TABLE target ADD n int GENERATED ALWAYS AS IDENTITY", "column n takes", true},
        Case{"identity by default", "ALTER TABLE target ADD n int GENERATED BY DEFAULT AS IDENTITY",
             "column n takes", true},
        Case{"volatile in an expression", "ALTER TABLE target ADD n int DEFAULT 5 + floor(random() * 3)::int",
             "column n takes", true},
        Case{"stable default", "ALTER TABLE target ADD n timestamptz DEFAULT now()", "", false},
        Case{"constant default", "ALTER TABLE target ADD n int DEFAULT 5", "", false},
        Case{"generated column", "ALTER TABLE target ADD n int GENERATED ALWAYS AS (step + 1) STORED", "",
             false}}) {
    SCOPED_TRACE(name);
    server().execute("DROP TABLE IF EXISTS target");
    make_hypertable(more);
    const Checked done =
        run_sorted(by_device(), {"-j", "1", "-v", "--columns", "at,device,step,note"}, /*sorted=*/!kept);
    expect_success(done, kRecords);
    if (kept) {
      EXPECT_TRUE(says(done, "records are not sorted by time: "));
      EXPECT_TRUE(says(done, reason));
    }
  }
}

TEST_F(Order, ASerialThatIsLoadedSeesNothing) {
  if (!has_timescale()) return;
  server().execute(
      "CREATE TABLE target (n serial, at timestamptz NOT NULL); SELECT create_hypertable('target', 'at')");
  expect_success(run_sorted("1,2024-02-02\n2,2024-02-01\n3,2024-02-03\n", {"-j", "1", "--wire", "binary"}),
                 3);
  EXPECT_EQ(server().value("SELECT string_agg(n::text, ' ' ORDER BY at) FROM target"), "2 1 3");
}

// Of two bad records the first of the input is the later one in time.
TEST_F(Order, AnErrorIsTheInputsFirstWithItsPlace) {
  if (!has_timescale()) return;
  make_hypertable("ALTER TABLE target ADD CHECK (step <> 77)");
  std::string input = by_device();
  const std::string bad = "2024-01-09 00:00:00+00,bad,77,x\n";
  const std::string earlier = "2024-01-02 00:00:00+00,bad,77,y\n";
  const std::string front = input + bad;
  input = front + by_device() + earlier;
  const std::uint64_t lines = static_cast<std::uint64_t>(std::count(front.begin(), front.end(), '\n'));
  for (const Texts& arguments : {Texts{}, Texts{"--wire", "binary"}, Texts{"--order-by-time", "off"}}) {
    SCOPED_TRACE(fmt::format("{}", arguments.size()));
    Texts all{"-j", "1"};
    all.insert(all.end(), arguments.begin(), arguments.end());
    const bool sorts = arguments.empty() || arguments[0] != "--order-by-time";
    const Checked done = run_sorted(input, all, sorts);
    expect_failure(done, 0, {"23514", fmt::format("record {}", kRecords + 1), fmt::format("line {}", lines)});
    EXPECT_EQ(done.report["error"]["location"]["record"], kRecords + 1) << done.outcome.err;
    EXPECT_EQ(done.report["error"]["location"]["byte"], front.size() - bad.size());
  }
}

TEST_F(Order, AValueWithoutAnEncodingSendsItsBatchUnsorted) {
  if (!has_timescale()) return;
  make_hypertable();
  std::string input = by_device();
  input += "2024-01-01 00:00:00+00,odd, 5 ,x\n";  // blanks around a number are left to the server
  expect_success(run_sorted(input, {"-j", "1", "--batch-rows", "100"}), kRecords + 1);
  server().execute(fmt::format("CREATE TABLE judge {}", kColumns));
  ASSERT_EQ(server().copy("COPY judge FROM STDIN WITH (FORMAT csv)", input).rows, kRecords + 1);
  EXPECT_EQ(server().rows_as_text("target"), server().rows_as_text("judge"));
}

// Whichever of two records with one key comes first in the input is loaded; the rejects are the same bytes.
TEST_F(Order, RejectsAreThoseOfTheUnsortedLoad) {
  if (!has_timescale()) return;
  const std::uint64_t seed = test_seed();
  SCOPED_TRACE(seed);
  Random random(seed);
  std::string input;
  for (int number = 0; number < 3000; ++number) {
    const auto step = static_cast<int>(random.below(kTimes));
    const auto kind = random.below(60);
    const std::string text = kind == 0 ? "77" : kind == 1 ? "x" : std::to_string(step);
    input += fmt::format("{},dev{},{},{}\n", time_of(step), random.below(300), text, number);
  }
  const std::string file = folder_.file("random.csv", input);
  std::vector<std::vector<std::string>> rows;
  std::vector<std::string> rejects;
  for (const char* order : {"auto", "off"}) {
    server().execute("DROP TABLE IF EXISTS target");
    make_hypertable("ALTER TABLE target ADD CHECK (step <> 77), ADD UNIQUE (at, device)");
    const std::string kept = folder_.path() + "/" + order + ".rejects";
    const Checked done = run("target", {"-j", "1", "--order-by-time", order, "--on-error", "reject",
                                        "--reject-file", kept, "--batch-rows", "700", file});
    EXPECT_EQ(done.outcome.exit_code, 3) << done.outcome.err;
    EXPECT_EQ(done.report["batches_sorted"] > 0, std::string(order) == "auto");
    rows.push_back(server().rows_as_text("target"));
    rejects.push_back(contents(kept));
  }
  EXPECT_EQ(rows[0], rows[1]);
  EXPECT_EQ(rejects[0], rejects[1]);
  EXPECT_FALSE(rejects[0].empty());
}

TEST_F(Order, OfRecordsWithOneKeyTheLastOfTheInputWins) {
  if (!has_timescale()) return;
  std::string input = by_device();
  for (int step = kTimes - 1; step >= 0; step -= 3)
    input += fmt::format("{},dev3,{},late\n{},dev3,{},latest\n", time_of(step), step, time_of(step), step);
  const std::string file = folder_.file("keys.csv", input);
  std::vector<std::vector<std::string>> rows;
  for (const char* order : {"auto", "off"}) {
    for (const char* action : {"update", "nothing"}) {
      server().execute("DROP TABLE IF EXISTS target");
      make_hypertable("ALTER TABLE target ADD UNIQUE (at, device)");
      const Outcome done = load({"-t", "target", "-j", "1", "--order-by-time", order, "--on-conflict", action,
                                 "--batch-rows", "200", file});
      EXPECT_EQ(done.exit_code, 0) << done.err;
      EXPECT_EQ(done.err.find("sorted by it") != std::string::npos, std::string(order) == "auto");
      rows.push_back(server().rows_as_text("target"));
    }
  }
  EXPECT_EQ(rows[0], rows[2]);
  EXPECT_EQ(rows[1], rows[3]);
  EXPECT_NE(rows[0], rows[1]);
}

}  // namespace
}  // namespace hypercopy::test
