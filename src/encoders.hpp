// The encoders of all types but dates and times (encode_datetime.hpp), behind field_encoder.hpp.
// Shape:   each is an EncodeField; the PostgreSQL input and receive functions it stands for are beside it.
// Threads: any; pure functions.
// Why:     what an encoder gives up is written where it is given up; the differential test
//          integration_test_encoders holds each of them against a real server.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

#include "hypercopy/field_encoder.hpp"

namespace hypercopy {

// encode_number.cpp
bool encode_int2(std::string_view text, const FieldType& type, BinaryBuffer& out);     // int2in, int2recv
bool encode_int4(std::string_view text, const FieldType& type, BinaryBuffer& out);     // int4in, int4recv
bool encode_int8(std::string_view text, const FieldType& type, BinaryBuffer& out);     // int8in, int8recv
bool encode_oid(std::string_view text, const FieldType& type, BinaryBuffer& out);      // oidin, oidrecv
bool encode_float4(std::string_view text, const FieldType& type, BinaryBuffer& out);   // float4in, float4recv
bool encode_float8(std::string_view text, const FieldType& type, BinaryBuffer& out);   // float8in, float8recv
bool encode_numeric(std::string_view text, const FieldType& type, BinaryBuffer& out);  // numeric_in, _recv
bool encode_bool(std::string_view text, const FieldType& type, BinaryBuffer& out);     // boolin, boolrecv

// encode_text.cpp
// Also varchar, bpchar, json and enums: their receive functions take the same bytes as their input functions.
bool encode_text(std::string_view text, const FieldType& type, BinaryBuffer& out);
bool encode_name(std::string_view text, const FieldType& type, BinaryBuffer& out);   // namein, namerecv
bool encode_jsonb(std::string_view text, const FieldType& type, BinaryBuffer& out);  // jsonb_in, jsonb_recv
bool encode_bytea(std::string_view text, const FieldType& type, BinaryBuffer& out);  // byteain, bytearecv
bool encode_uuid(std::string_view text, const FieldType& type, BinaryBuffer& out);   // uuid_in, uuid_recv

// encode_network.cpp
bool encode_inet(std::string_view text, const FieldType& type, BinaryBuffer& out);     // inet_in, inet_recv
bool encode_cidr(std::string_view text, const FieldType& type, BinaryBuffer& out);     // cidr_in, cidr_recv
bool encode_macaddr(std::string_view text, const FieldType& type, BinaryBuffer& out);  // macaddr_in, _recv

// encode_array.cpp. REQUIRES: type.element with its encoder.
bool encode_array(std::string_view text, const FieldType& type, BinaryBuffer& out);  // array_in, array_recv

// The value of a hexadecimal digit of either case, or kNoHexDigit, whose bits no digit has.
inline constexpr std::uint8_t kNoHexDigit = 0xf0;
inline constexpr std::array<std::uint8_t, 256> kHexDigits = [] {
  std::array<std::uint8_t, 256> values{};
  values.fill(kNoHexDigit);
  for (std::uint8_t digit = 0; digit < 10; ++digit) values[std::size_t{'0'} + digit] = digit;
  for (std::uint8_t digit = 10; digit < 16; ++digit) {
    values[std::size_t{'a'} + digit - 10] = digit;
    values[std::size_t{'A'} + digit - 10] = digit;
  }
  return values;
}();

// Two digits into one byte; false: not two hexadecimal digits.
inline bool decode_hex_byte(const char* digits, char& byte) {
  const unsigned high = kHexDigits[static_cast<unsigned char>(digits[0])];
  const unsigned low = kHexDigits[static_cast<unsigned char>(digits[1])];
  byte = static_cast<char>(high << 4 | (low & 0x0f));
  return ((high | low) & kNoHexDigit) == 0;
}

[[nodiscard]] inline bool is_digit(char byte) { return static_cast<unsigned char>(byte - '0') < 10; }
[[nodiscard]] inline char lower(char byte) {
  return byte >= 'A' && byte <= 'Z' ? static_cast<char>(byte | 0x20) : byte;
}

}  // namespace hypercopy
