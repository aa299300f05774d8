#include "parallel_copy_cli.hpp"

#include <fmt/chrono.h>
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <limits>
#include <optional>

#include "go_flags.hpp"
#include "hypercopy/column_mapping.hpp"
#include "legacy_copy_options.hpp"
#include "parallel_copy_flags.hpp"

namespace hypercopy {
namespace {

constexpr std::string_view kPeerName = "timescaledb-parallel-copy";
constexpr std::string_view kPeerVersion = "v0.13.0";
#if defined(__aarch64__)
constexpr std::string_view kPlatform = "linux arm64";
#else
constexpr std::string_view kPlatform = "linux amd64";
#endif

constexpr std::int64_t kLeastBytes = 16;

// Why nothing is loaded, in the words that are printed behind the date.
using Refusal = std::optional<std::string>;

std::string option_error(std::string_view message) {
  return fmt::format("failed to execute option csvcopy.Option: {}", message);
}

bool mentions_header(std::string_view text) {
  constexpr std::string_view kHeader = "HEADER";
  const auto same = [](char a, char b) { return (a >= 'a' && a <= 'z' ? a - 'a' + 'A' : a) == b; };
  return !std::ranges::search(text, kHeader, same).empty();
}

std::string_view delimiter_of(const ParallelCopyFlags& flags) {
  return flags.split == "\\t" ? std::string_view("\t") : std::string_view(flags.split);
}

Refusal deprecated_flags(const ParallelCopyFlags& flags) {
  if (!flags.db_name.empty()) {
    return "Error: Deprecated flag -db-name is being used. Update -connection to connect to the given "
           "database";
  }
  if (flags.header_line_count != 1) {
    return "Error: -header-line-count is deprecated. Use -skip-lines instead";
  }
  return std::nullopt;
}

// The peer's checks in the peer's order: the first one that fails is the one that is told.
Refusal broken_rule(const ParallelCopyFlags& flags) {
  constexpr std::string_view kHeaderTwice =
      "header handling is already configured. Use only one of: WithSkipHeader, WithColumnMapping, or "
      "WithAutoColumnMapping";
  constexpr std::string_view kColumnsTwice =
      "columns are already set. Use only one of: WithColumns, WithColumnMapping, or WithAutoColumnMapping";
  struct Rule {
    bool broken;
    std::string_view message;
  };
  const bool mapping = !flags.column_mapping.empty();
  const bool columns = !flags.columns.empty();
  const bool automatic = flags.auto_column_mapping;
  const std::array<Rule, 15> rules{{
      {delimiter_of(flags).size() > 1, "split character must be a single-byte character"},
      {flags.quote.size() > 1, "quote character must be a single-byte character"},
      {flags.escape.size() > 1, "provided escape character must be a single-byte character"},
      {flags.workers <= 0, "workers must be greater than zero"},
      {flags.workers > std::numeric_limits<int>::max(), "workers must fit 31 bits"},
      {flags.limit < 0, "limit must be greater than zero"},
      {flags.buffer_byte_size < kLeastBytes, "buffer size must be greater than minimum buffer size (16)"},
      {flags.batch_byte_size < kLeastBytes, "batch byte size must be greater than minimum buffer size (16)"},
      {flags.batch_size < 0, "batch size must be greater than zero"},
      {flags.reporting_period_ns < 0, "reporting period must be equal or greater than zero"},
      {mapping && columns, kColumnsTwice},
      {automatic && mapping, kHeaderTwice},
      {automatic && columns, kColumnsTwice},
      {flags.skip_header && (mapping || automatic), kHeaderTwice},
      {flags.schema.empty() || flags.table.empty(), "schema and table must have a name"},
  }};
  const auto* const rule = std::ranges::find(rules, true, &Rule::broken);
  return rule == rules.end() ? std::nullopt : Refusal(option_error(rule->message));
}

Refusal not_built_yet(const ParallelCopyFlags& flags) {
  struct Feature {
    bool asked;
    std::string_view flag;
  };
  const std::array<Feature, 1> features{{
      {flags.enable_client_side_sorting, "-enable-client-side-sorting"},
  }};
  const auto* const feature = std::ranges::find(features, true, &Feature::asked);
  if (feature == features.end()) {
    return std::nullopt;
  }
  return fmt::format("Error: {} is not supported by hypercopy yet; nothing was loaded", feature->flag);
}

Refusal set_column_map(const ParallelCopyFlags& flags, LoadOptions& options) {
  if (flags.column_mapping.empty()) {
    return std::nullopt;
  }
  auto map = parse_column_map(flags.column_mapping);
  if (!map) {
    return fmt::format("Error parsing column mapping: {}", map.error().message);
  }
  options.column_map = std::move(*map);
  return std::nullopt;
}

Refusal set_dialect(const ParallelCopyFlags& flags, LoadOptions& options) {
  LegacyCopyOptions given{.delimiter = std::string(delimiter_of(flags))};
  if (!flags.quote.empty()) {
    given.quote = flags.quote;
  }
  if (!flags.escape.empty()) {
    given.escape = flags.escape;
  }
  const auto legacy = parse_legacy_copy_options(flags.copy_options, std::move(given));
  if (!legacy) {
    return fmt::format("Error: -copy-options: {}", legacy.error().message);
  }
  if (const auto applied = apply_legacy_copy_options(*legacy, options); !applied) {
    return fmt::format("Error: {}", applied.error().message);
  }
  options.windows_1252_fallback = !flags.disable_windows_1252_handling && options.encoding.empty();
  return std::nullopt;
}

Refusal set_columns(const ParallelCopyFlags& flags, LoadOptions& options) {
  if (flags.columns.empty()) {
    return std::nullopt;
  }
  auto columns = parse_column_list(flags.columns);
  if (!columns) {
    return option_error(columns.error().message);
  }
  options.columns = std::move(*columns);
  return std::nullopt;
}

void set_plain_options(const ParallelCopyFlags& flags, LoadOptions& options) {
  options.connection.dbname = flags.connection;
  options.table = {.schema = flags.schema, .name = flags.table};
  if (!flags.file.empty()) {
    options.files = {flags.file};
  }
  options.literal_files = true;
  options.extra_mappings = true;
  options.empty_input_copies = false;
  if (flags.auto_column_mapping || !flags.column_mapping.empty()) {
    options.header = Header::match;
  } else if (flags.skip_header) {
    options.header = Header::skip;
  }
  options.skip_lines = static_cast<std::uint64_t>(std::max<std::int64_t>(flags.skip_lines, 0));
  options.limit_records = static_cast<std::uint64_t>(flags.limit);
  options.jobs = static_cast<unsigned>(flags.workers);
  options.batch_bytes = static_cast<std::size_t>(flags.batch_byte_size);
  options.batch_records =
      static_cast<std::uint64_t>(flags.batch_size == 0 ? kDefaultBatchRows : flags.batch_size);
  options.truncate = flags.truncate;
  const auto retry_timeout = std::chrono::nanoseconds(std::max<std::int64_t>(flags.retry_timeout_ns, 0));
  options.retry_timeout = flags.no_retry ? std::chrono::milliseconds(0)
                                         : std::chrono::ceil<std::chrono::milliseconds>(retry_timeout);
  options.max_new_chunks = 0;
  options.progress = ProgressStyle::none;
  options.reporting_period =
      std::chrono::ceil<std::chrono::milliseconds>(std::chrono::nanoseconds(flags.reporting_period_ns));
  options.verbose = flags.verbose;
  options.skip_failed_batches = flags.skip_batch_errors;
  options.import_id = flags.import_id;
  options.any_conflict = flags.on_conflict_do_nothing;
  if (flags.on_conflict_do_nothing) options.on_conflict = OnConflict::nothing;
}

std::vector<std::string> notices_for(const ParallelCopyFlags& flags) {
  std::vector<std::string> notices;
  if (flags.verbose && flags.skip_lines > 0) {
    notices.push_back(fmt::format("Skipping the first {} lines of the input.", flags.skip_lines));
  }
  if (flags.reporting_period_ns > 0) {
    notices.push_back(fmt::format("There will be reports every {}",
                                  format_go_duration(std::chrono::nanoseconds(flags.reporting_period_ns))));
  }
  if (flags.verbose && flags.buffer_byte_size != kDefaultBufferBytes) {
    notices.emplace_back("-buffer-byte-size has no meaning here: rows of any size are read");
  }
  if (flags.verbose && !flags.disable_direct_compress) {
    notices.emplace_back("direct compress is not used: batches are too small for it");
  }
  return notices;
}

// Fills `options`; the order is part of the contract (parallel_copy_cli.hpp).
Refusal fill_options(const ParallelCopyFlags& flags, LoadOptions& options) {
  options.direct_compress = DirectCompress::off;  // its batches are far too small for it
  if (auto refusal = deprecated_flags(flags)) {
    return refusal;
  }
  if (auto refusal = set_column_map(flags, options)) {
    return refusal;
  }
  if (mentions_header(flags.copy_options)) {
    return "Error: 'HEADER' detected in -copy-options. If you were using 'HEADER' with PostgreSQL COPY, use: "
           "-skip-header";
  }
  if (auto refusal = broken_rule(flags)) {
    return refusal;
  }
  if (auto refusal = not_built_yet(flags)) {
    return refusal;
  }
  if (auto refusal = set_dialect(flags, options)) {
    return refusal;
  }
  if (auto refusal = set_columns(flags, options)) {
    return refusal;
  }
  set_plain_options(flags, options);
  for (const Status& status : {validate(options.dialect), validate(options)}) {
    if (!status) {
      return fmt::format("Error: {}", status.error().message);
    }
  }
  return std::nullopt;
}

int exit_code_of(const LoadSummary& summary) {
  switch (exit_code(summary)) {
    case ExitCode::ok:
    case ExitCode::rejected:  // dropped by -skip-batch-errors: 0 is the peer's contract
      return 0;
    case ExitCode::interrupted:
      return 130;
    case ExitCode::terminated:
      return 143;
    case ExitCode::failed:
    case ExitCode::usage:
    case ExitCode::accounting:
      break;
  }
  return 1;
}

}  // namespace

bool is_parallel_copy_name(std::string_view program) {
  return program.substr(program.find_last_of('/') + 1) == kPeerName;
}

std::variant<ParallelCopyCommand, CommandExit> parse_parallel_copy(const ParallelCopyCall& call) {
  const std::string_view program = call.arguments.empty() ? kPeerName : call.arguments.front();
  const auto arguments = call.arguments.subspan(call.arguments.empty() ? 0 : 1);
  GoFlagWords words = normalise_go_flags(arguments, kParallelCopyFlags);
  if (words.ending == GoFlagWords::Ending::help) {
    return CommandExit{.code = 0, .err = go_usage(program, kParallelCopyFlags)};
  }
  if (words.ending == GoFlagWords::Ending::error) {
    return CommandExit{.code = 2,
                       .err = fmt::format("{}\n{}", words.error, go_usage(program, kParallelCopyFlags))};
  }

  const ParallelCopyFlags flags = bind_parallel_copy_flags(std::move(words.words));
  if (flags.version) {
    const std::string text =
        fmt::format("{} {} (hypercopy {}, {})", kPeerName, kPeerVersion, call.version, kPlatform);
    return CommandExit{.code = 0, .err = parallel_copy_log_line(call.now, text)};
  }
  ParallelCopyCommand command;
  if (const auto refusal = fill_options(flags, command.options)) {
    return CommandExit{.code = 1, .err = parallel_copy_log_line(call.now, *refusal)};
  }
  command.verbose = flags.verbose;
  command.log_batches = flags.log_batches && flags.verbose;
  command.reporting_period = command.options.reporting_period;
  command.notices = notices_for(flags);
  return command;
}

std::string parallel_copy_log_line(std::chrono::system_clock::time_point now, std::string_view message) {
  const std::time_t time = std::chrono::system_clock::to_time_t(now);
  return fmt::format("{:%Y/%m/%d %H:%M:%S} {}\n", fmt::localtime(time), message);
}

std::string parallel_copy_tag(std::uint64_t rows, bool verbose, std::chrono::nanoseconds took,
                              unsigned workers) {
  if (!verbose) {
    return fmt::format("COPY {}", rows);
  }
  const double seconds = std::chrono::duration<double>(took).count();
  const double rate = seconds > 0 ? static_cast<double>(rows) / seconds : 0;
  return fmt::format("COPY {}, took {} with {} worker(s) (mean rate {:f}/sec)", rows,
                     format_go_duration(took), workers, rate);
}

std::string parallel_copy_error(const Error& error) {
  if (error.kind != ErrorKind::sql) {
    return fmt::format("failed to copy CSV: {}", to_string(error));
  }
  const bool known = error.location && !error.location->last;
  const std::string row = known ? fmt::format("{}", error.location->at.line - 1) : "-1";
  return fmt::format(
      "failed to copy CSV: continue: false, at row {}, error failed to copy from lines ERROR: {} (SQLSTATE "
      "{})\n{}",
      row, error.message, error.sqlstate, to_string(error));
}

CommandExit parallel_copy_exit(const ParallelCopyCommand& command, const LoadSummary& summary,
                               std::chrono::system_clock::time_point now) {
  CommandExit result{.code = exit_code_of(summary)};
  const LedgerTotals& totals = summary.totals;
  if (totals.skipped.batches > 0) {
    result.err += parallel_copy_log_line(
        now, fmt::format("-skip-batch-errors: {} rows were dropped, in batches that the server refused: {}",
                         totals.skipped.records, totals.skipped.batches));
  }
  if (result.code == 0) {
    result.out = parallel_copy_tag(totals.rows_loaded, command.verbose, summary.elapsed, summary.jobs) + "\n";
    return result;
  }
  if (summary.error) {
    result.err += parallel_copy_log_line(now, parallel_copy_error(*summary.error));
  } else if (exit_code(summary) == ExitCode::accounting) {
    result.err +=
        parallel_copy_log_line(now, "failed to copy CSV: the counts do not add up: a defect in hypercopy");
  }
  result.err += parallel_copy_log_line(now, fmt::format("rows committed: {}", totals.rows_loaded));
  return result;
}

}  // namespace hypercopy
