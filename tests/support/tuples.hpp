// A COPY BINARY stream of tuples with one key and fields around it, as an encoder would give it.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "hypercopy/binary_buffer.hpp"
#include "support/random.hpp"

namespace hypercopy::test {

using Keys = std::vector<std::optional<std::int64_t>>;

// Tuples of one key and the fields around it, among them NULL and empty ones.
struct Tuples {
  BinaryBuffer bytes;
  std::vector<std::size_t> starts;

  Tuples(const Keys& keys, std::size_t width, unsigned fields_before, Random& random) {
    bytes.put_bytes("the header of 19 by");
    for (const auto& key : keys) {
      starts.push_back(bytes.size());
      bytes.put(static_cast<std::uint16_t>(fields_before + 2));
      for (unsigned field = 0; field < fields_before; ++field) put_other(random);
      put_key(key, width);
      put_other(random);
    }
    starts.push_back(bytes.size());
    bytes.put(std::int16_t{-1});
  }

  [[nodiscard]] std::string tuple(std::size_t record) const {
    return std::string(bytes.view().substr(starts[record], starts[record + 1] - starts[record]));
  }

 private:
  void put_other(Random& random) {
    const auto length = random.below(5);
    if (length == 4) return bytes.put(std::int32_t{-1});
    bytes.put_field(std::string_view("abcd", length));
  }
  void put_key(std::optional<std::int64_t> key, std::size_t width) {
    if (!key) return bytes.put(std::int32_t{-1});
    if (width == 2) return bytes.put_field(static_cast<std::int16_t>(*key));
    if (width == 4) return bytes.put_field(static_cast<std::int32_t>(*key));
    if (width == 8) return bytes.put_field(*key);
    bytes.put(std::uint32_t{16});
    bytes.put(static_cast<std::uint64_t>(*key) ^ (std::uint64_t{1} << 63));
    bytes.put_bytes("the rest");
  }
};

}  // namespace hypercopy::test
