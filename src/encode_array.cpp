#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "encoders.hpp"

namespace hypercopy {

namespace {

bool is_null_word(std::string_view text) {
  return text.size() == 4 && lower(text[0]) == 'n' && lower(text[1]) == 'u' && lower(text[2]) == 'l' &&
         lower(text[3]) == 'l';
}

// Bytes that end an unquoted element or may not be in one; of blanks, a space around elements is read.
constexpr std::array<bool, 256> kEndsUnquoted = [] {
  std::array<bool, 256> ends{};
  for (const char byte : {'{', '}', ',', '"', '\\', ' ', '\t', '\n', '\v', '\f', '\r'})
    ends[static_cast<unsigned char>(byte)] = true;
  return ends;
}();

// The elements between the braces, one after the other.
class ElementReader {
 public:
  explicit ElementReader(std::string_view text) : rest_(text) {}

  // Reads the next element up to and including the ',' or '}' behind it; false: given up.
  [[nodiscard]] bool next() {
    skip_spaces();
    quoted_ = rest_.starts_with('"');
    if (!(quoted_ ? read_quoted() : read_unquoted())) return false;
    skip_spaces();
    if (rest_.empty() || (rest_.front() != ',' && rest_.front() != '}')) return false;
    is_last_ = rest_.front() == '}';
    rest_.remove_prefix(1);
    return true;
  }

  // Valid until the next next().
  [[nodiscard]] std::string_view element() const { return element_; }
  [[nodiscard]] bool quoted() const { return quoted_; }
  [[nodiscard]] bool is_last() const { return is_last_; }
  [[nodiscard]] std::string_view rest() const { return rest_; }

 private:
  void skip_spaces() {
    while (rest_.starts_with(' ')) rest_.remove_prefix(1);
  }

  bool read_unquoted() {
    std::size_t size = 0;
    while (size < rest_.size() && !kEndsUnquoted[static_cast<unsigned char>(rest_[size])]) ++size;
    element_ = rest_.substr(0, size);
    rest_.remove_prefix(element_.size());
    return !element_.empty();
  }

  bool read_quoted() {
    rest_.remove_prefix(1);
    const std::size_t plain = rest_.find_first_of("\"\\");
    if (plain == std::string_view::npos) return false;
    element_ = rest_.substr(0, plain);
    if (rest_[plain] == '\\') return read_escaped();
    rest_.remove_prefix(plain + 1);
    return true;
  }

  // An element in quotes that has a backslash, which makes the byte behind it an ordinary one.
  bool read_escaped() {
    unescaped_.clear();
    while (!rest_.empty() && rest_.front() != '"') {
      if (rest_.front() == '\\') rest_.remove_prefix(1);
      if (rest_.empty()) return false;
      unescaped_ += rest_.front();
      rest_.remove_prefix(1);
    }
    if (rest_.empty()) return false;
    rest_.remove_prefix(1);
    element_ = unescaped_;
    return true;
  }

  std::string_view rest_;
  std::string_view element_;
  std::string unescaped_;
  bool quoted_ = false;
  bool is_last_ = false;
};

struct Counts {
  std::uint32_t elements = 0;
  std::uint32_t nulls = 0;
};

bool put_elements(std::string_view text, const FieldType& type, BinaryBuffer& out, Counts& counts) {
  const FieldType& element = *type.element;
  ElementReader reader(text);
  do {
    if (!reader.next()) return false;
    ++counts.elements;
    if (!reader.quoted() && is_null_word(reader.element())) {
      if (!type.settings.array_nulls) return false;
      ++counts.nulls;
      out.put(kNullLength);
    } else if (!element.encode(reader.element(), element, out)) {
      return false;
    }
  } while (!reader.is_last());
  return reader.rest().empty();
}

}  // namespace

// One dimension from 1 on, as array_out writes it; bounds ("[0:1]=..."), nested arrays and blanks other than
// spaces around elements are given up.
bool encode_array(std::string_view text, const FieldType& type, BinaryBuffer& out) {
  if (!text.starts_with('{')) return false;
  const bool is_empty = text == "{}";
  const std::size_t field = out.open_field();
  const std::size_t header = out.size();
  out.put(static_cast<std::uint32_t>(is_empty ? 0 : 1));  // dimensions
  out.put(std::uint32_t{0});                              // whether there are NULLs
  out.put(type.element->oid);
  if (!is_empty) {
    out.put(std::uint32_t{0});  // elements
    out.put(std::uint32_t{1});  // lower bound
    Counts counts;
    if (!put_elements(text.substr(1), type, out, counts)) return false;
    out.put_at(header + 4, static_cast<std::uint32_t>(counts.nulls != 0 ? 1 : 0));
    out.put_at(header + 12, counts.elements);
  }
  out.close_field(field);
  return true;
}

}  // namespace hypercopy
