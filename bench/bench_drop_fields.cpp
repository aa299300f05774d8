// How fast one field of each record is taken out, on one thread: rows of `cpu` in memory, in batches of the
// default size's order.
//   first, middle, last   which of the 13 fields
//   quoted                every field in quotes, the middle one dropped
// Each run asserts the bytes that are left; a wrong number has no time.
#include <benchmark/benchmark.h>
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <string>
#include <string_view>

#include "hypercopy/column_mapping.hpp"
#include "hypercopy/generate.hpp"

namespace {

using namespace hypercopy;

constexpr std::uint64_t kRows = 24'000;  // about 4 MB
constexpr std::size_t kFields = 13;

struct Shape {
  std::string_view name;
  std::size_t field = 0;
  bool quoted = false;
};

constexpr std::array<Shape, 4> kCpuFiles{{{.name = "first", .field = 0},
                                          {.name = "middle", .field = 6},
                                          {.name = "last", .field = 12},
                                          {.name = "quoted", .field = 6, .quoted = true}}};

std::string quote_all(std::string_view rows) {
  std::string quoted = "\"";
  for (const char byte : rows) {
    if (byte == ',') {
      quoted += "\",\"";
    } else if (byte == '\n') {
      quoted += "\"\n\"";
    } else {
      quoted += byte;
    }
  }
  quoted.pop_back();
  return quoted;
}

std::string make_batch(const Shape& shape) {
  std::string rows;
  const Status made = generate({.rows = kRows}, [&](std::string_view block) -> Status {
    rows += block;
    return {};
  });
  if (!made) return {};
  return shape.quoted ? quote_all(rows) : rows;
}

// What must be left, counted byte by byte: no value of `cpu` holds a delimiter, a quote or a newline.
std::size_t bytes_left(std::string_view batch, std::size_t dropped) {
  std::size_t field = 0;
  std::size_t gone = 0;
  for (const char byte : batch) {
    const bool ends_record = byte == '\n';
    if (field == dropped && !ends_record) ++gone;
    if (byte == ',') ++field;
    // The last field takes the delimiter in front of it along, all others the one behind.
    if (ends_record && dropped + 1 == kFields) ++gone;
    if (ends_record) field = 0;
  }
  return batch.size() - gone;
}

void drop(benchmark::State& state, const Shape& shape) {
  const std::string batch = make_batch(shape);
  const std::size_t wanted = bytes_left(batch, shape.field);
  ColumnMapping mapping;
  mapping.columns.assign(kFields - 1, "kept");
  mapping.dropped = {shape.field};
  mapping.dropped_columns = {"dropped"};
  mapping.field_count = kFields;
  const Dialect dialect;
  std::string out;
  for (auto _ : state) {
    out.clear();
    std::size_t bad_record = 0;
    const Status dropped = drop_fields(batch, dialect, mapping, NewlineStyle::lf, out, bad_record);
    if (!dropped || batch.empty() || out.size() != wanted) {
      state.SkipWithError("wrong result");
      return;
    }
  }
  state.SetBytesProcessed(state.iterations() * static_cast<std::int64_t>(batch.size()));
  state.SetItemsProcessed(state.iterations() * static_cast<std::int64_t>(kRows));
}

}  // namespace

int main(int argc, char** argv) {
  for (const Shape& shape : kCpuFiles) {
    benchmark::RegisterBenchmark(fmt::format("drop_fields/{}", shape.name).c_str(), drop, shape)
        ->Unit(benchmark::kMillisecond);
  }
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 1;
  benchmark::RunSpecifiedBenchmarks();
  return 0;
}
