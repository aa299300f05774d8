#include "hypercopy/imports.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>

#include "human_units.hpp"
#include "hypercopy/atomic_staging.hpp"
#include "import_schema.hpp"
#include "left_side_tables.hpp"
#include "query_numbers.hpp"

namespace hypercopy {

namespace {

using Json = nlohmann::ordered_json;

// One row per import that the condition is true for, with the class of the lock that living loaders hold.
constexpr std::string_view kImports = R"sql(
SELECT import_id, target_name, state, loaders,
  (SELECT count(*) FROM hypercopy.input WHERE job = id),
  (SELECT CASE WHEN pg_catalog.bool_and(size IS NOT NULL) THEN pg_catalog.sum(size) END FROM hypercopy.input WHERE job = id),
  coalesce(sums.bytes, 0), coalesce(sums.records, 0), coalesce(sums.loaded, 0), coalesce(sums.rejected, 0),
  coalesce(sums.open, 0), created_by, pg_catalog.date_trunc('second', created_at),
  pg_catalog.date_trunc('second', coalesce(finished_at, sums.changed_at, created_at)), id
FROM hypercopy.job
CROSS JOIN LATERAL (SELECT count(DISTINCT pid) AS loaders FROM pg_catalog.pg_locks WHERE locktype = 'advisory' AND granted
  AND classid = {1} AND objid = id::oid AND database = (SELECT oid FROM pg_catalog.pg_database WHERE datname =
  pg_catalog.current_database())) AS living
LEFT JOIN LATERAL (SELECT pg_catalog.sum(bytes) FILTER (WHERE done_by IS NOT NULL) AS bytes,
  pg_catalog.sum(records) FILTER (WHERE done_by IS NOT NULL) AS records, pg_catalog.sum(loaded) AS loaded,
  pg_catalog.sum(rejected) AS rejected, count(*) FILTER (WHERE done_by IS NULL) AS open,
  pg_catalog.max(done_at) AS changed_at FROM hypercopy.interval WHERE job = id) AS sums ON true
WHERE {0}
ORDER BY created_at DESC, id DESC)sql";

std::optional<std::uint64_t> size_at(const QueryResult& rows, int row, int column) {
  return rows.is_null(row, column) ? std::nullopt : std::optional(count_at(rows, row, column));
}

ImportInfo info_at(const QueryResult& rows, int row, const std::vector<OwedTable>& owed) {
  ImportInfo info{.import_id = std::string(rows.text(row, 0)),
                  .target = std::string(rows.text(row, 1)),
                  .state = std::string(rows.text(row, 2)),
                  .loaders = count_at(rows, row, 3),
                  .inputs = count_at(rows, row, 4),
                  .bytes = size_at(rows, row, 5),
                  .bytes_done = count_at(rows, row, 6),
                  .records_done = count_at(rows, row, 7),
                  .rows_loaded = count_at(rows, row, 8),
                  .records_rejected = count_at(rows, row, 9),
                  .batches_open = count_at(rows, row, 10),
                  .created_by = std::string(rows.text(row, 11)),
                  .created_at = std::string(rows.text(row, 12)),
                  .changed_at = std::string(rows.text(row, 13))};
  const int job = number_at<int>(rows, row, 14);
  for (const OwedTable& table : owed) {
    if (table.job != job) continue;
    ++info.side_tables;
    info.side_rows_estimate += table.rows_estimate;
  }
  if (info.side_tables > 0) info.state = "loading";
  if (info.state != "done" && info.loaders == 0) info.state = "stopped";
  return info;
}

Error no_such_import(const std::string& import_id) {
  return {.kind = ErrorKind::target,
          .message = fmt::format("there is no import '{}'", import_id),
          .hint = "hypercopy imports list shows what there is."};
}

Result<ImportInfo> find_import(Connection& connection, const std::string& import_id) {
  HYPERCOPY_ASSIGN(const bool there, has_import_schema(connection));
  if (!there) return fail(no_such_import(import_id));
  const std::array<std::string, 1> which{import_id};
  auto rows = connection.execute(fmt::format(kImports, "import_id = $1", kImportLockClass), which);
  if (!rows) return fail(with_ledger_grants(std::move(rows).error()));
  if (rows->rows() == 0) return fail(no_such_import(import_id));
  HYPERCOPY_ASSIGN(const auto owed, owed_side_tables(connection, number_at<int>(*rows, 0, 14)));
  return info_at(*rows, 0, owed);
}

std::string done_of(std::uint64_t done, const std::optional<std::uint64_t>& all) {
  return all ? human_bytes_of(done, *all) : fmt::format("{} / ?", human_bytes(done));
}

// A person at a terminal should know what runs.
std::string state_text(const ImportInfo& import) {
  return import.state == "loading"
             ? fmt::format("loading ({})", counted(import.loaders, "process", "processes"))
             : import.state;
}

std::string side_tables_text(const ImportInfo& import) {
  return hypercopy::side_tables_text(import.side_tables, import.side_rows_estimate);
}

// The server's statistics of a side table may be behind, or forgotten in a crash.
std::string waiting_text(const ImportInfo& import) {
  if (import.side_tables == 0) return "";
  const std::uint64_t waiting = std::min(import.side_rows_estimate, import.rows_loaded);
  if (waiting == 0) return " (some of them wait, and are not visible yet)";
  return fmt::format(" (about {} visible, {} waiting)", grouped(import.rows_loaded - waiting),
                     grouped(waiting));
}

std::string owed_line(const ImportInfo& import) {
  return fmt::format("import '{}': the rows of {} are not in {} yet{}\n", import.import_id,
                     side_tables_text(import), import.target,
                     import.loaders > 0 ? "" : "; run it again, and it hands them over");
}

Error rows_are_owed(const ImportInfo& import) {
  return {
      .kind = ErrorKind::usage,
      .message = fmt::format("import '{}' owes {} the rows of {}: forgotten, they would be lost",
                             import.import_id, import.target, side_tables_text(import)),
      .hint = fmt::format("Run it again, which hands them over. To drop them all the same: hypercopy imports "
                          "forget {} --drop-side-tables",
                          import.import_id)};
}

Json size_json(const std::optional<std::uint64_t>& bytes) { return bytes ? Json(*bytes) : Json(nullptr); }

Json to_json(const ImportInfo& import) {
  return {{"import_id", import.import_id},
          {"target", import.target},
          {"state", import.state},
          {"loaders", import.loaders},
          {"inputs", import.inputs},
          {"bytes", size_json(import.bytes)},
          {"bytes_done", import.bytes_done},
          {"records_done", import.records_done},
          {"rows_loaded", import.rows_loaded},
          {"records_rejected", import.records_rejected},
          {"batches_open", import.batches_open},
          {"side_tables", import.side_tables},
          {"side_rows_estimate", import.side_rows_estimate},
          {"created_by", import.created_by},
          {"created_at", import.created_at},
          {"changed_at", import.changed_at}};
}

std::string text_of(const Json& json) {
  return json.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

}  // namespace

Result<std::vector<ImportInfo>> list_imports(Connection& connection) {
  HYPERCOPY_ASSIGN(const bool there, has_import_schema(connection));
  if (!there) return std::vector<ImportInfo>{};
  auto rows = connection.execute(fmt::format(kImports, "true", kImportLockClass));
  if (!rows) return fail(with_ledger_grants(std::move(rows).error()));
  HYPERCOPY_ASSIGN(const auto owed, owed_side_tables(connection, std::nullopt));
  std::vector<ImportInfo> imports;
  imports.reserve(static_cast<std::size_t>(rows->rows()));
  for (int row = 0; row < rows->rows(); ++row) imports.push_back(info_at(*rows, row, owed));
  return imports;
}

Result<ImportDetails> show_import(Connection& connection, const std::string& import_id) {
  HYPERCOPY_ASSIGN(ImportInfo info, find_import(connection, import_id));
  ImportDetails details{.import = std::move(info)};
  const std::array<std::string, 1> which{import_id};
  HYPERCOPY_ASSIGN(
      const QueryResult inputs,
      connection.execute(
          "SELECT name, size, coalesce(planned_byte, 0), coalesce(sums.bytes, 0), coalesce(sums.records, "
          "0), coalesce(sums.open, 0), complete FROM hypercopy.input JOIN hypercopy.job ON job.id = "
          "input.job LEFT JOIN LATERAL (SELECT pg_catalog.sum(bytes) FILTER (WHERE done_by "
          "IS NOT NULL) AS bytes, pg_catalog.sum(records) FILTER (WHERE done_by IS NOT NULL) AS records, "
          "count(*) FILTER (WHERE done_by IS NULL) AS open FROM hypercopy.interval WHERE interval.job = "
          "job.id AND interval.input = number) AS sums ON true WHERE import_id = $1 ORDER BY number",
          which));
  details.inputs.reserve(static_cast<std::size_t>(inputs.rows()));
  for (int row = 0; row < inputs.rows(); ++row) {
    details.inputs.push_back({.name = std::string(inputs.text(row, 0)),
                              .bytes = size_at(inputs, row, 1),
                              .bytes_planned = count_at(inputs, row, 2),
                              .bytes_done = count_at(inputs, row, 3),
                              .records_done = count_at(inputs, row, 4),
                              .batches_open = count_at(inputs, row, 5),
                              .complete = inputs.boolean(row, 6)});
  }
  HYPERCOPY_ASSIGN(
      const QueryResult settings,
      connection.execute("SELECT name, value FROM hypercopy.job, pg_catalog.jsonb_each_text(settings) AS "
                         "setting(name, value) WHERE import_id = $1 ORDER BY name",
                         which));
  for (int row = 0; row < settings.rows(); ++row) {
    details.settings.emplace_back(settings.text(row, 0), settings.text(row, 1));
  }
  return details;
}

// The lock that living loaders share: a new one cannot begin to load while the rows go.
Result<ImportInfo> forget_import(Connection& connection, const std::string& import_id, OwedRows owed) {
  HYPERCOPY_ASSIGN(ImportInfo info, find_import(connection, import_id));
  const std::array<std::string, 1> which{import_id};
  HYPERCOPY_TRY(connection.execute("BEGIN"));
  HYPERCOPY_ASSIGN(const QueryResult free,
                   connection.execute(fmt::format("SELECT pg_catalog.pg_try_advisory_xact_lock({}, id), id "
                                                  "FROM hypercopy.job WHERE import_id = $1 "
                                                  "FOR UPDATE",
                                                  kImportLockClass),
                                      which));
  if (free.rows() == 0) return fail(no_such_import(import_id));
  if (!free.boolean(0, 0)) {
    return fail(ErrorKind::usage,
                fmt::format("import '{}' is being loaded by {}", import_id,
                            counted(info.loaders, "process", "processes")),
                "Stop it first.");
  }
  // What a loader may have left since it was found.
  HYPERCOPY_ASSIGN(const auto tables, owed_side_tables(connection, number_at<int>(free, 0, 1)));
  if (!tables.empty() && owed == OwedRows::refuse) return fail(rows_are_owed(info));
  HYPERCOPY_TRY(drop_owed_side_tables(connection, tables));
  for (const std::string_view table : {"reject", "interval", "input"}) {
    HYPERCOPY_TRY(connection.execute(
        fmt::format(
            "DELETE FROM hypercopy.{} WHERE job = (SELECT id FROM hypercopy.job WHERE import_id = $1)",
            table),
        which));
  }
  HYPERCOPY_TRY(drop_import_staging(connection, import_id));
  HYPERCOPY_TRY(connection.execute("DELETE FROM hypercopy.job WHERE import_id = $1", which));
  HYPERCOPY_TRY(connection.execute("COMMIT"));
  return info;
}

std::string imports_table(const std::vector<ImportInfo>& imports) {
  if (imports.empty()) return "no imports\n";
  std::vector<std::array<std::string, 6>> lines{{"IMPORT", "STATE", "TABLE", "DONE", "ROWS", "LAST CHANGE"}};
  for (const auto& import : imports) {
    lines.push_back({import.import_id, state_text(import), import.target,
                     done_of(import.bytes_done, import.bytes), grouped(import.rows_loaded),
                     import.changed_at});
  }
  std::array<std::size_t, 6> widths{};
  for (const auto& line : lines) {
    for (std::size_t column = 0; column < line.size(); ++column) {
      widths[column] = std::max(widths[column], line[column].size());
    }
  }
  std::string text;
  for (const auto& line : lines) {
    std::string row;
    for (std::size_t column = 0; column < line.size(); ++column) {
      row += column == 4 ? fmt::format("{:>{}}  ", line[column], widths[column])
                         : fmt::format("{:<{}}  ", line[column], widths[column]);
    }
    row.erase(row.find_last_not_of(' ') + 1);
    text += row + "\n";
  }
  for (const auto& import : imports) {
    if (import.side_tables > 0) text += owed_line(import);
  }
  return text;
}

std::string imports_json(const std::vector<ImportInfo>& imports) {
  Json list = Json::array();
  for (const auto& import : imports) list.push_back(to_json(import));
  return text_of(list);
}

std::string import_text(const ImportDetails& details) {
  const ImportInfo& import = details.import;
  std::string text = fmt::format(
      "import:   {}\nstate:    {}\ntable:    {}\nloaded:   {} rows{} of {} records, {}\nrejected: {} "
      "records\nopen:     {} "
      "planned and not done\nbegun:    {} by {}\nchanged:  {}\n",
      import.import_id, state_text(import), import.target, grouped(import.rows_loaded), waiting_text(import),
      grouped(import.records_done), done_of(import.bytes_done, import.bytes),
      grouped(import.records_rejected), counted(import.batches_open, "batch", "batches"), import.created_at,
      import.created_by, import.changed_at);
  for (const auto& input : details.inputs) {
    text += fmt::format("input:    {}: {} done, {} records{}\n", input.name,
                        done_of(input.bytes_done, input.bytes), grouped(input.records_done),
                        input.complete ? "" : fmt::format(", cut up to byte {}", input.bytes_planned));
  }
  if (import.side_tables > 0) {
    text += fmt::format("owed:     the rows of {}{}\n", side_tables_text(import),
                        import.loaders > 0 ? "" : "; run it again, and it hands them over");
  }
  for (const auto& [name, value] : details.settings) {
    if (!value.empty()) text += fmt::format("setting:  {} = {}\n", name, value);
  }
  return text;
}

std::string import_json(const ImportDetails& details) {
  Json json = to_json(details.import);
  Json inputs = Json::array();
  for (const auto& input : details.inputs) {
    inputs.push_back({{"name", input.name},
                      {"bytes", size_json(input.bytes)},
                      {"bytes_planned", input.bytes_planned},
                      {"bytes_done", input.bytes_done},
                      {"records_done", input.records_done},
                      {"batches_open", input.batches_open},
                      {"complete", input.complete}});
  }
  json["input_list"] = std::move(inputs);
  Json settings = Json::object();
  for (const auto& [name, value] : details.settings) settings[name] = value;
  json["settings"] = std::move(settings);
  return text_of(json);
}

std::string forgotten_text(const ImportInfo& import) {
  const std::string where = import.side_tables == 0 ? "" : ", but for those of its side tables";
  std::string text = fmt::format("forgot import '{}': {} rows that it loaded into {} stay there{}\n",
                                 import.import_id, import.rows_loaded, import.target, where);
  if (import.side_tables > 0) text += fmt::format("dropped {}\n", side_tables_text(import));
  return text;
}

}  // namespace hypercopy
