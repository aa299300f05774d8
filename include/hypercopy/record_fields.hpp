// The fields of one record: where they lie, and what they mean without quotes and escapes.
// Shape:   `record` is one whole record as the splitter found it, without its newline. Ranges are raw bytes,
//          quotes and escapes included, in order; an empty record is one empty field.
// Units:   byte offsets into `record`.
// Owns:    nothing; callers reuse the output vector.
// Source:  PostgreSQL src/backend/commands/copyfromparse.c, CopyReadAttributesCSV and CopyReadAttributesText.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "hypercopy/dialect.hpp"

namespace hypercopy {

struct FieldRange {
  std::size_t begin = 0;
  std::size_t end = 0;

  friend bool operator==(const FieldRange&, const FieldRange&) = default;
};

// Cuts at unquoted DELIMITERs (csv) or unescaped ones (text). `fields` is cleared first.
void split_fields(std::string_view record, const Dialect& dialect, std::vector<FieldRange>& fields);

// The value of a raw field. Used for header names; data fields stay raw on the CSV path.
[[nodiscard]] std::string decode_field(std::string_view raw, const Dialect& dialect);

// `record` without its newline (LF, CRLF or CR), if it has one. It looks at the last bytes only: a text
// record whose last data byte is an escaped CR or LF would lose it, so use it where that cannot be (names,
// csv).
[[nodiscard]] std::string_view without_newline(std::string_view record);

}  // namespace hypercopy
