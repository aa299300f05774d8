// How many records a run may reject: --max-rejects N or N%.
// Units:   records; percent from 0 to 100 of the records read.
// Errors:  usage: a limit that cannot be read.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "hypercopy/result.hpp"

namespace hypercopy {

struct RejectLimit {
  std::optional<std::uint64_t> records{};
  std::optional<double> percent{};

  [[nodiscard]] bool is_set() const { return records || percent; }
};

// "100" or "0.5%".
[[nodiscard]] Result<RejectLimit> parse_reject_limit(std::string_view text);
[[nodiscard]] std::string to_string(const RejectLimit& limit);

}  // namespace hypercopy
