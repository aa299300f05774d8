// Short numbers, which are read in words, against std::from_chars: every length and place of the point, and what
// is no number.
#include <gtest/gtest.h>

#include <charconv>
#include <cstring>
#include <memory>
#include <random>
#include <string>

#include "encoders.hpp"

namespace hypercopy {
namespace {

constexpr std::uint64_t kSeed = 20261121;

// Encodes from memory that ends with the text, so that a sanitizer sees what is read beyond it.
bool encode(EncodeField field, const std::string& text, BinaryBuffer& out) {
  const auto bytes = std::make_unique<char[]>(text.size());
  std::memcpy(bytes.get(), text.data(), text.size());
  out.clear();
  return field({bytes.get(), text.size()}, FieldType{}, out);
}

// Length word and value, as COPY BINARY has them.
std::string field_of(std::uint64_t bits, unsigned size) {
  std::string field{'\0', '\0', '\0', static_cast<char>(size)};
  for (unsigned at = size; at-- > 0;) field += static_cast<char>(bits >> (8 * at));
  return field;
}

template <typename Value>
bool read_all(const std::string& text, Value& value) {
  const auto [stop, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  return error == std::errc() && stop == text.data() + text.size();
}

template <typename Float, typename Bits>
void expect_float(EncodeField field, const std::string& text) {
  BinaryBuffer out;
  Float value{};
  const bool is_number = read_all(text, value);
  ASSERT_EQ(encode(field, text, out), is_number) << text;
  if (is_number) {
    ASSERT_EQ(out.view(), field_of(std::bit_cast<Bits>(value), sizeof(Bits))) << text;
  }
}

void expect_same(const std::string& text) {
  expect_float<double, std::uint64_t>(encode_float8, text);
  expect_float<float, std::uint32_t>(encode_float4, text);
  BinaryBuffer out;
  std::int64_t integer = 0;
  const bool is_integer = read_all(text, integer);
  ASSERT_EQ(encode(encode_int8, text, out), is_integer) << text;
  if (is_integer) {
    ASSERT_EQ(out.view(), field_of(static_cast<std::uint64_t>(integer), 8)) << text;
  }
}

std::string random_digits(std::mt19937_64& random, std::size_t count) {
  std::string digits;
  for (std::size_t at = 0; at < count; ++at) digits += static_cast<char>('0' + random() % 10);
  return digits;
}

TEST(ShortNumber, EveryLengthAndPlaceOfThePointIsReadAsFromCharsReadsIt) {
  std::mt19937_64 random(kSeed);
  for (int round = 0; round < 50; ++round) {
    for (std::size_t count = 0; count <= 20; ++count) {
      const std::string digits = random_digits(random, count);
      for (const char* sign : {"", "-"}) {
        ASSERT_NO_FATAL_FAILURE(expect_same(sign + digits));
        for (std::size_t point = 0; point <= count; ++point)
          ASSERT_NO_FATAL_FAILURE(expect_same(sign + digits.substr(0, point) + "." + digits.substr(point)));
      }
    }
  }
}

TEST(ShortNumber, OneWrongByteAnywhereIsNoNumber) {
  std::mt19937_64 random(kSeed);
  for (std::size_t count = 1; count <= 18; ++count) {
    for (std::size_t at = 0; at < count; ++at) {
      for (const unsigned byte :
           {0x00U, 0x1eU, 0x2cU, 0x2dU, 0x2fU, 0x3aU, 0x70U, 0x80U, 0xaeU, 0xb0U, 0xb5U, 0xffU}) {
        if (byte == 0x2dU && at == 0) continue;  // a sign
        std::string text = random_digits(random, count);
        text[at] = static_cast<char>(byte);
        ASSERT_NO_FATAL_FAILURE(expect_same(text));
        if (count > 2) {
          text[(at + 1) % count] = '.';
          ASSERT_NO_FATAL_FAILURE(expect_same(text));
          text[(at + 2) % count] = '.';
          ASSERT_NO_FATAL_FAILURE(expect_same(text));
        }
      }
    }
  }
}

// Text is copied in words, too.
TEST(ShortNumber, TextOfEveryLengthIsCopiedAndANulByteIsFound) {
  BinaryBuffer out;
  for (std::size_t size = 0; size <= 40; ++size) {
    std::string text;
    for (std::size_t at = 0; at < size; ++at) text += static_cast<char>('!' + at);
    ASSERT_TRUE(encode(encode_text, text, out));
    EXPECT_EQ(out.view(), std::string("\0\0\0", 3) + static_cast<char>(size) + text);
    for (std::size_t at = 0; at < size; ++at) {
      std::string with_nul = text;
      with_nul[at] = '\0';
      EXPECT_FALSE(encode(encode_text, with_nul, out)) << size << " " << at;
    }
  }
}

}  // namespace
}  // namespace hypercopy
