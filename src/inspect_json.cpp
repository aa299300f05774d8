// inspect_json(): an inspection for programs.
#include <nlohmann/json.hpp>

#include "human_units.hpp"
#include "hypercopy/inspect.hpp"
#include "time_text.hpp"

namespace hypercopy {

namespace {

using Json = nlohmann::ordered_json;

Json to_json(const Position& at) { return {{"record", at.record}, {"line", at.line}, {"byte", at.byte}}; }

Json to_json(const CountedRecords& counted) {
  return {{"records", counted.records},
          {"first", counted.records == 0 ? Json(nullptr) : to_json(counted.first)}};
}

std::string_view order_word(TimeOrder order) {
  switch (order) {
    case TimeOrder::none:
      return "none";
    case TimeOrder::ascending:
      return "ascending";
    case TimeOrder::descending:
      return "descending";
    case TimeOrder::mixed:
      return "mixed";
  }
  return "?";
}

std::string_view newline_word(NewlineStyle style) {
  switch (style) {
    case NewlineStyle::lf:
      return "lf";
    case NewlineStyle::crlf:
      return "crlf";
    case NewlineStyle::cr:
      return "cr";
    case NewlineStyle::unknown:
      return "unknown";
  }
  return "?";
}

std::string_view header_word(Header header) {
  switch (header) {
    case Header::none:
      return "none";
    case Header::skip:
      return "skip";
    case Header::match:
      return "match";
  }
  return "?";
}

Json times_json(const TimeSurveyResult& times, const std::optional<TimeColumn>& column, bool with_ranges) {
  if (!column) return nullptr;
  const auto text = [&](std::int64_t value) { return time_text(value, column->type_oid); };
  const bool any = times.times > 0;
  Json json = {{"column", column->name},
               {"records", times.times},
               {"least", any ? Json(text(times.least)) : Json(nullptr)},
               {"greatest", any ? Json(text(times.greatest)) : Json(nullptr)},
               {"order", order_word(times.order())},
               {"steps_back", times.steps_back},
               {"furthest_back", times.furthest_back},
               {"range_changes", times.bucket_changes},
               {"nulls", to_json(times.nulls)},
               {"left_to_the_server", to_json(times.unread)},
               {"taken_for_utc", to_json(times.as_utc)},
               {"other_number_of_fields", to_json(times.misfits)}};
  if (!with_ranges) return json;
  Json ranges = Json::array();
  for (const auto& [begin, bucket] : times.buckets) {
    ranges.push_back({{"begin", text(begin)},
                      {"end", text(bucket.end)},
                      {"records", bucket.records},
                      {"least", text(bucket.least)},
                      {"greatest", text(bucket.greatest)},
                      {"first", to_json(bucket.first)}});
  }
  json["ranges"] = std::move(ranges);
  return json;
}

Json input_json(const Inspection& found) {
  Json files = Json::array();
  for (const auto& input : found.inputs) {
    files.push_back({{"name", input.name},
                     {"bytes", input.bytes},
                     {"records", input.records},
                     {"newline", newline_word(input.newline)},
                     {"time", times_json(input.times, found.time, false)}});
  }
  return {{"files", std::move(files)},
          {"bytes", found.bytes()},
          {"records", found.records()},
          {"limited", found.limited},
          {"elapsed_seconds", seconds(found.elapsed)},
          {"format", to_string(found.dialect.format)},
          {"delimiter", std::string(1, found.dialect.delimiter)},
          {"delimiter_found", found.delimiter_found},
          {"header", header_word(found.header)},
          {"header_found", found.header_found},
          {"fields", found.fields == 0 ? Json(nullptr) : Json(found.fields)},
          {"time", times_json(found.times, found.time, true)}};
}

Json columns_json(const Inspection& found) {
  Json columns = Json::array();
  for (const auto& column : found.columns) {
    columns.push_back({{"name", column.name},
                       {"type", column.type},
                       {"not_binary", column.not_binary.empty() ? Json(nullptr) : Json(column.not_binary)}});
  }
  return columns;
}

Json keys_json(const std::vector<TableForeignKey>& keys) {
  Json json = Json::array();
  for (const auto& key : keys) json.push_back({{"name", key.name}, {"table", key.other_table}});
  return json;
}

Json facts_json(const TableFacts& facts) {
  Json indexes = Json::array();
  for (const auto& index : facts.indexes) {
    indexes.push_back({{"name", index.name},
                       {"definition", index.definition},
                       {"unique", index.unique},
                       {"primary", index.primary},
                       {"exclusion", index.exclusion}});
  }
  Json triggers = Json::array();
  for (const auto& trigger : facts.triggers) {
    triggers.push_back(
        {{"name", trigger.name}, {"for_each_row", trigger.for_each_row}, {"before", trigger.before}});
  }
  return {{"indexes", std::move(indexes)},
          {"triggers", std::move(triggers)},
          {"references", keys_json(facts.references)},
          {"referenced_by", keys_json(facts.referenced_by)}};
}

Json hypertable_json(const InspectedTarget& target) {
  if (!target.hypertable) return nullptr;
  const Hypertable& hypertable = *target.hypertable;
  Json dimensions = Json::array();
  for (const auto& dimension : hypertable.dimensions) {
    dimensions.push_back({{"column", dimension.column},
                          {"type", dimension.type},
                          {"kind", to_string(dimension.kind)},
                          {"interval", dimension.interval},
                          {"partitions", dimension.partitions}});
  }
  Json order = Json::array();
  for (const auto& column : hypertable.columnstore.order_by) {
    order.push_back(
        {{"column", column.column}, {"descending", column.descending}, {"nulls_first", column.nulls_first}});
  }
  Json aggregates = Json::array();
  for (const auto& aggregate : hypertable.aggregates)
    aggregates.push_back({{"schema", aggregate.schema}, {"name", aggregate.name}});
  Json jobs = Json::array();
  for (const auto& job : hypertable.jobs) {
    jobs.push_back({{"id", job.id},
                    {"procedure", job.procedure},
                    {"target", job.target},
                    {"scheduled", job.scheduled},
                    {"next_start", job.next_start}});
  }
  const ChunkForecast& chunks = target.chunks;
  return {{"version", hypertable.extension_version},
          {"community", hypertable.is_community},
          {"dimensions", std::move(dimensions)},
          {"columnstore",
           {{"enabled", hypertable.columnstore.enabled},
            {"segment_by", hypertable.columnstore.segment_by},
            {"order_by", std::move(order)}}},
          {"chunk_skipping", hypertable.chunk_skipping},
          {"aggregates", std::move(aggregates)},
          {"jobs", std::move(jobs)},
          {"chunks", hypertable.chunks},
          {"compressed_chunks", hypertable.compressed_chunks},
          {"load",
           {{"new_ranges", chunks.new_ranges},
            {"unsure_ranges", chunks.unsure_ranges},
            {"existing_ranges", chunks.existing_ranges},
            {"compressed_ranges", chunks.compressed_ranges},
            {"new_records", chunks.new_records},
            {"unsure_records", chunks.unsure_records},
            {"existing_records", chunks.existing_records},
            {"compressed_records", chunks.compressed_records}}}};
}

// null: there is nothing that it would be for.
Json option_json(const InspectedOption& option) {
  if (!option.tried) return nullptr;
  return {{"accepted", option.refused.empty()},
          {"refused", option.refused.empty() ? Json(nullptr) : Json(option.refused)}};
}

Json target_json(const Inspection& found) {
  if (!found.target) return nullptr;
  const InspectedTarget& target = *found.target;
  Json json = {{"schema", target.table.schema},
               {"name", target.table.name},
               {"kind", to_string(target.table.kind)},
               {"fields_wanted", target.fields_wanted}};
  json.update(facts_json(target.facts));
  json["hypertable"] = hypertable_json(target);
  json["partitions"] = target.partitions ? Json{{"key", target.partitions->key},
                                                {"count", target.partitions->count},
                                                {"has_default", target.partitions->has_default},
                                                {"without_partition", target.partitions->homeless}}
                                         : Json(nullptr);
  json["options"] = {{"defer_indexes", option_json(target.defer_indexes)},
                     {"after_refresh", option_json(target.refresh)}};
  json["expected_bytes"] = {
      {"table", target.table_bytes}, {"indexes", target.index_bytes}, {"wal", target.wal_bytes}};
  return json;
}

Json server_json(const Inspection& found) {
  if (!found.target) return nullptr;
  const ServerFacts& server = found.target->server;
  return {{"version", server.version},
          {"time_zone", server.time_zone},
          {"max_connections", server.max_connections},
          {"free_connections", server.free_connections},
          {"max_wal_bytes", server.max_wal_bytes},
          {"wal_level", server.wal_level},
          {"synchronous_commit", server.synchronous_commit}};
}

}  // namespace

std::string inspect_json(const Inspection& inspection) {
  const Json json = {{"input", inspection.inputs.empty() ? Json(nullptr) : input_json(inspection)},
                     {"columns", columns_json(inspection)},
                     {"target", target_json(inspection)},
                     {"server", server_json(inspection)},
                     {"problems", inspection.problems},
                     {"notes", inspection.notes},
                     {"command", inspection.command.empty() ? Json(nullptr) : Json(inspection.command)}};
  // Names may be in any encoding.
  return json.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

}  // namespace hypercopy
