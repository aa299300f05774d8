// Digits at fixed places, read eight bytes at a time: shared by the encoders of dates and times.
//
// Shape:   values and lengths come back by value, so that the callers' text stays in registers.
// Units:   microseconds of a second.
// Threads: any; functions are pure.
#pragma once

#include <bit>
#include <cstdint>
#include <cstring>
#include <string_view>

namespace hypercopy::digits {

inline constexpr std::int64_t kMicrosPerSecond = 1'000'000;
inline constexpr std::int64_t kMicrosPerHour = 3'600 * kMicrosPerSecond;

// The digit, or a value above 9.
inline unsigned digit(char byte) { return static_cast<unsigned char>(byte) - unsigned{'0'}; }
inline bool is_digit(char byte) { return digit(byte) <= 9; }

// The value of two digits, or one above 99. REQUIRES: two bytes at `at`.
inline unsigned two_digits(const char* at) {
  const unsigned tens = digit(at[0]);
  const unsigned ones = digit(at[1]);
  return tens <= 9 && ones <= 9 ? 10 * tens + ones : 100;
}

// Eight bytes against a pattern such as "0000-00-": a digit at each '0', the same byte elsewhere.
class Word {
 public:
  // REQUIRES: eight bytes at `at`, a pattern of eight bytes.
  Word(const char* at, const char (&pattern)[9]) : difference_(load(at) ^ load(pattern)) {
    // The sum carries into the top bit of a byte above 9 at a digit's place, above 0 elsewhere. It spills
    // into the next byte only from one whose own top bit is set, and that refuses the word anyway.
    matches_ = ((difference_ | (difference_ + allowance(pattern))) & 0x8080808080808080U) == 0;
    pairs_ = difference_ * 10 + (difference_ >> 8U);
  }
  [[nodiscard]] bool matches() const { return matches_; }
  // The value of the digits at `at` and `at + 1`. REQUIRES: matches(), at < 7.
  [[nodiscard]] unsigned pair(unsigned at) const { return (pairs_ >> (8 * at)) & 0xffU; }

 private:
  static std::uint64_t load(const char* at) {
    std::uint64_t bits = 0;
    std::memcpy(&bits, at, sizeof bits);
    if constexpr (std::endian::native == std::endian::big) bits = __builtin_bswap64(bits);
    return bits;
  }
  static constexpr std::uint64_t allowance(const char (&pattern)[9]) {
    std::uint64_t sum = 0;
    for (unsigned at = 0; at < 8; ++at)
      sum |= (pattern[at] == '0' ? std::uint64_t{0x80 - 10} : std::uint64_t{0x80 - 1}) << (8 * at);
    return sum;
  }

  std::uint64_t difference_;
  std::uint64_t pairs_ = 0;
  bool matches_ = false;
};

struct Fraction {
  std::size_t length = 0;  // of its text; 0: not taken
  std::int64_t micros = 0;
};

// ".f" in front of `text`, f of 1 to `most` digits (at most 9), rounded as the server rounds: by a double
// that is nowhere near half a microsecond. A half itself is not taken, nor what rounds up to a whole second.
[[nodiscard]] inline Fraction read_fraction(std::string_view text, std::size_t most) {
  if (text.empty() || text[0] != '.') return {};
  std::size_t length = 0;
  unsigned nanos = 0;
  while (length < most && length + 1 < text.size() && is_digit(text[length + 1]))
    nanos = 10 * nanos + digit(text[++length]);
  if (length == 0) return {};
  for (std::size_t zeros = length; zeros < 9; ++zeros) nanos *= 10;
  const unsigned rest = nanos % 1000;
  const unsigned rounded = nanos / 1000 + (rest > 500 ? 1 : 0);
  if (rest == 500 || rounded == kMicrosPerSecond) return {};
  return {length + 1, rounded};
}

}  // namespace hypercopy::digits
