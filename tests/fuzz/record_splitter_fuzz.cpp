// libFuzzer target: the first bytes choose dialect, cuts and record limit, the others are the input. Every
// kernel, fed in that way, must find what the oracle finds in the whole input.
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

#include "hypercopy/record_splitter.hpp"
#include "support/split_oracle.hpp"

namespace {

using namespace hypercopy;

constexpr std::size_t kChoiceBytes = 4;

SplitOptions choose_options(std::uint8_t choice) {
  constexpr char kQuotes[] = {'"', '\'', '\\', '.'};
  const char quote = kQuotes[(choice >> 2) & 3];
  return {.format = (choice & 1) != 0 ? Format::text : Format::csv,
          .quote = quote,
          .escape = (choice & 16) != 0 ? '\\' : quote,
          .before_v18 = (choice & 2) == 0};
}

test::Feeding choose_feeding(const std::uint8_t* choices) {
  test::Feeding feeding;
  for (const std::uint8_t piece : {choices[0], choices[1]}) {
    if (piece != 0) feeding.pieces.push_back(piece);
  }
  feeding.final_is_late = (choices[2] & 1) != 0;
  feeding.max_records = (choices[2] & 2) != 0 ? 1'000'000 : 1 + (choices[2] >> 2);
  return feeding;
}

// Word kernels run behind the first record, in whole words: mostly longer than what a fuzzer tries. So some
// inputs are put behind a record and in the middle of a long one.
std::string choose_input(std::uint8_t choice, std::string_view bytes) {
  constexpr std::string_view kNewlines[] = {"\n", "\r\n", "\r"};
  std::string input;
  if (choice >= 32) {
    const std::string_view newline = kNewlines[(choice >> 5) % 3];
    input.append("a").append(newline).append(70 + (choice >> 5), 'x').append(newline);
  }
  input.append(bytes);
  if (choice >= 32) input.append(130, 'y');
  return input;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < kChoiceBytes) return 0;
  const SplitOptions options = choose_options(data[0]);
  const test::Feeding feeding = choose_feeding(data + 1);
  const std::string input =
      choose_input(data[0], {reinterpret_cast<const char*>(data) + kChoiceBytes, size - kChoiceBytes});
  const test::Truth truth = test::Oracle(options, input).read_all();
  const std::string wrong = test::disagreement(options, input, truth, feeding);
  if (!wrong.empty()) {
    std::fprintf(stderr, "%s\n", wrong.c_str());
    std::abort();
  }
  return 0;
}
