#include "inspect_cli.hpp"

#include <CLI/CLI.hpp>

#include "advised_words.hpp"

namespace hypercopy {

namespace {

constexpr const char* kInspectExamples = R"(Examples:
  What would this load meet, and which command is the right one?
    hypercopy inspect -d mydb -t conditions data.csv
  What is in this file? (no server)
    hypercopy inspect data.csv
  Only if nothing stands in its way:
    hypercopy inspect -d mydb -t conditions data.csv && hypercopy load -d mydb -t conditions data.csv

All of the input is read once; --limit reads less of it. Nothing is written to the server.
Exit codes: 0 nothing stands in the way, 1 a problem or an error, 2 wrong command line,
130/143 interrupted.)";

}  // namespace

void describe_inspect(CLI::App& app, InspectWords& words) {
  app.set_help_flag("-?,--help", "show this help");
  app.option_defaults()->take_last();
  app.add_option("FILE", words.load.options.files, "CSV files or patterns ('dump/*.csv'); -: standard input")
      ->take_all()
      ->type_name("");
  app.add_option("-t,--table", words.load.table, "the table to load into; without it only FILE is looked at")
      ->type_name("[SCHEMA.]TABLE")
      ->group("Target");
  add_connection_options(app, words.load);
  add_input_options(app, words.load);
  add_column_options(app, words.load);
  app.add_flag("--json", words.json, "the page as JSON")->group("Output");
  app.footer(kInspectExamples);
}

Result<InspectCommand> read_inspect(const CLI::App& app, InspectWords& words) {
  InspectCommand command{.json = words.json};
  InspectOptions& options = command.options;
  options.has_table = !words.load.table.empty();
  if (!options.has_table && words.load.options.files.empty()) {
    return fail(ErrorKind::usage, "name a file, a table (-t), or both");
  }
  // Options about columns are read as if there were a table.
  if (!options.has_table) words.load.table = "none";
  HYPERCOPY_ASSIGN(options.load, read_load_options(words.load));
  options.delimiter_given = !words.load.delimiter.empty();
  options.command = advised_words(app, words.load.table);
  return command;
}

}  // namespace hypercopy
