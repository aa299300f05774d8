#include "wrapped_text.hpp"

#include <algorithm>

namespace hypercopy {

std::string wrapped(std::string_view text, std::string_view indent, std::size_t used) {
  std::string result;
  std::size_t width = used;
  bool at_begin = true;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find(' '), text.size());
    const std::string_view word = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    if (!at_begin && width + 1 + word.size() > kPageWidth) {
      result += '\n';
      result += indent;
      width = indent.size();
    } else if (!at_begin) {
      result += ' ';
      ++width;
    }
    result += word;
    width += word.size();
    at_begin = false;
  }
  return result + "\n";
}

}  // namespace hypercopy
