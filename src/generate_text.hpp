// How generated values become text: digits by arithmetic on whole numbers, so that neither the locale nor the
// machine's floating point has a say.
// Shape:   each function writes at `to` and returns the end of what counts. REQUIRES: kTextSlack bytes of
//          room at `to` beyond the text itself, since whole words are stored.
// Threads: any; pure functions.
#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <charconv>
#include <chrono>
#include <cstdint>
#include <cstring>
#include <string_view>

namespace hypercopy::generating {

inline constexpr std::size_t kTextSlack = 32;

inline char* write_text(char* to, std::string_view text) {
  std::memcpy(to, text.data(), text.size());
  return to + text.size();
}

inline char* write_number(char* to, std::uint64_t number) { return std::to_chars(to, to + 20, number).ptr; }
inline char* write_signed(char* to, std::int64_t number) { return std::to_chars(to, to + 20, number).ptr; }

// Eight decimal digits, a byte each, the first in the lowest byte. REQUIRES: number < 10^8.
inline std::uint64_t eight_digits(std::uint32_t number) {
  const std::uint64_t fours = number / 10'000 | static_cast<std::uint64_t>(number % 10'000) << 32U;
  const std::uint64_t hundreds = ((fours * 10'486) >> 20U) & 0x0000'007f'0000'007fU;
  const std::uint64_t twos = hundreds | (fours - 100 * hundreds) << 16U;
  const std::uint64_t tens = ((twos * 103) >> 10U) & 0x000f'000f'000f'000fU;
  return tens | (twos - 10 * tens) << 8U;
}

inline void store_digits(char* to, std::uint64_t digits) {
  std::uint64_t text = digits + 0x3030'3030'3030'3030U;
  if constexpr (std::endian::native == std::endian::big) text = __builtin_bswap64(text);
  std::memcpy(to, &text, sizeof text);
}

// Without leading zeros. REQUIRES: number < 10^8.
inline char* write_short(char* to, std::uint32_t number) {
  const std::uint64_t digits = eight_digits(number);
  const auto zeros = static_cast<unsigned>(std::countr_zero(digits | std::uint64_t{1} << 56U)) / 8;
  store_digits(to, digits >> (8 * zeros));  // what follows the last digit is overwritten by the next text
  return to + (8 - zeros);
}

inline char* write_two(char* to, unsigned number) {
  to[0] = static_cast<char>('0' + number / 10);
  to[1] = static_cast<char>('0' + number % 10);
  return to + 2;
}

constexpr std::uint32_t power_of_ten(unsigned exponent) {
  return exponent == 0 ? 1 : 10 * power_of_ten(exponent - 1);
}

// ".25" for 25 hundredths, ".5" for 50; nothing for 0. REQUIRES: fraction < 10^decimals.
template <unsigned decimals>
char* write_fraction(char* to, std::uint32_t fraction) {
  static_assert(decimals >= 1 && decimals <= 8);
  const std::uint64_t digits = eight_digits(fraction * power_of_ten(8 - decimals));
  *to = '.';
  store_digits(to + 1, digits);
  const unsigned zeros = static_cast<unsigned>(std::countl_zero(digits)) / 8;
  return to + (zeros == 8 ? 0 : 9 - zeros);
}

// The shortest text of value / 10^decimals, without exponent: "58.13", "7", "0.02".
// REQUIRES: value < 10^(8 + decimals).
template <unsigned decimals>
char* write_decimal(char* to, std::uint64_t value) {
  constexpr std::uint64_t kOne = power_of_ten(decimals);
  to = write_short(to, static_cast<std::uint32_t>(value / kOne));
  return write_fraction<decimals>(to, static_cast<std::uint32_t>(value % kOne));
}

template <unsigned decimals>
char* write_signed_decimal(char* to, std::int64_t value) {
  *to = '-';
  to += value < 0 ? 1 : 0;
  return write_decimal<decimals>(to, static_cast<std::uint64_t>(value < 0 ? -value : value));
}

// "2016-01-01". REQUIRES: a year from 1 to 9999, as in all that follow.
inline char* write_date(char* to, std::chrono::sys_days day) {
  const std::chrono::year_month_day date{day};
  const auto year = static_cast<unsigned>(static_cast<int>(date.year()));
  to = write_two(write_two(to, year / 100), year % 100);
  *to++ = '-';
  to = write_two(to, static_cast<unsigned>(date.month()));
  *to++ = '-';
  return write_two(to, static_cast<unsigned>(date.day()));
}

// "08:15:00". REQUIRES: second < 86400.
inline char* write_clock(char* to, std::uint32_t second) {
  to = write_two(to, second / 3600);
  *to++ = ':';
  to = write_two(to, second / 60 % 60);
  *to++ = ':';
  return write_two(to, second % 60);
}

// "2016-01-01 08:15:00"
inline char* write_timestamp(char* to, std::chrono::sys_seconds time) {
  const auto day = std::chrono::floor<std::chrono::days>(time);
  to = write_date(to, day);
  *to++ = ' ';
  return write_clock(to, static_cast<std::uint32_t>((time - day).count()));
}

// Two hexadecimal digits for each of the lowest `bytes` bytes, the lowest first.
inline char* write_hex(char* to, std::uint64_t bits, unsigned bytes) {
  constexpr std::string_view kDigits = "0123456789abcdef";
  for (unsigned at = 0; at < bytes; ++at, bits >>= 8U) {
    *to++ = kDigits[(bits >> 4U) & 0xfU];
    *to++ = kDigits[bits & 0xfU];
  }
  return to;
}

}  // namespace hypercopy::generating
