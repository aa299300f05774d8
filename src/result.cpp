#include "hypercopy/result.hpp"

namespace hypercopy {
namespace {

// Continuation lines are indented further, so that a text of several lines cannot pass for another part.
void append_indented(std::string& out, std::string_view text, std::string_view indent) {
  for (const char byte : text) {
    out.push_back(byte);
    if (byte == '\n') out.append(indent);
  }
}

void append_part(std::string& out, std::string_view label, std::string_view value) {
  if (value.empty()) return;
  out.append("\n  ").append(label);
  append_indented(out, value, "    ");
}

}  // namespace

std::string_view to_string(ErrorKind kind) {
  switch (kind) {
    case ErrorKind::usage:
      return "usage";
    case ErrorKind::input:
      return "input";
    case ErrorKind::target:
      return "target";
    case ErrorKind::connection:
      return "connection";
    case ErrorKind::sql:
      return "sql";
    case ErrorKind::protocol:
      return "protocol";
    case ErrorKind::output:
      return "output";
    case ErrorKind::interrupted:
      return "interrupted";
    case ErrorKind::accounting:
      return "accounting";
    case ErrorKind::internal:
      return "internal";
  }
  return "unknown";
}

std::string to_string(const Error& error) {
  std::string out;
  if (error.message.empty()) {
    out.append(to_string(error.kind)).append(" error");
  } else {
    append_indented(out, error.message, "  ");
  }
  append_part(out, "at ", error.location ? to_string(*error.location) : std::string());
  append_part(out, "column: ", error.column);
  append_part(out, "SQLSTATE: ", error.sqlstate);
  append_part(out, "DETAIL: ", error.detail);
  append_part(out, "HINT: ", error.hint);
  return out;
}

}  // namespace hypercopy
