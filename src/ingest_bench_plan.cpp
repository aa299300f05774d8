#include "ingest_bench_plan.hpp"

#include <algorithm>
#include <cmath>

#include "human_units.hpp"

namespace hypercopy {

namespace {

template <typename T>
std::vector<T> each_once(const std::vector<T>& values) {
  std::vector<T> result;
  for (const T& value : values) {
    if (std::ranges::find(result, value) == result.end()) result.push_back(value);
  }
  return result;
}

std::uint64_t two_digits(double count) {
  // Beyond this every input is loaded whole.
  constexpr double kMost = 1e18;
  if (count >= kMost) return static_cast<std::uint64_t>(kMost);
  std::uint64_t unit = 1;
  while (count / static_cast<double>(unit) >= 100) unit *= 10;
  return static_cast<std::uint64_t>(count / static_cast<double>(unit)) * unit;
}

}  // namespace

std::vector<BenchSetting> bench_settings(const BenchGrid& grid) {
  std::vector<BenchSetting> settings;
  for (const unsigned workers : each_once(grid.workers)) {
    for (const std::size_t bytes : each_once(grid.batch_bytes)) {
      for (const Wire wire : each_once(grid.wires)) {
        for (const BenchIndexes indexes : each_once(grid.indexes)) {
          settings.push_back({.workers = workers, .batch_bytes = bytes, .wire = wire, .indexes = indexes});
        }
      }
    }
  }
  return settings;
}

std::vector<std::size_t> bench_round(std::size_t settings, unsigned round, unsigned rounds) {
  const std::size_t step = std::max<std::size_t>(1, settings / std::max(rounds, 1U));
  std::vector<std::size_t> order(settings);
  for (std::size_t place = 0; place < settings; ++place) order[place] = (round * step + place) % settings;
  return order;
}

std::uint64_t records_within(std::chrono::seconds budget, std::size_t runs, std::uint64_t records,
                             std::chrono::nanoseconds time) {
  const double seconds_per_run =
      static_cast<double>(budget.count()) / static_cast<double>(std::max<std::size_t>(runs, 1));
  return std::max(records, two_digits(per_second(records, time) * seconds_per_run));
}

std::vector<unsigned> default_bench_workers(unsigned jobs) {
  std::vector<unsigned> workers;
  for (unsigned count = 1; count <= std::max(4U, jobs); count *= 2) workers.push_back(count);
  return workers;
}

}  // namespace hypercopy
