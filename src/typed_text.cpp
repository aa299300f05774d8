#include "typed_text.hpp"

#include <algorithm>
#include <array>
#include <charconv>

namespace hypercopy {

namespace {

bool is_ascii(std::string_view text) {
  return std::ranges::all_of(text, [](char byte) { return (static_cast<unsigned char>(byte) & 0x80U) == 0; });
}

std::string from_hex(std::string_view digits) {
  std::string bytes;
  for (std::size_t at = 0; at + 1 < digits.size(); at += 2) {
    unsigned char byte = 0;
    std::from_chars(digits.data() + at, digits.data() + at + 2, byte, 16);
    bytes.push_back(static_cast<char>(byte));
  }
  return bytes;
}

Status transcode(Connection& connection, const std::string& encoding, std::string& text) {
  if (is_ascii(text)) return {};
  const std::array<std::string, 2> parameters{text, encoding};
  auto converted = connection.execute(
      "SELECT pg_catalog.encode(pg_catalog.convert_to($1, $2::pg_catalog.name), 'hex')", parameters);
  if (converted) {
    text = from_hex(converted->text(0, 0));
    return {};
  }
  if (converted.error().kind == ErrorKind::sql) return {};
  return fail(std::move(converted).error());
}

}  // namespace

Status transcode_typed_text(Connection& connection, LoadOptions& options) {
  std::vector<std::string*> texts{&options.table.schema, &options.table.name, &options.dialect.null_marker,
                                  &options.where};
  const auto add = [&](std::string& text) { texts.push_back(&text); };
  std::ranges::for_each(options.columns, add);
  std::ranges::for_each(options.dialect.force_null, add);
  std::ranges::for_each(options.dialect.force_not_null, add);
  for (auto& [field, column] : options.column_map) {
    add(field);
    add(column);
  }
  for (std::string* const text : texts) HYPERCOPY_TRY(transcode(connection, options.encoding, *text));
  return {};
}

}  // namespace hypercopy
