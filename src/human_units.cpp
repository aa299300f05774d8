#include "human_units.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>

namespace hypercopy {
namespace {

struct ByteUnit {
  double size;
  int decimals;
  std::string_view name;
};

constexpr std::array<ByteUnit, 5> kByteUnits{{
    {1e12, 2, "TB"},
    {1e9, 2, "GB"},
    {1e6, 1, "MB"},
    {1e3, 1, "kB"},
    {1, 0, "bytes"},
}};

// The largest unit in which the number, rounded as it will be printed, is at least 1: 999,960 bytes are
// 1.0 MB, not 1000.0 kB.
const ByteUnit& unit_for(double bytes) {
  const auto* unit = std::find_if(kByteUnits.begin(), kByteUnits.end() - 1, [&](const ByteUnit& candidate) {
    const double lost_to_rounding = candidate.size * 0.5e-4;
    return bytes + lost_to_rounding >= candidate.size;
  });
  return *unit;
}

std::uint64_t whole_seconds(std::chrono::nanoseconds time) {
  const auto whole = std::chrono::duration_cast<std::chrono::seconds>(time).count();
  return whole > 0 ? static_cast<std::uint64_t>(whole) : 0;
}

}  // namespace

std::string grouped(std::uint64_t count) { return fmt::format("{}", fmt::group_digits(count)); }

std::string counted(std::uint64_t count, std::string_view singular, std::string_view plural) {
  if (count == 1) {
    return fmt::format("1 {}", singular);
  }
  return plural.empty() ? fmt::format("{} {}s", grouped(count), singular)
                        : fmt::format("{} {}", grouped(count), plural);
}

std::string human_bytes(std::uint64_t bytes) {
  if (bytes == 1) {
    return "1 byte";
  }
  const auto amount = static_cast<double>(bytes);
  const ByteUnit& unit = unit_for(amount);
  return fmt::format("{:.{}f} {}", amount / unit.size, unit.decimals, unit.name);
}

std::string human_bytes_of(std::uint64_t bytes, std::uint64_t total) {
  const ByteUnit& unit = unit_for(static_cast<double>(std::max(bytes, total)));
  return fmt::format("{:.{}f}/{:.{}f} {}", static_cast<double>(bytes) / unit.size, unit.decimals,
                     static_cast<double>(total) / unit.size, unit.decimals, unit.name);
}

std::string human_byte_rate(double bytes_per_second) {
  const ByteUnit& unit = unit_for(std::max(bytes_per_second, 1000.0));
  return fmt::format("{:.{}f} {}/s", bytes_per_second / unit.size, unit.decimals, unit.name);
}

std::string short_count(double count) {
  if (count < 9999.5) {
    return grouped(static_cast<std::uint64_t>(std::llround(std::max(count, 0.0))));
  }
  if (count < 999.5e3) {
    return fmt::format("{:.0f}k", count / 1e3);
  }
  return fmt::format("{:.{}f}M", count / 1e6, count < 99.95e6 ? 2 : 0);
}

std::string clock_time(std::chrono::nanoseconds time) {
  const std::uint64_t total = whole_seconds(time);
  const std::uint64_t hours = total / 3600;
  const std::uint64_t minutes = total / 60 % 60;
  return hours > 0 ? fmt::format("{}:{:02}:{:02}", hours, minutes, total % 60)
                   : fmt::format("{}:{:02}", minutes, total % 60);
}

std::string human_time(std::chrono::nanoseconds time) {
  const double exact = seconds(time);
  if (exact < 59.95) {
    return fmt::format("{:.{}f} s", exact, exact < 0.95 ? 2 : 1);
  }
  const auto total = static_cast<std::uint64_t>(std::llround(exact));
  if (total < 3600) {
    return fmt::format("{} min {:02} s", total / 60, total % 60);
  }
  return fmt::format("{} h {:02} min", total / 3600, total / 60 % 60);
}

double seconds(std::chrono::nanoseconds time) { return std::chrono::duration<double>(time).count(); }

double per_second(std::uint64_t amount, std::chrono::nanoseconds time) {
  return time.count() > 0 ? static_cast<double>(amount) / seconds(time) : 0.0;
}

}  // namespace hypercopy
