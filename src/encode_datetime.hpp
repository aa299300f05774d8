// Encoders of dates and times: EncodeField's contract of field_encoder.hpp, for these spellings.
//
// Shape:   date         YYYY-MM-DD, year of 4 to 7 digits, " BC" at the end; infinity, -infinity.
//          time         HH:MM or HH:MM:SS or HH:MM:SS.f, f of 1 to 9 digits; 24:00:00.
//          timetz       time, offset; without offset only when TimeZone is known to be UTC.
//          timestamp    date alone, or date, blank or T, time; " BC" at the end; infinities.
//          timestamptz  timestamp, offset, " BC"; without offset as for timetz.
//          offset       +HH, +HHMM, +HH:MM, +HH:MM:SS or with minus, a blank before it or not; hours
//                       up to 15; Z; " UTC".
//          interval     as IntervalStyle postgres and iso_8601 print it (encode_interval.cpp); infinities
//                       from server version 17 on.
// Units:   date: days since 2000-01-01. time: microseconds. timetz: and seconds west of UTC.
//          timestamp, timestamptz: microseconds since 2000-01-01 (UTC).
//          interval: microseconds, days, months.
// Threads: any; functions are pure.
// Rule:    a year of four digits in front is the year under every DateStyle. Given up though the
//          server takes them: a date with 24:00:00, second 60, a fraction half way between two microseconds, an
//          offset without time zone type (the server drops it silently), blanks at the ends, all
//          other separators and words. Z and UTC mean offset 0 in every set of
//          timezone_abbreviations that PostgreSQL ships.
// Source:  PostgreSQL src/backend/utils/adt: datetime.c (ParseDateTime, DecodeDateTime,
//          DecodeTimeOnly, DecodeInterval, DecodeISO8601Interval); date.c and timestamp.c (*_in,
//          *_recv).
#pragma once

#include <string_view>

#include "hypercopy/field_encoder.hpp"

namespace hypercopy {

[[nodiscard]] bool encode_date(std::string_view text, const FieldType& type, BinaryBuffer& out);
[[nodiscard]] bool encode_time(std::string_view text, const FieldType& type, BinaryBuffer& out);
[[nodiscard]] bool encode_timetz(std::string_view text, const FieldType& type, BinaryBuffer& out);
[[nodiscard]] bool encode_timestamp(std::string_view text, const FieldType& type, BinaryBuffer& out);
[[nodiscard]] bool encode_timestamptz(std::string_view text, const FieldType& type, BinaryBuffer& out);
[[nodiscard]] bool encode_interval(std::string_view text, const FieldType& type, BinaryBuffer& out);

}  // namespace hypercopy
