#include "input_fingerprint.hpp"

#include <fmt/format.h>
#include <xxhash.h>

#include <algorithm>
#include <vector>

namespace hypercopy {

namespace {

constexpr std::uint64_t kBlockBytes = std::uint64_t{64} << 10;
constexpr std::uint64_t kBlocks = 64;

}  // namespace

Result<std::string> input_fingerprint(Source& source) {
  const std::uint64_t size = source.size().value_or(0);
  ContentHash hash;
  hash.add({reinterpret_cast<const char*>(&size), sizeof size});
  std::vector<char> block(kBlockBytes);
  // Small inputs are read whole; in larger ones the blocks stand apart.
  const std::uint64_t stride =
      std::max(kBlockBytes, size > kBlockBytes ? (size - kBlockBytes) / (kBlocks - 1) : 0);
  for (std::uint64_t begin = 0; begin < size; begin += stride) {
    const std::uint64_t end = std::min(begin + kBlockBytes, size);
    source.seek(begin);
    for (std::uint64_t at = begin; at < end;) {
      HYPERCOPY_ASSIGN(const std::size_t count, source.read({block.data(), end - at}));
      hash.add({block.data(), count});
      at += count;
    }
  }
  return fmt::format("{:016x}", hash.value());
}

std::uint64_t content_hash(std::string_view bytes) { return XXH3_64bits(bytes.data(), bytes.size()); }

ContentHash::ContentHash() : state_(XXH3_createState()) { XXH3_64bits_reset(state_.get()); }

void ContentHash::Free::operator()(XXH3_state_s* state) const { XXH3_freeState(state); }

void ContentHash::add(std::string_view bytes) {
  XXH3_64bits_update(state_.get(), bytes.data(), bytes.size());
}

std::uint64_t ContentHash::value() const { return XXH3_64bits_digest(state_.get()); }

}  // namespace hypercopy
