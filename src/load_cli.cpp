#include "load_cli.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <CLI/CLI.hpp>
#include <sstream>

#include "hypercopy/version.hpp"
#include "load_option_groups.hpp"
#include "near_name.hpp"
#include "resuming_command.hpp"

namespace hypercopy {

namespace {

constexpr const char* kLoadExamples = R"(Examples:
  A backup made by \COPY conditions TO data.csv CSV:
    hypercopy load -d mydb -t conditions data.csv
  The same from a compressed backup with a header, four workers:
    zcat data.csv.gz | hypercopy load -d mydb -t conditions --header -j 4 -
  Many files, columns by name, into an empty table:
    hypercopy load -d postgresql://user@host/mydb -t metrics.cpu --truncate --header 'dump/*.csv'

Exit codes: 0 loaded, 1 failed, 2 wrong command line, 3 loaded all but rejected records,
4 counts do not add up, 130/143 interrupted.
A COPY tag (COPY <rows>) is the last line of standard output.)";

void describe_load(CLI::App& app, LoadWords& words) {
  app.set_help_flag("-?,--help", "show this help");
  app.option_defaults()->take_last();
  app.add_option("FILE", words.options.files,
                 "CSV files or patterns ('dump/*.csv'); none or -: standard input")
      ->take_all()
      ->type_name("");
  add_connection_options(app, words);
  add_load_options(app, words);
  add_input_options(app, words);
  add_column_options(app, words);
  add_import_options(app, words);
  add_reject_options(app, words);
  add_output_options(app, words);
  app.footer(kLoadExamples);
}

std::vector<std::string> command_names(const CLI::App& app) {
  std::vector<std::string> names;
  for (const CLI::App* const command : app.get_subcommands({})) names.push_back(command->get_name());
  return names;
}

std::vector<std::string> long_options(const CLI::App& app) {
  std::vector<std::string> names;
  for (const CLI::Option* const option : app.get_options()) {
    for (const std::string& name : option->get_lnames()) names.push_back("--" + name);
  }
  return names;
}

// What a word that CLI11 did not know was probably meant for; empty where there is nothing near.
std::string meant(std::string_view word, const std::vector<std::string>& known) {
  const auto nearest = nearest_name(word.substr(0, word.find('=')), known);
  return nearest ? fmt::format("; did you mean {}?", *nearest) : std::string();
}

// CLI11 says only that a subcommand is missing, or lists what was left over.
std::string explain(const CLI::App& app, const CLI::Error& error) {
  const CLI::App* command = &app;
  while (command->remaining().empty() && !command->get_subcommands().empty()) {
    command = command->get_subcommands().front();
  }
  const std::vector<std::string> unknown = command->remaining();
  if (unknown.empty()) return error.what();
  const std::string& word = unknown.front();
  if (word.starts_with("--")) {
    return fmt::format("unknown option {}{}", word, meant(word, long_options(*command)));
  }
  const std::vector<std::string> commands = command_names(*command);
  if (word.starts_with('-') || commands.empty()) return error.what();
  return fmt::format("unknown command {}{} (known: {})", word, meant(word, commands),
                     fmt::join(commands, ", "));
}

CommandExit exit_of(const CLI::App& app, const CLI::ParseError& error) {
  std::ostringstream out;
  std::ostringstream err;
  const int code = app.exit(error, out, err);
  return CommandExit{.code = code == 0 ? 0 : 2, .out = out.str(), .err = err.str()};
}

CommandExit wrong_words(const Error& error) {
  return {.code = 2, .err = fmt::format("hypercopy: {}\n", to_string(error))};
}

}  // namespace

Parsed<Command> parse_command_line(const std::vector<std::string>& arguments) {
  CLI::App app("Parallel, exact bulk loader for PostgreSQL and TimescaleDB.", "hypercopy");
  app.set_help_flag("-?,--help", "show this help");
  app.set_version_flag("-V,--version", fmt::format("hypercopy {}", kVersion));
  app.require_subcommand(1);
  app.footer("hypercopy COMMAND --help tells more.");
  app.failure_message([](const CLI::App* failed, const CLI::Error& error) {
    return fmt::format("hypercopy: {}\nhypercopy --help and hypercopy load --help list all options.\n",
                       explain(*failed, error));
  });

  LoadWords words;
  GenerateCli generate;
  CLI::App& load = *app.add_subcommand("load", "load CSV or COPY text into a table or hypertable");
  describe_load(load, words);
  CLI::App& generator =
      *app.add_subcommand("generate", "write seeded time-series data for tests and benchmarks");
  generate.describe(generator);

  BenchWords bench_words;
  CLI::App& bench =
      *app.add_subcommand("bench", "load the same input with a grid of settings and tell which is best");
  describe_bench(bench, bench_words);

  ImportsWords imports_words;
  CLI::App& imports =
      *app.add_subcommand("imports", "what was loaded with --import-id, and indexes that are owed");
  describe_imports(imports, imports_words);

  InspectWords inspect_words;
  CLI::App& inspect =
      *app.add_subcommand("inspect", "what a load would meet, before it runs: input, table, server");
  describe_inspect(inspect, inspect_words);

  if (arguments.empty())
    return CommandExit{.code = 2, .err = "hypercopy: name a subcommand\n\n" + app.help()};
  std::vector<std::string> reversed(arguments.rbegin(), arguments.rend());  // CLI11 takes them from the back
  try {
    app.parse(reversed);
  } catch (const CLI::ParseError& error) {
    return exit_of(app, error);
  }
  if (generator.parsed()) {
    auto command = generate.command();
    return command ? Parsed<Command>(Command{std::move(*command)}) : wrong_words(command.error());
  }
  if (bench.parsed()) {
    auto command = read_bench(bench, bench_words);
    return command ? Parsed<Command>(Command{std::move(*command)}) : wrong_words(command.error());
  }
  if (inspect.parsed()) {
    auto command = read_inspect(inspect, inspect_words);
    return command ? Parsed<Command>(Command{std::move(*command)}) : wrong_words(command.error());
  }
  if (imports.parsed()) return Command{read_imports(imports, imports_words)};
  auto options = read_load_options(words);
  if (!options) return wrong_words(options.error());
  return Command{LoadCommand{.options = std::move(*options), .again = resuming_command(arguments)}};
}

}  // namespace hypercopy
