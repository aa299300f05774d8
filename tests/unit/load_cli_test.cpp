#include "load_cli.hpp"

#include <gtest/gtest.h>

#include <functional>

#include "hypercopy/version.hpp"

namespace hypercopy {
namespace {

using Words = std::vector<std::string>;
using Options = LoadOptions;

Parsed<Command> parse(Words words) { return parse_command_line(words); }

// Of `hypercopy load -t t <words>`; fails the test where nothing would be loaded.
Options options_of(Words words) {
  words.insert(words.begin(), {"load", "-t", "t"});
  auto parsed = parse(std::move(words));
  if (const auto* exit = std::get_if<CommandExit>(&parsed)) {
    ADD_FAILURE() << "exit " << exit->code << ": " << exit->err;
    return {};
  }
  return std::get<LoadCommand>(std::get<Command>(parsed)).options;
}

// Code -1 where the command line is accepted.
CommandExit exit_of(const Words& words) {
  auto parsed = parse(words);
  const auto* exit = std::get_if<CommandExit>(&parsed);
  return exit == nullptr ? CommandExit{.code = -1} : *exit;
}

TEST(LoadDefaults, AreCopysOwn) {
  const Options options = options_of({});
  EXPECT_EQ(options.table.name, "t");
  EXPECT_EQ(options.table.schema, "");
  EXPECT_TRUE(options.files.empty());
  EXPECT_EQ(options.dialect.format, Format::csv);
  EXPECT_EQ(options.dialect.delimiter, ',');
  EXPECT_EQ(options.dialect.quote, '"');
  EXPECT_EQ(options.dialect.escape, '"');
  EXPECT_EQ(options.dialect.null_marker, "");
  EXPECT_EQ(options.header, Header::none);
  EXPECT_EQ(options.encoding, "");
  EXPECT_EQ(options.skip_lines, 0U);
  EXPECT_EQ(options.limit_records, 0U);
  EXPECT_EQ(options.jobs, 0U);
  EXPECT_EQ(options.batch_bytes, 0U);
  EXPECT_EQ(options.batch_records, 0U);
  EXPECT_FALSE(options.keep_bom || options.truncate || options.single_transaction || options.verbose);
  EXPECT_FALSE(options.literal_files || options.skip_failed_batches || options.windows_1252_fallback);
  EXPECT_EQ(options.progress, ProgressStyle::automatic);
  EXPECT_EQ(options.connection.password, ConnectionOptions::Password::when_needed);
}

struct AcceptedCase {
  const char* name;
  Words words;
  std::function<bool(const Options&)> holds;
};

class LoadOption : public ::testing::TestWithParam<AcceptedCase> {};

TEST_P(LoadOption, IsBound) { EXPECT_TRUE(GetParam().holds(options_of(GetParam().words))); }

const std::vector<AcceptedCase>& accepted() {
  static const std::vector<AcceptedCase> all{
      {"dbname",
       {"-d", "postgresql://u@h/d"},
       [](const Options& o) { return o.connection.dbname == "postgresql://u@h/d"; }},
      {"dbname_long", {"--dbname=db"}, [](const Options& o) { return o.connection.dbname == "db"; }},
      {"host", {"-h", "h"}, [](const Options& o) { return o.connection.host == "h"; }},
      {"host_long", {"--host", "h"}, [](const Options& o) { return o.connection.host == "h"; }},
      {"port", {"-p", "5433"}, [](const Options& o) { return o.connection.port == "5433"; }},
      {"port_joined", {"-p5433"}, [](const Options& o) { return o.connection.port == "5433"; }},
      {"username", {"-U", "u"}, [](const Options& o) { return o.connection.user == "u"; }},
      {"on_conflict", {}, [](const Options& o) { return o.on_conflict == OnConflict::error; }},
      {"on_conflict_error",
       {"--on-conflict", "error"},
       [](const Options& o) { return o.on_conflict == OnConflict::error; }},
      {"on_conflict_nothing",
       {"--on-conflict=nothing"},
       [](const Options& o) { return o.on_conflict == OnConflict::nothing && !o.any_conflict; }},
      {"no_deferral", {}, [](const Options& o) { return !o.defer_indexes && !o.force_deferral; }},
      {"defer_indexes",
       {"--defer-indexes"},
       [](const Options& o) { return o.defer_indexes && !o.force_deferral && !o.defer_constraints; }},
      {"defer_indexes_force",
       {"--defer-indexes=force", "--defer-constraints"},
       [](const Options& o) { return o.defer_indexes && o.force_deferral && o.defer_constraints; }},
      {"defer_indexes_takes_no_file",
       {"--defer-indexes", "data.csv"},
       [](const Options& o) { return o.defer_indexes && o.files == Words{"data.csv"}; }},
      {"conflict_key",
       {"--on-conflict", "update", "--conflict-key", "A,\"B,c\""},
       [](const Options& o) {
         return o.on_conflict == OnConflict::update && o.conflict_key == Words{"a", "B,c"};
       }},
      {"no_password",
       {"-w"},
       [](const Options& o) { return o.connection.password == ConnectionOptions::Password::never; }},
      {"password",
       {"-W"},
       [](const Options& o) { return o.connection.password == ConnectionOptions::Password::always; }},
      {"table_last_wins",
       {"-t", "S.\"T\""},
       [](const Options& o) { return o.table.schema == "s" && o.table.name == "T"; }},
      {"jobs", {"-j", "4"}, [](const Options& o) { return o.jobs == 4; }},
      {"jobs_last_wins", {"-j", "4", "--jobs=8"}, [](const Options& o) { return o.jobs == 8; }},
      {"batch_bytes",
       {"--batch-bytes", "512KB"},
       [](const Options& o) { return o.batch_bytes == 512U * 1024; }},
      {"batch_bytes_plain",
       {"--batch-bytes", "1000"},
       [](const Options& o) { return o.batch_bytes == 1000; }},
      {"max_new_chunks", {"--max-new-chunks", "7"}, [](const Options& o) { return o.max_new_chunks == 7; }},
      {"max_new_chunks_default", {}, [](const Options& o) { return o.max_new_chunks == 10'000; }},
      {"batch_rows", {"--batch-rows", "7"}, [](const Options& o) { return o.batch_records == 7; }},
      {"truncate", {"--truncate"}, [](const Options& o) { return o.truncate; }},
      {"on_error",
       {"--on-error", "reject", "--reject-file", "r", "--max-rejects", "0.5%"},
       [](const Options& o) {
         return o.on_error == OnError::reject && o.reject_file == "r" && o.max_rejects.percent == 0.5;
       }},
      {"on_error_stop",
       {"--on-error", "stop"},
       [](const Options& o) { return o.on_error == OnError::stop && !o.max_rejects.is_set(); }},
      {"single_transaction", {"--single-transaction"}, [](const Options& o) { return o.single_transaction; }},
      {"single_transaction_short", {"-1"}, [](const Options& o) { return o.single_transaction; }},
      {"single_transaction_one_job",
       {"-1", "-j", "1"},
       [](const Options& o) { return o.single_transaction; }},
      {"text",
       {"--format", "text"},
       [](const Options& o) {
         return o.dialect.format == Format::text && o.dialect.delimiter == '\t' &&
                o.dialect.null_marker == "\\N";
       }},
      {"text_with_delimiter",
       {"--format", "text", "--delimiter", "|"},
       [](const Options& o) { return o.dialect.delimiter == '|'; }},
      {"delimiter", {"--delimiter", ";"}, [](const Options& o) { return o.dialect.delimiter == ';'; }},
      {"delimiter_tab", {"--delimiter", "\t"}, [](const Options& o) { return o.dialect.delimiter == '\t'; }},
      {"delimiter_spelled_tab",
       {"--delimiter", "\\t"},
       [](const Options& o) { return o.dialect.delimiter == '\t'; }},
      {"delimiter_hex",
       {"--delimiter", "\\x01"},
       [](const Options& o) { return o.dialect.delimiter == '\x01'; }},
      {"quote",
       {"--quote", "'"},
       [](const Options& o) { return o.dialect.quote == '\'' && o.dialect.escape == '\''; }},
      {"escape",
       {"--escape", "\\\\"},
       [](const Options& o) { return o.dialect.quote == '"' && o.dialect.escape == '\\'; }},
      {"null", {"--null", "NULL"}, [](const Options& o) { return o.dialect.null_marker == "NULL"; }},
      {"null_empty_in_text",
       {"--format", "text", "--null", ""},
       [](const Options& o) { return o.dialect.null_marker.empty(); }},
      {"force_null",
       {"--force-null", "A,\"B\""},
       [](const Options& o) {
         return o.dialect.force_null == Words{"a", "B"};
       }},
      {"force_not_null",
       {"--force-not-null", "a"},
       [](const Options& o) { return o.dialect.force_not_null == Words{"a"}; }},
      {"encoding", {"--encoding", "LATIN1"}, [](const Options& o) { return o.encoding == "LATIN1"; }},
      {"header", {"--header"}, [](const Options& o) { return o.header == Header::match; }},
      {"skip_header", {"--skip-header"}, [](const Options& o) { return o.header == Header::skip; }},
      {"skip_lines", {"--skip-lines", "2"}, [](const Options& o) { return o.skip_lines == 2; }},
      {"limit", {"--limit", "5"}, [](const Options& o) { return o.limit_records == 5; }},
      {"keep_bom", {"--keep-bom"}, [](const Options& o) { return o.keep_bom; }},
      {"columns",
       {"--columns", "a,\"B c\""},
       [](const Options& o) {
         return o.columns == Words{"a", "B c"};
       }},
      {"column_map",
       {"--column-map", "X:a"},
       [](const Options& o) {
         return o.column_map == ColumnMap{{"X", "a"}} && o.header == Header::match;
       }},
      {"column_map_json",
       {"--column-map", R"({"X":"a"})"},
       [](const Options& o) {
         return o.column_map == ColumnMap{{"X", "a"}};
       }},
      {"progress",
       {"--progress", "json"},
       [](const Options& o) { return o.progress == ProgressStyle::json; }},
      {"progress_none",
       {"--progress=none"},
       [](const Options& o) { return o.progress == ProgressStyle::none; }},
      {"reporting_period",
       {"--reporting-period", "0.5"},
       [](const Options& o) { return o.reporting_period == std::chrono::milliseconds(500); }},
      {"report", {"--report", "r.json"}, [](const Options& o) { return o.report_file == "r.json"; }},
      {"verbose", {"-v"}, [](const Options& o) { return o.verbose; }},
      {"one_file", {"a.csv"}, [](const Options& o) { return o.files == Words{"a.csv"}; }},
      {"files",
       {"a.csv", "-", "*.csv"},
       [](const Options& o) {
         return o.files == Words{"a.csv", "-", "*.csv"};
       }},
      {"file_before_option",
       {"a.csv", "-j", "2", "b.csv"},
       [](const Options& o) {
         return o.files == Words{"a.csv", "b.csv"} && o.jobs == 2;
       }},
      {"file_behind_two_dashes", {"--", "-j"}, [](const Options& o) { return o.files == Words{"-j"}; }},
      {"file_like_a_command", {"generate"}, [](const Options& o) { return o.files == Words{"generate"}; }},
      {"file_named_twice", {"a.csv", "a.csv"}, [](const Options& o) { return o.files.size() == 2; }},
      {"flag_twice", {"-v", "-v"}, [](const Options& o) { return o.verbose; }},
  };
  return all;
}

INSTANTIATE_TEST_SUITE_P(Options, LoadOption, ::testing::ValuesIn(accepted()),
                         [](const auto& test) { return std::string(test.param.name); });

struct RefusedCase {
  const char* name;
  Words words;
  const char* said;
};

class WrongCommandLine : public ::testing::TestWithParam<RefusedCase> {};

TEST_P(WrongCommandLine, IsExit2AndNamesTheOption) {
  const CommandExit exit = exit_of(GetParam().words);
  EXPECT_EQ(exit.code, 2);
  EXPECT_EQ(exit.out, "");
  EXPECT_NE(exit.err.find(GetParam().said), std::string::npos) << exit.err;
  EXPECT_TRUE(exit.err.starts_with("hypercopy: ")) << exit.err;
  EXPECT_TRUE(exit.err.ends_with('\n'));
}

const std::vector<RefusedCase>& refused() {
  static const std::vector<RefusedCase> all{
      {"nothing", {}, "subcommand"},
      {"unknown_command", {"lod"}, "unknown command lod; did you mean load?"},
      {"unknown_command_with_options", {"loadd", "-t", "t"}, "unknown command loadd; did you mean load?"},
      {"command_like_no_other",
       {"restore"},
       "unknown command restore (known: load, generate, bench, imports, inspect)\n"},
      {"misspelt_option", {"load", "-t", "t", "--heder"}, "unknown option --heder; did you mean --header?"},
      {"misspelt_option_with_value",
       {"load", "-t", "t", "--batch-row=5"},
       "unknown option --batch-row=5; did you mean --batch-rows?"},
      {"misspelt_required_option", {"load", "--tabel", "t"}, "unknown option --tabel; did you mean --table?"},
      {"misspelt_option_of_a_subcommand",
       {"generate", "cpu", "--row", "5"},
       "unknown option --row; did you mean --rows?"},
      {"option_like_no_other", {"load", "-t", "t", "--frobnicate"}, "unknown option --frobnicate\n"},
      {"option_before_the_command", {"--heder", "load", "-t", "t"}, "unknown option --heder\n"},
      {"no_table", {"load"}, "--table"},
      {"table_of_three_parts", {"load", "-t", "a.b.c"}, "3 parts"},
      {"table_empty", {"load", "-t", ""}, "table"},
      {"unknown_option", {"load", "-t", "t", "--nope"}, "--nope"},
      {"value_missing", {"load", "-t", "t", "-j"}, "-j"},
      {"jobs_none", {"load", "-t", "t", "-j", "0"}, "--jobs"},
      {"jobs_negative", {"load", "-t", "t", "-j", "-1"}, "jobs"},
      {"jobs_no_number", {"load", "-t", "t", "-j", "x"}, "--jobs"},
      {"jobs_too_many", {"load", "-t", "t", "-j", "100000"}, "--jobs"},
      {"batch_bytes_no_size", {"load", "-t", "t", "--batch-bytes", "4XB"}, "--batch-bytes"},
      {"batch_bytes_tiny", {"load", "-t", "t", "--batch-bytes", "15"}, "batch"},
      {"limit_negative", {"load", "-t", "t", "--limit", "-1"}, "--limit"},
      {"skip_lines_negative", {"load", "-t", "t", "--skip-lines", "-1"}, "--skip-lines"},
      {"format_unknown", {"load", "-t", "t", "--format", "xml"}, "--format"},
      {"delimiter_of_two_bytes", {"load", "-t", "t", "--delimiter", "||"}, "--delimiter"},
      {"delimiter_is_quote", {"load", "-t", "t", "--delimiter", "\""}, "quote"},
      {"delimiter_of_many_bytes", {"load", "-t", "t", "--delimiter", "\xC3\xA9"}, "--delimiter"},
      {"delimiter_newline", {"load", "-t", "t", "--delimiter", "\n"}, "delimiter"},
      {"quote_in_text", {"load", "-t", "t", "--format", "text", "--quote", "'"}, "--quote"},
      {"force_null_in_text", {"load", "-t", "t", "--format", "text", "--force-null", "a"}, "force"},
      {"null_with_newline", {"load", "-t", "t", "--null", "a\nb"}, "null"},
      {"header_twice", {"load", "-t", "t", "--header", "--skip-header"}, "--skip-header"},
      {"header_and_columns", {"load", "-t", "t", "--header", "--columns", "a"}, "--columns"},
      {"map_and_columns", {"load", "-t", "t", "--column-map", "x:a", "--columns", "a"}, "--columns"},
      {"map_and_skip_header", {"load", "-t", "t", "--column-map", "x:a", "--skip-header"}, "--column-map"},
      {"map_broken", {"load", "-t", "t", "--column-map", "x"}, "--column-map"},
      {"columns_broken", {"load", "-t", "t", "--columns", "a,"}, "--columns"},
      {"reject_file_alone",
       {"load", "-t", "t", "--reject-file", "r"},
       "--reject-file needs --on-error reject"},
      {"max_rejects_alone",
       {"load", "-t", "t", "--max-rejects", "5"},
       "--max-rejects needs --on-error reject"},
      {"max_rejects_negative",
       {"load", "-t", "t", "--on-error", "reject", "--max-rejects", "-1"},
       "--max-rejects -1 is no limit"},
      {"max_rejects_share",
       {"load", "-t", "t", "--on-error", "reject", "--max-rejects", "101%"},
       "--max-rejects 101% is no limit"},
      {"on_error_unknown", {"load", "-t", "t", "--on-error", "skip"}, "--on-error"},
      {"reject_to_stdout",
       {"load", "-t", "t", "--on-error", "reject", "--reject-file", "-"},
       "--reject-file - is refused"},
      {"reject_and_single_transaction",
       {"load", "-t", "t", "--on-error", "reject", "-1"},
       "--on-error reject and --single-transaction"},
      {"reject_and_wire_binary",
       {"load", "-t", "t", "--on-error", "reject", "--wire", "binary"},
       "--on-error reject and --wire binary"},
      {"jobs_and_single_transaction", {"load", "-t", "t", "-1", "-j", "2"}, "--single-transaction"},
      {"progress_unknown", {"load", "-t", "t", "--progress", "loud"}, "--progress"},
      {"reporting_period_of_nothing", {"load", "-t", "t", "--reporting-period", "0"}, "--reporting-period"},
      {"standard_input_twice", {"load", "-t", "t", "-", "-"}, "standard input"},
      {"file_empty", {"load", "-t", "t", ""}, "file"},
      {"max_new_chunks_negative", {"load", "-t", "t", "--max-new-chunks", "-1"}, "--max-new-chunks"},
      {"batch_rows_negative", {"load", "-t", "t", "--batch-rows", "-1"}, "--batch-rows"},
  };
  return all;
}

INSTANTIATE_TEST_SUITE_P(Words, WrongCommandLine, ::testing::ValuesIn(refused()),
                         [](const auto& test) { return std::string(test.param.name); });

TEST(Help, IsGroupedAndHasExamples) {
  for (const char* flag : {"-?", "--help"}) {
    const CommandExit exit = exit_of({"load", flag});
    EXPECT_EQ(exit.code, 0);
    EXPECT_EQ(exit.err, "");
    for (const char* words :
         {"Connection", "Loading", "Input", "Columns", "Output", "Examples:", "Exit codes", "--header",
          "--column-map", "--single-transaction", "[SCHEMA.]TABLE"})
      EXPECT_NE(exit.out.find(words), std::string::npos) << words << "\n" << exit.out;
  }
}

TEST(Help, NeedsNoTableAndNamesTheCommands) {
  const CommandExit exit = exit_of({"--help"});
  EXPECT_EQ(exit.code, 0);
  EXPECT_NE(exit.out.find("load"), std::string::npos);
  EXPECT_NE(exit.out.find("generate"), std::string::npos);
}

TEST(Version, IsOnStdout) {
  for (const char* flag : {"-V", "--version"}) {
    const CommandExit exit = exit_of({flag});
    EXPECT_EQ(exit.code, 0);
    EXPECT_NE(exit.out.find(kVersion), std::string::npos) << exit.out;
    EXPECT_EQ(exit.err, "");
  }
}

}  // namespace
}  // namespace hypercopy
