#include <algorithm>
#include <nlohmann/json.hpp>

#include "human_units.hpp"
#include "hypercopy/report.hpp"

namespace hypercopy {
namespace {

using Json = nlohmann::ordered_json;

Json to_json(const Counts& counts) {
  return {{"batches", counts.batches}, {"records", counts.records}, {"bytes", counts.bytes}};
}

Json to_json(const LedgerTotals& totals) {
  return {{"split", to_json(totals.split)},
          {"committed", to_json(totals.committed)},
          {"already_done", to_json(totals.already_done)},
          {"staged", to_json(totals.staged)},
          {"skipped", to_json(totals.skipped)},
          {"failed", to_json(totals.failed)},
          {"unknown", to_json(totals.unknown)},
          {"dropped", to_json(totals.dropped)},
          {"rows_loaded", totals.rows_loaded},
          {"rows_updated", totals.rows_updated},
          {"records_conflicted", totals.records_conflicted},
          {"records_rejected", totals.records_rejected},
          {"rows_suppressed", totals.rows_suppressed},
          {"balanced", totals.balanced()}};
}

// What became of each source's records.
Json inputs_json(const LoadSummary& summary) {
  Json inputs = Json::array();
  for (std::size_t index = 0; index < std::min(summary.sources.size(), summary.input_totals.size());
       ++index) {
    inputs.push_back({{"source", summary.sources[index]}, {"totals", to_json(summary.input_totals[index])}});
  }
  return inputs;
}

Json reject_files_json(const LoadSummary& summary) {
  Json files = Json::array();
  for (const auto& file : summary.reject_files) {
    files.push_back({{"source", summary.sources[file.input]},
                     {"path", file.path},
                     {"reasons", file.reasons},
                     {"records", file.records}});
  }
  return files;
}

Json indexes_json(const LoadSummary& summary) {
  Json indexes = Json::array();
  for (const auto& index : summary.indexes) {
    indexes.push_back({{"name", index.name},
                       {"definition", index.definition},
                       {"rebuilt", index.rebuilt},
                       {"rebuild_seconds", seconds(index.elapsed)}});
  }
  return indexes;
}

Json built_json(const BuiltChunks& built) {
  return {{"chunks", built.chunks},
          {"merged", built.merged},
          {"kept", built.kept},
          {"rows_kept", built.rows_kept},
          {"unknown", built.unknown},
          {"rows_unknown", built.rows_unknown},
          {"gone", built.gone},
          {"rows_gone", built.rows_gone},
          {"kept_is_owed", built.kept_is_owed},
          {"hand_over_seconds", seconds(built.elapsed)}};
}

Json to_json(const TimeShares& shares) {
  return {{"reader_reading_seconds", seconds(shares.reader_reading)},
          {"reader_splitting_seconds", seconds(shares.reader_splitting)},
          {"reader_waiting_seconds", seconds(shares.reader_waiting)},
          {"worker_encoding_seconds", seconds(shares.worker_encoding)},
          {"worker_sending_seconds", seconds(shares.worker_sending)},
          {"worker_waiting_seconds", seconds(shares.worker_waiting)}};
}

// A range has its end in last_*: null where the record is known.
Json to_json(const std::optional<Location>& location) {
  if (!location) {
    return nullptr;
  }
  Json json = {{"source", location->source},    {"byte", location->at.byte}, {"line", location->at.line},
               {"record", location->at.record}, {"last_byte", nullptr},      {"last_line", nullptr},
               {"last_record", nullptr}};
  if (const auto& last = location->last) {
    json["last_byte"] = last->byte;
    json["last_line"] = last->line;
    json["last_record"] = last->record;
  }
  return json;
}

Json to_json(const std::optional<Error>& error) {
  if (!error) {
    return nullptr;
  }
  return {{"kind", to_string(error->kind)},
          {"message", error->message},
          {"sqlstate", error->sqlstate},
          {"detail", error->detail},
          {"hint", error->hint},
          {"context", error->context},
          {"column", error->column},
          {"constraint", error->constraint},
          {"location", to_json(error->location)}};
}

}  // namespace

std::string summary_json(const LoadSummary& summary) {
  const LedgerTotals& totals = summary.totals;
  const Json json = {
      {"table", summary.table},
      {"truncated", summary.truncated},
      {"emptied", summary.emptied},
      {"failed_over", summary.failed_over},
      {"import_id", summary.import_id},
      {"import_done", summary.import_done},
      {"run_id", summary.run_id},
      {"exit_code", static_cast<int>(exit_code(summary))},
      {"sources", summary.sources},
      {"jobs", summary.jobs},
      {"batch_bytes", summary.batch_bytes},
      {"kernel", summary.kernel},
      {"wire", summary.wire},
      {"on_conflict", summary.on_conflict},
      {"atomic", summary.atomic},
      {"batches_binary", summary.wire_totals.encoded},
      {"batches_given_up", summary.wire_totals.given_up},
      {"batches_sorted", summary.wire_totals.sorted},
      {"batches_sent_again", totals.attempts_again},
      {"server_version", summary.server_version},
      {"elapsed_seconds", seconds(summary.elapsed)},
      {"bytes_per_second", per_second(totals.committed.bytes, summary.elapsed)},
      {"rows_per_second", per_second(totals.rows_stored(), summary.elapsed)},
      {"shares", to_json(summary.shares)},
      {"totals", to_json(totals)},
      {"inputs", inputs_json(summary)},
      {"reject_files", reject_files_json(summary)},
      {"deferred_indexes", indexes_json(summary)},
      {"rebuild_seconds", seconds(summary.rebuild_elapsed)},
      {"built_chunks", built_json(summary.built)},
      {"error", to_json(summary.error)},
      {"interrupted_by", summary.interrupted_by},
      {"notices", summary.notices},
  };
  // File names and the server's text may be in any encoding; a report that cannot be written helps nobody.
  return json.dump(2, ' ', false, Json::error_handler_t::replace);
}

}  // namespace hypercopy
