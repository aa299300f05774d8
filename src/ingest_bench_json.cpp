// bench_json(): the report of a bench for programs.
#include <nlohmann/json.hpp>

#include "human_units.hpp"
#include "hypercopy/ingest_bench.hpp"
#include "ingest_bench_advice.hpp"

namespace hypercopy {

namespace {

using Json = nlohmann::ordered_json;

Json runs_json(const BenchReport& report, std::size_t setting) {
  Json runs = Json::array();
  for (std::size_t place = 0; place < report.runs.size(); ++place) {
    const BenchRun& run = report.runs[place];
    if (run.setting != setting) continue;
    runs.push_back({{"place", place + 1},
                    {"round", run.round},
                    {"seconds", seconds(run.total())},
                    {"load_seconds", seconds(run.load)},
                    {"index_build_seconds", seconds(run.index_build)},
                    {"client_cpu_seconds", seconds(run.client_cpu)},
                    {"waiting_for_server", run.waiting_for_server},
                    {"rows", run.rows},
                    {"bytes", run.bytes}});
  }
  return runs;
}

Json setting_json(const BenchReport& report, std::size_t index, const BenchStatistics& statistics) {
  const BenchSetting& setting = report.settings[index];
  Json json = {{"workers", setting.workers},
               {"batch_bytes", setting.batch_bytes},
               {"wire", to_string(setting.wire)},
               {"indexes", to_string(setting.indexes)},
               {"median_seconds", nullptr}};
  if (statistics.runs > 0) {
    json["median_seconds"] = seconds(statistics.median);
    json["min_seconds"] = seconds(statistics.least);
    json["max_seconds"] = seconds(statistics.greatest);
    json["load_seconds"] = seconds(statistics.load);
    json["index_build_seconds"] = seconds(statistics.index_build);
    json["client_cpu_seconds"] = seconds(statistics.client_cpu);
    json["waiting_for_server"] = statistics.waiting_for_server;
    json["rows_per_second"] = statistics.rows_per_second;
    json["bytes_per_second"] = statistics.bytes_per_second;
  }
  json["runs"] = runs_json(report, index);
  return json;
}

Json advice_json(const BenchReport& report, const std::optional<BenchAdvice>& advice) {
  if (!advice) return nullptr;
  return {{"setting", advice->use},
          {"fastest", advice->fastest},
          {"as_good", advice->as_good},
          {"command", bench_command(report, report.settings[advice->use])}};
}

Json error_json(const std::optional<Error>& error) {
  if (!error) return nullptr;
  return {{"kind", to_string(error->kind)}, {"sqlstate", error->sqlstate}, {"message", to_string(*error)}};
}

}  // namespace

std::string bench_json(const BenchReport& report) {
  const std::vector<BenchStatistics> statistics = bench_statistics(report);
  Json settings = Json::array();
  for (std::size_t index = 0; index < statistics.size(); ++index) {
    settings.push_back(setting_json(report, index, statistics[index]));
  }
  Json server_settings = Json::object();
  for (const auto& [name, value] : report.server_settings) server_settings[name] = value;
  Json timescaledb = nullptr;
  if (!report.timescaledb_version.empty()) timescaledb = report.timescaledb_version;
  const bool measured = !report.runs.empty();
  const Json json = {
      {"target", report.target},
      {"target_kind", report.target_kind},
      {"scratch", report.scratch},
      {"exit_code", static_cast<int>(exit_code(report))},
      {"sources", report.sources},
      {"source_bytes", report.source_bytes},
      {"rows_per_run", measured ? report.runs.front().rows : 0},
      {"bytes_per_run", measured ? report.runs.front().bytes : 0},
      {"rounds", report.rounds},
      {"secondary_indexes", report.secondary_indexes},
      {"server_version", report.server_version},
      {"timescaledb_version", timescaledb},
      {"server_settings", server_settings},
      {"client_cores", report.client_cores},
      {"settings", settings},
      {"advice", advice_json(report, bench_advice(report, statistics))},
      {"notices", report.notices},
      {"error", error_json(report.error)},
      {"interrupted_by", report.interrupted_by},
  };
  return json.dump(2, ' ', false, Json::error_handler_t::replace);
}

}  // namespace hypercopy
