// The command line of `hypercopy inspect`.
// Shape:   describe_inspect() binds the options, read_inspect() turns them into InspectOptions.
// Errors:  usage, naming the option.
#pragma once

#include "hypercopy/inspect.hpp"
#include "load_option_groups.hpp"

namespace hypercopy {

struct InspectCommand {
  InspectOptions options{};
  bool json = false;
};

struct InspectWords {
  LoadWords load;
  bool json = false;
};

// `words` must outlive the app.
void describe_inspect(CLI::App& app, InspectWords& words);
[[nodiscard]] Result<InspectCommand> read_inspect(const CLI::App& app, InspectWords& words);

}  // namespace hypercopy
