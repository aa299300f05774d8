// What is planned: ImportLedger's compare-and-swap on the byte up to which an input is.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <functional>

#include "hypercopy/import_ledger.hpp"

namespace hypercopy {

namespace {

// Once for a window, so it need not be prepared. Its commit need not wait for the disk either.
constexpr std::string_view kPlanWindow = R"sql(
WITH unhurried AS (SELECT pg_catalog.set_config('synchronous_commit', 'off', true)),
     moved AS (UPDATE hypercopy.input
               SET planned_byte = {end}, planned_line = {behind_line}, planned_record = {behind_record}, newline = {newline}
               WHERE job = {job} AND number = {input} AND planned_byte = {begin} AND NOT complete RETURNING 1)
INSERT INTO hypercopy.interval (job, input, begin_byte, slice, slices, end_byte, first_line, first_record, records, bytes,
                                content)
SELECT {job}, {input}, {begin}, slice.number - 1, {slices}, {end}, {line}, {record}, slice.records, slice.bytes, slice.content
FROM moved, unhurried, unnest({records}, {bytes}, {contents}) WITH ORDINALITY AS slice(records, bytes, content, number))sql";

// Of signed numbers, as the columns are.
template <typename NumberOf>
std::string array_sql(const std::vector<SliceContent>& slices, NumberOf number_of) {
  std::vector<std::int64_t> numbers;
  numbers.reserve(slices.size());
  for (const auto& slice : slices) numbers.push_back(static_cast<std::int64_t>(number_of(slice)));
  return fmt::format("'{{{}}}'::bigint[]", fmt::join(numbers, ","));
}

}  // namespace

Result<bool> ImportLedger::plan(const PlannedInterval& interval, const Position& behind) {
  const BatchExtent& extent = interval.extent;
  const auto content = static_cast<std::int64_t>(interval.content);
  HYPERCOPY_ASSIGN(
      const std::uint64_t planned, control_.ask([&](Connection& connection) -> Result<std::uint64_t> {
        HYPERCOPY_ASSIGN(
            const QueryResult inserted,
            connection.execute(fmt::format(
                "EXECUTE hypercopy_plan({}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {})", job_, interval.input,
                extent.first.byte, extent.first.line, extent.end_byte, extent.first.record, extent.records,
                content, behind.line, behind.record, static_cast<int>(extent.newline))));
        return inserted.rows_affected();
      }));
  if (planned == 1) return true;
  return is_planned(interval.input, extent.first.byte, extent.end_byte,
                    array_sql({{.content = interval.content}}, std::mem_fn(&SliceContent::content)));
}

Result<bool> ImportLedger::plan(const PlannedWindow& window) {
  const std::string contents = array_sql(window.slices, std::mem_fn(&SliceContent::content));
  const std::string plan = fmt::format(
      kPlanWindow, fmt::arg("job", job_), fmt::arg("input", window.input),
      fmt::arg("begin", window.first.byte), fmt::arg("line", window.first.line),
      fmt::arg("record", window.first.record), fmt::arg("end", window.behind.byte),
      fmt::arg("behind_line", window.behind.line), fmt::arg("behind_record", window.behind.record),
      fmt::arg("newline", static_cast<int>(window.newline)), fmt::arg("slices", window.slices.size()),
      fmt::arg("records", array_sql(window.slices, std::mem_fn(&SliceContent::records))),
      fmt::arg("bytes", array_sql(window.slices, std::mem_fn(&SliceContent::bytes))),
      fmt::arg("contents", contents));
  HYPERCOPY_ASSIGN(const QueryResult inserted,
                   control_.ask([&](Connection& connection) { return connection.execute(plan); }));
  if (inserted.rows_affected() > 0) return true;
  return is_planned(window.input, window.first.byte, window.behind.byte, contents);
}

// What was planned before, perhaps by an earlier attempt of this very call whose answer was lost. Exactly the same is as
// good as ours.
Result<bool> ImportLedger::is_planned(std::size_t input, std::uint64_t begin_byte, std::uint64_t end_byte,
                                      const std::string& contents) {
  HYPERCOPY_ASSIGN(const QueryResult same, control_.ask([&](Connection& connection) {
    return connection.execute(fmt::format(
        "SELECT FROM hypercopy.interval WHERE job = {} AND input = {} AND begin_byte = {} AND end_byte = {} "
        "HAVING pg_catalog.array_agg(content ORDER BY slice) = {}",
        job_, input, begin_byte, end_byte, contents));
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
