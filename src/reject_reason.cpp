#include "reject_reason.hpp"

#include <nlohmann/json.hpp>

namespace hypercopy {

namespace {

using Json = nlohmann::ordered_json;

Json or_null(const std::string& text) { return text.empty() ? Json(nullptr) : Json(text); }

std::string_view newline_of(NewlineStyle style) {
  if (style == NewlineStyle::crlf) return "\r\n";
  return style == NewlineStyle::cr ? "\r" : "\n";
}

}  // namespace

std::string reason_line(std::string_view file, const RejectedRecord& record) {
  const Json reason{{"file", file},
                    {"record", record.at.record},
                    {"line", record.at.line},
                    {"byte", record.at.byte},
                    {"sqlstate", or_null(record.sqlstate)},
                    {"column", or_null(record.column)},
                    {"constraint", or_null(record.constraint)},
                    {"message", record.message},
                    {"detail", or_null(record.detail)}};
  return reason.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n";
}

std::string reasons_path(const std::string& reject_file) { return reject_file + ".jsonl"; }

std::string with_newline(std::string_view record, NewlineStyle newline) {
  std::string text(record);
  if (!text.ends_with('\n') && !text.ends_with('\r')) text += newline_of(newline);
  return text;
}

}  // namespace hypercopy
