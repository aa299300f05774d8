#include "hypercopy/location.hpp"

#include <fmt/format.h>

namespace hypercopy {

std::string to_string(const Location& location) {
  return fmt::format("{}: record {}, line {}, byte {}", location.source, location.at.record, location.at.line,
                     location.at.byte);
}

}  // namespace hypercopy
