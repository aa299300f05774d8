// What is planned: where an input begins, by what its windows are cut, and ImportLedger's compare-and-swap on the byte up to
// which it is planned.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <array>
#include <functional>
#include <nlohmann/json.hpp>

#include "hexadecimal.hpp"
#include "hypercopy/import_ledger.hpp"
#include "query_numbers.hpp"

namespace hypercopy {

namespace {

constexpr std::string_view kCutColumns =
    "cut->>'slice_bytes', cut->>'slice_records', cut->>'field', cut->>'fields', cut->>'type', "
    "cut->>'chunk_interval', cut->>'utc', cut->>'server_version'";

WindowCut cut_at(const QueryResult& row, int column) {
  return {.slice = {.bytes = number_at<std::size_t>(row, 0, column), .records = count_at(row, 0, column + 1)},
          .field = {.index = number_at<std::size_t>(row, 0, column + 2),
                    .fields = number_at<std::size_t>(row, 0, column + 3),
                    .type_oid = number_at<std::uint32_t>(row, 0, column + 4),
                    .interval = number_at<std::int64_t>(row, 0, column + 5),
                    .utc = row.text(0, column + 6) == "true",
                    .server_version = number_at<int>(row, 0, column + 7)}};
}

std::string cut_sql(const WindowCut& cut) {
  const TimeField& field = cut.field;
  const nlohmann::json json{{"slice_bytes", cut.slice.bytes},
                            {"slice_records", cut.slice.records},
                            {"field", field.index},
                            {"fields", field.fields},
                            {"type", field.type_oid},
                            {"chunk_interval", field.interval},
                            {"utc", field.utc},
                            {"server_version", field.server_version}};
  return fmt::format("'{}'::pg_catalog.jsonb", json.dump());
}

// Of signed numbers, as the columns are.
template <typename NumberOf>
std::string array_sql(const std::vector<SliceContent>& slices, NumberOf number_of) {
  std::vector<std::int64_t> numbers;
  numbers.reserve(slices.size());
  for (const auto& slice : slices) numbers.push_back(static_cast<std::int64_t>(number_of(slice)));
  return fmt::format("'{{{}}}'::bigint[]", fmt::join(numbers, ","));
}

struct FoundInput {
  PlannedInput planned{};
  std::uint64_t first_byte = 0;
  std::string mapping{};
};

// Nothing: it was not begun, or a failover has taken that back.
Result<std::optional<FoundInput>> find_input(int job, std::size_t number, Connection& connection) {
  HYPERCOPY_ASSIGN(const QueryResult row,
                   connection.execute(fmt::format(
                       "SELECT first_byte, mapping, planned_byte, planned_line, planned_record, newline, "
                       "complete, {} FROM hypercopy.input WHERE job = {} AND number = {}",
                       kCutColumns, job, number)));
  if (row.rows() == 0) return fail(ErrorKind::target, "this import was forgotten while it was loaded");
  if (row.is_null(0, 0)) return std::optional<FoundInput>{};
  return FoundInput{.planned = {.planned = {.byte = count_at(row, 0, 2),
                                            .line = count_at(row, 0, 3),
                                            .record = count_at(row, 0, 4)},
                                .newline = static_cast<NewlineStyle>(number_at<int>(row, 0, 5)),
                                .complete = row.boolean(0, 6),
                                .cut = row.is_null(0, 7) ? std::nullopt : std::optional(cut_at(row, 7))},
                    .first_byte = count_at(row, 0, 0),
                    .mapping = std::string(row.text(0, 1))};
}

}  // namespace

Result<PlannedInput> ImportLedger::input(std::size_t number) {
  return control_.ask([&](Connection& connection) -> Result<PlannedInput> {
    HYPERCOPY_ASSIGN(auto found, find_input(job_, number, connection));
    return found ? found->planned : PlannedInput{};
  });
}

// What is there already is only looked at: whoever loses a race of plans asks again. All on one connection: no failover
// falls between what is written and what is read.
Result<PlannedInput> ImportLedger::start_input(std::size_t number, const Position& first,
                                               const std::string& mapping, std::string_view prologue,
                                               const std::optional<WindowCut>& cut) {
  return control_.ask([&](Connection& connection) -> Result<PlannedInput> {
    HYPERCOPY_ASSIGN(auto found, find_input(job_, number, connection));
    const bool lacks_cut = cut && !(found && found->planned.cut);
    if (!found) HYPERCOPY_TRY(begin_input(number, first, mapping, prologue, connection));
    if (lacks_cut) HYPERCOPY_TRY(record_cut(number, *cut, connection));
    if (!found || lacks_cut) {
      HYPERCOPY_ASSIGN(found, find_input(job_, number, connection));
    }
    if (found && found->first_byte == first.byte && found->mapping == mapping) return found->planned;
    return fail(ErrorKind::usage,
                "the header of this input, or the columns it fills, are not those of the import",
                "Resume with the same input and columns.");
  });
}

// The first one wins.
Status ImportLedger::begin_input(std::size_t number, const Position& first, const std::string& mapping,
                                 std::string_view prologue, Connection& connection) const {
  HYPERCOPY_TRY(connection.execute(
      fmt::format(
          "UPDATE hypercopy.input SET mapping = $1, prologue = {5}, first_byte = {0}, first_line = {1}, "
          "planned_byte = {0}, planned_line = {1}, planned_record = {2} WHERE job = {3} AND number = {4} "
          "AND first_byte IS NULL",
          first.byte, first.line, first.record, job_, number, bytes_sql(prologue)),
      std::array<std::string, 1>{mapping}));
  return {};
}

Status ImportLedger::record_cut(std::size_t number, const WindowCut& cut, Connection& connection) const {
  HYPERCOPY_TRY(connection.execute(
      fmt::format("UPDATE hypercopy.input SET cut = {} WHERE job = {} AND number = {} AND cut IS NULL",
                  cut_sql(cut), job_, number)));
  return {};
}

Result<bool> ImportLedger::plan(const PlannedInterval& interval, const Position& behind) {
  const BatchExtent& extent = interval.extent;
  return plan(PlannedWindow{
      .input = interval.input,
      .first = extent.first,
      .behind = behind,
      .newline = extent.newline,
      .slices = {{.records = extent.records, .bytes = extent.bytes(), .content = interval.content}}});
}

Result<bool> ImportLedger::plan(const PlannedWindow& window) {
  const std::string contents = array_sql(window.slices, std::mem_fn(&SliceContent::content));
  const std::string plan = fmt::format(
      "EXECUTE hypercopy_plan({}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {})", job_, window.input,
      window.first.byte, window.first.line, window.first.record, window.behind.byte, window.behind.line,
      window.behind.record, static_cast<int>(window.newline), window.cut ? cut_sql(*window.cut) : "NULL",
      array_sql(window.slices, std::mem_fn(&SliceContent::records)),
      array_sql(window.slices, std::mem_fn(&SliceContent::bytes)), contents);
  HYPERCOPY_ASSIGN(const QueryResult inserted,
                   control_.ask([&](Connection& connection) { return connection.execute(plan); }));
  if (inserted.rows_affected() > 0) return true;
  return is_planned(window, contents);
}

// What was planned before, perhaps by an earlier attempt of this very call whose answer was lost. Exactly the same is as
// good as ours.
Result<bool> ImportLedger::is_planned(const PlannedWindow& window, const std::string& contents) {
  HYPERCOPY_ASSIGN(const QueryResult same, control_.ask([&](Connection& connection) {
    return connection.execute(fmt::format(
        "SELECT FROM hypercopy.interval WHERE job = {} AND input = {} AND begin_byte = {} AND end_byte = {} "
        "HAVING pg_catalog.array_agg(content ORDER BY slice) = {}",
        job_, window.input, window.first.byte, window.behind.byte, contents));
  }));
  return same.rows() == 1;
}

Result<bool> ImportLedger::complete_input(std::size_t number, const Position& end) {
  HYPERCOPY_ASSIGN(const QueryResult updated, control_.ask([&](Connection& connection) {
    return connection.execute(
        fmt::format("UPDATE hypercopy.input SET complete = true WHERE job = {} AND number = {} AND "
                    "planned_byte = {}",
                    job_, number, end.byte));
  }));
  return updated.rows_affected() == 1;
}

}  // namespace hypercopy
