// Chunks that a load needs: counted, so that a mistake in the unit of time does not make 100,000 of them, and created
// before the transactions that fill them.
// Shape:   see_to() is asked with the ranges of each batch's records before its transaction begins. It refuses the batch
//          where more new chunks than allowed would be needed so far, else has those that are missing made, each
//          committed at once. A BatchChunks per worker finds the ranges of a batch.
// Units:   coordinates as in hypertable.hpp. Counted are ranges of the primary dimension: with more dimensions each may be
//          several chunks. A range counts once in a run, however often its batch is tried.
// Owns:    the maker. Borrows the console.
// Threads: ChunksAhead: any, and a batch whose ranges are all there waits for nobody; one range is made at a time. A
//          BatchChunks belongs to one thread.
// Errors:  target: too many chunks. That one cannot be made is none: the server makes it with the rows, as ever.
// Why:     a transaction that creates a chunk keeps others from creating one until it commits, so that workers whose
//          batches reach new chunks would wait for each other's rows.
// Limits:  a load that fails leaves the chunks that it made, empty ones among them. Chunks that others make meanwhile
//          count as this run's when it needs them.
#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <set>
#include <span>
#include <vector>

#include "hypercopy/batch.hpp"
#include "hypercopy/console.hpp"
#include "hypercopy/record_chunks.hpp"
#include "hypercopy/record_encoder.hpp"
#include "hypercopy/result.hpp"

namespace hypercopy {

// A range that records of a batch fall into.
struct NeededChunk {
  TimeRange range{};       // begin tells ranges apart
  bool is_exact = false;   // the server would make exactly this one
  std::int64_t least = 0;  // of the records' times
  std::int64_t greatest = 0;
  std::uint64_t first = 0;  // of these records, from 0 in the batch
};

class ChunkMaker {
 public:
  virtual ~ChunkMaker() = default;
  // Those that are there, by begin.
  [[nodiscard]] virtual Result<std::vector<TimeRange>> existing() = 0;
  [[nodiscard]] virtual Status make(const TimeRange& range) = 0;
};

class ChunksAhead {
 public:
  struct Policy {
    std::uint64_t most_new = 0;  // --max-new-chunks; 0: no limit
    bool makes = false;          // else chunks are only counted
    bool was_emptied = false;    // what others see of the table's chunks is not what this load sees
    std::uint32_t type_oid = 0;  // of the primary dimension, for messages
    std::int64_t interval = 0;
  };

  ChunksAhead(std::unique_ptr<ChunkMaker> maker, Policy policy, Console& console)
      : maker_(std::move(maker)), policy_(policy), console_(console), knows_existing_(policy.was_emptied) {}

  // REQUIRES: no transaction of the calling worker is open; it could hold the lock that is needed here.
  [[nodiscard]] Status see_to(const Batch& batch, std::span<const NeededChunk> needed);

  // Chunks that were made so far.
  [[nodiscard]] std::uint64_t made() const;

 private:
  [[nodiscard]] bool know_existing();
  [[nodiscard]] Result<std::vector<TimeRange>> count(const Batch& batch, std::span<const NeededChunk> needed);
  [[nodiscard]] Error too_many(const Batch& batch, const NeededChunk& last, std::uint64_t more) const;
  void make(std::span<const TimeRange> ranges);
  [[nodiscard]] bool is_settled(const TimeRange& range) const;
  void settle_after(const Error& error, const TimeRange& range);

  std::unique_ptr<ChunkMaker> maker_;
  const Policy policy_;
  Console& console_;
  mutable std::mutex mutex_;         // for what follows
  std::mutex making_;                // for the maker; taken before mutex_
  std::vector<TimeRange> existing_;  // when the first batch came
  bool knows_existing_;
  bool is_off_ = false;             // nothing is counted or made: what exists cannot be known
  bool makes_none_ = false;         // the server refuses to make any
  std::set<std::int64_t> new_;      // begins of ranges that were needed and not there
  std::set<std::int64_t> settled_;  // begins of ranges that need no second look
  std::uint64_t made_ = 0;
};

class BatchChunks {
 public:
  // Without `ahead` nothing is done.
  BatchChunks(ChunksAhead* ahead, Kernel kernel) : ahead_(ahead), kernel_(kernel) {}

  // Of a batch that is sent as it was encoded.
  [[nodiscard]] Status see_to(const Batch& batch, const EncodedFront& encoded);
  // Of one that is sent as it is: its times are read from the text. Those that only the server can read are left to it.
  [[nodiscard]] Status see_to(const Batch& batch);

 private:
  ChunksAhead* ahead_;
  Kernel kernel_;
  RecordChunks chunks_;
  std::vector<NeededChunk> needed_;
};

}  // namespace hypercopy
