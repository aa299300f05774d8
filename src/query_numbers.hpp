// Numbers in a query's text results.
#pragma once

#include <charconv>
#include <cstdint>
#include <string_view>

#include "hypercopy/connection.hpp"

namespace hypercopy {

// 0 for NULL.
template <typename Number>
[[nodiscard]] Number number_at(const QueryResult& rows, int row, int column) {
  const std::string_view digits = rows.text(row, column);
  Number number = 0;
  std::from_chars(digits.data(), digits.data() + digits.size(), number);
  return number;
}

[[nodiscard]] inline std::uint64_t count_at(const QueryResult& rows, int row, int column) {
  return number_at<std::uint64_t>(rows, row, column);
}

}  // namespace hypercopy
