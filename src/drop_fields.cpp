// column_mapping.hpp, drop_fields(): runs over every byte of a backup that holds generated columns, so it
// makes one pass without allocating per record, and copies runs of neighbouring kept fields at once.
#include <fmt/format.h>

#include <array>
#include <cstring>

#include "hypercopy/column_mapping.hpp"

namespace hypercopy {
namespace {

enum class ByteClass : std::uint8_t { plain, delimiter, quote, backslash, newline };

std::array<ByteClass, 256> classify(const Dialect& dialect) {
  std::array<ByteClass, 256> classes{};
  const auto set = [&classes](char byte, ByteClass to) { classes[static_cast<unsigned char>(byte)] = to; };
  set('\n', ByteClass::newline);
  set('\r', ByteClass::newline);
  if (dialect.format == Format::csv) {
    set(dialect.quote, ByteClass::quote);
  } else {
    set('\\', ByteClass::backslash);
  }
  set(dialect.delimiter, ByteClass::delimiter);
  return classes;
}

bool is_hex_digit(char byte) {
  return (byte >= '0' && byte <= '9') || (byte >= 'a' && byte <= 'f') || (byte >= 'A' && byte <= 'F');
}

// Empty where it is not known.
std::string_view newline_of(NewlineStyle style) {
  switch (style) {
    case NewlineStyle::lf:
      return "\n";
    case NewlineStyle::crlf:
      return "\r\n";
    case NewlineStyle::cr:
      return "\r";
    case NewlineStyle::unknown:
      break;
  }
  return {};
}

class FieldDropper {
 public:
  FieldDropper(const Dialect& dialect, const ColumnMapping& mapping, NewlineStyle style, std::string& out)
      : dialect_(dialect),
        mapping_(mapping),
        classes_(classify(dialect)),
        keep_(mapping.field_count, 1),
        newline_(newline_of(style)),
        out_(out) {
    for (const std::size_t field : mapping.dropped) keep_[field] = 0;
  }

  Status run(std::string_view batch) {
    const char* at = batch.data();
    end_ = at + batch.size();
    while (at != end_) {
      begin_record(at);
      const char* const record_end = scan_record(at);
      if (record_end == nullptr) {
        return refuse("unterminated CSV quoted field", "the batch ends inside quotes");
      }
      at = skip_newline(record_end);
      HYPERCOPY_TRY(end_record({record_end, at}));
      ++records_;
    }
    return {};
  }

  [[nodiscard]] std::size_t records() const { return records_; }

 private:
  void begin_record(const char* at) {
    record_out_ = out_.size();
    field_ = 0;
    field_begin_ = at;
    run_begin_ = nullptr;
    wrote_field_ = false;
  }

  // Takes in the fields of one record. Returns where its newline stands; nullptr: the input ends inside
  // quotes.
  const char* scan_record(const char* at) {
    for (;;) {
      while (at != end_ && class_of(*at) == ByteClass::plain) ++at;
      const ByteClass found = at == end_ ? ByteClass::newline : class_of(*at);
      if (found == ByteClass::newline) {
        end_field(at);
        return at;
      }
      if (found == ByteClass::delimiter) {
        end_field(at);
        field_begin_ = ++at;
      } else if (found == ByteClass::quote) {
        at = skip_quoted(at + 1);
        if (at == nullptr) return nullptr;
      } else {
        at = skip_escaped(at + 1);
      }
    }
  }

  [[nodiscard]] ByteClass class_of(char byte) const { return classes_[static_cast<unsigned char>(byte)]; }

  // From behind an opening quote to behind the closing one. Where ESCAPE is QUOTE, a doubled quote closes and
  // opens again, which comes to the same.
  [[nodiscard]] const char* skip_quoted(const char* at) const {
    if (dialect_.escape == dialect_.quote) {
      const auto* quote =
          static_cast<const char*>(std::memchr(at, dialect_.quote, static_cast<std::size_t>(end_ - at)));
      return quote == nullptr ? nullptr : quote + 1;
    }
    for (; at != end_; ++at) {
      const bool has_next = at + 1 != end_;
      if (*at == dialect_.escape && has_next && (at[1] == dialect_.escape || at[1] == dialect_.quote)) {
        ++at;
      } else if (*at == dialect_.quote) {
        return at + 1;
      }
    }
    return nullptr;
  }

  // Text format, from behind a backslash: the byte it escapes is no delimiter and no newline. The digits of
  // \xHH belong to it too: A to F may be the delimiter.
  [[nodiscard]] const char* skip_escaped(const char* at) const {
    if (at == end_) return at;
    if (*at++ != 'x') return at;
    for (int digit = 0; digit < 2 && at != end_ && is_hex_digit(*at); ++digit) ++at;
    return at;
  }

  void end_field(const char* end) {
    if (field_ < keep_.size()) {
      if (keep_[field_] == 0) {
        flush_run();
      } else {
        if (run_begin_ == nullptr) run_begin_ = field_begin_;
        run_end_ = end;
      }
    }
    ++field_;
  }

  void flush_run() {
    if (run_begin_ == nullptr) return;
    if (wrote_field_) out_.push_back(dialect_.delimiter);
    out_.append(run_begin_, run_end_);
    wrote_field_ = true;
    run_begin_ = nullptr;
  }

  [[nodiscard]] const char* skip_newline(const char* at) const {
    if (at == end_) return at;
    const bool crlf = *at == '\r' && at + 1 != end_ && at[1] == '\n';
    return at + (crlf ? 2 : 1);
  }

  Status end_record(std::string_view newline) {
    flush_run();
    if (field_ != mapping_.field_count) return refuse_count();
    if (out_.size() - record_out_ == 2 && dialect_.format == Format::csv) HYPERCOPY_TRY(protect_end_marker());
    if (newline_.empty()) newline_ = newline.empty() ? "\n" : newline;
    out_.append(newline.empty() ? newline_ : newline);
    return {};
  }

  // An empty quoted part in front changes nothing in the value and hides the marker.
  Status protect_end_marker() {
    if (out_.compare(record_out_, 2, "\\.") != 0) return {};
    if (dialect_.null_marker == "\\.") {
      return refuse("a record of the null marker \\. alone would end the input",
                    "it is all that is left of the record without the fields of generated columns");
    }
    out_.insert(record_out_, 2, dialect_.quote);
    return {};
  }

  Status refuse_count() {
    const std::string detail = fmt::format("the record has {} field{}, and {} are expected", field_,
                                           field_ == 1 ? "" : "s", mapping_.field_count);
    if (field_ > mapping_.field_count) return refuse("extra data after last expected column", detail);
    return refuse(fmt::format("missing data for column \"{}\"", column_of(field_)), detail);
  }

  [[nodiscard]] const std::string& column_of(std::size_t field) const {
    std::size_t dropped_before = 0;
    for (; dropped_before < mapping_.dropped.size(); ++dropped_before) {
      if (mapping_.dropped[dropped_before] == field) return mapping_.dropped_columns[dropped_before];
      if (mapping_.dropped[dropped_before] > field) break;
    }
    return mapping_.columns[field - dropped_before];
  }

  tl::unexpected<Error> refuse(std::string message, std::string detail) {
    out_.resize(record_out_);
    return fail(Error{.kind = ErrorKind::input,
                      .message = std::move(message),
                      .sqlstate = "22P04",
                      .detail = std::move(detail)});
  }

  const Dialect& dialect_;
  const ColumnMapping& mapping_;
  const std::array<ByteClass, 256> classes_;
  std::vector<char> keep_;
  std::string_view newline_;  // of the first record, where the caller does not know it
  std::string& out_;

  const char* end_ = nullptr;
  std::size_t records_ = 0;
  // Of the record at hand; a run is of neighbouring kept fields that are not in `out_` yet.
  std::size_t record_out_ = 0;
  std::size_t field_ = 0;
  const char* field_begin_ = nullptr;
  const char* run_begin_ = nullptr;
  const char* run_end_ = nullptr;
  bool wrote_field_ = false;
};

}  // namespace

Status drop_fields(std::string_view batch, const Dialect& dialect, const ColumnMapping& mapping,
                   NewlineStyle style, std::string& out, std::size_t& bad_record) {
  out.reserve(out.size() + batch.size() + 2);
  FieldDropper dropper(dialect, mapping, style, out);
  Status status = dropper.run(batch);
  if (!status) bad_record = dropper.records();
  return status;
}

}  // namespace hypercopy
