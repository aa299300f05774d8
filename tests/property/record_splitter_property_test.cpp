// Random inputs, cut at random: every kernel finds what the oracle finds in the whole input.
// HYPERCOPY_TEST_SEED repeats a run; the seed is part of every failure's text.
#include <gtest/gtest.h>

#include <ostream>
#include <random>
#include <string>
#include <string_view>
#include <vector>

#include "hypercopy/record_splitter.hpp"
#include "support/random.hpp"
#include "support/split_oracle.hpp"

namespace hypercopy {
namespace {

using test::Feeding;
using test::Truth;

const std::vector<SplitOptions> kDialects{
    {},
    {.before_v18 = false},
    {.escape = '\\'},
    {.escape = '\\', .before_v18 = false},
    {.quote = '\'', .escape = '\''},
    {.quote = '\\', .escape = '\\'},
    {.quote = '\\', .escape = '\\', .before_v18 = false},
    {.quote = '.', .escape = '.'},
    {.format = Format::text},
    {.format = Format::text, .before_v18 = false},
};

class RandomCase {
 public:
  explicit RandomCase(std::uint64_t seed) : random_(seed) { options = pick(kDialects); }

  // Any order of the bytes that mean something.
  std::string nasty(std::size_t size) {
    const std::string alphabet = std::string("ab,\r\n\n\\..\"'") + options.quote + options.escape + '\0';
    std::string input;
    while (input.size() < size) input += alphabet[below(alphabet.size())];
    return input;
  }

  // Records that mostly end well: a fault or an end marker is the exception, so that much is scanned.
  std::string structured(std::size_t size) {
    const std::string newline = pick(std::vector<std::string>{"\n", "\r\n", "\r"});
    const std::size_t rarity = 1 + below(400);
    std::string input;
    while (input.size() < size) {
      for (std::size_t fields = 1 + below(6); fields != 0; --fields) input += field(rarity) + ",";
      input.pop_back();
      input += one_in(rarity) ? nasty(4) : newline;
    }
    return input;
  }

  // Long runs of plain bytes with a special one now and then, at any place of a word.
  std::string sparse(std::size_t size) {
    const std::string newline = pick(std::vector<std::string>{"\n", "\r\n", "\r"});
    const std::vector<std::string> specials{
        newline, newline, newline, paired("x" + newline), "\\\\", "\\x", newline + "\\", ".", ","};
    const std::vector<std::string> ends{"\r", "\n", newline + "\\.", newline + "\\." + newline};
    std::string input = newline;
    const std::size_t gap = 2 + below(120);
    while (input.size() < size) {
      input.append(below(gap), 'a');
      input += one_in(50) ? pick(ends) : pick(specials);
    }
    return input;
  }

  Feeding feeding() {
    Feeding feeding;
    const std::vector<std::size_t> widths{1, 17, 64, 200, 1000};
    const std::size_t width = pick(widths);
    for (std::size_t pieces = below(6); pieces != 0; --pieces) feeding.pieces.push_back(1 + below(width));
    feeding.max_records = one_in(3) ? 1 + below(20) : 1'000'000;
    feeding.final_is_late = one_in(2);
    return feeding;
  }

  Position start() {
    return one_in(2) ? Position{} : Position{1 + below(1000), 1 + below(50), 1 + below(50)};
  }

  SplitOptions options;

 private:
  std::string field(std::size_t rarity) {
    if (one_in(rarity)) return nasty(1 + below(5));
    std::string text(below(20), 'v');
    if (one_in(4)) text += pick(std::vector<std::string>{"\\N", "\\\\", ".", "\\" + std::string(1, 't')});
    if (!one_in(4)) return text;
    return paired(text + pick(std::vector<std::string>{"\n", "\r\n", "\r", ",", "\\.\n", paired("")}));
  }

  // In text the specials are made literal by a backslash, in csv by quotes.
  std::string paired(const std::string& text) {
    if (options.format == Format::csv) return options.quote + text + options.quote;
    std::string escaped;
    for (const char c : text) escaped += c == '.' ? std::string{c} : std::string{'\\', c};
    return escaped;
  }

  std::size_t below(std::size_t bound) {
    return std::uniform_int_distribution<std::size_t>(0, bound - 1)(random_);
  }
  bool one_in(std::size_t count) { return below(count) == 0; }
  template <typename T>
  T pick(const std::vector<T>& values) {
    return values[below(values.size())];
  }

  std::mt19937_64 random_;
};

using Generate = std::string (*)(RandomCase& random);

struct Kind {
  const char* name;
  std::size_t cases;
  Generate generate;

  friend void PrintTo(const Kind& kind, std::ostream* out) { *out << kind.name; }
};

class SplitterProperty : public testing::TestWithParam<Kind> {};

void check_case(std::uint64_t seed, Generate generate) {
  RandomCase random(seed);
  const std::string input = generate(random);
  const Truth truth = test::Oracle(random.options, input, random.start()).read_all();
  for (int turn = 0; turn < 4; ++turn) {
    const Feeding feeding = random.feeding();
    ASSERT_EQ(test::disagreement(random.options, input, truth, feeding), "")
        << "HYPERCOPY_TEST_SEED=" << seed << ", turn " << turn << ", input " << testing::PrintToString(input);
  }
}

TEST_P(SplitterProperty, CutsAndKernelsDoNotMatter) {
  const std::uint64_t seed = test::test_seed();
  for (std::size_t number = 0; number < GetParam().cases && !HasFatalFailure(); ++number) {
    check_case(seed + number, GetParam().generate);
  }
}

// The three statements a loader lives by, on the reference alone: whole records concatenate to the input,
// every edge is a record edge, and a record scanned on its own is one record again.
TEST_P(SplitterProperty, RecordsAreTheInput) {
  const std::uint64_t seed = test::test_seed();
  for (std::size_t number = 0; number < GetParam().cases / 4; ++number) {
    RandomCase random(seed + number);
    const std::string input = GetParam().generate(random);
    const Truth truth = test::Oracle(random.options, input).read_all();
    if (truth.stop != SplitStop::need_more) continue;
    RecordSplitter splitter(random.options, available_kernels().back());
    std::string joined;
    std::uint64_t records = 0;
    while (joined.size() < input.size()) {
      const SplitResult result = splitter.scan(std::string_view(input).substr(joined.size()), 3, true);
      ASSERT_NE(result.records, 0U) << "HYPERCOPY_TEST_SEED=" << seed + number;
      joined += input.substr(joined.size(), result.records_end);
      records += result.records;
      ASSERT_EQ(truth.ends[records - 1], joined.size()) << "HYPERCOPY_TEST_SEED=" << seed + number;
    }
    ASSERT_EQ(joined, input) << "HYPERCOPY_TEST_SEED=" << seed + number;
    ASSERT_EQ(records, truth.ends.size()) << "HYPERCOPY_TEST_SEED=" << seed + number;
  }
}

INSTANTIATE_TEST_SUITE_P(
    Inputs, SplitterProperty,
    testing::Values(Kind{"nasty", 10000, [](RandomCase& random) { return random.nasty(24); }},
                    Kind{"nasty_words", 4000, [](RandomCase& random) { return random.nasty(200); }},
                    Kind{"structured", 1500, [](RandomCase& random) { return random.structured(1500); }},
                    Kind{"sparse", 1500, [](RandomCase& random) { return random.sparse(2500); }}),
    [](const auto& kind) { return std::string(kind.param.name); });

}  // namespace
}  // namespace hypercopy
