// bench_table(): the report of a bench for people.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <numeric>

#include "human_units.hpp"
#include "hypercopy/ingest_bench.hpp"
#include "ingest_bench_advice.hpp"
#include "wrapped_text.hpp"

namespace hypercopy {

namespace {

// Below this a run is mostly connecting and creating chunks.
constexpr std::chrono::seconds kShortRun{1};

struct Cells {
  std::vector<std::string> cells;  // the heading first
};

using Statistics = std::vector<BenchStatistics>;

std::string short_seconds(std::chrono::nanoseconds time) {
  const double value = seconds(time);
  return value < 100 ? fmt::format("{:.2f}", value) : fmt::format("{:.1f}", value);
}

std::vector<Cells> columns_of(const BenchReport& report, const Statistics& statistics,
                              const std::optional<BenchAdvice>& advice) {
  std::vector<Cells> columns;
  const auto add = [&](const std::string& heading, auto cell) {
    Cells column{.cells = {heading}};
    for (std::size_t index = 0; index < statistics.size(); ++index) column.cells.push_back(cell(index));
    columns.push_back(std::move(column));
  };
  const auto add_measured = [&](const std::string& heading, auto cell) {
    add(heading, [&](std::size_t index) {
      return statistics[index].runs == 0 ? std::string("-") : cell(statistics[index]);
    });
  };
  const auto setting = [&](std::size_t index) -> const BenchSetting& { return report.settings[index]; };
  if (advice) {
    add("", [&](std::size_t index) -> std::string {
      if (index == advice->use) return "*";
      const bool good = index == advice->fastest || std::ranges::count(advice->as_good, index) > 0;
      return good ? "=" : "";
    });
  }
  add("workers", [&](std::size_t index) { return fmt::format("{}", setting(index).workers); });
  add("batch", [&](std::size_t index) { return batch_size_word(setting(index).batch_bytes); });
  if (varies(report, &BenchSetting::wire)) {
    add("wire", [&](std::size_t index) { return std::string(to_string(setting(index).wire)); });
  }
  if (varies(report, &BenchSetting::indexes)) {
    add("index", [&](std::size_t index) { return std::string(to_string(setting(index).indexes)); });
  }
  add_measured("seconds", [](const BenchStatistics& s) { return short_seconds(s.median); });
  add_measured("min", [](const BenchStatistics& s) { return short_seconds(s.least); });
  add_measured("max", [](const BenchStatistics& s) { return short_seconds(s.greatest); });
  const bool builds = std::ranges::count(report.settings, BenchIndexes::none, &BenchSetting::indexes) > 0;
  if (builds) {
    add_measured("build", [](const BenchStatistics& s) { return short_seconds(s.index_build); });
  }
  add_measured("rows/s", [](const BenchStatistics& s) { return short_count(s.rows_per_second); });
  add_measured("MB/s",
               [](const BenchStatistics& s) { return fmt::format("{:.1f}", s.bytes_per_second / 1e6); });
  add_measured("CPU s", [](const BenchStatistics& s) { return short_seconds(s.client_cpu); });
  add_measured("wait",
               [](const BenchStatistics& s) { return fmt::format("{:.0f}%", s.waiting_for_server * 100); });
  return columns;
}

std::string aligned(const std::vector<Cells>& columns) {
  std::vector<std::size_t> widths;
  widths.reserve(columns.size());
  for (const auto& column : columns) {
    widths.push_back(std::ranges::max(column.cells, {}, &std::string::size).size());
  }
  const std::size_t text = std::accumulate(widths.begin(), widths.end(), std::size_t{0});
  const std::size_t gap = text + 2 * (columns.size() - 1) <= kPageWidth ? 2 : 1;
  std::string result;
  for (std::size_t row = 0; row < columns.front().cells.size(); ++row) {
    for (std::size_t at = 0; at < columns.size(); ++at) {
      result += fmt::format("{:>{}}", columns[at].cells[row], widths[at] + (at == 0 ? 0 : gap));
    }
    result += '\n';
  }
  return result;
}

std::string heading(const BenchReport& report) {
  const BenchRun& run = report.runs.front();
  std::string text = wrapped(
      fmt::format("{} ({} of input) per run into a scratch table like {} ({})", counted(run.rows, "row"),
                  human_bytes(run.bytes), report.target, report.target_kind),
      "  ");
  // Without the packager's words.
  const std::string version = report.server_version.substr(0, report.server_version.find(' '));
  const std::string timescale =
      report.timescaledb_version.empty() ? "" : fmt::format(", TimescaleDB {}", report.timescaledb_version);
  text += wrapped(fmt::format("PostgreSQL {}{}; client with {}; medians of {}", version, timescale,
                              counted(report.client_cores, "core"), counted(report.rounds, "round")),
                  "  ");
  std::vector<std::string> settings;
  settings.reserve(report.server_settings.size());
  for (const auto& [name, value] : report.server_settings)
    settings.push_back(fmt::format("{} {}", name, value));
  text += wrapped(fmt::format("{}", fmt::join(settings, ", ")), "  ");
  std::vector<std::string> common;
  const BenchSetting& first = report.settings.front();
  if (!varies(report, &BenchSetting::wire)) common.push_back(fmt::format("--wire {}", to_string(first.wire)));
  if (!varies(report, &BenchSetting::indexes)) {
    common.emplace_back(first.indexes == BenchIndexes::keep
                            ? "indexes kept while loading"
                            : "secondary indexes built after loading (in the seconds)");
  }
  if (!common.empty()) text += fmt::format("all runs: {}\n", fmt::join(common, ", "));
  return text;
}

std::string notes(const BenchReport& report, const Statistics& statistics) {
  std::string text;
  for (const auto& notice : report.notices) text += wrapped("note: " + notice, "  ");
  const bool starved = std::ranges::any_of(report.settings, [&](const BenchSetting& setting) {
    return setting.workers > 1 && 2 * setting.workers * setting.batch_bytes > report.runs.front().bytes;
  });
  if (starved) {
    text += wrapped(
        "note: the input has less than two of the largest batches for each worker, so the larger settings "
        "cannot show what they can do",
        "  ");
  }
  const bool too_short =
      std::ranges::any_of(statistics, [](const auto& one) { return one.runs > 0 && one.median < kShortRun; });
  if (too_short) {
    text += wrapped(
        "note: runs of less than a second tell little: use a larger input, or a greater --limit or "
        "--minutes",
        "  ");
  }
  return text;
}

// The setting that people who cannot do without their indexes use.
std::string keep_line(const BenchReport& report, const Statistics& statistics) {
  std::optional<std::size_t> best;
  for (std::size_t index = 0; index < statistics.size(); ++index) {
    if (report.settings[index].indexes != BenchIndexes::keep) continue;
    if (!best || statistics[index].median < statistics[*best].median) best = index;
  }
  std::string text = wrapped(
      "hypercopy load drops no index: DROP INDEX before it and CREATE INDEX after it are yours to run", "  ");
  if (best) {
    text += wrapped(fmt::format("with the indexes in place the fastest is: {}, {} s",
                                setting_text(report, *best), short_seconds(statistics[*best].median)),
                    "  ");
  }
  return text;
}

std::string advice_text(const BenchReport& report, const Statistics& statistics, const BenchAdvice& advice) {
  std::string text = wrapped(fmt::format("best: {}, {} s", setting_text(report, advice.use),
                                         short_seconds(statistics[advice.use].median)),
                             "  ");
  if (!advice.as_good.empty()) {
    text += wrapped(
        fmt::format("{} (=) cannot be told from it: within 3 %, or 10 % where runs overlap; the simplest "
                    "is chosen",
                    counted(advice.as_good.size(), "other setting")),
        "  ");
  }
  if (report.settings[advice.use].indexes == BenchIndexes::none) text += keep_line(report, statistics);
  // Not wrapped: it is there to be copied.
  return text + fmt::format("use: {}\n", bench_command(report, report.settings[advice.use]));
}

}  // namespace

std::string bench_table(const BenchReport& report) {
  if (report.runs.empty()) return {};
  const Statistics statistics = bench_statistics(report);
  const std::optional<BenchAdvice> advice = bench_advice(report, statistics);
  std::string text = heading(report) + "\n" + aligned(columns_of(report, statistics, advice)) + "\n" +
                     notes(report, statistics);
  const std::size_t planned = report.settings.size() * report.rounds;
  if (report.runs.size() < planned) {
    text += fmt::format("incomplete: stopped after {} of {}\n", report.runs.size(), counted(planned, "run"));
  }
  if (advice) text += advice_text(report, statistics, *advice);
  return text;
}

}  // namespace hypercopy
