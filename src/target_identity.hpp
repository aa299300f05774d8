// Whether the target's name still means the table that the run began with.
// Shape:   fail_if_replaced_sql() is asked in each transaction that copies, behind its COPYs, and in each that hands a chunk
//          over: what they have opened is locked, so that it keeps its name until the transaction has ended. A COPY into a
//          side table locks the side table alone; there the hand-over's answer counts.
// Why:     COPY finds its table by name. RENAME or DROP, and CREATE of another one, split the rows of a run, and an import
//          would be called done with a part of its rows in a table that is not there any more.
// Threads: functions without state.
#pragma once

#include <cstdint>
#include <string>

#include "hypercopy/connection.hpp"
#include "hypercopy/result.hpp"

namespace hypercopy {

// A statement that fails when the name, qualified and quoted, means another table than `oid`, or none.
[[nodiscard]] std::string fail_if_replaced_sql(const Connection& connection, const std::string& name,
                                               std::uint32_t oid);
[[nodiscard]] bool is_replaced_target(const Error& error);
[[nodiscard]] Error explain_replaced_target();

}  // namespace hypercopy
