#include "planned_window.hpp"

#include <fmt/format.h>

#include "hypercopy/input_file.hpp"
#include "input_fingerprint.hpp"
#include "window_pair.hpp"

namespace hypercopy {

Error input_changed(const std::string& name, const Position& first, const Position& behind) {
  Location where{.source = name, .at = first};
  if (behind.record > first.record + 1) {
    where.last = Position{.byte = behind.byte - 1, .line = behind.line - 1, .record = behind.record - 1};
  }
  return {.kind = ErrorKind::input,
          .message = fmt::format("{} is not what it was when this import began", name),
          .hint = "Resume with the same input, or forget the import and load the new one.",
          .location = std::move(where)};
}

bool WindowReadAgain::holds(const PlannedInterval& slice) const {
  return window_ && of_.input == slice.input && of_.extent.first.byte == slice.extent.first.byte &&
         of_.extent.end_byte == slice.extent.end_byte;
}

Status WindowReadAgain::read(const std::vector<PlannedInterval>& slices, const WindowCut& cut, Kernel kernel,
                             BatchReader& reader, const std::shared_ptr<const InputFile>& file) {
  window_.reset();
  const PlannedInterval& planned = slices.front();
  const Position& first = planned.extent.first;
  std::uint64_t records = 0;
  for (const auto& slice : slices) records += slice.extent.records;
  window_.emplace(TimeWindow::memory_for(planned.extent.bytes(), records));
  of_ = planned;
  TimeColumn column(file->dialect, file->split, cut.field, kernel);
  HYPERCOPY_TRY(fill(planned, records, column, reader, file));
  behind_ = reader.position();
  window_->cut(cut.slice, cut.field.interval);
  if (window_->slices() == slices.size()) return {};
  return fail(input_changed(file->name, first, behind_));
}

// What the reader finds wrong was not wrong when it was planned.
Status WindowReadAgain::fill(const PlannedInterval& planned, std::uint64_t records, TimeColumn& column,
                             BatchReader& reader, const std::shared_ptr<const InputFile>& file) {
  const Position& first = planned.extent.first;
  HYPERCOPY_TRY(reader.go_on_at(first, planned.extent.newline, UINT64_MAX));
  while (records > 0) {
    auto batch = reader.next(file, records);
    if (!batch && batch.error().kind != ErrorKind::input) return fail(std::move(batch).error());
    if (batch && !*batch) return fail(reader.ends_early(planned.extent));
    if (!batch || !window_->takes(**batch)) return fail(input_changed(file->name, first, reader.position()));
    HYPERCOPY_TRY(window_->add(**batch, column));
    records -= (*batch)->records;
  }
  return reader.position().byte == planned.extent.end_byte
             ? Status{}
             : fail(input_changed(file->name, first, reader.position()));
}

Result<Batch> WindowReadAgain::gather(const PlannedInterval& slice, BatchPool& pool, TimeShares& shares) {
  HYPERCOPY_ASSIGN(Batch batch, gather_slice(*window_, slice.slice, pool, shares));
  if (content_hash(batch.bytes()) == slice.content) return batch;
  return fail(input_changed(window_->file()->name, slice.extent.first, behind_));
}

}  // namespace hypercopy
