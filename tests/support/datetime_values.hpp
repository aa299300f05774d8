// Generated spellings of dates, times and intervals, all of which an encoder must take.
// Shape:   those of timestamptz and timetz with an offset; random_timestamp() and random_time() are their
//          spellings without one, for a session in UTC.
// Threads: one per Random.
#pragma once

#include <string>
#include <vector>

#include "support/random.hpp"

namespace hypercopy::test {

std::string random_date(Random& random);
std::string random_time(Random& random);
std::string random_timetz(Random& random);
std::string random_timestamp(Random& random);
std::string random_timestamptz(Random& random);
// As IntervalStyle postgres or iso_8601 prints it.
std::string random_interval(Random& random);

// What is tried on every type of date or time: none of it need be taken.
const std::vector<std::string>& nasty_datetimes();

}  // namespace hypercopy::test
