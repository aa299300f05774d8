// What was sent to one COPY, so that a line the server names is found in the input long after it was sent.
// Shape:   add() each batch that goes into the COPY, in order; then locate() a line, or take the extent().
//          Remembered is where stretches of about kStretchBytes begin, in the input and in the server's count,
//          and the newest batch. Older bytes are read again from the file; those of a pipe are gone, and then
//          the stretch is all that can be said.
// Units:   the server counts lines of its COPY from 1; a Location is of the whole input.
// Owns:    the newest batch until release(): its buffer is missing in the pool as long.
// Memory:  the newest kMostStretches stretches, far more than the server can lag behind; for a line before them
//          the extent of all is given.
// Threads: one.
// Errors:  none: a file that cannot be read again gives the stretch.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <string_view>

#include "hypercopy/failure_location.hpp"

namespace hypercopy {

class CopyTrail {
 public:
  static constexpr std::size_t kStretchBytes = std::size_t{1} << 20;
  static constexpr std::size_t kMostStretches = 1024;

  // `sent`: the batch's bytes without dropped fields.
  void add(Batch batch, std::string_view sent);
  // Gives the newest batch's buffer back to its pool.
  void release() { newest_.reset(); }

  [[nodiscard]] bool empty() const { return stretches_.empty(); }
  // REQUIRES: !empty().
  [[nodiscard]] Location locate(std::uint64_t line) const;
  [[nodiscard]] Location extent() const { return extent_of_records(begin_, end_); }

 private:
  struct Stretch {
    Position first;
    Position last;
    std::uint64_t lines_before = 0;  // the server's
  };

  [[nodiscard]] Location extent_of_records(const Position& first, const Position& last) const;
  [[nodiscard]] std::optional<Position> in_file(const Stretch& stretch, std::uint64_t line) const;

  std::shared_ptr<const InputFile> file_;
  NewlineStyle newline_ = NewlineStyle::unknown;
  Position begin_;
  Position end_;
  std::uint64_t lines_ = 0;  // the server's, of all that was added
  std::deque<Stretch> stretches_;
  std::optional<Batch> newest_;
  std::uint64_t lines_before_newest_ = 0;
};

}  // namespace hypercopy
