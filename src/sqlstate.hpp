// SQLSTATEs that decide what is done next, by their names in PostgreSQL; which ones pass by themselves is retry.hpp's.
// Source:  PostgreSQL manual, Appendix A "Error Codes".
#pragma once

#include <string_view>

namespace hypercopy::sqlstate {

inline constexpr std::string_view kReadOnlySqlTransaction = "25006";
inline constexpr std::string_view kDeadlockDetected = "40P01";
inline constexpr std::string_view kInsufficientPrivilege = "42501";
inline constexpr std::string_view kUndefinedObject = "42704";
inline constexpr std::string_view kUndefinedTable = "42P01";
inline constexpr std::string_view kLockNotAvailable = "55P03";

}  // namespace hypercopy::sqlstate
