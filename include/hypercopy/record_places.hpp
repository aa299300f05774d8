// Where each record of a batch lies that was gathered from several places of its input.
// Shape:   made by time_windows.hpp with the batch; asked by failure_location.hpp.
// Units:   as in location.hpp; records of the batch are counted from 0.
// Memory:  12 bytes per record: places count from the first record of a window, which has less than 4 GiB.
// Threads: any, read-only.
#pragma once

#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

#include "hypercopy/location.hpp"

namespace hypercopy {

class RecordPlaces {
 public:
  struct Place {
    std::uint32_t byte = 0;
    std::uint32_t line = 0;
    std::uint32_t record = 0;
  };

  // `window`: what the places count from. `last`: of the last record its number, last line and last byte.
  RecordPlaces(const Position& window, std::vector<Place> places, const Position& last)
      : window_(window), places_(std::move(places)), last_(last) {}

  [[nodiscard]] std::size_t records() const { return places_.size(); }
  [[nodiscard]] Position at(std::size_t record) const {
    const Place& place = places_[record];
    return {.byte = window_.byte + place.byte,
            .line = window_.line + place.line,
            .record = window_.record + place.record};
  }
  [[nodiscard]] const Position& last() const { return last_; }

 private:
  Position window_;
  std::vector<Place> places_;
  Position last_;
};

}  // namespace hypercopy
