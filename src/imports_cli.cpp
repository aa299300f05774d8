#include "imports_cli.hpp"

#include <CLI/CLI.hpp>

namespace hypercopy {

namespace {

CLI::App& add_action(CLI::App& app, ImportsWords& words, const std::string& name, const std::string& about) {
  CLI::App& action = *app.add_subcommand(name, about);
  action.set_help_flag("-?,--help", "show this help");
  add_connection_options(action, words.connection);
  return action;
}

void add_import_id(CLI::App& action, ImportsWords& words) {
  action.add_option("ID", words.import_id, "the import, as --import-id named it")->required()->type_name("");
}

}  // namespace

void describe_imports(CLI::App& app, ImportsWords& words) {
  app.set_help_flag("-?,--help", "show this help");
  app.require_subcommand(1);
  CLI::App& list =
      add_action(app, words, "list", "all imports in the ledger of a database, the newest first");
  list.add_flag("--json", words.json, "as JSON");
  CLI::App& show = add_action(app, words, "show", "one import: its inputs, settings and what is left");
  show.add_flag("--json", words.json, "as JSON");
  add_import_id(show, words);
  CLI::App& forget =
      add_action(app, words, "forget", "take an import out of the ledger; the rows it loaded stay");
  forget.add_flag("--drop-side-tables", words.drop_side_tables,
                  "also where --build-chunks has not handed over all rows yet: these are dropped");
  add_import_id(forget, words);
  CLI::App& rebuild = add_action(app, words, "rebuild-indexes",
                                 "build the indexes that loads with --defer-indexes left out and still owe");
  rebuild.add_option("-t,--table", words.connection.table, "only those of this table (default: all)")
      ->type_name("[SCHEMA.]TABLE");
  rebuild
      .add_option("-j,--jobs", words.connection.options.jobs,
                  "indexes built at once (default: one per core, at most 8)")
      ->check(CLI::Range(1U, kMaxJobs))
      ->type_name("N");
}

ImportsCommand read_imports(const CLI::App& app, const ImportsWords& words) {
  using Action = ImportsCommand::Action;
  const Action action = app.got_subcommand("show")              ? Action::show
                        : app.got_subcommand("forget")          ? Action::forget
                        : app.got_subcommand("rebuild-indexes") ? Action::rebuild_indexes
                                                                : Action::list;
  ConnectionOptions connection = words.connection.options.connection;
  using Password = ConnectionOptions::Password;
  if (words.connection.no_password) connection.password = Password::never;
  if (words.connection.ask_password) connection.password = Password::always;
  return {.action = action,
          .import_id = words.import_id,
          .table = words.connection.table,
          .jobs = words.connection.options.jobs,
          .connection = std::move(connection),
          .json = words.json,
          .drop_side_tables = words.drop_side_tables};
}

}  // namespace hypercopy
