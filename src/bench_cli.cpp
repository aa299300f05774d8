#include "bench_cli.hpp"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <charconv>
#include <cmath>
#include <functional>

#include "advised_words.hpp"
#include "hypercopy/batch.hpp"
#include "hypercopy/load.hpp"
#include "ingest_bench_plan.hpp"

namespace hypercopy {

namespace {

constexpr const char* kBenchExamples = R"(Examples:
  Which settings are best for this file on this server? About five minutes:
    hypercopy bench -d mydb -t conditions conditions.csv
  More settings, ten minutes, for a program:
    hypercopy bench -d mydb -t conditions --workers 1,2,4,8 --wire auto,csv \
      --indexes keep,none --minutes 10 --json conditions.csv > bench.json

The target is only looked at: the rows go into a scratch table like it, which is
dropped at the end. Columns of the result: seconds (median of the rounds), their
min and max, build (of indexes; part of the seconds), CPU s (of this program),
wait (share of the workers' time in which they waited for the server).
Exit codes: 0 measured, 1 failed, 2 wrong command line, 4 runs loaded different
numbers of rows, 130/143 interrupted.)";

// More make a plan that nobody waits for.
constexpr unsigned kMostRounds = 1000;

template <typename T>
using ReadOne = std::function<Result<T>(const std::string&)>;

template <typename T>
Result<std::vector<T>> read_list(const char* option, const std::string& text, const ReadOne<T>& read_one) {
  std::vector<T> values;
  std::size_t begin = 0;
  while (begin <= text.size()) {
    const std::size_t end = std::min(text.find(',', begin), text.size());
    const std::string word = text.substr(begin, end - begin);
    auto value = read_one(word);
    if (!value) {
      Error error = std::move(value).error();
      error.message = fmt::format("{}: \"{}\" {}", option, word, error.message);
      return fail(std::move(error));
    }
    values.push_back(std::move(*value));
    begin = end + 1;
  }
  return values;
}

Result<unsigned> read_workers(const std::string& word) {
  unsigned count = 0;
  const char* const end = word.data() + word.size();
  const auto [rest, outcome] = std::from_chars(word.data(), end, count);
  if (outcome == std::errc() && rest == end && count >= 1 && count <= kMaxJobs) return count;
  return fail(ErrorKind::usage, fmt::format("is not a number from 1 to {}", kMaxJobs));
}

Result<std::size_t> read_size(const std::string& word) {
  std::string number = word;
  std::size_t bytes = 0;
  const bool digit_first = !word.empty() && word.front() >= '0' && word.front() <= '9';
  try {
    if (digit_first && CLI::AsSizeValue(false)(number).empty()) {
      std::from_chars(number.data(), number.data() + number.size(), bytes);
    }
  } catch (const CLI::Error&) {
    bytes = 0;
  }
  if (bytes >= kMinBatchBytes) return bytes;
  return fail(ErrorKind::usage,
              fmt::format("is not a size of at least {} bytes, as 512KB or 4MB", kMinBatchBytes));
}

Result<Wire> read_wire(const std::string& word) {
  for (const Wire wire : {Wire::automatic, Wire::binary, Wire::csv}) {
    if (word == to_string(wire)) return wire;
  }
  return fail(ErrorKind::usage, "is none of auto, binary, csv");
}

Result<BenchIndexes> read_indexes(const std::string& word) {
  for (const BenchIndexes indexes : {BenchIndexes::keep, BenchIndexes::none}) {
    if (word == to_string(indexes)) return indexes;
  }
  return fail(ErrorKind::usage, "is none of keep, none");
}

Result<BenchGrid> read_grid(const BenchWords& words) {
  constexpr std::size_t kMegabyte = std::size_t{1} << 20;
  BenchGrid grid{.workers = default_bench_workers(default_jobs()),
                 .batch_bytes = {kMegabyte, kDefaultBatchBytes, 16 * kMegabyte}};
  if (!words.workers.empty()) {
    HYPERCOPY_ASSIGN(grid.workers, read_list<unsigned>("--workers", words.workers, read_workers));
  }
  if (!words.batch_bytes.empty()) {
    HYPERCOPY_ASSIGN(grid.batch_bytes, read_list<std::size_t>("--batch-bytes", words.batch_bytes, read_size));
  }
  if (!words.wires.empty()) {
    HYPERCOPY_ASSIGN(grid.wires, read_list<Wire>("--wire", words.wires, read_wire));
  }
  if (!words.indexes.empty()) {
    HYPERCOPY_ASSIGN(grid.indexes, read_list<BenchIndexes>("--indexes", words.indexes, read_indexes));
  }
  return grid;
}

void add_bench_options(CLI::App& app, BenchWords& words) {
  constexpr const char* kGroup = "Measuring";
  app.add_option("-t,--table", words.load.table, "the table to be like; it is not touched")
      ->type_name("[SCHEMA.]TABLE")
      ->required()
      ->group(kGroup);
  app.add_option("--workers", words.workers, "workers to try (default 1,2,4 and, with 8 cores, 8)")
      ->type_name("N,N")
      ->group(kGroup);
  app.add_option("--batch-bytes", words.batch_bytes, "batch sizes to try (default 1MB,4MB,16MB)")
      ->type_name("SIZE,SIZE")
      ->group(kGroup);
  app.add_option("--wire", words.wires, "of auto, binary, csv (default auto)")
      ->type_name("WIRE,WIRE")
      ->group(kGroup);
  app.add_option("--indexes", words.indexes, "none: secondary ones are built after loading (default keep)")
      ->type_name("keep,none")
      ->group(kGroup);
  app.add_option("--rounds", words.rounds, "how often each setting runs (default 3)")
      ->check(CLI::Range(1U, kMostRounds))
      ->option_text("N")
      ->group(kGroup);
  app.add_option("--minutes", words.minutes,
                 "cut the input so that all runs take about so long; 0: never (default 5)")
      ->check(CLI::Range(0.0, 100'000.0))
      ->option_text("MINUTES")
      ->group(kGroup);
  app.add_option("--scratch", words.scratch,
                 "the scratch table's name (default: a new one beside the target)")
      ->type_name("[SCHEMA.]NAME")
      ->group(kGroup);
  app.add_flag("--no-checkpoint", words.no_checkpoint, "no CHECKPOINT before each run")->group(kGroup);
}

}  // namespace

void describe_bench(CLI::App& app, BenchWords& words) {
  app.set_help_flag("-?,--help", "show this help");
  app.option_defaults()->take_last();
  app.add_option("FILE", words.load.options.files, "CSV files or patterns ('dump/*.csv'), no pipes")
      ->take_all()
      ->type_name("");
  add_connection_options(app, words.load);
  add_bench_options(app, words);
  add_input_options(app, words.load);
  add_column_options(app, words.load);
  app.add_flag("--json", words.json, "the result as JSON on standard output")->group("Output");
  app.add_flag("-v,--verbose", words.load.options.verbose, "say more")->group("Output");
  app.footer(kBenchExamples);
}

Result<BenchCommand> read_bench(const CLI::App& app, BenchWords& words) {
  if (words.load.options.files.empty()) {
    return fail(ErrorKind::usage,
                "name a file: bench loads the same input again and again, and standard input can "
                "be read only once");
  }
  BenchCommand command{.options = {.rounds = words.rounds, .checkpoint = !words.no_checkpoint},
                       .json = words.json};
  BenchOptions& options = command.options;
  HYPERCOPY_ASSIGN(options.load, read_load_options(words.load));
  HYPERCOPY_ASSIGN(options.grid, read_grid(words));
  if (!words.scratch.empty()) {
    HYPERCOPY_ASSIGN(options.scratch, parse_table_name(words.scratch));
  }
  // Upwards: 0 has a meaning of its own.
  options.budget = std::chrono::seconds(static_cast<std::int64_t>(std::ceil(words.minutes * 60)));
  options.command = advised_words(app, words.load.table);
  return command;
}

}  // namespace hypercopy
