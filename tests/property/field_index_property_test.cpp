// Random inputs, cut by the splitter into batches: every kernel finds the fields that split_fields() finds,
// with blocks of any size. HYPERCOPY_TEST_SEED repeats a run; the seed is part of every failure's text.
#include <gtest/gtest.h>

#include <algorithm>
#include <ostream>
#include <random>
#include <string>
#include <string_view>
#include <vector>

#include "hypercopy/field_index.hpp"
#include "support/field_truth.hpp"
#include "support/random.hpp"

namespace hypercopy {
namespace {

const std::vector<Dialect> kDialects{
    {},
    {.delimiter = ';'},
    {.delimiter = '\t', .quote = '\'', .escape = '\''},
    {.quote = '\\', .escape = '\\'},
    {.quote = '.', .escape = '.'},
    {.escape = '\\'},
    {.delimiter = '|', .quote = '\'', .escape = '"'},
    {.escape = ','},  // DELIMITER and ESCAPE may be the same byte
};

class RandomCase {
 public:
  explicit RandomCase(std::uint64_t seed) : random_(seed) {
    dialect = pick(kDialects);
    if (one_in(3)) dialect.delimiter = any_delimiter();
    newline_ = pick(std::vector<std::string>{"\n", "\r\n", "\r"});
    columns = 1 + below(one_in(4) ? 150 : 6);
  }

  // Any order of the bytes that mean something; fields are as many as they happen to be.
  std::string nasty(std::size_t size) {
    const std::string alphabet = std::string("ab\n") + dialect.delimiter + dialect.quote + dialect.escape +
                                 newline_ + '\0' + '\\' + '"';
    std::string input;
    while (input.size() < size) input += alphabet[below(alphabet.size())];
    columns = 1 + below(3);
    return input;
  }

  // Records of `columns` fields, and seldom one of another number; seldom quotes, or many.
  std::string structured(std::size_t size) {
    quote_rarity_ = 1 + below(below(100) + 1);
    length_ = 1 + below(one_in(3) ? 200 : 12);
    const bool uneven = one_in(4);
    std::string input;
    while (input.size() < size) {
      const bool odd = uneven && one_in(20);
      append_record(input, odd ? 1 + below(columns + 1) : columns);
      input += newline_;
    }
    if (one_in(2)) input.resize(input.size() - newline_.size());
    return input;
  }

  IndexLimits limits() {
    const std::vector<std::size_t> fields{1, 2, 3, 64, 100, 1000, 1U << 15U};
    const std::vector<std::size_t> bytes{0, 1, 63, 64, 65, 128, 1000, 1U << 20U};
    return {.fields = pick(fields), .bytes = pick(bytes)};
  }

  std::uint64_t batch_records() { return one_in(2) ? 1 + below(10) : 1'000'000; }
  bool one_in(std::size_t count) { return below(count) == 0; }

  Dialect dialect;
  std::size_t columns;

 private:
  // Whatever COPY takes as one, but for the dialect's own other bytes.
  char any_delimiter() {
    constexpr std::string_view kNone = "\r\n\\.abcdefghijklmnopqrstuvwxyz0123456789";
    char byte = 0;
    do {
      byte = static_cast<char>(1 + below(127));
    } while (kNone.find(byte) != std::string_view::npos || byte == dialect.quote);
    return byte;
  }

  void append_record(std::string& input, std::size_t fields) {
    for (std::size_t i = 0; i < fields; ++i) {
      if (i != 0) input += dialect.delimiter;
      append_field(input);
    }
  }

  void append_field(std::string& input) {
    if (!one_in(quote_rarity_)) {
      input.append(below(length_), 'v');
      return;
    }
    if (one_in(3)) input.append(below(3), 'v');
    do {
      input += dialect.quote;
      for (std::size_t bytes = below(length_); bytes != 0; --bytes) append_quoted_byte(input);
      input += dialect.quote;
    } while (one_in(4));
    if (one_in(3)) input.append(below(length_), 'v');
  }

  void append_quoted_byte(std::string& input) {
    const std::string specials =
        std::string("\r\n\\\0", 4) + dialect.delimiter + dialect.quote + dialect.escape;
    const char byte = one_in(3) ? specials[below(specials.size())] : 'q';
    if (byte == dialect.quote || byte == dialect.escape) input += dialect.escape;
    input += byte;
  }

  std::size_t below(std::size_t bound) {
    return std::uniform_int_distribution<std::size_t>(0, bound - 1)(random_);
  }
  template <typename T>
  T pick(const std::vector<T>& values) {
    return values[below(values.size())];
  }

  std::mt19937_64 random_;
  std::string newline_;
  std::size_t quote_rarity_ = 1;
  std::size_t length_ = 1;
};

using Generate = std::string (*)(RandomCase& random);

struct Kind {
  const char* name;
  std::size_t cases;
  bool mostly_even;
  Generate generate;

  friend void PrintTo(const Kind& kind, std::ostream* out) { *out << kind.name; }
};

class FieldIndexProperty : public testing::TestWithParam<Kind> {};

struct Seen {
  std::size_t records = 0;
  std::size_t even_batches = 0;
  std::size_t batches = 0;
};

void check_case(std::uint64_t seed, Generate generate, Seen& seen) {
  RandomCase random(seed);
  const std::string input = generate(random);
  const SplitOptions options{
      .quote = random.dialect.quote, .escape = random.dialect.escape, .before_v18 = random.one_in(2)};
  for (int turn = 0; turn < 3; ++turn) {
    const std::vector<test::IndexBatch> batches = test::cut_batches(input, options, random.batch_records());
    ASSERT_EQ(test::index_disagreement(random.dialect, batches, random.columns, random.limits()), "")
        << "HYPERCOPY_TEST_SEED=" << seed << ", turn " << turn << ", columns " << random.columns << ", input "
        << testing::PrintToString(input);
    for (const test::IndexBatch& batch : batches) {
      const test::FieldTruth truth = test::fields_of(batch, random.dialect);
      seen.records += truth.records.size();
      ++seen.batches;
      seen.even_batches += std::all_of(truth.records.begin(), truth.records.end(),
                                       [&](const auto& fields) { return fields.size() == random.columns; });
    }
  }
}

TEST_P(FieldIndexProperty, EveryKernelFindsWhatSplitFieldsFinds) {
  const std::uint64_t seed = test::test_seed();
  Seen seen;
  for (std::size_t number = 0; number < GetParam().cases && !HasFatalFailure(); ++number) {
    check_case(seed + number, GetParam().generate, seen);
  }
  // The generator must not have made rubbish only.
  EXPECT_GT(seen.records, GetParam().cases);
  EXPECT_GT(seen.even_batches, seen.batches / (GetParam().mostly_even ? 2 : 100));
  EXPECT_LT(seen.even_batches, seen.batches);
}

INSTANTIATE_TEST_SUITE_P(
    Inputs, FieldIndexProperty,
    testing::Values(
        Kind{"nasty", 6000, false, [](RandomCase& random) { return random.nasty(30); }},
        Kind{"nasty_words", 3000, false, [](RandomCase& random) { return random.nasty(250); }},
        Kind{"structured", 2000, true, [](RandomCase& random) { return random.structured(1500); }},
        Kind{"structured_long", 100, true, [](RandomCase& random) { return random.structured(30'000); }}),
    [](const auto& kind) { return std::string(kind.param.name); });

}  // namespace
}  // namespace hypercopy
