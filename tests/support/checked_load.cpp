#include "support/checked_load.hpp"

#include <fmt/format.h>

#include <chrono>
#include <filesystem>
#include <fstream>

namespace hypercopy::test {

namespace {

using Clock = std::chrono::steady_clock;
constexpr std::chrono::minutes kPatience{5};  // only what hangs takes so long, on a loaded machine too

// "1 row (5 bytes) is committed in s.t", "1,200 rows (9.6 kB) are committed in s.t".
bool says_committed(std::string err, std::uint64_t rows) {
  if (rows == 0) {
    return err.find("no row is committed") != std::string::npos ||
           err.find("no row is known to be committed") != std::string::npos;
  }
  std::erase(err, ',');
  const std::size_t count = err.rfind(fmt::format(" {} row{} (", rows, rows == 1 ? "" : "s"));
  if (count == std::string::npos) return false;
  const std::string line = err.substr(count, err.find('\n', count) - count);
  const bool is_there =
      line.find(rows == 1 ? ") is committed in " : ") are committed in ") != std::string::npos;
  const bool is_lost =
      line.find(rows == 1 ? ") was committed in " : ") were committed in ") != std::string::npos;
  return is_there || is_lost;
}

}  // namespace

::testing::AssertionResult says(const Checked& run, std::string_view text) {
  if (run.outcome.err.find(text) != std::string::npos) return ::testing::AssertionSuccess();
  return ::testing::AssertionFailure() << "\"" << text << "\" was not said; stderr:\n" << run.outcome.err;
}

::testing::AssertionResult says_not(const Checked& run, std::string_view text) {
  if (run.outcome.err.find(text) == std::string::npos) return ::testing::AssertionSuccess();
  return ::testing::AssertionFailure() << "\"" << text << "\" was said; stderr:\n" << run.outcome.err;
}

Checked CheckedLoadTest::run(const std::string& table, const std::vector<std::string>& arguments,
                             RunOptions options) {
  const auto process = start(table, arguments, std::move(options));
  return finish(*process, table);
}

std::unique_ptr<Process> CheckedLoadTest::start(const std::string& table, std::vector<std::string> arguments,
                                                RunOptions options) {
  std::filesystem::remove(report_path());
  arguments.insert(arguments.begin(), {"load", "-w", "-d", other_dsn_.empty() ? dsn() : other_dsn_,
                                       "--report", report_path(), "-t", table});
  return std::make_unique<Process>(arguments, std::move(options));
}

Checked CheckedLoadTest::finish(Process& process, const std::string& table) {
  Checked run{.outcome = process.wait(), .report = nullptr};
  EXPECT_FALSE(run.outcome.timed_out) << "it hangs; stderr:\n" << run.outcome.err;
  // Who was killed may have begun to write it.
  if (run.outcome.exit_code == 128 + SIGKILL) return run;
  if (std::ifstream file(report_path()); file) run.report = nlohmann::json::parse(file);
  if (run.report.is_null()) return run;
  EXPECT_EQ(run.report["exit_code"], run.outcome.exit_code);
  EXPECT_EQ(run.report["totals"]["balanced"], true);
  const auto loaded = run.report["totals"]["rows_loaded"].get<std::uint64_t>();
  const bool is_loaded = run.outcome.exit_code == 0 || run.outcome.exit_code == 3;
  EXPECT_EQ(run.outcome.out, is_loaded ? fmt::format("COPY {}\n", loaded) : "");
  EXPECT_NE(is_loaded, says_committed(run.outcome.err, loaded)) << run.outcome.err;
  if (!other_dsn_.starts_with(dsn()) && !other_dsn_.empty()) return run;  // a private server's
  if (!server().value(fmt::format("SELECT to_regclass($${}$$)", table)).empty()) {
    EXPECT_EQ(count(table), rows_before_ + loaded);
  }
  await(
      fmt::format("SELECT NOT EXISTS (SELECT FROM pg_stat_activity WHERE application_name LIKE "
                  "'hypercopy load {}%')",
                  run.report["run_id"].get<std::string>()));
  return run;
}

void CheckedLoadTest::expect_failure(const Checked& run, std::uint64_t rows,
                                     const std::vector<std::string>& texts) {
  EXPECT_EQ(run.outcome.exit_code, 1) << run.outcome.err;
  EXPECT_EQ(run.outcome.out, "");
  ASSERT_FALSE(run.report.is_null()) << run.outcome.err;
  EXPECT_EQ(run.report["totals"]["rows_loaded"], rows) << run.outcome.err;
  for (const auto& text : texts) EXPECT_TRUE(says(run, text));
}

void CheckedLoadTest::expect_success(const Checked& run, std::uint64_t rows) {
  EXPECT_EQ(run.outcome.exit_code, 0) << run.outcome.err;
  EXPECT_EQ(run.outcome.out, fmt::format("COPY {}\n", rows));
}

void CheckedLoadTest::await(const std::string& condition) const {
  const auto deadline = Clock::now() + kPatience;
  while (server().value(condition) != "t") {
    ASSERT_LT(Clock::now(), deadline) << condition << " never came true";
    server().execute("SELECT pg_sleep(0.01)");
  }
}

void CheckedLoadTest::await_blocked(unsigned backends) const {
  // Queries of the program name the schema, which is the test's own.
  await(
      fmt::format("SELECT count(*) = {} FROM pg_stat_activity WHERE application_name LIKE 'hypercopy load%' "
                  "AND wait_event_type = 'Lock' AND query LIKE '%{}%'",
                  backends, schema()));
}

void CheckedLoadTest::await_no_writer(const std::string& table) const {
  await(
      fmt::format("SELECT NOT EXISTS (SELECT FROM pg_locks WHERE relation = '{}'::regclass AND mode = "
                  "'RowExclusiveLock' AND pid <> pg_backend_pid())",
                  table));
}

}  // namespace hypercopy::test
