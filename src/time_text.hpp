// Internal times and spans of time as people and the server read them.
// Shape:   pure functions. Times are in UTC, with its offset where the type has one.
// Units:   internal, as in time_survey.hpp; a UUID's time is shown as a timestamptz.
#pragma once

#include <cstdint>
#include <string>

namespace hypercopy {

// "2024-01-01 00:00:00+00", "2024-01-01", "1200"; as the server reads the type.
[[nodiscard]] std::string time_text(std::int64_t value, std::uint32_t type_oid);

// "90 minutes", "8 hours", "8 h 20 min", "12 days" (whole ones only); "1,200" for integers.
[[nodiscard]] std::string span_text(std::uint64_t span, std::uint32_t type_oid);

}  // namespace hypercopy
