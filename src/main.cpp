// Parses the command line, wires, and exits: everything else is in the library.
#include <fmt/format.h>
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <exception>
#include <fstream>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "hypercopy/cancellation.hpp"
#include "hypercopy/console.hpp"
#include "hypercopy/generate.hpp"
#include "hypercopy/imports.hpp"
#include "hypercopy/inspect.hpp"
#include "hypercopy/load.hpp"
#include "hypercopy/version.hpp"
#include "load_cli.hpp"
#include "owed_rebuild.hpp"
#include "parallel_copy_cli.hpp"
#include "report_file.hpp"
#include "terminal.hpp"

namespace hypercopy {
namespace {

constexpr std::string_view kDropInName = "timescaledb-parallel-copy";

int leave(const CommandExit& exit) {
  std::fputs(exit.err.c_str(), stderr);
  auto written = exit.out.empty() ? Status{} : write_stdout(exit.out);
  return written ? exit.code : static_cast<int>(ExitCode::failed);
}

int wrong_start(const Error& error) {
  std::fputs(fmt::format("hypercopy: {}\n", to_string(error)).c_str(), stderr);
  return static_cast<int>(ExitCode::failed);
}

ProgressReporter::Style progress_style(ProgressStyle wanted, const Console& console) {
  using Style = ProgressReporter::Style;
  switch (wanted) {
    case ProgressStyle::automatic:
      return console.is_terminal() ? Style::bar : Style::plain;
    case ProgressStyle::bar:
      return Style::bar;
    case ProgressStyle::plain:
      return Style::plain;
    case ProgressStyle::json:
      return Style::json;
    case ProgressStyle::none:
      return Style::none;
  }
  return Style::none;
}

// An error that came first is the outcome, whatever signal followed.
bool was_interrupted(const LoadSummary& summary) {
  return summary.interrupted || (summary.error && summary.error->kind == ErrorKind::interrupted);
}

// Whatever cannot be written at the end: the rows are committed all the same, so say that.
int report_output_error(Console& console, const Error& error, const LoadSummary& summary) {
  console.log(LogLevel::error,
              fmt::format("{} (rows committed: {})", error.message, summary.totals.rows_stored()));
  return static_cast<int>(ExitCode::failed);
}

int run(const LoadCommand& command, Cancellation& cancellation) {
  const LoadOptions& options = command.options;
  Console console(STDERR_FILENO, "hypercopy", options.verbose);
  if (auto place = expect_place_for_report(options); !place) {
    console.log(LogLevel::error, to_string(place.error()));
    return static_cast<int>(ExitCode::usage);
  }
  LoadSummary summary = run_load(options, {.console = console,
                                           .cancellation = cancellation,
                                           .password_prompt = ask_password,
                                           .progress = progress_style(options.progress, console)});
  summary.interrupted_by = was_interrupted(summary) ? received_signal() : 0;
  summary.again = command.again;
  if (summary.error && summary.error->kind != ErrorKind::interrupted) {
    console.log(LogLevel::error, to_string(*summary.error));
  }
  if (options.progress != ProgressStyle::json)
    console.log(LogLevel::info, summary_text(summary, options.verbose));
  int code = static_cast<int>(exit_code(summary));
  if (auto written = write_report(options.report_file, summary); !written) {
    const int unwritten = report_output_error(console, written.error(), summary);
    if (code == 0) code = unwritten;  // how the load itself went says more
  }
  if (code != static_cast<int>(ExitCode::ok) && code != static_cast<int>(ExitCode::rejected)) return code;
  if (auto written = write_stdout(command_tag(summary) + "\n"); !written) {
    return report_output_error(console, written.error(), summary);
  }
  return code;
}

Status generate_to(const GenerateCommand& command, const BlockSink& sink) {
  return command.schema.empty() ? generate(command.options, sink) : sink(command.schema);
}

Status generate(const GenerateCommand& command) {
  if (command.output.empty() || command.output == "-") return generate_to(command, write_stdout);
  std::ofstream file(command.output, std::ios::binary | std::ios::trunc);
  const auto sink = [&](std::string_view block) -> Status {
    file.write(block.data(), static_cast<std::streamsize>(block.size()));
    if (file) return {};
    return fail(ErrorKind::output, fmt::format("cannot write {}", command.output));
  };
  HYPERCOPY_TRY(generate_to(command, sink));
  file.close();
  return sink({});
}

int run(const GenerateCommand& command, Cancellation& /*cancellation*/) {
  auto generated = generate(command);
  return generated ? static_cast<int>(ExitCode::ok) : wrong_start(generated.error());
}

int run(const BenchCommand& command, Cancellation& cancellation) {
  Console console(STDERR_FILENO, "hypercopy", command.options.load.verbose);
  BenchReport report = run_ingest_bench(
      command.options, {.console = console, .cancellation = cancellation, .password_prompt = ask_password});
  const bool interrupted = report.error && report.error->kind == ErrorKind::interrupted;
  if (interrupted) report.interrupted_by = received_signal();
  if (report.error && !interrupted) console.log(LogLevel::error, to_string(*report.error));
  if (interrupted) console.log(LogLevel::info, "interrupted");
  const auto code = static_cast<int>(exit_code(report));
  if (auto written = write_stdout(command.json ? bench_json(report) + "\n" : bench_table(report)); !written) {
    console.log(LogLevel::error, to_string(written.error()));
    return code != 0 ? code : static_cast<int>(ExitCode::failed);
  }
  return code;
}

Result<std::string> imports_text(const ImportsCommand& command, Connection& connection) {
  using Action = ImportsCommand::Action;
  if (command.action == Action::list) {
    HYPERCOPY_ASSIGN(const auto imports, list_imports(connection));
    if (command.json) return imports_json(imports);
    HYPERCOPY_ASSIGN(const auto owed, owed_indexes(connection, {}));
    return imports_table(imports) + owed_text(owed);
  }
  if (command.action == Action::show) {
    HYPERCOPY_ASSIGN(const auto details, show_import(connection, command.import_id));
    if (command.json) return import_json(details);
    HYPERCOPY_ASSIGN(const auto owed, owed_indexes_of_import(connection, command.import_id));
    return import_text(details) + owed_text(owed);
  }
  HYPERCOPY_ASSIGN(const ImportInfo forgotten,
                   forget_import(connection, command.import_id,
                                 command.drop_side_tables ? OwedRows::drop : OwedRows::refuse));
  return forgotten_text(forgotten);
}

Result<std::string> rebuild_indexes_text(const ImportsCommand& command, Connector& connector,
                                         Connection& connection, const Cancellation& cancellation) {
  Console console(STDERR_FILENO, "hypercopy", false);
  const OwedRebuild what{.connection = command.connection,
                         .table = command.table,
                         .jobs = command.jobs == 0 ? default_jobs() : command.jobs,
                         .progress = progress_style(ProgressStyle::automatic, console)};
  return rebuild_owed(what, connector, connection, console, cancellation);
}

int run(const ImportsCommand& command, Cancellation& cancellation) {
  Connector connector(
      command.connection, cancellation, [](std::string_view, std::string_view) {}, ask_password);
  auto connection = connector.connect("hypercopy imports", {cancellation});
  auto text = !connection ? Result<std::string>(fail(std::move(connection).error()))
              : command.action == ImportsCommand::Action::rebuild_indexes
                  ? rebuild_indexes_text(command, connector, *connection, cancellation)
                  : imports_text(command, *connection);
  if (text) {
    if (auto written = write_stdout(*text); !written) return wrong_start(written.error());
    return static_cast<int>(ExitCode::ok);
  }
  if (text.error().kind == ErrorKind::interrupted && received_signal() != 0) {
    std::fputs("hypercopy: interrupted: what is not rebuilt stays recorded\n", stderr);
    return 128 + received_signal();
  }
  wrong_start(text.error());
  return static_cast<int>(text.error().kind == ErrorKind::usage ? ExitCode::usage : ExitCode::failed);
}

int run(const InspectCommand& command, Cancellation& cancellation) {
  Console console(STDERR_FILENO, "hypercopy", false);
  const auto found = run_inspect(
      command.options, {.console = console, .cancellation = cancellation, .password_prompt = ask_password});
  if (!found) {
    const ErrorKind kind = found.error().kind;
    const int code = wrong_start(found.error());
    if (kind == ErrorKind::interrupted) return 128 + received_signal();
    return kind == ErrorKind::usage ? static_cast<int>(ExitCode::usage) : code;
  }
  if (auto written = write_stdout(command.json ? inspect_json(*found) : inspect_page(*found)); !written) {
    return wrong_start(written.error());
  }
  return static_cast<int>(exit_code(*found));
}

// Called by the name of the tool it replaces: that tool's flags, words and exit codes
// (parallel_copy_cli.hpp).
int run_drop_in(std::span<const std::string_view> arguments, Cancellation& cancellation) {
  using Clock = std::chrono::system_clock;
  const auto parsed = parse_parallel_copy({.arguments = arguments, .version = kVersion, .now = Clock::now()});
  if (const auto* exit = std::get_if<CommandExit>(&parsed)) return leave(*exit);
  const auto& command = std::get<ParallelCopyCommand>(parsed);
  using Style = ProgressReporter::Style;
  Console console(STDERR_FILENO, std::string(kDropInName), command.verbose, Console::Prefix::date);
  for (const auto& notice : command.notices) console.log(LogLevel::info, notice);
  LoadSummary summary =
      run_load(command.options,
               {.console = console,
                .cancellation = cancellation,
                .password_prompt = {},
                .progress = command.reporting_period.count() > 0 ? Style::parallel_copy : Style::none});
  summary.interrupted_by = was_interrupted(summary) ? received_signal() : 0;
  return leave(parallel_copy_exit(command, summary, Clock::now()));
}

int run_hypercopy(const std::vector<std::string>& arguments, Cancellation& cancellation) {
  const auto parsed = parse_command_line(arguments);
  if (const auto* exit = std::get_if<CommandExit>(&parsed)) return leave(*exit);
  return std::visit([&](const auto& command) { return run(command, cancellation); },
                    std::get<Command>(parsed));
}

int start(int argc, char** argv) {
  const std::vector<std::string> words(argv, argv + argc);
  hide_passwords(argc, argv);
  occupy_standard_files();
  auto cancellation = Cancellation::create();
  if (!cancellation) return wrong_start(cancellation.error());
  handle_signals(**cancellation);
  if (!words.empty() && is_parallel_copy_name(words.front())) {
    const std::vector<std::string_view> arguments(words.begin(), words.end());
    return run_drop_in(arguments, **cancellation);
  }
  return run_hypercopy({words.begin() + std::min(argc, 1), words.end()}, **cancellation);
}

}  // namespace
}  // namespace hypercopy

int main(int argc, char** argv) {
  try {
    return hypercopy::start(argc, argv);
  } catch (const std::exception& exception) {
    std::fputs(fmt::format("hypercopy: internal error: {}\n", exception.what()).c_str(), stderr);
    return static_cast<int>(hypercopy::ExitCode::failed);
  }
}
