#include "generate_cli.hpp"

#include <fmt/format.h>

#include <charconv>
#include <map>

namespace hypercopy {

namespace {

struct ShapeHelp {
  DataShape shape;
  const char* about;
};

constexpr std::array<ShapeHelp, kShapes.size()> kShapeHelp{
    {{DataShape::cpu, "TSBS DevOps cpu-only rows: time, tags_id, hostname, ten usage_* floats"},
     {DataShape::iot, "TSBS IoT rows: time, truck, fleet, driver, model, eight floats; NULLs, late rows"},
     {DataShape::wide, "100 columns: time, device_id, integers and floats in turns"},
     {DataShape::quoted, "text with delimiters, quotes, newlines and Unicode; empty strings and NULLs"},
     {DataShape::types, "a column of each type that is sent as COPY BINARY"}}};

// What a row per moment and series is measured of; nothing: the shape has no series.
const char* series_option(DataShape shape) {
  switch (shape) {
    case DataShape::cpu:
      return "--hosts";
    case DataShape::iot:
      return "--trucks";
    case DataShape::wide:
      return "--devices";
    case DataShape::quoted:
    case DataShape::types:
      return nullptr;
  }
  return nullptr;
}

const std::map<std::string, std::int64_t> kTimeUnits{
    {"s", 1}, {"min", 60}, {"h", 3600}, {"d", 86'400}, {"w", 604'800}};

// All of `text` as digits where `pattern` has 0, the same byte elsewhere (a blank also as T).
bool matches(std::string_view text, std::string_view pattern) {
  if (text.size() != pattern.size()) return false;
  for (std::size_t at = 0; at < text.size(); ++at) {
    const bool is_digit = text[at] >= '0' && text[at] <= '9';
    const bool same = text[at] == pattern[at] || (text[at] == 'T' && pattern[at] == ' ');
    if (pattern[at] == '0' ? !is_digit : !same) return false;
  }
  return true;
}

unsigned number_at(std::string_view text, std::size_t at, std::size_t digits) {
  unsigned number = 0;
  std::from_chars(text.data() + at, text.data() + at + digits, number);
  return number;
}

// YYYY-MM-DD, or with HH:MM:SS behind a blank or T; always UTC.
Result<std::chrono::sys_seconds> parse_start(std::string_view text) {
  const auto wrong = fail(ErrorKind::usage, fmt::format("--start: not a date or time: {}", text),
                          "YYYY-MM-DD or YYYY-MM-DDTHH:MM:SS, in UTC");
  const bool with_time = matches(text, "0000-00-00 00:00:00");
  if (!with_time && !matches(text, "0000-00-00")) return wrong;
  const std::chrono::year_month_day date{std::chrono::year{static_cast<int>(number_at(text, 0, 4))},
                                         std::chrono::month{number_at(text, 5, 2)},
                                         std::chrono::day{number_at(text, 8, 2)}};
  const unsigned hour = with_time ? number_at(text, 11, 2) : 0;
  const unsigned minute = with_time ? number_at(text, 14, 2) : 0;
  const unsigned second = with_time ? number_at(text, 17, 2) : 0;
  if (!date.ok() || hour > 23 || minute > 59 || second > 59) return wrong;
  return std::chrono::sys_days{date} + std::chrono::seconds((hour * 60 + minute) * 60 + second);
}

}  // namespace

void GenerateCli::describe(CLI::App& app) {
  app.set_help_flag("-?,--help", "show this help");
  app.require_subcommand(1);
  for (const ShapeHelp& help : kShapeHelp)
    describe_shape(*app.add_subcommand(std::string(to_string(help.shape)), help.about), help.shape);
  app.footer("hypercopy generate SHAPE --help tells more.");
}

void GenerateCli::describe_shape(CLI::App& app, DataShape shape) {
  Words& words = words_.emplace_back();
  words.app = &app;
  words.command.options = default_options(shape);
  GenerateOptions& options = words.command.options;
  words.interval_seconds = options.interval.count();
  app.set_help_flag("-?,--help", "show this help");
  app.option_defaults()->take_last();
  auto* const rows = app.add_option("--rows", options.rows, "how many rows")
                         ->check(CLI::NonNegativeNumber)  // else CLI11 takes -1 for the greatest number
                         ->type_name("N")
                         ->capture_default_str();
  app.add_option("--span", words.span_seconds, "rows for this much time instead of --rows: 90min, 8h, 2d")
      ->transform(CLI::AsNumberWithUnit(kTimeUnits, CLI::AsNumberWithUnit::DEFAULT, "TIME"))
      ->check(CLI::NonNegativeNumber)
      ->excludes(rows);
  app.add_option("--start", words.start, "time of the first row in UTC: YYYY-MM-DD[THH:MM:SS]")
      ->type_name("TIME")
      ->capture_default_str();
  app.add_option("--interval", words.interval_seconds, "seconds from one point in time to the next")
      ->check(CLI::PositiveNumber)
      ->type_name("SECONDS")
      ->capture_default_str();
  if (const char* const series = series_option(shape)) {
    app.add_option(series, options.series, "rows per point in time")
        ->check(CLI::Range(1U, 1U << 30U))
        ->type_name("N")
        ->capture_default_str();
  }
  app.add_option("--seed", options.seed, "the same seed gives the same bytes")
      ->check(CLI::NonNegativeNumber)
      ->type_name("N")
      ->capture_default_str();
  app.add_flag("--header", options.header, "begin with the column names");
  words.schema_option =
      app.add_option("--schema", words.schema_table,
                     "print the SQL that creates the table for these rows, by default named as the shape")
          ->expected(0, 1)
          ->type_name("[[SCHEMA.]TABLE]");
  app.add_option("-o,--output", words.command.output, "file to write (default: standard output)")
      ->type_name("FILE");
}

Result<GenerateCommand> GenerateCli::command() const {
  for (const Words& words : words_) {
    if (!words.app->parsed()) continue;
    GenerateCommand command = words.command;
    command.options.interval = std::chrono::seconds(words.interval_seconds);
    if (words.span_seconds) command.options.span = std::chrono::seconds(*words.span_seconds);
    HYPERCOPY_ASSIGN(command.options.start, parse_start(words.start));
    if (words.schema_option->count() == 0) return command;
    TableName table{.name = std::string(to_string(command.options.shape))};
    if (!words.schema_table.empty()) {
      HYPERCOPY_ASSIGN(table, parse_table_name(words.schema_table));
    }
    command.schema = schema_sql(command.options.shape, table);
    return command;
  }
  return fail(ErrorKind::usage, "generate: name a shape");
}

}  // namespace hypercopy
