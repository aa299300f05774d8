// The command line of `hypercopy`: PostgreSQL's client conventions (-d, -h, -p, -U, -w, -W, -j, -v, -V, -?).
// Shape:   argv in, one of the commands or an early exit out.
// Errors:  a wrong command line is CommandExit with code 2 and a message that names the option.
#pragma once

#include <string>
#include <variant>
#include <vector>

#include "bench_cli.hpp"
#include "command.hpp"
#include "generate_cli.hpp"
#include "hypercopy/load_options.hpp"
#include "imports_cli.hpp"
#include "inspect_cli.hpp"

namespace hypercopy {

struct LoadCommand {
  LoadOptions options;
  // The command line that goes on with it, for a shell; without passwords.
  std::string again{};
};

using Command = std::variant<LoadCommand, GenerateCommand, BenchCommand, ImportsCommand, InspectCommand>;

[[nodiscard]] Parsed<Command> parse_command_line(const std::vector<std::string>& arguments);

}  // namespace hypercopy
