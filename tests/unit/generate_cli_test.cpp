// The command line of `hypercopy generate`.
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "load_cli.hpp"

namespace hypercopy {
namespace {

using namespace std::chrono_literals;
using Words = std::vector<std::string>;

Parsed<Command> parse(Words words) {
  words.insert(words.begin(), "generate");
  return parse_command_line(words);
}

GenerateCommand command_of(const Words& words) {
  auto parsed = parse(words);
  if (const auto* exit = std::get_if<CommandExit>(&parsed)) {
    ADD_FAILURE() << exit->err;
    return {};
  }
  return std::get<GenerateCommand>(std::get<Command>(parsed));
}

TEST(GenerateCli, TakesEveryOption) {
  const GenerateCommand command =
      command_of({"iot", "--rows", "10", "--seed", "3", "--trucks", "2", "--header", "--interval", "60",
                  "--start", "2024-02-29T23:59:58", "-o", "f"});
  EXPECT_EQ(command.options.shape, DataShape::iot);
  EXPECT_EQ(command.options.rows, 10U);
  EXPECT_EQ(command.options.seed, 3U);
  EXPECT_EQ(command.options.series, 2U);
  EXPECT_TRUE(command.options.header);
  EXPECT_EQ(command.options.interval, 60s);
  EXPECT_EQ(command.options.start,
            std::chrono::sys_days{std::chrono::year{2024} / 2 / 29} + 23h + 59min + 58s);
  EXPECT_EQ(command.output, "f");
  EXPECT_EQ(command.schema, "");
}

TEST(GenerateCli, DefaultsAreThoseOfTheShape) {
  for (const DataShape shape : kShapes) {
    const GenerateCommand command = command_of({std::string(to_string(shape))});
    const GenerateOptions expected = default_options(shape);
    EXPECT_EQ(command.options.shape, shape);
    EXPECT_EQ(command.options.rows, expected.rows);
    EXPECT_EQ(command.options.series, expected.series);
    EXPECT_EQ(command.options.interval, expected.interval);
    EXPECT_EQ(command.options.start, expected.start);
    EXPECT_EQ(command.output, "");
  }
}

TEST(GenerateCli, SeriesAreNamedByShape) {
  EXPECT_EQ(command_of({"cpu", "--hosts", "7"}).options.series, 7U);
  EXPECT_EQ(command_of({"wide", "--devices", "8"}).options.series, 8U);
}

TEST(GenerateCli, SpanHasUnits) {
  for (const auto& [word, span] : std::vector<std::pair<std::string, std::chrono::seconds>>{
           {"90s", 90s}, {"90min", 90min}, {"8h", 8h}, {"2d", 48h}, {"1 w", 168h}, {"0s", 0s}})
    EXPECT_EQ(command_of({"cpu", "--span", word}).options.span, span) << word;
}

TEST(GenerateCli, StartIsADateOrATime) {
  EXPECT_EQ(command_of({"cpu", "--start", "1999-12-31"}).options.start,
            std::chrono::sys_days{std::chrono::year{1999} / 12 / 31});
  EXPECT_EQ(command_of({"cpu", "--start", "1999-12-31 01:02:03"}).options.start,
            std::chrono::sys_days{std::chrono::year{1999} / 12 / 31} + 1h + 2min + 3s);
}

TEST(GenerateCli, SchemaIsSqlForATable) {
  EXPECT_EQ(command_of({"iot", "--schema"}).schema, schema_sql(DataShape::iot, {.name = "iot"}));
  EXPECT_EQ(command_of({"iot", "--schema", "s.Trucks"}).schema,
            schema_sql(DataShape::iot, {.schema = "s", .name = "trucks"}));
}

struct RefusedCase {
  const char* name;
  Words words;
  const char* said;
};

class WrongGenerate : public ::testing::TestWithParam<RefusedCase> {};

TEST_P(WrongGenerate, IsExit2AndNamesTheOption) {
  const auto parsed = parse(GetParam().words);
  ASSERT_TRUE(std::holds_alternative<CommandExit>(parsed));
  const auto& exit = std::get<CommandExit>(parsed);
  EXPECT_EQ(exit.code, 2);
  EXPECT_EQ(exit.out, "");
  EXPECT_NE(exit.err.find(GetParam().said), std::string::npos) << exit.err;
  EXPECT_TRUE(exit.err.starts_with("hypercopy: ")) << exit.err;
}

INSTANTIATE_TEST_SUITE_P(
    Words, WrongGenerate,
    ::testing::ValuesIn(std::vector<RefusedCase>{
        {"nothing", {}, "subcommand"},
        {"unknown_shape", {"tsbs"}, "unknown command tsbs (known: cpu, iot, wide, quoted, types)"},
        {"rows_negative", {"cpu", "--rows", "-1"}, "--rows"},
        {"rows_no_number", {"cpu", "--rows", "x"}, "--rows"},
        {"rows_and_span", {"cpu", "--rows", "1", "--span", "1h"}, "--span"},
        {"span_without_unit", {"cpu", "--span", "x"}, "--span"},
        {"span_negative", {"cpu", "--span", "-1h"}, "--span"},
        {"interval_zero", {"cpu", "--interval", "0"}, "--interval"},
        {"interval_negative", {"cpu", "--interval", "-5"}, "--interval"},
        {"hosts_zero", {"cpu", "--hosts", "0"}, "--hosts"},
        {"hosts_elsewhere", {"wide", "--hosts", "1"}, "--hosts"},
        {"seed_negative", {"cpu", "--seed", "-1"}, "--seed"},
        {"start_words", {"cpu", "--start", "yesterday"}, "--start"},
        {"start_no_day", {"cpu", "--start", "2023-02-29"}, "--start"},
        {"start_no_hour", {"cpu", "--start", "2023-02-28T24:00:00"}, "--start"},
        {"start_zone", {"cpu", "--start", "2023-02-28T23:00:00Z"}, "--start"},
        {"schema_three_parts", {"cpu", "--schema", "a.b.c"}, "table name"},
    }),
    [](const auto& test) { return std::string(test.param.name); });

}  // namespace
}  // namespace hypercopy
