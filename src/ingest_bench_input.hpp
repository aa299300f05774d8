// The files that a bench loads again and again, and whether they are still what they were.
// Errors:  usage: what can be read only once (standard input, a pipe); input: a file that cannot be read, or
//          was changed.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "hypercopy/result.hpp"

namespace hypercopy {

class BenchInput {
 public:
  // Patterns are expanded. No argument at all is standard input, as for a load.
  [[nodiscard]] static Result<BenchInput> look(const std::vector<std::string>& arguments);

  [[nodiscard]] const std::vector<std::string>& paths() const { return paths_; }
  [[nodiscard]] std::uint64_t bytes() const;
  [[nodiscard]] Status check_unchanged() const;

 private:
  struct State {
    std::uint64_t bytes = 0;
    std::int64_t seconds = 0;  // of its last change
    std::int64_t nanoseconds = 0;

    friend bool operator==(const State&, const State&) = default;
  };
  [[nodiscard]] static Result<State> state_of(const std::string& path);

  std::vector<std::string> paths_;
  std::vector<State> states_;
};

}  // namespace hypercopy
