// Spellings made from good ones by the mistakes and dialects of people and programs: bytes put in, taken out or
// changed, signs doubled, blanks of all kinds, control bytes, underscores and bases of PostgreSQL 16, long runs of
// digits, exponents, other words. Some are still good.
// Shape:   UTF-8 stays whole, NUL never occurs.
// Threads: one per Random.
#pragma once

#include <string>

#include "support/random.hpp"

namespace hypercopy::test {

std::string mutated(std::string text, Random& random);

}  // namespace hypercopy::test
