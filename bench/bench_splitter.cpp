// How fast records are found, per kernel: rows of TSBS's `cpu` table in memory, one thread.
//   unquoted   csv as TSBS writes it           quoted     every field in quotes
//   crlf       unquoted, CRLF newlines         text       text format, some fields \N
// Each run asserts the record count; a wrong one has no time.
#include <benchmark/benchmark.h>
#include <fmt/format.h>

#include <array>
#include <cstdint>
#include <map>
#include <random>
#include <string>
#include <string_view>
#include <vector>

#include "hypercopy/record_splitter.hpp"

namespace {

using namespace hypercopy;

constexpr std::size_t kDatasetBytes = std::size_t{64} << 20;
constexpr std::uint64_t kBatchRecords = 10'000;

struct Shape {
  std::string_view name;
  Format format = Format::csv;
  std::string_view quote{};
  std::string_view newline = "\n";
};

constexpr std::array<Shape, 4> kShapes{{{.name = "unquoted"},
                                        {.name = "quoted", .quote = "\""},
                                        {.name = "crlf", .newline = "\r\n"},
                                        {.name = "text", .format = Format::text}}};

struct Dataset {
  std::string bytes;
  std::uint64_t records = 0;
};

std::vector<std::string> row_fields(std::mt19937_64& random, std::uint64_t number, bool nulls) {
  std::uniform_int_distribution<int> value(0, 9999);
  const std::uint64_t host = number % 4000;
  std::vector<std::string> fields{
      fmt::format("2016-01-01 {:02}:{:02}:{:02}+00", number / 3600 % 24, number / 60 % 60, number % 60),
      fmt::format("{}", host), fmt::format("host_{}", host)};
  for (int metric = 0; metric < 10; ++metric) {
    const int hundredths = value(random);
    fields.push_back(nulls && hundredths % 4 == 0 ? "\\N" : fmt::format("{:.2f}", hundredths / 100.0));
  }
  return fields;
}

Dataset generate(const Shape& shape) {
  std::mt19937_64 random(20160101);
  const bool text = shape.format == Format::text;
  Dataset data;
  data.bytes.reserve(kDatasetBytes + 1024);
  for (; data.bytes.size() < kDatasetBytes; ++data.records) {
    std::string_view separator;
    for (const std::string& field : row_fields(random, data.records, text)) {
      data.bytes.append(separator).append(shape.quote).append(field).append(shape.quote);
      separator = text ? "\t" : ",";
    }
    data.bytes.append(shape.newline);
  }
  return data;
}

// Made once per shape: making it takes much longer than one measurement.
const Dataset& dataset(const Shape& shape) {
  static std::map<std::string_view, Dataset> datasets;
  const auto found = datasets.find(shape.name);
  return found != datasets.end() ? found->second
                                 : datasets.emplace(shape.name, generate(shape)).first->second;
}

std::uint64_t count_records(std::string_view bytes, const SplitOptions& options, Kernel kernel,
                            std::uint64_t max_records) {
  RecordSplitter splitter(options, kernel);
  std::uint64_t records = 0;
  SplitResult result;
  do {
    result = splitter.scan(bytes, max_records, true);
    records += result.records;
    bytes.remove_prefix(result.scanned);
  } while (result.stop == SplitStop::record_limit);
  return result.stop == SplitStop::need_more ? records : 0;
}

void split(benchmark::State& state, const Shape& shape, Kernel kernel, bool before_v18) {
  const Dataset& data = dataset(shape);
  const SplitOptions options{.format = shape.format, .before_v18 = before_v18};
  for (auto _ : state) {
    if (count_records(data.bytes, options, kernel, kBatchRecords) != data.records) {
      state.SkipWithError("wrong record count");
      return;
    }
  }
  state.SetBytesProcessed(state.iterations() * static_cast<std::int64_t>(data.bytes.size()));
  state.SetItemsProcessed(state.iterations() * static_cast<std::int64_t>(data.records));
}

}  // namespace

int main(int argc, char** argv) {
  for (const Shape& shape : kShapes) {
    for (const Kernel kernel : available_kernels()) {
      for (const bool before_v18 : {true, false}) {
        const std::string name = fmt::format("split/{}/{}/{}", shape.name, to_string(kernel),
                                             before_v18 ? "server17" : "server18");
        benchmark::RegisterBenchmark(name.c_str(), split, shape, kernel, before_v18)
            ->Unit(benchmark::kMillisecond);
      }
    }
  }
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 1;
  benchmark::RunSpecifiedBenchmarks();
  return 0;
}
