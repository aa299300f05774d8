#include "go_flags.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <tl/expected.hpp>

namespace hypercopy {
namespace {

constexpr std::string_view kParseError = "parse error";
constexpr std::string_view kRangeError = "value out of range";

// A canonical value, or Go's word for what is wrong with it.
using Canonical = tl::expected<std::string, std::string_view>;

// The magnitude of the smallest 64-bit number, one more than that of the largest.
constexpr std::uint64_t kMinMagnitude = std::uint64_t{1} << 63;

struct Signed {
  bool negative = false;
  std::string_view magnitude;
};

Signed take_sign(std::string_view text) {
  const bool has_sign = text.starts_with('-') || text.starts_with('+');
  return {.negative = text.starts_with('-'), .magnitude = text.substr(has_sign ? 1 : 0)};
}

std::string spell(bool negative, std::uint64_t magnitude) {
  return fmt::format("{}{}", negative && magnitude != 0 ? "-" : "", magnitude);
}

Canonical canonical_boolean(std::string_view text) {
  constexpr std::array<std::string_view, 6> kTrue{"1", "t", "T", "true", "TRUE", "True"};
  constexpr std::array<std::string_view, 6> kFalse{"0", "f", "F", "false", "FALSE", "False"};
  if (std::ranges::find(kTrue, text) != kTrue.end()) {
    return "true";
  }
  if (std::ranges::find(kFalse, text) != kFalse.end()) {
    return "false";
  }
  return tl::unexpected(kParseError);
}

struct Digits {
  std::uint64_t base = 10;
  std::string_view text;
  bool after_prefix = false;  // an underscore may stand between a prefix and the first digit
};

Digits take_base(std::string_view text) {
  if (!text.starts_with('0')) {
    return {.text = text};
  }
  const char letter = text.size() >= 3 ? static_cast<char>(text[1] | 0x20) : '\0';
  switch (letter) {
    case 'x':
      return {.base = 16, .text = text.substr(2), .after_prefix = true};
    case 'o':
      return {.base = 8, .text = text.substr(2), .after_prefix = true};
    case 'b':
      return {.base = 2, .text = text.substr(2), .after_prefix = true};
    default:
      return {.base = 8, .text = text.substr(1), .after_prefix = true};
  }
}

std::uint64_t digit_value(char digit) {
  if (digit >= '0' && digit <= '9') {
    return static_cast<std::uint64_t>(digit - '0');
  }
  const char lower = static_cast<char>(digit | 0x20);
  return lower >= 'a' && lower <= 'z' ? static_cast<std::uint64_t>(lower - 'a') + 10
                                      : std::numeric_limits<std::uint64_t>::max();
}

// Each underscore stands between two digits, a base prefix counting as one.
bool underscores_in_place(const Digits& digits) {
  bool digit_before = digits.after_prefix;
  for (const char byte : digits.text) {
    if (byte == '_' && !digit_before) {
      return false;
    }
    digit_before = byte != '_';
  }
  return digit_before || digits.text.empty();
}

tl::expected<std::uint64_t, std::string_view> read_digits(const Digits& digits) {
  constexpr std::uint64_t kMax = std::numeric_limits<std::uint64_t>::max();
  std::uint64_t value = 0;
  for (const char byte : digits.text) {
    if (byte == '_') {
      continue;
    }
    const std::uint64_t digit = digit_value(byte);
    if (digit >= digits.base) {
      return tl::unexpected(kParseError);
    }
    if (value > (kMax - digit) / digits.base) {
      return tl::unexpected(kRangeError);
    }
    value = value * digits.base + digit;
  }
  return value;
}

Canonical canonical_integer(std::string_view text) {
  const auto [negative, magnitude] = take_sign(text);
  if (magnitude.empty()) {
    return tl::unexpected(kParseError);
  }
  const Digits digits = take_base(magnitude);
  const auto value = read_digits(digits);
  if (!value) {
    return tl::unexpected(value.error());
  }
  if (!underscores_in_place(digits)) {
    return tl::unexpected(kParseError);
  }
  if (*value > kMinMagnitude - (negative ? 0 : 1)) {
    return tl::unexpected(kRangeError);
  }
  return spell(negative, *value);
}

std::string_view take_decimal_digits(std::string_view& text) {
  const std::size_t end = std::min(text.find_first_not_of("0123456789"), text.size());
  const std::string_view digits = text.substr(0, end);
  text.remove_prefix(end);
  return digits;
}

// Nanoseconds of a duration's unit; 0 where there is no such unit.
std::uint64_t unit_nanoseconds(std::string_view unit) {
  struct Unit {
    std::string_view name;
    std::uint64_t nanoseconds;
  };
  constexpr std::array<Unit, 8> kUnits{{{"ns", 1},
                                        {"us", 1'000},
                                        {"\u00b5s", 1'000},  // micro sign
                                        {"\u03bcs", 1'000},  // Greek mu
                                        {"ms", 1'000'000},
                                        {"s", 1'000'000'000},
                                        {"m", 60'000'000'000},
                                        {"h", 3'600'000'000'000}}};
  const auto* const found = std::ranges::find(kUnits, unit, &Unit::name);
  return found == kUnits.end() ? 0 : found->nanoseconds;
}

// Digits behind the point as part of a unit. Digits beyond the 18th cannot count.
std::uint64_t fraction_nanoseconds(std::string_view digits, std::uint64_t unit) {
  digits = digits.substr(0, 18);
  std::uint64_t value = 0;
  for (const char digit : digits) {
    value = value * 10 + digit_value(digit);
  }
  const double scale = std::pow(10.0, static_cast<double>(digits.size()));
  return static_cast<std::uint64_t>(static_cast<double>(value) * (static_cast<double>(unit) / scale));
}

// Takes one "1.5h" off the front of `text`; its nanoseconds stay at or below kMinMagnitude.
std::optional<std::uint64_t> take_duration_part(std::string_view& text) {
  const std::string_view whole = take_decimal_digits(text);
  std::string_view fraction;
  if (text.starts_with('.')) {
    text.remove_prefix(1);
    fraction = take_decimal_digits(text);
  }
  if (whole.empty() && fraction.empty()) {
    return std::nullopt;
  }
  const std::size_t unit_end = std::min(text.find_first_of(".0123456789"), text.size());
  const std::uint64_t unit = unit_nanoseconds(text.substr(0, unit_end));
  text.remove_prefix(unit_end);
  const auto count = read_digits({.text = whole});
  if (unit == 0 || !count || *count > kMinMagnitude / unit) {
    return std::nullopt;
  }
  const std::uint64_t sum = *count * unit + fraction_nanoseconds(fraction, unit);
  return sum > kMinMagnitude ? std::nullopt : std::optional(sum);
}

// "1.5" of 1500 with three decimals: no zeros at the end of the fraction.
std::string shortest_fraction(std::uint64_t value, unsigned decimals) {
  std::uint64_t scale = 1;
  for (unsigned i = 0; i < decimals; ++i) {
    scale *= 10;
  }
  if (value % scale == 0) {
    return fmt::format("{}", value / scale);
  }
  std::string text = fmt::format("{}.{:0{}}", value / scale, value % scale, decimals);
  text.erase(text.find_last_not_of('0') + 1);
  return text;
}

std::string unsigned_duration(std::uint64_t nanoseconds) {
  if (nanoseconds < 1'000) {
    return nanoseconds == 0 ? "0s" : fmt::format("{}ns", nanoseconds);
  }
  if (nanoseconds < 1'000'000) {
    return shortest_fraction(nanoseconds, 3) + "\u00b5s";
  }
  if (nanoseconds < 1'000'000'000) {
    return shortest_fraction(nanoseconds, 6) + "ms";
  }
  constexpr std::uint64_t kMinute = 60'000'000'000;
  std::string seconds = shortest_fraction(nanoseconds % kMinute, 9) + "s";
  const std::uint64_t minutes = nanoseconds / kMinute;
  if (minutes == 0) {
    return seconds;
  }
  return minutes < 60 ? fmt::format("{}m{}", minutes, seconds)
                      : fmt::format("{}h{}m{}", minutes / 60, minutes % 60, seconds);
}

Canonical canonical_value(GoFlagKind kind, std::string_view text) {
  switch (kind) {
    case GoFlagKind::boolean:
      return canonical_boolean(text);
    case GoFlagKind::integer:
      return canonical_integer(text);
    case GoFlagKind::duration: {
      const auto duration = parse_go_duration(text);
      return duration ? Canonical(fmt::format("{}", duration->count())) : tl::unexpected(kParseError);
    }
    case GoFlagKind::text:
      break;
  }
  return std::string(text);
}

// A word taken apart: "-name" or "--name=value".
struct FlagWord {
  std::string_view name;
  std::optional<std::string_view> value;
};

bool ends_flags(std::string_view word) { return word.size() < 2 || word[0] != '-' || word == "--"; }

// REQUIRES: !ends_flags(word). Nothing if what follows the dashes cannot be a name.
std::optional<FlagWord> take_apart(std::string_view word) {
  const std::string_view text = word.substr(word.starts_with("--") ? 2 : 1);
  if (text.starts_with('-') || text.starts_with('=')) {
    return std::nullopt;
  }
  const std::size_t equals = text.find('=');
  if (equals == std::string_view::npos) {
    return FlagWord{.name = text, .value = std::nullopt};
  }
  return FlagWord{.name = text.substr(0, equals), .value = text.substr(equals + 1)};
}

GoFlagWords error_ending(std::string message) {
  return {.ending = GoFlagWords::Ending::error, .error = std::move(message)};
}

// What of a wrong word may be shown: nothing behind `=` or `://`, where a connection string given to the
// wrong flag would hold its password.
std::string showable(std::string_view word) {
  const std::size_t equals = word.find('=');
  const std::size_t scheme = word.find("://");
  const std::size_t end = std::min(equals == std::string_view::npos ? equals : equals + 1,
                                   scheme == std::string_view::npos ? scheme : scheme + 3);
  return end < word.size() ? fmt::format("{}...", word.substr(0, end)) : std::string(word);
}

GoFlagWords bad_value(const GoFlag& flag, std::string_view value, std::string_view reason) {
  const std::string shown = showable(value);
  return error_ending(flag.kind == GoFlagKind::boolean
                          ? fmt::format("invalid boolean value {:?} for -{}: {}", shown, flag.name, reason)
                          : fmt::format("invalid value {:?} for flag -{}: {}", shown, flag.name, reason));
}

GoFlagWords unknown_flag(std::string_view name) {
  if (name == "h" || name == "help") {
    return {.ending = GoFlagWords::Ending::help};
  }
  return error_ending(fmt::format("flag provided but not defined: -{}", showable(name)));
}

std::string_view value_name(const GoFlag& flag) {
  switch (flag.kind) {
    case GoFlagKind::boolean:
      return "";
    case GoFlagKind::integer:
      return "int";
    case GoFlagKind::duration:
      return "duration";
    case GoFlagKind::text:
      break;
  }
  return flag.value_name.empty() ? "string" : flag.value_name;
}

}  // namespace

GoFlagWords normalise_go_flags(std::span<const std::string_view> arguments, std::span<const GoFlag> flags) {
  std::vector<std::optional<std::string>> values(flags.size());
  while (!arguments.empty() && !ends_flags(arguments.front())) {
    const std::string_view word = arguments.front();
    arguments = arguments.subspan(1);
    auto parts = take_apart(word);
    if (!parts) {
      return error_ending(fmt::format("bad flag syntax: {}", showable(word)));
    }
    const auto flag = std::ranges::find(flags, parts->name, &GoFlag::name);
    if (flag == flags.end()) {
      return unknown_flag(parts->name);
    }
    if (!parts->value && flag->kind == GoFlagKind::boolean) {
      parts->value = "true";
    } else if (!parts->value && !arguments.empty()) {
      parts->value = arguments.front();
      arguments = arguments.subspan(1);
    }
    if (!parts->value) {
      return error_ending(fmt::format("flag needs an argument: -{}", flag->name));
    }
    auto canonical = canonical_value(flag->kind, *parts->value);
    if (!canonical) {
      return bad_value(*flag, *parts->value, canonical.error());
    }
    values[static_cast<std::size_t>(flag - flags.begin())] = std::move(*canonical);
  }

  GoFlagWords result;
  for (std::size_t i = 0; i < flags.size(); ++i) {
    if (values[i]) {
      result.words.push_back(fmt::format("--{}", flags[i].name));
      result.words.push_back(std::move(*values[i]));
    }
  }
  return result;
}

std::string go_usage(std::string_view program, std::span<const GoFlag> flags) {
  std::string text = fmt::format("Usage of {}:\n", program);
  for (const GoFlag& flag : flags) {
    const std::string_view name = value_name(flag);
    text += fmt::format("  -{}{}{}\n    \t{}", flag.name, name.empty() ? "" : " ", name, flag.usage);
    text += flag.default_text.empty() ? "\n" : fmt::format(" (default {})\n", flag.default_text);
  }
  return text;
}

std::optional<std::chrono::nanoseconds> parse_go_duration(std::string_view text) {
  const auto [negative, magnitude] = take_sign(text);
  if (magnitude.empty()) {
    return std::nullopt;
  }
  std::uint64_t total = 0;
  std::string_view rest = magnitude == "0" ? std::string_view{} : magnitude;
  while (!rest.empty()) {
    const auto part = take_duration_part(rest);
    if (!part || *part > kMinMagnitude - total) {
      return std::nullopt;
    }
    total += *part;
  }
  if (total == kMinMagnitude) {
    return negative ? std::optional(std::chrono::nanoseconds::min()) : std::nullopt;
  }
  const auto count = static_cast<std::int64_t>(total);
  return std::chrono::nanoseconds(negative ? -count : count);
}

std::string format_go_duration(std::chrono::nanoseconds duration) {
  const bool negative = duration.count() < 0;
  const auto bits = static_cast<std::uint64_t>(duration.count());
  return (negative ? "-" : "") + unsigned_duration(negative ? 0 - bits : bits);
}

}  // namespace hypercopy
