// Tells an input from another one without reading all of it.
// Shape:   XXH3 over the size, the first and the last block, and blocks spread evenly between them, as hex. A change in a
//          block that is not looked at is found when its interval is read again (PlannedInterval::content).
// Units:   bytes.
// Errors:  as Source::read().
// Why:     not the time of modification, nor the path: several hosts may hold copies of one file.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "hypercopy/source.hpp"

struct XXH3_state_s;

namespace hypercopy {

// REQUIRES: source.size(). Leaves the source at another place than before.
[[nodiscard]] Result<std::string> input_fingerprint(Source& source);

// Of a batch's bytes.
[[nodiscard]] std::uint64_t content_hash(std::string_view bytes);

// The same of bytes that come in pieces.
class ContentHash {
 public:
  ContentHash();

  void add(std::string_view bytes);
  [[nodiscard]] std::uint64_t value() const;

 private:
  struct Free {
    void operator()(XXH3_state_s* state) const;
  };
  std::unique_ptr<XXH3_state_s, Free> state_;
};

}  // namespace hypercopy
