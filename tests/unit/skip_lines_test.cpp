#include "hypercopy/batch_reader.hpp"

#include <gtest/gtest.h>

#include <cstdint>
#include <memory>
#include <string>

#include "support/fakes.hpp"

namespace {

using namespace hypercopy;

struct SkipCase {
  const char* name;
  std::string input;
  std::uint64_t skip_lines;
  std::string left;
};

class SkipLines : public testing::TestWithParam<SkipCase> {};

// A count that is never reached must end with the input, at once.
TEST_P(SkipLines, GivesOutWhatIsLeft) {
  const SkipCase& wanted = GetParam();
  BatchPool pool(2, 64);
  TimeShares shares;
  BatchReader reader(std::make_unique<test::FakeSource>(wanted.input, 3), SplitOptions{}, Kernel::scalar,
                     BatchLimits{}, pool, shares);
  ASSERT_TRUE(reader.read_prologue({.skip_lines = wanted.skip_lines}).has_value());
  auto batch = reader.next(nullptr);
  ASSERT_TRUE(batch.has_value());
  EXPECT_EQ(*batch ? std::string((*batch)->bytes()) : "", wanted.left);
}

INSTANTIATE_TEST_SUITE_P(Counts, SkipLines,
                         testing::Values(SkipCase{"none", "a\nb\n", 0, "a\nb\n"},
                                         SkipCase{"one_of_two", "a\nb\n", 1, "b\n"},
                                         SkipCase{"all", "a\nb\n", 2, ""},
                                         SkipCase{"one_more_than_there_are", "a\nb\n", 3, ""},
                                         SkipCase{"last_line_without_newline", "a\nb", 2, ""},
                                         SkipCase{"the_largest_count", "a\nb\n", UINT64_MAX, ""},
                                         SkipCase{"the_largest_count_of_an_empty_input", "", UINT64_MAX, ""}),
                         [](const auto& instance) { return instance.param.name; });

}  // namespace
