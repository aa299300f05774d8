#include "time_text.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <limits>

#include "human_units.hpp"
#include "hypercopy/field_encoder.hpp"

namespace hypercopy {

namespace {

using Limits = std::numeric_limits<std::int64_t>;
constexpr std::int64_t kSecond = 1'000'000;

bool is_integer(std::uint32_t type_oid) {
  return type_oid == type_oid::kInt2 || type_oid == type_oid::kInt4 || type_oid == type_oid::kInt8;
}

// std::chrono's calendar ends there; later times are shown as what they most likely stand for.
constexpr std::int64_t kCalendarEnd =
    std::chrono::microseconds(std::chrono::sys_days(std::chrono::year(32767) / 1 / 1).time_since_epoch())
        .count();

// Years before 1 are written as PostgreSQL reads them: 1 BC is the year 0 of the calendar.
std::string date_text(std::chrono::sys_days day) {
  const std::chrono::year_month_day date(day);
  const int year = static_cast<int>(date.year());
  return fmt::format("{:04}-{:02}-{:02}", year > 0 ? year : 1 - year, static_cast<unsigned>(date.month()),
                     static_cast<unsigned>(date.day()));
}

}  // namespace

std::string time_text(std::int64_t value, std::uint32_t type_oid) {
  if (is_integer(type_oid)) return fmt::format("{}", value);
  if (value >= kCalendarEnd) return "infinity";
  if (value == Limits::min()) return "-infinity";
  const std::chrono::sys_time<std::chrono::microseconds> time{std::chrono::microseconds(value)};
  const auto day = std::chrono::floor<std::chrono::days>(time);
  const std::string era = std::chrono::year_month_day(day).year() > std::chrono::year(0) ? "" : " BC";
  if (type_oid == type_oid::kDate) return date_text(day) + era;
  const std::int64_t in_day = (time - day).count();
  const std::int64_t whole = in_day / kSecond;
  std::string text =
      fmt::format("{} {:02}:{:02}:{:02}", date_text(day), whole / 3600, whole / 60 % 60, whole % 60);
  if (in_day % kSecond != 0) {
    text += fmt::format(".{:06}", in_day % kSecond);
    text.erase(text.find_last_not_of('0') + 1);
  }
  return text + (type_oid == type_oid::kTimestamp ? "" : "+00") + era;
}

std::string span_text(std::uint64_t span, std::uint32_t type_oid) {
  if (is_integer(type_oid)) return grouped(span);
  constexpr std::uint64_t kMinute = std::uint64_t{60} * kSecond;
  constexpr std::uint64_t kHour = 60 * kMinute;
  constexpr std::uint64_t kDay = 24 * kHour;
  if (span >= 2 * kDay || (span > 0 && span % kDay == 0)) return counted(span / kDay, "day");
  if (span > 0 && span % kHour == 0) return counted(span / kHour, "hour");
  if (span > 0 && span < 2 * kHour && span % kMinute == 0) return counted(span / kMinute, "minute");
  return human_time(std::chrono::microseconds(static_cast<std::int64_t>(span)));
}

}  // namespace hypercopy
