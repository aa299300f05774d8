// What the times in an input are: their range, their order, and how many records lie in each range of a hypertable's
// primary dimension. What chunks a load will need, and whether its input is in time order, is known from it.
// Shape:   a TimeSurvey per input is given whole batches in order; result() at any time. Only ranges that hold records
//          are kept. merge() puts the surveys of several inputs together.
// Units:   times are TimescaleDB's internal int64, as in hypertable.hpp: microseconds since 1970-01-01 00:00 UTC, or the
//          column's own integer. Ranges are aligned as TimescaleDB aligns new chunks: at multiples of the interval. An
//          infinite time lies in the range at that end of all.
// Owns:    its result; the records stay the caller's.
// Threads: one at a time.
// Errors:  none: what cannot be read is counted, with where it was seen first. The server remains the judge.
// Cost:    one pass over the bytes by the field index, and the time column's text is read once where neighbours have the
//          same.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "hypercopy/dialect.hpp"
#include "hypercopy/location.hpp"
#include "hypercopy/record_splitter.hpp"

namespace hypercopy {

// More ranges are not kept: such an interval is a mistake, not a plan.
inline constexpr std::size_t kMostTimeBuckets = 100'000;

struct TimeField {
  std::size_t index = 0;   // of the field in a record
  std::size_t fields = 1;  // of each record
  std::uint32_t type_oid = 0;
  std::int64_t interval = 0;  // of a range; 0: no ranges
  bool utc = false;           // TimeZone is UTC: a timestamptz without offset is exact
  int server_version = 0;     // PQserverVersion, for spellings that only newer servers read

  friend bool operator==(const TimeField&, const TimeField&) = default;
};

// Whether such a column can be surveyed: timestamps, dates, integers, and UUIDs of version 7.
[[nodiscard]] bool is_time_type(std::uint32_t type_oid);

struct TimeBucket {
  std::int64_t end = 0;  // the first value behind it; its begin is its key
  std::int64_t least = 0;
  std::int64_t greatest = 0;
  std::uint64_t records = 0;
  Position first{};  // of its first record
};

// Records of one kind, and where the first of them is.
struct CountedRecords {
  std::uint64_t records = 0;
  Position first{};
};

enum class TimeOrder : std::uint8_t { none, ascending, descending, mixed };

struct TimeSurveyResult {
  std::uint64_t records = 0;  // all that were given
  std::uint64_t times = 0;    // those with a time
  std::int64_t least = 0;     // with times > 0
  std::int64_t greatest = 0;

  std::uint64_t steps_back = 0;                  // records whose time is before that of the record in front
  std::uint64_t steps_forward = 0;               // behind it
  std::uint64_t furthest_back = 0;               // most that a time lies before the latest one so far
  std::uint64_t bucket_changes = 0;              // neighbours in different ranges
  std::map<std::int64_t, TimeBucket> buckets{};  // by begin
  bool too_many_buckets = false;                 // from some record on no new range was kept

  CountedRecords nulls{};
  CountedRecords unread{};   // no time that this program surely reads as the server does
  CountedRecords as_utc{};   // without offset, under another TimeZone: read as if it were UTC (among `times`)
  CountedRecords misfits{};  // with another number of fields

  [[nodiscard]] TimeOrder order() const;
};

// The ranges, counts and extremes of both. Positions are of the input that had the range first. Steps from the end of
// one input to the beginning of the next are not counted.
void merge(TimeSurveyResult& into, const TimeSurveyResult& more);

class TimeSurvey {
 public:
  // REQUIRES: is_time_type(field.type_oid), field.index < field.fields, a valid dialect.
  TimeSurvey(const Dialect& dialect, const SplitOptions& split, const TimeField& field, Kernel kernel);
  ~TimeSurvey();
  TimeSurvey(TimeSurvey&&) noexcept;
  TimeSurvey& operator=(TimeSurvey&&) noexcept;

  // Whole records as the splitter cut them; `first` is the place of the first, `newline` the whole input's style.
  void add(std::string_view records, const Position& first, NewlineStyle newline);

  [[nodiscard]] const TimeSurveyResult& result() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace hypercopy
