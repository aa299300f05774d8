// How fast fields are found, per kernel: rows of TSBS's `cpu` table in memory, one thread, in batches of 4
// MB.
//   unquoted   csv as hypercopy generates it          quoted    every field in quotes
//   mixed      the host name in quotes                escape    as quoted, ESCAPE '\'
// "index" only finds fields; "read" also walks over them and takes the quotes away, as encoders do.
// Each run asserts the number of fields; a wrong one has no time.
#include <benchmark/benchmark.h>
#include <fmt/format.h>

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "hypercopy/batch.hpp"
#include "hypercopy/field_index.hpp"
#include "hypercopy/generate.hpp"
#include "hypercopy/record_fields.hpp"

namespace {

using namespace hypercopy;

constexpr std::uint64_t kRows = 200'000;
constexpr std::size_t kColumns = 13;
constexpr std::size_t kHostnameColumn = 2;

enum class Quotes : std::uint8_t { none, hostname, all };

struct Layout {
  std::string_view name;
  Quotes quotes = Quotes::none;
  char escape = '"';
};

constexpr std::array<Layout, 4> kLayouts{{{.name = "unquoted"},
                                          {.name = "quoted", .quotes = Quotes::all},
                                          {.name = "mixed", .quotes = Quotes::hostname},
                                          {.name = "escape", .quotes = Quotes::all, .escape = '\\'}}};

struct Dataset {
  std::string bytes;
  std::vector<std::size_t> batch_ends;
};

void append_row(std::string_view row, Quotes quotes, std::string& to) {
  static std::vector<FieldRange> fields;
  split_fields(row, Dialect{}, fields);
  for (std::size_t i = 0; i < fields.size(); ++i) {
    const bool quoted = quotes == Quotes::all || (quotes == Quotes::hostname && i == kHostnameColumn);
    const std::string_view quote = quoted ? "\"" : "";
    to.append(i == 0 ? "" : ",").append(quote);
    to.append(row, fields[i].begin, fields[i].end - fields[i].begin).append(quote);
  }
  to += '\n';
}

Dataset make(const Layout& layout) {
  std::string plain;
  const Status made = generate({.rows = kRows}, [&plain](std::string_view block) {
    plain.append(block);
    return Status{};
  });
  Dataset data;
  if (!made) return data;
  std::size_t batch_begin = 0;
  for (std::size_t begin = 0; begin < plain.size();) {
    const std::size_t end = plain.find('\n', begin);
    append_row(std::string_view(plain).substr(begin, end - begin), layout.quotes, data.bytes);
    begin = end + 1;
    if (data.bytes.size() - batch_begin < kDefaultBatchBytes && begin < plain.size()) continue;
    batch_begin = data.bytes.size();
    data.batch_ends.push_back(batch_begin);
  }
  return data;
}

std::size_t read_block(const FieldBlock& block, char escape, std::string& scratch) {
  FieldReader reader(block);
  std::size_t bytes = 0;
  for (std::size_t record = 0; record < block.records; ++record) {
    for (std::size_t column = 0; column < kColumns; ++column) {
      const RawField field = reader.next();
      bytes += field.has_quote ? unquote(field.text, '"', escape, scratch).size() : field.text.size();
    }
    reader.next_record();
  }
  return bytes;
}

// The number of fields; 0 when a batch is given up.
std::size_t index_all(const Dataset& data, FieldIndexer& indexer, bool read, char escape) {
  std::size_t fields = 0;
  std::size_t begin = 0;
  std::string scratch;
  for (const std::size_t end : data.batch_ends) {
    indexer.start(std::string_view(data.bytes).substr(begin, end - begin), NewlineStyle::lf);
    begin = end;
    FieldBlock block;
    IndexStop stop = indexer.next(block);
    for (; stop == IndexStop::block; stop = indexer.next(block)) {
      fields += block.records * block.columns;
      if (read) benchmark::DoNotOptimize(read_block(block, escape, scratch));
    }
    if (stop == IndexStop::give_up) return 0;
  }
  return fields;
}

void index_fields(benchmark::State& state, const Layout& layout, Kernel kernel, bool read) {
  const Dataset data = make(layout);
  FieldIndexer indexer(Dialect{.escape = layout.escape}, kColumns, kernel);
  for (auto _ : state) {
    if (index_all(data, indexer, read, layout.escape) != kRows * kColumns) {
      state.SkipWithError("wrong field count");
      return;
    }
  }
  state.SetBytesProcessed(state.iterations() * static_cast<std::int64_t>(data.bytes.size()));
  state.SetItemsProcessed(state.iterations() * static_cast<std::int64_t>(kRows * kColumns));
}

}  // namespace

int main(int argc, char** argv) {
  for (const Layout& layout : kLayouts) {
    for (const Kernel kernel : available_kernels()) {
      for (const bool read : {false, true}) {
        const std::string name =
            fmt::format("{}/{}/{}", read ? "read" : "index", layout.name, to_string(kernel));
        benchmark::RegisterBenchmark(name.c_str(), index_fields, layout, kernel, read)
            ->Unit(benchmark::kMillisecond);
      }
    }
  }
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 1;
  benchmark::RunSpecifiedBenchmarks();
  return 0;
}
