#include "support/scalar_values.hpp"

#include <arpa/inet.h>
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstdio>
#include <iterator>
#include <limits>
#include <nlohmann/json.hpp>

namespace hypercopy::test {

namespace {

template <std::size_t Count>
std::string pick(Random& random, const char* const (&words)[Count]) {
  return words[random.below(Count)];
}

// All magnitudes equally likely, not only the largest.
template <typename Integer>
std::string integer_text(Random& random) {
  const auto value = static_cast<Integer>(random.bits());
  return fmt::format("{}", static_cast<Integer>(value >> random.below(sizeof(Integer) * 8)));
}

std::string digits(Random& random, std::size_t count) {
  std::string text;
  for (std::size_t at = 0; at < count; ++at)
    text += static_cast<char>('0' + (random.one_in(3) ? 0 : random.below(10)));
  return text;
}

std::string hex_digits(Random& random, std::size_t count) {
  const std::string_view letters = random.one_in(4) ? "0123456789ABCDEF" : "0123456789abcdef";
  std::string text;
  for (std::size_t at = 0; at < count; ++at) text += letters[random.below(16)];
  return text;
}

template <typename Float, typename Bits>
Float finite(Random& random) {
  for (;;) {
    const auto value = std::bit_cast<Float>(static_cast<Bits>(random.bits()));
    // The largest ones leave the range when they are written with few digits.
    if (std::isfinite(value) && std::fabs(value) < std::numeric_limits<Float>::max() / 2) return value;
  }
}

template <typename Float>
std::string float_text(Float value, Random& random) {
  switch (random.below(6)) {
    case 0:
      return fmt::format("{:.17g}", value);
    case 1:
      return fmt::format("{:.25e}", value);
    case 2:
      return fmt::format("{:.3f}", value);
    case 3:
      return fmt::format("{:.4f}", std::fmod(value, Float{1000}));
    default:
      return fmt::format("{}", value);
  }
}

// Exactly between two floating point numbers, or nearly so: where a second rounding shows.
std::string near_half(std::string half, Random& random) {
  if (half.find('e') != std::string::npos || random.one_in(3)) return half;
  if (half.find('.') == std::string::npos) half += '.';
  return half + std::string(random.below(30), '0') + (random.one_in(2) ? "1" : "");
}

// A mantissa about as large as Float holds, over a power of ten around the largest exact one.
template <typename Float>
std::string short_decimal(Random& random) {
  const int bits =
      std::numeric_limits<Float>::digits + 1 - static_cast<int>(random.below(random.one_in(2) ? 2 : 24));
  const std::uint64_t mantissa = random.bits() >> (64 - bits);
  const std::size_t scale = random.below(16);
  std::string text = fmt::format("{:0>{}}", mantissa, scale + 1);
  if (scale > 0) text.insert(text.size() - scale, 1, '.');
  return (random.one_in(3) ? "-" : "") + text;
}

// Every digit of a number half way between two neighbours, most of which have hundreds of them; and numbers so
// small that they have fewer bits than others.
template <typename Float, typename Bits>
std::string long_float(Random& random) {
  Float value = finite<Float, Bits>(random);
  if (random.one_in(2)) {
    const auto mantissa =
        static_cast<Bits>(random.bits()) >> (sizeof(Bits) * 8 - std::numeric_limits<Float>::digits);
    value = std::bit_cast<Float>(static_cast<Bits>(mantissa >> random.below(12) | 1));
  }
  const Float next = std::nextafter(value, std::numeric_limits<Float>::max());
  const long double half = static_cast<long double>(value) / 2 + static_cast<long double>(next) / 2;
  std::array<char, 1400> digits{};
  std::snprintf(digits.data(), digits.size(), random.one_in(2) ? "%.1100Le" : "%.40Lg", half);
  return digits.data();
}

std::string float_special(Random& random) {
  return pick(random, {"NaN", "nan", "Infinity", "-Infinity", "0", "-0", "0.0", "-0.0", "inf", "-inf", "1e-7",
                       "1e+16", "1.0"});
}

// `host_bits`: whether bits behind the prefix may be set.
std::string network_text(Random& random, bool host_bits) {
  std::array<unsigned char, 16> bytes{};
  const bool inet6 = random.one_in(2);
  const std::size_t size = inet6 ? 16 : 4;
  for (std::size_t at = 0; at < size; ++at)
    bytes[at] = static_cast<unsigned char>(random.one_in(2) ? 0 : random.bits());
  const bool mapped = inet6 && random.one_in(5);
  if (mapped) {
    std::fill_n(bytes.begin(), 10, std::uint8_t{0});
    bytes[10] = bytes[11] = 0xff;
  }
  const std::size_t prefix = random.one_in(2) ? size * 8 : random.below(size * 8 + 1);
  for (std::size_t bit = prefix; bit < size * 8 && !host_bits; ++bit)
    bytes[bit / 8] = static_cast<unsigned char>(bytes[bit / 8] & ~(0x80U >> bit % 8));
  std::array<char, INET6_ADDRSTRLEN> address{};
  inet_ntop(inet6 ? AF_INET6 : AF_INET, bytes.data(), address.data(), address.size());
  const bool whole = prefix == size * 8;
  return whole && random.one_in(2) ? address.data() : fmt::format("{}/{}", address.data(), prefix);
}

std::string quoted_element(const std::string& element) {
  std::string text = "\"";
  for (const char byte : element) {
    if (byte == '"' || byte == '\\') text += '\\';
    text += byte;
  }
  return text + '"';
}

bool needs_quotes(const std::string& element) {
  std::string upper = element;
  std::transform(upper.begin(), upper.end(), upper.begin(),
                 [](char byte) { return byte >= 'a' && byte <= 'z' ? static_cast<char>(byte - 32) : byte; });
  return element.empty() || upper == "NULL" ||
         element.find_first_of("{},\"\\ \t\n\v\f\r") != std::string::npos;
}

}  // namespace

std::string int2_text(Random& random) { return integer_text<std::int16_t>(random); }
std::string int4_text(Random& random) { return integer_text<std::int32_t>(random); }
std::string int8_text(Random& random) { return integer_text<std::int64_t>(random); }
std::string oid_text(Random& random) { return integer_text<std::uint32_t>(random); }

std::string float4_text(Random& random) {
  if (random.one_in(3)) return short_decimal<float>(random);
  if (random.one_in(8)) return long_float<float, std::uint32_t>(random);
  if (random.one_in(20)) return float_special(random);
  const auto value = finite<float, std::uint32_t>(random);
  if (!random.one_in(3)) return float_text(value, random);
  const double next = std::nextafter(value, std::numeric_limits<float>::max());
  return near_half(fmt::format("{:.200g}", (double{value} + next) / 2), random);
}

std::string float8_text(Random& random) {
  if (random.one_in(3)) return short_decimal<double>(random);
  if (random.one_in(8)) return long_float<double, std::uint64_t>(random);
  if (random.one_in(20)) return float_special(random);
  if (!random.one_in(4)) return float_text(finite<double, std::uint64_t>(random), random);
  const std::uint64_t odd = (std::uint64_t{1} << 53) + (random.bits() >> 11 | 1);
  return near_half(fmt::format("{}", odd), random);
}

std::string numeric_text(Random& random) {
  if (random.one_in(50)) return pick(random, {"NaN", "nan", "0", "0.00", "-0.0", "000.100", ".5", "5."});
  const std::size_t largest = random.one_in(50) ? 2000 : random.one_in(4) ? 40 : 8;
  std::string text = random.one_in(3) ? "-" : "";
  text += digits(random, 1 + random.below(largest));
  if (!random.one_in(3)) text += "." + digits(random, random.below(largest));
  if (random.one_in(10)) text += fmt::format("{}{}", pick(random, {"e", "E", "e+", "e-"}), random.below(60));
  return text;
}

std::string bool_text(Random& random) {
  return pick(random, {"t",  "f",  "true", "false", "True", "False", "TRUE", "FALSE", "1",    "0",  "yes",
                       "no", "on", "off",  "y",     "n",    "T",     "F",    "tr",    "fals", "ye", "of"});
}

std::string any_text(Random& random) {
  static constexpr const char* kPieces[] = {
      "a",   "Z",   " ",      "  ",   "0",    ",",  ";",    "\"",       "\"\"",         "\\",
      "\\N", "\\.", "\n",     "\r",   "\t",   "'",  "NULL", "\xc3\xa4", "\xe2\x82\xac", "\xf0\x9f\x98\x80",
      "{",   "}",   "host_1", "\x7f", "\x01", "%s", "\v"};
  std::string text;
  for (std::size_t pieces = random.below(12); pieces > 0; --pieces) text += pick(random, kPieces);
  return text;
}

std::string name_text(Random& random) {
  std::string text = any_text(random);
  return text.size() < 64 ? text : "short";
}

std::string json_text(Random& random) {
  const nlohmann::json value{{any_text(random), any_text(random)},
                             {"number", static_cast<std::int64_t>(random.bits()) >> random.below(64)},
                             {"list", {nullptr, true, 1.5, any_text(random)}}};
  return value.dump(random.one_in(2) ? -1 : 1);
}

std::string bytea_text(Random& random) {
  if (random.one_in(5)) return std::string(random.below(20), static_cast<char>(' ' + random.below(50)));
  return "\\x" + hex_digits(random, 2 * random.below(random.one_in(20) ? 2000 : 20));
}

std::string uuid_text(Random& random) {
  std::string text = hex_digits(random, 32);
  if (random.one_in(4)) return text;
  for (const std::size_t at : {8U, 13U, 18U, 23U}) text.insert(at, 1, '-');
  return text;
}

std::string inet_text(Random& random) { return network_text(random, true); }
std::string cidr_text(Random& random) { return network_text(random, false); }

std::string macaddr_text(Random& random) {
  std::string text = hex_digits(random, 2);
  const std::string joint = random.one_in(4) ? "-" : ":";
  for (int byte = 1; byte < 6; ++byte) text += joint + hex_digits(random, 2);
  return text;
}

std::string mood_text(Random& random) { return pick(random, kMoods); }

Spelling array_of(Spelling element) {
  return [element = std::move(element)](Random& random) {
    std::string text = "{";
    const std::size_t elements = random.below(6);
    for (std::size_t at = 0; at < elements; ++at) {
      const std::string blank = random.one_in(6) ? " " : "";
      if (at > 0) text += ',';
      text += blank;
      if (random.one_in(6)) {
        text += "NULL";
      } else {
        const std::string value = element(random);
        text += needs_quotes(value) || random.one_in(5) ? quoted_element(value) : value;
      }
      text += blank;
    }
    return text + '}';
  };
}

}  // namespace hypercopy::test
