// In which order the records of an encoded batch are sent: by time, where the input has them otherwise.
// Shape:   find() reads one key per tuple of a COPY BINARY stream and gives a permutation of the records; the stream stays
//          as it is, and put_in_order() sends its tuples in that order. Records of one time keep the order of the input.
// Units:   records are counted from 0; `starts` are offsets into the stream, one per tuple and the end of the last one.
// Owns:    the permutation and what sorting needs: 28 bytes per record of the longest batch, 44 where
//          records are grouped.
// Threads: one at a time.
// Errors:  none of its own; put_in_order() as the stream gives them.
// Why:     a COPY into N chunks buffers 1,000 rows over all of them, and each row goes into the time index alone. Rows that
//          come device by device touch every chunk and every index page again and again; sorted within their batch they
//          touch each once (3 million rows, 9 chunks: 4.7 in place of 6.0 CPU seconds of the server).
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "hypercopy/loaded_times.hpp"
#include "hypercopy/result.hpp"

namespace hypercopy {

class CopyStream;

// What records are sorted by. Fields are counted from 0 among those of a tuple.
struct TimeKey {
  std::uint16_t field = 0;  // the time
  // Where rows are compressed on arrival: by chunk, then by the values of these fields, then by time. Each group is then
  // one run, however many rows the server takes at once.
  std::vector<std::uint16_t> segment_fields{};
  std::int64_t chunk_width = 0;  // in the unit of the time's binary value; 0: not grouped at all
  std::int64_t chunk_shift = 0;  // what is added to that value before it is divided
};

// How records of a batch fall into chunks and segments.
struct GroupCount {
  std::uint64_t chunks = 0;
  std::uint64_t groups = 0;  // of one chunk and one value of the segment fields
  bool in_order = true;      // times never fall, or never rise
  double chunk_spans = 0;    // from the first to the last time, in widths of a chunk
};

// Whether values of this type have a key: integers, dates, timestamps, and uuid, whose first bytes are a time in version 7.
[[nodiscard]] bool is_time_key_type(std::uint32_t type_oid);

// From the least to the greatest key of a stream's tuples; nothing where there is none, or one without a key.
[[nodiscard]] std::optional<KeySpan> key_span(std::string_view stream, std::span<const std::size_t> starts,
                                              const TimeKey& key);

class RecordOrder {
 public:
  // `order[i]` is the record that is sent as number i. Empty: the records are sent as they are, because their times never
  // fall, or never rise. Valid until the next call.
  [[nodiscard]] std::span<const std::uint32_t> find(std::string_view stream,
                                                    std::span<const std::size_t> starts, const TimeKey& key);

  // REQUIRES: key.chunk_width > 0.
  [[nodiscard]] GroupCount count_groups(std::string_view stream, std::span<const std::size_t> starts,
                                        const TimeKey& key);

 private:
  struct Grouped {
    std::int64_t chunk;
    std::uint64_t segment;  // a hash: what is compressed together only by chance is no harm
    std::int64_t time;
    std::uint32_t record;
  };

  [[nodiscard]] bool read_keys(std::string_view stream, std::span<const std::size_t> tuples,
                               const TimeKey& key);
  void group(std::string_view stream, std::span<const std::size_t> tuples, const TimeKey& key);
  void sort_by_keys();
  [[nodiscard]] bool pack(std::int64_t least, std::int64_t most);
  void sort_packed(unsigned first_bit, unsigned bits);

  std::vector<std::int64_t> keys_;
  std::vector<std::uint64_t> packed_;  // key - least key, and the record's index below it
  std::vector<std::uint64_t> other_;
  std::vector<Grouped> grouped_;
  std::vector<std::uint32_t> order_;
};

// Sends header, tuples in `order` and trailer. `piece` is memory that is used again.
[[nodiscard]] Status put_in_order(CopyStream& copy, std::string_view stream,
                                  std::span<const std::size_t> starts, std::span<const std::uint32_t> order,
                                  std::string& piece);

}  // namespace hypercopy
