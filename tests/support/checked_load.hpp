// Loads through the real program, checked for what must hold whatever the input was: it ends, its exit code,
// tag, words and report agree with each other and with the table, and no backend of it stays on the server.
// Shape:   run() for a whole run; start() and finish() where the test acts in between.
// Errors:  what does not hold is a failure of the test that runs.
#pragma once

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "support/program.hpp"
#include "support/server.hpp"

namespace hypercopy::test {

struct Checked {
  Outcome outcome;
  nlohmann::json report;  // null when the command line was refused
};

// Whether the run said `text` on stderr.
[[nodiscard]] ::testing::AssertionResult says(const Checked& run, std::string_view text);
[[nodiscard]] ::testing::AssertionResult says_not(const Checked& run, std::string_view text);

class CheckedLoadTest : public ServerTest {
 protected:
  // `hypercopy load -d DSN --report ... -t TABLE ARGUMENTS`; `table` as SQL spells it.
  Checked run(const std::string& table, const std::vector<std::string>& arguments, RunOptions options = {});
  [[nodiscard]] std::unique_ptr<Process> start(const std::string& table, std::vector<std::string> arguments,
                                               RunOptions options = {});
  Checked finish(Process& process, const std::string& table);

  // Exit 1, nothing on stdout, `rows` committed rows, and each text said.
  void expect_failure(const Checked& run, std::uint64_t rows, const std::vector<std::string>& texts);
  // Exit 0 and `rows` committed rows.
  void expect_success(const Checked& run, std::uint64_t rows);

  // Waits until the query gives true; fails the test after minutes.
  void await(const std::string& condition) const;
  // Waits until `backends` of the programs that this test runs wait for a lock.
  void await_blocked(unsigned backends) const;
  // Waits until no transaction that has written to the table is open: what a killed program has sent may still
  // be committed. By its lock, since COMMIT's own text does not name the table.
  void await_no_writer(const std::string& table) const;

  // What the programs connect to; empty: dsn(). Tables and backends are looked at only where it begins with
  // dsn().
  std::string other_dsn_{};
  // Rows of the table that no run of this test has loaded.
  std::uint64_t rows_before_ = 0;

 private:
  [[nodiscard]] std::string report_path() const { return folder_.path() + "/report.json"; }
};

}  // namespace hypercopy::test
