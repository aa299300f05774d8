#include "hypercopy/time_survey.hpp"

#include <algorithm>
#include <limits>

#include "hypercopy/field_encoder.hpp"
#include "time_column.hpp"

namespace hypercopy {

namespace {

using Limits = std::numeric_limits<std::int64_t>;

struct Range {
  std::int64_t begin = 0;
  std::int64_t end = 0;
};

// The multiple of the interval at or below the value, and the next one, as far as the numbers reach.
Range range_around(std::int64_t value, std::int64_t interval) {
  const std::int64_t over = value % interval;
  const std::int64_t below = over < 0 ? over + interval : over;
  const std::int64_t begin = value < Limits::min() + below ? Limits::min() : value - below;
  const std::int64_t rest = interval - below;
  return {begin, value > Limits::max() - rest ? Limits::max() : value + rest};
}

// Where records of one batch lie; asked in order.
class Places {
 public:
  Places(std::string_view records, const Position& first, NewlineStyle newline)
      : records_(records), at_(first), newline_(newline == NewlineStyle::cr ? '\r' : '\n'), first_(first) {}

  Position of(std::uint64_t record, std::size_t byte) {
    at_.line += static_cast<std::uint64_t>(
        std::count(records_.begin() + static_cast<std::ptrdiff_t>(counted_),
                   records_.begin() + static_cast<std::ptrdiff_t>(byte), newline_));
    counted_ = byte;
    at_.byte = first_.byte + byte;
    at_.record = first_.record + record;
    return at_;
  }

 private:
  std::string_view records_;
  Position at_;
  char newline_;
  Position first_;
  std::size_t counted_ = 0;  // bytes whose newlines are in at_.line
};

}  // namespace

bool is_time_type(std::uint32_t type_oid) {
  constexpr std::uint32_t kTypes[] = {type_oid::kTimestamp, type_oid::kTimestamptz, type_oid::kDate,
                                      type_oid::kInt2,      type_oid::kInt4,        type_oid::kInt8,
                                      type_oid::kUuid};
  return std::ranges::find(kTypes, type_oid) != std::end(kTypes);
}

TimeOrder TimeSurveyResult::order() const {
  if (times == 0) return TimeOrder::none;
  if (steps_back == 0) return TimeOrder::ascending;
  return steps_forward == 0 ? TimeOrder::descending : TimeOrder::mixed;
}

struct TimeSurvey::State {
  State(const Dialect& dialect, const SplitOptions& split, const TimeField& time_field, Kernel kernel)
      : interval(time_field.interval), column(dialect, split, time_field, kernel) {}

  void add_record(const RecordTime& record, std::size_t byte, Places& places);
  void add_value(const TimeValue& value, std::size_t byte, Places& places);
  void add_to_bucket(std::int64_t value, std::size_t byte, Places& places);
  // Looking for a place counts lines, so only the first one of each kind is looked for.
  void count(CountedRecords& counted, std::size_t byte, Places& places) const {
    if (counted.records++ == 0) counted.first = places.of(in_batch, byte);
  }

  std::int64_t interval;
  TimeColumn column;
  TimeSurveyResult result;

  std::uint64_t in_batch = 0;    // records of this batch in front of the one that is looked at
  std::int64_t previous = 0;     // time of the record in front, with times > 0
  TimeBucket* bucket = nullptr;  // in which it was
  std::int64_t bucket_begin = 0;
};

TimeSurvey::TimeSurvey(const Dialect& dialect, const SplitOptions& split, const TimeField& field,
                       Kernel kernel)
    : state_(std::make_unique<State>(dialect, split, field, kernel)) {}
TimeSurvey::~TimeSurvey() = default;
TimeSurvey::TimeSurvey(TimeSurvey&&) noexcept = default;
TimeSurvey& TimeSurvey::operator=(TimeSurvey&&) noexcept = default;

const TimeSurveyResult& TimeSurvey::result() const { return state_->result; }

void TimeSurvey::add(std::string_view records, const Position& first, NewlineStyle newline) {
  Places places(records, first, newline);
  state_->in_batch = 0;
  state_->column.read(records, newline, [&](std::size_t begin, const RecordTime& time) {
    state_->add_record(time, begin, places);
  });
}

void TimeSurvey::State::add_record(const RecordTime& record, std::size_t byte, Places& places) {
  ++result.records;
  switch (record.kind) {
    case RecordTime::Kind::misfit:
      count(result.misfits, byte, places);
      break;
    case RecordTime::Kind::null:
      count(result.nulls, byte, places);
      break;
    case RecordTime::Kind::read:
      add_value(record.time, byte, places);
  }
  ++in_batch;
}

void TimeSurvey::State::add_value(const TimeValue& value, std::size_t byte, Places& places) {
  if (value.kind == TimeValue::Kind::unread) {
    count(result.unread, byte, places);
    return;
  }
  if (value.kind == TimeValue::Kind::as_utc) count(result.as_utc, byte, places);
  const std::int64_t time = value.value;
  if (result.times++ == 0) {
    result.least = result.greatest = previous = time;
  }
  if (time < previous) ++result.steps_back;
  if (time > previous) ++result.steps_forward;
  if (time < result.greatest) {
    const auto back = static_cast<std::uint64_t>(result.greatest) - static_cast<std::uint64_t>(time);
    result.furthest_back = std::max(result.furthest_back, back);
  }
  result.least = std::min(result.least, time);
  result.greatest = std::max(result.greatest, time);
  previous = time;
  if (interval > 0) add_to_bucket(time, byte, places);
}

void TimeSurvey::State::add_to_bucket(std::int64_t value, std::size_t byte, Places& places) {
  const bool same =
      bucket != nullptr && value >= bucket_begin && (value < bucket->end || bucket->end == Limits::max());
  if (!same) {
    if (bucket != nullptr) ++result.bucket_changes;
    const Range range = range_around(value, interval);
    auto found = result.buckets.find(range.begin);
    if (found == result.buckets.end()) {
      if (result.buckets.size() == kMostTimeBuckets) {
        result.too_many_buckets = true;
        return;
      }
      found = result.buckets
                  .emplace(range.begin, TimeBucket{.end = range.end,
                                                   .least = value,
                                                   .greatest = value,
                                                   .first = places.of(in_batch, byte)})
                  .first;
    }
    bucket = &found->second;
    bucket_begin = range.begin;
  }
  ++bucket->records;
  bucket->least = std::min(bucket->least, value);
  bucket->greatest = std::max(bucket->greatest, value);
}

namespace {

void merge(CountedRecords& into, const CountedRecords& more) {
  if (into.records == 0) into.first = more.first;
  into.records += more.records;
}

}  // namespace

void merge(TimeSurveyResult& into, const TimeSurveyResult& more) {
  into.records += more.records;
  merge(into.nulls, more.nulls);
  merge(into.unread, more.unread);
  merge(into.as_utc, more.as_utc);
  merge(into.misfits, more.misfits);
  if (more.times == 0) return;
  into.least = into.times == 0 ? more.least : std::min(into.least, more.least);
  into.greatest = into.times == 0 ? more.greatest : std::max(into.greatest, more.greatest);
  into.times += more.times;
  into.steps_back += more.steps_back;
  into.steps_forward += more.steps_forward;
  into.furthest_back = std::max(into.furthest_back, more.furthest_back);
  into.bucket_changes += more.bucket_changes;
  into.too_many_buckets = into.too_many_buckets || more.too_many_buckets;
  for (const auto& [begin, bucket] : more.buckets) {
    const auto [at, is_new] = into.buckets.emplace(begin, bucket);
    if (is_new) continue;
    at->second.records += bucket.records;
    at->second.least = std::min(at->second.least, bucket.least);
    at->second.greatest = std::max(at->second.greatest, bucket.greatest);
  }
}

}  // namespace hypercopy
