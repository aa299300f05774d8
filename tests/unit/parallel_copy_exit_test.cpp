// What the drop-in prints and how it exits when a load has ended.
#include <gtest/gtest.h>

#include "parallel_copy_cli.hpp"

namespace hypercopy {
namespace {

using namespace std::chrono_literals;

constexpr std::chrono::system_clock::time_point kNow{1'778'846'400s};

std::string first_line(const std::string& text) { return text.substr(0, text.find('\n')); }

TEST(ParallelCopyLogLine, HasGosDate) {
  const std::string line = parallel_copy_log_line(kNow, "text");
  const std::string shape = "dddd/dd/dd dd:dd:dd text\n";
  ASSERT_EQ(line.size(), shape.size());
  for (std::size_t i = 0; i < shape.size(); ++i) {
    EXPECT_TRUE(shape[i] == 'd' ? line[i] >= '0' && line[i] <= '9' : line[i] == shape[i]) << line;
  }
  EXPECT_TRUE(line.starts_with("2026/05/1")) << line;
}

TEST(ParallelCopyTag, IsThePeersLastLine) {
  EXPECT_EQ(parallel_copy_tag(0, false, 1s, 1), "COPY 0");
  EXPECT_EQ(parallel_copy_tag(5000, false, 1200ms, 4), "COPY 5000");
  EXPECT_EQ(parallel_copy_tag(5000, true, 1200ms, 4),
            "COPY 5000, took 1.2s with 4 worker(s) (mean rate 4166.666667/sec)");
  EXPECT_EQ(parallel_copy_tag(7, true, 0s, 1), "COPY 7, took 0s with 1 worker(s) (mean rate 0.000000/sec)");
}

Error refused_record() {
  return {.kind = ErrorKind::sql,
          .message = "invalid input syntax for type integer: \"x\"",
          .sqlstate = "22P02",
          .location = Location{.source = "d.csv", .at = {.byte = 30, .line = 4, .record = 3}}};
}

TEST(ParallelCopyError, OfTheServerBeginsWithThePeersLine) {
  Error error = refused_record();
  EXPECT_EQ(
      first_line(parallel_copy_error(error)),
      "failed to copy CSV: continue: false, at row 3, error failed to copy from lines ERROR: invalid input "
      "syntax for type integer: \"x\" (SQLSTATE 22P02)");
  EXPECT_TRUE(parallel_copy_error(error).ends_with("\n" + to_string(error)));
  error.location.reset();
  EXPECT_NE(parallel_copy_error(error).find("at row -1, "), std::string::npos);
}

TEST(ParallelCopyError, OfTheClientIsHypercopys) {
  const Error error{.kind = ErrorKind::input, .message = "no such file"};
  EXPECT_EQ(parallel_copy_error(error), "failed to copy CSV: " + to_string(error));
}

LoadSummary summary_of(std::uint64_t split, std::uint64_t committed) {
  LoadSummary summary;
  summary.jobs = 2;
  summary.elapsed = 2s;
  summary.totals.split.add(BatchSize{split, split * 10});
  summary.totals.committed.add(BatchSize{committed, committed * 10});
  summary.totals.rows_loaded = committed;
  return summary;
}

TEST(ParallelCopyExit, OfALoadIsTheTagAlone) {
  EXPECT_EQ(parallel_copy_exit({}, summary_of(10, 10), kNow), (CommandExit{0, "COPY 10\n", ""}));
  EXPECT_EQ(parallel_copy_exit({.verbose = true}, summary_of(10, 10), kNow).out,
            "COPY 10, took 2s with 2 worker(s) (mean rate 5.000000/sec)\n");
}

TEST(ParallelCopyExit, WithDroppedBatchesIsZeroAndSaysSo) {
  LoadSummary summary = summary_of(10, 7);
  summary.totals.skipped.add(BatchSize{3, 30});
  const CommandExit exit = parallel_copy_exit({}, summary, kNow);
  EXPECT_EQ(exit.code, 0);
  EXPECT_EQ(exit.out, "COPY 7\n");
  EXPECT_EQ(exit.err,
            parallel_copy_log_line(
                kNow, "-skip-batch-errors: 3 rows were dropped, in batches that the server refused: 1"));
}

TEST(ParallelCopyExit, OfAFailureHasNoTagAndSaysWhatIsCommitted) {
  LoadSummary summary = summary_of(10, 7);
  summary.totals.failed.add(BatchSize{3, 30});
  summary.error = refused_record();
  const CommandExit exit = parallel_copy_exit({}, summary, kNow);
  EXPECT_EQ(exit.code, 1);
  EXPECT_EQ(exit.out, "");
  EXPECT_EQ(exit.err, parallel_copy_log_line(kNow, parallel_copy_error(refused_record())) +
                          parallel_copy_log_line(kNow, "rows committed: 7"));
}

TEST(ParallelCopyExit, OfAnInterruptionIsTheSignals) {
  LoadSummary summary = summary_of(10, 7);
  summary.totals.dropped.add(BatchSize{3, 30});
  summary.interrupted_by = 2;
  EXPECT_EQ(parallel_copy_exit({}, summary, kNow).code, 130);
  EXPECT_EQ(parallel_copy_exit({}, summary, kNow).out, "");
  summary.interrupted_by = 15;
  EXPECT_EQ(parallel_copy_exit({}, summary, kNow).code, 143);
}

TEST(ParallelCopyExit, OfCountsThatDoNotAddUpIsOne) {
  const CommandExit exit = parallel_copy_exit({}, summary_of(10, 9), kNow);
  EXPECT_EQ(exit.code, 1);
  EXPECT_EQ(exit.out, "");
  EXPECT_NE(exit.err.find("do not add up"), std::string::npos);
}

}  // namespace
}  // namespace hypercopy
