#include "after_load.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <mutex>
#include <thread>

namespace hypercopy {

namespace {

// Bits of a chunk's status: compressed 1, unordered 2, frozen 4, partial 8. A frozen chunk takes no change.
constexpr std::string_view kUnfinished = R"(
SELECT pg_catalog.format('%I.%I', c.chunk_schema, c.chunk_name),
       (SELECT pg_catalog.quote_ident(n.nspname) FROM pg_catalog.pg_extension e
        JOIN pg_catalog.pg_namespace n ON n.oid = e.extnamespace WHERE e.extname = 'timescaledb')
FROM timescaledb_information.chunks c,
     _timescaledb_functions.chunk_status(pg_catalog.format('%I.%I', c.chunk_schema, c.chunk_name)::regclass) s(status)
WHERE c.hypertable_schema = $1 AND c.hypertable_name = $2 AND s.status <> 1 AND s.status & 4 = 0
ORDER BY c.range_start, c.range_start_integer, c.chunk_name)";

constexpr std::string_view kIsFinished =
    "SELECT _timescaledb_functions.chunk_status($1::pg_catalog.regclass) = 1";
constexpr unsigned kMostCalls = 3;

using Connect = std::function<Result<Connection>(unsigned worker)>;

class Compression {
 public:
  Compression(std::vector<std::string> chunks, std::string function, Console& console)
      : chunks_(std::move(chunks)), function_(std::move(function)), console_(console) {}

  Status run(unsigned jobs, const Connect& connect) {
    {
      std::vector<std::jthread> threads;
      for (unsigned worker = 1; worker <= std::min<std::size_t>(jobs, chunks_.size()); ++worker)
        threads.emplace_back([this, worker, &connect] { note(work(worker, connect)); });
    }
    return error_ ? Status(fail(std::move(*error_))) : Status{};
  }

 private:
  Status work(unsigned worker, const Connect& connect) {
    HYPERCOPY_ASSIGN(Connection connection, connect(worker));
    for (std::size_t at = next_++; at < chunks_.size() && !failed_; at = next_++) {
      const std::array<std::string, 1> chunk{chunks_[at]};
      // A chunk that is partly rows and out of order as well takes a second call.
      for (unsigned calls = 0; calls < kMostCalls; ++calls) {
        HYPERCOPY_TRY(connection.execute(function_, chunk));
        HYPERCOPY_ASSIGN(const QueryResult status, connection.execute(kIsFinished, chunk));
        if (status.boolean(0, 0)) break;
      }
      say(chunks_[at], ++done_);
    }
    return {};
  }

  void say(const std::string& chunk, std::size_t done) {
    const bool last = done == chunks_.size();
    console_.log(last ? LogLevel::info : LogLevel::verbose,
                 last ? fmt::format("compressed {} chunk{}", done, done == 1 ? "" : "s")
                      : fmt::format("compressed {} ({} of {} chunks)", chunk, done, chunks_.size()));
  }

  void note(Status status) {
    if (status) return;
    const std::lock_guard lock(mutex_);
    failed_ = true;
    if (!error_) error_ = std::move(status).error();
  }

  const std::vector<std::string> chunks_;
  const std::string function_;
  Console& console_;
  std::atomic<std::size_t> next_{0};
  std::atomic<std::size_t> done_{0};
  std::atomic<bool> failed_{false};
  std::mutex mutex_;
  std::optional<Error> error_{};  // protected by mutex_
};

Status compress_chunks(const LoadPlan& plan, const Connect& connect, Console& console) {
  std::vector<std::string> chunks;
  std::string function;
  {
    HYPERCOPY_ASSIGN(Connection connection, connect(1));
    const std::array<std::string, 2> name{plan.table.schema, plan.table.name};
    HYPERCOPY_ASSIGN(const QueryResult found, connection.execute(kUnfinished, name));
    for (int row = 0; row < found.rows(); ++row) chunks.emplace_back(found.text(row, 0));
    if (chunks.empty()) return {};
    function = fmt::format("SELECT {}.compress_chunk($1::pg_catalog.regclass, if_not_compressed => true)",
                           found.text(0, 1));
  }
  console.log(LogLevel::info, fmt::format("compressing {} chunks over {} connections", chunks.size(),
                                          std::min<std::size_t>(plan.jobs, chunks.size())));
  return Compression(std::move(chunks), std::move(function), console).run(plan.jobs, connect);
}

Status analyze(const LoadPlan& plan, const Connect& connect) {
  HYPERCOPY_ASSIGN(Connection connection, connect(1));
  HYPERCOPY_TRY(
      connection.execute(fmt::format("ANALYZE {}.{}", connection.quote_identifier(plan.table.schema),
                                     connection.quote_identifier(plan.table.name))));
  return {};
}

}  // namespace

Status finish_target(const LoadPlan& plan, const RefreshRange& range, const Connect& connect,
                     Console& console, StopAt stop) {
  if (plan.options.after.compress) HYPERCOPY_TRY(compress_chunks(plan, connect, console));
  if (plan.options.after.analyze) HYPERCOPY_TRY(analyze(plan, connect));
  if (!plan.options.after.refresh) return {};
  return refresh_aggregates(
      plan, range, [&] { return connect(1); }, console, stop);
}

}  // namespace hypercopy
