#include "legacy_copy_options.hpp"

#include <gtest/gtest.h>

namespace hypercopy {
namespace {

using Names = std::vector<std::string>;

// What -split, -quote and -escape put before the text.
LegacyCopyOptions given(std::string delimiter = ",") { return {.delimiter = std::move(delimiter)}; }

// Parses and applies, as the command line does.
Result<LoadOptions> load_options(std::string_view text, LegacyCopyOptions before = given()) {
  HYPERCOPY_ASSIGN(const LegacyCopyOptions legacy, parse_legacy_copy_options(text, std::move(before)));
  LoadOptions options;
  HYPERCOPY_TRY(apply_legacy_copy_options(legacy, options));
  return options;
}

TEST(LegacyCopyOptions, CsvHasCopysDefaults) {
  for (const char* text : {"CSV", "csv", "  Csv\n"}) {
    const auto options = load_options(text);
    ASSERT_TRUE(options) << options.error().message;
    EXPECT_EQ(options->dialect.format, Format::csv);
    EXPECT_EQ(options->dialect.delimiter, ',');
    EXPECT_EQ(options->dialect.quote, '"');
    EXPECT_EQ(options->dialect.escape, '"');
    EXPECT_EQ(options->dialect.null_marker, "");
    EXPECT_EQ(options->dialect.force_null, Names{});
    EXPECT_EQ(options->encoding, "");
    EXPECT_EQ(options->where, "");
  }
}

TEST(LegacyCopyOptions, WithoutCsvTheFormatIsText) {
  const auto options = load_options("");
  ASSERT_TRUE(options);
  EXPECT_EQ(options->dialect.format, Format::text);
  EXPECT_EQ(options->dialect.delimiter, ',');
  EXPECT_EQ(options->dialect.null_marker, "\\N");
}

TEST(LegacyCopyOptions, WhatStandsBeforeIsTaken) {
  LegacyCopyOptions before = given(";");
  before.quote = "'";
  const auto options = load_options("CSV", before);
  ASSERT_TRUE(options);
  EXPECT_EQ(options->dialect.delimiter, ';');
  EXPECT_EQ(options->dialect.quote, '\'');
  EXPECT_EQ(options->dialect.escape, '\'') << "escape defaults to the quote";
}

TEST(LegacyCopyOptions, EveryOptionAtOnceInAnyOrder) {
  const auto options = load_options(
      "force null c null as 'NULL' QUOTE '''' Encoding 'latin1' ESCAPE AS E'\\\\' FORCE NOT NULL a, "
      "\"B\"\"b\", A CSV "
      "where  x > 1 and y = 'a;b' \n");
  ASSERT_TRUE(options) << options.error().message;
  EXPECT_EQ(options->dialect.format, Format::csv);
  EXPECT_EQ(options->dialect.null_marker, "NULL");
  EXPECT_EQ(options->dialect.quote, '\'');
  EXPECT_EQ(options->dialect.escape, '\\');
  EXPECT_EQ(options->dialect.force_not_null, (Names{"a", "B\"b", "a"}));
  EXPECT_EQ(options->dialect.force_null, (Names{"c"}));
  EXPECT_EQ(options->encoding, "latin1");
  EXPECT_EQ(options->where, "x > 1 and y = 'a;b'");
}

TEST(LegacyCopyOptions, DelimiterIsTakenWhereNoneStandsBefore) {
  const auto options = load_options("DELIMITER AS E'\\t' CSV", LegacyCopyOptions{});
  ASSERT_TRUE(options) << options.error().message;
  EXPECT_EQ(options->dialect.delimiter, '\t');
}

struct StringCase {
  const char* name;
  const char* literal;
  const char* value;
};

class SqlStringTest : public testing::TestWithParam<StringCase> {};

TEST_P(SqlStringTest, IsDecoded) {
  const auto options = load_options(std::string("CSV NULL ") + GetParam().literal + " ENCODING 'UTF8'");
  ASSERT_TRUE(options) << options.error().message;
  EXPECT_EQ(options->dialect.null_marker, GetParam().value);
  EXPECT_EQ(options->encoding, "UTF8") << "the string ended where it should";
}

INSTANTIATE_TEST_SUITE_P(
    Strings, SqlStringTest,
    testing::Values(StringCase{"empty", "''", ""}, StringCase{"plain", "'NULL'", "NULL"},
                    StringCase{"without_blank_before", "AS'x'", "x"},
                    StringCase{"doubled_quote", "'it''s'", "it's"}, StringCase{"only_a_quote", "''''", "'"},
                    StringCase{"backslash_is_itself", "'\\N'", "\\N"},
                    StringCase{"backslash_at_the_end", "'a\\'", "a\\"},
                    StringCase{"semicolon_and_comments", "'; -- /* x'", "; -- /* x"},
                    StringCase{"escape_letters", "E'a\\t\\b\\f\\\\'", "a\t\b\f\\"},
                    StringCase{"escape_quote", "e'it\\'s ''x'''", "it's 'x'"},
                    StringCase{"escape_octal", "E'\\1012'", "A2"},
                    StringCase{"escape_hex", "E'\\x41\\x4g'", "A\x04g"},
                    StringCase{"escape_hex_without_digits", "E'\\xz'", "xz"},
                    StringCase{"escape_unicode", "E'\\u00e9\\U0001F600'", "\xc3\xa9\xf0\x9f\x98\x80"},
                    StringCase{"escape_other", "E'\\q\\-'", "q-"}, StringCase{"dollar", "$$it's$$", "it's"},
                    StringCase{"dollar_with_tag", "$a$x $$ y$a$", "x $$ y"}),
    [](const auto& test) { return std::string(test.param.name); });

struct RefusedCase {
  const char* name;
  const char* text;
  const char* message;
};

class RefusedTest : public testing::TestWithParam<RefusedCase> {};

TEST_P(RefusedTest, IsAUsageError) {
  const auto options = load_options(GetParam().text);
  ASSERT_FALSE(options);
  EXPECT_EQ(options.error().kind, ErrorKind::usage);
  EXPECT_EQ(options.error().message, GetParam().message);
}

INSTANTIATE_TEST_SUITE_P(
    Refused, RefusedTest,
    testing::Values(
        RefusedCase{"second_statement", "CSV; DROP TABLE t", "syntax error at or near \";\""},
        RefusedCase{"line_comment", "CSV -- x", "syntax error at or near \"--\""},
        RefusedCase{"block_comment", "CSV /* x */", "syntax error at or near \"/*\""},
        RefusedCase{"parentheses", "(FORMAT csv)", "syntax error at or near \"(\""},
        RefusedCase{"unknown_word", "CSV ON_ERROR ignore", "syntax error at or near \"ON_ERROR\""},
        RefusedCase{"quoted_keyword", "\"csv\"", "syntax error at or near \"\"csv\"\""},
        RefusedCase{"using_delimiters", "USING DELIMITERS ','", "syntax error at or near \"USING\""},
        RefusedCase{"comma_between_options", "CSV, NULL 'x'", "syntax error at or near \",\""},
        RefusedCase{"null_without_value", "CSV NULL", "syntax error at end of input"},
        RefusedCase{"null_unquoted", "CSV NULL NULL", "syntax error at or near \"NULL\""},
        RefusedCase{"encoding_takes_no_as", "CSV ENCODING AS 'UTF8'", "syntax error at or near \"AS\""},
        RefusedCase{"open_string", "CSV NULL 'x", "unterminated quoted string at or near \"'x\""},
        RefusedCase{"open_escape_string", "CSV NULL E'x\\'",
                    "unterminated quoted string at or near \"E'x\\'\""},
        RefusedCase{"open_name", "CSV FORCE NULL \"x", "unterminated quoted identifier at or near \"\"x\""},
        RefusedCase{"open_dollar_string", "CSV NULL $a$x$$",
                    "unterminated dollar-quoted string at or near \"$a$x$$\""},
        RefusedCase{"empty_name", "CSV FORCE NULL \"\"",
                    "zero-length delimited identifier at or near \"\"\"\""},
        RefusedCase{"escape_for_nul", "CSV NULL E'\\000'",
                    "invalid escape in a string at or near \"E'\\000'\""},
        RefusedCase{"escape_hex_nul", "CSV NULL E'\\x00'",
                    "invalid escape in a string at or near \"E'\\x00'\""},
        RefusedCase{"escape_surrogate", "CSV NULL E'\\ud800'",
                    "invalid escape in a string at or near \"E'\\ud800'\""},
        RefusedCase{"escape_unicode_short", "CSV NULL E'\\u00e'",
                    "invalid escape in a string at or near \"E'\\u00e'\""},
        RefusedCase{"csv_twice", "CSV CSV", "conflicting or redundant options: CSV is given twice"},
        RefusedCase{"null_twice", "NULL 'a' CSV NULL 'b'",
                    "conflicting or redundant options: NULL is given twice"},
        RefusedCase{"delimiter_of_split_again", "DELIMITER ',' CSV",
                    "conflicting or redundant options: DELIMITER is given twice"},
        RefusedCase{"force_null_twice", "CSV FORCE NULL a FORCE NULL b",
                    "conflicting or redundant options: FORCE NULL is given twice"},
        RefusedCase{"force_list_open", "CSV FORCE NOT NULL a,", "syntax error at end of input"},
        RefusedCase{"force_without_list", "CSV FORCE NULL 'a'", "syntax error at or near \"'a'\""},
        RefusedCase{"force_not_quote", "CSV FORCE NOT QUOTE a", "syntax error at or near \"QUOTE\""},
        RefusedCase{"force_all", "CSV FORCE NULL *", "FORCE NULL * is not possible here: name the columns"},
        RefusedCase{"force_not_null_all", "CSV FORCE NOT NULL *",
                    "FORCE NOT NULL * is not possible here: name the columns"},
        RefusedCase{"force_quote", "CSV FORCE QUOTE a", "COPY force quote only available using COPY TO"},
        RefusedCase{"binary", "BINARY", "cannot specify DELIMITER in BINARY mode"},
        RefusedCase{"freeze", "CSV FREEZE",
                    "FREEZE is not possible: it needs a table that was created in the same transaction"},
        RefusedCase{"where_empty", "CSV WHERE ", "syntax error at end of input"},
        RefusedCase{"where_semicolon", "CSV WHERE x > 1; DROP TABLE t", "syntax error at or near \";\""},
        RefusedCase{"where_semicolon_first", "CSV WHERE ;", "syntax error at or near \";\""},
        RefusedCase{"where_comment", "CSV WHERE x > 1 --", "syntax error at or near \"--\""},
        RefusedCase{"where_open_string", "CSV WHERE x = 'a", "unterminated quoted string at or near \"'a\""},
        RefusedCase{"quote_of_two", "CSV QUOTE 'ab'", "COPY quote must be a single one-byte character"},
        RefusedCase{"quote_empty", "CSV QUOTE ''", "COPY quote must be a single one-byte character"},
        RefusedCase{"escape_of_two_bytes", "CSV ESCAPE '\xc3\xa9'",
                    "COPY escape must be a single one-byte character"},
        RefusedCase{"quote_without_csv", "QUOTE '\"'", "COPY quote available only in CSV mode"},
        RefusedCase{"escape_without_csv", "ESCAPE '\"'", "COPY escape available only in CSV mode"},
        RefusedCase{"force_null_without_csv", "FORCE NULL a", "COPY force null available only in CSV mode"},
        RefusedCase{"force_not_null_without_csv", "FORCE NOT NULL a",
                    "COPY force not null available only in CSV mode"}),
    [](const auto& test) { return std::string(test.param.name); });

TEST(LegacyCopyOptions, AnEmptyDelimiterIsRefused) {
  const auto options = load_options("CSV", given(""));
  ASSERT_FALSE(options);
  EXPECT_EQ(options.error().message, "COPY delimiter must be a single one-byte character");
}

struct WhereCase {
  const char* name;
  const char* condition;
};

class WhereTest : public testing::TestWithParam<WhereCase> {};

TEST_P(WhereTest, IsPassedOnAsItStands) {
  const auto options = load_options(std::string("CSV WHERE ") + GetParam().condition);
  ASSERT_TRUE(options) << options.error().message;
  EXPECT_EQ(options->where, GetParam().condition);
}

INSTANTIATE_TEST_SUITE_P(Conditions, WhereTest,
                         testing::Values(WhereCase{"comparison", "a > 1"},
                                         WhereCase{"operators", "(a - -1) * 2 <> 3 / 4"},
                                         WhereCase{"strings", "a = 'x;''--' OR b = E'\\';' OR c = $$;$$"},
                                         WhereCase{"names", "\"A;b\" IS NOT NULL"},
                                         WhereCase{"words_of_copy", "csv AND freeze"},
                                         WhereCase{"numbers_and_casts", "a::int4 >= 12.5e3 AND b = $1"},
                                         WhereCase{"only_an_opening_string", "'t'"}),
                         [](const auto& test) { return std::string(test.param.name); });

}  // namespace
}  // namespace hypercopy
