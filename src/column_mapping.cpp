#include "hypercopy/column_mapping.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <unordered_map>
#include <unordered_set>

#include "hypercopy/record_fields.hpp"
#include "hypercopy/sql_identifier.hpp"
#include "near_name.hpp"

namespace hypercopy {
namespace {

using Names = std::vector<std::string>;

// Who named the columns of the fields: for messages.
enum class NamedBy { columns_option, header, column_map };

std::string place(NamedBy by, std::size_t index) {
  switch (by) {
    case NamedBy::columns_option:
      return fmt::format("entry {} of --columns", index + 1);
    case NamedBy::header:
      return fmt::format("header field {}", index + 1);
    case NamedBy::column_map:
      return fmt::format("--column-map for header field {}", index + 1);
  }
  return {};
}

std::string places(NamedBy by, std::size_t first, std::size_t second) {
  switch (by) {
    case NamedBy::columns_option:
      return fmt::format("entries {} and {} of --columns", first + 1, second + 1);
    case NamedBy::header:
      return fmt::format("header fields {} and {}", first + 1, second + 1);
    case NamedBy::column_map:
      return fmt::format("by --column-map for header fields {} and {}", first + 1, second + 1);
  }
  return {};
}

std::string table_text(const TargetTable& table) { return display_qualified(table.schema, table.name); }

Names column_names(const TargetTable& table) {
  Names names;
  for (const Column& column : table.columns) names.push_back(column.name);
  return names;
}

// The indexes of the first two equal names.
std::optional<std::pair<std::size_t, std::size_t>> find_twin(const Names& names) {
  std::unordered_map<std::string_view, std::size_t> seen;
  for (std::size_t index = 0; index < names.size(); ++index) {
    const auto [entry, is_new] = seen.emplace(names[index], index);
    if (!is_new) return std::pair(entry->second, index);
  }
  return std::nullopt;
}

Status check_distinct(const Names& names, NamedBy by) {
  const auto twin = find_twin(names);
  if (!twin) return {};
  const ErrorKind kind = by == NamedBy::columns_option ? ErrorKind::usage : ErrorKind::target;
  return fail(kind,
              fmt::format("column {} is named twice ({})", message_name(names[twin->first]),
                          places(by, twin->first, twin->second)),
              "each column can take one field only");
}

tl::unexpected<Error> unknown_column(const TargetTable& table, const std::string& name,
                                     std::string_view named_by, std::string hint) {
  return fail(Error{.kind = ErrorKind::target,
                    .message = fmt::format("the table {} has no column {} (named by {})", table_text(table),
                                           message_name(name), named_by),
                    .detail = "its columns are: " + message_list(column_names(table)),
                    .hint = std::move(hint)});
}

// A first record of which no field is a column is more likely data than a misspelt header.
std::string unknown_column_hint(const TargetTable& table, const Names& names, const std::string& unknown,
                                NamedBy by) {
  const auto known = [&table](const std::string& name) { return table.find(name) != nullptr; };
  std::string near = near_name_hint(unknown, column_names(table));
  if (by != NamedBy::header || !near.empty() || std::ranges::any_of(names, known)) return near;
  return "no field of the first record is a column: if it is data, leave --header out; if it is a header "
         "with "
         "other names, use --column-map";
}

// The names of a header's fields.
Result<Names> read_header(std::string_view header, const Dialect& dialect) {
  const std::string_view record = without_newline(header);
  std::vector<FieldRange> fields;
  split_fields(record, dialect, fields);

  Names names;
  for (const FieldRange& field : fields) {
    names.push_back(decode_field(record.substr(field.begin, field.end - field.begin), dialect));
    if (!names.back().empty()) continue;
    return fail(ErrorKind::target,
                fmt::format("header field {} of {} has no name", names.size(), fields.size()),
                "name it in the file, or use --columns with --skip-header");
  }
  return names;
}

Status check_entries_used(const Names& fields, const LoadOptions& options, Names& notices) {
  const std::unordered_set<std::string_view> in_header(fields.begin(), fields.end());
  for (const auto& [field, column] : options.column_map) {
    if (in_header.contains(field)) continue;
    std::string message =
        fmt::format("the header has no field {} (named by --column-map)", message_name(field));
    if (options.extra_mappings) {
      notices.push_back(message + ": this entry is not used");
      continue;
    }
    return fail(Error{.kind = ErrorKind::target,
                      .message = std::move(message),
                      .detail = "its fields are: " + message_list(fields),
                      .hint = near_name_hint(field, fields)});
  }
  return {};
}

// The columns that the map gives to the header's fields. Every field must be mapped.
Result<Names> apply_map(const Names& fields, const ColumnMap& map) {
  std::unordered_map<std::string_view, std::string_view> column_of;
  for (const auto& [field, column] : map) column_of.emplace(field, column);

  Names columns;
  for (std::size_t index = 0; index < fields.size(); ++index) {
    const auto entry = column_of.find(fields[index]);
    if (entry == column_of.end()) {
      Names mapped;
      for (const auto& [field, column] : map) mapped.push_back(field);
      return fail(Error{.kind = ErrorKind::target,
                        .message = fmt::format("header field {} {} is not named by --column-map", index + 1,
                                               message_name(fields[index])),
                        .detail = "the map names: " + message_list(mapped),
                        .hint = near_name_hint(fields[index], mapped)});
    }
    columns.emplace_back(entry->second);
  }
  return columns;
}

ColumnMapping map_by_position(const TargetTable& table) {
  ColumnMapping mapping;
  for (const Column& column : table.columns) {
    if (!column.generated) mapping.columns.push_back(column.name);
  }
  mapping.field_count = mapping.columns.size();
  return mapping;
}

void drop_generated(ColumnMapping& mapping, std::size_t field, const std::string& column) {
  mapping.dropped.push_back(field);
  mapping.dropped_columns.push_back(column);
  mapping.notices.push_back(
      fmt::format("header field {} is left out: the column {} is generated by the server", field + 1,
                  message_name(column)));
}

Result<ColumnMapping> map_by_name(const Names& names, NamedBy by, const TargetTable& table) {
  HYPERCOPY_TRY(check_distinct(names, by));
  ColumnMapping mapping;
  mapping.field_count = names.size();
  for (std::size_t field = 0; field < names.size(); ++field) {
    const std::string& name = names[field];
    const Column* const column = table.find(name);
    if (column == nullptr) {
      return unknown_column(table, name, place(by, field), unknown_column_hint(table, names, name, by));
    }
    if (!column->generated) {
      mapping.columns.push_back(name);
    } else if (by == NamedBy::columns_option) {
      return fail(ErrorKind::target,
                  fmt::format("column {} of {} is generated: COPY takes no values for it (named by {})",
                              message_name(name), table_text(table), place(by, field)),
                  "leave it out of --columns; if the file has a field for it, --header drops that field");
    } else {
      drop_generated(mapping, field, name);
    }
  }
  if (!mapping.columns.empty()) return mapping;
  return fail(
      ErrorKind::target,
      fmt::format("every column that the header names is generated by the server: there is nothing to "
                  "load into {}",
                  table_text(table)));
}

// REQUIRES: --columns is not given or the header does not name the columns.
Result<ColumnMapping> map_fields(const LoadOptions& options, const TargetTable& table,
                                 std::optional<std::string_view> header) {
  if (!options.columns.empty()) return map_by_name(options.columns, NamedBy::columns_option, table);
  if (options.header != Header::match) return map_by_position(table);
  if (!header) {
    return fail(ErrorKind::target, "the input is empty: it has no header to take the columns from",
                "leave --header out if an empty input is expected");
  }
  HYPERCOPY_ASSIGN(const Names fields, read_header(*header, options.dialect));
  HYPERCOPY_TRY(check_distinct(fields, NamedBy::header));
  if (options.column_map.empty()) return map_by_name(fields, NamedBy::header, table);
  HYPERCOPY_ASSIGN(const Names columns, apply_map(fields, options.column_map));
  Names notices;
  HYPERCOPY_TRY(check_entries_used(fields, options, notices));
  HYPERCOPY_ASSIGN(ColumnMapping mapping, map_by_name(columns, NamedBy::column_map, table));
  mapping.notices.insert(mapping.notices.end(), notices.begin(), notices.end());
  return mapping;
}

// The server says all this too, but for every batch.
Status check_force_list(std::string_view option, const Names& list, const TargetTable& table,
                        const ColumnMapping& mapping) {
  if (const auto twin = find_twin(list)) {
    return fail(ErrorKind::usage,
                fmt::format("column {} is named twice (entries {} and {} of {})",
                            message_name(list[twin->first]), twin->first + 1, twin->second + 1, option),
                "name it once");
  }
  for (const std::string& name : list) {
    if (std::ranges::find(mapping.columns, name) != mapping.columns.end()) continue;
    const Column* const column = table.find(name);
    if (column == nullptr) {
      return unknown_column(table, name, option, near_name_hint(name, column_names(table)));
    }
    const std::string_view why =
        column->generated ? "is generated by the server" : "gets no field of the input";
    return fail(Error{.kind = ErrorKind::target,
                      .message = fmt::format("column {} {} (named by {})", message_name(name), why, option),
                      .detail = "the input has: " + message_list(mapping.columns),
                      .hint = fmt::format("leave it out of {}", option)});
  }
  return {};
}

}  // namespace

Result<ColumnMapping> map_columns(const LoadOptions& options, const TargetTable& table,
                                  std::optional<std::string_view> header) {
  HYPERCOPY_ASSIGN(ColumnMapping mapping, map_fields(options, table, header));
  HYPERCOPY_TRY(check_force_list("--force-not-null", options.dialect.force_not_null, table, mapping));
  HYPERCOPY_TRY(check_force_list("--force-null", options.dialect.force_null, table, mapping));
  return mapping;
}

Result<std::vector<std::string>> parse_column_list(std::string_view text) {
  return parse_identifiers("--columns", text, ',');
}

std::optional<std::size_t> field_of(const ColumnMapping& mapping, std::string_view column) {
  const auto at = std::ranges::find(mapping.columns, column);
  if (at == mapping.columns.end()) return std::nullopt;
  auto field = static_cast<std::size_t>(at - mapping.columns.begin());
  for (const std::size_t dropped : mapping.dropped) {
    if (dropped <= field) ++field;
  }
  return field;
}

}  // namespace hypercopy
