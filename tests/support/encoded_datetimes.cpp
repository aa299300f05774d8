#include <fmt/format.h>

#include "support/datetime_values.hpp"
#include "support/encoded_types.hpp"

namespace hypercopy::test {

namespace {

using Judge = EncodedType::Judge;
using Texts = std::vector<std::string>;

constexpr const char* kRandomDate =
    "'epoch'::date + ((random() - 0.001) * 2e9 / 10 ^ (random() * 6)::int)::int";
constexpr const char* kRandomTime = "time '00:00' + random() * interval '86399.999999 s'";
constexpr const char* kRandomTimetz =
    "(time '00:00' + random() * interval '86399 s')::text::timetz"
    " AT TIME ZONE (((random() - 0.5) * 2 * 57599)::int * interval '1 s')";
constexpr const char* kRandomTimestamp =
    "'epoch'::timestamp + ((random() - 0.02) * 9e6) * interval '1 s' * 10 ^ (random() * 6)::int";
constexpr const char* kRandomInterval =
    "make_interval(months => ((random() - 0.5) * 4e9 / 10 ^ (random() * 8)::int)::int,"
    " days => ((random() - 0.5) * 4e9 / 10 ^ (random() * 9)::int)::int,"
    " secs => (random() - 0.5) * 1e12 / 10 ^ (random() * 12)::int)";

}  // namespace

// Timestamps are printed in zones whose offsets have minutes and seconds, and from 4714 BC on.
std::vector<EncodedType> datetime_types(int version) {
  const Texts timestamps =
      quoted({"infinity", "-infinity", "4714-11-24 00:00:00 BC", "294276-12-31 23:59:59.999999",
              "0001-01-01 00:00:00", "0001-12-31 23:59:59.9 BC", "9999-12-31 23:59:59.999999",
              "10000-01-01 00:00:00", "1883-11-18 11:00:00", "1972-01-07 00:44:29.5"});
  const Texts moments =
      quoted({"infinity", "-infinity", "4714-11-24 00:00:00+00 BC", "294276-12-31 23:59:59.999999+00",
              "0001-01-01 00:00:00+00", "1883-11-18 11:00:00+00", "1972-01-07 00:44:29.5+00",
              "1844-12-30 00:00:00+00", "10000-01-01 00:00:00+00"});
  Texts intervals =
      quoted({"0", "2147483647 days", "-2147483648 days", "178956970 years 7 mons",
              "-178956970 years -8 mons", "2147483647:59:59.999999", "-2147483647:59:59.999999",
              "-1 days +02:00:00", "1 day -00:00:00.000001", "-1 year 2 mons -3 days 04:05:06"});
  if (version >= 150000) {
    intervals.emplace_back("'2562047788:00:54.775807'");
    intervals.emplace_back("'-2562047788:00:54.775807'");
  }
  if (version >= 170000) {
    intervals.emplace_back("'infinity'");
    intervals.emplace_back("'-infinity'");
  }
  const Texts times = quoted({"00:00:00", "24:00:00", "23:59:59.999999"});
  const Texts& nasty = nasty_datetimes();
  std::vector<EncodedType> all{
      {"date",
       "date",
       "date_send",
       Judge::encoder,
       random_date,
       {},
       nasty,
       kRandomDate,
       quoted({"infinity", "-infinity", "4714-11-24 BC", "5874897-12-31", "0001-01-01", "0001-12-31 BC"})},
      {"timetz", "timetz", "timetz_send", Judge::encoder, random_timetz, random_time, nasty, kRandomTimetz,
       quoted({"24:00:00+00", "24:00:00-15:59:59", "00:00:00+15:59:59", "12:00:00.000001+05:30"})},
      {"timetz_0",
       "timetz(0)",
       "timetz_send",
       Judge::encoder,
       random_timetz,
       random_time,
       nasty,
       kRandomTimetz,
       {}},
      {"past",
       "past",
       "timestamptz_send",
       Judge::server,
       random_timestamptz,
       random_timestamp,
       nasty,
       "now() - random() * 2000 * interval '1 year'",
       {}},
  };
  const auto add = [&](const char* base, const std::string& modifier, EncodedType type) {
    type.name = base;
    for (const char byte : modifier) type.name += byte == ' ' || byte == '(' ? '_' : byte;
    std::erase(type.name, ')');
    type.type = base + modifier;
    type.send = fmt::format("{}_send", base);
    all.push_back(type);
  };
  for (const char* const modifier : {"", "(0)", "(3)"}) {
    add("time", modifier,
        {.spelling = random_time, .nasty = nasty, .random_value = kRandomTime, .extremes = times});
    add("timestamp", modifier,
        {.spelling = random_timestamp,
         .nasty = nasty,
         .random_value = kRandomTimestamp,
         .extremes = *modifier == '\0' ? timestamps : Texts{}});
    add("timestamptz", modifier,
        {.spelling = random_timestamptz,
         .utc_spelling = random_timestamp,
         .nasty = nasty,
         .random_value = kRandomTimestamp,
         .extremes = *modifier == '\0' ? moments : Texts{}});
  }
  // Newer servers refuse an interval that is rounded beyond its end.
  for (const char* const modifier :
       {"", "(0)", "(3)", " year", " year to month", " hour", " day to second(2)", " minute to second"}) {
    add("interval", modifier,
        {.judge = *modifier == '\0' ? Judge::encoder : Judge::server,
         .spelling = random_interval,
         .nasty = nasty,
         .random_value = kRandomInterval,
         .extremes = *modifier == '\0' ? intervals : Texts{}});
  }
  return all;
}

}  // namespace hypercopy::test
