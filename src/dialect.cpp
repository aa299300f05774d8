#include "hypercopy/dialect.hpp"

#include <fmt/format.h>

#include <charconv>
#include <optional>

namespace hypercopy {
namespace {

constexpr std::string_view kNewlineBytes("\r\n");
// Bytes that start or continue an escape such as \b, \x41 or \101 in text format.
constexpr std::string_view kTextUnsafe = "\\.abcdefghijklmnopqrstuvwxyz0123456789";

bool holds(std::string_view set, char byte) { return set.find(byte) != std::string_view::npos; }

// NUL ends an option's value on the server. A byte above 127 is one character in few encodings only, and the
// server compares it with bytes that were converted from the input's encoding.
Status check_one_byte(std::string_view what, char byte) {
  if (byte != '\0' && static_cast<unsigned char>(byte) < 128) return {};
  return fail(ErrorKind::usage, fmt::format("COPY {} must be a single one-byte character", what),
              "use an ASCII character other than NUL");
}

Status check_no_newline(std::string_view what, char byte) {
  if (!holds(kNewlineBytes, byte)) return {};
  return fail(ErrorKind::usage, fmt::format("COPY {} cannot be newline or carriage return", what));
}

Status check_delimiter(const Dialect& dialect) {
  HYPERCOPY_TRY(check_one_byte("delimiter", dialect.delimiter));
  return check_no_newline("delimiter", dialect.delimiter);
}

Status check_null_marker(std::string_view marker) {
  if (marker.find('\0') != std::string_view::npos) {
    return fail(ErrorKind::usage, "COPY null representation cannot hold a NUL byte");
  }
  if (marker.find_first_of(kNewlineBytes) != std::string_view::npos) {
    return fail(ErrorKind::usage, "COPY null representation cannot use newline or carriage return");
  }
  return {};
}

Status check_text_delimiter(char delimiter) {
  if (!holds(kTextUnsafe, delimiter)) return {};
  return fail(ErrorKind::usage, fmt::format("COPY delimiter cannot be \"{}\"", delimiter),
              "text format uses lower case letters, digits, backslash and period in escapes; choose another "
              "delimiter, or the format csv");
}

Status check_csv_bytes(const Dialect& dialect) {
  HYPERCOPY_TRY(check_one_byte("quote", dialect.quote));
  HYPERCOPY_TRY(check_no_newline("quote", dialect.quote));
  if (dialect.delimiter == dialect.quote) {
    return fail(ErrorKind::usage, "COPY delimiter and quote must be different",
                fmt::format("both are \"{}\"", dialect.delimiter));
  }
  HYPERCOPY_TRY(check_one_byte("escape", dialect.escape));
  return check_no_newline("escape", dialect.escape);
}

Status only_in_csv(std::string_view what, bool unused) {
  if (unused) return {};
  return fail(ErrorKind::usage, fmt::format("COPY {} available only in CSV mode", what),
              "leave it out, or choose the format csv");
}

// What has a meaning in CSV only must be as default_dialect() gives it.
Status check_no_csv_options(const Dialect& dialect) {
  const Dialect defaults = default_dialect(Format::text);
  HYPERCOPY_TRY(only_in_csv("quote", dialect.quote == defaults.quote));
  HYPERCOPY_TRY(only_in_csv("escape", dialect.escape == defaults.escape));
  HYPERCOPY_TRY(only_in_csv("force not null", dialect.force_not_null.empty()));
  return only_in_csv("force null", dialect.force_null.empty());
}

Status check_null_against_bytes(const Dialect& dialect) {
  if (holds(dialect.null_marker, dialect.delimiter)) {
    return fail(ErrorKind::usage, "COPY delimiter must not appear in the NULL specification",
                fmt::format("the delimiter is \"{}\", the null marker is \"{}\"", dialect.delimiter,
                            dialect.null_marker));
  }
  if (dialect.format == Format::csv && holds(dialect.null_marker, dialect.quote)) {
    return fail(
        ErrorKind::usage, "CSV quote character must not appear in the NULL specification",
        "a quoted value is never NULL by itself: name the bare marker, and the columns in --force-null");
  }
  return {};
}

// The byte that an escape stands for; nullopt for anything but a whole known escape.
std::optional<char> unescape(std::string_view value) {
  if (value == "\\t") return '\t';
  if (value == "\\\\") return '\\';
  if (value.size() != 4 || !value.starts_with("\\x")) return std::nullopt;
  unsigned byte = 0;
  const auto [end, error] = std::from_chars(value.data() + 2, value.data() + 4, byte, 16);
  if (error != std::errc() || end != value.data() + 4) return std::nullopt;
  return static_cast<char>(byte);
}

}  // namespace

std::string_view to_string(Format format) {
  switch (format) {
    case Format::csv:
      return "csv";
    case Format::text:
      return "text";
  }
  return "unknown";
}

Dialect default_dialect(Format format) {
  Dialect dialect;
  dialect.format = format;
  if (format == Format::text) {
    dialect.delimiter = '\t';
    dialect.null_marker = "\\N";
  }
  return dialect;
}

Status validate(const Dialect& dialect) {
  const bool csv = dialect.format == Format::csv;
  HYPERCOPY_TRY(check_delimiter(dialect));
  HYPERCOPY_TRY(check_null_marker(dialect.null_marker));
  if (!csv) HYPERCOPY_TRY(check_text_delimiter(dialect.delimiter));
  HYPERCOPY_TRY(csv ? check_csv_bytes(dialect) : check_no_csv_options(dialect));
  return check_null_against_bytes(dialect);
}

Result<char> parse_single_byte(std::string_view option, std::string_view value) {
  const std::optional<char> byte = value.size() == 1 ? value.front() : unescape(value);
  if (!byte) {
    return fail(ErrorKind::usage, fmt::format("{} must be one byte, not \"{}\"", option, value),
                "a tab can be written as \\t, any ASCII byte as \\xHH, a backslash as \\ or \\\\");
  }
  if (*byte == '\0') return fail(ErrorKind::usage, fmt::format("{} cannot be a NUL byte", option));
  return *byte;
}

}  // namespace hypercopy
