// What `hypercopy bench` will run, and in which order: pure functions.
#pragma once

#include <chrono>
#include <cstdint>
#include <vector>

#include "hypercopy/ingest_bench.hpp"

namespace hypercopy {

// Records of the warm-up, by which the length of a run is guessed.
inline constexpr std::uint64_t kWarmUpRecords = 200'000;

// The product of the lists, each value once, in the order in which they were given; the last list varies
// fastest.
[[nodiscard]] std::vector<BenchSetting> bench_settings(const BenchGrid& grid);

// Indexes into `settings`, all of them in each round. Rounds begin with different settings as far as there
// are enough, so that what the machine does meanwhile does not always meet the same ones.
[[nodiscard]] std::vector<std::size_t> bench_round(std::size_t settings, unsigned round, unsigned rounds);

// How many records each run may load so that all of them take about `budget`, given that the warm-up loaded
// `records` in `time`; two significant digits, and not less than the warm-up had.
[[nodiscard]] std::uint64_t records_within(std::chrono::seconds budget, std::size_t runs,
                                           std::uint64_t records, std::chrono::nanoseconds time);

// The workers that are tried when --workers is not given: 1, 2, 4 and so on up to the greatest of 4 and `jobs`.
[[nodiscard]] std::vector<unsigned> default_bench_workers(unsigned jobs);

}  // namespace hypercopy
