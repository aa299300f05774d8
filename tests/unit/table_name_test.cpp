// Identifiers in option values: table names and lists of columns.
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "hypercopy/column_mapping.hpp"
#include "hypercopy/load_options.hpp"
#include "hypercopy/sql_identifier.hpp"

namespace hypercopy {
namespace {

using std::string_literals::operator""s;

struct GoodName {
  const char* name;
  std::string text;
  std::string schema;
  std::string table;
};

class GoodTableName : public testing::TestWithParam<GoodName> {};

TEST_P(GoodTableName, IsTaken) {
  const auto parsed = parse_table_name(GetParam().text);
  ASSERT_TRUE(parsed) << to_string(parsed.error());
  EXPECT_EQ(parsed->schema, GetParam().schema);
  EXPECT_EQ(parsed->name, GetParam().table);
}

INSTANTIATE_TEST_SUITE_P(
    Names, GoodTableName,
    testing::Values(
        GoodName{"Plain", "cpu", "", "cpu"}, GoodName{"Folded", "Cpu_2$X", "", "cpu_2$x"},
        GoodName{"Schema", "Public.CPU", "public", "cpu"}, GoodName{"Quoted", "\"Cpu\"", "", "Cpu"},
        GoodName{"DoubledQuote", R"("a""b")", "", "a\"b"}, GoodName{"OnlyQuotes", R"("""")", "", "\""},
        GoodName{"QuotedDot", R"("my.schema"."my.table")", "my.schema", "my.table"},
        GoodName{"MixedQuoting", R"(Public."Cpu")", "public", "Cpu"},
        GoodName{"QuotedBlankKept", "\" a \"", "", " a "},
        GoodName{"BlanksAround", " public . cpu\n", "public", "cpu"}, GoodName{"KeyWord", "user", "", "user"},
        GoodName{"Underscore", "_x", "", "_x"},
        GoodName{"UnicodeNotFolded", "M\xC3\x89t\xC3\xA9o", "", "m\xC3\x89t\xC3\xA9o"},
        GoodName{"BlankInBareWordIsLiteral", "My Table", "", "My Table"},
        GoodName{"DigitInFrontIsLiteral", "2024-Data", "", "2024-Data"},
        GoodName{"DollarInFrontIsLiteral", "$A", "", "$A"},
        GoodName{"LiteralPartOnly", "Public.My Table", "public", "My Table"},
        GoodName{"InjectionIsJustAName", "cpu; DROP TABLE x; --", "", "cpu; DROP TABLE x; --"},
        GoodName{"InjectionBehindParenthesis", "cpu(a) FROM PROGRAM 'x'", "", "cpu(a) FROM PROGRAM 'x'"}),
    [](const auto& test) { return test.param.name; });

struct BadName {
  const char* name;
  std::string text;
  const char* message;
};

class BadTableName : public testing::TestWithParam<BadName> {};

TEST_P(BadTableName, IsAUsageError) {
  const auto parsed = parse_table_name(GetParam().text);
  ASSERT_FALSE(parsed);
  EXPECT_EQ(parsed.error().kind, ErrorKind::usage);
  EXPECT_EQ(parsed.error().message, GetParam().message);
}

INSTANTIATE_TEST_SUITE_P(
    Names, BadTableName,
    testing::Values(
        BadName{"Empty", "", "table name: no name is given"},
        BadName{"Blank", " \t", "table name: no name is given"},
        BadName{"EmptySchema", ".cpu", "table name '.cpu': a name is empty"},
        BadName{"EmptyTable", "public.", "table name 'public.': a name is empty"},
        BadName{"BlankTable", "public. ", "table name 'public. ': a name is empty"},
        BadName{"OnlyDot", ".", "table name '.': a name is empty"},
        BadName{"EmptyQuoted", R"("")", R"(table name '""': a quoted name is empty)"},
        BadName{"ThreeParts", "db.public.cpu", "table name 'db.public.cpu' has 3 parts"},
        BadName{"OpenQuote", R"("cpu)", R"(table name '"cpu': a double quote is not closed)"},
        BadName{"OpenAfterDoubled", R"("cpu"")", R"(table name '"cpu""': a double quote is not closed)"},
        BadName{"LoneQuote", "\"", "table name '\"': a double quote is not closed"},
        BadName{"TextBehindQuote", R"("a"b)", R"(table name '"a"b': text follows a closing quote)"},
        BadName{"QuotedBehindBlank", R"("a" "b")", R"(table name '"a" "b"': text follows a closing quote)"},
        BadName{"QuoteInside", R"(a"b")", R"(table name 'a"b"': a double quote stands inside a name)"},
        BadName{"Nul", "a\0b"s, "table name: a name cannot hold a NUL byte"},
        BadName{"QuotedNul", "\"a\0b\""s, "table name: a name cannot hold a NUL byte"}),
    [](const auto& test) { return test.param.name; });

struct ListCase {
  const char* name;
  std::string text;
  std::vector<std::string> names;  // empty: an error
};

class ColumnList : public testing::TestWithParam<ListCase> {};

TEST_P(ColumnList, IsReadAsIdentifiers) {
  const auto parsed = parse_column_list(GetParam().text);
  ASSERT_EQ(parsed.has_value(), !GetParam().names.empty());
  if (parsed) {
    EXPECT_EQ(*parsed, GetParam().names);
  } else {
    EXPECT_EQ(parsed.error().kind, ErrorKind::usage);
    EXPECT_EQ(parsed.error().message.rfind("--columns", 0), 0U) << parsed.error().message;
  }
}

INSTANTIATE_TEST_SUITE_P(
    Lists, ColumnList,
    testing::Values(ListCase{"One", "A", {"a"}}, ListCase{"Three", R"(a,"B c",D)", {"a", "B c", "d"}},
                    ListCase{"CommaInQuotes", R"("a,b",c)", {"a,b", "c"}},
                    ListCase{"DotIsNoSeparator", "a.B,c", {"a.B", "c"}},
                    ListCase{"BlanksAround", " a , \"b\" ", {"a", "b"}},
                    ListCase{"TwinsAreLeftToTheMapping", "a,A", {"a", "a"}}, ListCase{"Empty", "", {}},
                    ListCase{"EmptyEntry", "a,,b", {}}, ListCase{"TrailingComma", "a,", {}},
                    ListCase{"LeadingComma", ",a", {}}, ListCase{"OpenQuote", "a,\"b", {}}),
    [](const auto& test) { return test.param.name; });

struct DisplayCase {
  const char* name;
  std::string identifier;
  std::string shown;
};

class Display : public testing::TestWithParam<DisplayCase> {};

TEST_P(Display, QuotesOnlyWhereNeeded) {
  EXPECT_EQ(display_identifier(GetParam().identifier), GetParam().shown);
}

TEST_P(Display, IsReadBackAsTheSameName) {
  const auto parsed = parse_table_name(display_qualified("S.1", GetParam().identifier));
  ASSERT_TRUE(parsed) << to_string(parsed.error());
  EXPECT_EQ(parsed->schema, "S.1");
  EXPECT_EQ(parsed->name, GetParam().identifier);
}

INSTANTIATE_TEST_SUITE_P(
    Identifiers, Display,
    testing::Values(DisplayCase{"Plain", "cpu_1", "cpu_1"}, DisplayCase{"Upper", "Cpu", "\"Cpu\""},
                    DisplayCase{"Blank", "a b", "\"a b\""}, DisplayCase{"Quote", "a\"b", "\"a\"\"b\""},
                    DisplayCase{"Dot", "a.b", "\"a.b\""}, DisplayCase{"Digit", "1a", "\"1a\""},
                    DisplayCase{"Unicode", "\xC3\xA9t\xC3\xA9", "\xC3\xA9t\xC3\xA9"}),
    [](const auto& test) { return test.param.name; });

TEST(DisplayQualified, LeavesAnEmptySchemaOut) { EXPECT_EQ(display_qualified("", "Cpu"), "\"Cpu\""); }

}  // namespace
}  // namespace hypercopy
