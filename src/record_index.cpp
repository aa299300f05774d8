#include "record_index.hpp"

namespace hypercopy {

RecordIndex::RecordIndex(const Batch& batch, Kernel kernel) : bytes_(batch.bytes()), places_(batch.places) {
  begins_.reserve(batch.records + 1);
  RecordSplitter splitter(batch.file->split, kernel, batch.first);
  std::string_view rest = bytes_;
  while (!rest.empty()) {
    begins_.push_back(splitter.record_start());
    const SplitResult result = splitter.scan(rest, 1, /*final=*/true);
    if (result.records == 0) break;
    rest.remove_prefix(result.records_end);
  }
  Position end = splitter.record_start();
  end.byte = batch.first.byte + bytes_.size();
  begins_.push_back(end);
}

}  // namespace hypercopy
