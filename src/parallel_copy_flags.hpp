// The flags of timescaledb-parallel-copy v0.13 as values: names, kinds and defaults, and nothing of what they
// mean (parallel_copy_cli.hpp).
// Shape:   kParallelCopyFlags is the list for normalise_go_flags(); bind_parallel_copy_flags() reads its
//          words with CLI11. A unit test gives each flag of the list once, so none is left unbound.
// Units:   durations in nanoseconds, sizes in bytes.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "go_flags.hpp"

namespace hypercopy {

constexpr std::int64_t kDefaultBatchRows = 5000;
constexpr std::int64_t kDefaultBatchBytes = 4 * 1024 * 1024;
constexpr std::int64_t kDefaultBufferBytes = 2 * 1024 * 1024;

// In the order of the usage: by name.
extern const std::array<GoFlag, 33> kParallelCopyFlags;

struct ParallelCopyFlags {
  bool auto_column_mapping = false;
  std::int64_t batch_byte_size = kDefaultBatchBytes;
  std::int64_t batch_size = kDefaultBatchRows;
  std::int64_t buffer_byte_size = kDefaultBufferBytes;
  std::string column_mapping{};
  std::string columns{};
  std::string connection = "host=localhost user=postgres sslmode=disable";
  std::string copy_options = "CSV";
  std::string db_name{};
  bool disable_direct_compress = false;
  bool disable_windows_1252_handling = false;
  bool enable_client_side_sorting = false;
  std::string escape{};
  std::string file{};
  std::int64_t header_line_count = 1;
  std::string import_id{};
  std::int64_t limit = 0;
  bool log_batches = false;
  bool no_retry = false;
  bool on_conflict_do_nothing = false;
  std::string quote{};
  std::int64_t reporting_period_ns = 0;
  std::int64_t retry_timeout_ns = 300'000'000'000;
  std::string schema = "public";
  bool skip_batch_errors = false;
  bool skip_header = false;
  std::int64_t skip_lines = 0;
  std::string split = ",";
  std::string table = "test_table";
  bool truncate = false;
  bool verbose = false;
  bool version = false;
  std::int64_t workers = 1;
};

// REQUIRES: the words come from normalise_go_flags() with kParallelCopyFlags, so that CLI11 finds nothing to
// object to.
[[nodiscard]] ParallelCopyFlags bind_parallel_copy_flags(std::vector<std::string> words);

}  // namespace hypercopy
