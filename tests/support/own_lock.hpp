// An advisory lock that no other test has, though several run at once on one database.
#pragma once

#include <fmt/format.h>

#include <string>

namespace hypercopy::test {

// Its key, as SQL. `schema`: the test's own.
[[nodiscard]] inline std::string own_lock(const std::string& schema) {
  return fmt::format("hashtext('{}')", schema);
}

}  // namespace hypercopy::test
