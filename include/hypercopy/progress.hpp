// Progress of a running load, for a person (bar), a log (plain lines) or a program (JSON lines), on stderr.
// Shape:   ProgressState is what is counted; render functions are pure; ProgressReporter draws them.
// Units:   bytes of input, rows as the server counted them, seconds of wall time; rates decimal.
// Threads: ProgressReporter is used by one thread, the one that waits for the run.
// Errors:  a stderr that cannot be written is ignored: progress never fails a load.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <optional>
#include <string>

namespace hypercopy {

class Console;

struct ProgressState {
  std::uint64_t bytes_done = 0;                // input bytes whose batch has an ending
  std::optional<std::uint64_t> bytes_total{};  // unknown for pipes
  std::uint64_t rows_loaded = 0;
  std::uint64_t records_skipped = 0;
  std::uint64_t records_total = 0;  // split so far
  std::chrono::nanoseconds elapsed{};
};

// In these functions `before` is an earlier state: the rates of the period are those from `before` to `now`.
// A default ProgressState is the start of the run.

// " 41% [====>       ]  218.4/522.0 MB  1,254,000 rows  104.0 MB/s   597k rows/s  ETA  0:02  elapsed 0:02"
// "  ?% [    <=>     ]  218.4 MB / ?  1,254,000 rows  104.0 MB/s   597k rows/s  elapsed 0:02" for a pipe.
// Rates and ETA are those of the period. Plain ASCII, at most `width` columns (made for 20 and more): first
// the bar shrinks, then fields fall away, the least telling first.
[[nodiscard]] std::string progress_bar(const ProgressState& now, const ProgressState& before,
                                       std::size_t width);
// One line for a log, the same facts with overall and period rates:
// "41% (218.4/522.0 MB), 1,254,000 rows in 0:02, ETA 0:02; overall 104.0 MB/s, 597,142 rows/s; period ..."
[[nodiscard]] std::string progress_line(const ProgressState& now, const ProgressState& before);
// One JSON object on one line: {"event":"progress",...}; what is not known is null.
[[nodiscard]] std::string progress_json(const ProgressState& now, const ProgressState& before);
// The line of timescaledb-parallel-copy v0.13 ("(1m00s), row rate 1.00/sec (period), ..."), without the date
// that its log puts before it (Console::Prefix::date).
[[nodiscard]] std::string progress_parallel_copy(const ProgressState& now, const ProgressState& before);

// How a style is drawn: what to print, how often.
class ProgressReporter {
 public:
  enum class Style : std::uint8_t { none, bar, plain, json, parallel_copy };

  // `period`: between two lines; the bar is drawn ten times a second, with the rates of the last seconds.
  ProgressReporter(Console& console, Style style, std::chrono::milliseconds period);

  // How long the waiting thread may sleep before the next update() is due.
  [[nodiscard]] std::chrono::milliseconds interval() const;
  // Draws if something is due at now.elapsed.
  void update(const ProgressState& now);
  // Draws the last state once more (bar: leaves it standing at its end, with the rates of the whole run) and
  // ends.
  void finish(const ProgressState& now);

 private:
  void draw(const ProgressState& now, const ProgressState& before);
  void remember(const ProgressState& now);

  Console& console_;
  Style style_;
  std::chrono::milliseconds period_;
  ProgressState last_drawn_{};
  std::deque<ProgressState> recent_{};  // of the last seconds, oldest first: steadies the bar's rates
};

}  // namespace hypercopy
