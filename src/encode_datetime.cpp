#include "encode_datetime.hpp"

#include <limits>

#include "datetime_digits.hpp"

namespace hypercopy {

namespace {

using digits::digit;
using digits::is_digit;
using digits::kMicrosPerHour;
using digits::kMicrosPerSecond;
using digits::two_digits;
using digits::Word;

// Years of a day; 1 BC is year 0.
constexpr std::int32_t kFirstYear = 1 - 4714;
constexpr std::int32_t kLastYear = 5'874'897;
// Days since 2000-01-01 of 4714-11-24 BC, and of the first days that are too late: 5874898-01-01 and
// 294277-01-01. Source: src/include/datatype/timestamp.h.
constexpr std::int32_t kFirstDay = -2'451'545;
constexpr std::int32_t kEndOfDates = 2'145'031'949;
constexpr std::int32_t kEndOfTimestamps = 106'751'983;
constexpr std::int64_t kMicrosPerDay = 24 * kMicrosPerHour;

// substr() without its check and its exception. REQUIRES: at <= text.size().
std::string_view behind(std::string_view text, std::size_t at) {
  text.remove_prefix(at);
  return text;
}

bool is_leap(std::int32_t year) { return year % 4 == 0 && (year % 100 != 0 || year % 400 == 0); }

unsigned days_of_month(std::int32_t year, unsigned month) {
  if (month == 2) return is_leap(year) ? 29 : 28;
  // Long months are the odd ones up to July and the even ones from August on.
  return 30 + ((month + (month >> 3U)) & 1U);
}

// Days since 2000-01-01 in the proleptic Gregorian calendar. REQUIRES: a day that exists, of a year from
// kFirstYear to kLastYear.
std::int32_t days_since_2000(std::int32_t year, unsigned month, unsigned day) {
  // Counted from March of a year that 400 divides: leap days end years, and nothing is negative.
  const bool early = month <= 2;
  const auto y = static_cast<std::uint32_t>(year + 4800) - (early ? 1U : 0U);
  const std::uint32_t m = early ? month + 9 : month - 3;
  const std::uint32_t days = 365 * y + y / 4 - y / 100 + y / 400 + (153 * m + 2) / 5 + (day - 1);
  constexpr std::uint32_t kDaysTo2000 = 6800 / 400 * 146'097 - 60;
  return static_cast<std::int32_t>(days - kDaysTo2000);
}

bool day_exists(std::int32_t year, unsigned month, unsigned day) {
  return month - 1 < 12 && day - 1 < 31 && (day <= 28 || day <= days_of_month(year, month));
}

struct Day {
  std::size_t length = 0;  // of its text; 0: not taken
  std::int32_t days = 0;   // since 2000-01-01
};

inline Day checked_day(std::size_t length, std::int32_t year, unsigned month, unsigned day) {
  if (!day_exists(year, month, day)) return {};
  return {length, days_since_2000(year, month, day)};
}

// A day in front of the text whose year has 5 to 7 digits, not beginning with 0. Rare, so kept out of line;
// what is said to be inline below is so by measurement (a sixth of the time of a timestamptz).
[[gnu::noinline]] Day read_far_day(std::string_view text) {
  std::size_t length = 0;
  std::int32_t year = 0;
  while (length < 7 && length < text.size() && is_digit(text[length]))
    year = year * 10 + static_cast<std::int32_t>(digit(text[length++]));
  if (length < 5 || text[0] == '0' || year > kLastYear) return {};
  const std::string_view rest = behind(text, length);
  if (rest.size() < 6 || rest[0] != '-' || rest[3] != '-') return {};
  return checked_day(length + 6, year, two_digits(&rest[1]), two_digits(&rest[4]));
}

// A day in front of the text; `bc`: its year is before Christ. The day before the first one is read too: west of
// Greenwich it has moments that exist.
inline Day read_day(std::string_view text, bool bc) {
  if (text.size() < 10) return {};
  const Word word(text.data(), "0000-00-");
  if (!word.matches()) return bc ? Day{} : read_far_day(text);
  const auto year = static_cast<std::int32_t>(100 * word.pair(0) + word.pair(2));
  if (year == 0) return {};
  if (bc && 1 - year < kFirstYear) return {};
  const Day day = checked_day(10, bc ? 1 - year : year, word.pair(5), two_digits(&text[8]));
  return day.days >= kFirstDay - 1 ? day : Day{};
}

struct Time {
  std::size_t length = 0;  // of its text; 0: not taken
  std::int64_t micros = 0;
};

// HH:MM[:SS[.f]] in front of the text.
inline Time read_time(std::string_view text) {
  if (text.size() < 8 || text[5] != ':') {
    if (text.size() < 5 || text[2] != ':') return {};
    const unsigned hour = two_digits(&text[0]);
    const unsigned minute = two_digits(&text[3]);
    if (hour >= 24 || minute >= 60) return {};
    return {5, (hour * 60 + minute) * 60 * kMicrosPerSecond};
  }
  const Word word(text.data(), "00:00:00");
  const unsigned hour = word.pair(0);
  const unsigned minute = word.pair(3);
  const unsigned second = word.pair(6);
  if (!word.matches() || hour >= 24 || minute >= 60 || second >= 60) return {};
  const std::int64_t micros = (hour * 3600 + minute * 60 + second) * kMicrosPerSecond;
  if (text.size() == 8 || text[8] != '.') return {8, micros};
  const digits::Fraction fraction = digits::read_fraction(behind(text, 8), 9);
  if (fraction.length == 0) return {};
  return {8 + fraction.length, micros + fraction.micros};
}

// The time of day that the server prints at the end of a day; the types that have a date know no such thing.
constexpr std::string_view kEndOfDay = "24:00:00";
Time read_time_of_day(std::string_view text) {
  const Time time = read_time(text);
  if (time.length != 0 || !text.starts_with(kEndOfDay)) return time;
  return {kEndOfDay.size(), kMicrosPerDay};
}

struct Offset {
  bool known = false;
  std::int32_t seconds_east = 0;  // of UTC
};

// HH, HHMM, HH:MM or HH:MM:SS, the whole of the text.
Offset read_displacement(std::string_view text) {
  const std::size_t size = text.size();
  if (size < 2) return {};
  const unsigned hour = two_digits(text.data());
  if (hour >= 16) return {};
  if (size == 2) return {true, static_cast<std::int32_t>(hour * 3600)};
  const bool colons = (size == 5 || size == 8) && text[2] == ':' && (size == 5 || text[5] == ':');
  if (size != 4 && !colons) return {};
  const unsigned minute = two_digits(&text[size == 4 ? 2 : 3]);
  const unsigned second = size == 8 ? two_digits(&text[6]) : 0;
  if (minute >= 60 || second >= 60) return {};
  return {true, static_cast<std::int32_t>(hour * 3600 + minute * 60 + second)};
}

Offset read_signed_offset(std::string_view text) {
  if (text.empty() || (text[0] != '+' && text[0] != '-')) return {};
  const Offset offset = read_displacement(behind(text, 1));
  return {offset.known, text[0] == '-' ? -offset.seconds_east : offset.seconds_east};
}

// The offset that is the whole of the text. No text: the session's, if that is known.
Offset read_offset(std::string_view text, const FieldType& type) {
  if (text.empty()) return {type.settings.utc, 0};
  if (text == "Z" || text == " UTC") return {true, 0};
  return read_signed_offset(text[0] == ' ' ? behind(text, 1) : text);
}

// What stands in front of " BC", else the whole text.
std::string_view without_bc(std::string_view text) {
  const bool bc = !text.empty() && text.back() == 'C' && text.ends_with(" BC");
  return {text.data(), text.size() - (bc ? 3 : 0)};
}

// Day and time of day in front of the text, day alone for midnight; `bc`: its year is before Christ. The days next
// to the first and the last are read too: is_timestamp() tells whether an offset makes them one that exists.
inline Time read_timestamp(std::string_view text, bool bc) {
  const Day day = read_day(text, bc);
  if (day.length == 0 || day.days > kEndOfTimestamps) return {};
  const std::int64_t midnight = day.days * kMicrosPerDay;
  if (day.length == text.size()) return {day.length, midnight};
  const char separator = text[day.length];
  if (separator != ' ' && separator != 'T') return {};
  const Time time = read_time(behind(text, day.length + 1));
  if (time.length == 0) return {};
  return {day.length + 1 + time.length, midnight + time.micros};
}

bool is_timestamp(std::int64_t micros) {
  return micros >= kFirstDay * kMicrosPerDay && micros < kEndOfTimestamps * kMicrosPerDay;
}

bool equals_ignoring_case(std::string_view text, std::string_view lower) {
  if (text.size() != lower.size()) return false;
  for (std::size_t at = 0; at < text.size(); ++at) {
    const char byte = text[at];
    if ((byte >= 'A' && byte <= 'Z' ? static_cast<char>(byte - 'A' + 'a') : byte) != lower[at]) return false;
  }
  return true;
}

// The extreme values of the integer stand for the infinities.
template <std::signed_integral Integer>
bool encode_infinity(std::string_view text, BinaryBuffer& out) {
  if (equals_ignoring_case(text, "infinity")) {
    out.put_field(std::numeric_limits<Integer>::max());
    return true;
  }
  if (equals_ignoring_case(text, "-infinity")) {
    out.put_field(std::numeric_limits<Integer>::min());
    return true;
  }
  return false;
}

}  // namespace

bool encode_date(std::string_view text, const FieldType&, BinaryBuffer& out) {
  const std::string_view front = without_bc(text);
  const Day day = read_day(front, front.size() != text.size());
  if (day.length == 0) return encode_infinity<std::int32_t>(text, out);
  if (day.length != front.size() || day.days < kFirstDay || day.days >= kEndOfDates) return false;
  out.put_field(day.days);
  return true;
}

bool encode_time(std::string_view text, const FieldType&, BinaryBuffer& out) {
  const Time time = read_time_of_day(text);
  if (time.length == 0 || time.length != text.size()) return false;
  out.put_field(time.micros);
  return true;
}

bool encode_timetz(std::string_view text, const FieldType& type, BinaryBuffer& out) {
  const Time time = read_time_of_day(text);
  if (time.length == 0) return false;
  const Offset offset = read_offset(behind(text, time.length), type);
  if (!offset.known) return false;
  out.put(std::int32_t{12});
  out.put(time.micros);
  out.put(-offset.seconds_east);
  return true;
}

bool encode_timestamp(std::string_view text, const FieldType&, BinaryBuffer& out) {
  const std::string_view front = without_bc(text);
  const Time time = read_timestamp(front, front.size() != text.size());
  if (time.length == 0) return encode_infinity<std::int64_t>(text, out);
  if (time.length != front.size() || !is_timestamp(time.micros)) return false;
  out.put_field(time.micros);
  return true;
}

bool encode_timestamptz(std::string_view text, const FieldType& type, BinaryBuffer& out) {
  const std::string_view front = without_bc(text);
  const Time time = read_timestamp(front, front.size() != text.size());
  if (time.length == 0) return encode_infinity<std::int64_t>(text, out);
  const Offset offset = read_offset(behind(front, time.length), type);
  if (!offset.known) return false;
  // Both ends are far enough from those of the integer for any offset.
  const std::int64_t micros = time.micros - offset.seconds_east * kMicrosPerSecond;
  if (!is_timestamp(micros)) return false;
  out.put_field(micros);
  return true;
}

}  // namespace hypercopy
