#include "hypercopy/generate.hpp"

#include <fmt/format.h>

#include "generate_rows.hpp"

namespace hypercopy {
namespace {

using std::chrono::seconds;
using std::chrono::sys_seconds;

struct ShapeTraits {
  std::string_view name;
  std::vector<GeneratedColumn> (*columns)();
  Status (*write)(const GenerateOptions& options, generating::RowWriter& rows);
  std::uint64_t default_rows;
  std::uint32_t default_series;
  seconds default_interval;
};

const ShapeTraits& traits(DataShape shape) {
  using namespace generating;
  static constexpr std::array<ShapeTraits, kShapes.size()> kTraits{{
      {"cpu", cpu_columns, write_cpu, 3'000'000, 1000, seconds(10)},
      {"iot", iot_columns, write_iot, 5'000'000, 1000, seconds(10)},
      {"wide", wide_columns, write_wide, 600'000, 100, seconds(10)},
      {"quoted", quoted_columns, write_quoted, 2'400'000, 1, seconds(1)},
      {"types", types_columns, write_types, 700'000, 1, seconds(1)},
  }};
  return kTraits[static_cast<std::size_t>(shape)];
}

constexpr sys_seconds kFirst = std::chrono::sys_days{std::chrono::year{1} / 1 / 1};
constexpr sys_seconds kLast = std::chrono::sys_days{std::chrono::year{9999} / 12 / 31};
constexpr seconds kLongestTime = kLast - kFirst;

Status check(const GenerateOptions& options) {
  if (options.series == 0) return fail(ErrorKind::usage, "at least 1 host, truck or device is needed");
  if (options.interval.count() <= 0 || options.interval > kLongestTime)
    return fail(ErrorKind::usage, "the interval must be at least one second, and less than 9999 years");
  if (options.start < kFirst || options.start > kLast)
    return fail(ErrorKind::usage, "the start must be in the years 1 to 9999");
  if (options.span && (options.span->count() < 0 || *options.span > kLongestTime))
    return fail(ErrorKind::usage, "the span must not be negative, and less than 9999 years");
  return {};
}

std::uint64_t steps_of(seconds span, seconds interval) {
  const auto steps = static_cast<std::uint64_t>(span / interval);
  return steps + (span % interval == seconds(0) ? 0 : 1);
}

// Rows that come late need a few steps more than the others.
Status check_end(const GenerateOptions& options, std::uint64_t rows) {
  const std::uint64_t late = options.shape == DataShape::iot ? kMostLateSteps : 0;
  const std::uint64_t steps = rows / options.series + late;
  if (steps <= static_cast<std::uint64_t>((kLast - options.start) / options.interval)) return {};
  return fail(ErrorKind::usage,
              fmt::format("{} rows, {} every {} s, go beyond the year 9999", rows, options.series,
                          options.interval.count()),
              "use a shorter interval or more hosts, trucks or devices");
}

std::string header_of(DataShape shape) {
  std::string header;
  for (const GeneratedColumn& column : columns_of(shape)) {
    header += header.empty() ? "" : ",";
    header += column.name;
  }
  return header + '\n';
}

// Always in quotes: what is a key word differs between servers.
std::string quoted_identifier(std::string_view name) {
  std::string quoted = "\"";
  for (const char byte : name) quoted.append(byte == '"' ? 2 : 1, byte);
  return quoted + '"';
}

std::string qualified(const TableName& table, std::string_view suffix) {
  const std::string name = quoted_identifier(fmt::format("{}{}", table.name, suffix));
  return table.schema.empty() ? name : quoted_identifier(table.schema) + '.' + name;
}

std::string name_of(const generating::OwnType& own, const TableName& table) {
  return qualified(table, fmt::format("_{}", own.name));
}

std::string type_of(const GeneratedColumn& column, std::span<const generating::OwnType> own_types,
                    const TableName& table) {
  for (const auto& own : own_types) {
    if (column.type.starts_with(own.name))
      return name_of(own, table) + std::string(column.type.substr(own.name.size()));
  }
  return std::string(column.type);
}

}  // namespace

std::string_view to_string(DataShape shape) { return traits(shape).name; }

GenerateOptions default_options(DataShape shape) {
  const ShapeTraits& of = traits(shape);
  return {
      .shape = shape, .rows = of.default_rows, .series = of.default_series, .interval = of.default_interval};
}

std::vector<GeneratedColumn> columns_of(DataShape shape) { return traits(shape).columns(); }

Status generate(const GenerateOptions& options, const BlockSink& sink) {
  HYPERCOPY_TRY(check(options));
  const std::uint64_t rows =
      options.span ? steps_of(*options.span, options.interval) * options.series : options.rows;
  HYPERCOPY_TRY(check_end(options, rows));
  if (options.header) HYPERCOPY_TRY(sink(header_of(options.shape)));
  generating::RowWriter writer(rows, sink);
  HYPERCOPY_TRY(traits(options.shape).write(options, writer));
  return writer.flush();
}

std::string schema_sql(DataShape shape, const TableName& table) {
  std::span<const generating::OwnType> own_types;
  if (shape == DataShape::types) own_types = generating::types_own_types();
  std::string sql;
  for (const auto& own : own_types)
    sql += fmt::format("CREATE {} {} {};\n", own.kind, name_of(own, table), own.definition);
  std::string columns;
  for (const GeneratedColumn& column : columns_of(shape)) {
    columns += fmt::format("{}\n  {} {}{}", columns.empty() ? "" : ",", column.name,
                           type_of(column, own_types, table), columns.empty() ? " NOT NULL" : "");
  }
  return sql + fmt::format("CREATE TABLE {} ({}\n);\n", qualified(table, ""), columns);
}

}  // namespace hypercopy
