#include "copy_trail.hpp"

#include <algorithm>
#include <fstream>
#include <string>

namespace hypercopy {

namespace {

// Where the server's counter stood at `line`, counted from the batch's first.
std::optional<Position> position_in(const Batch& batch, std::uint64_t line, bool begins_a_copy) {
  const InputFile& file = *batch.file;
  std::string kept;
  std::string_view sent = batch.bytes();
  if (!file.mapping.dropped.empty()) {
    std::size_t bad_record = 0;
    if (!drop_fields(sent, file.dialect, file.mapping, batch.newline, kept, bad_record)) return std::nullopt;
    sent = kept;
  }
  const auto record =
      record_at_server_line({.batch = batch, .bytes = sent, .begins_a_copy = begins_a_copy}, line);
  return record ? std::optional(record->at) : std::nullopt;
}

}  // namespace

void CopyTrail::add(Batch batch, std::string_view sent) {
  const bool begins = stretches_.empty();
  const Position last = last_of(batch);
  if (begins) {
    file_ = batch.file;
    begin_ = batch.first;
  }
  if (begins || end_.byte + 1 - stretches_.back().first.byte >= kStretchBytes) {
    stretches_.push_back({.first = batch.first, .last = last, .lines_before = lines_});
    if (stretches_.size() > kMostStretches) stretches_.pop_front();
  }
  stretches_.back().last = last;
  end_ = last;
  newline_ = batch.newline;
  lines_before_newest_ = lines_;
  lines_ += server_lines({.batch = batch, .bytes = sent, .begins_a_copy = begins});
  newest_ = std::move(batch);
}

Location CopyTrail::locate(std::uint64_t line) const {
  const auto exactly = [&](const Position& at) { return Location{.source = file_->name, .at = at}; };
  if (newest_ && line > lines_before_newest_) {
    const auto at = position_in(*newest_, line - lines_before_newest_, lines_before_newest_ == 0);
    return at ? exactly(*at) : extent_of(*newest_);
  }
  const auto behind = std::find_if(stretches_.begin(), stretches_.end(),
                                   [&](const Stretch& stretch) { return stretch.lines_before >= line; });
  if (behind == stretches_.begin()) return extent();
  const Stretch& stretch = *std::prev(behind);
  const auto at = in_file(stretch, line - stretch.lines_before);
  return at ? exactly(*at) : extent_of_records(stretch.first, stretch.last);
}

Location CopyTrail::extent_of_records(const Position& first, const Position& last) const {
  Location location{.source = file_->name, .at = first};
  if (last.record > first.record) location.last = last;
  return location;
}

std::optional<Position> CopyTrail::in_file(const Stretch& stretch, std::uint64_t line) const {
  const std::size_t size = stretch.last.byte + 1 - stretch.first.byte;
  std::ifstream file(file_->path, std::ios::binary);
  BatchPool pool(1, size);
  auto buffer = pool.acquire();
  if (!file || !buffer || !file.seekg(static_cast<std::streamoff>(stretch.first.byte))) return std::nullopt;
  if (!file.read(buffer->data(), static_cast<std::streamsize>(size))) return std::nullopt;
  const Batch batch{.buffer = PooledBuffer(pool, std::move(*buffer)),
                    .end = size,
                    .first = stretch.first,
                    .records = stretch.last.record + 1 - stretch.first.record,
                    .newline = newline_,
                    .file = file_};
  return position_in(batch, line, stretch.lines_before == 0);
}

}  // namespace hypercopy
