// The beginning of a `load` command that bench or inspect advises: what was typed that the load needs too.
#pragma once

#include <string>
#include <vector>

namespace CLI {
class App;
}

namespace hypercopy {

// The target, and every option about connection, input and columns, as typed, but for passwords. --limit is the
// asking command's own.
[[nodiscard]] std::vector<std::string> advised_words(const CLI::App& app, const std::string& table);

}  // namespace hypercopy
