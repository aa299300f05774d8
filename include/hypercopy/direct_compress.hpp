// Whether TimescaleDB compresses the rows of a load as they arrive (direct compress), and how large batches are then.
// Shape:   pure decisions from facts: refuse_direct_compress() from what the table is, choose_batches() from what the
//          first records of the input look like.
// Units:   bytes of input, records.
// Threads: any; plain values.
// Why:     the server takes direct compress back with a WARNING, or not at all, where rows must be looked at one by one
//          (TimescaleDB 2.27 and 2.28 even let it pass by an EXCLUDE constraint). Each COPY makes compressed batches of its
//          own, per chunk and segment value: small ones are slower to make than rows, and larger on disk.
// Memory:  batches are at most kBatchMemory / (1 + 3 jobs), which is what the buffers of a load hold at most
//          (README, "Threads and memory").
// Source:  timescaledb src/copy.c, choose_copy_method.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>

#include "hypercopy/hypertable.hpp"
#include "hypercopy/load_options.hpp"
#include "hypercopy/record_order.hpp"
#include "hypercopy/table_facts.hpp"

namespace hypercopy {

inline constexpr const char* kDirectCompressSetting = "timescaledb.enable_direct_compress_copy";

// What the batches of a load may take when they are made larger than usual.
inline constexpr std::size_t kBatchMemory = std::size_t{512} << 20;

// Why the server would not compress what is copied into this table, or should not; empty: it can.
// `has_setting`: the server knows kDirectCompressSetting.
[[nodiscard]] std::string refuse_direct_compress(const std::optional<Hypertable>& hypertable,
                                                 const TableFacts& facts, const LoadOptions& options,
                                                 bool has_setting);

// The first records of an input, encoded.
struct InputShape {
  std::uint64_t records = 0;
  std::uint64_t bytes = 0;  // as they stand in the input
  GroupCount groups{};
};

struct BatchChoice {
  bool compress = false;
  std::size_t batch_bytes = 0;
  std::uint64_t rows_per_group = 0;  // about, per chunk and segment value of a batch
};

// For a table that can be compressed into. `shape`: nothing where the input cannot be looked at ahead of the load.
[[nodiscard]] BatchChoice choose_compressed_batches(const std::optional<InputShape>& shape,
                                                    const LoadOptions& options, unsigned jobs);

}  // namespace hypercopy
