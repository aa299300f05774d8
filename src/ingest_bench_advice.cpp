#include "ingest_bench_advice.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <tuple>

#include "human_units.hpp"
#include "hypercopy/batch.hpp"

namespace hypercopy {

namespace {

constexpr double kNoise = 1.03;
// One slow run would else make every setting overlap.
constexpr double kNoiseWhereRunsOverlap = 1.10;

template <typename T>
T median(std::vector<T> values) {
  std::ranges::sort(values);
  const std::size_t middle = values.size() / 2;
  return values.size() % 2 == 1 ? values[middle] : (values[middle - 1] + values[middle]) / 2;
}

template <typename Field>
auto median_of(const std::vector<const BenchRun*>& runs, Field field) {
  std::vector<decltype(field(*runs.front()))> values;
  values.reserve(runs.size());
  for (const BenchRun* run : runs) values.push_back(field(*run));
  return median(std::move(values));
}

BenchStatistics statistics_of(const std::vector<const BenchRun*>& runs) {
  if (runs.empty()) return {};
  const auto total = [](const BenchRun& run) { return run.total(); };
  const auto [least, greatest] =
      std::ranges::minmax(runs, {}, [](const BenchRun* run) { return run->total(); });
  BenchStatistics statistics{
      .runs = runs.size(),
      .median = median_of(runs, total),
      .least = least->total(),
      .greatest = greatest->total(),
      .load = median_of(runs, [](const BenchRun& run) { return run.load; }),
      .index_build = median_of(runs, [](const BenchRun& run) { return run.index_build; }),
      .client_cpu = median_of(runs, [](const BenchRun& run) { return run.client_cpu; }),
      .waiting_for_server = median_of(runs, [](const BenchRun& run) { return run.waiting_for_server; })};
  statistics.rows_per_second = per_second(runs.front()->rows, statistics.median);
  statistics.bytes_per_second = per_second(runs.front()->bytes, statistics.median);
  return statistics;
}

bool as_good(const BenchStatistics& candidate, const BenchStatistics& fastest) {
  const double ratio = seconds(candidate.median) / std::max(seconds(fastest.median), 1e-9);
  return ratio <= kNoise || (ratio <= kNoiseWhereRunsOverlap && candidate.least <= fastest.greatest);
}

}  // namespace

std::vector<BenchStatistics> bench_statistics(const BenchReport& report) {
  std::vector<std::vector<const BenchRun*>> runs(report.settings.size());
  for (const BenchRun& run : report.runs) runs.at(run.setting).push_back(&run);
  std::vector<BenchStatistics> statistics;
  statistics.reserve(runs.size());
  for (const auto& of_setting : runs) statistics.push_back(statistics_of(of_setting));
  return statistics;
}

std::optional<BenchAdvice> bench_advice(const BenchReport& report,
                                        const std::vector<BenchStatistics>& statistics) {
  if (statistics.empty()) return std::nullopt;
  if (std::ranges::any_of(statistics, [](const auto& one) { return one.runs == 0; })) return std::nullopt;
  const auto fastest = std::ranges::min_element(statistics, {}, &BenchStatistics::median);
  BenchAdvice advice{.fastest = static_cast<std::size_t>(fastest - statistics.begin())};
  const auto rank = [&](std::size_t index) {
    const BenchSetting& setting = report.settings[index];
    return std::tuple(setting.indexes != BenchIndexes::keep, setting.workers,
                      setting.batch_bytes != kDefaultBatchBytes, setting.wire != Wire::automatic,
                      statistics[index].median);
  };
  advice.use = advice.fastest;
  for (std::size_t index = 0; index < statistics.size(); ++index) {
    if (index == advice.fastest || !as_good(statistics[index], *fastest)) continue;
    advice.as_good.push_back(index);
    if (rank(index) < rank(advice.use)) advice.use = index;
  }
  return advice;
}

std::string setting_text(const BenchReport& report, std::size_t index) {
  const BenchSetting& setting = report.settings[index];
  std::string text =
      fmt::format("{}, {} batches", counted(setting.workers, "worker"), batch_size_word(setting.batch_bytes));
  if (varies(report, &BenchSetting::wire)) text += fmt::format(", --wire {}", to_string(setting.wire));
  if (setting.indexes == BenchIndexes::none) text += ", secondary indexes built afterwards";
  return text;
}

std::string shell_word(const std::string& word) {
  static constexpr std::string_view kPlain =
      "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789@%+=:,./_-";
  if (!word.empty() && word.find_first_not_of(kPlain) == std::string::npos) return word;
  std::string quoted = "'";
  for (const char byte : word) {
    if (byte == '\'') {
      quoted += "'\\''";
    } else {
      quoted += byte;
    }
  }
  return quoted + "'";
}

std::string batch_size_word(std::size_t bytes) {
  static constexpr std::pair<std::size_t, const char*> kUnits[] = {
      {std::size_t{1} << 30, "GB"}, {std::size_t{1} << 20, "MB"}, {std::size_t{1} << 10, "KB"}};
  for (const auto& [unit, name] : kUnits) {
    if (bytes != 0 && bytes % unit == 0) return fmt::format("{}{}", bytes / unit, name);
  }
  return fmt::format("{}", bytes);
}

std::string bench_command(const BenchReport& report, const BenchSetting& setting) {
  std::string command = "hypercopy load";
  for (const auto& word : report.command) command += " " + shell_word(word);
  command += fmt::format(" -j {} --batch-bytes {}", setting.workers, batch_size_word(setting.batch_bytes));
  if (setting.wire != Wire::automatic) command += fmt::format(" --wire {}", to_string(setting.wire));
  for (const auto& file : report.files) {
    command += " " + shell_word(file.starts_with('-') ? "./" + file : file);
  }
  return command;
}

}  // namespace hypercopy
