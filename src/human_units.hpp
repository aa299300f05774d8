// Numbers as people read them: the one place that chooses units, decimals and separators.
// Shape:   pure functions, independent of the locale.
// Units:   bytes are decimal (1 MB = 1,000,000 bytes); a rate over no time is 0.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace hypercopy {

// "1,254,000"
[[nodiscard]] std::string grouped(std::uint64_t count);
// "1 row", "1,254,000 rows"; `singular` takes an s in the plural unless `plural` is given.
[[nodiscard]] std::string counted(std::uint64_t count, std::string_view singular,
                                  std::string_view plural = {});
// "812 bytes", "58.1 kB", "522.0 MB", "1.20 GB"
[[nodiscard]] std::string human_bytes(std::uint64_t bytes);
// "218.4/522.0 MB": both in the unit of the larger.
[[nodiscard]] std::string human_bytes_of(std::uint64_t bytes, std::uint64_t total);
// "850 kB/s", "124.3 MB/s", "2.31 GB/s"
[[nodiscard]] std::string human_byte_rate(double bytes_per_second);
// "9,876", "598k", "1.25M": at most five characters up to a billion.
[[nodiscard]] std::string short_count(double count);
// "0:03", "12:34", "1:02:03"
[[nodiscard]] std::string clock_time(std::chrono::nanoseconds time);
// "0.04 s", "4.2 s", "1 min 13 s", "3 h 02 min"
[[nodiscard]] std::string human_time(std::chrono::nanoseconds time);

[[nodiscard]] double seconds(std::chrono::nanoseconds time);
[[nodiscard]] double per_second(std::uint64_t amount, std::chrono::nanoseconds time);

}  // namespace hypercopy
