// Into which chunks of a hypertable the records of an encoded batch fall, and what range of time each of those is.
// Shape:   ChunkGrid numbers the ranges that TimescaleDB cuts its primary dimension into: number n begins at n intervals
//          from the coordinate 0. RecordChunks reads one key per tuple of a COPY BINARY stream and sorts the records by the
//          number of their range.
// Units:   keys are the field's binary values (TimeKey); coordinates are TimescaleDB's internal int64, as in
//          hypertable.hpp. Records are counted from 0 in the batch.
// Owns:    RecordChunks: 4 bytes per record of the longest batch, and 48 per chunk of it.
// Threads: ChunkGrid is a plain value; RecordChunks belongs to one thread.
// Errors:  none. What only the server can tell has no grid, or no range.
// Limits:  a range of the grid is where the server makes a chunk if no chunk is there. Chunks of another interval, from
//          before it was changed, lie across the grid. NULL and infinite times have numbers without a range.
// Source:  timescaledb src/dimension.c, calculate_open_range_default: the first and the last range of a type have no bound,
//          so that they are left to the server.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "hypercopy/hypertable.hpp"
#include "hypercopy/record_order.hpp"

namespace hypercopy {

// Coordinates from `begin` to before `end`.
struct TimeRange {
  std::int64_t begin = 0;
  std::int64_t end = 0;

  friend bool operator==(const TimeRange&, const TimeRange&) = default;
};

class ChunkGrid {
 public:
  // Nothing where keys do not tell the coordinate: UUIDs, functions of the column, closed dimensions.
  [[nodiscard]] static std::optional<ChunkGrid> of(const Dimension& primary);

  // By which the tuples' field number `field` is read; its segment fields are empty.
  [[nodiscard]] TimeKey key(std::uint16_t field) const;
  // Of a key; infinite times are the least and the greatest coordinate.
  [[nodiscard]] std::int64_t coordinate(std::int64_t key) const;
  // The range with that number, where the server would make exactly this one.
  [[nodiscard]] std::optional<TimeRange> range(std::int64_t number) const;
  // In which range a coordinate lies.
  [[nodiscard]] std::int64_t number(std::int64_t coordinate) const;

  [[nodiscard]] std::uint32_t type_oid() const { return type_oid_; }
  [[nodiscard]] std::int64_t interval() const { return interval_; }

 private:
  ChunkGrid(std::uint32_t type_oid, std::int64_t interval) : type_oid_(type_oid), interval_(interval) {}

  std::uint32_t type_oid_;
  std::int64_t interval_;  // in coordinates
};

// The records of a batch that fall into one range.
struct RecordsOfChunk {
  std::int64_t number = 0;    // of the range
  std::uint32_t first = 0;    // of these records
  std::uint32_t records = 0;  // how many
  std::int64_t least = 0;     // keys
  std::int64_t greatest = 0;
};

class RecordChunks {
 public:
  // By number. `starts`: offsets into the stream, one per tuple and the end of the last one. Valid until the next call.
  // REQUIRES: key.chunk_width > 0, fewer than 2^32 tuples.
  [[nodiscard]] std::span<const RecordsOfChunk> find(std::string_view stream,
                                                     std::span<const std::size_t> starts, const TimeKey& key);

  // For each record the index of its chunk in what find() gave last; as valid.
  [[nodiscard]] std::span<const std::uint32_t> chunk_of_record() const { return chunk_of_record_; }

 private:
  [[nodiscard]] std::uint32_t slot_of(std::int64_t number, std::uint32_t record, std::int64_t key);
  void sort_chunks();

  std::vector<RecordsOfChunk> chunks_;
  std::vector<std::uint32_t> chunk_of_record_;
  std::unordered_map<std::int64_t, std::uint32_t> slots_;  // number -> index in chunks_, while it is filled
};

}  // namespace hypercopy
