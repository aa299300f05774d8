// What a worker adds to an error.
// Threads: pure.
#pragma once

#include <string_view>

#include "hypercopy/result.hpp"

namespace hypercopy {

void append_detail(Error& error, std::string_view text);

// COMMIT was sent, and its answer never came. `extent` names the records it was about.
[[nodiscard]] Error in_doubt(Error error, std::string_view extent);

}  // namespace hypercopy
