// A window of an import that an earlier run or another loader has planned: read again, and cut into the same slices.
// Shape:   read() once for all of its slices, then gather() those that are wanted, in any order.
// Units:   as in import_ledger.hpp.
// Owns:    the window's memory, as much as its bytes and records take, until the next one is read.
// Threads: one, the reader's.
// Errors:  input: the bytes are not those that were planned; as batch_reader.hpp.
#pragma once

#include <optional>
#include <vector>

#include "hypercopy/import_ledger.hpp"
#include "time_window.hpp"

namespace hypercopy {

// What was read again is not what it was, somewhere in front of `behind`.
[[nodiscard]] Error input_changed(const std::string& name, const Position& first, const Position& behind);

class WindowReadAgain {
 public:
  // Whether it is the one with this slice.
  [[nodiscard]] bool holds(const PlannedInterval& slice) const;
  // `slices`: all of the window. What cannot seek must be at its first byte.
  [[nodiscard]] Status read(const std::vector<PlannedInterval>& slices, const WindowCut& cut, Kernel kernel,
                            BatchReader& reader, const std::shared_ptr<const InputFile>& file);
  // REQUIRES: holds(slice).
  [[nodiscard]] Result<Batch> gather(const PlannedInterval& slice, BatchPool& pool, TimeShares& shares);

 private:
  [[nodiscard]] Status fill(const PlannedInterval& planned, std::uint64_t records, TimeColumn& column,
                            BatchReader& reader, const std::shared_ptr<const InputFile>& file);

  std::optional<TimeWindow> window_{};
  PlannedInterval of_{};  // its first slice
  Position behind_{};     // its last record
};

}  // namespace hypercopy
