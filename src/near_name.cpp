#include "near_name.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <numeric>

#include "hypercopy/sql_identifier.hpp"

namespace hypercopy {
namespace {

// PostgreSQL's identifiers have at most 63 bytes.
constexpr std::size_t kLongestName = 63;
constexpr std::size_t kLongestList = 40;

std::string shorten(std::string_view name) {
  if (name.size() <= kLongestName) return std::string(name);
  std::size_t length = kLongestName;
  const auto continues = [](char byte) { return (static_cast<unsigned char>(byte) & 0xC0U) == 0x80U; };
  while (length > 0 && continues(name[length])) --length;  // not inside a UTF-8 character
  return std::string(name.substr(0, length)) + "...";
}

std::string lower(std::string_view text) {
  std::string lowered(text);
  for (char& byte : lowered) {
    if (byte >= 'A' && byte <= 'Z') byte = static_cast<char>(byte - 'A' + 'a');
  }
  return lowered;
}

std::size_t edit_distance(std::string_view a, std::string_view b) {
  std::vector<std::size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), std::size_t{0});
  for (std::size_t i = 0; i < a.size(); ++i) {
    std::size_t diagonal = row[0];
    row[0] = i + 1;
    for (std::size_t j = 0; j < b.size(); ++j) {
      const std::size_t replaced = diagonal + (a[i] == b[j] ? 0 : 1);
      diagonal = row[j + 1];
      row[j + 1] = std::min({replaced, diagonal + 1, row[j] + 1});
    }
  }
  return row[b.size()];
}

}  // namespace

std::string message_name(std::string_view name) { return fmt::format("\"{}\"", shorten(name)); }

std::string message_list(const std::vector<std::string>& names) {
  if (names.empty()) return "(none)";
  std::string list;
  for (std::size_t index = 0; index < std::min(names.size(), kLongestList); ++index) {
    if (index > 0) list += ", ";
    list += display_identifier(shorten(names[index]));
  }
  if (names.size() > kLongestList) list += fmt::format(" and {} more", names.size() - kLongestList);
  return list;
}

std::optional<std::string> nearest_name(std::string_view name, const std::vector<std::string>& candidates) {
  if (name.size() > kLongestName) return std::nullopt;
  const std::string wanted = lower(name);
  const std::size_t limit = name.size() < 3 ? 0 : std::min<std::size_t>(2, name.size() / 3);

  const std::string* nearest = nullptr;
  std::size_t least = limit + 1;
  bool unique = false;
  for (const std::string& candidate : candidates) {
    if (candidate.size() > kLongestName) continue;
    const std::size_t distance = edit_distance(wanted, lower(candidate));
    if (distance > least || distance > limit) continue;
    unique = distance < least;
    least = distance;
    nearest = &candidate;
  }
  if (nearest == nullptr || !unique) return std::nullopt;
  return *nearest;
}

std::string near_name_hint(std::string_view name, const std::vector<std::string>& candidates) {
  const auto nearest = nearest_name(name, candidates);
  if (!nearest) return {};
  const std::string_view why = lower(*nearest) == lower(name) ? "upper and lower case count here: " : "";
  return fmt::format("{}did you mean {}?", why, message_name(*nearest));
}

}  // namespace hypercopy
