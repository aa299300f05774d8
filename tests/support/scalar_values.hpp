// Generated spellings of every scalar type but dates and times, and of arrays of them.
// Shape:   valid ones in the forms that people's files have (the server's own output, psql, pandas), and
//          mutations of them that keep UTF-8 whole. One Random gives the same sequence for the same seed.
// Threads: one per Random.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <random>
#include <string>
#include <string_view>

namespace hypercopy::test {

class Random {
 public:
  explicit Random(std::uint64_t seed) : engine_(seed) {}

  std::uint64_t bits() { return engine_(); }
  // REQUIRES: end > 0.
  std::size_t below(std::size_t end) { return static_cast<std::size_t>(engine_() % end); }
  bool one_in(std::size_t count) { return below(count) == 0; }

 private:
  std::mt19937_64 engine_;
};

using Spelling = std::function<std::string(Random&)>;

std::string int2_text(Random& random);
std::string int4_text(Random& random);
std::string int8_text(Random& random);
std::string oid_text(Random& random);
std::string float4_text(Random& random);
std::string float8_text(Random& random);
std::string numeric_text(Random& random);
std::string bool_text(Random& random);
std::string any_text(Random& random);
std::string name_text(Random& random);
std::string json_text(Random& random);
std::string bytea_text(Random& random);
std::string uuid_text(Random& random);
std::string inet_text(Random& random);
std::string cidr_text(Random& random);
std::string macaddr_text(Random& random);
// One of kMoods.
inline constexpr const char* kMoods[] = {"sad", "ok", "very happy", "NULL", "it's \"fine\"", "\xc3\xbc\\b"};
std::string mood_text(Random& random);
// An array of such elements, with NULLs, quotes where they are needed and sometimes elsewhere.
Spelling array_of(Spelling element);

// One to three bytes changed, put in, taken out or doubled; NUL never occurs.
std::string mutated(std::string text, Random& random);

}  // namespace hypercopy::test
