// What a field indexer must find in a batch: every field of every record, by split_fields() and
// decode_field(); and a caller that checks every block it gives.
#pragma once

#include <fmt/format.h>

#include <algorithm>
#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "hypercopy/field_index.hpp"
#include "hypercopy/record_fields.hpp"
#include "hypercopy/record_splitter.hpp"

namespace hypercopy::test {

// A batch as the splitter cuts it, with the ends of its records.
struct IndexBatch {
  std::string_view bytes;
  std::vector<std::size_t> record_ends{};
  NewlineStyle newline = NewlineStyle::unknown;
};

// Cuts the input up to where the splitter stops, after every `max_records` records.
inline std::vector<IndexBatch> cut_batches(std::string_view input, const SplitOptions& options,
                                           std::uint64_t max_records) {
  std::vector<IndexBatch> batches(1);
  RecordSplitter splitter(options, Kernel::scalar);
  std::size_t at = 0;
  SplitResult result;
  do {
    result = splitter.scan(input.substr(at), 1, true);
    IndexBatch& batch = batches.back();
    if (batch.record_ends.empty()) batch.bytes = input.substr(at, 0);
    if (result.records != 0) {
      batch.bytes = {batch.bytes.data(), batch.bytes.size() + result.records_end};
      batch.record_ends.push_back(batch.bytes.size());
    }
    if (batch.record_ends.size() == max_records) batches.emplace_back();
    at += result.scanned;
  } while (result.stop == SplitStop::record_limit);
  if (batches.back().record_ends.empty()) batches.pop_back();
  for (IndexBatch& batch : batches) batch.newline = splitter.newline_style();
  return batches;
}

struct FieldTruth {
  std::vector<std::vector<FieldRange>> records{};  // offsets in the batch
};

inline FieldTruth fields_of(const IndexBatch& batch, const Dialect& dialect) {
  FieldTruth truth;
  std::size_t begin = 0;
  for (const std::size_t end : batch.record_ends) {
    std::vector<FieldRange>& fields = truth.records.emplace_back();
    split_fields(without_newline(batch.bytes.substr(begin, end - begin)), dialect, fields);
    for (FieldRange& field : fields) field = {begin + field.begin, begin + field.end};
    begin = end;
  }
  return truth;
}

class IndexChecker {
 public:
  IndexChecker(const Dialect& dialect, std::size_t columns, Kernel kernel, const IndexLimits& limits)
      : dialect_(dialect), columns_(columns), limits_(limits), indexer_(dialect, columns, kernel, limits) {}

  // What differs from the truth, or nothing.
  std::string run(const IndexBatch& batch, const FieldTruth& truth) {
    // A copy of exactly these bytes, so that a sanitizer sees a read behind them.
    const std::vector<char> bytes(batch.bytes.begin(), batch.bytes.end());
    begin_ = bytes.data();
    record_ = 0;
    indexer_.start({bytes.data(), bytes.size()}, batch.newline);
    FieldBlock block;
    IndexStop stop = indexer_.next(block);
    for (; stop == IndexStop::block; stop = indexer_.next(block)) {
      const std::string wrong = check_block(block, batch, truth);
      if (!wrong.empty()) return fmt::format("record {}: {}", record_, wrong);
    }
    const bool even = std::all_of(truth.records.begin(), truth.records.end(),
                                  [this](const auto& fields) { return fields.size() == columns_; });
    if (even != (stop == IndexStop::end)) return even ? "given up" : "not given up";
    if (even && record_ != truth.records.size()) return fmt::format("{} records only", record_);
    return {};
  }

 private:
  std::string check_block(const FieldBlock& block, const IndexBatch& batch, const FieldTruth& truth) {
    if (block.records == 0) return "an empty block";
    if (block.columns != columns_) return "columns";
    if (block.records * columns_ > std::max(limits_.fields, columns_) + 64) return "too large a block";
    if (record_ + block.records > truth.records.size()) return "too many records";
    const std::size_t begin = record_ == 0 ? 0 : batch.record_ends[record_ - 1];
    if (block.base != begin_ + begin) return "base";
    if (block.bytes != batch.record_ends[record_ + block.records - 1] - begin) return "bytes";
    FieldReader reader(block);
    for (std::size_t i = 0; i < block.records; ++i, ++record_) {
      for (std::size_t column = 0; column < columns_; ++column) {
        if (column >= truth.records[record_].size()) return "too many fields";
        const std::string wrong = check_field(reader.next(), truth.records[record_][column]);
        if (!wrong.empty()) return fmt::format("field {}: {}", column, wrong);
      }
      reader.next_record();
    }
    return {};
  }

  std::string check_field(const RawField& field, const FieldRange& wanted) {
    const auto at = static_cast<std::size_t>(field.text.data() - begin_);
    if (at != wanted.begin || at + field.text.size() != wanted.end) {
      return fmt::format("{}..{}, not {}..{}", at, at + field.text.size(), wanted.begin, wanted.end);
    }
    if (field.has_quote != (field.text.find(dialect_.quote) != std::string_view::npos)) return "has_quote";
    const std::string_view value = unquote(field.text, dialect_.quote, dialect_.escape, scratch_);
    if (value != decode_field(field.text, dialect_)) return fmt::format("value \"{}\"", value);
    return {};
  }

  const Dialect& dialect_;
  const std::size_t columns_;
  const IndexLimits limits_;
  FieldIndexer indexer_;
  const char* begin_ = nullptr;
  std::size_t record_ = 0;
  std::string scratch_;
};

// Runs every kernel over the batches, one after the other with the same indexer. Empty when all is well.
inline std::string index_disagreement(const Dialect& dialect, const std::vector<IndexBatch>& batches,
                                      std::size_t columns, const IndexLimits& limits) {
  for (const Kernel kernel : available_kernels()) {
    IndexChecker checker(dialect, columns, kernel, limits);
    for (const IndexBatch& batch : batches) {
      const std::string wrong = checker.run(batch, fields_of(batch, dialect));
      if (!wrong.empty()) return fmt::format("{}: {}", to_string(kernel), wrong);
    }
  }
  return {};
}

}  // namespace hypercopy::test
