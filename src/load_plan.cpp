#include "load_plan.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "aggregate_refresh.hpp"
#include "batch_plan.hpp"
#include "hypercopy/reject_files.hpp"
#include "load_chunks.hpp"
#include "typed_text.hpp"
#include "window_plan.hpp"

namespace hypercopy {

namespace {

constexpr int kFirstVersionWithPlainMarker = 180000;
constexpr int kOldestVersion = 130000;
// Reading a prologue needs little; a record longer than this makes its buffer grow.
constexpr std::size_t kProbeBytes = std::size_t{64} << 10;

// Opens each regular file once, so that a missing one is found before the first row of another is sent, and
// sums sizes.
Result<std::optional<std::uint64_t>> total_size(const std::vector<std::string>& files,
                                                const Cancellation& cancellation) {
  std::optional<std::uint64_t> total = 0;
  for (const auto& file : files) {
    if (file != "-" &&
        is_fifo(file)) {  // opening it would wait for its writer, and take it from the real reader
      total.reset();
      continue;
    }
    HYPERCOPY_ASSIGN(const auto source, open_source(file, cancellation));
    total = total && source->size() ? std::optional(*total + *source->size()) : std::nullopt;
  }
  return total;
}

// A WHERE of the user's must be one expression and nothing behind it: the extended protocol takes one
// statement only.
Status check_where(Connection& connection, const TargetTable& table, const std::string& where) {
  if (where.empty()) return {};
  if (table.kind == TableKind::hypertable) {
    return fail(
        ErrorKind::usage,
        "COPY ... WHERE is not used on a hypertable: after a DROP COLUMN TimescaleDB keeps the wrong rows",
        "Filter the input before it is loaded.");
  }
  const std::string sql =
      fmt::format("SELECT FROM {}.{} WHERE ({}\n) LIMIT 0", connection.quote_identifier(table.schema),
                  connection.quote_identifier(table.name), where);
  HYPERCOPY_TRY(connection.execute(sql, {}));
  return {};
}

void note_differences_from_one_copy(LoadPlan& plan) {
  const TargetTable& table = plan.table;
  if (plan.staging) return;  // the table sees one INSERT
  if (!table.self_references.empty() && !plan.single_transaction) {
    plan.single_transaction = true;
    plan.notices.push_back(
        fmt::format("the foreign key {} refers to the table itself, so a record may need one of a later "
                    "batch: everything is loaded "
                    "by one worker in one transaction",
                    fmt::join(table.self_references, ", ")));
  }
  if (plan.single_transaction) {
    plan.jobs = 1;
    plan.wire = Wire::csv;  // one COPY per input, so no batch of it could be given up
  }
  if (table.has_statement_triggers && !plan.single_transaction) {
    plan.notices.emplace_back(
        "the table has statement triggers: they fire once per batch, not once per load");
  }
}

// Conflicts are settled where a table can have them. The drop-in asks for that whatever the target is.
Status plan_merge(LoadPlan& plan, Connection& connection) {
  const LoadOptions& options = plan.options;
  if (options.on_conflict == OnConflict::error) return {};
  const bool holds_rows = plan.table.kind != TableKind::view && plan.table.kind != TableKind::foreign;
  if (options.any_conflict && !holds_rows) return {};
  HYPERCOPY_ASSIGN(ConflictRule rule, find_conflict_rule(connection, plan.table, options));
  if (plan.jobs > 1) {
    plan.notices.push_back(
        fmt::format("--on-conflict {}: of records with one key in different batches any may be the {} one "
                    "with {} workers (-j 1 "
                    "goes by the order of the input)",
                    to_string(rule.action), rule.action == OnConflict::update ? "last" : "first", plan.jobs));
  }
  rule.in_file_order = plan.jobs == 1;
  plan.merge.emplace(connection, plan.table, std::move(rule), *plan.statement);
  return {};
}

// The staging table has another name than the target, and the columns that are loaded: before the first row, not with
// the first conflict.
Status try_where_on_staging(const LoadPlan& plan, const MergeSql& sql, Connection& connection) {
  if (plan.options.where.empty()) return {};
  auto tried = connection.execute(
      fmt::format("SELECT FROM pg_temp.{} WHERE ({}\n) LIMIT 0", sql.staging, plan.options.where), {});
  if (tried) return {};
  return fail(
      Error{.kind = ErrorKind::usage,
            .message = "the WHERE of the copy options does not fit what is loaded: " + tried.error().message,
            .hint = "Where conflicts are settled, it may name only columns that are loaded, without the "
                    "table's name. Filter the input, or load that column too."});
}

// Whether the server takes the merge at all: rights, temporary tables, the key.
Status try_merge(const LoadPlan& plan, const ColumnMapping& mapping, Connection& connection) {
  if (!plan.merge || mapping.columns.empty()) return {};
  HYPERCOPY_ASSIGN(const MergeSql sql, plan.merge->for_columns(mapping.columns));
  HYPERCOPY_TRY(connection.execute(fmt::format("BEGIN; {}", sql.create)));
  HYPERCOPY_TRY(connection.execute(sql.explain));
  HYPERCOPY_TRY(try_where_on_staging(plan, sql, connection));
  HYPERCOPY_TRY(connection.execute("ROLLBACK"));
  return {};
}

void note_sequences(LoadPlan& plan, const ColumnMapping& mapping) {
  if (plan.jobs == 1) return;
  for (const auto& column : plan.table.columns) {
    const bool given =
        std::find(mapping.columns.begin(), mapping.columns.end(), column.name) != mapping.columns.end();
    if (!column.has_sequence_default || given) continue;
    plan.notices.push_back(
        fmt::format("column {} takes its values from a sequence: with {} workers they do not follow the "
                    "order of the input (-j 1 does)",
                    column.name, plan.jobs));
  }
}

Status expect_buildable(const LoadPlan& plan, const InputFile& file, const std::string& why_not_encoded) {
  return explain_to_import(check_building_input(plan.time_order, plan.table, file, why_not_encoded),
                           plan.options.import_id);
}

// A table with a column that has no encoder, or input in COPY text format, goes as it is.
Status choose_encoding(const LoadPlan& plan, InputFile& file, std::vector<std::string>& verbose_notices) {
  EncodingDecision decision =
      make_encoding_plan(plan.options.dialect, file.mapping, plan.table,
                         EncoderSettings{.utc = plan.session.time_zone_is_utc,
                                         .array_nulls = plan.session.array_nulls,
                                         .server_version = plan.session.server_version});
  if (!decision.plan) {
    if (plan.wire == Wire::binary) {
      return fail(ErrorKind::usage, fmt::format("--wire binary is not possible: {}", decision.reason),
                  "--wire auto sends such a table as CSV.");
    }
    verbose_notices.push_back(fmt::format("sent as CSV: {}", decision.reason));
    return plan.building ? expect_buildable(plan, file, decision.reason) : Status{};
  }
  file.encoding = std::move(decision.plan);
  file.binary_sql = plan.statement->binary_for_columns(file.mapping.columns);
  if (plan.building) HYPERCOPY_TRY(expect_buildable(plan, file, {}));
  if (plan.options.order_by_time == OrderByTime::off) return {};
  OrderDecision order = order_of(plan.time_order, plan.table, file.mapping);
  file.time_key = order.key;
  if (!order.reason.empty())
    verbose_notices.push_back(fmt::format("records are not sorted by time: {}", order.reason));
  return {};
}

// The records of one COPY may refer to each other whatever their order; those of several transactions cannot, so that a
// good one would be rejected for coming too early.
Status plan_rejects(LoadPlan& plan) {
  if (plan.options.on_error == OnError::stop) return {};
  if (!plan.table.self_references.empty() && !plan.staging) {
    return fail(
        ErrorKind::usage,
        fmt::format("--on-error reject is not possible: the foreign key {} refers to the table itself, so "
                    "a good record may need one of a later batch",
                    fmt::join(plan.table.self_references, ", ")),
        "Drop the foreign key, load, correct and load the rejects, and add it again.");
  }
  HYPERCOPY_ASSIGN(plan.reject_files, plan_reject_files(plan.options.reject_file, plan.files));
  // Those of an import are written anew by each of its runs.
  return plan.options.import_id.empty() ? refuse_used_reject_files(plan.reject_files) : Status{};
}

Status check_server(const Connection& connection) {
  if (connection.server_version() >= kOldestVersion) return {};
  return fail(ErrorKind::usage, fmt::format("the server is PostgreSQL {}; hypercopy needs 13 or newer",
                                            connection.parameter("server_version")));
}

// Workers copy into the staging table. Keys and foreign keys are looked at when all is inserted, in one statement: so
// records may refer to each other in any order.
Status plan_staging(LoadPlan& plan, Connection& connection, const std::string& run_id) {
  if (!plan.options.atomic) return {};
  HYPERCOPY_ASSIGN(plan.staging, AtomicStaging::plan(connection, plan.table, plan.options, run_id));
  plan.statement = plan.statement->into(plan.staging->relation());
  return {};
}

// The server compresses only what comes through the hypertable.
Status plan_building(LoadPlan& plan, Connection& connection) {
  if (!plan.options.build_chunks) return {};
  auto building = plan_chunk_building(
      connection, {.table = plan.table, .hypertable = plan.hypertable, .facts = plan.facts});
  if (!building) return explain_to_import(fail(std::move(building).error()), plan.options.import_id);
  plan.building = std::move(*building);
  plan.options.direct_compress = DirectCompress::off;
  if (!plan.building->warning.empty()) plan.notices.push_back("warning: " + plan.building->warning);
  return {};
}

Status expect_columns(LoadPlan& plan, const ColumnMapping& mapping, const std::string& input) {
  return plan.staging ? plan.staging->expect(mapping.columns, input) : Status{};
}

// Headers of all regular files are matched now; pipes and a load without header have nothing to match early.
Status check_headers(LoadPlan& plan, Connection& connection, const Cancellation& cancellation) {
  if (plan.options.header != Header::match) {
    HYPERCOPY_ASSIGN(const ColumnMapping mapping, map_columns(plan.options, plan.table, std::nullopt));
    note_sequences(plan, mapping);
    HYPERCOPY_TRY(expect_columns(plan, mapping, "the input"));
    HYPERCOPY_TRY(try_merge(plan, mapping, connection));
    plan.first_copy_sql = plan.statement->for_columns(mapping.columns);
    return {};
  }
  BatchPool pool(1, kProbeBytes);
  TimeShares unused;
  bool noted = false;
  for (std::size_t index = 0; index < plan.files.size(); ++index) {
    if (plan.files[index] == "-" || is_fifo(plan.files[index])) continue;
    HYPERCOPY_ASSIGN(const OpenedInput input,
                     open_input(plan, index, BatchLimits{}, pool, unused, cancellation));
    HYPERCOPY_TRY(expect_columns(plan, input.file->mapping, plan.files[index]));
    if (!noted) note_sequences(plan, input.file->mapping);
    if (!noted) HYPERCOPY_TRY(try_merge(plan, input.file->mapping, connection));
    if (!noted) plan.first_copy_sql = input.file->copy_sql;
    noted = true;
  }
  return {};
}

}  // namespace

Result<PlannedLoad> make_plan(const LoadOptions& options, Connector& connector,
                              const std::string& application_name, const std::string& run_id,
                              const Cancellation& cancellation, const TableStep& at_table) {
  HYPERCOPY_TRY(validate(options));
  LoadPlan plan{.options = options};
  HYPERCOPY_ASSIGN(plan.kernel, choose_kernel());
  HYPERCOPY_ASSIGN(plan.files,
                   options.literal_files ? literal_files(options.files) : expand_files(options.files));
  HYPERCOPY_ASSIGN(plan.bytes_total, total_size(plan.files, cancellation));
  plan.jobs = options.jobs == 0 ? default_jobs() : options.jobs;
  plan.single_transaction = options.single_transaction;
  plan.wire = options.wire;

  HYPERCOPY_ASSIGN(Connection connection, connector.connect(application_name, {cancellation}));
  HYPERCOPY_TRY(check_server(connection));
  plan.server_version = connection.parameter("server_version");
  if (!options.encoding.empty()) HYPERCOPY_TRY(transcode_typed_text(connection, plan.options));
  HYPERCOPY_ASSIGN(plan.session, read_session(connection, options.encoding));
  HYPERCOPY_TRY(pin_session(connection, plan.session));
  HYPERCOPY_ASSIGN(plan.table, describe_table(connection, plan.options.table));
  HYPERCOPY_TRY(check_where(connection, plan.table, plan.options.where));
  if (at_table) HYPERCOPY_TRY(at_table(plan, connection));
  plan.split = SplitOptions{.format = options.dialect.format,
                            .quote = options.dialect.quote,
                            .escape = options.dialect.escape,
                            .before_v18 = connection.server_version() < kFirstVersionWithPlainMarker};
  plan.statement.emplace(connection, plan.table, plan.options.dialect, plan.options.where);
  HYPERCOPY_TRY(plan_staging(plan, connection, run_id));
  note_differences_from_one_copy(plan);
  if (plan.table.kind == TableKind::hypertable) {
    HYPERCOPY_ASSIGN(plan.hypertable, read_hypertable(connection, plan.table));
    HYPERCOPY_ASSIGN(plan.facts, read_table_facts(connection, plan.table));
  }
  HYPERCOPY_TRY(check_after(plan, connection));
  if (loads_unnoted(plan)) {
    plan.notices.emplace_back(
        "the table's triggers make COPY insert row by row, which TimescaleDB does not note for continuous "
        "aggregates: what is loaded below their watermark needs a forced refresh");
  }
  if (options.after.refresh) plan.loaded_times = std::make_shared<LoadedTimes>();
  HYPERCOPY_TRY(plan_building(plan, connection));
  const bool may_order = plan.wire != Wire::csv || options.order_by_time == OrderByTime::on;
  if (may_order && options.where.empty() && !options.atomic) {
    HYPERCOPY_ASSIGN(plan.time_order, describe_time_order(connection, plan.table, plan.hypertable));
  }
  HYPERCOPY_TRY(plan_merge(plan, connection));
  if (plan.single_transaction && !options.import_id.empty()) {
    return fail(ErrorKind::usage, "--import-id is not possible for a table with a foreign key to itself",
                "Such a table is loaded in one transaction, of which there is nothing to resume.");
  }
  if (plan.single_transaction && options.skip_failed_batches) {
    return fail(ErrorKind::usage, "failed batches cannot be skipped in a single transaction",
                "The table refers to itself, so it is loaded in one.");
  }
  HYPERCOPY_TRY(check_headers(plan, connection, cancellation));
  HYPERCOPY_TRY(plan_batches(plan, connection, cancellation));
  HYPERCOPY_TRY(plan_windows(plan, cancellation));
  HYPERCOPY_TRY(plan_rejects(plan));
  return PlannedLoad{.plan = std::move(plan), .connection = std::move(connection)};
}

Result<OpenedInput> open_input(const LoadPlan& plan, std::size_t index, const BatchLimits& limits,
                               BatchPool& pool, TimeShares& shares, const Cancellation& cancellation) {
  const LoadOptions& options = plan.options;
  const std::string& path = plan.files[index];
  OpenedInput input;
  HYPERCOPY_ASSIGN(auto source, open_source(path, cancellation));
  const std::string name = source->name();
  const bool regular = source->size().has_value() && path != "-";
  input.reader =
      std::make_unique<BatchReader>(std::move(source), plan.split, plan.kernel, limits, pool, shares);
  HYPERCOPY_ASSIGN(const Prologue prologue,
                   input.reader->read_prologue({.keep_bom = options.keep_bom,
                                                .skip_lines = options.skip_lines,
                                                .has_header = options.header != Header::none}));
  if (prologue.dropped_bom) {
    input.notices.push_back(
        fmt::format("{}: a UTF-8 byte order mark was dropped (--keep-bom keeps it)", name));
  }
  auto file = std::make_shared<InputFile>();
  file->index = index;
  file->name = name;
  if (regular) file->path = path;
  file->prologue = prologue.bytes;
  file->dialect = options.dialect;
  file->split = plan.split;
  file->loaded_times = plan.loaded_times;
  const bool match = options.header == Header::match;
  if (match && !prologue.header) {
    input.notices.push_back(fmt::format("{} is empty: it has no header and no records", name));
  } else {
    auto mapping = map_columns(options, plan.table,
                               match ? std::optional<std::string_view>(*prologue.header) : std::nullopt);
    if (!mapping) {
      Error error = std::move(mapping).error();
      if (match) error.message = fmt::format("the header of {}: {}", name, error.message);
      return fail(std::move(error));
    }
    file->mapping = std::move(*mapping);
  }
  for (const auto& notice : file->mapping.notices)
    input.notices.push_back(fmt::format("{}: {}", name, notice));
  if (plan.wire != Wire::csv) HYPERCOPY_TRY(choose_encoding(plan, *file, input.details));
  file->chunk_field = chunk_field_of(plan, file->mapping);
  if (plan.order_memory > 0) HYPERCOPY_TRY(choose_regrouping(plan, *file));
  file->copy_sql = plan.statement->for_columns(file->mapping.columns);
  if (plan.merge && !file->mapping.columns.empty()) {
    HYPERCOPY_ASSIGN(file->merge, plan.merge->for_columns(file->mapping.columns));
  }
  input.file = std::move(file);
  return input;
}

}  // namespace hypercopy
