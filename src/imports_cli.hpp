// The command line of `hypercopy imports list|show|forget|rebuild-indexes`.
// Shape:   describe_imports() binds the options, read_imports() turns them into a command.
// Errors:  usage, naming the option.
#pragma once

#include <string>

#include "load_option_groups.hpp"

namespace hypercopy {

struct ImportsCommand {
  enum class Action : std::uint8_t { list, show, forget, rebuild_indexes } action = Action::list;
  std::string import_id{};
  std::string table{};  // rebuild-indexes; empty: all
  unsigned jobs = 0;    // 0: one per core
  ConnectionOptions connection{};
  bool json = false;
  bool drop_side_tables = false;  // forget
};

struct ImportsWords {
  LoadWords connection;
  std::string import_id{};
  bool json = false;
  bool drop_side_tables = false;
};

// `words` must outlive the app.
void describe_imports(CLI::App& app, ImportsWords& words);
[[nodiscard]] ImportsCommand read_imports(const CLI::App& app, const ImportsWords& words);

}  // namespace hypercopy
