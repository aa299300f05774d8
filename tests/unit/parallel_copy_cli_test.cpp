// Expectations marked "peer" were read off runs of timescaledb-parallel-copy v0.13.0.
#include "parallel_copy_cli.hpp"

#include <gtest/gtest.h>

#include <array>
#include <functional>

#include "parallel_copy_flags.hpp"

namespace hypercopy {
namespace {

using namespace std::chrono_literals;
using Arguments = std::vector<std::string_view>;
using Names = std::vector<std::string>;

constexpr std::string_view kProgram = "/usr/bin/timescaledb-parallel-copy";
constexpr std::chrono::system_clock::time_point kNow{1'778'846'400s};
constexpr std::size_t kDateLength = std::string_view("2026/05/15 12:00:00 ").size();

std::variant<ParallelCopyCommand, CommandExit> parse(Arguments arguments) {
  arguments.insert(arguments.begin(), kProgram);
  return parse_parallel_copy({.arguments = arguments, .version = "0.1.0", .now = kNow});
}

// Fails the test and returns defaults where nothing would be loaded.
ParallelCopyCommand command_of(const Arguments& arguments) {
  auto parsed = parse(arguments);
  if (const auto* exit = std::get_if<CommandExit>(&parsed)) {
    ADD_FAILURE() << "exit " << exit->code << ": " << exit->err;
    return {};
  }
  return std::get<ParallelCopyCommand>(std::move(parsed));
}

// Code -1 where something would be loaded.
CommandExit exit_of(const Arguments& arguments) {
  auto parsed = parse(arguments);
  const auto* exit = std::get_if<CommandExit>(&parsed);
  return exit == nullptr ? CommandExit{.code = -1} : *exit;
}

std::string first_line(const std::string& text) { return text.substr(0, text.find('\n')); }

// The peer's defaults.
TEST(ParallelCopyDefaults, AreThePeers) {
  const ParallelCopyCommand command = command_of({});
  const LoadOptions& options = command.options;
  EXPECT_EQ(options.connection.dbname, "host=localhost user=postgres sslmode=disable");
  EXPECT_EQ(options.table.schema, "public");
  EXPECT_EQ(options.table.name, "test_table");
  EXPECT_EQ(options.files, Names{}) << "standard input";
  EXPECT_TRUE(options.literal_files);
  EXPECT_EQ(options.dialect.format, Format::csv);
  EXPECT_EQ(options.dialect.delimiter, ',');
  EXPECT_EQ(options.dialect.quote, '"');
  EXPECT_EQ(options.dialect.escape, '"');
  EXPECT_EQ(options.dialect.null_marker, "");
  EXPECT_EQ(options.encoding, "");
  EXPECT_EQ(options.where, "");
  EXPECT_EQ(options.header, Header::none);
  EXPECT_EQ(options.skip_lines, 0U);
  EXPECT_EQ(options.columns, Names{});
  EXPECT_EQ(options.column_map, ColumnMap{});
  EXPECT_EQ(options.limit_records, 0U);
  EXPECT_EQ(options.max_new_chunks, 0U);
  EXPECT_EQ(options.jobs, 1U);
  EXPECT_EQ(options.batch_records, 5000U);
  EXPECT_EQ(options.batch_bytes, 4'194'304U);
  EXPECT_FALSE(options.truncate);
  EXPECT_FALSE(options.skip_failed_batches);
  EXPECT_TRUE(options.windows_1252_fallback);
  EXPECT_EQ(options.progress, ProgressStyle::none);
  EXPECT_EQ(options.reporting_period, 0ms);
  EXPECT_FALSE(options.verbose);
  EXPECT_FALSE(command.verbose);
  EXPECT_FALSE(command.log_batches);
  EXPECT_EQ(command.reporting_period, 0ms);
  EXPECT_EQ(command.notices, Names{});
}

struct AcceptedCase {
  const char* name;
  Arguments arguments;
  std::function<bool(const ParallelCopyCommand&)> holds;
};

class AcceptedTest : public testing::TestWithParam<AcceptedCase> {};

TEST_P(AcceptedTest, IsBound) { EXPECT_TRUE(GetParam().holds(command_of(GetParam().arguments))); }

using Command = ParallelCopyCommand;

INSTANTIATE_TEST_SUITE_P(Flags, AcceptedTest,
                         testing::
                             Values(
                                 AcceptedCase{"connection",
                                              {"-connection", "postgres://u:pw@h/d"},
                                              [](const Command& c) {
                                                return c.options.connection.dbname == "postgres://u:pw@h/d";
                                              }},
                                 AcceptedCase{
                                     "connection_empty",
                                     {"-connection="},
                                     [](const Command& c) { return c.options.connection.dbname.empty(); }},
                                 AcceptedCase{"db_name_empty",
                                              {"-db-name", "", "-workers=3"},
                                              [](const Command& c) { return c.options.jobs == 3; }},
                                 AcceptedCase{
                                     "schema",
                                     {"-schema", "My \"S"},
                                     [](const Command& c) { return c.options.table.schema == "My \"S"; }},
                                 AcceptedCase{"table",
                                              {"--table=A.b"},
                                              [](const Command& c) {
                                                return c.options.table.name == "A.b" &&
                                                       c.options.table.schema == "public";
                                              }},
                                 AcceptedCase{"truncate",
                                              {"-truncate"},
                                              [](const Command& c) { return c.options.truncate; }},
                                 AcceptedCase{"truncate_false",
                                              {"-truncate=F"},
                                              [](const Command& c) { return !c.options.truncate; }},
                                 AcceptedCase{"copy_options",
                                              {"-copy-options", "CSV NULL 'NULL'"},
                                              [](const Command& c) {
                                                return c.options.dialect.null_marker == "NULL";
                                              }},
                                 AcceptedCase{"copy_options_empty",
                                              {"-copy-options", ""},
                                              [](const Command& c) {
                                                return c.options.dialect.format == Format::text &&
                                                       c.options.dialect.delimiter == ',' &&
                                                       c.options.dialect.null_marker == "\\N";
                                              }},
                                 AcceptedCase{"copy_options_force",
                                              {"-copy-options", "CSV FORCE NULL A, \"B\""},
                                              [](const Command& c) {
                                                return c.options.dialect.force_null == Names{"a", "B"};
                                              }},
                                 AcceptedCase{"copy_options_where",
                                              {"-copy-options", "CSV WHERE a > 1"},
                                              [](const Command& c) { return c.options.where == "a > 1"; }},
                                 AcceptedCase{"copy_options_encoding",
                                              {"-copy-options", "CSV ENCODING 'latin1'"},
                                              [](const Command& c) {
                                                return c.options.encoding == "latin1" &&
                                                       !c.options.windows_1252_fallback;
                                              }},
                                 AcceptedCase{
                                     "split",
                                     {"-split", ";"},
                                     [](const Command& c) { return c.options.dialect.delimiter == ';'; }},
                                 AcceptedCase{
                                     "split_tab",
                                     {"-split", "\t"},
                                     [](const Command& c) { return c.options.dialect.delimiter == '\t'; }},
                                 AcceptedCase{
                                     "split_spelled_tab",
                                     {"-split", "\\t"},
                                     [](const Command& c) { return c.options.dialect.delimiter == '\t'; }},
                                 AcceptedCase{
                                     "split_quote",
                                     {"-split", "'"},
                                     [](const Command& c) { return c.options.dialect.delimiter == '\''; }},
                                 AcceptedCase{"quote",
                                              {"-quote", "'"},
                                              [](const Command& c) {
                                                return c.options.dialect.quote == '\'' &&
                                                       c.options.dialect.escape == '\'';
                                              }},
                                 AcceptedCase{"escape",
                                              {"-escape", "\\"},
                                              [](const Command& c) {
                                                return c.options.dialect.escape == '\\' &&
                                                       c.options.dialect.quote == '"';
                                              }},
                                 AcceptedCase{"quote_empty",
                                              {"-quote", "", "-escape="},
                                              [](const Command& c) {
                                                return c.options.dialect.quote == '"' &&
                                                       c.options.dialect.escape == '"';
                                              }},
                                 AcceptedCase{"file",
                                              {"-file", "a b[1]*.csv"},
                                              [](const Command& c) {
                                                return c.options.files == Names{"a b[1]*.csv"} &&
                                                       c.options.literal_files;
                                              }},
                                 AcceptedCase{"file_dash",
                                              {"-file", "-"},
                                              [](const Command& c) {
                                                return c.options.files == Names{"-"} &&
                                                       c.options.literal_files;
                                              }},
                                 AcceptedCase{"file_empty",
                                              {"-file", ""},
                                              [](const Command& c) { return c.options.files.empty(); }},
                                 AcceptedCase{
                                     "columns",
                                     {"-columns", "a"},
                                     [](const Command& c) { return c.options.columns == Names{"a"}; }},
                                 AcceptedCase{"column_mapping",
                                              {"-column-mapping", "x:a"},
                                              [](const Command& c) {
                                                return c.options.column_map == ColumnMap{{"x", "a"}} &&
                                                       c.options.header == Header::match;
                                              }},
                                 AcceptedCase{"auto_column_mapping",
                                              {"-auto-column-mapping"},
                                              [](const Command& c) {
                                                return c.options.header == Header::match &&
                                                       c.options.column_map.empty();
                                              }},
                                 AcceptedCase{
                                     "skip_header",
                                     {"-skip-header"},
                                     [](const Command& c) { return c.options.header == Header::skip; }},
                                 AcceptedCase{
                                     "skip_header_false_beside_mapping",
                                     {"-auto-column-mapping", "-skip-header=false"},
                                     [](const Command& c) { return c.options.header == Header::match; }},
                                 AcceptedCase{"skip_lines",
                                              {"-skip-lines", "5_000", "-skip-header"},
                                              [](const Command& c) {
                                                return c.options.skip_lines == 5000 &&
                                                       c.options.header == Header::skip;
                                              }},
                                 AcceptedCase{"skip_lines_negative",
                                              {"-skip-lines", "-3"},
                                              [](const Command& c) { return c.options.skip_lines == 0; }},
                                 AcceptedCase{
                                     "header_line_count",
                                     {"-header-line-count", "1"},
                                     [](const Command& c) { return c.options.header == Header::none; }},
                                 AcceptedCase{"limit",
                                              {"-limit", "0x10"},
                                              [](const Command& c) { return c.options.limit_records == 16; }},
                                 AcceptedCase{"workers",
                                              {"-workers", "4"},
                                              [](const Command& c) { return c.options.jobs == 4; }},
                                 AcceptedCase{"workers_repeated",
                                              {"-workers", "4", "-workers=8"},
                                              [](const Command& c) { return c.options.jobs == 8; }},
                                 AcceptedCase{
                                     "batch_size",
                                     {"-batch-size", "20_000"},
                                     [](const Command& c) { return c.options.batch_records == 20'000; }},
                                 AcceptedCase{
                                     "batch_size_zero",
                                     {"-batch-size", "0"},
                                     [](const Command& c) { return c.options.batch_records == 5000; }},
                                 AcceptedCase{"batch_byte_size",
                                              {"-batch-byte-size", "16"},
                                              [](const Command& c) { return c.options.batch_bytes == 16; }},
                                 AcceptedCase{"buffer_byte_size",
                                              {"-buffer-byte-size", "16"},
                                              [](const Command& c) { return c.notices.empty(); }},
                                 AcceptedCase{"import_id",
                                              {"-import-id", "x"},
                                              [](const Command& c) { return c.options.import_id == "x"; }},
                                 AcceptedCase{"import_id_empty",
                                              {"-import-id", ""},
                                              [](const Command& c) { return c.options.jobs == 1; }},
                                 AcceptedCase{"skip_batch_errors",
                                              {"-skip-batch-errors"},
                                              [](const Command& c) { return c.options.skip_failed_batches; }},
                                 AcceptedCase{"on_conflict_do_nothing_false",
                                              {"-on-conflict-do-nothing=false"},
                                              [](const Command& c) {
                                                return c.options.on_conflict == OnConflict::error;
                                              }},
                                 AcceptedCase{"on_conflict_do_nothing",
                                              {"-on-conflict-do-nothing"},
                                              [](const Command& c) {
                                                return c.options.on_conflict == OnConflict::nothing &&
                                                       c.options.any_conflict;
                                              }},
                                 AcceptedCase{"disable_direct_compress",
                                              {"-disable-direct-compress"},
                                              [](const Command& c) { return c.notices.empty(); }},
                                 AcceptedCase{
                                     "disable_windows_1252_handling",
                                     {"-disable-windows-1252-handling"},
                                     [](const Command& c) { return !c.options.windows_1252_fallback; }},
                                 AcceptedCase{
                                     "no_retry",
                                     {"-no-retry"},
                                     [](const Command& c) { return c.options.retry_timeout == 0ms; }},
                                 AcceptedCase{
                                     "retry_for_five_minutes",
                                     {},
                                     [](const Command& c) { return c.options.retry_timeout == 5min; }},
                                 AcceptedCase{
                                     "retry_timeout",
                                     {"-retry-timeout", "1m30s"},
                                     [](const Command& c) { return c.options.retry_timeout == 90s; }},
                                 AcceptedCase{"no_retry_with_timeout",
                                              {"-no-retry", "-retry-timeout", "1m"},
                                              [](const Command& c) {
                                                return c.options.retry_timeout == 0ms;
                                              }},
                                 AcceptedCase{
                                     "retry_timeout_zero",
                                     {"-retry-timeout", "0"},
                                     [](const Command& c) { return c.options.retry_timeout == 0ms; }},
                                 AcceptedCase{
                                     "retry_timeout_negative",
                                     {"-retry-timeout=-5s"},
                                     [](const Command& c) { return c.options.retry_timeout == 0ms; }},
                                 AcceptedCase{"reporting_period",
                                              {"-reporting-period", "1m30s"},
                                              [](const Command& c) {
                                                return c.reporting_period == 90s &&
                                                       c.options.reporting_period == 90s &&
                                                       c.notices ==
                                                           Names{"There will be reports every 1m30s"};
                                              }},
                                 AcceptedCase{"reporting_period_is_never_rounded_to_none",
                                              {"-reporting-period", "1ns"},
                                              [](const Command& c) { return c.reporting_period == 1ms; }},
                                 AcceptedCase{"verbose",
                                              {"-verbose", "-no-retry", "-disable-direct-compress"},
                                              [](const Command& c) {
                                                return c.verbose && c.options.verbose && c.notices.empty();
                                              }},
                                 AcceptedCase{"verbose_says_what_is_missing",
                                              {"-verbose"},
                                              [](const Command& c) {
                                                return c.notices == Names{
                                                                        "direct compress is not used: "
                                                                        "batches are too small for it"};
                                              }},
                                 AcceptedCase{
                                     "verbose_says_what_it_skips",
                                     {"-verbose", "-no-retry", "-disable-direct-compress", "-skip-lines=2"},
                                     [](const Command& c) {
                                       return c.notices == Names{"Skipping the first 2 lines of the input."};
                                     }},
                                 AcceptedCase{"verbose_says_the_buffer_is_meaningless",
                                              {"-verbose", "-no-retry", "-disable-direct-compress",
                                               "-buffer-byte-size=99"},
                                              [](const Command& c) {
                                                return c.notices == Names{
                                                                        "-buffer-byte-size has no meaning "
                                                                        "here: rows of any size are read"};
                                              }},
                                 AcceptedCase{"log_batches",
                                              {"-log-batches", "-verbose"},
                                              [](const Command& c) { return c.log_batches; }},
                                 AcceptedCase{"log_batches_needs_verbose",
                                              {"-log-batches"},
                                              [](const Command& c) { return !c.log_batches; }},
                                 AcceptedCase{"version_false",
                                              {"-version=false"},
                                              [](const Command& c) { return c.options.jobs == 1; }},
                                 AcceptedCase{"words_behind_the_flags_are_ignored",
                                              {"-verbose", "true", "-table", "x", "-nope"},
                                              [](const Command& c) {
                                                return c.verbose && c.options.table.name == "test_table";
                                              }}),
                         [](const auto& test) { return std::string(test.param.name); });

struct FatalCase {
  const char* name;
  Arguments arguments;
  std::string message;
};

class FatalTest : public testing::TestWithParam<FatalCase> {};

TEST_P(FatalTest, IsExitOneWithOneDatedLine) {
  const CommandExit exit = exit_of(GetParam().arguments);
  EXPECT_EQ(exit.code, 1);
  EXPECT_EQ(exit.out, "");
  ASSERT_GT(exit.err.size(), kDateLength);
  EXPECT_EQ(exit.err.substr(kDateLength), GetParam().message + "\n");
  EXPECT_EQ(exit.err, parallel_copy_log_line(kNow, GetParam().message));
}

std::string option(const std::string& message) {
  return "failed to execute option csvcopy.Option: " + message;
}
std::string not_yet(const std::string& flag) {
  return "Error: " + flag + " is not supported by hypercopy yet; nothing was loaded";
}
const std::string kHeaderInOptions =
    "Error: 'HEADER' detected in -copy-options. If you were using 'HEADER' with PostgreSQL COPY, use: "
    "-skip-header";
const std::string kHeaderTwice = option(
    "header handling is already configured. Use only one of: WithSkipHeader, WithColumnMapping, or "
    "WithAutoColumnMapping");
const std::string kColumnsTwice = option(
    "columns are already set. Use only one of: WithColumns, WithColumnMapping, or WithAutoColumnMapping");
const std::string kDbName =
    "Error: Deprecated flag -db-name is being used. Update -connection to connect to the given database";
const std::string kLineCount = "Error: -header-line-count is deprecated. Use -skip-lines instead";
const std::string kSplit = option("split character must be a single-byte character");
const std::string kWorkers = option("workers must be greater than zero");

INSTANTIATE_TEST_SUITE_P(
    Peer, FatalTest,
    testing::Values(
        FatalCase{"db_name", {"-db-name", "x"}, kDbName},
        FatalCase{"header_line_count", {"-header-line-count", "2"}, kLineCount},
        FatalCase{"db_name_before_header_line_count", {"-header-line-count", "2", "-db-name", "x"}, kDbName},
        FatalCase{
            "header_line_count_before_options", {"-workers", "0", "-header-line-count", "0"}, kLineCount},
        FatalCase{"header", {"-copy-options", "CSV HEADER"}, kHeaderInOptions},
        FatalCase{"header_in_a_string", {"-copy-options", "CSV NULL 'hEaDeR'"}, kHeaderInOptions},
        FatalCase{"header_before_split", {"-split", "ab", "-copy-options", "header"}, kHeaderInOptions},
        FatalCase{"split", {"-split", "ab"}, kSplit},
        FatalCase{"split_of_two_bytes", {"-split", "\xc3\xa9"}, kSplit},
        FatalCase{"split_before_workers", {"-workers", "0", "-split", "ab"}, kSplit},
        FatalCase{"quote", {"-quote", "ab"}, option("quote character must be a single-byte character")},
        FatalCase{
            "escape", {"-escape", "ab"}, option("provided escape character must be a single-byte character")},
        FatalCase{"workers_zero", {"-workers", "0"}, kWorkers},
        FatalCase{"workers_negative", {"-workers=-1"}, kWorkers},
        FatalCase{"limit", {"-limit", "-1"}, option("limit must be greater than zero")},
        FatalCase{"buffer_byte_size",
                  {"-buffer-byte-size", "15"},
                  option("buffer size must be greater than minimum buffer size (16)")},
        FatalCase{"batch_byte_size",
                  {"-batch-byte-size", "15"},
                  option("batch byte size must be greater than minimum buffer size (16)")},
        FatalCase{"batch_size", {"-batch-size", "-1"}, option("batch size must be greater than zero")},
        FatalCase{"reporting_period",
                  {"-reporting-period", "-5s"},
                  option("reporting period must be equal or greater than zero")},
        FatalCase{"mapping_and_columns", {"-columns", "a", "-column-mapping", "a:b"}, kColumnsTwice},
        FatalCase{"mapping_and_skip_header", {"-column-mapping", "a:b", "-skip-header"}, kHeaderTwice},
        FatalCase{"automatic_and_columns", {"-auto-column-mapping", "-columns", "a"}, kColumnsTwice},
        FatalCase{"automatic_and_mapping", {"-auto-column-mapping", "-column-mapping", "a:b"}, kHeaderTwice},
        FatalCase{"automatic_and_skip_header", {"-auto-column-mapping", "-skip-header"}, kHeaderTwice}),
    [](const auto& test) { return std::string(test.param.name); });

INSTANTIATE_TEST_SUITE_P(
    OwnWords, FatalTest,
    testing::Values(
        FatalCase{"import_id_skipping_batches",
                  {"-import-id", "x", "-skip-batch-errors"},
                  "Error: an import cannot be complete without the batches that failed"},
        FatalCase{
            "client_side_sorting", {"-enable-client-side-sorting"}, not_yet("-enable-client-side-sorting")},
        FatalCase{"client_side_sorting_without_compress",
                  {"-enable-client-side-sorting", "-disable-direct-compress"},
                  not_yet("-enable-client-side-sorting")},
        FatalCase{
            "options_before_what_is_not_built", {"-enable-client-side-sorting", "-workers", "0"}, kWorkers},
        FatalCase{"schema_empty", {"-schema", ""}, option("schema and table must have a name")},
        FatalCase{"table_empty", {"-table="}, option("schema and table must have a name")},
        FatalCase{"workers_without_end", {"-workers", "5_000_000_000"}, option("workers must fit 31 bits")},
        FatalCase{"copy_options_second_statement",
                  {"-copy-options", "CSV; DROP TABLE t"},
                  "Error: -copy-options: syntax error at or near \";\""},
        FatalCase{"copy_options_ate_a_flag",
                  {"-copy-options", "-connection=postgres://u:pw@h"},
                  "Error: -copy-options: syntax error at or near \"-\""},
        FatalCase{"split_empty", {"-split", ""}, "Error: COPY delimiter must be a single one-byte character"},
        FatalCase{"quote_in_text_format",
                  {"-quote", "'", "-copy-options", ""},
                  "Error: COPY quote available only in CSV mode"},
        FatalCase{"quote_twice",
                  {"-quote", "'", "-copy-options", "CSV QUOTE ''''"},
                  "Error: -copy-options: conflicting or redundant options: QUOTE is given twice"}),
    [](const auto& test) { return std::string(test.param.name); });

struct PrefixCase {
  const char* name;
  Arguments arguments;
  const char* prefix;
};

class PrefixTest : public testing::TestWithParam<PrefixCase> {};

// What follows the prefix is the text of the parser of that value.
TEST_P(PrefixTest, IsExitOneWithThePeersPrefix) {
  const CommandExit exit = exit_of(GetParam().arguments);
  EXPECT_EQ(exit.code, 1);
  ASSERT_GT(exit.err.size(), kDateLength);
  EXPECT_TRUE(exit.err.substr(kDateLength).starts_with(GetParam().prefix)) << exit.err;
}

INSTANTIATE_TEST_SUITE_P(
    ParsedElsewhere, PrefixTest,
    testing::Values(
        PrefixCase{"column_mapping", {"-column-mapping", "a"}, "Error parsing column mapping: "},
        PrefixCase{"column_mapping_of_nothing", {"-column-mapping", "{}"}, "Error parsing column mapping: "},
        PrefixCase{"column_mapping_before_options",
                   {"-workers", "0", "-copy-options", "HEADER", "-column-mapping", "a"},
                   "Error parsing column mapping: "},
        PrefixCase{"columns", {"-columns", "\"a"}, "failed to execute option csvcopy.Option: "},
        PrefixCase{"delimiter_is_quote", {"-split", "\""}, "Error: "}),
    [](const auto& test) { return std::string(test.param.name); });

TEST(ParallelCopyVersion, IsOnStderrWithThePeersFirst) {
  const std::string text = "timescaledb-parallel-copy v0.13.0 (hypercopy 0.1.0, linux ";
  for (const Arguments& arguments :
       {Arguments{"-version"}, {"--version=1"}, {"-version", "-db-name", "x", "-workers", "0"}}) {
    const CommandExit exit = exit_of(arguments);
    EXPECT_EQ(exit.code, 0);
    EXPECT_EQ(exit.out, "");
    EXPECT_TRUE(exit.err.substr(kDateLength).starts_with(text)) << exit.err;
    EXPECT_TRUE(exit.err.ends_with("64)\n")) << exit.err;
  }
}

TEST(ParallelCopyUsage, IsOnStderrWithExitZeroWhenAskedFor) {
  for (const char* word : {"-h", "-help", "--help"}) {
    const CommandExit exit = exit_of({"-version", word});
    EXPECT_EQ(exit.code, 0);
    EXPECT_EQ(exit.out, "");
    EXPECT_EQ(first_line(exit.err), "Usage of /usr/bin/timescaledb-parallel-copy:");
  }
}

TEST(ParallelCopyUsage, FollowsAnErrorOfSyntaxWithExitTwo) {
  const std::string usage = exit_of({"-h"}).err;
  EXPECT_EQ(exit_of({"-nope"}), (CommandExit{2, "", "flag provided but not defined: -nope\n" + usage}));
  EXPECT_EQ(exit_of({"-version", "-workers"}),
            (CommandExit{2, "", "flag needs an argument: -workers\n" + usage}));
  EXPECT_EQ(exit_of({"-workers", "x"}).code, 2);
}

TEST(ParallelCopyUsage, HasAParagraphForEachFlagInOrder) {
  const std::string usage = exit_of({"-h"}).err;
  std::size_t at = 0;
  for (const GoFlag& flag : kParallelCopyFlags) {
    const std::size_t found = usage.find("\n  -" + std::string(flag.name), at);
    ASSERT_NE(found, std::string::npos) << flag.name;
    at = found + 1;
  }
}

// A word for each kind that is right for every flag of that kind.
std::string_view sample_value(GoFlagKind kind) {
  switch (kind) {
    case GoFlagKind::boolean:
      return "false";
    case GoFlagKind::integer:
      return "17";
    case GoFlagKind::duration:
      return "3s";
    case GoFlagKind::text:
      break;
  }
  return "t";
}

TEST(ParallelCopyFlagList, IsBoundWholly) {
  for (const GoFlag& flag : kParallelCopyFlags) {
    const std::string word = "-" + std::string(flag.name) + "=" + std::string(sample_value(flag.kind));
    const GoFlagWords words = normalise_go_flags(std::array{std::string_view(word)}, kParallelCopyFlags);
    ASSERT_EQ(words.ending, GoFlagWords::Ending::parsed) << word;
    EXPECT_NO_THROW((void)bind_parallel_copy_flags(words.words)) << word;
  }
}

TEST(ParallelCopyFlagList, EveryTextReachesItsPlaceWhateverItIs) {
  for (const char* text :
       {"", " ", "-", "--", "-x", "--table", "{}", "[]", "[a,b]", "%%", "a=b", "\"q\"", "true"}) {
    EXPECT_EQ(bind_parallel_copy_flags({"--table", text, "--workers", "5"}).table, text) << text;
    EXPECT_EQ(bind_parallel_copy_flags({"--table", text, "--workers", "5"}).workers, 5) << text;
  }
}

TEST(ParallelCopySecrets, AreInNoMessage) {
  const std::array<Arguments, 8> calls{{
      {"-connection", "postgres://u:secret@h/d", "-workers", "0"},
      {"-connection=postgres://u:secret@h/d", "-nope"},
      {"---connection=postgres://u:secret@h/d"},
      {"-conection=password=secret"},
      {"-workers", "-connection=postgres://u:secret@h/d"},
      {"-workers", "postgres://u:secret@h/d"},
      {"-copy-options", "-connection=postgres://u:secret@h/d"},
      {"-connection", "host=h password=secret", "-enable-client-side-sorting"},
  }};
  for (const Arguments& arguments : calls) {
    const CommandExit exit = exit_of(arguments);
    EXPECT_GT(exit.code, 0);
    EXPECT_EQ(exit.err.find("secret"), std::string::npos) << exit.err;
  }
}

TEST(ParallelCopyName, IsTheLastPartOfThePath) {
  EXPECT_TRUE(is_parallel_copy_name("timescaledb-parallel-copy"));
  EXPECT_TRUE(is_parallel_copy_name("/a/b/timescaledb-parallel-copy"));
  EXPECT_FALSE(is_parallel_copy_name("hypercopy"));
  EXPECT_FALSE(is_parallel_copy_name("timescaledb-parallel-copy/hypercopy"));
  EXPECT_FALSE(is_parallel_copy_name(""));
}

}  // namespace
}  // namespace hypercopy
