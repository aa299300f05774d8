// Names in messages: shown so that a person can see them, with the name that was probably meant.
// Units:   bytes; distances are Levenshtein's.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace hypercopy {

// In double quotes, as the server writes names in messages; a long one (data taken for a header) is cut.
[[nodiscard]] std::string message_name(std::string_view name);

// a, "B c", d: as they would be typed into --columns; a long list is cut and says how many are left.
[[nodiscard]] std::string message_list(const std::vector<std::string>& names);

// The one of `candidates` that is nearest to `name`, if exactly one is and it is near enough.
[[nodiscard]] std::optional<std::string> nearest_name(std::string_view name,
                                                      const std::vector<std::string>& candidates);

// `did you mean "user"?` where exactly one of `candidates` is nearest to `name` and near enough; says so
// where only upper and lower case differ. Else empty.
[[nodiscard]] std::string near_name_hint(std::string_view name, const std::vector<std::string>& candidates);

}  // namespace hypercopy
