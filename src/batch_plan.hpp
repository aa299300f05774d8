// Settles how large the batches of a load are, and whether the server compresses their rows as they arrive.
// Shape:   called when table, inputs and statements are known; looks at the first records of the first input where that is
//          a regular file. Writes batch_bytes, direct_compress, time_order and notices of the plan, and has the decision
//          pinned on every connection, this one included: neither a role's setting nor an option of the table is to
//          decide otherwise.
// Errors:  usage: --direct-compress on where the server would not do it; as reading the input gives them; sql, connection.
#pragma once

#include "load_plan.hpp"

namespace hypercopy {

[[nodiscard]] Status plan_batches(LoadPlan& plan, Connection& connection, const Cancellation& cancellation);

}  // namespace hypercopy
