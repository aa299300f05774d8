// Builds what is owed of one table, several indexes at a time.
// Shape:   one connection per index that is built at the moment, at most `jobs`; the calling thread shows the progress. An
//          index whose data is bad does not keep the others from being built; only those that would contain it are not
//          tried.
// REQUIRES: the caller holds the target's lock alone (deferred_indexes.hpp).
// Threads: N of its own.
// Errors:  in the outcome: the first one, explained.
// Why:     one plain CREATE INDEX per connection. Measured with 3 indexes over 3 million rows in 9 chunks on 2 cores: one
//          after the other with the server's parallel workers 7.4 s, side by side 6.1 to 7.0 s, with
//          timescaledb.transaction_per_chunk 5.7 to 7.5 s. The last is no faster, excludes unique indexes, and leaves
//          an invalid index behind a crash; a plain one is a single transaction with the deletion of its record. Several
//          run side by side on a hypertable (ShareLock on it and its chunks). An index per chunk first and then the
//          hypertable's is not possible: CREATE INDEX ON ONLY is the superuser's, and other ways double the indexes.
//          maintenance_work_mem made no difference (64 or 256 MB), so it is left as the server has it; PGOPTIONS sets it.
#pragma once

#include <chrono>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "hypercopy/console.hpp"
#include "hypercopy/deferred_indexes.hpp"
#include "hypercopy/progress.hpp"
#include "hypercopy/retry.hpp"

namespace hypercopy {

struct RebuildOptions {
  unsigned jobs = 1;
  Backoff::Duration retry_timeout{0};
  std::string command{};  // that goes on with it, for messages
  ProgressReporter::Style progress = ProgressReporter::Style::none;
  // Number 1, 2, ... of the connections that build; from any thread.
  std::function<Result<Connection>(unsigned number)> connect{};
};

struct RebuiltIndex {
  std::string index;
  std::chrono::nanoseconds elapsed{};
};

struct RebuildOutcome {
  std::vector<RebuiltIndex> rebuilt{};
  std::optional<Error> error{};
};

// `watcher`: is asked for the progress.
[[nodiscard]] RebuildOutcome rebuild_indexes(const std::vector<OwedIndex>& owed,
                                             const RebuildOptions& options, Connection& watcher,
                                             Console& console, StopAt stop);

}  // namespace hypercopy
