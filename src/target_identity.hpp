// Whether the target's name still means the table that the run began with.
// Shape:   fail_if_replaced_sql() is asked in each transaction that copies, behind its COPYs: what they have opened is locked, so
//          that it keeps its name until the transaction has ended.
// Why:     COPY finds its table by name. RENAME or DROP, and CREATE of another one, split the rows of a run, and an import
//          would be called done with a part of its rows in a table that is not there any more.
// Threads: functions without state.
#pragma once

#include <string>

#include "hypercopy/connection.hpp"
#include "hypercopy/result.hpp"
#include "hypercopy/target_table.hpp"

namespace hypercopy {

// A statement that fails when the name means another table, or none.
[[nodiscard]] std::string fail_if_replaced_sql(const Connection& connection, const TargetTable& table);
[[nodiscard]] bool is_replaced_target(const Error& error);
[[nodiscard]] Error explain_replaced_target();

}  // namespace hypercopy
