// The file of --report: one JSON object about the run, written when it has ended.
// Threads: functions without state.
#pragma once

#include <string>

#include "hypercopy/load_options.hpp"
#include "hypercopy/report.hpp"
#include "hypercopy/result.hpp"

namespace hypercopy {

// That the report can be written is seen before the first row, since a script that is told of a failure loads again.
// Errors: usage: a place that cannot be written to, or that is an input, a reject file or the reasons beside one.
[[nodiscard]] Status expect_place_for_report(const LoadOptions& options);

// Errors: output.
[[nodiscard]] Status write_report(const std::string& path, const LoadSummary& summary);

}  // namespace hypercopy
