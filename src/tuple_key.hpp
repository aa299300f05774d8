// Reads the time of a tuple of a COPY BINARY stream, and the number of the chunk that it falls into.
// Shape:   inline, for loops over all records of a batch.
// Units:   keys as the field's binary value has them: microseconds or days from 2000-01-01, or an integer; of a UUID its
//          first eight bytes, ordered without a sign.
// REQUIRES: a whole tuple, as RecordEncoder wrote it.
#pragma once

#include <algorithm>
#include <cstdint>

#include "hypercopy/record_order.hpp"

namespace hypercopy {

template <typename Unsigned>
Unsigned read_unsigned(const char* at) {
  Unsigned value = 0;
  for (std::size_t byte = 0; byte < sizeof(Unsigned); ++byte)
    value = static_cast<Unsigned>(value << 8 | static_cast<unsigned char>(at[byte]));
  return value;
}

// NULL comes first; the server refuses it, or has a partition for it.
inline constexpr std::int64_t kNullKey = INT64_MIN;

// Where the length word of field number `wanted` stands.
inline const char* find_field(const char* tuple, std::uint16_t wanted) {
  const char* at = tuple + sizeof(std::uint16_t);
  for (unsigned field = 0; field < wanted; ++field) {
    const auto length = static_cast<std::int32_t>(read_unsigned<std::uint32_t>(at));
    at += sizeof length + static_cast<std::uint32_t>(std::max(length, 0));
  }
  return at;
}

inline std::int64_t read_key(const char* tuple, const TimeKey& key) {
  const char* at = find_field(tuple, key.field);
  const auto length = static_cast<std::int32_t>(read_unsigned<std::uint32_t>(at));
  at += sizeof length;
  switch (length) {
    case 2:
      return static_cast<std::int16_t>(read_unsigned<std::uint16_t>(at));
    case 4:
      return static_cast<std::int32_t>(read_unsigned<std::uint32_t>(at));
    case 8:
      return static_cast<std::int64_t>(read_unsigned<std::uint64_t>(at));
    case 16:  // compared without a sign
      return static_cast<std::int64_t>(read_unsigned<std::uint64_t>(at) ^ (std::uint64_t{1} << 63));
    default:
      return kNullKey;
  }
}

// REQUIRES: key.chunk_width > 0.
inline std::int64_t chunk_of(std::int64_t time, const TimeKey& key) {
  std::int64_t shifted = 0;
  if (__builtin_add_overflow(time, key.chunk_shift, &shifted)) return INT64_MAX;  // infinity
  const std::int64_t whole = shifted / key.chunk_width;
  return shifted % key.chunk_width < 0 ? whole - 1 : whole;
}

}  // namespace hypercopy
