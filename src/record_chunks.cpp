#include "hypercopy/record_chunks.hpp"

#include <algorithm>
#include <limits>
#include <numeric>

#include "hypercopy/field_encoder.hpp"
#include "time_value.hpp"
#include "tuple_key.hpp"

namespace hypercopy {

namespace {

constexpr std::int64_t kMicrosecondsPerDay = 86'400'000'000;
// A timestamp's binary value counts from 2000, coordinates from 1970.
constexpr std::int64_t kDaysTo2000 = 10'957;

template <typename Integer>
constexpr TimeRange kAllOf{std::numeric_limits<Integer>::min(), std::numeric_limits<Integer>::max()};
// Well inside of what timestamps reach: 4685 BC to the year 148,000.
constexpr TimeRange kSureTimes{-210'000'000'000'000'000, INT64_MAX / 2};

// Between which a range is sure to have both its bounds.
TimeRange sure_coordinates(std::uint32_t type) {
  switch (type) {
    case type_oid::kInt2:
      return kAllOf<std::int16_t>;
    case type_oid::kInt4:
      return kAllOf<std::int32_t>;
    case type_oid::kInt8:
      return {INT64_MIN + 1, INT64_MAX};  // the first is kNullKey's
    default:
      return kSureTimes;
  }
}

}  // namespace

std::optional<ChunkGrid> ChunkGrid::of(const Dimension& primary) {
  const bool has_key = primary.kind == DimensionKind::time || primary.kind == DimensionKind::integer;
  if (!has_key || primary.interval <= 0) return std::nullopt;
  const bool is_date = primary.type_oid == type_oid::kDate;
  if (is_date && primary.interval % kMicrosecondsPerDay != 0) return std::nullopt;
  return ChunkGrid(primary.type_oid, primary.interval);
}

TimeKey ChunkGrid::key(std::uint16_t field) const {
  TimeKey key{.field = field, .chunk_width = interval_};
  if (type_oid_ == type_oid::kDate) {
    key.chunk_width = interval_ / kMicrosecondsPerDay;
    key.chunk_shift = kDaysTo2000;
  } else if (type_oid_ == type_oid::kTimestamp || type_oid_ == type_oid::kTimestamptz) {
    key.chunk_shift = kDaysTo2000 * kMicrosecondsPerDay;
  }
  return key;
}

std::int64_t ChunkGrid::coordinate(std::int64_t key) const {
  return key == kNullKey ? INT64_MIN : internal_time(key, type_oid_);
}

std::optional<TimeRange> ChunkGrid::range(std::int64_t number) const {
  TimeRange range;
  if (__builtin_mul_overflow(number, interval_, &range.begin)) return std::nullopt;
  if (__builtin_add_overflow(range.begin, interval_, &range.end)) return std::nullopt;
  const TimeRange sure = sure_coordinates(type_oid_);
  if (range.begin < sure.begin || range.end > sure.end) return std::nullopt;
  return range;
}

std::int64_t ChunkGrid::number(std::int64_t coordinate) const {
  return chunk_of(coordinate, {.chunk_width = interval_});
}

std::span<const RecordsOfChunk> RecordChunks::find(std::string_view stream,
                                                   std::span<const std::size_t> starts, const TimeKey& key) {
  chunks_.clear();
  slots_.clear();
  const std::size_t records = starts.empty() ? 0 : starts.size() - 1;
  chunk_of_record_.resize(records);
  for (std::size_t record = 0; record < records; ++record) {
    const std::int64_t time = read_key(stream.data() + starts[record], key);
    const std::int64_t number = chunk_of(time, key);
    // Neighbours mostly share it.
    const bool same = record > 0 && chunks_[chunk_of_record_[record - 1]].number == number;
    const std::uint32_t slot =
        same ? chunk_of_record_[record - 1] : slot_of(number, static_cast<std::uint32_t>(record), time);
    RecordsOfChunk& chunk = chunks_[slot];
    ++chunk.records;
    chunk.least = std::min(chunk.least, time);
    chunk.greatest = std::max(chunk.greatest, time);
    chunk_of_record_[record] = slot;
  }
  sort_chunks();
  return chunks_;
}

std::uint32_t RecordChunks::slot_of(std::int64_t number, std::uint32_t record, std::int64_t key) {
  const auto [at, is_new] = slots_.try_emplace(number, static_cast<std::uint32_t>(chunks_.size()));
  if (is_new) chunks_.push_back({.number = number, .first = record, .least = key, .greatest = key});
  return at->second;
}

void RecordChunks::sort_chunks() {
  const auto by_number = [](const RecordsOfChunk& a, const RecordsOfChunk& b) { return a.number < b.number; };
  if (std::is_sorted(chunks_.begin(), chunks_.end(), by_number)) return;
  // Which one stood at each place tells where that one stands now.
  std::vector<std::uint32_t> from(chunks_.size());
  std::iota(from.begin(), from.end(), 0U);
  std::sort(from.begin(), from.end(),
            [this](std::uint32_t a, std::uint32_t b) { return chunks_[a].number < chunks_[b].number; });
  std::vector<std::uint32_t> to(chunks_.size());
  for (std::uint32_t place = 0; place < from.size(); ++place) to[from[place]] = place;
  std::sort(chunks_.begin(), chunks_.end(), by_number);
  for (std::uint32_t& chunk : chunk_of_record_) chunk = to[chunk];
}

}  // namespace hypercopy
