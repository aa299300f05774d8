#include "hypercopy/chunk_destinations.hpp"

#include <algorithm>

namespace hypercopy {

Result<std::span<const RecordRoute>> ChunkRouting::find(const InputFile& file, const EncodedFront& encoded,
                                                        std::span<const std::uint32_t> order) {
  const std::optional<TimeKey> key = destinations_.key(file);
  if (!key || encoded.records == 0) return std::span<const RecordRoute>();
  const auto chunks = by_chunk_.find(encoded.stream, encoded.starts, *key);
  HYPERCOPY_TRY(find_destinations(chunks));
  if (std::ranges::none_of(routes_, [](const RecordRoute& route) { return route.side != nullptr; })) {
    return std::span<const RecordRoute>();
  }
  const auto chunk_of = by_chunk_.chunk_of_record();
  for (std::uint32_t at = 0; at < chunk_of.size(); ++at) {
    const std::uint32_t record = order.empty() ? at : order[at];
    routes_[route_of_chunk_[chunk_of[record]]].records.push_back(record);
  }
  return std::span<const RecordRoute>(routes_);
}

// What goes to the hypertable is one COPY, whatever chunks it is for.
Status ChunkRouting::find_destinations(std::span<const RecordsOfChunk> chunks) {
  routes_.clear();
  route_of_chunk_.clear();
  std::optional<std::size_t> to_hypertable;
  for (const RecordsOfChunk& chunk : chunks) {
    HYPERCOPY_ASSIGN(const SideTable* const side, destinations_.side_table(chunk.number));
    const bool known = side == nullptr && to_hypertable;
    if (!known) {
      routes_.push_back({.side = side});
      if (side == nullptr) to_hypertable = routes_.size() - 1;
    }
    route_of_chunk_.push_back(known ? *to_hypertable : routes_.size() - 1);
  }
  return {};
}

}  // namespace hypercopy
