// Where the rows of one range of time go while chunks are built aside: into a side table, or into the hypertable.
// Shape:   ChunkDestinations is asked by all workers and knows the side tables of the run; ChunkRouting, one per worker,
//          splits an encoded batch by it into one COPY for each side table and one for the hypertable.
// Units:   ranges by their number in ChunkGrid. Rows as the server's COPY counted them.
// Owns:    ChunkRouting: 8 bytes per record of the longest batch.
// Threads: ChunkDestinations any; ChunkRouting one.
// Errors:  as making a side table gives them: sql, connection, interrupted.
// Why:     all COPYs of a batch are in its one transaction, so that it is committed whole or not at all.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "hypercopy/copy_statement.hpp"
#include "hypercopy/input_file.hpp"
#include "hypercopy/record_chunks.hpp"
#include "hypercopy/record_encoder.hpp"
#include "hypercopy/result.hpp"

namespace hypercopy {

// Read-only once it is known to workers.
struct SideTable {
  std::int64_t number = 0;  // of its range
  TimeRange range{};
  std::string name{};      // as it stands in the server's words
  std::string relation{};  // as SQL
  std::uint32_t oid = 0;
  std::optional<CopyStatement> statement{};  // into it
};

struct SideRows {
  std::int64_t number = 0;  // of the range
  std::uint64_t rows = 0;
};

class ChunkDestinations {
 public:
  virtual ~ChunkDestinations() = default;
  // By which the records of this input fall into ranges; nothing: its batches go to the hypertable.
  [[nodiscard]] virtual std::optional<TimeKey> key(const InputFile& file) const = 0;
  // Makes it where the range has neither a chunk nor a side table. Null: the rows go to the hypertable.
  [[nodiscard]] virtual Result<const SideTable*> side_table(std::int64_t number) = 0;
  // Of a batch whose transaction was committed.
  virtual void committed(std::span<const SideRows> rows) = 0;
};

// Records of a batch that go by one COPY.
struct RecordRoute {
  const SideTable* side = nullptr;       // null: the hypertable
  std::vector<std::uint32_t> records{};  // in the order in which they are sent
};

class ChunkRouting {
 public:
  explicit ChunkRouting(ChunkDestinations& destinations) : destinations_(destinations) {}

  // `order`: of all records of the batch; empty: as they lie. Valid until the next call. Empty: all go to the hypertable.
  [[nodiscard]] Result<std::span<const RecordRoute>> find(const InputFile& file, const EncodedFront& encoded,
                                                          std::span<const std::uint32_t> order);

 private:
  [[nodiscard]] Status find_destinations(std::span<const RecordsOfChunk> chunks);

  ChunkDestinations& destinations_;
  RecordChunks by_chunk_;
  std::vector<RecordRoute> routes_;
  std::vector<std::size_t> route_of_chunk_;
};

}  // namespace hypercopy
