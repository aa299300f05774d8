#include "load_chunks.hpp"

#include <algorithm>

namespace hypercopy {

std::optional<ChunkField> chunk_field_of(const LoadPlan& plan, const ColumnMapping& mapping) {
  if (!plan.hypertable) return std::nullopt;
  const Dimension& primary = plan.hypertable->primary();
  const bool is_range = primary.kind != DimensionKind::function && primary.kind != DimensionKind::hash;
  if (!is_range || primary.interval <= 0 || !is_time_type(primary.type_oid)) return std::nullopt;
  const auto field = field_of(mapping, primary.column);
  if (!field) return std::nullopt;
  const auto column = std::ranges::find(mapping.columns, primary.column);
  return ChunkField{.in_tuple = static_cast<std::uint16_t>(column - mapping.columns.begin()),
                    .in_record = {.index = *field,
                                  .fields = mapping.field_count,
                                  .type_oid = primary.type_oid,
                                  .interval = primary.interval,
                                  .utc = plan.session.time_zone_is_utc,
                                  .server_version = plan.session.server_version},
                    .grid = ChunkGrid::of(primary)};
}

// With --atomic rows reach the hypertable in one statement at the end, a single transaction waits for no other worker, and a
// chunk that is built aside must not be there before.
std::unique_ptr<ChunksAhead> chunks_of_load(const LoadPlan& plan, ServerChunks::Connect connect,
                                            Console& console) {
  if (!plan.hypertable) return nullptr;
  const Hypertable& hypertable = *plan.hypertable;
  const Dimension& primary = hypertable.primary();
  const bool makes = hypertable.is_community && hypertable.dimensions.size() == 1 &&
                     ChunkGrid::of(primary).has_value() && !plan.staging && !plan.single_transaction &&
                     !plan.building;
  if (!makes && plan.options.max_new_chunks == 0) return nullptr;
  return std::make_unique<ChunksAhead>(
      std::make_unique<ServerChunks>(std::move(connect), plan.table, primary.column),
      ChunksAhead::Policy{.most_new = plan.options.max_new_chunks,
                          .makes = makes,
                          .was_emptied = plan.options.truncate && plan.single_transaction,
                          .type_oid = primary.type_oid,
                          .interval = primary.interval},
      console);
}

}  // namespace hypercopy
