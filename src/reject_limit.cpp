#include "hypercopy/reject_limit.hpp"

#include <fmt/format.h>

#include <charconv>

namespace hypercopy {

namespace {

template <typename Number>
std::optional<Number> read_number(std::string_view text) {
  Number number{};
  const auto [end, outcome] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (outcome != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return number;
}

}  // namespace

Result<RejectLimit> parse_reject_limit(std::string_view text) {
  RejectLimit limit;
  if (text.ends_with('%')) {
    limit.percent = read_number<double>(text.substr(0, text.size() - 1));
    if (limit.percent && *limit.percent >= 0 && *limit.percent <= 100) return limit;
  } else {
    limit.records = read_number<std::uint64_t>(text);
    if (limit.records) return limit;
  }
  return fail(ErrorKind::usage, fmt::format("--max-rejects {} is no limit", text),
              "give a number of records, or a share of them from 0% to 100%");
}

std::string to_string(const RejectLimit& limit) {
  if (limit.records) return fmt::format("{}", *limit.records);
  return limit.percent ? fmt::format("{}%", *limit.percent) : std::string("no limit");
}

}  // namespace hypercopy
