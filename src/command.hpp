// What a command line turned out to ask for. Parsing never writes, exits or connects: main.cpp does.
#pragma once

#include <string>
#include <variant>

namespace hypercopy {

// What to print and how to exit; the texts end with a newline or are empty.
struct CommandExit {
  int code = 0;
  std::string out{};  // for stdout
  std::string err{};  // for stderr

  friend bool operator==(const CommandExit&, const CommandExit&) = default;
};

template <typename Command>
using Parsed = std::variant<Command, CommandExit>;

}  // namespace hypercopy
