#include "import_job.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>

#include "hypercopy/sql_identifier.hpp"
#include "input_fingerprint.hpp"

namespace hypercopy {

namespace {

// Of the pinned settings those that change what a value means.
constexpr std::array<std::string_view, 7> kMeaning{
    "TimeZone",   "timezone_abbreviations", "DateStyle", "IntervalStyle", "lc_monetary", "xmloption",
    "array_nulls"};

// A byte as text that every encoding has.
std::string shown(char byte) {
  const auto code = static_cast<unsigned char>(byte);
  return code > 0x20 && code < 0x7f ? std::string(1, byte) : fmt::format("\\x{:02x}", code);
}

std::string_view header_name(Header header) {
  switch (header) {
    case Header::none:
      return "none";
    case Header::skip:
      return "skipped";
    case Header::match:
      return "matched";
  }
  return {};
}

std::string column_map_text(const ColumnMap& map) {
  std::string text;
  for (const auto& [field, column] : map)
    text += fmt::format("{}{}:{}", text.empty() ? "" : ",", field, column);
  return text;
}

// What its end does to the target.
std::string atomic_text(const LoadOptions& options) {
  if (!options.atomic) return "no";
  return options.truncate ? "yes, with --truncate" : "yes";
}

Result<ImportInput> describe_input(const std::string& path, const Cancellation& cancellation) {
  if (path != "-" && is_fifo(path)) return ImportInput{.name = path};
  HYPERCOPY_ASSIGN(const auto source, open_source(path, cancellation));
  ImportInput input{.name = source->name(), .size = source->size()};
  if (input.size) {
    HYPERCOPY_ASSIGN(input.fingerprint, input_fingerprint(*source));
  }
  return input;
}

}  // namespace

Result<ImportJob> describe_import(const LoadPlan& plan, const Cancellation& cancellation) {
  const LoadOptions& options = plan.options;
  const Dialect& dialect = options.dialect;
  const bool csv = dialect.format == Format::csv;
  ImportJob job{.import_id = options.import_id,
                .target = plan.table.oid,
                .target_name = display_qualified(plan.table.schema, plan.table.name),
                .settings = {{"format", std::string(to_string(dialect.format))},
                             {"delimiter", shown(dialect.delimiter)},
                             {"quote", csv ? shown(dialect.quote) : ""},
                             {"escape", csv ? shown(dialect.escape) : ""},
                             {"null", dialect.null_marker},
                             {"force-null", fmt::format("{}", fmt::join(dialect.force_null, ","))},
                             {"force-not-null", fmt::format("{}", fmt::join(dialect.force_not_null, ","))},
                             {"encoding", plan.session.client_encoding},
                             {"header", std::string(header_name(options.header))},
                             {"skip-lines", std::to_string(options.skip_lines)},
                             {"keep-bom", options.keep_bom ? "yes" : "no"},
                             {"columns", fmt::format("{}", fmt::join(options.columns, ","))},
                             {"column-map", column_map_text(options.column_map)},
                             {"limit", std::to_string(options.limit_records)},
                             {"where", options.where},
                             {"atomic", atomic_text(options)},
                             {"on-conflict", std::string(to_string(options.on_conflict))},
                             {"conflict-key", fmt::format("{}", fmt::join(options.conflict_key, ","))}}};
  // Only where it is on: imports that were begun before there was such a setting go on.
  if (options.build_chunks) job.settings.emplace_back("build-chunks", "on");
  for (const auto& [name, value] : plan.session.pinned) {
    if (std::find(kMeaning.begin(), kMeaning.end(), name) != kMeaning.end())
      job.settings.emplace_back(name, value);
  }
  for (const auto& path : plan.files) {
    HYPERCOPY_ASSIGN(ImportInput input, describe_input(path, cancellation));
    job.inputs.push_back(std::move(input));
  }
  return job;
}

}  // namespace hypercopy
