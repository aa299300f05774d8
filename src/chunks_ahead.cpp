#include "hypercopy/chunks_ahead.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "hypercopy/failure_location.hpp"
#include "hypercopy/input_file.hpp"
#include "hypercopy/retry.hpp"
#include "time_text.hpp"

namespace hypercopy {

namespace {

// TimescaleDB's own: a chunk lies there with other bounds.
constexpr std::string_view kCollision = "TS503";

// Shorter chunks, of an older interval, may cover the range together.
bool is_covered(const NeededChunk& needed, const std::vector<TimeRange>& existing) {
  auto behind =
      std::ranges::upper_bound(existing, needed.least, {}, [](const TimeRange& one) { return one.begin; });
  if (behind == existing.begin()) return false;
  std::int64_t end = std::prev(behind)->end;
  if (needed.least >= end && end != INT64_MAX) return false;
  for (; behind != existing.end() && behind->begin <= end; ++behind) end = std::max(end, behind->end);
  return needed.greatest < end || end == INT64_MAX;
}

bool overlaps(const TimeRange& range, const std::vector<TimeRange>& existing) {
  const auto behind =
      std::ranges::lower_bound(existing, range.end, {}, [](const TimeRange& one) { return one.begin; });
  return behind != existing.begin() && std::prev(behind)->end > range.begin;
}

// The multiple of the interval at or below a coordinate, as far as numbers reach, and the next one.
TimeRange range_of(const ChunkGrid& grid, std::int64_t coordinate) {
  TimeRange range;
  if (__builtin_mul_overflow(grid.number(coordinate), grid.interval(), &range.begin)) range.begin = INT64_MIN;
  if (__builtin_add_overflow(range.begin, grid.interval(), &range.end)) range.end = INT64_MAX;
  return range;
}

}  // namespace

Status ChunksAhead::see_to(const Batch& batch, std::span<const NeededChunk> needed) {
  if (!know_existing()) return {};
  HYPERCOPY_ASSIGN(const std::vector<TimeRange> missing, count(batch, needed));
  make(missing);
  return {};
}

std::uint64_t ChunksAhead::made() const {
  const std::lock_guard lock(mutex_);
  return made_;
}

bool ChunksAhead::know_existing() {
  {
    const std::lock_guard lock(mutex_);
    if (is_off_ || knows_existing_) return !is_off_;
  }
  const std::lock_guard making(making_);
  {
    const std::lock_guard lock(mutex_);
    if (is_off_ || knows_existing_) return !is_off_;
  }
  auto existing = maker_->existing();
  const std::lock_guard lock(mutex_);
  is_off_ = !existing;
  knows_existing_ = existing.has_value();
  if (existing) {
    existing_ = std::move(*existing);
    return true;
  }
  if (existing.error().kind != ErrorKind::interrupted) {
    console_.log(LogLevel::warning,
                 fmt::format("new chunks are neither counted (--max-new-chunks) nor made ahead: {}",
                             existing.error().message));
  }
  return false;
}

// Gives those that are to be made. A batch that needs too many has counted none of them.
Result<std::vector<TimeRange>> ChunksAhead::count(const Batch& batch, std::span<const NeededChunk> needed) {
  const std::lock_guard lock(mutex_);
  std::vector<const NeededChunk*> more;
  std::vector<TimeRange> missing;
  for (const NeededChunk& one : needed) {
    if (settled_.contains(one.range.begin) || is_covered(one, existing_)) continue;
    if (!new_.contains(one.range.begin)) more.push_back(&one);
    if (one.is_exact && !overlaps(one.range, existing_)) missing.push_back(one.range);
  }
  if (policy_.most_new > 0 && new_.size() + more.size() > policy_.most_new) {
    std::ranges::sort(more, {}, [](const NeededChunk* one) { return one->first; });
    return fail(too_many(batch, *more[policy_.most_new - new_.size()], more.size()));
  }
  for (const NeededChunk* one : more) new_.insert(one->range.begin);
  if (!policy_.makes || makes_none_) missing.clear();
  return missing;
}

Error ChunksAhead::too_many(const Batch& batch, const NeededChunk& last, std::uint64_t more) const {
  Error error{
      .kind = ErrorKind::target,
      .message =
          fmt::format("the input needs more than {} new chunks (--max-new-chunks): one more for the time {}",
                      policy_.most_new, time_text(last.least, policy_.type_oid)),
      .detail = fmt::format(
          "Chunks of this hypertable are {} long. {} new ones were needed so far; the batch that begins with "
          "record {} needs {} more, and nothing of it was loaded.",
          span_text(static_cast<std::uint64_t>(policy_.interval), policy_.type_oid), new_.size(),
          batch.first.record, more),
      .hint =
          "Is this time in the unit that the column has, not milliseconds for seconds? Where it is, allow "
          "more by "
          "--max-new-chunks N (0: any number), or make chunks longer by set_chunk_time_interval()."};
  const auto record = record_at_index(batch, last.first);
  error.location = Location{.source = batch.file->name, .at = record ? record->at : batch.first};
  return error;
}

bool ChunksAhead::is_settled(const TimeRange& range) const {
  const std::lock_guard lock(mutex_);
  return makes_none_ || settled_.contains(range.begin);
}

void ChunksAhead::make(std::span<const TimeRange> ranges) {
  if (ranges.empty()) return;
  const std::lock_guard making(making_);
  for (const TimeRange& range : ranges) {
    if (is_settled(range)) continue;
    const Status made = maker_->make(range);
    if (!made) {
      settle_after(made.error(), range);
      // What passes, as waiting for a lock, would be met again for each of them.
      if (is_transient(made.error())) return;
      continue;
    }
    const std::lock_guard lock(mutex_);
    settled_.insert(range.begin);
    ++made_;
  }
}

void ChunksAhead::settle_after(const Error& error, const TimeRange& range) {
  const bool collides = error.sqlstate == kCollision;
  {
    const std::lock_guard lock(mutex_);
    if (collides) settled_.insert(range.begin);
    if (!collides && !is_transient(error)) makes_none_ = true;
  }
  if (error.kind == ErrorKind::interrupted) return;
  console_.log(
      LogLevel::verbose,
      fmt::format("{} left to the server: {}",
                  collides || is_transient(error) ? "a new chunk is" : "new chunks are", error.message));
}

Status BatchChunks::see_to(const Batch& batch, const EncodedFront& encoded) {
  const auto& field = batch.file->chunk_field;
  if (ahead_ == nullptr || !field) return {};
  if (!field->grid) return see_to(batch);
  const ChunkGrid& grid = *field->grid;
  needed_.clear();
  for (const RecordsOfChunk& chunk :
       chunks_.find(encoded.stream, encoded.starts, grid.key(field->in_tuple))) {
    const std::int64_t least = grid.coordinate(chunk.least);
    needed_.push_back({.range = range_of(grid, least),
                       .is_exact = grid.range(chunk.number).has_value(),
                       .least = least,
                       .greatest = grid.coordinate(chunk.greatest),
                       .first = chunk.first});
  }
  return ahead_->see_to(batch, needed_);
}

Status BatchChunks::see_to(const Batch& batch) {
  const auto& field = batch.file->chunk_field;
  if (ahead_ == nullptr || !field) return {};
  TimeSurvey survey(batch.file->dialect, batch.file->split, field->in_record, kernel_);
  survey.add(batch.bytes(), batch.first, batch.newline);
  const TimeSurveyResult& found = survey.result();
  const bool sure = field->grid && found.as_utc.records == 0;
  needed_.clear();
  for (const auto& [begin, bucket] : found.buckets) {
    const bool is_exact = sure && field->grid->range(field->grid->number(bucket.least)).has_value();
    needed_.push_back({.range = {.begin = begin, .end = bucket.end},
                       .is_exact = is_exact,
                       .least = bucket.least,
                       .greatest = bucket.greatest,
                       .first = bucket.first.record - batch.first.record});
  }
  return ahead_->see_to(batch, needed_);
}

}  // namespace hypercopy
