// The one source of chance in tests: the same seed gives the same sequence.
// Shape:   test_seed() is HYPERCOPY_TEST_SEED, or another number each time; whoever takes it prints it.
// Threads: one per Random.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <iterator>
#include <random>

namespace hypercopy::test {

inline std::uint64_t test_seed() {
  const char* const text = std::getenv("HYPERCOPY_TEST_SEED");
  return text != nullptr ? std::strtoull(text, nullptr, 10) : std::random_device{}();
}

class Random {
 public:
  explicit Random(std::uint64_t seed) : engine_(seed) {}

  std::uint64_t bits() { return engine_(); }
  // REQUIRES: end > 0.
  std::size_t below(std::size_t end) { return static_cast<std::size_t>(engine_() % end); }
  bool one_in(std::size_t count) { return below(count) == 0; }
  // REQUIRES: choices that outlive the result, at least one.
  template <class Choices>
  const auto& pick(const Choices& choices) {
    return *(std::begin(choices) + static_cast<std::ptrdiff_t>(below(std::size(choices))));
  }

 private:
  std::mt19937_64 engine_;
};

}  // namespace hypercopy::test
