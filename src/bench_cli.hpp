// The command line of `hypercopy bench`.
// Shape:   describe_bench() binds the options, read_bench() turns them into BenchOptions.
// Errors:  usage, naming the option.
#pragma once

#include <string>

#include "hypercopy/ingest_bench.hpp"
#include "hypercopy/result.hpp"
#include "load_option_groups.hpp"

namespace hypercopy {

struct BenchCommand {
  BenchOptions options;
  bool json = false;
};

// Option texts as typed.
struct BenchWords {
  LoadWords load;
  std::string workers{};
  std::string batch_bytes{};
  std::string wires{};
  std::string indexes{};
  std::string scratch{};
  unsigned rounds = 3;
  double minutes = 5;
  bool no_checkpoint = false;
  bool json = false;
};

// `words` must outlive the app.
void describe_bench(CLI::App& app, BenchWords& words);
[[nodiscard]] Result<BenchCommand> read_bench(const CLI::App& app, BenchWords& words);

}  // namespace hypercopy
