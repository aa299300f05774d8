#include "time_value.hpp"

#include <limits>

namespace hypercopy {

namespace {

using Limits = std::numeric_limits<std::int64_t>;
constexpr std::int64_t kMicrosecondsPerDay = 86'400'000'000;
// 1970-01-01 to PostgreSQL's 2000-01-01.
constexpr std::int64_t kPostgresEpoch = 10'957 * kMicrosecondsPerDay;

// Length words stand in front of values in a field of COPY BINARY.
constexpr std::size_t kLengthBytes = 4;
constexpr std::size_t kUuidTimeBytes = 6;
constexpr std::size_t kUuidVersionByte = 6;

std::int64_t big_endian(std::string_view bytes) {
  std::uint64_t value = bytes.empty() || static_cast<signed char>(bytes.front()) >= 0 ? 0 : UINT64_MAX;
  for (const char byte : bytes) value = value << 8 | static_cast<unsigned char>(byte);
  return static_cast<std::int64_t>(value);
}

// Infinities stay what they are.
std::int64_t from_postgres(std::int64_t microseconds) {
  if (microseconds == Limits::min() || microseconds == Limits::max()) return microseconds;
  return microseconds > Limits::max() - kPostgresEpoch ? Limits::max() : microseconds + kPostgresEpoch;
}

std::int64_t from_date(std::int64_t days) {
  using DateLimits = std::numeric_limits<std::int32_t>;
  if (days == DateLimits::min()) return Limits::min();
  // PostgreSQL has dates that no timestamp reaches.
  if (days > Limits::max() / kMicrosecondsPerDay - 10'957) return Limits::max();
  return days * kMicrosecondsPerDay + kPostgresEpoch;
}

}  // namespace

std::int64_t internal_time(std::int64_t binary, std::uint32_t type) {
  switch (type) {
    case type_oid::kTimestamp:
    case type_oid::kTimestamptz:
      return from_postgres(binary);
    case type_oid::kDate:
      return from_date(binary);
    default:
      return binary;
  }
}

TimeReader::TimeReader(std::uint32_t type_oid, const EncoderSettings& exact)
    : exact_{.oid = type_oid, .settings = exact, .encode = find_scalar_encoder(type_oid)}, utc_(exact_) {
  utc_.settings.utc = true;
}

TimeValue TimeReader::read(std::string_view text) {
  field_.clear();
  if (exact_.encode(text, exact_, field_)) return value_of_field();
  if (exact_.oid != type_oid::kTimestamptz || exact_.settings.utc) return {};
  field_.clear();
  if (!utc_.encode(text, utc_, field_)) return {};
  TimeValue value = value_of_field();
  value.kind = TimeValue::Kind::as_utc;
  return value;
}

TimeValue TimeReader::value_of_field() const {
  const std::string_view bytes = field_.view().substr(kLengthBytes);
  TimeValue value{.kind = TimeValue::Kind::exact};
  if (exact_.oid != type_oid::kUuid) {
    value.value = internal_time(big_endian(bytes), exact_.oid);
    return value;
  }
  // TimescaleDB takes no other version.
  if ((static_cast<unsigned char>(bytes[kUuidVersionByte]) >> 4) != 7) return {};
  value.value = (big_endian(bytes.substr(0, kUuidTimeBytes)) & ((std::int64_t{1} << 48) - 1)) * 1000;
  return value;
}

}  // namespace hypercopy
