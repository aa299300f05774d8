// The command line of `hypercopy generate`, described to CLI11.
// Shape:   a GenerateCli lives until the command line is parsed; then command() turns its words into options.
// Errors:  usage, naming the option.
#pragma once

#include <CLI/CLI.hpp>

#include <deque>
#include <optional>
#include <string>

#include "hypercopy/generate.hpp"

namespace hypercopy {

struct GenerateCommand {
  GenerateOptions options{};
  std::string output{};  // -o; empty or "-": standard output
  std::string schema{};  // SQL to print instead of rows; empty: rows
};

class GenerateCli {
 public:
  // Adds the options to the subcommand `app`, which borrows this object.
  void describe(CLI::App& app);
  // REQUIRES: the subcommand was parsed.
  [[nodiscard]] Result<GenerateCommand> command() const;

 private:
  // Option texts as typed, one for each shape, since their defaults differ.
  struct Words {
    CLI::App* app = nullptr;
    GenerateCommand command{};
    std::int64_t interval_seconds = 0;
    std::optional<std::int64_t> span_seconds{};
    std::string start = "2016-01-01";
    CLI::Option* schema_option = nullptr;
    std::string schema_table{};
  };
  void describe_shape(CLI::App& app, DataShape shape);

  std::deque<Words> words_;  // addresses are stable
};

}  // namespace hypercopy
