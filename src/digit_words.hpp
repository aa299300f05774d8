// Short text in 64-bit words: eight bytes at a time, without a branch per byte and without reading beyond it.
// Shape:   the first byte of the text is the lowest of a word, whatever the machine's byte order.
// Threads: any; pure functions.
#pragma once

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string_view>

namespace hypercopy::words {

template <typename Word>
Word load(const char* at) {
  Word word{};
  std::memcpy(&word, at, sizeof word);
  if constexpr (std::endian::native == std::endian::big) {
    word = sizeof(Word) == 8 ? static_cast<Word>(__builtin_bswap64(word))
                             : static_cast<Word>(__builtin_bswap32(static_cast<std::uint32_t>(word)));
  }
  return word;
}

inline constexpr std::uint64_t kZeros = 0x3030'3030'3030'3030U;  // '0' in each byte
inline constexpr std::uint64_t kTopBits = 0x8080'8080'8080'8080U;

// Up to 16 bytes as differences to '0', at the end of 16 places: what is in front of them is 0, as if the text
// began with zeros.
struct Aligned {
  std::uint64_t first = 0;   // places 0 to 7
  std::uint64_t second = 0;  // places 8 to 15
};

// REQUIRES: 1 <= size <= 3.
inline std::uint64_t align_few(const char* at, std::size_t size) {
  const auto shift = static_cast<unsigned>(8 * (8 - size));
  const auto byte = [at](std::size_t index) -> std::uint64_t {
    return static_cast<unsigned char>(at[index]);
  };
  const std::uint64_t word =
      byte(0) << shift | byte(size / 2) << (shift + 8 * (size / 2)) | byte(size - 1) << 56U;
  return word ^ (kZeros << shift);
}

inline std::uint64_t load_two(const char* low, const char* high, unsigned low_shift) {
  return static_cast<std::uint64_t>(load<std::uint32_t>(low)) << low_shift |
         static_cast<std::uint64_t>(load<std::uint32_t>(high)) << 32U;
}

// REQUIRES: 1 <= text.size() <= 16.
inline Aligned align(std::string_view text) {
  const std::size_t size = text.size();
  const char* const begin = text.data();
  const char* const end = begin + size;
  if (size > 8) {
    const auto half_shift = static_cast<unsigned>(4 * (16 - size));
    const std::uint64_t front = load<std::uint64_t>(begin) ^ kZeros;
    return {(front << half_shift) << half_shift, load<std::uint64_t>(end - 8) ^ kZeros};
  }
  if (size < 4) return {0, align_few(begin, size)};
  const auto shift = static_cast<unsigned>(8 * (8 - size));
  return {0, load_two(begin, end - 4, shift) ^ (kZeros << shift)};
}

// The top bit of each byte that is no digit's difference to '0'.
inline std::uint64_t not_digits(std::uint64_t differences) {
  // The sum carries into the next byte only from one whose top bit is set, which is no digit either way; but
  // then the next one may be wrong, too: only "none" and "the lowest" are to be relied on.
  return (differences | (differences + 0x7676'7676'7676'7676U)) & kTopBits;
}

// The number of eight digits. REQUIRES: not_digits(digits) == 0.
inline std::uint64_t number_of(std::uint64_t digits) {
  const std::uint64_t pairs = digits * 10 + (digits >> 8U);
  constexpr std::uint64_t kMask = 0x0000'00ff'0000'00ffU;
  constexpr std::uint64_t kOdd = 100 + (std::uint64_t{1'000'000} << 32U);
  constexpr std::uint64_t kEven = 1 + (std::uint64_t{10'000} << 32U);
  return ((pairs & kMask) * kOdd + ((pairs >> 16U) & kMask) * kEven) >> 32U;
}

inline std::uint64_t number_of(const Aligned& digits) {
  return number_of(digits.first) * 100'000'000 + number_of(digits.second);
}

template <typename Word>
bool has_zero_byte(Word word) {
  constexpr Word kOnes = static_cast<Word>(-1) / 0xff;
  return ((word - kOnes) & ~word & (kOnes << 7U)) != 0;
}

}  // namespace hypercopy::words
