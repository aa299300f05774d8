#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "hypercopy/column_mapping.hpp"

namespace hypercopy {
namespace {

constexpr std::size_t kUnset = 99;

// Columns c0, c1, ... of which the dropped ones are generated.
ColumnMapping dropping(std::size_t field_count, std::vector<std::size_t> dropped) {
  ColumnMapping mapping;
  mapping.field_count = field_count;
  mapping.dropped = std::move(dropped);
  std::vector<bool> keep(field_count, true);
  for (const std::size_t field : mapping.dropped) keep[field] = false;
  for (std::size_t field = 0; field < field_count; ++field) {
    (keep[field] ? mapping.columns : mapping.dropped_columns).push_back("c" + std::to_string(field));
  }
  return mapping;
}

Dialect csv(char escape = '"', char delimiter = ',') {
  Dialect dialect;
  dialect.escape = escape;
  dialect.delimiter = delimiter;
  return dialect;
}

Dialect text(char delimiter = '\t') {
  Dialect dialect = default_dialect(Format::text);
  dialect.delimiter = delimiter;
  return dialect;
}

struct DropCase {
  const char* name;
  Dialect dialect;
  std::size_t field_count;
  std::vector<std::size_t> dropped;
  std::string batch;
  std::string expected;
  NewlineStyle style = NewlineStyle::unknown;
};

class DropFields : public testing::TestWithParam<DropCase> {};

TEST_P(DropFields, KeepsTheOthersAsTheyWere) {
  const DropCase& test = GetParam();
  std::string out = "before";
  std::size_t bad_record = kUnset;
  const Status status = drop_fields(test.batch, test.dialect, dropping(test.field_count, test.dropped),
                                    test.style, out, bad_record);
  ASSERT_TRUE(status) << to_string(status.error());
  EXPECT_EQ(out, "before" + test.expected);
  EXPECT_EQ(bad_record, kUnset);
}

INSTANTIATE_TEST_SUITE_P(
    Csv, DropFields,
    testing::Values(
        DropCase{"First", csv(), 3, {0}, "a,b,c\n1,2,3\n", "b,c\n2,3\n"},
        DropCase{"Middle", csv(), 3, {1}, "a,b,c\n", "a,c\n"},
        DropCase{"Last", csv(), 3, {2}, "a,b,c\n", "a,b\n"},
        DropCase{"Several", csv(), 5, {0, 2, 4}, "a,b,c,d,e\n", "b,d\n"},
        DropCase{"Neighbours", csv(), 5, {1, 2}, "a,b,c,d,e\n", "a,d,e\n"},
        DropCase{"AllButOne", csv(), 3, {0, 1}, "a,b,c\n", "c\n"},
        DropCase{"NothingToDo", csv(), 2, {0}, "", ""},
        DropCase{"EmptyFields", csv(), 4, {1}, ",,,\n", ",,\n"},
        DropCase{"OnlyEmptyLeft", csv(), 2, {0}, "a,\nb,\n", "\n\n"},
        DropCase{"Crlf", csv(), 2, {1}, "a,b\r\nc,d\r\n", "a\r\nc\r\n"},
        DropCase{"Cr", csv(), 2, {1}, "a,b\rc,d\r", "a\rc\r"},
        DropCase{"QuotedDelimiter", csv(), 2, {0}, "\"a,b\",\"c,d\"\n", "\"c,d\"\n"},
        DropCase{"QuotedNewlines", csv(), 2, {0}, "\"a\nb\r\",\"c\r\nd\"\n", "\"c\r\nd\"\n"},
        DropCase{"DoubledQuote", csv(), 2, {0}, "\"a\"\",\",\"b\"\"\"\n", "\"b\"\"\"\n"},
        DropCase{"QuoteInMidField", csv(), 2, {0}, "a\",\"b,c\n", "c\n"},
        DropCase{"QuotedEmptyIsKeptQuoted", csv(), 2, {1}, "\"\",x\n", "\"\"\n"},
        DropCase{"BackslashEscape", csv('\\'), 2, {0}, "\"a\\\",\\\\\",b\n", "b\n"},
        DropCase{"EscapeOutsideQuotesIsData", csv('\\'), 2, {0}, "a\\,b\n", "b\n"},
        DropCase{"EscapeBeforeOtherByteIsData", csv('\\'), 2, {0}, "\"a\\b\",c\n", "c\n"},
        DropCase{"EscapeIsDelimiter", csv(','), 2, {0}, "\"a,\",b\",c\n", "c\n"},
        DropCase{"OtherDelimiter", csv('"', '|'), 2, {0}, "a,b|c,d\n", "c,d\n"},
        DropCase{"NulByteIsData", csv(), 2, {0}, std::string("a\0,b\0\n", 6), std::string("b\0\n", 3)}),
    [](const auto& test) { return test.param.name; });

INSTANTIATE_TEST_SUITE_P(
    NoFinalNewline, DropFields,
    testing::Values(DropCase{"GetsTheBatchsOwn", csv(), 2, {0}, "a,b\r\nc,d", "b\r\nd\r\n"},
                    DropCase{"GetsTheStated", csv(), 2, {0}, "a,b", "b\r", NewlineStyle::cr},
                    DropCase{"GetsTheStatedCrlf", csv(), 2, {0}, "a,b", "b\r\n", NewlineStyle::crlf},
                    DropCase{"GetsLfWhereNothingIsKnown", csv(), 2, {0}, "a,b", "b\n"},
                    DropCase{"EmptyLastRecordStays", csv(), 2, {0}, "a,b\nc,", "b\n\n"},
                    DropCase{"TextFormat", text(), 2, {1}, "a\tb", "a\n"}),
    [](const auto& test) { return test.param.name; });

// Servers before 18 end a CSV input at a line of \. alone and drop what follows.
INSTANTIATE_TEST_SUITE_P(
    EndMarker, DropFields,
    testing::Values(DropCase{"IsHidden", csv(), 2, {0}, "a,\\.\nb,c\n", "\"\"\\.\nc\n"},
                    DropCase{"IsHiddenWithBackslashEscape", csv('\\'), 2, {0}, "a,\\.\n", "\"\"\\.\n"},
                    DropCase{"IsHiddenWithoutNewline", csv(), 2, {1}, "\\.,b", "\"\"\\.\n"},
                    DropCase{"IsHiddenWherePeriodDelimits", csv('"', '.'), 3, {2}, "\\..x\n", "\"\"\\.\n"},
                    DropCase{"QuotedIsNone", csv(), 2, {0}, "a,\"\\.\"\n", "\"\\.\"\n"},
                    DropCase{"WithMoreIsNone", csv(), 3, {0}, "a,\\.,\n", "\\.,\n"}),
    [](const auto& test) { return test.param.name; });

INSTANTIATE_TEST_SUITE_P(
    Text, DropFields,
    testing::Values(DropCase{"Plain", text(), 3, {1}, "a\tb\tc\n", "a\tc\n"},
                    DropCase{"EscapedDelimiter", text(), 2, {0}, "a\\\tb\tc\\\td\n", "c\\\td\n"},
                    DropCase{"EscapedBackslash", text(), 2, {0}, "a\\\\\tb\n", "b\n"},
                    DropCase{"EscapedNewline", text(), 2, {0}, "a\\\nb\tc\\\nd\ne\tf\n", "c\\\nd\nf\n"},
                    DropCase{"QuoteIsData", text(), 2, {0}, "\"a\t\"b\n", "\"b\n"},
                    DropCase{"NullMarker", text(), 2, {0}, "\\N\t\\N\n", "\\N\n"},
                    DropCase{"HexDigitIsNoDelimiter", text('A'), 2, {0}, "\\xAAAb\\x1\n", "b\\x1\n"},
                    DropCase{"HexHasTwoDigits", text('A'), 2, {0}, "\\x41Ab\n", "b\n"},
                    DropCase{"BackslashAtTheEnd", text(), 2, {0}, "a\tb\\", "b\\\n"}),
    [](const auto& test) { return test.param.name; });

struct BadCase {
  const char* name;
  Dialect dialect;
  std::size_t field_count;
  std::vector<std::size_t> dropped;
  std::string batch;
  std::string message;
  std::size_t bad_record;
  std::string out;
};

class DropFieldsRefuses : public testing::TestWithParam<BadCase> {};

TEST_P(DropFieldsRefuses, AsTheServerWould) {
  const BadCase& test = GetParam();
  std::string out;
  std::size_t bad_record = kUnset;
  const Status status = drop_fields(test.batch, test.dialect, dropping(test.field_count, test.dropped),
                                    NewlineStyle::unknown, out, bad_record);
  ASSERT_FALSE(status);
  EXPECT_EQ(status.error().kind, ErrorKind::input);
  EXPECT_EQ(status.error().sqlstate, "22P04");
  EXPECT_EQ(status.error().message, test.message);
  EXPECT_FALSE(status.error().detail.empty());
  EXPECT_EQ(bad_record, test.bad_record);
  EXPECT_EQ(out, test.out);
}

Dialect null_marker_is_end_marker() {
  Dialect dialect;
  dialect.null_marker = "\\.";
  return dialect;
}

INSTANTIATE_TEST_SUITE_P(
    Batches, DropFieldsRefuses,
    testing::Values(
        BadCase{
            "ExtraData", csv(), 2, {0}, "a,b\nc,d,e\n", "extra data after last expected column", 1, "b\n"},
        BadCase{"MissingKept",
                csv(),
                3,
                {0},
                "a,b,c\nd,e,f\ng,h\n",
                "missing data for column \"c2\"",
                2,
                "b,c\ne,f\n"},
        BadCase{"MissingDropped", csv(), 3, {2}, "a,b\n", "missing data for column \"c2\"", 0, ""},
        BadCase{"MissingBehindDropped", csv(), 4, {1, 2}, "a,b,c\n", "missing data for column \"c3\"", 0, ""},
        BadCase{"MissingBetweenDropped", csv(), 4, {1, 3}, "a,b\n", "missing data for column \"c2\"", 0, ""},
        BadCase{"EmptyLine", csv(), 2, {0}, "\n", "missing data for column \"c1\"", 0, ""},
        BadCase{"EmptyLineInText", text(), 2, {1}, "a\tb\n\n", "missing data for column \"c1\"", 1, "a\n"},
        BadCase{"OpenQuote", csv(), 2, {0}, "a,b\n\"c,d\n", "unterminated CSV quoted field", 1, "b\n"},
        BadCase{"OpenQuoteByEscape", csv('\\'), 2, {0}, "\"c\\\"", "unterminated CSV quoted field", 0, ""},
        BadCase{"NullMarkerThatEndsTheInput",
                null_marker_is_end_marker(),
                2,
                {0},
                "a,b\nc,\\.\n",
                "a record of the null marker \\. alone would end the input",
                1,
                "b\n"}),
    [](const auto& test) { return test.param.name; });

}  // namespace
}  // namespace hypercopy
