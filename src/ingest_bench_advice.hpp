// What the runs of a bench say: median and spread per setting, the best setting, the command that uses it.
// Pure functions.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <optional>
#include <string>
#include <vector>

#include "hypercopy/ingest_bench.hpp"

namespace hypercopy {

// Of the runs of one setting. Median, least and greatest are of BenchRun::total(); what stands beside it are
// medians too.
struct BenchStatistics {
  using Duration = std::chrono::nanoseconds;
  std::size_t runs = 0;  // 0: nothing else means anything
  Duration median{};     // of an even count: the mean of the two in the middle
  Duration least{};
  Duration greatest{};
  Duration load{};
  Duration index_build{};
  Duration client_cpu{};
  double waiting_for_server = 0;
  double rows_per_second = 0;  // over the median
  double bytes_per_second = 0;
};

// One for each setting of the report.
[[nodiscard]] std::vector<BenchStatistics> bench_statistics(const BenchReport& report);

struct BenchAdvice {
  std::size_t use = 0;                 // index of the setting to use
  std::size_t fastest = 0;             // that with the least median; another than `use` only within the noise
  std::vector<std::size_t> as_good{};  // the other settings that cannot be told from the fastest
};

// Nothing where a setting has no run. Settings are as good as the fastest when their median is at most 3 %
// above its, or at most 10 % and their fastest run is not slower than its slowest. Of those the simplest is
// used: indexes kept, then the fewest workers, the default batch size, --wire auto, then the lower median.
[[nodiscard]] std::optional<BenchAdvice> bench_advice(const BenchReport& report,
                                                      const std::vector<BenchStatistics>& statistics);

// "hypercopy load -d mydb -t cpu -j 2 --batch-bytes 4MB cpu.csv", quoted for a shell. --wire only where it is
// not the default.
[[nodiscard]] std::string bench_command(const BenchReport& report, const BenchSetting& setting);

// Whether the settings of the report differ in this.
template <typename Value>
[[nodiscard]] bool varies(const BenchReport& report, Value BenchSetting::*member) {
  return std::ranges::any_of(report.settings, [&](const BenchSetting& setting) {
    return setting.*member != report.settings.front().*member;
  });
}

// "2 workers, 4MB batches, --wire csv, secondary indexes built afterwards": what is not said is the same in all.
[[nodiscard]] std::string setting_text(const BenchReport& report, std::size_t index);

// A word as a POSIX shell reads it back.
[[nodiscard]] std::string shell_word(const std::string& word);

// "4MB", "512KB", "1000": as --batch-bytes takes it.
[[nodiscard]] std::string batch_size_word(std::size_t bytes);

}  // namespace hypercopy
