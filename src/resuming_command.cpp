#include "resuming_command.hpp"

#include <algorithm>
#include <array>
#include <string_view>

#include "hypercopy/connection.hpp"

namespace hypercopy {

namespace {

constexpr std::string_view kPlainBytes =
    "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-+=./,:@%^";

std::string quoted(std::string_view word) {
  if (!word.empty() && word.find_first_not_of(kPlainBytes) == std::string_view::npos)
    return std::string(word);
  std::string text = "'";
  for (const char byte : word) text += byte == '\'' ? std::string("'\\''") : std::string(1, byte);
  return text + "'";
}

// The part of an argument in front of a connection string: nothing where it holds none.
std::size_t before_connection(std::string_view argument, std::string_view before) {
  if (before == "-d" || before == "--dbname") return 0;
  for (const std::string_view option : {"--dbname=", "-d"}) {
    if (argument.starts_with(option) && argument.size() > option.size()) return option.size();
  }
  return std::string_view::npos;
}

}  // namespace

std::string resuming_command(const std::vector<std::string>& arguments) {
  std::string text = "hypercopy";
  std::string_view before;
  for (const auto& argument : arguments) {
    std::string word = argument;
    if (const std::size_t at = before_connection(argument, before); at != std::string_view::npos) {
      word = argument.substr(0, at) + connection_string_without_password(argument.substr(at));
    }
    if (argument != "--truncate") text += " " + quoted(word);
    before = argument;
  }
  return text;
}

}  // namespace hypercopy
