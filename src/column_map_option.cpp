// column_mapping.hpp, parse_column_map(): the two spellings of --column-map.
#include <fmt/format.h>
#include <simdjson.h>

#include <algorithm>
#include <unordered_set>

#include "hypercopy/column_mapping.hpp"
#include "near_name.hpp"

namespace hypercopy {
namespace {

constexpr std::string_view kShapeHint =
    "write CSV_NAME:COLUMN,CSV_NAME:COLUMN or a JSON object {\"CSV_NAME\":\"COLUMN\"}; names with a comma or "
    "a "
    "colon need JSON";

tl::unexpected<Error> wrong(std::string message) {
  return fail(ErrorKind::usage, "--column-map: " + std::move(message), std::string(kShapeHint));
}

Result<ColumnMap> parse_pairs(std::string_view text) {
  ColumnMap map;
  for (std::string_view rest = text;;) {
    const std::size_t length = std::min(rest.find(','), rest.size());
    const std::string_view pair = rest.substr(0, length);
    const std::size_t colon = pair.find(':');
    if (colon == std::string_view::npos) {
      return wrong(fmt::format("entry {} '{}' has no colon", map.size() + 1, pair));
    }
    if (pair.find(':', colon + 1) != std::string_view::npos) {
      return wrong(fmt::format("entry {} '{}' has more than one colon", map.size() + 1, pair));
    }
    map.emplace_back(pair.substr(0, colon), pair.substr(colon + 1));
    if (length == rest.size()) return map;
    rest.remove_prefix(length + 1);
  }
}

Result<ColumnMap> parse_json(std::string_view text) {
  simdjson::dom::parser parser;
  simdjson::dom::element document;
  if (const auto code = parser.parse(text.data(), text.size()).get(document); code != simdjson::SUCCESS) {
    return wrong(fmt::format("the JSON cannot be read: {}", simdjson::error_message(code)));
  }
  simdjson::dom::object object;
  if (document.get(object) != simdjson::SUCCESS) return wrong("the JSON is not an object");

  ColumnMap map;
  for (const auto& [key, value] : object) {
    std::string_view column;
    if (value.get(column) != simdjson::SUCCESS) {
      return wrong(fmt::format("the value of {} in the JSON is not a string", message_name(key)));
    }
    map.emplace_back(key, column);
  }
  return map;
}

Status check_entry(std::string_view field, std::string_view column, std::size_t number) {
  if (field.empty()) return wrong(fmt::format("entry {} has no name in front of the colon", number));
  if (column.empty())
    return wrong(fmt::format("entry {} names no column for {}", number, message_name(field)));
  if (field.find('\0') == std::string_view::npos && column.find('\0') == std::string_view::npos) return {};
  return wrong(fmt::format("entry {} has a name with a NUL byte", number));
}

Status check_map(const ColumnMap& map) {
  if (map.empty()) return wrong("it names no field");
  std::unordered_set<std::string_view> fields;
  std::unordered_set<std::string_view> columns;
  for (const auto& [field, column] : map) {
    HYPERCOPY_TRY(check_entry(field, column, fields.size() + 1));
    if (!fields.insert(field).second) {
      return wrong(fmt::format("the header field {} is named twice", message_name(field)));
    }
    if (!columns.insert(column).second) {
      return wrong(fmt::format("the column {} is named twice", message_name(column)));
    }
  }
  return {};
}

}  // namespace

Result<ColumnMap> parse_column_map(std::string_view text) {
  const std::size_t first = text.find_first_not_of(" \t\n\r");
  if (first == std::string_view::npos) return wrong("it names no field");
  HYPERCOPY_ASSIGN(ColumnMap map, text[first] == '{' ? parse_json(text) : parse_pairs(text));
  HYPERCOPY_TRY(check_map(map));
  return map;
}

}  // namespace hypercopy
