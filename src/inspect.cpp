#include "hypercopy/inspect.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <numeric>

#include "human_units.hpp"
#include "hypercopy/record_encoder.hpp"
#include "input_sniff.hpp"
#include "inspect_advice.hpp"
#include "inspect_options.hpp"
#include "load_plan.hpp"
#include "partition_facts.hpp"
#include "server_room.hpp"
#include "time_text.hpp"

namespace hypercopy {

namespace {

using Clock = std::chrono::steady_clock;

constexpr std::chrono::milliseconds kProgressInterval{200};

struct Run {
  const InspectOptions& options;
  const LoadEnvironment& environment;
  LoadPlan plan{};                         // without a target: options, files, split and kernel only
  std::optional<Connection> connection{};  // with a target
  std::optional<Sniff> sniff{};            // nothing: the first input is a pipe, or there is none
  Inspection found{};
};

// --- what the input looks like ----------------------------------------------------------------------------

bool is_pipe(const std::string& path) { return path == "-" || is_fifo(path); }

Status sniff(Run& run) {
  const LoadOptions& load = run.plan.options;
  run.found.dialect = load.dialect;
  run.found.header = load.header;
  if (run.plan.files.empty() || is_pipe(run.plan.files.front())) return {};
  const bool csv = load.dialect.format == Format::csv;
  HYPERCOPY_ASSIGN(run.sniff, sniff_input(run.plan.files.front(), load.dialect,
                                          {.keep_bom = load.keep_bom,
                                           .skip_lines = load.skip_lines,
                                           .has_header = load.header != Header::none},
                                          csv && !run.options.delimiter_given, run.environment.cancellation));
  run.found.fields = run.sniff->first_record.size();
  if (!run.sniff->delimiter) return {};
  run.found.delimiter_found = true;
  run.plan.options.dialect.delimiter = run.found.dialect.delimiter = *run.sniff->delimiter;
  return {};
}

// Nobody said whether there is a header: the names of columns in the first record are one.
void find_header(Run& run) {
  if (run.plan.options.header != Header::none || !run.sniff || run.sniff->first_record.empty()) return;
  const auto& names = run.sniff->first_record;
  const bool all_known = std::ranges::all_of(
      names, [&](const std::string& name) { return run.plan.table.find(name) != nullptr; });
  if (!all_known && !run.sniff->is_header) return;
  const bool by_name = all_known && run.plan.options.columns.empty();
  run.plan.options.header = run.found.header = by_name ? Header::match : Header::skip;
  run.found.header_found = true;
}

// --- opening ----------------------------------------------------------------------------------------------

// An input without a target: its fields are what the first record says.
Result<OpenedInput> open_alone(const Run& run, std::size_t index, const BatchLimits& limits, BatchPool& pool,
                               TimeShares& shares) {
  const LoadPlan& plan = run.plan;
  OpenedInput input;
  HYPERCOPY_ASSIGN(auto source, open_source(plan.files[index], run.environment.cancellation));
  auto file = std::make_shared<InputFile>();
  file->name = source->name();
  file->dialect = plan.options.dialect;
  file->split = plan.split;
  file->mapping.field_count = run.found.fields;
  input.reader =
      std::make_unique<BatchReader>(std::move(source), plan.split, plan.kernel, limits, pool, shares);
  HYPERCOPY_ASSIGN(const Prologue prologue,
                   input.reader->read_prologue({.keep_bom = plan.options.keep_bom,
                                                .skip_lines = plan.options.skip_lines,
                                                .has_header = plan.options.header != Header::none}));
  if (prologue.dropped_bom)
    input.notices.push_back(fmt::format("{}: a UTF-8 byte order mark was dropped", file->name));
  input.file = std::move(file);
  return input;
}

Result<OpenedInput> open(const Run& run, std::size_t index, const BatchLimits& limits, BatchPool& pool,
                         TimeShares& shares) {
  return run.connection ? open_input(run.plan, index, limits, pool, shares, run.environment.cancellation)
                        : open_alone(run, index, limits, pool, shares);
}

// --- which column is the time -----------------------------------------------------------------------------

bool is_moment(std::uint32_t type_oid) {
  return type_oid == type_oid::kTimestamp || type_oid == type_oid::kTimestamptz ||
         type_oid == type_oid::kDate;
}

// The primary dimension, the partition key, or the first column that holds moments.
std::optional<std::string> time_column_of(const InspectedTarget& target, const PartitionFacts& partitions) {
  if (target.hypertable) {
    const Dimension& primary = target.hypertable->primary();
    return primary.kind == DimensionKind::function ? std::nullopt : std::optional(primary.column);
  }
  if (!partitions.range_column.empty()) return partitions.range_column;
  for (const auto& column : target.table.columns) {
    if (is_moment(column.wire.oid) && column.wire.element_oid == 0) return column.name;
  }
  return std::nullopt;
}

std::optional<TimeColumn> sniffed_time(const Run& run) {
  if (!run.sniff) return std::nullopt;
  for (std::size_t field = 0; field < run.sniff->columns.size(); ++field) {
    const SniffedColumn& column = run.sniff->columns[field];
    if (!is_moment(column.type_oid)) continue;
    const bool named = run.found.header != Header::none;
    return TimeColumn{.name = named ? run.sniff->first_record[field] : std::string(),
                      .field = field,
                      .type_oid = column.type_oid};
  }
  return std::nullopt;
}

std::optional<TimeColumn> time_of(const TargetTable& table, const ColumnMapping& mapping,
                                  const std::optional<std::string>& name) {
  const Column* const column = name ? table.find(*name) : nullptr;
  if (column == nullptr || !is_time_type(column->wire.oid)) return std::nullopt;
  const auto field = field_of(mapping, *name);
  if (!field) return std::nullopt;
  return TimeColumn{.name = *name, .field = *field, .type_oid = column->wire.oid};
}

// --- reading ----------------------------------------------------------------------------------------------

// Length words and the number of fields are not stored.
void try_wire(Run& run, const Batch& batch) {
  if (run.found.trial || !batch.file->encoding) return;
  const EncodingPlan& plan = *batch.file->encoding;
  constexpr std::size_t kFraming = 19 + 2;
  RecordEncoder encoder(run.plan.kernel);
  const EncodedFront front = encoder.encode_front(batch.bytes(), batch.newline, plan);
  const std::size_t per_record = 2 + std::size_t{4} * plan.columns;
  WireTrial trial{.records = front.records,
                  .value_bytes = front.stream.size() - kFraming - front.records * per_record};
  if (front.why) {
    trial.given_up = front.why->column;
    trial.given_up_at = Position{
        .byte = batch.first.byte, .line = batch.first.line, .record = batch.first.record + front.why->record};
  }
  run.found.trial = trial;
}

class ReadingProgress {
 public:
  explicit ReadingProgress(const Run& run)
      : console_(run.environment.console), total_(run.plan.bytes_total) {}
  ~ReadingProgress() { console_.bar({}); }
  ReadingProgress(const ReadingProgress&) = delete;
  ReadingProgress& operator=(const ReadingProgress&) = delete;

  void add(std::size_t bytes) {
    bytes_ += bytes;
    const auto now = Clock::now();
    if (now - drawn_ < kProgressInterval) return;
    drawn_ = now;
    console_.bar(fmt::format(
        "reading  {}", total_ ? human_bytes_of(bytes_, std::max(bytes_, *total_)) : human_bytes(bytes_)));
  }

 private:
  Console& console_;
  std::optional<std::uint64_t> total_;
  std::uint64_t bytes_ = 0;
  Clock::time_point drawn_ = Clock::now();
};

std::optional<TimeSurvey> start_survey(const Run& run, const InputFile& file,
                                       const std::optional<TimeColumn>& time, std::int64_t interval) {
  if (!time || file.mapping.field_count <= time->field) return std::nullopt;
  return TimeSurvey(file.dialect, file.split,
                    {.index = time->field,
                     .fields = file.mapping.field_count,
                     .type_oid = time->type_oid,
                     .interval = interval,
                     .utc = run.plan.session.time_zone_is_utc,
                     .server_version = run.plan.session.server_version},
                    run.plan.kernel);
}

Status read_input(Run& run, const OpenedInput& opened, std::optional<TimeSurvey> survey,
                  std::uint64_t& wanted, ReadingProgress& progress) {
  InspectedInput input{.name = opened.file->name};
  while (wanted > 0) {
    if (run.environment.cancellation.level() != Cancellation::Level::none) {
      return fail(ErrorKind::interrupted, "interrupted");
    }
    HYPERCOPY_ASSIGN(const std::optional<Batch> batch, opened.reader->next(opened.file));
    if (!batch) break;
    input.records += batch->records;
    input.bytes += batch->bytes().size();
    wanted -= std::min(wanted, batch->records);
    if (survey) survey->add(batch->bytes(), batch->first, batch->newline);
    try_wire(run, *batch);
    progress.add(batch->bytes().size());
  }
  input.newline = opened.reader->newline_style();
  if (survey) input.times = survey->result();
  merge(run.found.times, input.times);
  run.found.inputs.push_back(std::move(input));
  return {};
}

Status read_inputs(Run& run, const std::optional<std::string>& time_name, std::int64_t interval) {
  const std::uint64_t limit = run.plan.options.limit_records;
  std::uint64_t wanted = limit == 0 ? UINT64_MAX : limit;
  BatchPool pool(2, kDefaultBatchBytes);
  TimeShares shares;
  ReadingProgress progress(run);
  const auto begin = Clock::now();
  for (std::size_t index = 0; index < run.plan.files.size() && wanted > 0; ++index) {
    HYPERCOPY_ASSIGN(const OpenedInput opened, open(run, index, {.total_records = wanted}, pool, shares));
    const auto time =
        run.connection ? time_of(run.plan.table, opened.file->mapping, time_name) : sniffed_time(run);
    if (!run.found.time) run.found.time = time;
    for (const auto& notice : opened.notices) run.found.notes.push_back(notice);
    if (run.found.target) run.found.target->fields_wanted = opened.file->mapping.field_count;
    HYPERCOPY_TRY(read_input(run, opened, start_survey(run, *opened.file, time, interval), wanted, progress));
  }
  run.found.limited = limit != 0 && wanted == 0;
  run.found.elapsed = Clock::now() - begin;
  return {};
}

// --- the target -------------------------------------------------------------------------------------------

Status read_target(Run& run, PartitionFacts& partitions) {
  InspectedTarget target{.table = run.plan.table};
  HYPERCOPY_ASSIGN(target.facts, read_table_facts(*run.connection, target.table));
  HYPERCOPY_ASSIGN(target.hypertable, read_hypertable(*run.connection, target.table));
  if (target.table.kind == TableKind::partitioned) {
    HYPERCOPY_ASSIGN(partitions, read_partition_facts(*run.connection, target.table));
    target.partitions = InspectedPartitions{
        .key = partitions.key, .count = partitions.partitions, .has_default = partitions.has_default};
  }
  HYPERCOPY_ASSIGN(const ServerRoom room, read_server_room(*run.connection));
  target.server = {.version = run.plan.server_version,
                   .time_zone = run.connection->parameter("TimeZone"),
                   .max_connections = room.max_connections,
                   .free_connections = room.free_connections,
                   .max_wal_bytes = room.max_wal_bytes,
                   .max_wal_size = room.max_wal_size,
                   .wal_level = room.wal_level,
                   .synchronous_commit = room.synchronous_commit};
  run.found.target = std::move(target);
  return {};
}

// Where the times that were read go.
Status place_times(Run& run, const PartitionFacts& partitions) {
  InspectedTarget& target = *run.found.target;
  if (run.found.times.times == 0) return {};
  if (target.hypertable) {
    HYPERCOPY_ASSIGN(const auto chunks, read_chunk_ranges(*run.connection, target.table));
    target.chunks = forecast_chunks(run.found.times, chunks);
  }
  if (target.partitions && run.found.time && run.found.time->name == partitions.range_column) {
    const std::uint32_t type = run.found.time->type_oid;
    HYPERCOPY_ASSIGN(target.partitions->homeless,
                     values_without_partition(*run.connection, target.table, partitions,
                                              {time_text(run.found.times.least, type),
                                               time_text(run.found.times.greatest, type)}));
  }
  return {};
}

void describe_columns(Run& run, const ColumnMapping& mapping) {
  for (const auto& name : mapping.columns) {
    const Column* const column = run.plan.table.find(name);
    if (column == nullptr) continue;
    ColumnMapping alone;
    alone.columns = {name};
    alone.field_count = 1;
    const EncodingDecision decision =
        make_encoding_plan(run.plan.options.dialect, alone, run.plan.table, EncoderSettings{});
    run.found.columns.push_back(
        {.name = name, .type = column->type, .not_binary = decision.plan ? std::string() : decision.reason});
  }
}

void describe_sniffed_columns(Run& run) {
  if (!run.sniff) return;
  for (std::size_t field = 0; field < run.sniff->columns.size(); ++field) {
    const bool named = run.found.header != Header::none;
    run.found.columns.push_back({.name = named ? run.sniff->first_record[field] : std::string(),
                                 .type = run.sniff->columns[field].type});
  }
}

// The columns that the first input fills; of a pipe, those that the options name.
Status find_columns(Run& run) {
  std::optional<std::string> header;
  if (run.plan.options.header == Header::match) {
    if (run.plan.files.empty() || is_pipe(run.plan.files.front())) return {};
    BatchPool pool(1, kSniffedBytes);
    TimeShares shares;
    HYPERCOPY_ASSIGN(const OpenedInput opened, open(run, 0, {}, pool, shares));
    describe_columns(run, opened.file->mapping);
    return {};
  }
  HYPERCOPY_ASSIGN(const ColumnMapping mapping, map_columns(run.plan.options, run.plan.table, std::nullopt));
  describe_columns(run, mapping);
  return {};
}

Status inspect_with_target(Run& run) {
  Connector connector(
      run.plan.options.connection, run.environment.cancellation, [](std::string_view, std::string_view) {},
      run.environment.password_prompt);
  const std::vector<std::string> files = run.plan.files;
  HYPERCOPY_ASSIGN(PlannedLoad planned, make_plan(run.plan.options, connector, "hypercopy inspect", "inspect",
                                                  run.environment.cancellation));
  run.plan = std::move(planned.plan);
  run.connection.emplace(std::move(planned.connection));
  run.plan.files = files;
  for (const auto& notice : run.plan.notices) run.found.notes.push_back(notice);
  find_header(run);
  PartitionFacts partitions;
  HYPERCOPY_TRY(read_target(run, partitions));
  HYPERCOPY_TRY(find_columns(run));
  const auto& hypertable = run.found.target->hypertable;
  HYPERCOPY_TRY(read_inputs(run, time_column_of(*run.found.target, partitions),
                            hypertable ? hypertable->primary().interval : 0));
  HYPERCOPY_TRY(place_times(run, partitions));
  const bool is_read = !run.plan.files.empty() && !run.found.limited;
  return try_options(*run.connection, is_read ? std::optional(run.found.bytes()) : std::nullopt,
                     *run.found.target);
}

Status inspect_alone(Run& run) {
  HYPERCOPY_ASSIGN(run.plan.kernel, choose_kernel());
  const Dialect& dialect = run.plan.options.dialect;
  run.plan.split = {.format = dialect.format, .quote = dialect.quote, .escape = dialect.escape};
  find_header(run);
  describe_sniffed_columns(run);
  return read_inputs(run, std::nullopt, 0);
}

}  // namespace

std::uint64_t Inspection::records() const {
  return std::accumulate(inputs.begin(), inputs.end(), std::uint64_t{0},
                         [](std::uint64_t sum, const InspectedInput& input) { return sum + input.records; });
}

std::uint64_t Inspection::bytes() const {
  return std::accumulate(inputs.begin(), inputs.end(), std::uint64_t{0},
                         [](std::uint64_t sum, const InspectedInput& input) { return sum + input.bytes; });
}

Result<Inspection> run_inspect(const InspectOptions& options, const LoadEnvironment& environment) {
  Run run{.options = options, .environment = environment};
  run.plan.options = options.load;
  if (!options.load.files.empty()) {
    HYPERCOPY_ASSIGN(run.plan.files, expand_files(options.load.files));
  }
  HYPERCOPY_TRY(sniff(run));
  HYPERCOPY_TRY(options.has_table ? inspect_with_target(run) : inspect_alone(run));
  advise(run.found, options);
  return std::move(run.found);
}

ExitCode exit_code(const Inspection& inspection) {
  return inspection.problems.empty() ? ExitCode::ok : ExitCode::failed;
}

}  // namespace hypercopy
