// --on-conflict with --on-error reject. The judge takes the records in file order, one INSERT ... ON CONFLICT each, and
// passes over those that are refused.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <stdexcept>
#include <string>
#include <vector>

#include "support/checked_load.hpp"
#include "support/file_contents.hpp"
#include "support/random.hpp"

namespace hypercopy::test {
namespace {

// Fields of id (the key), u (unique, too), parent, v.
using Record = std::vector<std::string>;

struct Case {
  const char* name;
  const char* action;
  const char* wire;
  unsigned bad_percent;
  bool partitioned = false;
};

class ConflictRejects : public CheckedLoadTest, public ::testing::WithParamInterface<Case> {
 protected:
  void make_tables() const {
    server().execute(
        "CREATE TABLE parent (id int PRIMARY KEY); INSERT INTO parent SELECT generate_series(1, 9)");
    for (const std::string table : {"t", "judge"}) {
      // A partitioned table's unique indexes have the partitioning column.
      const char* const kind = GetParam().partitioned ? "PARTITION BY HASH (id)" : "";
      const char* const unique = GetParam().partitioned ? "UNIQUE (id, u)" : "UNIQUE (u)";
      server().execute(
          fmt::format("CREATE TABLE {0} (id int PRIMARY KEY, u int, parent int REFERENCES parent, v text NOT "
                      "NULL CHECK (v <> 'bad'), {2}) {1}",
                      table, kind, unique));
      if (GetParam().partitioned) {
        for (int part = 0; part < 2; ++part)
          server().execute(
              fmt::format("CREATE TABLE {0}_{1} PARTITION OF {0} FOR VALUES WITH (MODULUS 2, REMAINDER {1})",
                          table, part));
      }
      // Those above 9000 stay: no record has their key.
      server().execute(
          fmt::format("INSERT INTO {0} SELECT n, -n, 1, 'old' FROM generate_series(1, 40) n; INSERT INTO {0} "
                      "SELECT n, n, 1, "
                      "'old' FROM generate_series(9001, 9009) n",
                      table));
    }
  }

  // Keys of bad records are their own: one that a later record of its batch supersedes is not looked at.
  static Record random_record(Random& random, unsigned number, unsigned bad_percent) {
    Record record{std::to_string(1 + random.below(120)), std::to_string(number),
                  std::to_string(1 + random.below(9)), fmt::format("v{}", number)};
    if (random.below(100) >= bad_percent) return record;
    record[0] = std::to_string(10'000 + number);
    switch (random.below(6)) {
      case 0:
        record[0] = "x";
        break;
      case 1:
        record[2] = "77";
        break;
      case 2:
        record[3] = "bad";
        break;
      case 3:
        record[3] = "";
        break;
      case 4:
        record.emplace_back("more");
        break;
      default:
        record[1] = std::to_string(9001 + random.below(9));
    }
    return record;
  }

  // True: the row is taken, or its conflict is.
  [[nodiscard]] bool judge(const Record& record) const {
    if (record.size() != 4) return false;
    const std::string on_conflict =
        GetParam().action == std::string("nothing")
            ? "DO NOTHING"
            : "DO UPDATE SET u = EXCLUDED.u, parent = EXCLUDED.parent, v = EXCLUDED.v";
    const std::string value = record[3].empty() ? "NULL" : fmt::format("'{}'", record[3]);
    try {
      server().execute(fmt::format("INSERT INTO judge VALUES ('{}', '{}', '{}', {}) ON CONFLICT (id) {}",
                                   record[0], record[1], record[2], value, on_conflict));
    } catch (const std::exception&) {
      return false;
    }
    return true;
  }
};

TEST_P(ConflictRejects, AreThoseThatOneRecordAfterAnotherGives) {
  make_tables();
  const std::uint64_t seed = test_seed();
  SCOPED_TRACE(fmt::format("seed {}", seed));
  Random random(seed);
  constexpr unsigned kRecords = 1200;
  std::string input;
  std::string rejected;
  std::uint64_t count = 0;
  for (unsigned number = 0; number < kRecords; ++number) {
    const Record record = random_record(random, number, GetParam().bad_percent);
    const std::string line = fmt::format("{}\n", fmt::join(record, ","));
    input += line;
    if (judge(record)) continue;
    rejected += line;
    ++count;
  }
  const std::string file = folder_.file("in.csv", input);
  const std::string report = folder_.path() + "/report.json";
  const Outcome run = load({"-t", "t", "-j", "1", "--batch-rows", "170", "--on-conflict", GetParam().action,
                            "--on-error", "reject", "--wire", GetParam().wire, "--report", report, file});
  EXPECT_EQ(run.exit_code, count > 0 ? 3 : 0) << run.err;
  EXPECT_EQ(server().rows_as_text("t"), server().rows_as_text("judge"));
  if (count > 0) {
    EXPECT_EQ(contents(file + ".rejects"), rejected);
  }
  const auto totals = nlohmann::json::parse(contents(report))["totals"];
  EXPECT_EQ(totals["records_rejected"], count);
  EXPECT_EQ(totals["balanced"], true);
  EXPECT_EQ(totals["rows_suppressed"], 0);
}

INSTANTIATE_TEST_SUITE_P(
    All, ConflictRejects,
    ::testing::Values(Case{"update_few", "update", "auto", 1}, Case{"update_many", "update", "auto", 30},
                      Case{"update_csv", "update", "csv", 5}, Case{"update_none", "update", "auto", 0},
                      Case{"nothing_few", "nothing", "auto", 1}, Case{"nothing_many", "nothing", "auto", 30},
                      Case{"nothing_csv", "nothing", "csv", 5},
                      Case{"partitioned", "update", "auto", 5, true}),
    [](const auto& param) { return std::string(param.param.name); });

// Many workers, keys in common: every record has one ending.
TEST_F(CheckedLoadTest, ConflictsAndRejectsOfManyWorkersAddUp) {
  server().execute("CREATE TABLE t (id int PRIMARY KEY, v text CHECK (v <> 'bad'))");
  std::string input;
  const std::uint64_t seed = test_seed();
  SCOPED_TRACE(fmt::format("seed {}", seed));
  Random random(seed);
  std::uint64_t bad = 0;
  for (unsigned number = 0; number < 20'000; ++number) {
    const bool is_bad = random.below(500) == 0;
    bad += is_bad ? 1 : 0;
    input += is_bad ? fmt::format("{},bad\n", 100'000 + number) : fmt::format("{},v\n", random.below(2000));
  }
  const std::string file = folder_.file("in.csv", input);
  const std::string report = folder_.path() + "/report.json";
  const Outcome run = load({"-t", "t", "-j", "8", "--batch-rows", "500", "--on-conflict", "update",
                            "--on-error", "reject", "--report", report, file});
  EXPECT_EQ(run.exit_code, 3) << run.err;
  const auto totals = nlohmann::json::parse(contents(report))["totals"];
  EXPECT_EQ(totals["records_rejected"], bad);
  EXPECT_EQ(totals["rows_loaded"], count("t"));
  EXPECT_EQ(totals["rows_updated"], 20'000 - bad - count("t"));
}

}  // namespace
}  // namespace hypercopy::test
