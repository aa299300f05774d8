// Dates, times and intervals through their encoders: the bytes behind the length word, or given up.
#include "encode_datetime.hpp"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <optional>
#include <ostream>
#include <string>

namespace hypercopy {
namespace {

constexpr const char* kGivenUp = "given up";
const std::string kManyZeros = std::string(300, '0') + "1 day";

struct Case {
  const char* name;
  EncodeField encode;
  const char* text;
  const char* expected;  // hexadecimal
  bool utc = false;
  int version = 0;  // of the server
};
void PrintTo(const Case& c, std::ostream* out) { *out << c.text; }

std::string encoded(const Case& c) {
  FieldType type;
  type.settings.utc = c.utc;
  type.settings.server_version = c.version;
  BinaryBuffer out;
  if (!c.encode(c.text, type, out)) return kGivenUp;
  const std::string_view bytes = out.view();
  std::string hex;
  for (const char byte : bytes) hex += fmt::format("{:02x}", static_cast<unsigned char>(byte));
  const std::string length = fmt::format("{:08x}", bytes.size() - 4);
  EXPECT_EQ(hex.substr(0, 8), length);
  return hex.substr(8);
}

class EncodeDatetime : public ::testing::TestWithParam<Case> {};

TEST_P(EncodeDatetime, Gives) { EXPECT_EQ(encoded(GetParam()), GetParam().expected); }

std::string case_name(const ::testing::TestParamInfo<Case>& info) { return info.param.name; }

const Case kDates[]{
    {"epoch", encode_date, "2000-01-01", "00000000"},
    {"day_before", encode_date, "1999-12-31", "ffffffff"},
    {"leap_day", encode_date, "2000-02-29", "0000003b"},
    {"march", encode_date, "2000-03-01", "0000003c"},
    {"leap_day_2024", encode_date, "2024-02-29", "00002279"},
    {"first_year", encode_date, "0001-01-01", "fff4dbf9"},
    {"last_of_four_digits", encode_date, "9999-12-31", "002c95d3"},
    {"five_digits", encode_date, "10000-01-01", "002c95d4"},
    {"last", encode_date, "5874897-12-31", "7fda970c"},
    {"behind_last", encode_date, "5874898-01-01", kGivenUp},
    {"eight_digits", encode_date, "10000000-01-01", kGivenUp},
    {"leading_zero", encode_date, "02000-01-01", kGivenUp},
    {"one_bc", encode_date, "0001-12-31 BC", "fff4dbf8"},
    {"leap_day_bc", encode_date, "0001-02-29 BC", "fff4dac6"},
    {"first", encode_date, "4714-11-24 BC", "ffda97a7"},
    {"before_first", encode_date, "4714-11-23 BC", kGivenUp},
    {"long_year_bc", encode_date, "10000-01-01 BC", kGivenUp},
    {"infinity", encode_date, "infinity", "7fffffff"},
    {"upper_infinity", encode_date, "Infinity", "7fffffff"},
    {"minus_infinity", encode_date, "-infinity", "80000000"},
    {"year_0", encode_date, "0000-01-01", kGivenUp},
    {"year_0_bc", encode_date, "0000-01-01 BC", kGivenUp},
    {"no_leap_day", encode_date, "2001-02-29", kGivenUp},
    {"no_leap_day_1900", encode_date, "1900-02-29", kGivenUp},
    {"april_31", encode_date, "2001-04-31", kGivenUp},
    {"september_31", encode_date, "2001-09-31", kGivenUp},
    {"august_31", encode_date, "2001-08-31", "00000260"},
    {"month_0", encode_date, "2001-00-01", kGivenUp},
    {"month_13", encode_date, "2001-13-01", kGivenUp},
    {"day_0", encode_date, "2001-01-00", kGivenUp},
    {"day_32", encode_date, "2001-01-32", kGivenUp},
    {"slashes", encode_date, "2016/01/01", kGivenUp},
    {"other_order", encode_date, "01-02-2016", kGivenUp},
    {"one_digit", encode_date, "2016-1-1", kGivenUp},
    {"compact", encode_date, "20160101", kGivenUp},
    {"three_digits", encode_date, "916-01-01", kGivenUp},
    {"with_time", encode_date, "2016-01-01 00:00:00", kGivenUp},
    {"blank_in_front", encode_date, " 2016-01-01", kGivenUp},
    {"blank_behind", encode_date, "2016-01-01 ", kGivenUp},
    {"lower_bc", encode_date, "0001-12-31 bc", kGivenUp},
    {"ad", encode_date, "2016-01-01 AD", kGivenUp},
    {"bc_alone", encode_date, " BC", kGivenUp},
    {"word", encode_date, "today", kGivenUp},
    {"epoch_word", encode_date, "epoch", kGivenUp},
    {"empty", encode_date, "", kGivenUp},
    {"colon_for_digit", encode_date, "201:-01-01", kGivenUp},
    {"slash_for_digit", encode_date, "2016-/1-01", kGivenUp},
    {"high_byte", encode_date, "2016-0\xb1-01", kGivenUp},
};
INSTANTIATE_TEST_SUITE_P(Date, EncodeDatetime, ::testing::ValuesIn(kDates), case_name);

const Case kTimes[]{
    {"midnight", encode_time, "00:00:00", "0000000000000000"},
    {"minutes", encode_time, "00:01", "0000000003938700"},
    {"last", encode_time, "23:59:59.999999", "000000141dd75fff"},
    {"one_digit_fraction", encode_time, "00:00:00.5", "000000000007a120"},
    {"rounds_down", encode_time, "00:00:00.1234564", "000000000001e240"},
    {"rounds_up", encode_time, "00:00:00.123456501", "000000000001e241"},
    {"half", encode_time, "00:00:00.1234565", kGivenUp},
    {"half_of_nanos", encode_time, "00:00:00.123456500", kGivenUp},
    {"rounds_to_a_second", encode_time, "00:00:00.9999999", kGivenUp},
    {"ten_digit_fraction", encode_time, "00:00:00.1234567890", kGivenUp},
    {"no_fraction", encode_time, "00:00:00.", kGivenUp},
    {"fraction_of_minutes", encode_time, "00:00.5", kGivenUp},
    {"end_of_day", encode_time, "24:00:00", "000000141dd76000"},
    {"behind_end_of_day", encode_time, "24:00:01", kGivenUp},
    {"end_of_day_and_fraction", encode_time, "24:00:00.5", kGivenUp},
    {"end_of_day_and_offset", encode_timetz, "24:00:00-05:30", "000000141dd7600000004d58"},
    {"end_of_day_cut", encode_time, "24:00", kGivenUp},
    {"leap_second", encode_time, "23:59:60", kGivenUp},
    {"minute_60", encode_time, "23:60:00", kGivenUp},
    {"one_digit_hour", encode_time, "1:00:00", kGivenUp},
    {"compact", encode_time, "040506", kGivenUp},
    {"pm", encode_time, "04:05:06 PM", kGivenUp},
    {"offset", encode_time, "04:05:06+02", kGivenUp},
    {"date", encode_time, "2016-01-01 04:05:06", kGivenUp},
    {"word", encode_time, "allballs", kGivenUp},
    {"blank_in_front", encode_time, " 04:05:06", kGivenUp},
    {"blank_behind", encode_time, "04:05:06 ", kGivenUp},
    {"empty", encode_time, "", kGivenUp},
};
INSTANTIATE_TEST_SUITE_P(Time, EncodeDatetime, ::testing::ValuesIn(kTimes), case_name);

const Case kTimetzs[]{
    {"utc", encode_timetz, "00:00:00+00", "000000000000000000000000"},
    {"east", encode_timetz, "00:00:00+01", "0000000000000000fffff1f0"},
    {"west", encode_timetz, "00:00:00-01", "000000000000000000000e10"},
    {"half_hour", encode_timetz, "00:00:00+05:30", "0000000000000000ffffb2a8"},
    {"run_together", encode_timetz, "00:00:00+0530", "0000000000000000ffffb2a8"},
    {"seconds", encode_timetz, "00:00:00+05:30:15", "0000000000000000ffffb299"},
    {"largest", encode_timetz, "00:00:00-15:59:59", "00000000000000000000e0ff"},
    {"too_large", encode_timetz, "00:00:00-16", kGivenUp},
    {"zulu", encode_timetz, "00:00:00Z", "000000000000000000000000"},
    {"minutes_only", encode_timetz, "00:00+01", "0000000000000000fffff1f0"},
    {"fraction", encode_timetz, "00:00:00.5+00", "000000000007a12000000000"},
    {"no_offset", encode_timetz, "00:00:00", kGivenUp},
    {"no_offset_in_utc", encode_timetz, "00:00:00", "000000000000000000000000", true},
    {"zone", encode_timetz, "00:00:00 EST", kGivenUp},
    {"named_zone", encode_timetz, "00:00:00 Europe/Berlin", kGivenUp},
};
INSTANTIATE_TEST_SUITE_P(Timetz, EncodeDatetime, ::testing::ValuesIn(kTimetzs), case_name);

const Case kTimestamps[]{
    {"epoch", encode_timestamp, "2000-01-01 00:00:00", "0000000000000000"},
    {"t", encode_timestamp, "2000-01-01T00:00:01", "00000000000f4240"},
    {"day_alone", encode_timestamp, "2000-01-02", "000000141dd76000"},
    {"minutes", encode_timestamp, "2000-01-01 00:01", "0000000003938700"},
    {"fraction", encode_timestamp, "1999-12-31 23:59:59.999999", "ffffffffffffffff"},
    {"nanos", encode_timestamp, "2000-01-01 00:00:00.000001499", "0000000000000001"},
    {"last", encode_timestamp, "294276-12-31 23:59:59.999999", "7fffff5bb3b29fff"},
    {"behind_last", encode_timestamp, "294277-01-01 00:00:00", kGivenUp},
    {"far_behind_last", encode_timestamp, "9999999-01-01 00:00:00", kGivenUp},
    {"first", encode_timestamp, "4714-11-24 00:00:00 BC", "fd0f7cc1411fa000"},
    {"before_first", encode_timestamp, "4714-11-23 23:59:59 BC", kGivenUp},
    {"infinity", encode_timestamp, "infinity", "7fffffffffffffff"},
    {"minus_infinity", encode_timestamp, "-infinity", "8000000000000000"},
    {"offset", encode_timestamp, "2000-01-01 00:00:00+01", kGivenUp},
    {"zulu", encode_timestamp, "2000-01-01T00:00:00Z", kGivenUp},
    {"offset_in_utc", encode_timestamp, "2000-01-01 00:00:00+00", kGivenUp, true},
    {"two_blanks", encode_timestamp, "2000-01-01  00:00:00", kGivenUp},
    {"blank_behind_day", encode_timestamp, "2000-01-01 ", kGivenUp},
    {"lower_t", encode_timestamp, "2000-01-01t00:00:01", kGivenUp},
    {"no_blank", encode_timestamp, "2000-01-0100:00:00", kGivenUp},
    {"compact", encode_timestamp, "20160101T000000", kGivenUp},
    {"julian", encode_timestamp, "J2451187", kGivenUp},
    {"now", encode_timestamp, "now", kGivenUp},
    {"hour_24", encode_timestamp, "2016-12-31 24:00:00", kGivenUp},
    {"leap_second", encode_timestamp, "2016-12-31 23:59:60", kGivenUp},
};
INSTANTIATE_TEST_SUITE_P(Timestamp, EncodeDatetime, ::testing::ValuesIn(kTimestamps), case_name);

const Case kTimestamptzs[]{
    {"epoch", encode_timestamptz, "2000-01-01 00:00:00+00", "0000000000000000"},
    {"east", encode_timestamptz, "2000-01-01 01:00:00+01", "0000000000000000"},
    {"west", encode_timestamptz, "1999-12-31 19:00:00-05", "0000000000000000"},
    {"rfc_3339", encode_timestamptz, "2000-01-01T00:00:01Z", "00000000000f4240"},
    {"nanos_of_rfc_3339", encode_timestamptz, "2000-01-01T00:00:01.000000001Z", "00000000000f4240"},
    {"seconds_of_offset", encode_timestamptz, "2000-01-01 05:30:15+05:30:15", "0000000000000000"},
    {"ruby", encode_timestamptz, "2000-01-01 00:00:00 +0000", "0000000000000000"},
    {"utc_word", encode_timestamptz, "2000-01-01 00:00:00 UTC", "0000000000000000"},
    {"bc", encode_timestamptz, "4714-11-24 00:00:00+00 BC", "fd0f7cc1411fa000"},
    {"before_first", encode_timestamptz, "4714-11-24 00:00:00+01 BC", kGivenUp},
    {"last", encode_timestamptz, "294276-12-31 23:59:59.999999+00", "7fffff5bb3b29fff"},
    {"behind_last", encode_timestamptz, "294276-12-31 23:59:59.999999-01", kGivenUp},
    {"first_west_of_greenwich", encode_timestamptz, "4714-11-23 19:03:58-04:56:02 BC", "fd0f7cc1411fa000"},
    {"last_east_of_greenwich", encode_timestamptz, "294277-01-01 05:29:59.999999+05:30", "7fffff5bb3b29fff"},
    {"behind_last_east_of_greenwich", encode_timestamptz, "294277-01-01 05:30:00+05:30", kGivenUp},
    {"two_days_behind_last", encode_timestamptz, "294277-01-02 00:00:00+15:59:59", kGivenUp},
    {"two_days_before_first", encode_timestamptz, "4714-11-22 23:59:59-15:59:59 BC", kGivenUp},
    {"infinity", encode_timestamptz, "infinity", "7fffffffffffffff"},
    {"no_offset", encode_timestamptz, "2000-01-01 00:00:00", kGivenUp},
    {"no_offset_in_utc", encode_timestamptz, "2000-01-01 00:00:00", "0000000000000000", true},
    {"day_alone", encode_timestamptz, "2000-01-01", kGivenUp},
    {"day_alone_in_utc", encode_timestamptz, "2000-01-01", "0000000000000000", true},
    {"offset_behind_day", encode_timestamptz, "2000-01-01+00", kGivenUp, true},
    {"zone", encode_timestamptz, "2000-01-01 00:00:00 CET", kGivenUp},
    {"named_zone", encode_timestamptz, "2000-01-01 00:00:00 America/New_York", kGivenUp},
    {"too_large_offset", encode_timestamptz, "2000-01-01 00:00:00+16:00", kGivenUp},
    {"minute_60_of_offset", encode_timestamptz, "2000-01-01 00:00:00+05:60", kGivenUp},
    {"one_digit_offset", encode_timestamptz, "2000-01-01 00:00:00+5", kGivenUp},
    {"three_digit_offset", encode_timestamptz, "2000-01-01 00:00:00+530", kGivenUp},
    {"six_digit_offset", encode_timestamptz, "2000-01-01 00:00:00+053015", kGivenUp},
    {"sign_alone", encode_timestamptz, "2000-01-01 00:00:00+", kGivenUp},
    {"blank_behind", encode_timestamptz, "2000-01-01 00:00:00+00 ", kGivenUp},
    {"blank_behind_in_utc", encode_timestamptz, "2000-01-01 00:00:00 ", kGivenUp, true},
};
INSTANTIATE_TEST_SUITE_P(Timestamptz, EncodeDatetime, ::testing::ValuesIn(kTimestamptzs), case_name);

const Case kIntervals[]{
    {"zero", encode_interval, "00:00:00", "00000000000000000000000000000000"},
    {"all", encode_interval, "1 year 2 mons 3 days 04:05:06.789", "000000036c97ca88000000030000000e"},
    {"signs", encode_interval, "-1 years +2 mons -3 days +04:05:06.789", "000000036c97ca88fffffffdfffffff6"},
    {"minus_time", encode_interval, "1 day -00:00:00.000001", "ffffffffffffffff0000000100000000"},
    {"minus_time_alone", encode_interval, "-00:00:01", "fffffffffff0bdc00000000000000000"},
    {"minus_day_alone", encode_interval, "-1 days", "0000000000000000ffffffff00000000"},
    {"hours", encode_interval, "100:00:00", "00000053d1ac10000000000000000000"},
    {"most_hours", encode_interval, "2147483647:59:59.999999", "6b49d1ffffffffff0000000000000000"},
    {"too_many_hours", encode_interval, "2147483648:00:00", kGivenUp},
    {"too_many_hours_of_14", encode_interval, "2147483648:00:00", kGivenUp, false, 140000},
    {"many_hours_of_15", encode_interval, "2147483648:00:00", "6b49d200000000000000000000000000", false,
     150000},
    {"most_micros", encode_interval, "2562047788:00:54.775807", "7fffffffffffffff0000000000000000", false,
     150000},
    {"least_micros", encode_interval, "-2562047788:00:54.775807", "80000000000000010000000000000000", false,
     150000},
    {"too_many_micros", encode_interval, "2562047788:00:54.775808", kGivenUp, false, 150000},
    {"too_few_micros", encode_interval, "-2562047788:00:54.775808", kGivenUp, false, 150000},
    {"least_days", encode_interval, "-2147483648 days", "00000000000000008000000000000000"},
    {"too_few_days", encode_interval, "-2147483649 days", kGivenUp},
    {"least_months", encode_interval, "-178956970 years -8 mons", "00000000000000000000000080000000"},
    {"too_few_months", encode_interval, "-178956970 years -9 mons", kGivenUp},
    {"most_days", encode_interval, "2147483647 days", "00000000000000007fffffff00000000"},
    {"too_many_days", encode_interval, "2147483648 days", kGivenUp},
    {"most_years", encode_interval, "178956970 years 7 mons", "0000000000000000000000007fffffff"},
    {"too_many_years", encode_interval, "178956970 years 8 mons", kGivenUp},
    {"many_zeros", encode_interval, "0000000000000000000000000000000001 day",
     "00000000000000000000000100000000"},
    {"more_zeros_than_the_server_has_room_for", encode_interval, kManyZeros.c_str(), kGivenUp},
    {"ambiguous_in_sql_standard", encode_interval, "-1 days 02:03:04", kGivenUp},
    {"ambiguous_units", encode_interval, "-1 years 2 mons", kGivenUp},
    {"clear_by_second_sign", encode_interval, "-1 days +02:03:04", "00000001b81ee600ffffffff00000000"},
    {"sql_standard", encode_interval, "-1 2:03:04", kGivenUp},
    {"year_month", encode_interval, "1-2", kGivenUp},
    {"verbose", encode_interval, "@ 1 year 2 mons", kGivenUp},
    {"ago", encode_interval, "1 day ago", kGivenUp},
    {"fraction_of_day", encode_interval, "1.5 days", kGivenUp},
    {"wrong_order", encode_interval, "1 day 1 year", kGivenUp},
    {"unit_twice", encode_interval, "1 day 2 days", kGivenUp},
    {"time_first", encode_interval, "01:00:00 1 day", kGivenUp},
    {"no_unit", encode_interval, "1", kGivenUp},
    {"hours_and_minutes", encode_interval, "04:05", kGivenUp},
    {"minute_60", encode_interval, "04:60:00", kGivenUp},
    {"second_60", encode_interval, "04:00:60", kGivenUp},
    {"seven_digit_fraction", encode_interval, "04:00:00.1234567", kGivenUp},
    {"other_unit", encode_interval, "1 week", kGivenUp},
    {"cut_unit", encode_interval, "1 da", kGivenUp},
    {"blank_behind", encode_interval, "1 day ", kGivenUp},
    {"two_blanks", encode_interval, "1  day", kGivenUp},
    {"infinity_of_16", encode_interval, "infinity", kGivenUp, false, 160000},
    {"infinity_of_17", encode_interval, "infinity", "7fffffffffffffff7fffffff7fffffff", false, 170000},
    {"minus_infinity_of_17", encode_interval, "-infinity", "80000000000000008000000080000000", false, 170000},
    {"empty", encode_interval, "", kGivenUp},
    {"sign_alone", encode_interval, "-", kGivenUp},
    {"iso", encode_interval, "P1Y2M3DT4H5M6.789S", "000000036c97ca88000000030000000e"},
    {"iso_zero", encode_interval, "PT0S", "00000000000000000000000000000000"},
    {"iso_signs", encode_interval, "P-1Y2M-3DT-4H5M-6.5S", "fffffffcb72fe460fffffffdfffffff6"},
    {"iso_minus_fraction", encode_interval, "PT-0.5S", "fffffffffff85ee00000000000000000"},
    {"iso_minutes", encode_interval, "PT90M", "0000000141dd76000000000000000000"},
    {"iso_days", encode_interval, "P3D", "00000000000000000000000300000000"},
    {"iso_too_many_months", encode_interval, "P178956970Y8M", kGivenUp},
    {"iso_most_days", encode_interval, "P2147483647D", "00000000000000007fffffff00000000"},
    {"iso_too_many_days", encode_interval, "P2147483648D", kGivenUp},
    {"iso_most_seconds", encode_interval, "PT2147483646.999999S", "0007a11ffff0bdbf0000000000000000"},
    {"iso_too_many_seconds", encode_interval, "PT2147483647.5S", kGivenUp},
    {"iso_plus", encode_interval, "P+1D", kGivenUp},
    {"iso_nothing", encode_interval, "P", kGivenUp},
    {"iso_no_time", encode_interval, "P1DT", kGivenUp},
    {"iso_weeks", encode_interval, "P2W", kGivenUp},
    {"iso_fraction_of_day", encode_interval, "P1.5D", kGivenUp},
    {"iso_fraction_of_minutes", encode_interval, "PT1.5M", kGivenUp},
    {"iso_wrong_order", encode_interval, "P1D1Y", kGivenUp},
    {"iso_two_ts", encode_interval, "PT1HT1M", kGivenUp},
    {"iso_alternative", encode_interval, "P0001-02-03T04:05:06", kGivenUp},
    {"iso_lower_case", encode_interval, "p1y", kGivenUp},
    {"iso_minus_in_front", encode_interval, "-P1Y", kGivenUp},
    {"iso_no_designator", encode_interval, "P1", kGivenUp},
};
INSTANTIATE_TEST_SUITE_P(Interval, EncodeDatetime, ::testing::ValuesIn(kIntervals), case_name);

// Every day of 800 years, each one later than the one before.
TEST(EncodeDate, CountsEveryDay) {
  constexpr unsigned kLengths[]{31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
  const FieldType type;
  BinaryBuffer expected;
  BinaryBuffer out;
  std::int32_t days = -146'097;
  for (int year = 1600; year < 2400; ++year) {
    const bool leap = year % 400 == 0 || (year % 4 == 0 && year % 100 != 0);
    for (unsigned month = 1; month <= 12; ++month) {
      const unsigned length = kLengths[month - 1] + (month == 2 && leap ? 1 : 0);
      for (unsigned day = 0; day <= 32; ++day) {
        out.clear();
        const std::string text = fmt::format("{:04}-{:02}-{:02}", year, month, day);
        ASSERT_EQ(encode_date(text, type, out), day >= 1 && day <= length) << text;
        if (day < 1 || day > length) continue;
        expected.clear();
        expected.put_field(days++);
        ASSERT_EQ(out.view(), expected.view()) << text;
      }
    }
  }
}

}  // namespace
}  // namespace hypercopy
