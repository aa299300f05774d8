#include "time_column.hpp"

namespace hypercopy {

TimeColumn::TimeColumn(const Dialect& dialect, const SplitOptions& split, const TimeField& field,
                       Kernel kernel)
    : dialect_(dialect),
      split_(split),
      field_(field),
      kernel_(kernel),
      reader_(field.type_oid, {.utc = field.utc, .server_version = field.server_version}) {
  if (dialect.format == Format::csv) indexer_.emplace(dialect, field.fields, kernel);
}

void TimeColumn::read(std::string_view records, NewlineStyle newline, const Visit& visit) {
  has_last_value_ = false;  // its text was that of other records
  const std::size_t done = indexer_ ? read_indexed(records, newline, visit) : 0;
  read_one_by_one(records, done, newline, visit);
}

// Up to a record with another number of fields; from there on records are read one by one.
std::size_t TimeColumn::read_indexed(std::string_view records, NewlineStyle newline, const Visit& visit) {
  indexer_->start(records, newline);
  FieldBlock block;
  std::size_t done = 0;
  while (true) {
    switch (indexer_->next(block)) {
      case IndexStop::end:
        return records.size();
      case IndexStop::give_up:
        return done;
      case IndexStop::block:
        read_block(block, records.data(), visit);
        done += block.bytes;
    }
  }
}

void TimeColumn::read_block(const FieldBlock& block, const char* records, const Visit& visit) {
  const auto base = static_cast<std::size_t>(block.base - records);
  const std::uint32_t* ends = block.ends;
  std::size_t record_begin = 0;
  for (std::size_t record = 0; record < block.records; ++record, ends += block.columns) {
    const auto end_of = [&](std::size_t column) {
      return static_cast<std::size_t>(ends[column] & ~FieldBlock::kHasQuote);
    };
    const std::size_t begin = field_.index == 0 ? record_begin : end_of(field_.index - 1) + 1;
    visit(base + record_begin,
          time_of_field({.text = {block.base + begin, end_of(field_.index) - begin},
                         .has_quote = (ends[field_.index] & FieldBlock::kHasQuote) != 0}));
    record_begin = end_of(block.columns - 1) + block.newline_bytes;
  }
}

void TimeColumn::read_one_by_one(std::string_view records, std::size_t from, NewlineStyle newline,
                                 const Visit& visit) {
  RecordSplitter splitter(split_, kernel_, {}, newline);
  while (from < records.size()) {
    const std::string_view rest = records.substr(from);
    const SplitResult found = splitter.scan({rest.data(), rest.size()}, 1, true);
    if (found.records == 0 || found.records_end == 0) return;
    visit(from, time_of_record(without_newline(rest.substr(0, found.records_end))));
    from += found.records_end;
  }
}

RecordTime TimeColumn::time_of_record(std::string_view record) {
  split_fields(record, dialect_, ranges_);
  if (ranges_.size() != field_.fields) return {.kind = RecordTime::Kind::misfit};
  const FieldRange& range = ranges_[field_.index];
  const std::string_view text = record.substr(range.begin, range.end - range.begin);
  const bool quoted = dialect_.format == Format::csv && text.find(dialect_.quote) != std::string_view::npos;
  return time_of_field({.text = text, .has_quote = quoted});
}

RecordTime TimeColumn::time_of_field(const RawField& raw) {
  if (has_last_value_ && raw.text == last_text_) return {.time = last_value_};
  if (!raw.has_quote && raw.text == dialect_.null_marker) return {.kind = RecordTime::Kind::null};
  if (dialect_.format == Format::text) {
    scratch_ = decode_field(raw.text, dialect_);
    last_value_ = reader_.read(scratch_);
  } else {
    last_value_ =
        reader_.read(raw.has_quote ? unquote(raw.text, dialect_.quote, dialect_.escape, scratch_) : raw.text);
  }
  last_text_ = raw.text;
  has_last_value_ = true;
  return {.time = last_value_};
}

}  // namespace hypercopy
