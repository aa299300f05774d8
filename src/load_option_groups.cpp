#include "load_option_groups.hpp"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <map>
#include <string>

#include "hypercopy/batch.hpp"
#include "hypercopy/column_mapping.hpp"

namespace hypercopy {

namespace {

const std::map<std::string, ProgressStyle> kProgressStyles{{"auto", ProgressStyle::automatic},
                                                           {"bar", ProgressStyle::bar},
                                                           {"plain", ProgressStyle::plain},
                                                           {"json", ProgressStyle::json},
                                                           {"none", ProgressStyle::none}};

// CLI11 reads "-4MB" as a very large number.
std::string refuse_minus(const std::string& word) {
  return word.starts_with('-') ? "a size is not negative" : std::string();
}

}  // namespace

void add_connection_options(CLI::App& app, LoadWords& words) {
  constexpr const char* kGroup = kConnectionGroup;
  ConnectionOptions& connection = words.options.connection;
  app.add_option("-d,--dbname", connection.dbname, "database name, connection string or URI")->group(kGroup);
  app.add_option("-h,--host", connection.host, "server host or socket directory")->group(kGroup);
  app.add_option("-p,--port", connection.port, "server port")->group(kGroup);
  app.add_option("-U,--username", connection.user, "user name")->group(kGroup);
  app.add_flag("-w,--no-password", words.no_password, "never ask for a password")->group(kGroup);
  app.add_flag("-W,--password", words.ask_password, "ask for a password at once")->group(kGroup);
}

void add_input_options(CLI::App& app, LoadWords& words) {
  constexpr const char* kGroup = kInputGroup;
  app.add_option("--format", words.format, "csv or text, as for COPY (default csv)")
      ->check(CLI::IsMember({"csv", "text"}))
      ->type_name("FORMAT")
      ->group(kGroup);
  app.add_option("--delimiter", words.delimiter, "one byte; \\t and \\xHH are understood (default , or tab)")
      ->type_name("BYTE")
      ->group(kGroup);
  app.add_option("--quote", words.quote, "one byte (default \")")->type_name("BYTE")->group(kGroup);
  app.add_option("--escape", words.escape, "one byte (default: the quote)")->type_name("BYTE")->group(kGroup);
  app.add_option("--null", words.null_marker, "the spelling of NULL (default: empty, unquoted; text: \\N)")
      ->group(kGroup);
  app.add_option("--force-null", words.force_null, "columns in which a quoted NULL spelling is NULL too")
      ->type_name("A,B")
      ->group(kGroup);
  app.add_option("--force-not-null", words.force_not_null, "columns in which the NULL spelling is a value")
      ->type_name("A,B")
      ->group(kGroup);
  app.add_option("--encoding", words.options.encoding, "the input's encoding (default: client_encoding)")
      ->group(kGroup);
  app.add_option("--skip-lines", words.options.skip_lines,
                 "physical lines to leave out at the start of each file")
      ->check(CLI::NonNegativeNumber)  // else CLI11 takes -1 for the greatest number
      ->type_name("N")
      ->group(kGroup);
  app.add_option("--limit", words.options.limit_records, "load at most N records")
      ->check(CLI::NonNegativeNumber)
      ->type_name("N")
      ->group(kGroup);
  app.add_flag("--keep-bom", words.options.keep_bom, "a UTF-8 byte order mark is data, as it is for COPY")
      ->group(kGroup);
}

void add_column_options(CLI::App& app, LoadWords& words) {
  constexpr const char* kGroup = kColumnGroup;
  app.add_flag("--header", words.header, "the first record of each file names its columns")->group(kGroup);
  app.add_flag("--skip-header", words.skip_header, "the first record of each file is left out")
      ->group(kGroup);
  app.add_option("--columns", words.columns, "the table's columns in the order of the fields")
      ->type_name("A,B")
      ->group(kGroup);
  app.add_option("--column-map", words.column_map, "header names to columns: csv:db,... or a JSON object")
      ->type_name("MAP")
      ->group(kGroup);
}

void add_load_options(CLI::App& app, LoadWords& words) {
  constexpr const char* kGroup = "Loading";
  app.add_option("-t,--table", words.table, "the table to load into")
      ->type_name("[SCHEMA.]TABLE")
      ->required()
      ->group(kGroup);
  app.add_option("-j,--jobs", words.options.jobs,
                 "workers, each with a connection (default: one per core, at most 8)")
      ->check(CLI::Range(1U, kMaxJobs))
      ->type_name("N")
      ->group(kGroup);
  app.add_option("--batch-bytes", words.options.batch_bytes,
                 "most bytes of a transaction (default 4MB); 512KB, 4MB, 1GB")
      ->check(CLI::Validator(refuse_minus, ""))
      ->transform(CLI::AsSizeValue(false))
      ->type_name("SIZE")
      ->group(kGroup);
  app.add_option("--batch-rows", words.options.batch_records,
                 "most records of a transaction (default: bytes decide)")
      ->check(CLI::NonNegativeNumber)
      ->type_name("N")
      ->group(kGroup);
  app.add_option(
         "--wire", words.wire,
         "auto: what can be encoded exactly as COPY BINARY, the rest as CSV; binary: nothing else; csv")
      ->check(CLI::IsMember({"auto", "binary", "csv"}))
      ->option_text("WIRE")
      ->group(kGroup);
  app.add_option(
         "--order-by-time", words.order_by_time,
         "auto: by time within each batch, for hypertables, and across batches where a sample says that it "
         "pays; on (or no word): across batches; off: as they come")
      ->expected(0, 1)
      ->check(CLI::IsMember({"auto", "off", "on"}))
      ->option_text("[ORDER]")
      ->group(kGroup);
  app.add_option("--order-memory", words.options.order_memory,
                 "memory for records that are regrouped by time (default 256MB)")
      ->check(CLI::Validator(refuse_minus, ""))
      ->transform(CLI::AsSizeValue(false))
      ->type_name("SIZE")
      ->group(kGroup);
  app.add_flag("--pause-jobs", words.options.pause_jobs,
               "hold back the hypertable's compression, retention and reorder jobs while it is loaded")
      ->group(kGroup);
  app.add_option("--direct-compress", words.direct_compress,
                 "TimescaleDB compresses rows as they arrive: auto: where it can and batches are large "
                 "enough; on; off")
      ->check(CLI::IsMember({"auto", "on", "off"}))
      ->option_text("WHEN")
      ->group(kGroup);
  app.add_option("--build-chunks", words.build_chunks,
                 "on: fill the chunks that a hypertable does not have yet as tables of their own, index them "
                 "at the end and hand them over; off")
      ->check(CLI::IsMember({"off", "on"}))
      ->option_text("WHEN")
      ->group(kGroup);
  app.add_option(
         "--after", words.after,
         "when all is loaded: compress (the chunks that are not, or not fully), analyze, refresh (the "
         "continuous aggregates, over the loaded times)")
      ->type_name("A,B")
      ->group(kGroup);
  app.add_option("--max-new-chunks", words.options.max_new_chunks,
                 "stop before a hypertable gets more new chunks than that (default 10000; 0: no limit)")
      ->check(CLI::NonNegativeNumber)  // else CLI11 takes -1 for the greatest number
      ->type_name("N")
      ->group(kGroup);
  app.add_flag("--truncate", words.options.truncate,
               "empty the table first, when the input and columns were found to fit")
      ->group(kGroup);
  app.add_option("--on-conflict", words.on_conflict,
                 "where a row has the key of a record: error, nothing (it stays), update (default error)")
      ->check(CLI::IsMember({"error", "nothing", "update"}))
      ->option_text("ACTION")
      ->group(kGroup);
  app.add_option("--conflict-key", words.conflict_key,
                 "the columns of a unique index (default: the primary key, or the only unique index)")
      ->type_name("A,B")
      ->group(kGroup);
  app.add_flag("--defer-indexes", words.defer_indexes,
               "drop secondary indexes first and rebuild them at the end; force: of a large table too")
      ->check(CLI::IsMember({"true", "false", "force"}))
      ->option_text("[=force]")
      ->group(kGroup);
  app.add_flag("--defer-constraints", words.options.defer_constraints,
               "with --defer-indexes: primary keys and unique indexes too; the data is checked afterwards")
      ->group(kGroup);
  app.add_option(
         "--retry-timeout", words.retry_seconds,
         "how long to try again after a lost connection, deadlock or full disk (default 300; 0: never)")
      ->check(CLI::Range(0.0, 1e6))
      ->type_name("SECONDS")
      ->group(kGroup);
  app.add_flag("--single-transaction,-1", words.options.single_transaction,
               "all or nothing: one worker, one transaction")
      ->group(kGroup);
  app.add_flag("--atomic", words.options.atomic,
               "all or nothing with all workers: they fill a staging table, one INSERT takes it over")
      ->group(kGroup);
}

void add_import_options(CLI::App& app, LoadWords& words) {
  constexpr const char* kGroup = "Resuming";
  app.add_option(
         "--import-id", words.options.import_id,
         "keep a ledger of this load on the server: the same command goes on after anything that ended it")
      ->type_name("ID")
      ->group(kGroup);
  app.add_flag("--async-commit", words.options.async_commit,
               "with an import id: wait for the disk once at the end, not in each transaction")
      ->group(kGroup);
  app.add_flag("--resume-into-empty", words.options.resume_into_empty,
               "go on with an import though its table was emptied")
      ->group(kGroup);
}

void add_reject_options(CLI::App& app, LoadWords& words) {
  constexpr const char* kGroup = "Bad rows (those that the server refuses)";
  app.add_option("--on-error", words.on_error,
                 "stop at the first; reject: keep them in a file, load the others (default stop)")
      ->check(CLI::IsMember({"stop", "reject"}))
      ->option_text("ACTION")
      ->group(kGroup);
  app.add_option("--reject-file", words.options.reject_file,
                 "where they go; of several inputs a folder (default FILE.rejects beside each input)")
      ->type_name("PATH")
      ->group(kGroup);
  app.add_option("--max-rejects", words.max_rejects,
                 "stop when there are more, or a greater share (default: no limit)")
      ->option_text("N|N%")
      ->group(kGroup);
}

void add_output_options(CLI::App& app, LoadWords& words) {
  constexpr const char* kGroup = "Output";
  app.add_option("--progress", words.options.progress,
                 "auto, bar, plain, json or none, on stderr (default auto)")
      ->transform(CLI::CheckedTransformer(kProgressStyles, CLI::ignore_case))
      ->option_text("STYLE")
      ->group(kGroup);
  app.add_option("--reporting-period", words.reporting_seconds, "seconds between progress lines (default 10)")
      ->check(CLI::PositiveNumber)
      ->type_name("SECONDS")
      ->group(kGroup);
  app.add_option("--report", words.options.report_file, "write the result as JSON to this file")
      ->type_name("FILE")
      ->group(kGroup);
  app.add_flag("-v,--verbose", words.options.verbose, "say more")->group(kGroup);
}

namespace {

Status read_dialect(const LoadWords& words, Dialect& dialect) {
  dialect = default_dialect(words.format == "text" ? Format::text : Format::csv);
  if (!words.delimiter.empty()) {
    HYPERCOPY_ASSIGN(dialect.delimiter, parse_single_byte("--delimiter", words.delimiter));
  }
  if (dialect.format == Format::text && (!words.quote.empty() || !words.escape.empty())) {
    return fail(ErrorKind::usage, "--quote and --escape are for --format csv only");
  }
  if (!words.quote.empty()) {
    HYPERCOPY_ASSIGN(dialect.quote, parse_single_byte("--quote", words.quote));
    dialect.escape = dialect.quote;
  }
  if (!words.escape.empty()) {
    HYPERCOPY_ASSIGN(dialect.escape, parse_single_byte("--escape", words.escape));
  }
  if (words.null_marker) dialect.null_marker = *words.null_marker;
  if (!words.force_null.empty()) {
    HYPERCOPY_ASSIGN(dialect.force_null, parse_column_list(words.force_null));
  }
  if (!words.force_not_null.empty()) {
    HYPERCOPY_ASSIGN(dialect.force_not_null, parse_column_list(words.force_not_null));
  }
  return validate(dialect);
}

Status read_columns(const LoadWords& words, LoadOptions& options) {
  if (words.header && words.skip_header) {
    return fail(
        ErrorKind::usage,
        "--header and --skip-header exclude each other: the first record either names columns or not");
  }
  if (words.skip_header) options.header = Header::skip;
  if (words.header) options.header = Header::match;
  if (!words.columns.empty()) {
    HYPERCOPY_ASSIGN(options.columns, parse_column_list(words.columns));
  }
  if (words.column_map.empty()) return {};
  if (words.skip_header)
    return fail(ErrorKind::usage, "--column-map needs the header that --skip-header leaves out");
  HYPERCOPY_ASSIGN(options.column_map, parse_column_map(words.column_map));
  options.header = Header::match;
  return {};
}

Status read_after(const std::string& text, AfterLoad& after) {
  if (text.empty()) return {};
  HYPERCOPY_ASSIGN(const std::vector<std::string> actions, parse_column_list(text));
  for (const auto& action : actions) {
    if (action == "compress") {
      after.compress = true;
    } else if (action == "analyze") {
      after.analyze = true;
    } else if (action == "refresh") {
      after.refresh = true;
    } else {
      return fail(ErrorKind::usage,
                  fmt::format("--after knows compress, analyze and refresh, not {}", action));
    }
  }
  return {};
}

}  // namespace

Result<LoadOptions> read_load_options(LoadWords& words) {
  LoadOptions& options = words.options;
  HYPERCOPY_ASSIGN(options.table, parse_table_name(words.table));
  HYPERCOPY_TRY(read_dialect(words, options.dialect));
  HYPERCOPY_TRY(read_columns(words, options));
  if (words.wire != "auto") options.wire = words.wire == "csv" ? Wire::csv : Wire::binary;
  if (words.direct_compress != "auto")
    options.direct_compress = words.direct_compress == "on" ? DirectCompress::on : DirectCompress::off;
  HYPERCOPY_TRY(read_after(words.after, options.after));
  options.build_chunks = words.build_chunks == "on";
  if (words.order_by_time != "auto")
    options.order_by_time = words.order_by_time == "off" ? OrderByTime::off : OrderByTime::on;
  options.defer_indexes = words.defer_indexes != "false";
  options.force_deferral = words.defer_indexes == "force";
  if (words.on_error == "reject") options.on_error = OnError::reject;
  if (words.max_rejects) {
    HYPERCOPY_ASSIGN(options.max_rejects, parse_reject_limit(*words.max_rejects));
  }
  if (words.on_conflict != "error")
    options.on_conflict = words.on_conflict == "update" ? OnConflict::update : OnConflict::nothing;
  if (!words.conflict_key.empty()) {
    HYPERCOPY_ASSIGN(options.conflict_key, parse_column_list(words.conflict_key));
  }
  using Password = ConnectionOptions::Password;
  if (words.no_password) options.connection.password = Password::never;
  if (words.ask_password) options.connection.password = Password::always;
  const auto milliseconds = [](double seconds) {
    return std::chrono::milliseconds(static_cast<std::int64_t>(seconds * 1000));
  };
  options.reporting_period = milliseconds(words.reporting_seconds);
  options.retry_timeout = milliseconds(words.retry_seconds);
  HYPERCOPY_TRY(validate(options));
  return options;
}

}  // namespace hypercopy
