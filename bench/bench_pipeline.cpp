// How fast the whole client is without a server: a file of 3 million `cpu` rows in the page cache through the
// real source, reader, queue and workers, into a stream that throws everything away.
//   passthrough   batches go to the stream as they were read
//   drop_field    one field of 13 is taken out of each record, as for a generated column
// Names end in the number of workers and the batch's bytes. bytes_per_second is of wall time;
// cpu_bytes_per_second of the CPU time of all threads together, so it tells what one core can do. Each run
// asserts the record count; a wrong one has no time.
#include <benchmark/benchmark.h>
#include <fmt/format.h>

#include <array>
#include <ctime>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "cpu_file.hpp"
#include "hypercopy/pipeline.hpp"
#include "hypercopy/source.hpp"

namespace {

using namespace hypercopy;
using bench::CpuFile;

constexpr std::uint64_t kRows = 3'000'000;
constexpr std::size_t kFields = 13;
constexpr std::size_t kDroppedField = 12;

class DiscardingStream final : public CopyStream {
 public:
  Result<bool> begin(const TransactionHead& /*head*/, const std::string& /*copy_sql*/) override {
    return true;
  }
  Result<std::uint64_t> execute(const std::string& /*sql*/) override { return 0; }
  Result<std::uint64_t> number(const std::string& /*sql*/) override { return 0; }
  Status put(std::string_view bytes) override {
    benchmark::DoNotOptimize(bytes.data());
    return {};
  }
  // Nothing counts rows here: records are counted by the splitter, and this "server" may suppress all of
  // them.
  Result<std::uint64_t> finish() override { return 0; }
  Status commit() override { return {}; }
  void abort(std::string_view /*reason*/) noexcept override {}
  [[nodiscard]] bool is_usable() const override { return true; }
  Status reopen(StopAt /*stop*/) override { return {}; }
  Result<CommitOutcome> lost_commit(std::chrono::milliseconds /*patience*/, StopAt /*stop*/) override {
    return CommitOutcome::unknown;
  }
};

class NoWatch final : public PipelineWatch {
 public:
  [[nodiscard]] std::chrono::milliseconds interval() const override { return std::chrono::seconds(1); }
  void tick(const LedgerTotals& /*totals*/) override {}
  void end(const LedgerTotals& /*totals*/) override {}
};

struct Setup {
  std::string_view name;
  unsigned jobs = 1;
  std::size_t batch_bytes = kDefaultBatchBytes;
  bool drop_field = false;
};

std::shared_ptr<const InputFile> describe(const CpuFile& file, bool drop_field) {
  auto input = std::make_shared<InputFile>();
  input->name = file.path();
  input->mapping.field_count = kFields;
  for (std::size_t field = 0; field < kFields; ++field) {
    const bool dropped = drop_field && field == kDroppedField;
    (dropped ? input->mapping.dropped_columns : input->mapping.columns).push_back(fmt::format("c{}", field));
    if (dropped) input->mapping.dropped.push_back(field);
  }
  return input;
}

PipelineOutcome load(const Setup& setup, const std::shared_ptr<const InputFile>& input, Kernel kernel,
                     Console& console, Cancellation& cancellation) {
  const InputOpener open_input = [&](std::size_t /*index*/, const BatchLimits& limits, BatchPool& pool,
                                     TimeShares& shares) -> Result<OpenedInput> {
    HYPERCOPY_ASSIGN(auto source, open_source(input->name, cancellation));
    OpenedInput opened{.reader = std::make_unique<BatchReader>(std::move(source), input->split, kernel,
                                                               limits, pool, shares),
                       .file = input,
                       .notices = {}};
    HYPERCOPY_TRY(opened.reader->read_prologue({}));
    return opened;
  };
  const StreamOpener open_stream = [](unsigned) -> Result<std::unique_ptr<CopyStream>> {
    return std::make_unique<DiscardingStream>();
  };
  NoWatch watch;
  const PipelineOptions options{.jobs = setup.jobs,
                                .batch_bytes = setup.batch_bytes,
                                .policy = {.relation = "cpu", .may_suppress_rows = true}};
  return run_pipeline(options, sequential_feed(open_input, options.inputs), open_stream, console,
                      cancellation, cancellation, watch);
}

double seconds_of(const PipelineOutcome& outcome, TimeShares::Duration TimeShares::*share) {
  return std::chrono::duration<double>(outcome.shares.*share).count();
}

void run(benchmark::State& state, const Setup& setup, const CpuFile& file) {
  const auto kernel = choose_kernel();
  const auto cancellation = Cancellation::create();
  if (!kernel || !cancellation) return state.SkipWithError("no kernel or no event descriptor");
  Console console(2, "bench_pipeline", false);
  const auto input = describe(file, setup.drop_field);
  const std::clock_t cpu_before = std::clock();
  double reading = 0;
  double splitting = 0;
  for (auto _ : state) {
    PipelineOutcome outcome = load(setup, input, *kernel, console, **cancellation);
    if (outcome.error) return state.SkipWithError(outcome.error->message.c_str());
    if (outcome.totals.committed.records != file.rows() || outcome.totals.committed.bytes != file.bytes()) {
      return state.SkipWithError("wrong record or byte count");
    }
    reading += seconds_of(outcome, &TimeShares::reader_reading);
    splitting += seconds_of(outcome, &TimeShares::reader_splitting);
  }
  const double cpu = static_cast<double>(std::clock() - cpu_before) / CLOCKS_PER_SEC;
  const auto iterations = state.iterations();
  const auto all_bytes = iterations * static_cast<std::int64_t>(file.bytes());
  state.SetBytesProcessed(all_bytes);
  state.SetItemsProcessed(iterations * static_cast<std::int64_t>(file.rows()));
  state.SetLabel(std::string(to_string(*kernel)));
  state.counters["cpu_bytes_per_second"] = benchmark::Counter(
      static_cast<double>(all_bytes) / cpu, benchmark::Counter::kDefaults, benchmark::Counter::kIs1000);
  state.counters["reading_s"] = benchmark::Counter(reading, benchmark::Counter::kAvgIterations);
  state.counters["splitting_s"] = benchmark::Counter(splitting, benchmark::Counter::kAvgIterations);
}

constexpr std::size_t kMiB = std::size_t{1} << 20;

constexpr std::array<Setup, 7> kSetups{{{.name = "passthrough"},
                                        {.name = "passthrough", .jobs = 2},
                                        {.name = "passthrough", .batch_bytes = kMiB / 4},
                                        {.name = "passthrough", .batch_bytes = kMiB},
                                        {.name = "passthrough", .batch_bytes = 16 * kMiB},
                                        {.name = "drop_field", .drop_field = true},
                                        {.name = "drop_field", .jobs = 2, .drop_field = true}}};

}  // namespace

int main(int argc, char** argv) {
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 1;
  const auto file = CpuFile::make(kRows);
  if (!file) {
    fmt::print(stderr, "bench_pipeline: {}\n", file.error().message);
    return 1;
  }
  for (const Setup& setup : kSetups) {
    const std::string name =
        fmt::format("pipeline/{}/workers:{}/batch_bytes:{}", setup.name, setup.jobs, setup.batch_bytes);
    benchmark::RegisterBenchmark(name.c_str(),
                                 [&setup, &file](benchmark::State& state) { run(state, setup, **file); })
        ->Unit(benchmark::kMillisecond)
        ->UseRealTime()
        ->MeasureProcessCPUTime();
  }
  benchmark::RunSpecifiedBenchmarks();
  return 0;
}
