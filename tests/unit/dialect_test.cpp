#include "hypercopy/dialect.hpp"

#include <gtest/gtest.h>

#include <functional>
#include <string>

#include "hypercopy/load_options.hpp"

namespace hypercopy {
namespace {

using std::string_literals::operator""s;

TEST(DefaultDialect, IsWhatCopyTakes) {
  const Dialect csv = default_dialect(Format::csv);
  EXPECT_EQ(csv.format, Format::csv);
  EXPECT_EQ(csv.delimiter, ',');
  EXPECT_EQ(csv.quote, '"');
  EXPECT_EQ(csv.escape, '"');
  EXPECT_EQ(csv.null_marker, "");
  const Dialect text = default_dialect(Format::text);
  EXPECT_EQ(text.format, Format::text);
  EXPECT_EQ(text.delimiter, '\t');
  EXPECT_EQ(text.null_marker, "\\N");
}

TEST(FormatText, NamesCopysFormats) {
  EXPECT_EQ(to_string(Format::csv), "csv");
  EXPECT_EQ(to_string(Format::text), "text");
}

struct DialectCase {
  const char* name;
  Format format;
  std::function<void(Dialect&)> change;
  std::string message;  // empty: valid
};

class DialectRules : public testing::TestWithParam<DialectCase> {};

TEST_P(DialectRules, AreThoseOfTheServer) {
  Dialect dialect = default_dialect(GetParam().format);
  GetParam().change(dialect);
  const Status status = validate(dialect);
  if (GetParam().message.empty()) {
    EXPECT_TRUE(status) << to_string(status.error());
    return;
  }
  ASSERT_FALSE(status);
  EXPECT_EQ(status.error().kind, ErrorKind::usage);
  EXPECT_EQ(status.error().message, GetParam().message);
}

DialectCase csv_case(const char* name, std::function<void(Dialect&)> change, std::string message) {
  return {name, Format::csv, std::move(change), std::move(message)};
}
DialectCase text_case(const char* name, std::function<void(Dialect&)> change, std::string message) {
  return {name, Format::text, std::move(change), std::move(message)};
}

const std::string kDelimiterOneByte = "COPY delimiter must be a single one-byte character";
const std::string kDelimiterNewline = "COPY delimiter cannot be newline or carriage return";
const std::string kNullNewline = "COPY null representation cannot use newline or carriage return";
const std::string kSame = "COPY delimiter and quote must be different";
const std::string kDelimiterInNull = "COPY delimiter must not appear in the NULL specification";
const std::string kQuoteInNull = "CSV quote character must not appear in the NULL specification";

INSTANTIATE_TEST_SUITE_P(
    Csv, DialectRules,
    testing::Values(
        csv_case(
            "Defaults", [](Dialect&) {}, ""),
        csv_case(
            "Tab", [](Dialect& d) { d.delimiter = '\t'; }, ""),
        csv_case(
            "LetterDelimiter", [](Dialect& d) { d.delimiter = 'a'; }, ""),
        csv_case(
            "OtherEscape", [](Dialect& d) { d.escape = '\\'; }, ""),
        csv_case(
            "EscapeEqualToDelimiter", [](Dialect& d) { d.escape = ','; }, ""),
        csv_case(
            "NullMarker", [](Dialect& d) { d.null_marker = "\\N"; }, ""),
        csv_case(
            "ForceLists", [](Dialect& d) { d.force_null = d.force_not_null = {"a"}; }, ""),
        csv_case(
            "NulDelimiter", [](Dialect& d) { d.delimiter = '\0'; }, kDelimiterOneByte),
        csv_case(
            "DelimiterAbove127", [](Dialect& d) { d.delimiter = '\xE9'; }, kDelimiterOneByte),
        csv_case(
            "LfDelimiter", [](Dialect& d) { d.delimiter = '\n'; }, kDelimiterNewline),
        csv_case(
            "CrDelimiter", [](Dialect& d) { d.delimiter = '\r'; }, kDelimiterNewline),
        csv_case(
            "LfInNull", [](Dialect& d) { d.null_marker = "a\nb"; }, kNullNewline),
        csv_case(
            "CrInNull", [](Dialect& d) { d.null_marker = "\r"; }, kNullNewline),
        csv_case(
            "NulInNull", [](Dialect& d) { d.null_marker = "a\0b"s; },
            "COPY null representation cannot hold a NUL byte"),
        csv_case(
            "NulQuote", [](Dialect& d) { d.quote = '\0'; }, "COPY quote must be a single one-byte character"),
        csv_case(
            "QuoteAbove127", [](Dialect& d) { d.quote = '\xAB'; },
            "COPY quote must be a single one-byte character"),
        csv_case(
            "LfQuote", [](Dialect& d) { d.quote = '\n'; }, "COPY quote cannot be newline or carriage return"),
        csv_case(
            "QuoteIsDelimiter", [](Dialect& d) { d.delimiter = '"'; }, kSame),
        csv_case(
            "NulEscape", [](Dialect& d) { d.escape = '\0'; },
            "COPY escape must be a single one-byte character"),
        csv_case(
            "CrEscape", [](Dialect& d) { d.escape = '\r'; },
            "COPY escape cannot be newline or carriage return"),
        csv_case(
            "DelimiterInNull", [](Dialect& d) { d.null_marker = "a,b"; }, kDelimiterInNull),
        csv_case(
            "QuoteInNull", [](Dialect& d) { d.null_marker = "\"\""; }, kQuoteInNull),
        csv_case(
            "NewlineBeforeOtherNullRules", [](Dialect& d) { d.null_marker = ",\"\n"; }, kNullNewline),
        csv_case(
            "DelimiterBeforeQuoteInNull", [](Dialect& d) { d.null_marker = "\","; }, kDelimiterInNull)),
    [](const auto& test) { return test.param.name; });

INSTANTIATE_TEST_SUITE_P(
    Text, DialectRules,
    testing::Values(
        text_case(
            "Defaults", [](Dialect&) {}, ""),
        text_case(
            "Comma", [](Dialect& d) { d.delimiter = ','; }, ""),
        text_case(
            "UpperCaseLetter", [](Dialect& d) { d.delimiter = 'A'; }, ""),
        text_case(
            "QuoteByteIsOrdinary", [](Dialect& d) { d.delimiter = '"'; }, ""),
        text_case(
            "QuoteInNullIsOrdinary", [](Dialect& d) { d.null_marker = "\""; }, ""),
        text_case(
            "Backslash", [](Dialect& d) { d.delimiter = '\\'; }, "COPY delimiter cannot be \"\\\""),
        text_case(
            "Period", [](Dialect& d) { d.delimiter = '.'; }, "COPY delimiter cannot be \".\""),
        text_case(
            "FirstLetter", [](Dialect& d) { d.delimiter = 'a'; }, "COPY delimiter cannot be \"a\""),
        text_case(
            "LastLetter", [](Dialect& d) { d.delimiter = 'z'; }, "COPY delimiter cannot be \"z\""),
        text_case(
            "FirstDigit", [](Dialect& d) { d.delimiter = '0'; }, "COPY delimiter cannot be \"0\""),
        text_case(
            "LastDigit", [](Dialect& d) { d.delimiter = '9'; }, "COPY delimiter cannot be \"9\""),
        text_case(
            "Newline", [](Dialect& d) { d.delimiter = '\n'; }, kDelimiterNewline),
        text_case(
            "DelimiterInNull", [](Dialect& d) { d.null_marker = "\t"; }, kDelimiterInNull),
        text_case(
            "Quote", [](Dialect& d) { d.quote = '\''; }, "COPY quote available only in CSV mode"),
        text_case(
            "Escape", [](Dialect& d) { d.escape = '\\'; }, "COPY escape available only in CSV mode"),
        text_case(
            "ForceNotNull", [](Dialect& d) { d.force_not_null = {"a"}; },
            "COPY force not null available only in CSV mode"),
        text_case(
            "ForceNull", [](Dialect& d) { d.force_null = {"a"}; },
            "COPY force null available only in CSV mode")),
    [](const auto& test) { return test.param.name; });

TEST(DialectRules, TakeEveryOtherAsciiDelimiterInCsv) {
  for (int byte = 1; byte < 128; ++byte) {
    Dialect dialect;
    dialect.delimiter = static_cast<char>(byte);
    EXPECT_EQ(validate(dialect).has_value(), byte != '\n' && byte != '\r' && byte != '"') << byte;
  }
}

struct ByteCase {
  const char* name;
  std::string value;
  int byte;  // -1: an error
};

class SingleByte : public testing::TestWithParam<ByteCase> {};

TEST_P(SingleByte, IsReadOrRefused) {
  const auto parsed = parse_single_byte("--delimiter", GetParam().value);
  ASSERT_EQ(parsed.has_value(), GetParam().byte >= 0);
  if (parsed) {
    EXPECT_EQ(static_cast<unsigned char>(*parsed), GetParam().byte);
  } else {
    EXPECT_EQ(parsed.error().kind, ErrorKind::usage);
    EXPECT_NE(parsed.error().message.find("--delimiter"), std::string::npos);
  }
}

INSTANTIATE_TEST_SUITE_P(
    Values, SingleByte,
    testing::Values(
        ByteCase{"Comma", ",", ','}, ByteCase{"RealTab", "\t", '\t'}, ByteCase{"EscapedTab", "\\t", '\t'},
        ByteCase{"Backslash", "\\", '\\'}, ByteCase{"EscapedBackslash", "\\\\", '\\'},
        ByteCase{"LetterT", "t", 't'}, ByteCase{"Hex", "\\x1f", 0x1F}, ByteCase{"HexUpper", "\\x7C", '|'},
        ByteCase{"HexHigh", "\\xE9", 0xE9}, ByteCase{"HighByte", "\xE9", 0xE9}, ByteCase{"Empty", "", -1},
        ByteCase{"TwoBytes", ",,", -1}, ByteCase{"Utf8Character", "\xC3\xA9", -1}, ByteCase{"Nul", "\0"s, -1},
        ByteCase{"HexNul", "\\x00", -1}, ByteCase{"ShortHex", "\\x1", -1}, ByteCase{"LongHex", "\\x1ff", -1},
        ByteCase{"NoHex", "\\xg1", -1}, ByteCase{"HalfHex", "\\x1g", -1}, ByteCase{"SignInHex", "\\x-1", -1},
        ByteCase{"UnknownEscape", "\\n", -1}),
    [](const auto& test) { return test.param.name; });

struct OptionsCase {
  const char* name;
  std::function<void(LoadOptions&)> change;
  std::string message;  // empty: valid
};

class LoadOptionRules : public testing::TestWithParam<OptionsCase> {};

TEST_P(LoadOptionRules, RefuseWhatCannotMeanAnything) {
  LoadOptions options;
  options.table.name = "cpu";
  GetParam().change(options);
  const Status status = validate(options);
  if (GetParam().message.empty()) {
    EXPECT_TRUE(status) << to_string(status.error());
    return;
  }
  ASSERT_FALSE(status);
  EXPECT_EQ(status.error().kind, ErrorKind::usage);
  EXPECT_EQ(status.error().message, GetParam().message);
  EXPECT_FALSE(status.error().hint.empty());
}

INSTANTIATE_TEST_SUITE_P(
    Options, LoadOptionRules,
    testing::Values(OptionsCase{"Defaults", [](LoadOptions&) {}, ""},
                    OptionsCase{"NoTable", [](LoadOptions& o) { o.table.name.clear(); },
                                "no table to load into is named"},
                    OptionsCase{"Dialect", [](LoadOptions& o) { o.dialect.delimiter = '"'; }, kSame},
                    OptionsCase{"ForceListInText",
                                [](LoadOptions& o) {
                                  o.dialect = default_dialect(Format::text);
                                  o.dialect.force_null = {"a"};
                                },
                                "COPY force null available only in CSV mode"},
                    OptionsCase{"SameFileTwice",
                                [](LoadOptions& o) {
                                  o.files = {"a.csv", "a.csv", "-"};
                                },
                                ""},
                    OptionsCase{"StdinTwice",
                                [](LoadOptions& o) {
                                  o.files = {"-", "a.csv", "-"};
                                },
                                "standard input (-) is named twice"},
                    OptionsCase{"EmptyFileName",
                                [](LoadOptions& o) {
                                  o.files = {"a.csv", ""};
                                },
                                "a file name is empty"},
                    OptionsCase{"ColumnsWithSkippedHeader",
                                [](LoadOptions& o) {
                                  o.columns = {"a"};
                                  o.header = Header::skip;
                                },
                                ""},
                    OptionsCase{"ColumnsWithHeader",
                                [](LoadOptions& o) {
                                  o.columns = {"a"};
                                  o.header = Header::match;
                                },
                                "--columns and --header cannot be used together"},
                    OptionsCase{"ColumnsWithMap",
                                [](LoadOptions& o) {
                                  o.columns = {"a"};
                                  o.column_map = {{"a", "b"}};
                                  o.header = Header::match;
                                },
                                "--columns and --column-map cannot be used together"},
                    OptionsCase{"MapWithHeader",
                                [](LoadOptions& o) {
                                  o.column_map = {{"a", "b"}};
                                  o.header = Header::match;
                                },
                                ""},
                    OptionsCase{"MapWithSkippedHeader",
                                [](LoadOptions& o) {
                                  o.column_map = {{"a", "b"}};
                                  o.header = Header::skip;
                                },
                                "--column-map and --skip-header cannot be used together"},
                    OptionsCase{"MapWithoutHeader",
                                [](LoadOptions& o) {
                                  o.column_map = {{"a", "b"}};
                                },
                                "--column-map needs a header to read names from"},
                    OptionsCase{"MostJobs", [](LoadOptions& o) { o.jobs = kMaxJobs; }, ""},
                    OptionsCase{"TooManyJobs", [](LoadOptions& o) { o.jobs = kMaxJobs + 1; },
                                "-j 1025 is more than 1024 jobs"},
                    OptionsCase{"SingleTransaction", [](LoadOptions& o) { o.single_transaction = true; }, ""},
                    OptionsCase{"SingleTransactionOneJob",
                                [](LoadOptions& o) {
                                  o.single_transaction = true;
                                  o.jobs = 1;
                                },
                                ""},
                    OptionsCase{"SingleTransactionTwoJobs",
                                [](LoadOptions& o) {
                                  o.single_transaction = true;
                                  o.jobs = 2;
                                },
                                "-j 2 and --single-transaction cannot be used together"},
                    OptionsCase{"SingleTransactionSkippingBatches",
                                [](LoadOptions& o) { o.single_transaction = o.skip_failed_batches = true; },
                                "failed batches cannot be skipped in a single transaction"},
                    OptionsCase{"SingleTransactionFallback",
                                [](LoadOptions& o) { o.single_transaction = o.windows_1252_fallback = true; },
                                "a batch cannot be sent again as WIN1252 in a single transaction"},
                    OptionsCase{"NegativePeriod",
                                [](LoadOptions& o) { o.reporting_period = std::chrono::milliseconds(-1); },
                                "the reporting period is negative"}),
    [](const auto& test) { return test.param.name; });

}  // namespace
}  // namespace hypercopy
