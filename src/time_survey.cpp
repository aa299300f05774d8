#include "hypercopy/time_survey.hpp"

#include <algorithm>
#include <limits>
#include <vector>

#include "hypercopy/field_index.hpp"
#include "hypercopy/record_fields.hpp"
#include "time_value.hpp"

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
  State(const Dialect& of, const SplitOptions& split_options, const TimeField& time_field, Kernel chosen)
      : dialect(of),
        split(split_options),
        field(time_field),
        kernel(chosen),
        reader(time_field.type_oid, {.utc = time_field.utc, .server_version = time_field.server_version}) {
    if (dialect.format == Format::csv) indexer.emplace(dialect, field.fields, kernel);
  }

  void add_indexed(std::string_view records, Places& places, NewlineStyle newline);
  void add_block(const FieldBlock& block, const char* records, Places& places);
  void add_one_by_one(std::string_view records, std::size_t from, Places& places, NewlineStyle newline);
  void add_record(std::string_view record, std::size_t byte, Places& places);
  void add_field(const RawField& raw, std::size_t byte, Places& places);
  void add_value(const TimeValue& value, std::size_t byte, Places& places);
  void add_to_bucket(std::int64_t value, std::size_t byte, Places& places);
  // Looking for a place counts lines, so only the first one of each kind is looked for.
  void count(CountedRecords& counted, std::size_t byte, Places& places) const {
    if (counted.records++ == 0) counted.first = places.of(in_batch, byte);
  }

  Dialect dialect;
  SplitOptions split;
  TimeField field;
  Kernel kernel;
  TimeReader reader;
  std::optional<FieldIndexer> indexer;
  TimeSurveyResult result;

  std::uint64_t in_batch = 0;  // records of this batch in front of the one that is looked at
  std::string_view last_text;  // of this batch: what last_value was read from
  TimeValue last_value;
  bool has_last_value = false;
  std::int64_t previous = 0;     // time of the record in front, with times > 0
  TimeBucket* bucket = nullptr;  // in which it was
  std::int64_t bucket_begin = 0;
  std::vector<FieldRange> ranges;
  std::string scratch;
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
  state_->has_last_value = false;  // its text was the last batch's
  if (state_->indexer) {
    state_->add_indexed(records, places, newline);
  } else {
    state_->add_one_by_one(records, 0, places, newline);
  }
}

// From a record with another number of fields on, the rest of the batch is read record by record.
void TimeSurvey::State::add_indexed(std::string_view records, Places& places, NewlineStyle newline) {
  indexer->start(records, newline);
  FieldBlock block;
  std::size_t done = 0;
  while (true) {
    switch (indexer->next(block)) {
      case IndexStop::end:
        return;
      case IndexStop::give_up:
        add_one_by_one(records, done, places, newline);
        return;
      case IndexStop::block:
        add_block(block, records.data(), places);
        done += block.bytes;
    }
  }
}

void TimeSurvey::State::add_block(const FieldBlock& block, const char* records, Places& places) {
  const auto base = static_cast<std::size_t>(block.base - records);
  const std::uint32_t* ends = block.ends;
  std::size_t record_begin = 0;
  for (std::size_t record = 0; record < block.records; ++record, ends += block.columns) {
    const auto end_of = [&](std::size_t column) {
      return static_cast<std::size_t>(ends[column] & ~FieldBlock::kHasQuote);
    };
    const std::size_t begin = field.index == 0 ? record_begin : end_of(field.index - 1) + 1;
    add_field({.text = {block.base + begin, end_of(field.index) - begin},
               .has_quote = (ends[field.index] & FieldBlock::kHasQuote) != 0},
              base + record_begin, places);
    record_begin = end_of(block.columns - 1) + block.newline_bytes;
  }
}

void TimeSurvey::State::add_one_by_one(std::string_view records, std::size_t from, Places& places,
                                       NewlineStyle newline) {
  RecordSplitter splitter(split, kernel, {}, newline);
  while (from < records.size()) {
    const std::string_view rest = records.substr(from);
    const SplitResult found = splitter.scan({rest.data(), rest.size()}, 1, true);
    if (found.records == 0 || found.records_end == 0) return;
    add_record(without_newline(rest.substr(0, found.records_end)), from, places);
    from += found.records_end;
  }
}

void TimeSurvey::State::add_record(std::string_view record, std::size_t byte, Places& places) {
  split_fields(record, dialect, ranges);
  if (ranges.size() != field.fields) {
    count(result.misfits, byte, places);
    ++result.records;
    ++in_batch;
    return;
  }
  const FieldRange& range = ranges[field.index];
  const std::string_view text = record.substr(range.begin, range.end - range.begin);
  const bool quoted = dialect.format == Format::csv && text.find(dialect.quote) != std::string_view::npos;
  add_field({.text = text, .has_quote = quoted}, byte, places);
}

void TimeSurvey::State::add_field(const RawField& raw, std::size_t byte, Places& places) {
  ++result.records;
  if (!has_last_value || raw.text != last_text) {
    if (!raw.has_quote && raw.text == dialect.null_marker) {
      count(result.nulls, byte, places);
      ++in_batch;
      return;
    }
    if (dialect.format == Format::text) {
      scratch = decode_field(raw.text, dialect);
      last_value = reader.read(scratch);
    } else {
      last_value =
          reader.read(raw.has_quote ? unquote(raw.text, dialect.quote, dialect.escape, scratch) : raw.text);
    }
    last_text = raw.text;
    has_last_value = true;
  }
  add_value(last_value, byte, places);
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
  if (field.interval > 0) add_to_bucket(time, byte, places);
}

void TimeSurvey::State::add_to_bucket(std::int64_t value, std::size_t byte, Places& places) {
  const bool same =
      bucket != nullptr && value >= bucket_begin && (value < bucket->end || bucket->end == Limits::max());
  if (!same) {
    if (bucket != nullptr) ++result.bucket_changes;
    const Range range = range_around(value, field.interval);
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
