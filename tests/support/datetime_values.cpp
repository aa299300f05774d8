#include "support/datetime_values.hpp"

#include <fmt/format.h>

#include <sstream>
#include <string_view>

namespace hypercopy::test {

namespace {

std::string random_offset(Random& random) {
  constexpr const char* kOffsets[]{"+00",       "-00",       "Z",      "+05:30",    "+0530",
                                   "-0330",     "+05:30:15", "+14",    "+15:59:59", "-15:59:59",
                                   "-08:00:01", " +01",      " -0500", " UTC"};
  if (random.one_in(2)) return random.pick(kOffsets);
  return fmt::format("{}{:02}", random.one_in(2) ? '+' : '-', random.below(16));
}

std::string random_postgres_interval(Random& random) {
  std::string text;
  bool minus = false;
  const auto add_sign = [&] {
    if (!text.empty()) text += ' ';
    // Behind a minus every sign is written, as the server does: else sql_standard would spread the minus.
    const bool next = random.one_in(3);
    if (next) text += '-';
    if (minus && !next) text += '+';
    minus = minus || next;
  };
  for (const char* const unit : {"year", "mon", "day"}) {
    if (!random.one_in(2)) continue;
    const std::size_t number = random.below(random.one_in(3) ? 100'000'000 : 20);
    add_sign();
    text += fmt::format("{} {}{}", number, unit, number == 1 ? "" : "s");
  }
  if (!text.empty() && random.one_in(3)) return text;
  add_sign();
  text += fmt::format("{:02}:{:02}:{:02}", random.below(random.one_in(3) ? 2'000'000'000 : 24),
                      random.below(60), random.below(60));
  if (random.one_in(2)) text += fmt::format(".{:0{}}", random.below(10), 1 + random.below(6));
  return text;
}

std::string random_iso_interval(Random& random) {
  std::string text = "P";
  const auto add = [&](char designator, std::size_t bound) {
    if (!random.one_in(2)) return;
    text += fmt::format("{}{}{}", random.one_in(3) ? "-" : "", random.below(random.one_in(3) ? bound : 60),
                        designator);
  };
  add('Y', 100'000'000);
  add('M', 100'000'000);
  add('D', 2'147'483'648);
  if (text.size() > 1 && random.one_in(3)) return text;
  text += 'T';
  add('H', 2'147'483'648);
  add('M', 2'147'483'648);
  if (text.back() == 'T' || random.one_in(2)) {
    text +=
        fmt::format("{}{}", random.one_in(3) ? "-" : "", random.below(random.one_in(4) ? 2'147'483'647 : 60));
    if (random.one_in(2)) text += fmt::format(".{:0{}}", random.below(10), 1 + random.below(6));
    text += 'S';
  }
  return text;
}

// Separated by semicolons.
constexpr std::string_view kNastySpellings =
    "; ;-;+;T;Z;P;PT;BC; BC;0;1;now;today;tomorrow;yesterday;epoch;allballs;infinity;-infinity;"
    "+infinity;Infinity;INFINITY;-Infinity;inf;-inf;- infinity;infinity BC;J2451187;J2451187 04:05:06;"
    "20160101;160101;20160101T000000;20160101 000000;20160101T000000Z;2016-1-1;2016/01/01;2016.01.01;"
    "2016-001;2016.001;16-01-01;016-01-01;02016-01-01;01-02-2016;01/02/2016;13/01/2016;1.2.2016;"
    "2016-Jan-01;Jan 1 2016;Fri Jan 01 00:00:00 2016 UTC;2016-01-01 BC;2016-01-01 AD;2016-01-01BC;"
    "BC 2016-01-01;0044-03-15 bc;0000-01-01;0000-01-01 BC;0001-01-01;0001-01-01 BC;0001-02-29 BC;"
    "0005-02-29 BC;0004-02-29 BC;4713-01-01 BC;4714-11-24 BC;4714-11-23 BC;4714-12-31 BC;4715-01-01 BC;"
    "9999-12-31;10000-01-01;99999-12-31;100000-02-29;294276-12-31;294277-01-01;999999-01-01;"
    "5874897-12-31;5874898-01-01;9999999-12-31;10000000-01-01;2016-00-01;2016-01-00;2016-13-01;"
    "2016-02-30;2015-02-29;1900-02-29;2000-02-29;2016-04-31;2016-01-32;2016-01-01 ; 2016-01-01;"
    "2016-01-01\t;2016 -01-01;2016-01-01T;2016-01-01 T00:00:00;2016-01-01t00:00:00;"
    "2016-01-01T00:00:00z;2016-01-01  00:00:00;2016-01-01_00:00:00;2016-01-01-00:00:00;"
    "2016-01-01 24:00:00;2016-01-01 24:00:01;2016-12-31 23:59:60;2016-12-31 23:59:60.5;"
    "2016-12-31 23:60:00;2016-12-31 25:00:00;2016-01-01 00:00:00.0000005;2016-01-01 00:00:00.0000015;"
    "2016-01-01 00:00:00.00000050;2016-01-01 00:00:00.000000500000001;2016-01-01 00:00:00.9999995;"
    "2016-01-01 00:00:00.9999996;2016-12-31 23:59:59.9999999;2016-01-01 00:00:00.999999499;"
    "2016-01-01 00:00:00.;2016-01-01 00:00.5;2016-01-01 00:00:00,5;2016-01-01 00;2016-01-01 0:00;"
    "2016-01-01 00:0;2016-01-01 00:00:0;2016-01-01 00:00:000;2016-01-01 12:00:00 AM;"
    "2016-01-01 12:00:00 PM;2016-01-01 000000;2016-01-01+00;2016-01-01 +00;2016-01-01 00:00:00+;"
    "2016-01-01 00:00:00+0;2016-01-01 00:00:00+5;2016-01-01 00:00:00+530;2016-01-01 00:00:00+05:3;"
    "2016-01-01 00:00:00+05:30:15;2016-01-01 00:00:00+053015;2016-01-01 00:00:00+05:30:1;"
    "2016-01-01 00:00:00+05:60;2016-01-01 00:00:00+05:30:60;2016-01-01 00:00:00+15:59:59;"
    "2016-01-01 00:00:00+16;2016-01-01 00:00:00-16:00;2016-01-01 00:00:00+99;2016-01-01 00:00:00 +00;"
    "2016-01-01 00:00:00  +00;2016-01-01 00:00:00+ 00;2016-01-01 00:00:00 Z;2016-01-01 00:00:00 UTC;"
    "2016-01-01 00:00:00UTC;2016-01-01 00:00:00 utc;2016-01-01 00:00:00 GMT;2016-01-01 00:00:00 UTC+1;"
    "2016-01-01 00:00:00 CET;2016-01-01 00:00:00 IST;2016-01-01 00:00:00 EST5EDT;"
    "2016-01-01 00:00:00 Europe/Berlin;2016-01-01 00:00:00+00 BC;2016-01-01 00:00:00Z BC;"
    "2016-01-01 00:00:00 UTC BC;2016-01-01 00:00:00 +00 BC;2016-01-01 00:00:00 BC;"
    "2016-01-01 00:00:00 BC+00;2016-01-01T00:00:00 BC;2016-01-01T00:00 BC;2016-01-01 BC 00:00:00;"
    "2016-03-27 02:30:00;2016-10-30 02:30:00;2016-03-13 02:30:00;2016-11-06 01:30:00;"
    "1883-11-18 12:00:00;1893-04-01 00:00:00;294276-12-31 23:59:59.999999;"
    "294276-12-31 23:59:59.999999+00;294277-01-01 00:00:00;294277-01-01 00:00:00+00;"
    "294276-12-31 23:59:59.999999-00:00:01;294277-01-01 01:00:00+02;"
    "294276-12-31T23:59:59.999999+15:59:59;4714-11-24 00:00:00 BC;4714-11-24 00:00:00+00 BC;"
    "4714-11-24 00:00:00+00:00:01 BC;4714-11-24 00:00:00-15:59:59 BC;4714-11-23 23:00:00-02 BC;"
    "4714-11-24 15:59:59+15:59:59 BC;00:00;00:00:00;24:00;24:00:00;23:59:60;23:59:59.999999;"
    "23:59:59.9999999;00:00:00.0000005;040506;04:05:06+02;04:05:06-16;04:05:06 UTC;04:05:06Z;"
    "04:05:06 z;04:05:06 PST;2003-04-12 04:05:06 America/New_York;04:05 PM;T04:05:06;T040506;"
    "04:05+0530;1-2;-1-2;+1-2 -3 +4:05:06;-1 2:03:04;1 2:03:04;-1 days 02:03:04;-1 days +02:03:04;"
    "-1 days -02:03:04;1 days -02:03:04;-1 years 2 mons;-1 year +2 mons 3 days;-0 days 01:00:00;"
    "+1 day 01:00:00;-0 years +1 mons;@ 1 year 2 mons;1 year ago;1 day ago;-1 day ago;1.5 days;1 week;"
    "1 decade;1 hour;1 month;1y;1 day 1 year;1 day 1 day;01:00:00 1 day;1 day 24:00:00;1 day 100:00:00;"
    "1 day 1:00:00;1 day 01:00;1 day 01:00.5;178956970 years 7 mons;178956970 years 8 mons;"
    "-178956970 years -8 mons;178956971 years;2147483647 mons;2147483647 days;-2147483647 days;"
    "-2147483648 days;2147483648 days;2147483647:59:59.999999;-2147483647:59:59.999999;"
    "2147483648:00:00;2562047788:00:54.775807;-2562047788:00:54.775808;00:00:00.0000001;01:60:00;"
    "01:00:60;P1Y2M3DT4H5M6.7S;PT0S;P0D;P-1Y2M;P1Y-2M;PT-0.5S;PT-0.000001S;PT.5S;PT1.S;P1.5Y;P1.5D;"
    "PT1.5H;PT1.5M;P1W;P2W3D;P1D1Y;P1M1Y;PT1S1H;P1Y1Y;P1DT;P1YT5;P+1Y;PT+5.25S;-P1Y;p1y;P1y;P1YT1M;"
    "PT1M;P0001-02-03T04:05:06;P00010203T040506;P0001-02;PT04:05:06;P 1Y;PT999999999S;"
    "PT999999999.999999S;PT2147483646.999999S;PT2147483647S;PT2147483647.5S;PT-2147483646.000001S;PT-"
    "999999999.999999S;P999999999Y;P178956970Y7M;P178956970Y8M;P999999999D;"
    "P1000000000D;PT999999999H;PT999999999H999999999M999999999.9S;P2147483647D;PT1e3S;P1e1D;"
    "PT0.1234565S";

}  // namespace

std::string random_date(Random& random) {
  constexpr std::size_t kYears[]{1,    4,    99,   100,  400,  1582, 1600, 1752, 1899, 1900,
                                 1969, 1970, 1999, 2000, 2016, 2038, 2100, 2400, 9999};
  const std::size_t year = random.one_in(3) ? random.pick(kYears) : 1 + random.below(9999);
  const bool leap = year % 400 == 0 || (year % 4 == 0 && year % 100 != 0);
  constexpr std::size_t kLengths[]{31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
  const std::size_t month = 1 + random.below(12);
  const std::size_t length = kLengths[month - 1] + (month == 2 && leap ? 1 : 0);
  const std::size_t day = random.one_in(3) ? length : 1 + random.below(length);
  return fmt::format("{:04}-{:02}-{:02}", year, month, day);
}

std::string random_time(Random& random) {
  std::string text = fmt::format("{:02}:{:02}", random.below(24), random.below(60));
  if (random.one_in(8)) return text;
  text += fmt::format(":{:02}", random.below(60));
  if (random.one_in(3)) return text;
  text += '.';
  const std::size_t length = 1 + random.below(6);
  for (std::size_t at = 0; at < length; ++at) text += static_cast<char>('0' + random.below(10));
  // Nanoseconds, never half way between two microseconds, never up to the next second.
  if (length == 6 && random.one_in(2) && !text.ends_with("999999"))
    text += fmt::format("{:03}", random.pick(std::vector{0, 1, 250, 499, 501, 750, 999}));
  return text;
}

std::string random_timestamp(Random& random) {
  if (random.one_in(20)) return random_date(random);
  return random_date(random) + (random.one_in(3) ? "T" : " ") + random_time(random);
}
std::string random_timestamptz(Random& random) {
  return random_date(random) + (random.one_in(3) ? "T" : " ") + random_time(random) + random_offset(random);
}
std::string random_timetz(Random& random) { return random_time(random) + random_offset(random); }

std::string random_interval(Random& random) {
  return random.one_in(2) ? random_iso_interval(random) : random_postgres_interval(random);
}

const std::vector<std::string>& nasty_datetimes() {
  static const std::vector<std::string> all = [] {
    std::vector<std::string> split;
    std::istringstream spellings{std::string(kNastySpellings)};
    for (std::string text; std::getline(spellings, text, ';');) split.push_back(text);
    return split;
  }();
  return all;
}

}  // namespace hypercopy::test
