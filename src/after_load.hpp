// What is done with the target when all of a load is committed: --after.
// Shape:   compress: every chunk that is not compressed, or only in part or out of order, over several connections;
//          analyze: one ANALYZE behind it; refresh: continuous aggregates (aggregate_refresh.hpp), last, so that their
//          queries are planned with what ANALYZE found.
// Threads: `jobs` of its own; `connect` is called on each.
// Errors:  the first one of any connection; chunks that were done stay done. sql, connection, interrupted.
#pragma once

#include <functional>

#include "aggregate_refresh.hpp"
#include "hypercopy/console.hpp"
#include "load_plan.hpp"

namespace hypercopy {

[[nodiscard]] Status finish_target(const LoadPlan& plan, const RefreshRange& range,
                                   const std::function<Result<Connection>(unsigned worker)>& connect,
                                   Console& console, StopAt stop);

}  // namespace hypercopy
