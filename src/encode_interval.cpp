// Intervals as IntervalStyle postgres prints them ("-1 years +2 mons 3 days 04:05:06.789") and as iso_8601
// does
// ("P-1Y2M3DT4H5M6.789S"): each unit at most once, in this order, with whole numbers except for the seconds.
#include <array>
#include <limits>

#include "datetime_digits.hpp"
#include "encode_datetime.hpp"

namespace hypercopy {

namespace {

using digits::digit;
using digits::is_digit;
using digits::kMicrosPerHour;
using digits::kMicrosPerSecond;
using digits::two_digits;

constexpr std::int64_t kMicrosPerMinute = 60 * kMicrosPerSecond;
constexpr std::int64_t kMaxNumber = std::numeric_limits<std::int32_t>::max();
constexpr std::int64_t kMaxHours = std::numeric_limits<std::int64_t>::max() / kMicrosPerHour;
// The server's reader has room for 256 bytes, each number and word with one behind it. Only zeros in front make
// a text as long.
constexpr std::size_t kLongestText = 128;
constexpr int kFirstVersionWithLongHours = 150000;
constexpr int kFirstVersionWithInfinity = 170000;

struct Interval {
  std::int64_t years = 0;
  std::int64_t months = 0;
  std::int64_t days = 0;
  std::int64_t micros = 0;
};

// A sign at the front of the text, or 0.
char take_sign(std::string_view& text) {
  if (text.empty() || (text[0] != '+' && text[0] != '-')) return 0;
  const char sign = text[0];
  text.remove_prefix(1);
  return sign;
}

// At least one digit, and a number of at most `most`.
bool take_number(std::string_view& text, std::int64_t most, std::int64_t& number) {
  std::size_t length = 0;
  number = 0;
  while (length < text.size() && is_digit(text[length])) {
    number = number * 10 + digit(text[length++]);
    if (number > most) return false;
  }
  text.remove_prefix(length);
  return length > 0;
}

std::int64_t with_sign(char sign, std::int64_t number) { return sign == '-' ? -number : number; }

// ":MM:SS[.f]" behind the hours, the whole of the text. "HH:MM" means minutes and seconds in a column of type
// interval minute to second.
bool read_behind_hours(std::string_view text, std::int64_t& micros) {
  if (text.size() < 6 || text[0] != ':' || text[3] != ':') return false;
  const unsigned minute = two_digits(&text[1]);
  const unsigned second = two_digits(&text[4]);
  if (minute >= 60 || second >= 60) return false;
  text.remove_prefix(6);
  const digits::Fraction fraction = digits::read_fraction(text, 6);
  micros = minute * kMicrosPerMinute + second * kMicrosPerSecond + fraction.micros;
  return fraction.length == text.size();
}

struct Unit {
  std::string_view one;
  std::string_view many;
  std::int64_t Interval::*number;
};
constexpr std::array<Unit, 3> kUnits{{
    {"year", "years", &Interval::years},
    {"mon", "mons", &Interval::months},
    {"day", "days", &Interval::days},
}};

// The unit at the front of the text, sought from `from` on; kUnits.size() when there is none.
std::size_t take_unit(std::string_view& text, std::size_t from) {
  const std::string_view word = text.substr(0, text.find(' '));
  while (from < kUnits.size() && word != kUnits[from].one && word != kUnits[from].many) ++from;
  text.remove_prefix(word.size());
  return from;
}

// What the signs of a text say together.
struct Signs {
  bool first_is_minus = false;
  std::size_t numbers = 0;
  std::size_t later_signs = 0;

  void count(char sign) {
    if (numbers == 0) first_is_minus = sign == '-';
    if (numbers > 0 && sign != 0) ++later_signs;
    ++numbers;
  }
  // IntervalStyle sql_standard reads a minus in front as that of all numbers, if it is the only sign.
  [[nodiscard]] bool ambiguous() const { return first_is_minus && numbers > 1 && later_signs == 0; }
};

// Servers up to 14 keep every number in 32 bits.
bool read_postgres(std::string_view text, int server_version, Interval& interval) {
  const std::int64_t most_hours = server_version < kFirstVersionWithLongHours ? kMaxNumber : kMaxHours;
  Signs signs;
  std::size_t next_unit = 0;
  while (true) {
    const char sign = take_sign(text);
    signs.count(sign);
    std::int64_t number = 0;
    if (!take_number(text, kMaxHours, number) || text.empty()) return false;
    if (text[0] == ':') {
      std::int64_t micros = 0;
      if (number > most_hours || !read_behind_hours(text, micros)) return false;
      // The server reads the time without its sign: there is one microsecond less below zero than it has.
      if (micros > std::numeric_limits<std::int64_t>::max() - number * kMicrosPerHour) return false;
      interval.micros = with_sign(sign, number * kMicrosPerHour + micros);
      return !signs.ambiguous();
    }
    if (text[0] != ' ' || number > kMaxNumber + (sign == '-' ? 1 : 0)) return false;
    text.remove_prefix(1);
    const std::size_t unit = take_unit(text, next_unit);
    if (unit == kUnits.size()) return false;
    interval.*kUnits[unit].number = with_sign(sign, number);
    next_unit = unit + 1;
    if (text.empty()) return !signs.ambiguous();
    text.remove_prefix(1);
  }
}

struct Designator {
  char letter;
  bool of_time;
  std::int64_t Interval::*number;
  std::int64_t factor;
};
constexpr std::array<Designator, 6> kDesignators{{
    {'Y', false, &Interval::years, 1},
    {'M', false, &Interval::months, 1},
    {'D', false, &Interval::days, 1},
    {'H', true, &Interval::micros, kMicrosPerHour},
    {'M', true, &Interval::micros, kMicrosPerMinute},
    {'S', true, &Interval::micros, kMicrosPerSecond},
}};

// The text behind the P.
bool read_iso(std::string_view text, Interval& interval) {
  std::size_t next = 0;
  bool in_time = false;
  while (true) {
    if (!in_time && !text.empty() && text[0] == 'T') {
      in_time = true;
      text.remove_prefix(1);
    }
    // The server takes no plus here.
    if (!text.empty() && text[0] == '+') return false;
    const char sign = take_sign(text);
    std::int64_t number = 0;
    if (!take_number(text, kMaxNumber, number)) return false;
    // The server reads a double: below 2^31 all microseconds are told apart. The largest number with a
    // fraction is too large for servers up to 14.
    const digits::Fraction fraction = digits::read_fraction(text, 6);
    const bool has_fraction = fraction.length > 0;
    if (has_fraction && number == kMaxNumber) return false;
    text.remove_prefix(fraction.length);
    if (text.empty()) return false;
    while (next < kDesignators.size() &&
           (kDesignators[next].letter != text[0] || kDesignators[next].of_time != in_time))
      ++next;
    if (next == kDesignators.size()) return false;
    const Designator& found = kDesignators[next++];
    if (has_fraction && found.letter != 'S') return false;
    interval.*found.number += with_sign(sign, number * found.factor + fraction.micros);
    text.remove_prefix(1);
    if (text.empty()) return true;
  }
}

void put_interval(std::int64_t micros, std::int32_t days, std::int32_t months, BinaryBuffer& out) {
  out.put(std::int32_t{16});
  out.put(micros);
  out.put(days);
  out.put(months);
}

// As the server prints them; the extreme values of the three numbers stand for them.
bool encode_infinity(std::string_view text, BinaryBuffer& out) {
  using Micros = std::numeric_limits<std::int64_t>;
  using Number = std::numeric_limits<std::int32_t>;
  if (text == "infinity") {
    put_interval(Micros::max(), Number::max(), Number::max(), out);
  } else if (text == "-infinity") {
    put_interval(Micros::min(), Number::min(), Number::min(), out);
  } else {
    return false;
  }
  return true;
}

}  // namespace

bool encode_interval(std::string_view text, const FieldType& type, BinaryBuffer& out) {
  if (text.size() > kLongestText) return false;
  const int version = type.settings.server_version;
  if (version >= kFirstVersionWithInfinity && encode_infinity(text, out)) return true;
  Interval interval;
  const bool iso = !text.empty() && text[0] == 'P';
  if (iso ? !read_iso(text.substr(1), interval) : !read_postgres(text, version, interval)) return false;
  const std::int64_t months = interval.years * 12 + interval.months;
  if (months > kMaxNumber || months < -kMaxNumber - 1) return false;
  put_interval(interval.micros, static_cast<std::int32_t>(interval.days), static_cast<std::int32_t>(months),
               out);
  return true;
}

}  // namespace hypercopy
