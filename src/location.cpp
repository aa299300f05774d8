#include "hypercopy/location.hpp"

#include <fmt/format.h>

namespace hypercopy {

std::string to_string(const Location& location) {
  if (const auto& last = location.last) {
    return fmt::format("{}: records {} to {}, lines {} to {}, bytes {} to {}", location.source,
                       location.at.record, last->record, location.at.line, last->line, location.at.byte,
                       last->byte);
  }
  return fmt::format("{}: record {}, line {}, byte {}", location.source, location.at.record, location.at.line,
                     location.at.byte);
}

}  // namespace hypercopy
