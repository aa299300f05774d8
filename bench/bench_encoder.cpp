// How fast one core turns CSV into COPY BINARY: generated rows in memory, in batches of 4 MB, through the field
// index and the record encoder, as a worker does it.
//   encode/SHAPE   index and encode                 index/SHAPE    find the fields only
//   type/COLUMN    rows of an id and one column of `types`: what a value of that type costs
// bytes_per_second is of CSV; ns_per_field of CPU time. Each run asserts that every record was encoded, none given up.
#include <benchmark/benchmark.h>
#include <fmt/format.h>

#include <array>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "hypercopy/batch.hpp"
#include "hypercopy/generate.hpp"
#include "hypercopy/record_encoder.hpp"
#include "hypercopy/record_fields.hpp"

namespace {

using namespace hypercopy;

constexpr std::size_t kBytes = std::size_t{64} << 20U;

struct Dataset {
  std::string bytes;
  std::vector<std::size_t> batch_ends;
  std::uint64_t records = 0;
  std::vector<GeneratedColumn> columns;
};

struct NamedOid {
  std::string_view type;
  std::uint32_t oid;
};

// What the catalog would say of the generated columns.
constexpr std::array kOids{NamedOid{"smallint", type_oid::kInt2},
                           NamedOid{"percent", type_oid::kInt2},  // a domain: its base type
                           NamedOid{"integer", type_oid::kInt4},
                           NamedOid{"bigint", type_oid::kInt8},
                           NamedOid{"real", type_oid::kFloat4},
                           NamedOid{"double precision", type_oid::kFloat8},
                           NamedOid{"numeric", type_oid::kNumeric},
                           NamedOid{"boolean", type_oid::kBool},
                           NamedOid{"text", type_oid::kText},
                           NamedOid{"varchar", type_oid::kVarchar},
                           NamedOid{"char", type_oid::kBpchar},
                           NamedOid{"name", type_oid::kName},
                           NamedOid{"timestamptz", type_oid::kTimestamptz},
                           NamedOid{"timestamp", type_oid::kTimestamp},
                           NamedOid{"date", type_oid::kDate},
                           NamedOid{"time", type_oid::kTime},
                           NamedOid{"timetz", type_oid::kTimetz},
                           NamedOid{"interval", type_oid::kInterval},
                           NamedOid{"uuid", type_oid::kUuid},
                           NamedOid{"bytea", type_oid::kBytea},
                           NamedOid{"json", type_oid::kJson},
                           NamedOid{"jsonb", type_oid::kJsonb},
                           NamedOid{"inet", type_oid::kInet},
                           NamedOid{"cidr", type_oid::kCidr},
                           NamedOid{"macaddr", type_oid::kMacaddr},
                           NamedOid{"oid", type_oid::kOid}};
constexpr std::uint32_t kEnumOid = 16'384;

ColumnType describe(std::string_view type) {
  const bool is_array = type.ends_with("[]");
  const std::string_view element = type.substr(0, type.find_first_of("[("));
  const bool is_enum = element == "level";
  std::uint32_t oid = is_enum ? kEnumOid : 0;
  for (const NamedOid& named : kOids) oid = named.type == element ? named.oid : oid;
  if (is_array) return {.oid = 1, .element_oid = oid, .element_is_enum = is_enum};
  return {.oid = oid, .is_enum = is_enum};
}

std::shared_ptr<const EncodingPlan> plan_for(const std::vector<GeneratedColumn>& columns) {
  TargetTable table;
  ColumnMapping mapping;
  mapping.field_count = columns.size();
  for (const GeneratedColumn& column : columns) {
    table.columns.push_back(
        {.name = std::string(column.name), .type = std::string(column.type), .wire = describe(column.type)});
    mapping.columns.emplace_back(column.name);
  }
  return make_encoding_plan(Dialect{}, mapping, table, EncoderSettings{.utc = true, .array_nulls = true})
      .plan;
}

// Blocks of the generator are whole rows; batches are made of them.
Dataset make_shape(DataShape shape) {
  Dataset data;
  data.columns = columns_of(shape);
  GenerateOptions options = default_options(shape);
  options.rows = 1'000'000;
  std::size_t batch_begin = 0;
  // An error of the sink is the end; what was made counts.
  const Status made = generate(options, [&](std::string_view block) -> Status {
    if (data.bytes.size() >= kBytes) return fail(ErrorKind::output, "enough");
    data.bytes += block;
    if (data.bytes.size() - batch_begin >= kDefaultBatchBytes) {
      batch_begin = data.bytes.size();
      data.batch_ends.push_back(batch_begin);
    }
    return {};
  });
  benchmark::DoNotOptimize(made);
  if (batch_begin != data.bytes.size()) data.batch_ends.push_back(data.bytes.size());
  return data;
}

// Calls `take` with each block of fields; false: a batch was given up.
template <typename Take>
bool for_each_block(const Dataset& data, Kernel kernel, Take take) {
  FieldIndexer indexer(Dialect{}, data.columns.size(), kernel);
  std::size_t begin = 0;
  for (const std::size_t end : data.batch_ends) {
    indexer.start(std::string_view(data.bytes).substr(begin, end - begin), NewlineStyle::lf);
    begin = end;
    FieldBlock block;
    IndexStop stop = indexer.next(block);
    for (; stop == IndexStop::block; stop = indexer.next(block)) take(block);
    if (stop == IndexStop::give_up) return false;
  }
  return true;
}

// Rows of a number and of column `index` of `types`.
Dataset make_column(const Dataset& types, std::size_t index, Kernel kernel) {
  Dataset data;
  data.columns = {{"id", "integer"}, types.columns[index]};
  for_each_block(types, kernel, [&](const FieldBlock& block) {
    FieldReader reader(block);
    for (std::size_t record = 0; record < block.records; ++record) {
      for (std::size_t column = 0; column < block.columns; ++column) {
        const RawField field = reader.next();
        if (column == index) data.bytes += fmt::format("1,{}\n", field.text);
      }
      reader.next_record();
      ++data.records;
    }
  });
  data.batch_ends.push_back(data.bytes.size());
  return data;
}

// Made when they are first wanted, so that a profile of one benchmark is not one of all data.
class Datasets {
 public:
  explicit Datasets(Kernel kernel) : kernel_(kernel) {}

  [[nodiscard]] Kernel kernel() const { return kernel_; }
  [[nodiscard]] const Dataset& shape(DataShape shape) {
    auto& data = made_[std::string(to_string(shape))];
    if (data.records == 0) {
      data = make_shape(shape);
      for_each_block(data, kernel_, [&](const FieldBlock& block) { data.records += block.records; });
    }
    return data;
  }
  // Of DataShape::types.
  [[nodiscard]] const Dataset& column(const std::string& name, std::size_t index) {
    auto& data = made_["types." + name];
    if (data.records == 0) data = make_column(shape(DataShape::types), index, kernel_);
    return data;
  }

 private:
  Kernel kernel_;
  std::map<std::string, Dataset> made_;
};

void finish(benchmark::State& state, const Dataset& data) {
  const auto fields = static_cast<std::int64_t>(data.records * data.columns.size());
  state.SetBytesProcessed(state.iterations() * static_cast<std::int64_t>(data.bytes.size()));
  state.SetItemsProcessed(state.iterations() * static_cast<std::int64_t>(data.records));
  state.counters["ns_per_field"] =
      benchmark::Counter(static_cast<double>(state.iterations() * fields) / 1e9,
                         benchmark::Counter::kIsRate | benchmark::Counter::kInvert);
}

void index_fields(benchmark::State& state, const Dataset& data, Kernel kernel) {
  for (auto _ : state) {
    std::uint64_t records = 0;
    const bool all = for_each_block(data, kernel, [&](const FieldBlock& block) { records += block.records; });
    if (!all || records != data.records) return state.SkipWithError("wrong record count");
  }
  finish(state, data);
}

void encode(benchmark::State& state, const Dataset& data, Kernel kernel) {
  const auto plan = plan_for(data.columns);
  if (plan == nullptr) return state.SkipWithError("no plan");
  RecordEncoder encoder(kernel);
  for (auto _ : state) {
    std::size_t begin = 0;
    for (const std::size_t end : data.batch_ends) {
      GivenUp why;
      const auto batch = std::string_view(data.bytes).substr(begin, end - begin);
      const auto encoded = encoder.encode(batch, NewlineStyle::lf, *plan, why);
      if (!encoded) return state.SkipWithError(fmt::format("given up: {}", why.column).c_str());
      benchmark::DoNotOptimize(encoded->data());
      begin = end;
    }
  }
  finish(state, data);
}

void add_shape(DataShape shape, Datasets& datasets) {
  for (const bool only_index : {false, true}) {
    const std::string name = fmt::format("{}/{}", only_index ? "index" : "encode", to_string(shape));
    const auto run = [=, &datasets](benchmark::State& state) {
      (only_index ? index_fields : encode)(state, datasets.shape(shape), datasets.kernel());
    };
    benchmark::RegisterBenchmark(name.c_str(), run)->Unit(benchmark::kMillisecond);
  }
}

void add_columns(Datasets& datasets) {
  const auto columns = columns_of(DataShape::types);
  for (std::size_t index = 0; index < columns.size(); ++index) {
    const std::string name(columns[index].name);
    const auto run = [=, &datasets](benchmark::State& state) {
      encode(state, datasets.column(name, index), datasets.kernel());
    };
    benchmark::RegisterBenchmark(fmt::format("type/{}", name).c_str(), run)->Unit(benchmark::kMillisecond);
  }
}

}  // namespace

int main(int argc, char** argv) {
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 1;
  const auto kernel = choose_kernel();
  if (!kernel) {
    fmt::print(stderr, "bench_encoder: {}\n", kernel.error().message);
    return 1;
  }
  Datasets datasets(*kernel);
  for (const DataShape shape : kShapes) add_shape(shape, datasets);
  add_columns(datasets);
  benchmark::RunSpecifiedBenchmarks();
  return 0;
}
