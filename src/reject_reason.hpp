// How a rejected record stands in its reject file, and why it was rejected in the file beside it.
// Threads: pure.
#pragma once

#include <string>
#include <string_view>

#include "hypercopy/record_splitter.hpp"
#include "hypercopy/reject_sink.hpp"

namespace hypercopy {

// One JSON object and a newline; `file` is the input's name.
[[nodiscard]] std::string reason_line(std::string_view file, const RejectedRecord& record);

[[nodiscard]] std::string reasons_path(const std::string& reject_file);

// Only the last record of an input may lack one.
[[nodiscard]] std::string with_newline(std::string_view record, NewlineStyle newline);

}  // namespace hypercopy
