#include "hypercopy/record_fields.hpp"

#include <gtest/gtest.h>

#include <ostream>
#include <string>
#include <string_view>
#include <vector>

namespace hypercopy {
namespace {

Dialect csv() { return {}; }
Dialect csv_escape() { return {.escape = '\\'}; }
Dialect semicolon() { return {.delimiter = ';', .quote = '\'', .escape = '\''}; }
Dialect text() { return {.format = Format::text, .delimiter = '\t', .null_marker = "\\N"}; }

struct FieldsCase {
  const char* name;
  Dialect dialect;
  std::string record;
  std::vector<std::string> raw;
  std::vector<std::string> values;

  friend void PrintTo(const FieldsCase& c, std::ostream* out) { *out << testing::PrintToString(c.record); }
};

std::vector<FieldsCase> csv_cases() {
  return {
      {"plain", csv(), "a,b,c", {"a", "b", "c"}, {"a", "b", "c"}},
      {"empty_record", csv(), "", {""}, {""}},
      {"trailing_delimiter", csv(), "a,", {"a", ""}, {"a", ""}},
      {"only_delimiters", csv(), ",,", {"", "", ""}, {"", "", ""}},
      {"spaces_stay", csv(), " a , b", {" a ", " b"}, {" a ", " b"}},
      {"quoted_delimiter", csv(), "\"a,b\",c", {"\"a,b\"", "c"}, {"a,b", "c"}},
      {"quoted_newline", csv(), "\"a\nb\",c", {"\"a\nb\"", "c"}, {"a\nb", "c"}},
      {"quote_in_mid_field", csv(), "a\",\"b,c", {"a\",\"b", "c"}, {"a,b", "c"}},
      {"quoted_twice_in_one_field", csv(), "\"a\"b\"c,\",d", {"\"a\"b\"c,\"", "d"}, {"abc,", "d"}},
      {"doubled_quote", csv(), "\"a\"\"b\",c", {"\"a\"\"b\"", "c"}, {"a\"b", "c"}},
      {"doubled_quote_before_delimiter", csv(), "\"a\"\",\",c", {"\"a\"\",\"", "c"}, {"a\",", "c"}},
      {"empty_quotes", csv(), "\"\",\"\"", {"\"\"", "\"\""}, {"", ""}},
      {"only_a_doubled_quote", csv(), "\"\"\"\"", {"\"\"\"\""}, {"\""}},
      {"backslash_is_plain", csv(), "a\\,\"\\\"", {"a\\", "\"\\\""}, {"a\\", "\\"}},
      {"open_quote_takes_the_rest", csv(), "a,\"b,c", {"a", "\"b,c"}, {"a", "b,c"}},
      {"nul_byte",
       csv(),
       std::string("a\0b,c", 5),
       {std::string("a\0b", 3), "c"},
       {std::string("a\0b", 3), "c"}},
      {"other_bytes", semicolon(), "a,b;'c;''d'", {"a,b", "'c;''d'"}, {"a,b", "c;'d"}},
      {"escaped_quote", csv_escape(), "\"a\\\",b\",c", {"\"a\\\",b\"", "c"}, {"a\",b", "c"}},
      {"escaped_escape", csv_escape(), "\"a\\\\\",b", {"\"a\\\\\"", "b"}, {"a\\", "b"}},
      {"escape_before_plain_byte", csv_escape(), "\"a\\n\",b", {"\"a\\n\"", "b"}, {"a\\n", "b"}},
      {"escape_outside_quotes", csv_escape(), "a\\,b", {"a\\", "b"}, {"a\\", "b"}},
      {"quote_does_not_escape_when_escape_is_other", csv_escape(), "\"a\"\"b\"", {"\"a\"\"b\""}, {"ab"}},
  };
}

std::vector<FieldsCase> text_cases() {
  return {
      {"plain", text(), "a\tb", {"a", "b"}, {"a", "b"}},
      {"empty_record", text(), "", {""}, {""}},
      {"trailing_delimiter", text(), "a\t", {"a", ""}, {"a", ""}},
      {"quotes_are_plain", text(), "\"a\tb\"", {"\"a", "b\""}, {"\"a", "b\""}},
      {"escaped_delimiter", text(), "a\\\tb\tc", {"a\\\tb", "c"}, {"a\tb", "c"}},
      {"escaped_backslash_before_delimiter", text(), "a\\\\\tb", {"a\\\\", "b"}, {"a\\", "b"}},
      {"null_marker_is_the_callers_matter", text(), "\\N\ta", {"\\N", "a"}, {"N", "a"}},
      {"control_letters", text(), "\\b\\f\\n\\r\\t\\v", {"\\b\\f\\n\\r\\t\\v"}, {"\b\f\n\r\t\v"}},
      {"escaped_newline", text(), "a\\\nb", {"a\\\nb"}, {"a\nb"}},
      {"octal", text(), "\\101\\7x\\12x\\1018", {"\\101\\7x\\12x\\1018"}, {"A\ax\nxA8"}},
      {"octal_above_a_byte", text(), "\\501", {"\\501"}, {"A"}},
      {"octal_cut_short", text(), "\\10\\1", {"\\10\\1"}, {"\b\1"}},
      {"no_octal_digit", text(), "\\8\\9", {"\\8\\9"}, {"89"}},
      {"hex",
       text(),
       "\\x41\\x4a\\x4A\\x7x\\x414",
       {"\\x41\\x4a\\x4A\\x7x\\x414"},
       {"AJJ\ax"
        "A4"}},
      {"hex_without_digits", text(), "\\xg\\x", {"\\xg\\x"}, {"xgx"}},
      {"backslash_at_the_end", text(), "a\\", {"a\\"}, {"a"}},
      {"backslash_before_delimiter_at_the_end", text(), "a\\\t", {"a\\\t"}, {"a\t"}},
  };
}

class FieldsTest : public testing::TestWithParam<FieldsCase> {};

TEST_P(FieldsTest, CutAndDecoded) {
  const FieldsCase& c = GetParam();
  std::vector<FieldRange> fields{{7, 9}};  // what was in it before does not stay
  split_fields(c.record, c.dialect, fields);
  std::vector<std::string> raw;
  std::vector<std::string> values;
  for (const FieldRange& field : fields) {
    raw.push_back(c.record.substr(field.begin, field.end - field.begin));
    values.push_back(decode_field(raw.back(), c.dialect));
  }
  EXPECT_EQ(raw, c.raw);
  EXPECT_EQ(values, c.values);
}

std::string case_name(const testing::TestParamInfo<FieldsCase>& info) { return info.param.name; }

INSTANTIATE_TEST_SUITE_P(Csv, FieldsTest, testing::ValuesIn(csv_cases()), case_name);
INSTANTIATE_TEST_SUITE_P(Text, FieldsTest, testing::ValuesIn(text_cases()), case_name);

TEST(WithoutNewline, TakesOneNewlineOff) {
  struct Case {
    std::string_view record;
    std::string_view wanted;
  };
  for (const Case& c : {Case{"a\n", "a"}, Case{"a\r\n", "a"}, Case{"a\r", "a"}, Case{"a", "a"}, Case{"", ""},
                        Case{"\n", ""}, Case{"a\n\n", "a\n"}, Case{"\r\n", ""}, Case{"a\n\r", "a\n"}}) {
    EXPECT_EQ(without_newline(c.record), c.wanted) << testing::PrintToString(c.record);
  }
}

}  // namespace
}  // namespace hypercopy
