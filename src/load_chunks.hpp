// What a load does about the chunks of a hypertable: which field of an input tells them, and whether they are counted and
// made ahead.
// Shape:   pure functions of the plan.
// Threads: the reader's for chunk_field_of(), the calling one for chunks_of_load().
#pragma once

#include <memory>
#include <optional>

#include "hypercopy/chunk_field.hpp"
#include "hypercopy/chunks_ahead.hpp"
#include "load_plan.hpp"
#include "server_chunks.hpp"

namespace hypercopy {

// Nothing where the target is no hypertable, only the server knows what its first dimension makes of the column, or the
// input lacks that.
[[nodiscard]] std::optional<ChunkField> chunk_field_of(const LoadPlan& plan, const ColumnMapping& mapping);

// Nothing where there is nothing to count or to make. Borrows the console.
[[nodiscard]] std::unique_ptr<ChunksAhead> chunks_of_load(const LoadPlan& plan, ServerChunks::Connect connect,
                                                          Console& console);

}  // namespace hypercopy
