#include "hypercopy/load_options.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "hypercopy/batch.hpp"
#include "hypercopy/sql_identifier.hpp"

namespace hypercopy {
namespace {

Status usage_if(bool wrong, std::string message, std::string hint) {
  if (!wrong) return {};
  return fail(ErrorKind::usage, std::move(message), std::move(hint));
}

Status check_files(const std::vector<std::string>& files) {
  HYPERCOPY_TRY(usage_if(std::ranges::count(files, "-") > 1, "standard input (-) is named twice",
                         "it can be read only once: name it once"));
  return usage_if(std::ranges::count(files, "") > 0, "a file name is empty",
                  "leave it out, or use - for standard input");
}

// Where the fields' columns come from: at most one of the header, the map and --columns may say it.
Status check_column_source(const LoadOptions& options) {
  const bool listed = !options.columns.empty();
  const bool mapped = !options.column_map.empty();
  HYPERCOPY_TRY(usage_if(listed && mapped, "--columns and --column-map cannot be used together",
                         "--column-map takes the fields from the header; leave one of the two out"));
  HYPERCOPY_TRY(usage_if(listed && options.header == Header::match,
                         "--columns and --header cannot be used together",
                         "--header takes the columns from the file; to name them yourself and pass over the "
                         "header use --columns with --skip-header"));
  HYPERCOPY_TRY(usage_if(mapped && options.header == Header::skip,
                         "--column-map and --skip-header cannot be used together",
                         "--column-map reads the names in the header; leave --skip-header out"));
  return usage_if(mapped && options.header == Header::none, "--column-map needs a header to read names from",
                  "use it with --header");
}

Status check_jobs(const LoadOptions& options) {
  HYPERCOPY_TRY(usage_if(options.jobs > kMaxJobs,
                         fmt::format("-j {} is more than {} jobs", options.jobs, kMaxJobs),
                         "each job is one connection; about one per core of the server is fastest"));
  return usage_if(options.single_transaction && options.jobs > 1,
                  fmt::format("-j {} and --single-transaction cannot be used together", options.jobs),
                  "one transaction is one connection; use -j 1 or leave -j out");
}

Status check_batches(const LoadOptions& options) {
  return usage_if(
      options.batch_bytes != 0 && options.batch_bytes < kMinBatchBytes,
      fmt::format("a batch of {} bytes is too small", options.batch_bytes),
      fmt::format("use at least {}; from 1 MB on the server's time per row is flat", kMinBatchBytes));
}

// What goes on behind a failed batch needs the batch's transaction to be its own.
Status check_failed_batches(const LoadOptions& options) {
  HYPERCOPY_TRY(usage_if(options.single_transaction && options.skip_failed_batches,
                         "failed batches cannot be skipped in a single transaction",
                         "leave --single-transaction out, or let the first error stop the load"));
  return usage_if(options.single_transaction && options.windows_1252_fallback,
                  "a batch cannot be sent again as WIN1252 in a single transaction",
                  "leave --single-transaction out, or state the encoding of the input");
}

Status check_rejects(const LoadOptions& options) {
  if (options.on_error == OnError::stop) {
    constexpr const char* kHint =
        "use it with --on-error reject; without, the first bad record ends the load";
    HYPERCOPY_TRY(usage_if(!options.reject_file.empty(), "--reject-file needs --on-error reject", kHint));
    return usage_if(options.max_rejects.is_set(), "--max-rejects needs --on-error reject", kHint);
  }
  HYPERCOPY_TRY(usage_if(options.single_transaction,
                         "--on-error reject and --single-transaction exclude each other",
                         "what is all or nothing has no rejects: leave one of the two out"));
  HYPERCOPY_TRY(usage_if(options.wire == Wire::binary,
                         "--on-error reject and --wire binary exclude each other",
                         "whether a value is bad is the server's CSV reader to say; leave --wire out"));
  return usage_if(options.reject_file == "-", "--reject-file - is refused: standard output is for the result",
                  "rejected records must be on disk before their batch is committed: name a file");
}

Status check_wire(const LoadOptions& options) {
  if (options.wire != Wire::binary) return {};
  HYPERCOPY_TRY(usage_if(options.dialect.format != Format::csv, "--wire binary is for --format csv",
                         "leave --wire out: COPY text is sent as it is"));
  return usage_if(options.single_transaction, "--wire binary and --single-transaction exclude each other",
                  "a single COPY per input is sent as it is");
}

Status check_import(const LoadOptions& options) {
  if (options.import_id.empty()) {
    return usage_if(options.async_commit || options.resume_into_empty,
                    options.async_commit
                        ? "--async-commit is only for loads with an import id: without it a crash loses rows"
                        : "--resume-into-empty is about an import, and none is named",
                    "name the import with --import-id");
  }
  HYPERCOPY_TRY(usage_if(options.single_transaction, "a single transaction has nothing to resume",
                         "leave out --single-transaction or --import-id"));
  return usage_if(options.skip_failed_batches, "an import cannot be complete without the batches that failed",
                  "leave out the skipping of failed batches, or the import id");
}

Status check_atomic(const LoadOptions& options) {
  if (!options.atomic) return {};
  HYPERCOPY_TRY(usage_if(options.single_transaction, "--atomic and --single-transaction exclude each other",
                         "both are all or nothing: --atomic with several workers and twice the disk space, "
                         "--single-transaction with one worker"));
  return usage_if(options.on_conflict != OnConflict::error, "--atomic and --on-conflict exclude each other",
                  "--single-transaction with --on-conflict is all or nothing, too");
}

Status check_deferral(const LoadOptions& options) {
  if (!options.defer_indexes) {
    return usage_if(options.defer_constraints, "--defer-constraints needs --defer-indexes",
                    "it says which indexes are left out while loading: use both");
  }
  HYPERCOPY_TRY(usage_if(options.on_conflict != OnConflict::error,
                         "--defer-indexes and --on-conflict exclude each other",
                         "conflicts are found by an index: leave one of the two out"));
  HYPERCOPY_TRY(
      usage_if(options.single_transaction, "--defer-indexes and --single-transaction exclude each other",
               "indexes are dropped in a transaction before the load and built behind it: leave one "
               "of the two out"));
  HYPERCOPY_TRY(
      usage_if(options.atomic, "--defer-indexes and --atomic exclude each other",
               "a load that is all or nothing does not leave a table without its indexes: leave one "
               "of the two out"));
  return usage_if(
      options.defer_constraints && options.on_error == OnError::reject,
      "--defer-constraints and --on-error reject exclude each other",
      "a duplicate is only found when all is loaded, and then no record of its own: leave one of the "
      "two out");
}

// Each of these needs the hypertable itself to see every batch.
Status check_building(const LoadOptions& options) {
  if (!options.build_chunks) return {};
  struct Clash {
    bool given;
    const char* option;
    const char* hint;
  };
  const Clash clashes[] = {
      {options.single_transaction, "--single-transaction",
       "chunks are handed over one by one, each in a transaction of its own: leave one of the two out"},
      {options.atomic, "--atomic",
       "chunks are handed over one by one, each in a transaction of its own: leave one of the two out"},
      {options.on_conflict != OnConflict::error, "--on-conflict",
       "a chunk that is built aside is new, its rows meet none of the table's: leave one of the two out"},
      {options.on_error == OnError::reject, "--on-error reject",
       "bad records are looked for in the table itself: leave one of the two out"},
      {options.direct_compress == DirectCompress::on, "--direct-compress on",
       "the server compresses only what comes through the hypertable: leave one of the two out, and compress "
       "the chunks with --after compress"},
      {options.defer_indexes, "--defer-indexes",
       "the indexes of a chunk that is built aside are built behind its rows anyway: leave one of the two "
       "out"},
      {options.wire == Wire::csv, "--wire csv", "records are told apart by chunk when they are encoded"},
      {!options.where.empty(), "WHERE", "filter the input before it is loaded"},
      {options.skip_failed_batches, "the skipping of failed batches", "leave one of the two out"}};
  for (const Clash& clash : clashes) {
    HYPERCOPY_TRY(usage_if(
        clash.given, fmt::format("--build-chunks on and {} exclude each other", clash.option), clash.hint));
  }
  return usage_if(options.dialect.format != Format::csv, "--build-chunks on is for --format csv",
                  "records are told apart by chunk when they are encoded");
}

Status check_conflicts(const LoadOptions& options) {
  return usage_if(options.on_conflict == OnConflict::error && !options.conflict_key.empty(),
                  "--conflict-key needs --on-conflict", "add --on-conflict nothing or --on-conflict update");
}

}  // namespace

Result<TableName> parse_table_name(std::string_view text) {
  HYPERCOPY_ASSIGN(std::vector<std::string> parts, parse_identifiers("table name", text, '.'));
  if (parts.size() == 1) return TableName{.schema = {}, .name = std::move(parts[0])};
  if (parts.size() == 2) return TableName{.schema = std::move(parts[0]), .name = std::move(parts[1])};
  return fail(ErrorKind::usage, fmt::format("table name '{}' has {} parts", text, parts.size()),
              "write TABLE or SCHEMA.TABLE; a period that is part of a name must stand in double quotes, and "
              "the database is named by -d");
}

std::string_view to_string(Wire wire) {
  switch (wire) {
    case Wire::automatic:
      return "auto";
    case Wire::binary:
      return "binary";
    case Wire::csv:
      return "csv";
  }
  return "?";
}

std::string_view to_string(DirectCompress wanted) {
  switch (wanted) {
    case DirectCompress::automatic:
      return "auto";
    case DirectCompress::on:
      return "on";
    case DirectCompress::off:
      return "off";
  }
  return "?";
}

std::string_view to_string(OnConflict action) {
  switch (action) {
    case OnConflict::error:
      return "error";
    case OnConflict::nothing:
      return "nothing";
    case OnConflict::update:
      return "update";
  }
  return "?";
}

Status validate(const LoadOptions& options) {
  HYPERCOPY_TRY(usage_if(options.table.name.empty(), "no table to load into is named", "name it with -t"));
  HYPERCOPY_TRY(validate(options.dialect));
  HYPERCOPY_TRY(check_files(options.files));
  HYPERCOPY_TRY(check_column_source(options));
  HYPERCOPY_TRY(check_jobs(options));
  HYPERCOPY_TRY(check_batches(options));
  HYPERCOPY_TRY(check_failed_batches(options));
  HYPERCOPY_TRY(check_rejects(options));
  HYPERCOPY_TRY(check_wire(options));
  HYPERCOPY_TRY(check_import(options));
  HYPERCOPY_TRY(check_conflicts(options));
  HYPERCOPY_TRY(check_atomic(options));
  HYPERCOPY_TRY(check_deferral(options));
  HYPERCOPY_TRY(check_building(options));
  HYPERCOPY_TRY(usage_if(options.batch_bytes > kMaxRecordBytes, "a batch of more than 1 GB is no batch",
                         "leave --batch-bytes out: it is chosen"));
  return usage_if(options.reporting_period < std::chrono::milliseconds::zero(),
                  "the reporting period is negative", "use a time of zero or more");
}

}  // namespace hypercopy
