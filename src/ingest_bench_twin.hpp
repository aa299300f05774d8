// The statements that make a table like the target, of each kind: what LIKE copies, and what it leaves out.
#pragma once

#include <string>
#include <vector>

#include "hypercopy/connection.hpp"
#include "hypercopy/target_table.hpp"

namespace hypercopy {

// Creates the twin inside the open transaction. `qualified` is quoted; `stem` begins the names of its
// partitions and sequences.
[[nodiscard]] Status create_twin(Connection& connection, const TargetTable& target, const TableName& name,
                                 const std::string& qualified, const std::string& stem);

// What makes loading the target different from loading its twin, as sentences.
[[nodiscard]] Result<std::vector<std::string>> twin_differences(Connection& connection,
                                                                const TargetTable& target);

}  // namespace hypercopy
