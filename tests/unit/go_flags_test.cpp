// Expectations marked "peer" were read off timescaledb-parallel-copy v0.13.0, which uses Go's flag package.
#include "go_flags.hpp"

#include <gtest/gtest.h>

#include <array>
#include <limits>

namespace hypercopy {
namespace {

using namespace std::chrono_literals;
using Words = std::vector<std::string>;
using Arguments = std::vector<std::string_view>;
using Ending = GoFlagWords::Ending;

constexpr std::array<GoFlag, 5> kFlags{{
    {"file", GoFlagKind::text, "", "Input"},
    {"period", GoFlagKind::duration, "", "Time between lines"},
    {"quote", GoFlagKind::text, "'\"'", "Quote", "character"},
    {"verbose", GoFlagKind::boolean, "", "Say more"},
    {"workers", GoFlagKind::integer, "1", "Connections"},
}};

GoFlagWords normalise(const Arguments& arguments) { return normalise_go_flags(arguments, kFlags); }

struct WordsCase {
  const char* name;
  Arguments arguments;
  Words expected;
};

class GoFlagWordsTest : public testing::TestWithParam<WordsCase> {};

TEST_P(GoFlagWordsTest, BecomeCanonical) {
  const GoFlagWords result = normalise(GetParam().arguments);
  EXPECT_EQ(result.ending, Ending::parsed) << result.error;
  EXPECT_EQ(result.words, GetParam().expected);
}

INSTANTIATE_TEST_SUITE_P(
    Words, GoFlagWordsTest,
    testing::Values(
        WordsCase{"nothing", {}, {}}, WordsCase{"one_dash_and_word", {"-workers", "4"}, {"--workers", "4"}},
        WordsCase{"two_dashes_and_word", {"--workers", "4"}, {"--workers", "4"}},
        WordsCase{"one_dash_and_equals", {"-workers=4"}, {"--workers", "4"}},
        WordsCase{"two_dashes_and_equals", {"--workers=4"}, {"--workers", "4"}},
        WordsCase{"the_last_repetition_wins",
                  {"-workers=4", "-file=a", "-workers", "9"},
                  {"--file", "a", "--workers", "9"}},
        WordsCase{
            "a_boolean_alone_is_true", {"-verbose", "-file", "a"}, {"--file", "a", "--verbose", "true"}},
        WordsCase{"a_boolean_takes_no_word", {"-verbose", "true", "-workers", "x"}, {"--verbose", "true"}},
        WordsCase{"a_value_may_look_like_a_flag", {"-file", "-verbose"}, {"--file", "-verbose"}},
        WordsCase{
            "a_value_may_be_two_dashes", {"-file", "--", "-workers=2"}, {"--file", "--", "--workers", "2"}},
        WordsCase{"a_value_may_hold_equals", {"-file=a=b"}, {"--file", "a=b"}},
        WordsCase{"an_empty_value_behind_equals", {"-file=", "-workers=2"}, {"--file", "", "--workers", "2"}},
        WordsCase{"an_empty_value_as_word", {"-file", "", "-workers=2"}, {"--file", "", "--workers", "2"}},
        WordsCase{"the_first_other_word_ends", {"-workers=2", "word", "-nope"}, {"--workers", "2"}},
        WordsCase{"an_empty_word_ends", {"", "-nope"}, {}}, WordsCase{"a_lone_dash_ends", {"-", "-nope"}, {}},
        WordsCase{"two_dashes_end", {"-workers=2", "--", "-nope"}, {"--workers", "2"}}),
    [](const auto& test) { return std::string(test.param.name); });

struct ErrorCase {
  const char* name;
  Arguments arguments;
  const char* expected;
};

class GoFlagErrorTest : public testing::TestWithParam<ErrorCase> {};

TEST_P(GoFlagErrorTest, HasGosWords) {
  const GoFlagWords result = normalise(GetParam().arguments);
  EXPECT_EQ(result.ending, Ending::error);
  EXPECT_EQ(result.error, GetParam().expected);
  EXPECT_EQ(result.words, Words{});
}

// Peer, except where the name says hidden.
INSTANTIATE_TEST_SUITE_P(
    Errors, GoFlagErrorTest,
    testing::Values(
        ErrorCase{"unknown", {"-nope"}, "flag provided but not defined: -nope"},
        ErrorCase{"unknown_with_value_hidden", {"--nope=pw"}, "flag provided but not defined: -nope"},
        ErrorCase{
            "unknown_uri_hidden", {"-postgres://u:pw@h"}, "flag provided but not defined: -postgres://..."},
        ErrorCase{"names_are_case_sensitive", {"-File=a"}, "flag provided but not defined: -File"},
        ErrorCase{"no_abbreviation", {"-work", "2"}, "flag provided but not defined: -work"},
        ErrorCase{"three_dashes", {"---x"}, "bad flag syntax: ---x"},
        ErrorCase{"no_name", {"-="}, "bad flag syntax: -="},
        ErrorCase{"no_name_value_hidden", {"--=pw"}, "bad flag syntax: --=..."},
        ErrorCase{"three_dashes_value_hidden", {"---file=pw"}, "bad flag syntax: ---file=..."},
        ErrorCase{"value_missing", {"-workers"}, "flag needs an argument: -workers"},
        ErrorCase{"the_first_error_is_told",
                  {"-workers=x", "-nope"},
                  "invalid value \"x\" for flag -workers: parse error"},
        ErrorCase{"an_earlier_value_must_be_right_too",
                  {"-workers=x", "-workers=1"},
                  "invalid value \"x\" for flag -workers: parse error"},
        ErrorCase{"boolean", {"-verbose=yes"}, "invalid boolean value \"yes\" for -verbose: parse error"},
        ErrorCase{"boolean_empty", {"-verbose="}, "invalid boolean value \"\" for -verbose: parse error"},
        ErrorCase{"integer_empty", {"-workers", ""}, "invalid value \"\" for flag -workers: parse error"},
        ErrorCase{"integer_range",
                  {"-workers", "99999999999999999999"},
                  "invalid value \"99999999999999999999\" for flag -workers: value out of range"},
        ErrorCase{"value_is_quoted",
                  {"-workers", "a\tb\x01\xc3\xa9\""},
                  "invalid value \"a\\tb\\x01\xc3\xa9\\\"\" for flag -workers: parse error"},
        ErrorCase{"flag_as_value_hidden",
                  {"-workers", "-file=pw"},
                  "invalid value \"-file=...\" for flag -workers: parse error"},
        ErrorCase{
            "duration_without_unit", {"-period", "5"}, "invalid value \"5\" for flag -period: parse error"}),
    [](const auto& test) { return std::string(test.param.name); });

TEST(GoFlagHelp, IsAskedForByEitherNameAndSpelling) {
  for (const char* word : {"-h", "--h", "-help", "--help", "-h=5", "-help=false"}) {
    const GoFlagWords result = normalise({"-workers=2", word, "-nope"});
    EXPECT_EQ(result.ending, Ending::help) << word;
    EXPECT_EQ(result.words, Words{}) << word;
  }
}

TEST(GoFlagBoolean, TakesGosSpellingsOnly) {
  for (const char* text : {"1", "t", "T", "true", "TRUE", "True"}) {
    EXPECT_EQ(normalise({std::string("-verbose=") + text}).words, (Words{"--verbose", "true"})) << text;
  }
  for (const char* text : {"0", "f", "F", "false", "FALSE", "False"}) {
    EXPECT_EQ(normalise({std::string("-verbose=") + text}).words, (Words{"--verbose", "false"})) << text;
  }
  for (const char* text : {"tRUE", "2", "on", "y", " 1", "truee"}) {
    EXPECT_EQ(normalise({std::string("-verbose=") + text}).ending, Ending::error) << text;
  }
}

struct ValueCase {
  const char* text;
  const char* expected;  // canonical, or Go's word for what is wrong
};

// The value as canonical text, or Go's word for what is wrong with it.
std::string value_of(std::string_view flag, std::string_view text) {
  const GoFlagWords result = normalise({flag, text});
  if (result.ending == Ending::parsed) {
    return result.words.at(1);
  }
  return result.error.substr(result.error.rfind(": ") + 2);
}

TEST(GoFlagInteger, IsReadAsParseIntWithBaseZero) {
  constexpr const char* kParse = "parse error";
  constexpr const char* kRange = "value out of range";
  const std::array cases{ValueCase{"0", "0"},
                         ValueCase{"-0", "0"},
                         ValueCase{"+5", "5"},
                         ValueCase{"-5", "-5"},
                         ValueCase{"5_000", "5000"},
                         ValueCase{"1_000_000", "1000000"},
                         ValueCase{"0x10", "16"},
                         ValueCase{"0X1f", "31"},
                         ValueCase{"-0x10", "-16"},
                         ValueCase{"0x_10", "16"},
                         ValueCase{"0x1_0", "16"},
                         ValueCase{"0o17", "15"},
                         ValueCase{"0O17", "15"},
                         ValueCase{"017", "15"},
                         ValueCase{"0_7", "7"},
                         ValueCase{"0b11", "3"},
                         ValueCase{"0B11", "3"},
                         ValueCase{"00", "0"},
                         ValueCase{"9223372036854775807", "9223372036854775807"},
                         ValueCase{"9223372036854775808", kRange},
                         ValueCase{"-9223372036854775808", "-9223372036854775808"},
                         ValueCase{"-9223372036854775809", kRange},
                         ValueCase{"0x8000000000000000", kRange},
                         ValueCase{"18446744073709551616", kRange},
                         ValueCase{"99999999999999999999x", kRange},
                         ValueCase{"", kParse},
                         ValueCase{"-", kParse},
                         ValueCase{"+", kParse},
                         ValueCase{"x", kParse},
                         ValueCase{"08", kParse},
                         ValueCase{"0x", kParse},
                         ValueCase{"0b", kParse},
                         ValueCase{"0b2", kParse},
                         ValueCase{"0xg", kParse},
                         ValueCase{"_5", kParse},
                         ValueCase{"5_", kParse},
                         ValueCase{"5__0", kParse},
                         ValueCase{"0_", kParse},
                         ValueCase{"0x_", kParse},
                         ValueCase{" 5", kParse},
                         ValueCase{"5 ", kParse},
                         ValueCase{"1e3", kParse},
                         ValueCase{"1.0", kParse},
                         ValueCase{"--5", kParse},
                         ValueCase{"5,000", kParse}};
  for (const auto& [text, expected] : cases) {
    EXPECT_EQ(value_of("-workers", text), expected) << '"' << text << '"';
  }
}

TEST(GoFlagDuration, IsReadAsParseDuration) {
  constexpr const char* kParse = "parse error";
  const std::array cases{ValueCase{"0", "0"},
                         ValueCase{"-0", "0"},
                         ValueCase{"+0", "0"},
                         ValueCase{"1ns", "1"},
                         ValueCase{"1us", "1000"},
                         ValueCase{"1\u00b5s", "1000"},
                         ValueCase{"1\u03bcs", "1000"},
                         ValueCase{"300ms", "300000000"},
                         ValueCase{"30s", "30000000000"},
                         ValueCase{"1m30s", "90000000000"},
                         ValueCase{"1.5h", "5400000000000"},
                         ValueCase{".5s", "500000000"},
                         ValueCase{"1.s", "1000000000"},
                         ValueCase{"+5s", "5000000000"},
                         ValueCase{"-5s", "-5000000000"},
                         ValueCase{"1h1h", "7200000000000"},
                         ValueCase{"1s1m", "61000000000"},
                         ValueCase{"0.000000001s", "1"},
                         ValueCase{"1.0000000001s", "1000000000"},
                         ValueCase{"0.9ns", "0"},
                         ValueCase{"1.00000000000000000000000001s", "1000000000"},
                         ValueCase{"9223372036854775807ns", "9223372036854775807"},
                         ValueCase{"9223372036854775808ns", kParse},
                         ValueCase{"-9223372036854775808ns", "-9223372036854775808"},
                         ValueCase{"2562047h47m16.854775807s", "9223372036854775807"},
                         ValueCase{"2562047h47m16.854775808s", kParse},
                         ValueCase{"2562048h", kParse},
                         ValueCase{"", kParse},
                         ValueCase{"5", kParse},
                         ValueCase{".", kParse},
                         ValueCase{".s", kParse},
                         ValueCase{"s", kParse},
                         ValueCase{"-", kParse},
                         ValueCase{"1d", kParse},
                         ValueCase{"1 s", kParse},
                         ValueCase{"1S", kParse},
                         ValueCase{"1e3s", kParse},
                         ValueCase{"0x1s", kParse},
                         ValueCase{"1_0s", kParse},
                         ValueCase{"1m.5", kParse},
                         ValueCase{"1h-1m", kParse},
                         ValueCase{"1.5.5s", kParse},
                         ValueCase{"99999999999999999999h", kParse}};
  for (const auto& [text, expected] : cases) {
    EXPECT_EQ(value_of("-period", text), expected) << '"' << text << '"';
  }
}

TEST(GoDuration, IsPrintedAsGoPrintsIt) {
  EXPECT_EQ(format_go_duration(0ns), "0s");
  EXPECT_EQ(format_go_duration(1ns), "1ns");
  EXPECT_EQ(format_go_duration(1100ns), "1.1\u00b5s");
  EXPECT_EQ(format_go_duration(300ms), "300ms");
  EXPECT_EQ(format_go_duration(2200us), "2.2ms");
  EXPECT_EQ(format_go_duration(1200ms), "1.2s");
  EXPECT_EQ(format_go_duration(59'999'999'999ns), "59.999999999s");
  EXPECT_EQ(format_go_duration(60s), "1m0s");
  EXPECT_EQ(format_go_duration(90s), "1m30s");
  EXPECT_EQ(format_go_duration(1h), "1h0m0s");
  EXPECT_EQ(format_go_duration(25h + 1min + 500ms), "25h1m0.5s");
  EXPECT_EQ(format_go_duration(-90s), "-1m30s");
  EXPECT_EQ(format_go_duration(std::chrono::nanoseconds::max()), "2562047h47m16.854775807s");
  EXPECT_EQ(format_go_duration(std::chrono::nanoseconds::min()), "-2562047h47m16.854775808s");
}

TEST(GoDuration, IsReadBackAsPrinted) {
  constexpr std::int64_t kMax = std::numeric_limits<std::int64_t>::max();
  for (std::int64_t count = kMax; count > 0; count /= 7) {
    const std::chrono::nanoseconds duration(count);
    EXPECT_EQ(parse_go_duration(format_go_duration(duration)), duration) << count;
    EXPECT_EQ(parse_go_duration(format_go_duration(-duration)), -duration) << count;
  }
}

TEST(GoUsage, HasGosLayout) {
  EXPECT_EQ(go_usage("tool", kFlags),
            "Usage of tool:\n"
            "  -file string\n    \tInput\n"
            "  -period duration\n    \tTime between lines\n"
            "  -quote character\n    \tQuote (default '\"')\n"
            "  -verbose\n    \tSay more\n"
            "  -workers int\n    \tConnections (default 1)\n");
}

}  // namespace
}  // namespace hypercopy
