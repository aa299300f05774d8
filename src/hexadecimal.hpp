// Bytes as hexadecimal digits: for SQL they are a text that needs no quoting, whatever they are.
#pragma once

#include <string>
#include <string_view>

namespace hypercopy {

[[nodiscard]] inline std::string hexadecimal(std::string_view bytes) {
  static constexpr std::string_view kDigits = "0123456789abcdef";
  std::string digits;
  digits.reserve(2 * bytes.size());
  for (const char byte : bytes) {
    const auto code = static_cast<unsigned char>(byte);
    digits += kDigits[code >> 4];
    digits += kDigits[code & 15];
  }
  return digits;
}

// As SQL of type bytea.
[[nodiscard]] inline std::string bytes_sql(std::string_view bytes) {
  return "pg_catalog.decode('" + hexadecimal(bytes) + "', 'hex')";
}

}  // namespace hypercopy
