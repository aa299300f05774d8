// Which options of a load this table and input could be loaded with: tried by the load's own checks.
// Shape:   fills the target's InspectedOptions; only reads.
// Errors:  sql, connection. A refusal is none: it is the option's.
#pragma once

#include <cstdint>
#include <optional>

#include "hypercopy/connection.hpp"
#include "hypercopy/inspect.hpp"

namespace hypercopy {

// `input_bytes`: of all inputs, where known.
[[nodiscard]] Status try_options(Connection& connection, std::optional<std::uint64_t> input_bytes,
                                 InspectedTarget& target);

}  // namespace hypercopy
