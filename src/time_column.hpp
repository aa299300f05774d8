// The time of each record, read from the text of its column.
// Shape:   read() walks over whole records in order and calls visit(begin, time) for each; `begin` is the record's offset.
// Units:   as in time_survey.hpp.
// Owns:    the index of the fields; the records stay the caller's.
// Threads: one at a time.
// Errors:  none: what cannot be read is told apart.
// Cost:    one pass over the bytes by the field index, and the column's text is read once where neighbours have the same.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "hypercopy/field_index.hpp"
#include "hypercopy/record_fields.hpp"
#include "hypercopy/time_survey.hpp"
#include "time_value.hpp"

namespace hypercopy {

struct RecordTime {
  enum class Kind : std::uint8_t {
    read,
    null,
    misfit,  // the record has another number of fields
  } kind = Kind::read;
  TimeValue time{};  // where it was read: its own kind may say that it could not be
};

class TimeColumn {
 public:
  // As for TimeSurvey.
  TimeColumn(const Dialect& dialect, const SplitOptions& split, const TimeField& field, Kernel kernel);

  using Visit = std::function<void(std::size_t begin, const RecordTime& time)>;
  // Whole records as the splitter cut them, `newline` being the whole input's style.
  void read(std::string_view records, NewlineStyle newline, const Visit& visit);

 private:
  [[nodiscard]] std::size_t read_indexed(std::string_view records, NewlineStyle newline, const Visit& visit);
  void read_block(const FieldBlock& block, const char* records, const Visit& visit);
  void read_one_by_one(std::string_view records, std::size_t from, NewlineStyle newline, const Visit& visit);
  [[nodiscard]] RecordTime time_of_record(std::string_view record);
  [[nodiscard]] RecordTime time_of_field(const RawField& raw);

  Dialect dialect_;
  SplitOptions split_;
  TimeField field_;
  Kernel kernel_;
  TimeReader reader_;
  std::optional<FieldIndexer> indexer_;
  std::string_view last_text_{};  // of these records: what last_value_ was read from
  TimeValue last_value_{};
  bool has_last_value_ = false;
  std::vector<FieldRange> ranges_{};
  std::string scratch_{};
};

}  // namespace hypercopy
