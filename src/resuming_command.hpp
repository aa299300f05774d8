// The command line that goes on with an interrupted load, as a person types it.
// Shape:   pure. What must not be said twice (--truncate) is left out, passwords in connection strings are too.
#pragma once

#include <string>
#include <vector>

namespace hypercopy {

// `arguments`: those behind the program's name. For a POSIX shell, quoted where it is needed.
[[nodiscard]] std::string resuming_command(const std::vector<std::string>& arguments);

}  // namespace hypercopy
