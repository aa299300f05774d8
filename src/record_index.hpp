// Where each record of a batch begins.
// Shape:   made once for a batch whose records are looked at one by one; finding them one after the other by
//          failure_location.hpp would cost a scan each.
// Units:   indexes count the batch's records from 0.
// Owns:    positions only; the bytes are the batch's, which must outlive this.
#pragma once

#include <memory>
#include <string_view>
#include <vector>

#include "hypercopy/batch.hpp"
#include "hypercopy/input_file.hpp"

namespace hypercopy {

class RecordIndex {
 public:
  RecordIndex(const Batch& batch, Kernel kernel);

  [[nodiscard]] std::size_t records() const { return begins_.size() - 1; }
  [[nodiscard]] Position position(std::size_t record) const {
    return places_ ? places_->at(record) : begins_[record];
  }
  // Records [first, end).
  [[nodiscard]] std::string_view bytes(std::size_t first, std::size_t end) const {
    return bytes_.substr(begins_[first].byte - begins_.front().byte, begins_[end].byte - begins_[first].byte);
  }

 private:
  std::string_view bytes_;
  std::shared_ptr<const RecordPlaces> places_;  // the batch's
  std::vector<Position> begins_;                // and the end
};

}  // namespace hypercopy
