// --after refresh: what was loaded into a hypertable is brought into its continuous aggregates.
// Shape:   check_after() before the first row; refresh_aggregates() when all is committed. Aggregates over aggregates
//          come behind those they are made of. One CALL refresh_continuous_aggregate(name, begin, end) per range.
// Range:   what was loaded, widened so that no bucket at its edges is cut off (the server leaves out what it does not hold
//          as a whole), if every batch was encoded, so that its times were read. Else the ranges that the server has
//          noted as changed: its logs hold every row below its threshold for each hypertable, and whatever lies above
//          the threshold is taken as changed. They also know what a killed run of the same import, another loader and a
//          batch of CSV did, and they leave alone what was never refreshed on purpose (open ranges of the log).
//          A TRUNCATE changed everything: then there is no bound.
//          Never forced: of a range only those buckets are made anew that the server knows as changed.
// Now:     of an aggregate that adds rows from the table behind its watermark (materialized_only = false) the bucket that is
//          not over yet is left out, unless it is below the watermark: refreshed, it would hide the rows that still come.
//          Without that, NULL to NULL would be the simplest range. Others are refreshed up to the last loaded row.
// Not:     with a BEFORE ROW trigger, or one with a transition table, COPY inserts row by row, and then TimescaleDB (2.28.3:
//          src/copy.c, TS_CIM_SINGLE; run) notes nothing: no refresh that is not forced finds such rows below the
//          watermark. --after refresh is refused there, and a load without it says so at its start.
// Rights:  only who owns an aggregate may refresh it (the server's rule): that is looked at before the first row.
// Threads: one connection, one thread: a refresh runs in parallel on the server.
// Errors:  usage: no hypertable, no right. Afterwards as --after compress: rows stay, exit code 1. A refresh of the same
//          range that a policy does at that moment (55P03) and what else passes by itself is waited for.
// Source:  TimescaleDB 2.28.3: tsl/src/continuous_aggs/refresh.c, invalidation.c, run.
#pragma once

#include <functional>
#include <optional>

#include "hypercopy/console.hpp"
#include "hypercopy/loaded_times.hpp"
#include "load_plan.hpp"

namespace hypercopy {

// What COPY loads into this table is in no log of the server's, so that its continuous aggregates miss it.
[[nodiscard]] bool loads_unnoted(const LoadPlan& plan);

// What --after wants of this table, and who may do that.
[[nodiscard]] Status check_after(const LoadPlan& plan, Connection& connection);

struct RefreshRange {
  bool everything = false;          // the table was emptied
  std::optional<KeySpan> loaded{};  // nothing: what the server has noted
};

[[nodiscard]] Status refresh_aggregates(const LoadPlan& plan, const RefreshRange& range,
                                        const std::function<Result<Connection>()>& connect, Console& console,
                                        StopAt stop);

}  // namespace hypercopy
