// All bytes of a file, "" where there is none.
#pragma once

#include <fstream>
#include <sstream>
#include <string>

namespace hypercopy::test {

[[nodiscard]] inline std::string contents(const std::string& path) {
  const std::ifstream file(path, std::ios::binary);
  std::ostringstream all;
  all << file.rdbuf();
  return all.str();
}

}  // namespace hypercopy::test
