// Regroups records by time across the input, as far as a stated memory reaches: between the reader and the queue.
// Shape:   windowed_feed() reads the batches of another feed into a window, cuts its records by their times into slices
//          of about a batch each, and gives these out as gathered batches (record_places.hpp): a slice holds neighbouring
//          times, in the order of the input. Inputs that name no column to regroup by come through as they are; a window
//          never spans inputs.
// Cuts:    where a slice is as large as a batch may be; at the beginning of a chunk, where one lies in the slice's last
//          quarter. The first batch of all comes through as it is: workers need not wait for the first window, and the
//          chunks of a file that was written device by device are then made in one transaction, not in one after the other
//          while other workers wait for it. Records without a time that this program can read come last in their window:
//          what is grouped with what is no matter of right or wrong, and the server judges each record as ever.
// Units:   bytes; times as in time_survey.hpp.
// Owns:    two windows, each half of the memory: one is given out while the other is filled, so that workers do not wait
//          while a window is read. A batch that does not fit an empty window makes it grow: for one long record, or for many
//          of a few bytes, which take more for their times and places than for themselves.
// Memory:  of both windows `memory_bytes` at most, with 24 bytes per record for its time and place. Slices lie in buffers of
//          the pool, and have 12 more bytes per record.
// Threads: one, the reader's.
// Errors:  as the other feed; what it finds wrong ends the run at once, as without windows.
// Why:     a batch of a file that was written device by device touches all chunks and all pages of their indexes, however
//          it is sorted; a slice touches a few. Numbers: bench/results/*-order-across-batches.md.
#pragma once

#include <cstddef>
#include <cstdint>

#include "hypercopy/batch_feed.hpp"

namespace hypercopy {

inline constexpr std::size_t kDefaultOrderMemory = std::size_t{256} << 20;
// Places in a window are numbers of 32 bits, and it may grow for one long record.
inline constexpr std::size_t kMostOrderMemory = std::size_t{4} << 30;

struct SliceLimits {
  std::size_t bytes = kDefaultBatchBytes;
  std::uint64_t records = UINT64_MAX;

  friend bool operator==(const SliceLimits&, const SliceLimits&) = default;
};

// What a slice consists of.
struct SliceContent {
  std::uint64_t records = 0;
  std::uint64_t bytes = 0;
  std::uint64_t content = 0;  // XXH3 of its bytes, in the order of the input
};

struct WindowOptions {
  std::size_t memory_bytes = kDefaultOrderMemory;
  SliceLimits slice{};
  Kernel kernel = Kernel::scalar;
};

[[nodiscard]] FeedOpener windowed_feed(FeedOpener inner, const WindowOptions& options);

}  // namespace hypercopy
