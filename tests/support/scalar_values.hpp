// Generated spellings of every scalar type but dates and times, and of arrays of them.
// Shape:   valid ones in the forms that people's files have (the server's own output, psql, pandas). One
//          Random gives the same sequence for the same seed.
// Threads: one per Random.
#pragma once

#include <functional>
#include <string>

#include "support/random.hpp"

namespace hypercopy::test {

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

}  // namespace hypercopy::test
