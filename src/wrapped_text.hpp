// Text for a page of 80 columns.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace hypercopy {

inline constexpr std::size_t kPageWidth = 80;

// Breaks at blanks; further lines are indented. A longer word has a line of its own. Ends with a newline.
// `used`: columns of the first line that are taken already.
[[nodiscard]] std::string wrapped(std::string_view text, std::string_view indent, std::size_t used = 0);

}  // namespace hypercopy
