#include "hypercopy/record_splitter.hpp"

#include <gtest/gtest.h>

#include <cstdlib>
#include <ostream>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "support/split_oracle.hpp"

namespace hypercopy {
namespace {

using test::Feeding;
using test::Truth;

constexpr SplitOptions kCsv17{};
constexpr SplitOptions kCsv18{.before_v18 = false};
constexpr SplitOptions kText17{.format = Format::text};
constexpr SplitOptions kText18{.format = Format::text, .before_v18 = false};
constexpr SplitOptions kEscape{.escape = '\\'};
constexpr SplitOptions kBackslashQuote{.quote = '\\', .escape = '\\'};
constexpr auto kMore = SplitStop::need_more;
constexpr auto kMarker = SplitStop::end_marker;

struct Trap {
  const char* name;
  SplitOptions options;
  std::string input;
  std::vector<std::uint64_t> ends;
  SplitStop stop = kMore;
  SplitFault fault = SplitFault::none;
  Position fault_at{};

  friend void PrintTo(const Trap& trap, std::ostream* out) { *out << testing::PrintToString(trap.input); }
};

Trap broken(const char* name, const SplitOptions& options, std::string input, std::vector<std::uint64_t> ends,
            SplitFault fault, Position at) {
  return {name, options, std::move(input), std::move(ends), SplitStop::error, fault, at};
}

const std::string kNul(1, '\0');

std::vector<Trap> csv_traps() {
  return {
      {"empty_input", kCsv17, "", {}},
      {"one_record", kCsv17, "a,b\n", {4}},
      {"no_final_newline", kCsv17, "a\nb", {2, 3}},
      {"only_newlines", kCsv17, "\n\n\n", {1, 2, 3}},
      {"only_crlf", kCsv17, "\r\n\r\n", {2, 4}},
      {"only_cr", kCsv17, "\r\r", {1, 2}},
      {"crlf", kCsv17, "a\r\nb\r\nc", {3, 6, 7}},
      {"cr", kCsv17, "a\rb\rc", {2, 4, 5}},
      {"lone_cr_at_the_end_of_input", kCsv17, "a\r", {2}},
      {"nul_bytes", kCsv17, kNul + "a" + kNul + "\n" + kNul + "\n", {4, 6}},
      {"nul_in_quotes_escapes_nothing", kCsv17, "\"" + kNul + "\"\nb\n", {4, 6}},
      {"quoted_lf", kCsv17, "\"a\nb\",c\nd\n", {8, 10}},
      {"quoted_crlf", kCsv17, "\"a\r\nb\"\r\nc\r\n", {8, 11}},
      {"quoted_cr_in_lf_style", kCsv17, "a\n\"\r\"\n", {2, 6}},
      {"quoted_lf_in_crlf_style", kCsv17, "a\r\n\"\n\"\r\n", {3, 8}},
      {"quoted_lf_in_cr_style", kCsv17, "\"\n\"\r\"\n\r\"\rb", {4, 9, 10}},
      {"quote_in_mid_field", kCsv17, "a\"\n\"b\nc\n", {6, 8}},
      {"doubled_quote", kCsv17, "\"a\"\"\nb\"\nc\n", {8, 10}},
      {"doubled_quote_at_the_end", kCsv17, "\"a\"\"\"\nc\n", {6, 8}},
      {"empty_quotes", kCsv17, "\"\"\n\"\"\n", {3, 6}},
      {"other_quote", {.quote = '\'', .escape = '\''}, "'\n'\n\"\n", {4, 6}},
      {"backslash_is_plain", kCsv17, "a\\\n\\b\n", {3, 6}},
      {"lone_backslash_at_the_end", kCsv17, "a\n\\", {2, 3}},
      {"escaped_quote", kEscape, "\"a\\\"\nb\"\nc\n", {8, 10}},
      {"escaped_escape_then_quote", kEscape, "\"a\\\\\"\nb\n", {6, 8}},
      {"escape_outside_quotes_is_plain", kEscape, "\\\"\n\"\n", {5}},
      {"escape_before_plain_byte", kEscape, "\"\\a\"\nb\n", {5, 7}},
      {"escape_as_last_byte", kEscape, "a\\", {2}},
      {"quote_is_lf", {.quote = '\n', .escape = '\n'}, "a\nb\r\nc\n\n", {5, 8}},
      {"quote_is_backslash", kBackslashQuote, "a\\\n\\b\nc\n", {6, 8}},
  };
}

std::vector<Trap> csv_marker_traps() {
  return {
      {"marker_ends_the_input", kCsv17, "a\n\\.\nb\n", {2}, kMarker},
      {"marker_is_data_in_18", kCsv18, "a\n\\.\nb\n", {2, 5, 7}},
      {"marker_first_lf", kCsv17, "\\.\na\n", {}, kMarker},
      {"marker_first_crlf", kCsv17, "\\.\r\na\r\n", {}, kMarker},
      {"marker_first_cr", kCsv17, "\\.\ra\r", {}, kMarker},
      {"marker_first_cr_at_the_end", kCsv17, "\\.\r", {}, kMarker},
      {"marker_crlf", kCsv17, "a\r\n\\.\r\nb", {3}, kMarker},
      {"marker_cr", kCsv17, "a\r\\.\rb", {2}, kMarker},
      {"marker_quoted", kCsv17, "\"a\n\\.\nb\"\n", {9}},
      {"marker_behind_data", kCsv17, "a\nb\\.\nc\n", {2, 6, 8}},
      {"marker_before_data", kCsv17, "a\n\\.b\nc\n", {2, 6, 8}},
      {"marker_before_quote", kCsv17, "\\.\"\n\"\nc\n", {6, 8}},
      {"marker_then_end_of_input", kCsv17, "a\n\\.", {2, 4}},
      {"marker_then_backslash", kCsv17, "\\\\.\na\n", {4, 6}},
      {"marker_through_backslash_quote", kBackslashQuote, "\\.\na\n", {}, kMarker},
      broken("marker_cr_in_lf_style", kCsv17, "a\n\\.\r\n", {2}, SplitFault::end_marker_newline_style,
             {2, 2, 2}),
      broken("marker_crcr_in_crlf_style", kCsv17, "a\r\n\\.\r\r", {3}, SplitFault::end_marker_newline_style,
             {3, 2, 2}),
      broken("marker_lf_in_crlf_style", kCsv17, "a\r\n\\.\n", {3}, SplitFault::newline_in_data, {5, 2, 2}),
      broken("marker_half_newline_in_crlf_style", kCsv17, "a\r\n\\.\r", {3},
             SplitFault::carriage_return_in_data, {5, 2, 2}),
      broken("marker_lf_in_cr_style", kCsv17, "a\r\\.\n", {2}, SplitFault::end_marker_newline_style,
             {2, 2, 2}),
  };
}

std::vector<Trap> csv_faults() {
  return {
      broken("cr_in_lf_style", kCsv17, "a\nb\rc\n", {2}, SplitFault::carriage_return_in_data, {3, 2, 2}),
      broken("crlf_in_lf_style", kCsv17, "a\nb\r\n", {2}, SplitFault::carriage_return_in_data, {3, 2, 2}),
      broken("cr_in_crlf_style", kCsv17, "a\r\nb\rc\r\n", {3}, SplitFault::carriage_return_in_data,
             {4, 2, 2}),
      broken("cr_at_the_end_in_crlf_style", kCsv17, "a\r\nb\r", {3}, SplitFault::carriage_return_in_data,
             {4, 2, 2}),
      broken("lf_in_crlf_style", kCsv17, "a\r\nb\nc", {3}, SplitFault::newline_in_data, {4, 2, 2}),
      broken("lf_in_cr_style", kCsv17, "a\rb\nc", {2}, SplitFault::newline_in_data, {3, 2, 2}),
      broken("crlf_in_cr_style", kCsv17, "a\rb\r\n", {2, 4}, SplitFault::newline_in_data, {4, 3, 3}),
      broken("fault_behind_quoted_newlines", kCsv17, "\"\n\n\"\n\"\n\"\r", {5},
             SplitFault::carriage_return_in_data, {8, 5, 2}),
      broken("open_quote", kCsv17, "a\nb,\"c\nd\n", {2}, SplitFault::open_quote, {4, 2, 2}),
      broken("open_quote_on_the_second_line", kCsv17, "a\n\"\n\"b\"\nd\n", {2}, SplitFault::open_quote,
             {6, 3, 2}),
      broken("open_quote_only", kCsv17, "\"", {}, SplitFault::open_quote, {0, 1, 1}),
      broken("open_quote_in_cr_style", kCsv17, "a\r\"\r\",\"\r", {2}, SplitFault::open_quote, {6, 3, 2}),
      broken("open_quote_behind_escape", kEscape, "\"a\\\"\nb", {}, SplitFault::open_quote, {0, 1, 1}),
      broken("escape_at_the_end_in_quotes", kEscape, "\"a\\", {}, SplitFault::open_quote, {0, 1, 1}),
      broken("half_of_a_doubled_quote", kCsv17, "\"a\"\"\n", {}, SplitFault::open_quote, {3, 1, 1}),
  };
}

std::vector<Trap> text_traps() {
  return {
      {"empty", kText17, "", {}},
      {"plain", kText17, "a\tb\nc\n", {4, 6}},
      {"quotes_are_plain", kText17, "\"\n\"\n", {2, 4}},
      {"null_marker", kText17, "\\N\t\\N\n\\N\n", {6, 9}},
      {"backslash_newline", kText17, "a\\\nb\nc\n", {5, 7}},
      {"backslash_backslash_newline", kText17, "a\\\\\nb\n", {4, 6}},
      {"three_backslashes_newline", kText17, "a\\\\\\\nb\n", {7}},
      {"backslash_cr_in_lf_style", kText17, "a\n\\\r\nb\n", {2, 5, 7}},
      {"backslash_cr_then_lf_first", kText17, "a\\\r\nb\n", {4, 6}},
      {"backslash_lf_in_crlf_style", kText17, "a\r\n\\\nb\r\n", {3, 8}},
      {"backslash_cr_in_cr_style", kText17, "a\r\\\rb\r", {2, 6}},
      {"backslash_at_the_end", kText17, "a\nb\\", {2, 4}},
      {"only_a_backslash", kText17, "\\", {1}},
      {"ends_in_escaped_newline", kText17, "a\\\n", {3}},
      {"escaped_backslash_then_dot", kText17, "a\\\\.\nb\n", {5, 7}},
      {"lone_marker", kText17, "\\.\n", {}, kMarker},
      {"marker_lf", kText17, "a\n\\.\nb\n", {2}, kMarker},
      {"marker_crlf", kText17, "a\r\n\\.\r\nb", {3}, kMarker},
      {"marker_cr", kText17, "a\r\\.\rb", {2}, kMarker},
      {"marker_first_crlf", kText17, "\\.\r\nb", {}, kMarker},
      {"marker_behind_data", kText17, "a\n5\\.\nb\n", {2, 3}, kMarker},
      {"marker_behind_data_on_the_first_line", kText17, "5\\.\r\nb", {1}, kMarker},
      {"marker_behind_escaped_newline", kText17, "a\\\n\\.\n", {3}, kMarker},
      {"marker_behind_escaped_backslash", kText17, "\\\\\\.\n", {2}, kMarker},
      {"marker_18", kText18, "a\n\\.\nb\n", {2}, kMarker},
  };
}

std::vector<Trap> text_faults() {
  using enum SplitFault;
  return {
      broken("cr_in_lf_style", kText17, "a\nb\r", {2}, carriage_return_in_data, {3, 2, 2}),
      broken("lf_in_cr_style", kText17, "a\rb\n", {2}, newline_in_data, {3, 2, 2}),
      broken("backslash_cr_lf_in_crlf_style", kText17, "a\r\nb\\\r\n", {3}, newline_in_data, {6, 2, 2}),
      broken("fault_behind_escaped_newline", kText17, "a\nb\\\nc\r", {2}, carriage_return_in_data, {6, 3, 2}),
      broken("marker_corrupt", kText17, "a\n\\.b\n", {2}, end_marker_corrupt, {2, 2, 2}),
      broken("marker_corrupt_at_the_end", kText17, "a\n\\.", {2}, end_marker_corrupt, {2, 2, 2}),
      broken("marker_corrupt_by_nul", kText17, "\\." + kNul, {}, end_marker_corrupt, {0, 1, 1}),
      broken("marker_corrupt_in_crlf_style", kText17, "a\r\n\\.b", {3}, end_marker_corrupt, {3, 2, 2}),
      broken("marker_corrupt_behind_cr", kText17, "a\r\n\\.\rb", {3}, end_marker_corrupt, {3, 2, 2}),
      broken("marker_half_newline", kText17, "a\r\n\\.\r", {3}, end_marker_corrupt, {3, 2, 2}),
      broken("marker_cr_in_lf_style", kText17, "a\n\\.\r\n", {2}, end_marker_newline_style, {2, 2, 2}),
      broken("marker_lf_in_crlf_style", kText17, "a\r\n\\.\n", {3}, end_marker_newline_style, {3, 2, 2}),
      broken("marker_lf_in_cr_style", kText17, "a\r\\.\n", {2}, end_marker_newline_style, {2, 2, 2}),
      broken("marker_behind_data_18", kText18, "a\n5\\.\n", {2}, end_marker_not_alone, {3, 2, 2}),
      broken("marker_corrupt_behind_data_18", kText18, "5\\.x", {}, end_marker_corrupt, {1, 1, 1}),
      broken("marker_style_behind_data_18", kText18, "a\n5\\.\r", {2}, end_marker_newline_style, {3, 2, 2}),
  };
}

class TrapTest : public testing::TestWithParam<Trap> {};

std::vector<std::vector<std::size_t>> ways_to_cut(std::size_t size) {
  std::vector<std::vector<std::size_t>> ways{{}, {1}, {2}, {3}, {17}, {64}, {65}};
  for (std::size_t cut = 0; cut <= size; ++cut) ways.push_back({cut, size + 1});
  return ways;
}

void check_every_way(const SplitOptions& options, std::string_view input, const Truth& truth) {
  for (const std::vector<std::size_t>& pieces : ways_to_cut(input.size())) {
    for (const std::uint64_t max_records : {std::uint64_t{1}, std::uint64_t{2}, std::uint64_t{1} << 62}) {
      for (const bool late : {false, true}) {
        const Feeding feeding{.pieces = pieces, .max_records = max_records, .final_is_late = late};
        const std::string wrong = test::disagreement(options, input, truth, feeding);
        ASSERT_EQ(wrong, "") << "pieces of " << testing::PrintToString(pieces) << ", at most " << max_records
                             << " records, late " << late;
      }
    }
  }
}

TEST_P(TrapTest, AnyCutAnyKernel) {
  const Trap& trap = GetParam();
  const Truth truth = test::Oracle(trap.options, trap.input).read_all();
  EXPECT_EQ(truth.ends, trap.ends);
  EXPECT_EQ(truth.stop, trap.stop);
  EXPECT_EQ(truth.fault, trap.fault);
  if (trap.fault != SplitFault::none) {
    EXPECT_EQ(test::Feeder::show(truth.fault_at), test::Feeder::show(trap.fault_at));
  }
  check_every_way(trap.options, trap.input, truth);
}

// The same trap at every place of a word that a word kernel scans: words begin where the bytes that were
// scanned one by one, to find the newline style, end.
TEST_P(TrapTest, AtEveryPlaceOfAWord) {
  constexpr std::size_t kWordsBegin = 70;
  const Trap& trap = GetParam();
  for (const std::string newline : {"\n", "\r\n", "\r"}) {
    for (std::size_t shift = 0; shift < 66; ++shift) {
      const std::string input = "a" + newline + std::string(kWordsBegin + shift, 'x') + newline + trap.input +
                                std::string(140, 'y') + newline + "z";
      const Truth truth = test::Oracle(trap.options, input, {1000, 50, 7}).read_all();
      for (const std::vector<std::size_t>& pieces : {std::vector<std::size_t>{}, {64}, {77}, {130, 1}}) {
        for (const std::uint64_t max_records : {2U, 1000U}) {
          const Feeding feeding{.pieces = pieces, .max_records = max_records};
          ASSERT_EQ(test::disagreement(trap.options, input, truth, feeding), "")
              << "shift " << shift << ", newline " << testing::PrintToString(newline) << ", pieces of "
              << testing::PrintToString(pieces) << ", at most " << max_records;
        }
      }
    }
  }
}

std::string trap_name(const testing::TestParamInfo<Trap>& info) { return info.param.name; }

INSTANTIATE_TEST_SUITE_P(Csv, TrapTest, testing::ValuesIn(csv_traps()), trap_name);
INSTANTIATE_TEST_SUITE_P(CsvMarker, TrapTest, testing::ValuesIn(csv_marker_traps()), trap_name);
INSTANTIATE_TEST_SUITE_P(CsvFault, TrapTest, testing::ValuesIn(csv_faults()), trap_name);
INSTANTIATE_TEST_SUITE_P(Text, TrapTest, testing::ValuesIn(text_traps()), trap_name);
INSTANTIATE_TEST_SUITE_P(TextFault, TrapTest, testing::ValuesIn(text_faults()), trap_name);

TEST(RecordSplitter, FaultKeepsTheRecordsBeforeIt) {
  RecordSplitter splitter(kCsv17, Kernel::scalar);
  const std::string input = "a\nb\nc\r\n";
  const SplitResult result = splitter.scan(input, 10, true);
  EXPECT_EQ(result.stop, SplitStop::error);
  EXPECT_EQ(result.records, 2U);
  EXPECT_EQ(result.records_end, 4U);
  EXPECT_EQ(splitter.record_start(), (Position{4, 3, 3}));
}

TEST(RecordSplitter, MarkerSwallowsItsNewline) {
  for (const std::string newline : {"\n", "\r\n", "\r"}) {
    RecordSplitter splitter(kCsv17, Kernel::scalar);
    const std::string input = "\\." + newline + "rest";
    const SplitResult result = splitter.scan(input, 10, true);
    EXPECT_EQ(result.stop, SplitStop::end_marker);
    EXPECT_EQ(result.scanned, 2 + newline.size());
    EXPECT_EQ(result.records, 0U);
  }
}

TEST(RecordSplitter, HeaderIsNotCounted) {
  RecordSplitter splitter(kCsv17, Kernel::scalar);
  const std::string input = "\"x\ny\"\n1\n2\n";
  const SplitResult header = splitter.scan(input, 1, true);
  ASSERT_EQ(header.stop, SplitStop::record_limit);
  EXPECT_EQ(header.records_end, 6U);
  splitter.restart_record_count();
  EXPECT_EQ(splitter.record_start(), (Position{6, 3, 1}));
  const SplitResult data = splitter.scan(std::string_view(input).substr(header.scanned), 10, true);
  EXPECT_EQ(data.records, 2U);
  EXPECT_EQ(splitter.record_start(), (Position{10, 5, 3}));
}

TEST(RecordSplitter, UndecidedBytesAreLeftUnscanned) {
  struct Case {
    const char* name;
    SplitOptions options;
    std::string input;
    std::size_t left;
  };
  const std::vector<Case> cases{
      {"cr_in_unknown_style", kCsv17, "ab\r", 1},
      {"cr_in_crlf_style", kCsv17, "a\r\nb\r", 1},
      {"cr_in_cr_style", kCsv17, "a\rb\r", 0},
      {"csv_backslash_first", kCsv17, "a\n\\", 1},
      {"csv_backslash_first_18", kCsv18, "a\n\\", 0},
      {"csv_backslash_later", kCsv17, "a\nb\\", 0},
      {"csv_marker", kCsv17, "a\n\\.", 2},
      {"csv_marker_half_crlf", kCsv17, "a\r\n\\.\r", 3},
      {"csv_marker_cr", kCsv17, "\\.\r", 3},
      {"text_backslash", kText17, "ab\\", 1},
      {"text_marker", kText17, "ab\\.", 2},
      {"quoted_cr", kCsv17, "\"ab\r", 0},
  };
  for (const Case& c : cases) {
    RecordSplitter splitter(c.options, Kernel::scalar);
    const SplitResult result = splitter.scan(c.input, 10, false);
    EXPECT_EQ(result.stop, SplitStop::need_more) << c.name;
    EXPECT_EQ(c.input.size() - result.scanned, c.left) << c.name;
  }
}

TEST(RecordSplitter, NewlineStyleIsTheFirstRecords) {
  const std::vector<std::pair<std::string, NewlineStyle>> cases{{"a", NewlineStyle::unknown},
                                                                {"a\n", NewlineStyle::lf},
                                                                {"\"\n\"\r\n", NewlineStyle::crlf},
                                                                {"\"\r\n\"\r", NewlineStyle::cr}};
  for (const auto& [input, style] : cases) {
    RecordSplitter splitter(kCsv17, Kernel::scalar);
    EXPECT_EQ(splitter.scan(input, 10, true).stop, SplitStop::need_more);
    EXPECT_EQ(splitter.newline_style(), style) << testing::PrintToString(input);
  }
}

TEST(Kernels, ScalarIsAlwaysThereAndFirst) {
  ASSERT_FALSE(available_kernels().empty());
  EXPECT_EQ(available_kernels().front(), Kernel::scalar);
}

class KernelVariable : public testing::Test {
 protected:
  ~KernelVariable() override { unsetenv("HYPERCOPY_KERNEL"); }
};

TEST_F(KernelVariable, UnsetTakesTheFastest) {
  unsetenv("HYPERCOPY_KERNEL");
  const Result<Kernel> kernel = choose_kernel();
  ASSERT_TRUE(kernel.has_value());
  EXPECT_EQ(*kernel, available_kernels().back());
}

TEST_F(KernelVariable, NamesOne) {
  for (const Kernel wanted : available_kernels()) {
    setenv("HYPERCOPY_KERNEL", std::string(to_string(wanted)).c_str(), 1);
    const Result<Kernel> kernel = choose_kernel();
    ASSERT_TRUE(kernel.has_value()) << to_string(wanted);
    EXPECT_EQ(*kernel, wanted);
  }
}

TEST_F(KernelVariable, UnknownNameIsAUsageError) {
  setenv("HYPERCOPY_KERNEL", "mmx", 1);
  const Result<Kernel> kernel = choose_kernel();
  ASSERT_FALSE(kernel.has_value());
  EXPECT_EQ(kernel.error().kind, ErrorKind::usage);
  EXPECT_NE(kernel.error().message.find("mmx"), std::string::npos);
  EXPECT_NE(kernel.error().hint.find("scalar"), std::string::npos);
}

TEST(SplitFaultText, IsTheServersMessage) {
  EXPECT_EQ(to_string(SplitFault::newline_in_data, Format::csv), "unquoted newline found in data");
  EXPECT_EQ(to_string(SplitFault::newline_in_data, Format::text), "literal newline found in data");
}

}  // namespace
}  // namespace hypercopy
