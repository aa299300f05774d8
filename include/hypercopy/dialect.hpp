// How the input's bytes spell records and fields: the options of COPY ... FROM that the client must know too.
// Shape:   a plain value; the defaults are COPY's own for CSV.
// Units:   delimiter, quote and escape are one byte each, as COPY demands.
// Errors:  validate() gives Error::kind usage with the rule that is broken, before anything is touched; the
//          messages are the server's where the rule is.
// Source:  PostgreSQL manual, COPY; src/backend/commands/copy.c, ProcessCopyOptions (the same checks in the
//          same order, so that what passes here passes on the server). Refused beyond that: bytes above 127
//          as delimiter, quote or escape (the server takes them in single-byte encodings only), and CR or LF
//          as quote or escape.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "hypercopy/result.hpp"

namespace hypercopy {

enum class Format : std::uint8_t { csv, text };

[[nodiscard]] std::string_view to_string(Format format);

struct Dialect {
  Format format = Format::csv;
  char delimiter = ',';
  char quote = '"';   // csv only
  char escape = '"';  // csv only; COPY's default is the quote
  std::string null_marker{};
  std::vector<std::string> force_null{};      // csv only: column names
  std::vector<std::string> force_not_null{};  // csv only: column names
};

// COPY's defaults for a format: text has tab and \N.
[[nodiscard]] Dialect default_dialect(Format format);

[[nodiscard]] Status validate(const Dialect& dialect);

// Reads a one-byte option value: the byte itself, or an escape that shells make hard to type (\t, \xHH, \\).
// `option` names the option in the error (usage). Whether the byte suits the option is validate()'s to say.
[[nodiscard]] Result<char> parse_single_byte(std::string_view option, std::string_view value);

}  // namespace hypercopy
