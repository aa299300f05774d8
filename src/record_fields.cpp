#include "hypercopy/record_fields.hpp"

#include <algorithm>

namespace hypercopy {
namespace {

// The bytes of a field, read one value byte at a time. `raw` may hold more than one field: take() stops for
// no delimiter, is_delimiter() tells the caller where one counts.
class CsvCursor {
 public:
  CsvCursor(std::string_view raw, const Dialect& dialect) : raw_(raw), dialect_(dialect) {}

  [[nodiscard]] bool at_end() const { return at_ == raw_.size(); }
  [[nodiscard]] std::size_t at() const { return at_; }
  [[nodiscard]] bool is_delimiter() const { return !in_quote_ && raw_[at_] == dialect_.delimiter; }

  // Moves over one byte of value or quote; appends what it means to `value`, if there is one.
  void take(std::string* value) {
    const char byte = raw_[at_++];
    if (in_quote_ && byte == dialect_.escape && escapes_next()) {
      append(value, raw_[at_++]);
    } else if (byte == dialect_.quote) {
      in_quote_ = !in_quote_;
    } else {
      append(value, byte);
    }
  }

 private:
  [[nodiscard]] bool escapes_next() const {
    return !at_end() && (raw_[at_] == dialect_.escape || raw_[at_] == dialect_.quote);
  }
  static void append(std::string* value, char byte) {
    if (value != nullptr) value->push_back(byte);
  }

  std::string_view raw_;
  const Dialect& dialect_;
  std::size_t at_ = 0;
  bool in_quote_ = false;
};

void split_csv(std::string_view record, const Dialect& dialect, std::vector<FieldRange>& fields) {
  std::size_t begin = 0;
  CsvCursor cursor(record, dialect);
  while (!cursor.at_end()) {
    const bool cut = cursor.is_delimiter();
    if (cut) fields.push_back({begin, cursor.at()});
    cursor.take(nullptr);
    if (cut) begin = cursor.at();
  }
  fields.push_back({begin, record.size()});
}

void split_text(std::string_view record, char delimiter, std::vector<FieldRange>& fields) {
  std::size_t begin = 0;
  for (std::size_t at = 0; at < record.size(); ++at) {
    if (record[at] == '\\') {
      ++at;  // the next byte is literal
    } else if (record[at] == delimiter) {
      fields.push_back({begin, at});
      begin = at + 1;
    }
  }
  fields.push_back({begin, record.size()});
}

std::string decode_csv(std::string_view raw, const Dialect& dialect) {
  std::string value;
  CsvCursor cursor(raw, dialect);
  while (!cursor.at_end()) cursor.take(&value);
  return value;
}

// -1 when `byte` is no digit of that base.
int digit_value(char byte, int base) {
  int value = -1;
  if (byte >= '0' && byte <= '9') value = byte - '0';
  if (byte >= 'a' && byte <= 'f') value = byte - 'a' + 10;
  if (byte >= 'A' && byte <= 'F') value = byte - 'A' + 10;
  return value < base ? value : -1;
}

// Reads up to `limit` digits; what is above eight bits is dropped, as the server does.
char take_number(std::string_view raw, std::size_t& at, int base, std::size_t limit) {
  int number = 0;
  for (const std::size_t end = std::min(raw.size(), at + limit); at < end; ++at) {
    const int digit = digit_value(raw[at], base);
    if (digit < 0) break;
    number = number * base + digit;
  }
  return static_cast<char>(static_cast<unsigned char>(number & 0xff));
}

// What the bytes from `at` on, behind a backslash, stand for; `at` is moved behind them.
char take_escape(std::string_view raw, std::size_t& at) {
  if (digit_value(raw[at], 8) >= 0) return take_number(raw, at, 8, 3);
  const char byte = raw[at++];
  switch (byte) {
    case 'b':
      return '\b';
    case 'f':
      return '\f';
    case 'n':
      return '\n';
    case 'r':
      return '\r';
    case 't':
      return '\t';
    case 'v':
      return '\v';
    case 'x':
      if (at < raw.size() && digit_value(raw[at], 16) >= 0) return take_number(raw, at, 16, 2);
      return byte;
    default:
      return byte;
  }
}

std::string decode_text(std::string_view raw) {
  std::string value;
  for (std::size_t at = 0; at < raw.size();) {
    const char byte = raw[at++];
    if (byte != '\\') {
      value.push_back(byte);
    } else if (at < raw.size()) {
      value.push_back(take_escape(raw, at));
    }  // a backslash as the last byte stands for nothing
  }
  return value;
}

}  // namespace

void split_fields(std::string_view record, const Dialect& dialect, std::vector<FieldRange>& fields) {
  fields.clear();
  if (dialect.format == Format::csv) {
    split_csv(record, dialect, fields);
  } else {
    split_text(record, dialect.delimiter, fields);
  }
}

std::string decode_field(std::string_view raw, const Dialect& dialect) {
  return dialect.format == Format::csv ? decode_csv(raw, dialect) : decode_text(raw);
}

std::string_view without_newline(std::string_view record) {
  if (record.ends_with("\r\n")) return record.substr(0, record.size() - 2);
  if (record.ends_with('\n') || record.ends_with('\r')) return record.substr(0, record.size() - 1);
  return record;
}

}  // namespace hypercopy
