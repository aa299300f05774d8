#include "hypercopy/progress.hpp"

#include <gtest/gtest.h>
#include <unistd.h>

#include <array>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "hypercopy/console.hpp"

namespace hypercopy {
namespace {

using namespace std::chrono_literals;
using Style = ProgressReporter::Style;

ProgressState midway() {
  return {.bytes_done = 218'400'000,
          .bytes_total = 522'000'000,
          .rows_loaded = 1'254'000,
          .records_skipped = 0,
          .records_total = 1'300'000,
          .elapsed = 2100ms};
}

ProgressState pipe_midway() {
  ProgressState state = midway();
  state.bytes_total.reset();
  return state;
}

bool contains(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

struct BarCase {
  const char* name;
  std::size_t width;
  const char* expected;
};

class ProgressBar : public testing::TestWithParam<BarCase> {};

TEST_P(ProgressBar, FitsTheWidth) {
  EXPECT_EQ(progress_bar(midway(), {}, GetParam().width), GetParam().expected);
}

INSTANTIATE_TEST_SUITE_P(
    Widths, ProgressBar,
    testing::Values(
        BarCase{"W20", 20, " 41% [=====>       ]"},
        BarCase{"W39", 39, " 41% [==>  ]  218.4/522.0 MB  ETA  0:02"},
        BarCase{"W60", 60, " 41% [=====>        ]  218.4/522.0 MB  104.0 MB/s  ETA  0:02"},
        BarCase{"W79", 79, " 41% [=======>           ]  218.4/522.0 MB  104.0 MB/s   597k rows/s  ETA  0:02"},
        BarCase{"W100", 100,
                " 41% [====>     ]  218.4/522.0 MB  1,254,000 rows  104.0 MB/s   597k rows/s  ETA  0:02  "
                "elapsed 0:02"},
        BarCase{
            "W200", 200,
            " 41% [================>                       ]  218.4/522.0 MB  1,254,000 rows  104.0 MB/s  "
            " 597k rows/s  ETA  0:02  elapsed 0:02"}),
    [](const auto& param) { return std::string{param.param.name}; });

TEST(ProgressBarText, NeverWiderThanAsked) {
  ProgressState huge{.bytes_done = 9'999'999'999'999'999, .rows_loaded = 99'999'999'999'999, .elapsed = 200h};
  huge.bytes_total = 99'999'999'999'999'999;
  ProgressState huge_pipe = huge;
  huge_pipe.bytes_total.reset();
  for (const ProgressState& now : {ProgressState{}, midway(), pipe_midway(), huge, huge_pipe}) {
    for (std::size_t width = 0; width <= 300; ++width) {
      const std::string text = progress_bar(now, {}, width);
      EXPECT_LE(text.size(), width) << text;
      EXPECT_EQ(text.find_first_of("\r\n\x1b"), std::string::npos) << text;
      if (width >= 20) {
        EXPECT_TRUE(contains(text, "%")) << text;
      }
    }
  }
}

TEST(ProgressBarText, UnknownTotal) {
  EXPECT_EQ(
      progress_bar(pipe_midway(), {}, 100),
      "  ?% [                   <=> ]  218.4 MB / ?  1,254,000 rows  104.0 MB/s   597k rows/s  elapsed 0:02");
}

TEST(ProgressBarText, UnknownTotalMovesWithTimeAndTurns) {
  ProgressState now;
  std::vector<std::size_t> places;
  for (int tick = 0; tick < 12; ++tick) {
    now.elapsed = tick * 100ms;
    places.push_back(progress_bar(now, {}, 14).find("<=>"));
  }
  EXPECT_EQ(places, (std::vector<std::size_t>{6, 7, 8, 9, 10, 9, 8, 7, 6, 7, 8, 9}));
}

TEST(ProgressBarText, AtTheStart) {
  ProgressState now;
  now.bytes_total = 522'000'000;
  EXPECT_EQ(
      progress_bar(now, {}, 100),
      "  0% [>                 ]    0.0/522.0 MB  0 rows    0.0 kB/s      0 rows/s  ETA --:--  elapsed 0:00");
}

TEST(ProgressBarText, AtTheEnd) {
  ProgressState now = midway();
  now.bytes_done = 522'000'000;
  EXPECT_EQ(progress_bar(now, {}, 60), "100% [===========]  522.0/522.0 MB  248.6 MB/s   597k rows/s");
}

struct PercentCase {
  std::uint64_t done;
  std::uint64_t total;
  const char* expected;
};

TEST(ProgressBarText, PercentIsRoundedDownAndNeverAboveHundred) {
  const std::vector<PercentCase> cases{{0, 100, "  0%"},
                                       {99, 10'000, "  0%"},
                                       {9'999'999, 10'000'000, " 99%"},
                                       {UINT64_MAX - 1, UINT64_MAX, " 99%"},
                                       {100, 100, "100%"},
                                       {150, 100, "100%"},
                                       {0, 0, "100%"}};
  for (const auto& [done, total, expected] : cases) {
    ProgressState now{.bytes_done = done};
    now.bytes_total = total;
    EXPECT_EQ(progress_bar(now, {}, 40).substr(0, 4), expected) << done << " of " << total;
  }
}

TEST(ProgressBarText, EtaIsThatOfThePeriod) {
  ProgressState before = midway();
  ProgressState now = midway();
  now.bytes_done += 100'000'000;
  now.elapsed += 10s;
  EXPECT_TRUE(contains(progress_bar(now, before, 100), "10.0 MB/s")) << progress_bar(now, before, 100);
  EXPECT_TRUE(contains(progress_bar(now, before, 100), "ETA  0:20"));
}

TEST(ProgressBarText, EtaWithoutProgressInThePeriodIsOverall) {
  ProgressState before = midway();
  ProgressState now = midway();
  now.elapsed += 10s;
  EXPECT_TRUE(contains(progress_bar(now, before, 100), "    0.0 kB/s      0 rows/s  ETA  0:16"));
}

TEST(ProgressBarText, EtaIsNotGivenInTheFirstSecond) {
  ProgressState now = midway();
  now.elapsed = 999ms;
  EXPECT_TRUE(contains(progress_bar(now, {}, 120), "ETA --:--"));
  now.elapsed = 1s;
  EXPECT_TRUE(contains(progress_bar(now, {}, 120), "ETA  0:01"));
}

TEST(ProgressBarText, EtaThatMeansNothingIsNotGiven) {
  ProgressState now = midway();
  now.bytes_done = 1;
  now.bytes_total = UINT64_MAX;
  EXPECT_TRUE(contains(progress_bar(now, {}, 120), "ETA --:--"));
}

TEST(ProgressLine, HasOverallAndPeriodRates) {
  const ProgressState before{.bytes_done = 108'400'000, .rows_loaded = 654'000, .elapsed = 1100ms};
  EXPECT_EQ(progress_line(midway(), before),
            "41% (218.4/522.0 MB), 1,254,000 rows in 0:02, ETA 0:02; overall 104.0 MB/s, 597,142 rows/s; "
            "period 110.0 MB/s, 600,000 rows/s");
}

TEST(ProgressLine, PipeAndSkippedRecords) {
  ProgressState now = pipe_midway();
  now.records_skipped = 5000;
  EXPECT_EQ(
      progress_line(now, {}),
      "?% (218.4 MB / ?), 1,254,000 rows, 5,000 records skipped in 0:02; overall 104.0 MB/s, 597,142 rows/s; "
      "period 104.0 MB/s, 597,142 rows/s");
}

TEST(ProgressJson, HasEveryFact) {
  const ProgressState before{.bytes_done = 108'400'000, .rows_loaded = 654'000, .elapsed = 1100ms};
  const std::string text = progress_json(midway(), before);
  EXPECT_EQ(text.find('\n'), std::string::npos);
  const auto json = nlohmann::json::parse(text);
  EXPECT_EQ(json["event"], "progress");
  EXPECT_DOUBLE_EQ(json["elapsed_seconds"], 2.1);
  EXPECT_NEAR(json["percent"], 41.84, 0.01);
  EXPECT_EQ(json["bytes_done"], 218'400'000);
  EXPECT_EQ(json["bytes_total"], 522'000'000);
  EXPECT_EQ(json["rows_loaded"], 1'254'000);
  EXPECT_EQ(json["records_total"], 1'300'000);
  EXPECT_DOUBLE_EQ(json["bytes_per_second"], 104e6);
  EXPECT_DOUBLE_EQ(json["period_rows_per_second"], 600e3);
  EXPECT_NEAR(json["eta_seconds"], 2.76, 0.01);
}

TEST(ProgressJson, WhatIsNotKnownIsNull) {
  const auto json = nlohmann::json::parse(progress_json(pipe_midway(), {}));
  EXPECT_TRUE(json["percent"].is_null());
  EXPECT_TRUE(json["bytes_total"].is_null());
  EXPECT_TRUE(json["eta_seconds"].is_null());
}

TEST(ProgressJson, NoTimeIsNoRate) {
  const auto json = nlohmann::json::parse(progress_json(ProgressState{}, ProgressState{}));
  EXPECT_EQ(json["rows_per_second"], 0.0);
  EXPECT_EQ(json["period_rows_per_second"], 0.0);
}

struct ParallelCopyCase {
  std::chrono::nanoseconds elapsed;
  const char* expected;
};

TEST(ProgressParallelCopy, TimeIsWrittenAsThatToolDoes) {
  const std::vector<ParallelCopyCase> cases{{0s, "(0s)"},           {1999ms, "(1s)"},
                                            {60s, "(1m00s)"},       {3661s, "(1h01m01s)"},
                                            {24h, "(1d00h00m00s)"}, {50h + 3min + 4s, "(2d02h03m04s)"}};
  for (const auto& [elapsed, expected] : cases) {
    const std::string text = progress_parallel_copy({.elapsed = elapsed}, {});
    EXPECT_EQ(text.substr(0, text.find(',')), expected);
  }
}

TEST(ProgressParallelCopy, LineOfTheOriginal) {
  const ProgressState before{.rows_loaded = 1174, .elapsed = 0s};
  const ProgressState now{
      .rows_loaded = 1234, .records_skipped = 5000, .records_total = 6234, .elapsed = 60s};
  EXPECT_EQ(progress_parallel_copy(now, before),
            "(1m00s), row rate 1.00/sec (period), row rate 20.57/sec (overall), 1,234 inserted rows, "
            "5,000 skipped rows, 6,234 total rows");
}

TEST(ProgressParallelCopy, RatesHaveNoSeparators) {
  const ProgressState now{.rows_loaded = 3'000'000, .records_total = 3'000'000, .elapsed = 2s};
  EXPECT_EQ(
      progress_parallel_copy(now, {}),
      "(2s), row rate 1500000.00/sec (period), row rate 1500000.00/sec (overall), 3,000,000 inserted rows, "
      "0 skipped rows, 3,000,000 total rows");
}

// What a reporter writes to something that is not a terminal.
class ReporterOutput : public testing::Test {
 protected:
  void SetUp() override { ASSERT_EQ(pipe(pipe_.data()), 0); }
  void TearDown() override {
    close(pipe_[0]);
    if (pipe_[1] >= 0) {
      close(pipe_[1]);
    }
  }

  int write_end() const { return pipe_[1]; }

  std::vector<std::string> lines() {
    close(pipe_[1]);
    pipe_[1] = -1;
    std::string text;
    std::array<char, 4096> buffer{};
    for (ssize_t got = 0; (got = read(pipe_[0], buffer.data(), buffer.size())) > 0;) {
      text.append(buffer.data(), static_cast<std::size_t>(got));
    }
    std::vector<std::string> found;
    for (std::size_t start = 0; start < text.size();) {
      const std::size_t end = text.find('\n', start);
      found.push_back(text.substr(start, end - start));
      start = end == std::string::npos ? text.size() : end + 1;
    }
    return found;
  }

  void run(Style style, std::chrono::milliseconds period, std::chrono::milliseconds length) {
    Console console(write_end(), "hypercopy", false);
    ProgressReporter reporter(console, style, period);
    ProgressState now = midway();
    for (now.elapsed = 0s; now.elapsed < length; now.elapsed += 50ms) {
      reporter.update(now);
    }
    reporter.finish(now);
  }

 private:
  std::array<int, 2> pipe_{-1, -1};
};

TEST_F(ReporterOutput, PlainWritesOneLinePerPeriodAndOneAtTheEnd) {
  run(Style::plain, 1s, 3500ms);
  const auto found = lines();
  ASSERT_EQ(found.size(), 4U);
  EXPECT_TRUE(found[0].starts_with("hypercopy: 41% (218.4/522.0 MB), 1,254,000 rows in 0:01")) << found[0];
  EXPECT_TRUE(contains(found[3], "rows in 0:03")) << found[3];
}

TEST_F(ReporterOutput, PeriodStartsAtTheLineBefore) {
  Console console(write_end(), "timescaledb-parallel-copy", false);
  ProgressReporter reporter(console, Style::parallel_copy, 10s);
  reporter.update({.rows_loaded = 100, .elapsed = 10s});
  reporter.update({.rows_loaded = 150, .elapsed = 19s});
  reporter.update({.rows_loaded = 200, .elapsed = 20s});
  reporter.finish({.rows_loaded = 300, .elapsed = 21s});
  const auto found = lines();
  ASSERT_EQ(found.size(), 3U);
  EXPECT_TRUE(contains(found[0], "(10s), row rate 10.00/sec (period), row rate 10.00/sec (overall)"))
      << found[0];
  EXPECT_TRUE(contains(found[1], "(20s), row rate 10.00/sec (period), row rate 10.00/sec (overall)"))
      << found[1];
  EXPECT_TRUE(contains(found[2], "(21s), row rate 100.00/sec (period), row rate 14.29/sec (overall)"))
      << found[2];
}

TEST_F(ReporterOutput, JsonLinesStandAlone) {
  run(Style::json, 500ms, 1s);
  const auto found = lines();
  ASSERT_EQ(found.size(), 2U);
  for (const std::string& line : found) {
    EXPECT_EQ(nlohmann::json::parse(line)["event"], "progress");
  }
}

TEST_F(ReporterOutput, NoneAndBarWriteNothingHere) {
  run(Style::none, 1s, 5s);
  run(Style::bar, 1s, 5s);
  EXPECT_EQ(lines(), std::vector<std::string>{});
}

TEST(ProgressReporter, SleepsBetweenUpdates) {
  Console console(-1, "hypercopy", false);
  EXPECT_EQ(ProgressReporter(console, Style::bar, 10s).interval(), 100ms);
  EXPECT_EQ(ProgressReporter(console, Style::plain, 10s).interval(), 10s);
  EXPECT_GE(ProgressReporter(console, Style::none, 10s).interval(), 1min);
}

}  // namespace
}  // namespace hypercopy
