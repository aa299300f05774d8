#include "advised_words.hpp"

#include <CLI/CLI.hpp>

#include "hypercopy/connection.hpp"
#include "load_option_groups.hpp"

namespace hypercopy {

std::vector<std::string> advised_words(const CLI::App& app, const std::string& table) {
  std::vector<std::string> command;
  for (const CLI::Option* option : app.get_options()) {
    const std::string group = option->get_group();
    const std::string name = option->get_name();
    const bool shared = group == kConnectionGroup || group == kInputGroup || group == kColumnGroup;
    if (option->count() == 0 || !shared || name == "--limit") continue;
    command.push_back(option->get_snames().empty() ? name : "-" + option->get_snames().front());
    if (option->get_items_expected_max() == 0) continue;
    command.push_back(name == "--dbname" ? connection_string_without_password(option->results().back())
                                         : option->results().back());
  }
  command.emplace_back("-t");
  command.push_back(table);
  return command;
}

}  // namespace hypercopy
