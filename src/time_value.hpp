// A field's text as TimescaleDB's internal time.
// Shape:   read() gives the value, or says that there is none.
// Units:   as in time_survey.hpp.
// Threads: one.
// Source:  timescaledb src/time_utils.c, ts_time_value_to_internal; the types' own encoders read the text.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "hypercopy/binary_buffer.hpp"
#include "hypercopy/field_encoder.hpp"

namespace hypercopy {

struct TimeValue {
  enum class Kind : std::uint8_t {
    exact,
    as_utc,  // without offset, under a TimeZone that is not UTC
    unread,
  } kind = Kind::unread;
  std::int64_t value = 0;
};

// From a type's binary value (microseconds or days from 2000-01-01, or the integer itself). Infinities, and dates behind
// the last timestamp, are the last value at that end.
// REQUIRES: not a UUID's.
[[nodiscard]] std::int64_t internal_time(std::int64_t binary, std::uint32_t type_oid);

class TimeReader {
 public:
  // `exact`: the session's settings.
  TimeReader(std::uint32_t type_oid, const EncoderSettings& exact);

  // `text`: quotes and escapes taken away.
  [[nodiscard]] TimeValue read(std::string_view text);

 private:
  [[nodiscard]] TimeValue value_of_field() const;

  FieldType exact_;
  FieldType utc_;
  BinaryBuffer field_;
};

}  // namespace hypercopy
