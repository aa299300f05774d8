#include <algorithm>
#include <array>
#include <bit>
#include <cfloat>
#include <charconv>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <string_view>
#include <system_error>

#include "digit_words.hpp"
#include "encoders.hpp"

namespace hypercopy {

namespace {

// Digits that are read as words; longer numbers are rare.
constexpr std::size_t kWordDigits = 16;

// '-' and digits, nothing else: blanks, '+', and what 16 and newer also take (0x10, 1_000) are given up.
template <typename Integer>
bool encode_integer(std::string_view text, BinaryBuffer& out) {
  const bool negative = !text.empty() && text.front() == '-';
  const std::string_view digits(text.data() + (negative ? 1 : 0), text.size() - (negative ? 1 : 0));
  std::int64_t value = 0;
  if (digits.size() <= kWordDigits) [[likely]] {
    if (digits.empty()) return false;
    const words::Aligned aligned = words::align(digits);
    if ((words::not_digits(aligned.first) | words::not_digits(aligned.second)) != 0) return false;
    value = static_cast<std::int64_t>(digits.size() <= 8 ? words::number_of(aligned.second)
                                                         : words::number_of(aligned));
    value = negative ? -value : value;
  } else {
    const char* const end = text.data() + text.size();
    const auto [stop, error] = std::from_chars(text.data(), end, value);
    if (error != std::errc() || stop != end) return false;
  }
  if (value < std::numeric_limits<Integer>::min() || value > std::numeric_limits<Integer>::max())
    return false;
  out.put_field(static_cast<Integer>(value));
  return true;
}

bool equals_ignoring_case(std::string_view text, std::string_view lower_case) {
  return std::equal(text.begin(), text.end(), lower_case.begin(), lower_case.end(),
                    [](char left, char right) { return lower(left) == right; });
}

// A number of few digits, which is most of them: mantissa / 10^scale.
struct ShortDecimal {
  std::uint64_t mantissa = 0;
  int scale = 0;
  bool negative = false;
};

constexpr int kShortDigits = 16;
constexpr std::uint64_t kPoint = '.' ^ '0';

// Takes the byte at the lowest top bit of `mark` out of the word: what is before it moves up by one place, and
// `carried` becomes the first. Without a mark all moves up, and the last byte is dropped.
std::uint64_t take_out(std::uint64_t word, std::uint64_t mark, std::uint64_t carried) {
  const std::uint64_t at = (mark & (0 - mark)) >> 7U;  // the lowest bit of the byte
  const std::uint64_t below = at - 1;
  return (word & below) << 8U | carried | (word & ~(below | at * 0xffU));
}

// '-', digits and at most one point; false: anything else, or more than 16 of them. No branch depends on where
// the point is.
[[gnu::always_inline]] inline bool read_short_decimal(std::string_view text, ShortDecimal& decimal) {
  decimal.negative = !text.empty() && text.front() == '-';
  const std::size_t sign = decimal.negative ? 1 : 0;
  const std::string_view number(text.data() + sign, text.size() - sign);
  if (number.empty() || number.size() > kShortDigits) return false;
  const words::Aligned all = words::align(number);
  const std::uint64_t first_mark = words::not_digits(all.first);
  const std::uint64_t second_mark = words::not_digits(all.second);
  words::Aligned digits = all;
  if ((first_mark | second_mark) != 0) {
    const bool in_first = first_mark != 0;
    const std::uint64_t word = in_first ? all.first : all.second;
    const auto shift = static_cast<unsigned>(std::countr_zero(in_first ? first_mark : second_mark)) - 7;
    if ((word >> shift & 0xffU) != kPoint || number.size() == 1) return false;
    decimal.scale = static_cast<int>((in_first ? 15 : 7) - shift / 8);
    digits.first = take_out(all.first, first_mark, 0);
    const std::uint64_t moved = take_out(all.second, second_mark, all.first >> 56U);
    digits.second = in_first ? all.second : moved;
    if ((words::not_digits(digits.first) | words::not_digits(digits.second)) != 0) return false;
  }
  decimal.mantissa = words::number_of(digits);
  return true;
}

// The digits of `text` before its exponent are all zero.
bool has_zero_mantissa(std::string_view text) {
  const std::string_view mantissa = text.substr(0, text.find_first_of("eE"));
  return mantissa.find_first_of("123456789") == std::string_view::npos;
}

template <typename Float>
bool read_special_float(std::string_view text, Float& value) {
  using Limits = std::numeric_limits<Float>;
  if (equals_ignoring_case(text, "nan")) {
    value = Limits::quiet_NaN();
  } else if (equals_ignoring_case(text, "infinity") || equals_ignoring_case(text, "inf")) {
    value = Limits::infinity();
  } else if (equals_ignoring_case(text, "-infinity") || equals_ignoring_case(text, "-inf")) {
    value = -Limits::infinity();
  } else {
    return false;
  }
  return true;
}

// Powers of ten that have no rounding in Float: up to 10^10 in a float, 10^22 in a double.
template <typename Float>
constexpr int kExactPower = std::min(std::numeric_limits<Float>::digits == 24 ? 10 : 22, kShortDigits);
template <typename Float>
constexpr auto kPowersOfTen = [] {
  std::array<Float, kExactPower<Float> + 1> powers{};
  Float power = 1;
  for (Float& each : powers) {
    each = power;
    power *= 10;
  }
  return powers;
}();

// Mantissa and power of ten are exact, so the one division rounds correctly, and only once where the compiler
// computes in Float itself.
template <typename Float>
bool divide_exactly(const ShortDecimal& decimal, Float& value) {
  constexpr std::uint64_t kLargestExact = std::uint64_t{1} << std::numeric_limits<Float>::digits;
  if (FLT_EVAL_METHOD != 0 || decimal.mantissa > kLargestExact || decimal.scale > kExactPower<Float>)
    return false;
  value = static_cast<Float>(decimal.mantissa) / kPowersOfTen<Float>[static_cast<std::size_t>(decimal.scale)];
  value = std::copysign(value, decimal.negative ? Float{-1} : Float{1});
  return true;
}

// from_chars and the server's strtod both round correctly, once, from the decimal text to Float. Given up:
// what the server calls out of range (to infinity, or to zero from a number that is not zero), hexadecimal,
// '+' and blanks.
template <typename Float>
bool read_long_float(std::string_view text, Float& value) {
  const char* const end = text.data() + text.size();
  const char* const number = text.data() + (text.starts_with('-') ? 1 : 0);
  if (number == end || (!is_digit(*number) && *number != '.')) return read_special_float(text, value);
  const auto [stop, error] = std::from_chars(text.data(), end, value);
  if (error != std::errc() || stop != end) return false;
  constexpr Float kLargest = std::numeric_limits<Float>::max();
  if (value > kLargest || value < -kLargest) return false;
  // Whether an underflow to zero is an error is left open by the standard.
  return value != 0 || has_zero_mantissa(text);
}

template <typename Float, typename Bits>
bool encode_float(std::string_view text, BinaryBuffer& out) {
  Float value{};
  ShortDecimal decimal;
  const bool is_short = read_short_decimal(text, decimal) && divide_exactly(decimal, value);
  if (!is_short && !read_long_float(text, value)) return false;
  out.put_field(std::bit_cast<Bits>(value));
  return true;
}

// numeric.c: NumericVar, digits of base 10000, NUMERIC_DSCALE_MAX, and the int16 weight.
constexpr std::uint16_t kNumericNegative = 0x4000;
constexpr std::uint16_t kNumericNan = 0xc000;
constexpr std::uint16_t kNumericInfinity = 0xd000;
constexpr std::uint16_t kNumericMinusInfinity = 0xf000;
constexpr int kInfinityScale = 32;  // what the server sends; it reads any
constexpr int kFirstVersionWithInfinity = 140000;
constexpr int kMaxScale = 0x3fff;
constexpr int kMaxIntegerDigits = 4 * 32768;
// Longer spellings are longer than any number the server can hold, but for padding zeros.
constexpr std::size_t kMaxNumericText = kMaxIntegerDigits + kMaxScale + 8;
constexpr std::size_t kMaxExponentDigits = 4;

struct DecimalText {
  std::string_view digits;  // of the mantissa, with its point if it has one; no sign
  int integer_digits = 0;   // before the point
  int fraction_digits = 0;  // behind it
  int exponent = 0;
  bool negative = false;
};

// "e-5": what follows the mantissa; false: no exponent of at most kMaxExponentDigits.
bool read_exponent(std::string_view text, int& exponent) {
  text.remove_prefix(1);
  const bool negative = text.starts_with('-');
  if (negative || text.starts_with('+')) text.remove_prefix(1);
  if (text.empty() || text.size() > kMaxExponentDigits) return false;
  for (const char digit : text) {
    if (!is_digit(digit)) return false;
    exponent = exponent * 10 + (digit - '0');
  }
  if (negative) exponent = -exponent;
  return true;
}

bool read_decimal(std::string_view text, DecimalText& decimal) {
  if (text.starts_with('-')) {
    decimal.negative = true;
    text.remove_prefix(1);
  }
  std::size_t at = 0;
  while (at < text.size() && is_digit(text[at])) ++at;
  const std::size_t integer_end = at;
  if (at < text.size() && text[at] == '.') {
    ++at;
    while (at < text.size() && is_digit(text[at])) ++at;
    decimal.fraction_digits = static_cast<int>(at - integer_end - 1);
  }
  decimal.integer_digits = static_cast<int>(integer_end);
  if (decimal.integer_digits + decimal.fraction_digits == 0) return false;
  decimal.digits = text.substr(0, at);
  if (at == text.size()) return true;
  return lower(text[at]) == 'e' && read_exponent(text.substr(at), decimal.exponent);
}

// The weight of the group of four digits that holds a power of ten: rounded towards minus infinity.
int group_of(int power) { return power >> 2; }

void put_numeric_header(int digits, int weight, std::uint16_t sign, int scale, BinaryBuffer& out) {
  out.put(static_cast<std::uint32_t>(8 + 2 * digits));
  out.put(static_cast<std::uint64_t>(digits) << 48 |
          static_cast<std::uint64_t>(static_cast<std::uint16_t>(weight)) << 32 |
          static_cast<std::uint64_t>(sign) << 16 | static_cast<std::uint64_t>(scale));
}

// The decimal digits from the first to the last that is not zero, in groups of four around the point.
// `first`: the power of ten of the first of them.
void put_numeric_digits(std::string_view digits, int first, BinaryBuffer& out) {
  int open = 4 * group_of(first) + 3 - first;  // decimal places of the group that are filled already
  int group = 0;
  for (const char digit : digits) {
    if (digit == '.') continue;
    group = group * 10 + (digit - '0');
    if (++open < 4) continue;
    out.put(static_cast<std::uint16_t>(group));
    group = 0;
    open = 0;
  }
  if (open == 0) return;
  for (; open < 4; ++open) group *= 10;
  out.put(static_cast<std::uint16_t>(group));
}

bool encode_finite_numeric(std::string_view text, BinaryBuffer& out) {
  DecimalText decimal;
  if (!read_decimal(text, decimal)) return false;
  const int scale = std::max(decimal.fraction_digits - decimal.exponent, 0);
  if (scale > kMaxScale) return false;

  const std::string_view digits = decimal.digits;
  // '.' sorts before '0': what is not above '0' is no digit that counts at either end.
  std::size_t first = 0;
  while (first < digits.size() && digits[first] <= '0') ++first;
  if (first == digits.size()) {
    put_numeric_header(0, 0, 0, scale, out);
    return true;
  }
  std::size_t last = digits.size() - 1;
  while (digits[last] <= '0') --last;
  const auto power_of = [&](std::size_t at) {
    const int place = decimal.integer_digits - static_cast<int>(at);
    return (place > 0 ? place - 1 : place) + decimal.exponent;
  };
  const int first_power = power_of(first);
  if (first_power >= kMaxIntegerDigits) return false;
  const int weight = group_of(first_power);
  const int groups = weight - group_of(power_of(last)) + 1;
  put_numeric_header(groups, weight, decimal.negative ? kNumericNegative : 0, scale, out);
  put_numeric_digits(digits.substr(first, last - first + 1), first_power, out);
  return true;
}

bool encode_special_numeric(std::string_view text, const FieldType& type, BinaryBuffer& out) {
  double value = 0;
  if (!read_special_float(text, value)) return false;
  std::uint16_t sign = kNumericNan;
  int scale = 0;
  if (std::isinf(value)) {
    if (type.settings.server_version < kFirstVersionWithInfinity) return false;
    sign = value > 0 ? kNumericInfinity : kNumericMinusInfinity;
    scale = kInfinityScale;
  }
  put_numeric_header(0, 0, sign, scale, out);
  return true;
}

struct BooleanWord {
  std::string_view word;
  bool value = false;
};

// The only word that `text` may be a prefix of.
BooleanWord boolean_word(std::string_view text) {
  switch (text.empty() ? '\0' : lower(text.front())) {
    case 't':
      return {"true", true};
    case 'f':
      return {"false", false};
    case 'y':
      return {"yes", true};
    case 'n':
      return {"no", false};
    case '1':
      return {"1", true};
    case '0':
      return {"0", false};
    case 'o':
      break;
    default:
      return {};
  }
  if (text.size() == 1) return {};
  return lower(text[1]) == 'n' ? BooleanWord{"on", true} : BooleanWord{"off", false};
}

}  // namespace

bool encode_int2(std::string_view text, const FieldType& /*type*/, BinaryBuffer& out) {
  return encode_integer<std::int16_t>(text, out);
}
bool encode_int4(std::string_view text, const FieldType& /*type*/, BinaryBuffer& out) {
  return encode_integer<std::int32_t>(text, out);
}
bool encode_int8(std::string_view text, const FieldType& /*type*/, BinaryBuffer& out) {
  return encode_integer<std::int64_t>(text, out);
}

bool encode_oid(std::string_view text, const FieldType& /*type*/, BinaryBuffer& out) {
  // A sign wraps around, and a leading zero may mean octal: both are the server's to judge.
  if (text.starts_with('-') || (text.size() > 1 && text.front() == '0')) return false;
  return encode_integer<std::uint32_t>(text, out);
}

bool encode_float4(std::string_view text, const FieldType& /*type*/, BinaryBuffer& out) {
  return encode_float<float, std::uint32_t>(text, out);
}
bool encode_float8(std::string_view text, const FieldType& /*type*/, BinaryBuffer& out) {
  return encode_float<double, std::uint64_t>(text, out);
}

// Given up: infinities where the server has none, blanks, '+', more digits than the server can hold.
bool encode_numeric(std::string_view text, const FieldType& type, BinaryBuffer& out) {
  if (text.size() > kMaxNumericText) return false;
  return encode_finite_numeric(text, out) || encode_special_numeric(text, type, out);
}

// Every unique prefix of true, false, yes, no, on and off, and 1 and 0, in any case.
bool encode_bool(std::string_view text, const FieldType& /*type*/, BinaryBuffer& out) {
  const BooleanWord word = boolean_word(text);
  if (word.word.empty() || text.size() > word.word.size() ||
      !equals_ignoring_case(text, word.word.substr(0, text.size())))
    return false;
  out.put_field(static_cast<std::uint8_t>(word.value ? 1 : 0));
  return true;
}

}  // namespace hypercopy
