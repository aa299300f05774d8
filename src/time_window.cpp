#include "time_window.hpp"

#include <algorithm>
#include <cstring>
#include <limits>

#include "hypercopy/input_file.hpp"
#include "input_fingerprint.hpp"
#include "tuple_key.hpp"

namespace hypercopy {

namespace {

// Behind all times.
constexpr std::int64_t kNoTime = std::numeric_limits<std::int64_t>::max();

}  // namespace

TimeWindow::Entry* TimeWindow::entries_end() const {
  return reinterpret_cast<Entry*>(buffer_.data() + buffer_.capacity());
}

std::span<TimeWindow::Entry> TimeWindow::entries() const { return {entries_end() - records_, records_}; }

bool TimeWindow::takes(const Batch& batch) const {
  if (is_empty()) return true;
  if (batch.file != file_ || batch.first.byte != first_.byte + used_) return false;
  return used_ + batch.bytes().size() + (records_ + batch.records) * sizeof(Entry) <= buffer_.capacity();
}

bool TimeWindow::is_full(std::size_t batch_bytes) const {
  if (is_empty()) return false;
  const double per_byte = 1 + static_cast<double>(records_ * sizeof(Entry)) / static_cast<double>(used_);
  return static_cast<double>(used_ + batch_bytes) * per_byte > static_cast<double>(buffer_.capacity());
}

std::uint64_t TimeWindow::count_lines(std::size_t begin, std::size_t end) const {
  const char newline = newline_ == NewlineStyle::cr ? '\r' : '\n';
  return static_cast<std::uint64_t>(std::count(buffer_.data() + begin, buffer_.data() + end, newline));
}

Status TimeWindow::add(const Batch& batch, TimeColumn& column) {
  const std::string_view bytes = batch.bytes();
  if (is_empty()) {
    const std::size_t needed = memory_for(bytes.size(), batch.records);
    const std::size_t wanted = std::max(bytes_, needed / alignof(Entry) * alignof(Entry));
    if (buffer_.capacity() != wanted) buffer_ = ByteBuffer(wanted);
    first_ = batch.first;
    newline_ = batch.newline;
    file_ = batch.file;
  }
  std::memcpy(buffer_.data() + used_, bytes.data(), bytes.size());
  const std::size_t base = used_;
  const std::size_t before = records_;
  std::size_t last_begin = base;
  const auto end_last = [&](std::size_t end) {
    if (records_ == before) return;
    (entries_end() - records_)->bytes = static_cast<std::uint32_t>(end - last_begin);
    lines_ += count_lines(last_begin, end);
  };
  column.read({buffer_.data() + base, bytes.size()}, newline_,
              [&](std::size_t begin, const RecordTime& record) {
                end_last(base + begin);
                if (records_ == before + batch.records) return;
                last_begin = base + begin;
                const bool known =
                    record.kind == RecordTime::Kind::read && record.time.kind != TimeValue::Kind::unread;
                ++records_;
                *(entries_end() - records_) = {.time = known ? record.time.value : kNoTime,
                                               .begin = static_cast<std::uint32_t>(last_begin),
                                               .bytes = 0,
                                               .line = static_cast<std::uint32_t>(lines_),
                                               .record = static_cast<std::uint32_t>(added_++)};
              });
  used_ += bytes.size();
  end_last(used_);
  if (records_ == before + batch.records) return {};
  return fail(ErrorKind::internal, "a batch has another number of records than were read");
}

void TimeWindow::cut(const SliceLimits& limits, std::int64_t chunk_interval) {
  const std::span<Entry> all = entries();
  std::sort(all.begin(), all.end(), [](const Entry& left, const Entry& right) {
    return left.time != right.time ? left.time < right.time : left.begin < right.begin;
  });
  ends_.clear();
  for (std::size_t begin = 0; begin < all.size(); begin = ends_.back())
    ends_.push_back(next_end(begin, limits, chunk_interval));
}

void TimeWindow::drop_before(std::uint64_t byte) {
  const std::span<Entry> all = entries();
  const auto kept = std::partition(all.begin(), all.end(),
                                   [&](const Entry& entry) { return first_.byte + entry.begin < byte; });
  records_ = static_cast<std::size_t>(all.end() - kept);
  ends_.clear();
}

std::size_t TimeWindow::next_end(std::size_t begin, const SliceLimits& limits,
                                 std::int64_t chunk_interval) const {
  const std::span<Entry> all = entries();
  const TimeKey chunks{.chunk_width = chunk_interval};
  std::size_t bytes = all[begin].bytes;
  std::size_t at_chunk = 0;  // the last place where a chunk begins and enough lies before it
  std::size_t end = begin + 1;
  while (end < all.size() && bytes + all[end].bytes <= limits.bytes && end - begin < limits.records) {
    const bool is_long = bytes >= limits.bytes / 4 * 3;
    if (is_long && chunk_interval > 0 &&
        chunk_of(all[end].time, chunks) != chunk_of(all[end - 1].time, chunks)) {
      at_chunk = end;
    }
    bytes += all[end++].bytes;
  }
  return end < all.size() && at_chunk != 0 ? at_chunk : end;
}

Position TimeWindow::last_of(const Entry& entry) const {
  const std::size_t end = entry.begin + entry.bytes;
  const char last = entry.bytes == 0 ? '\0' : buffer_.data()[end - 1];
  const std::uint64_t ended = last == '\n' || last == '\r' ? 1 : 0;
  return {.byte = first_.byte + end - 1,
          .line = first_.line + entry.line + count_lines(entry.begin, end) - ended,
          .record = first_.record + entry.record};
}

// The slice's records, from now on in the order of the input.
std::span<TimeWindow::Entry> TimeWindow::arrange(std::size_t slice) const {
  const std::size_t begin = slice == 0 ? 0 : ends_[slice - 1];
  const std::span<Entry> mine = entries().subspan(begin, ends_[slice] - begin);
  const auto lies_before = [](const Entry& left, const Entry& right) { return left.begin < right.begin; };
  if (!std::is_sorted(mine.begin(), mine.end(), lies_before))
    std::sort(mine.begin(), mine.end(), lies_before);
  return mine;
}

SliceContent TimeWindow::content(std::size_t slice) const {
  const std::span<Entry> mine = arrange(slice);
  SliceContent content{.records = mine.size()};
  ContentHash hash;
  for (const Entry& entry : mine) {
    hash.add({buffer_.data() + entry.begin, entry.bytes});
    content.bytes += entry.bytes;
  }
  content.content = hash.value();
  return content;
}

Batch TimeWindow::gather(std::size_t slice, PooledBuffer buffer) {
  const std::span<Entry> mine = arrange(slice);
  std::size_t bytes = 0;
  for (const Entry& entry : mine) bytes += entry.bytes;
  if (buffer.bytes().capacity() < bytes) buffer.bytes().reserve(bytes);
  std::vector<RecordPlaces::Place> places;
  places.reserve(mine.size());
  std::size_t at = 0;
  for (const Entry& entry : mine) {
    std::memcpy(buffer.bytes().data() + at, buffer_.data() + entry.begin, entry.bytes);
    at += entry.bytes;
    places.push_back({.byte = entry.begin, .line = entry.line, .record = entry.record});
  }
  auto lying = std::make_shared<const RecordPlaces>(first_, std::move(places), last_of(mine.back()));
  const Position first = lying->at(0);
  return {.buffer = std::move(buffer),
          .end = bytes,
          .first = first,
          .records = mine.size(),
          .newline = newline_,
          .file = file_,
          .places = std::move(lying)};
}

// A window that grew for one long record goes back to its size.
void TimeWindow::clear() {
  if (buffer_.capacity() > bytes_) buffer_ = ByteBuffer();
  used_ = records_ = added_ = 0;
  lines_ = 0;
  file_.reset();
  ends_.clear();
}

}  // namespace hypercopy
