#include "support/binary_reread.hpp"

#include <arpa/inet.h>
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <regex>

#include "hypercopy/field_encoder.hpp"

namespace hypercopy::test {

namespace {

using namespace type_oid;  // NOLINT(google-build-using-namespace): the switch below names all of them

constexpr long long kDay = 86'400'000'000;

// Compiled once each: a pattern is known by its address. No date or interval is as long as the limit.
bool matches(const std::string& text, const char* pattern, std::smatch& found) {
  constexpr std::size_t kLongestText = 200;
  static std::map<const char*, std::regex> compiled;
  auto known = compiled.find(pattern);
  if (known == compiled.end())
    known = compiled.emplace(pattern, std::regex(pattern, std::regex::icase)).first;
  return text.size() <= kLongestText && std::regex_match(text, found, known->second);
}

// "-", digits, "." and digits, and where there may be a fraction, "e" and an integer.
bool is_number(std::string_view text, bool fraction) {
  const auto take_digits = [&] {
    const std::size_t digits = std::min(text.find_first_not_of("0123456789"), text.size());
    text.remove_prefix(digits);
    return digits;
  };
  const auto take = [&](std::string_view bytes) {
    const bool found = !text.empty() && bytes.find(text.front()) != std::string_view::npos;
    text.remove_prefix(found ? 1 : 0);
    return found;
  };
  take("-");
  std::size_t digits = take_digits();
  if (fraction && take(".")) digits += take_digits();
  if (digits == 0) return false;
  if (!fraction || !take("eE")) return text.empty();
  take("+-");
  return take_digits() > 0 && text.empty();
}

std::string lowered(std::string text) {
  for (char& byte : text) byte = byte >= 'A' && byte <= 'Z' ? static_cast<char>(byte + 32) : byte;
  return text;
}

std::string hex(std::string_view bytes) {
  std::string digits;
  for (const char byte : bytes) digits += fmt::format("{:02x}", static_cast<unsigned char>(byte));
  return digits;
}

// Sign, digits without zeros at either end, and the power of ten of the last of them.
std::string canonical(bool negative, std::string digits, long exponent) {
  while (!digits.empty() && digits.back() == '0') {
    digits.pop_back();
    ++exponent;
  }
  digits.erase(0, digits.find_first_not_of('0'));
  return digits.empty() ? "0" : fmt::format("{}{}e{}", negative ? "-" : "", digits, exponent);
}

std::string number_in(const std::string& text) {
  std::string digits;
  long behind_point = 0;
  bool point = false;
  std::size_t at = text.front() == '-' ? 1 : 0;
  for (; at < text.size() && text[at] != 'e' && text[at] != 'E'; ++at) {
    if (text[at] == '.') {
      point = true;
    } else {
      digits += text[at];
      behind_point += point ? 1 : 0;
    }
  }
  const long exponent = at < text.size() ? std::strtol(text.c_str() + at + 1, nullptr, 10) : 0;
  return canonical(text.front() == '-', digits, exponent - behind_point);
}

std::string numeric_in(std::string_view bytes) {
  const auto groups = take_integer(bytes, 2);
  const auto weight = static_cast<std::int16_t>(take_integer(bytes, 2));
  const auto sign = take_integer(bytes, 2);
  const auto scale = take_integer(bytes, 2);
  if (sign == 0xc000) return "nan";
  if (sign > 0xc000) return sign == 0xd000 ? "infinity" : "-infinity";
  if (scale > 16383 || bytes.size() != 2 * groups) return "no numeric";
  std::string digits;
  for (std::uint64_t group = 0; group < groups; ++group)
    digits += fmt::format("{:04}", take_integer(bytes, 2));
  return canonical(sign != 0, digits, 4 * (static_cast<long>(weight) - static_cast<long>(groups) + 1));
}

bool is_leap(long year) { return year % 4 == 0 && (year % 100 != 0 || year % 400 == 0); }

// Days since 2000-01-01, year by year; nothing exists for the day: a number that no date has.
long long day_of(long year, long month, long day) {
  constexpr std::array<long, 12> kLengths{31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
  const long eras = static_cast<long>(std::floor(static_cast<double>(year - 2000) / 400));
  long long days = eras * 146'097LL;
  for (long each = 2000; each < year - 400 * eras; ++each) days += is_leap(each) ? 366 : 365;
  for (long each = 1; each < month; ++each)
    days += kLengths[static_cast<std::size_t>(each - 1)] + (each == 2 && is_leap(year) ? 1 : 0);
  const long length = kLengths[static_cast<std::size_t>(month - 1)] + (month == 2 && is_leap(year) ? 1 : 0);
  return day < 1 || day > length ? -1'000'000'000'000 : days + day - 1;
}

long long signed_number(const std::string& text) { return std::strtoll(text.c_str(), nullptr, 10); }

// HH:MM[:SS[.f]] as four groups from `at` on.
long long micros_of(const std::smatch& found, std::size_t at) {
  const long long whole =
      (signed_number(found[at]) * 60 + signed_number(found[at + 1])) * 60 + signed_number(found[at + 2]);
  const double fraction = found[at + 3].matched ? std::strtod(found[at + 3].str().c_str(), nullptr) : 0;
  return whole * 1'000'000 + std::llrint(fraction * 1e6);
}

#define DATE "(\\d{4,7})-(0[1-9]|1[0-2])-(\\d\\d)"
#define TIME "([01]\\d|2[0-4]):([0-5]\\d)(?::([0-5]\\d)(\\.\\d{1,9})?)?"
#define OFFSET "(?:Z| UTC| ?([+-])(\\d\\d):?(\\d\\d)?:?(\\d\\d)?)?"

// Seconds east of UTC, from four groups.
long long offset_of(const std::smatch& found, std::size_t at) {
  const long long seconds =
      (signed_number(found[at + 1]) * 60 + signed_number(found[at + 2])) * 60 + signed_number(found[at + 3]);
  return found[at] == "-" ? -seconds : seconds;
}

long long infinity_or(const std::string& text, long long least, long long largest) {
  if (lowered(text) == "infinity") return largest;
  return lowered(text) == "-infinity" ? least : 1'234'567;
}

long long read_date(const std::string& text) {
  std::smatch found;
  if (!matches(text, DATE "( BC)?", found)) return infinity_or(text, INT32_MIN, INT32_MAX);
  const long year = std::strtol(found[1].str().c_str(), nullptr, 10);
  return day_of(found[4].matched ? 1 - year : year, std::strtol(found[2].str().c_str(), nullptr, 10),
                std::strtol(found[3].str().c_str(), nullptr, 10));
}

long long read_timestamp(const std::string& text) {
  std::smatch found;
  if (!matches(text, DATE "(?:[ T]" TIME OFFSET ")?( BC)?", found))
    return infinity_or(text, INT64_MIN, INT64_MAX);
  const bool has_time = found[4].matched;
  return read_date(
             fmt::format("{}-{}-{}{}", found[1].str(), found[2].str(), found[3].str(), found[12].str())) *
             kDay +
         (has_time ? micros_of(found, 4) - offset_of(found, 8) * 1'000'000 : 0);
}

std::string read_timetz(const std::string& text) {
  std::smatch found;
  if (!matches(text, TIME OFFSET, found)) return "no timetz";
  return fmt::format("{} {}", micros_of(found, 1), -offset_of(found, 5));
}

std::string read_interval(const std::string& text) {
  if (lowered(text) == "infinity") return fmt::format("{} {} {}", INT64_MAX, INT32_MAX, INT32_MAX);
  if (lowered(text) == "-infinity") return fmt::format("{} {} {}", INT64_MIN, INT32_MIN, INT32_MIN);
  std::smatch found;
  long long micros = 0;
  std::size_t dates = 1;
  if (matches(text, "P(-?\\d+Y)?(-?\\d+M)?(-?\\d+D)?(?:T(-?\\d+H)?(-?\\d+M)?((-?)(\\d+)(\\.\\d{1,6})?S)?)?",
              found)) {
    micros = signed_number(found[4]) * 3'600'000'000 + signed_number(found[5]) * 60'000'000;
    const long long seconds = signed_number(found[8]) * 1'000'000 +
                              std::llrint(std::strtod(("0" + found[9].str()).c_str(), nullptr) * 1e6);
    micros += found[7] == "-" ? -seconds : seconds;
  } else if (matches(text,
                     "(?:([+-]?\\d+) years? ?)?(?:([+-]?\\d+) mons? ?)?(?:([+-]?\\d+) days? ?)?"
                     "(?:([+-]?)(\\d+):(\\d\\d):(\\d\\d)(\\.\\d{1,6})?)?",
                     found)) {
    micros = micros_of(found, 5);
    if (found[4] == "-") micros = -micros;
  } else {
    return "no interval";
  }
  return fmt::format("{} {} {}", micros, signed_number(found[dates + 2]),
                     signed_number(found[dates]) * 12 + signed_number(found[dates + 1]));
}

std::string read_bool(const std::string& text) {
  for (const std::string word : {"true", "yes", "on", "1"}) {
    if (word.starts_with(lowered(text)) && lowered(text) != "o") return "01";
  }
  for (const std::string word : {"false", "no", "off", "0"}) {
    if (word.starts_with(lowered(text)) && lowered(text) != "o") return "00";
  }
  return "no bool";
}

std::string read_network(const std::string& text) {
  const std::string address = text.substr(0, text.find('/'));
  std::array<char, 16> bytes{};
  const bool inet6 = address.find(':') != std::string::npos;
  const std::size_t size = inet6 ? 16 : 4;
  if (::inet_pton(inet6 ? AF_INET6 : AF_INET, address.c_str(), bytes.data()) != 1) return "no address";
  const std::size_t prefix =
      address.size() == text.size() ? size * 8 : std::strtoul(&text[address.size() + 1], nullptr, 10);
  return fmt::format("{:02x}{:02x}00{:02x}{}", inet6 ? 3 : 2, prefix, size, hex({bytes.data(), size}));
}

std::string read_bytes(const std::string& text) {
  return text.starts_with("\\x") ? lowered(text.substr(2)) : hex(text);
}

std::string without(std::string text, std::string_view bytes) {
  std::erase_if(text, [&](char byte) { return bytes.find(byte) != std::string_view::npos; });
  return text;
}

template <typename Float, typename Bits>
std::string float_or_bits(const std::string& text, std::string_view bytes,
                          Float (*read)(const char*, char**)) {
  char* end = nullptr;
  const Float wanted = read(text.c_str(), &end);
  if (end != text.c_str() + text.size()) return "no number";
  const auto bits = static_cast<Bits>(take_integer(bytes, sizeof(Bits)));
  if (std::isnan(wanted)) return std::isnan(std::bit_cast<Float>(bits)) ? "" : "no NaN";
  return bits == std::bit_cast<Bits>(wanted) ? "" : fmt::format("{:x}", bits);
}

std::string differs(const std::string& wanted, const std::string& got) {
  return wanted == got ? "" : fmt::format("{}, not {}", got, wanted);
}

std::string take_numbers(std::string_view bytes, std::initializer_list<std::size_t> sizes) {
  std::string text;
  for (const std::size_t size : sizes) {
    const auto number = take_integer(bytes, size);
    text += fmt::format("{}{}", text.empty() ? "" : " ",
                        size == 4 ? static_cast<std::int32_t>(number) : static_cast<std::int64_t>(number));
  }
  return bytes.empty() ? text : "bytes behind";
}

std::string integer(std::string_view bytes) {
  const std::size_t size = bytes.size();
  const auto bits = take_integer(bytes, size);
  const auto number = size == 2   ? static_cast<std::int16_t>(bits)
                      : size == 4 ? static_cast<std::int32_t>(bits)
                                  : static_cast<std::int64_t>(bits);
  return canonical(number < 0, without(std::to_string(number), "-"), 0);
}

}  // namespace

std::uint64_t take_integer(std::string_view& bytes, std::size_t size) {
  std::uint64_t value = 0;
  if (bytes.size() < size) {
    bytes = {};
    return 0;
  }
  for (std::size_t at = 0; at < size; ++at) value = value << 8U | static_cast<unsigned char>(bytes[at]);
  bytes.remove_prefix(size);
  return value;
}

std::string reread(const ColumnType& type, const std::string& text, std::string_view bytes) {
  switch (type.oid) {
    case kInt2:
    case kInt4:
    case kInt8:
      return is_number(text, false) ? differs(number_in(text), integer(bytes)) : "no integer";
    case kOid: {
      std::string_view rest = bytes;
      return differs(text, std::to_string(take_integer(rest, 4)));
    }
    case kFloat4:
      return float_or_bits<float, std::uint32_t>(text, bytes, std::strtof);
    case kFloat8:
      return float_or_bits<double, std::uint64_t>(text, bytes, std::strtod);
    case kNumeric:
      if (is_number(text, true)) return differs(number_in(text), numeric_in(bytes));
      return lowered(text).substr(0, 4) == numeric_in(bytes).substr(0, text.size() < 4 ? text.size() : 4)
                 ? ""
                 : "no numeric";
    case kBool:
      return differs(read_bool(text), hex(bytes));
    case kJsonb:
      return differs("\x01" + text, std::string(bytes));
    case kBytea:
      return differs(read_bytes(text), hex(bytes));
    case kUuid:
      return differs(lowered(without(text, "-")), hex(bytes));
    case kMacaddr:
      return differs(lowered(without(text, ":-")), hex(bytes));
    case kInet:
      return differs(read_network(text), hex(bytes));
    case kDate:
      return differs(std::to_string(read_date(text)), take_numbers(bytes, {4}));
    case kTime:
      return differs(read_timetz(text), take_numbers(bytes, {8}) + " 0");
    case kTimetz:
      return differs(read_timetz(text), take_numbers(bytes, {8, 4}));
    case kTimestamp:
    case kTimestamptz:
      return differs(std::to_string(read_timestamp(text)), take_numbers(bytes, {8}));
    case kInterval:
      return differs(read_interval(text), take_numbers(bytes, {8, 4, 4}));
    default:
      return differs(text, std::string(bytes));
  }
}

std::string reread_array(const ColumnType& type, const std::string& text, std::string_view bytes) {
  const auto dimensions = take_integer(bytes, 4);
  const bool nulls = take_integer(bytes, 4) != 0;
  if (take_integer(bytes, 4) != type.element_oid) return "another element type";
  if (dimensions == 0) return text == "{}" ? "" : "no elements";
  const auto elements = take_integer(bytes, 4);
  if (dimensions != 1 || take_integer(bytes, 4) != 1) return "not one dimension from 1 on";
  const ColumnType element{.oid = type.element_oid, .is_enum = type.element_is_enum};
  std::size_t at = 1;
  bool saw_null = false;
  for (std::uint64_t count = 0; count < elements; ++count) {
    std::string value;
    bool quoted = false;
    bool inside = false;
    for (; at < text.size() && (inside || (text[at] != ',' && text[at] != '}')); ++at) {
      if (text[at] == '"') {
        inside = !inside;
        quoted = true;
      } else if (inside && text[at] == '\\') {
        value += text[++at];
      } else if (inside || text[at] != ' ') {
        value += text[at];
      }
    }
    ++at;
    const auto length = static_cast<std::int32_t>(take_integer(bytes, 4));
    const bool is_null = !quoted && lowered(value) == "null";
    saw_null = saw_null || is_null;
    if (is_null != (length == -1)) return "NULL";
    if (is_null) continue;
    if (bytes.size() < static_cast<std::size_t>(length)) return "cut";
    const std::string wrong = reread(element, value, bytes.substr(0, static_cast<std::size_t>(length)));
    if (!wrong.empty()) return wrong;
    bytes.remove_prefix(static_cast<std::size_t>(length));
  }
  return saw_null == nulls && bytes.empty() && at == text.size() ? "" : "other elements";
}

}  // namespace hypercopy::test
