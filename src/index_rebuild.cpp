#include "index_rebuild.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <condition_variable>
#include <map>
#include <mutex>
#include <span>
#include <thread>

#include "human_units.hpp"
#include "hypercopy/lasting_connection.hpp"
#include "query_numbers.hpp"

namespace hypercopy {

namespace {

using Clock = std::chrono::steady_clock;

constexpr std::chrono::milliseconds kBarInterval{500};

// The chunks of an index that is being built are counted by their locks: the indexes that only their builder sees. The
// server's own figures are those of the chunk or partition at hand.
constexpr std::string_view kProgress = R"sql(
SELECT p.pid, p.phase, CASE WHEN p.tuples_total > 0 THEN 100 * p.tuples_done / p.tuples_total
    WHEN p.blocks_total > 0 THEN 100 * p.blocks_done / p.blocks_total ELSE 0 END,
  (SELECT count(*) FROM pg_catalog.pg_locks AS l WHERE l.pid = p.pid AND l.locktype = 'relation'
    AND l.mode = 'AccessExclusiveLock' AND l.granted
    AND NOT EXISTS (SELECT FROM pg_catalog.pg_class AS c WHERE c.oid = l.relation)) - 1,
  (SELECT count(*) FROM pg_catalog.pg_inherits WHERE inhparent = p.relid)
FROM pg_catalog.pg_stat_progress_create_index AS p WHERE p.pid IN ({}))sql";

class Rebuild {
 public:
  Rebuild(const RebuildOptions& options, std::size_t total, Console& console, StopAt stop)
      : options_(options), total_(total), console_(console), stop_(stop) {}

  // All of one depth; returns when each has an ending.
  void build(std::span<const OwedIndex> owed, Connection& watcher) {
    next_ = 0;
    const auto builders = std::min<std::size_t>(options_.jobs, owed.size());
    running_ = builders;
    std::vector<std::jthread> threads;
    threads.reserve(builders);
    for (unsigned number = 1; number <= builders; ++number) {
      threads.emplace_back([this, owed, number] { build_some(owed, number); });
    }
    watch(watcher);
  }

  [[nodiscard]] bool has_failed() const { return outcome_.error.has_value(); }
  [[nodiscard]] RebuildOutcome take_outcome() { return std::move(outcome_); }

 private:
  struct Building {
    std::string index;
    int pid = 0;
  };

  // On a thread of its own.
  void build_some(std::span<const OwedIndex> owed, unsigned number) {
    LastingConnection connection([this, number] { return options_.connect(number); }, options_.retry_timeout,
                                 stop_);
    while (const OwedIndex* const index = take(owed)) {
      const auto begun = Clock::now();
      auto built = build_one(connection, *index, number);
      end(*index, number, std::move(built), Clock::now() - begun);
    }
    const std::lock_guard lock(mutex_);
    --running_;
    changed_.notify_all();
  }

  Status build_one(LastingConnection& connection, const OwedIndex& index, unsigned number) {
    try {
      return connection.ask([&](Connection& live) -> Status {
        {
          const std::lock_guard lock(mutex_);
          building_[number] = {.index = index.index, .pid = live.backend_pid()};
        }
        HYPERCOPY_TRY(live.execute(rebuild_sql(index.id)));
        return {};
      });
    } catch (const std::exception& exception) {
      return fail(ErrorKind::internal, exception.what());
    }
  }

  const OwedIndex* take(std::span<const OwedIndex> owed) {
    const std::lock_guard lock(mutex_);
    const bool stopped = stop_.cancellation.level() >= stop_.level;
    return next_ < owed.size() && !stopped ? &owed[next_++] : nullptr;
  }

  void end(const OwedIndex& index, unsigned number, Status built, std::chrono::nanoseconds elapsed) {
    const std::lock_guard lock(mutex_);
    building_.erase(number);
    if (built) {
      outcome_.rebuilt.push_back({.index = index.index, .elapsed = elapsed});
      console_.log(LogLevel::verbose, fmt::format("rebuilt {} in {}", index.index, human_time(elapsed)));
    } else if (!outcome_.error) {
      outcome_.error = explain_rebuild_error(std::move(built).error(), index, options_.command);
    } else if (built.error().kind != ErrorKind::interrupted) {
      console_.log(LogLevel::error,
                   to_string(explain_rebuild_error(std::move(built).error(), index, options_.command)));
    }
    changed_.notify_all();
  }

  void watch(Connection& watcher) {
    std::unique_lock lock(mutex_);
    while (running_ > 0) {
      if (options_.progress == ProgressReporter::Style::bar) draw(watcher, lock);
      changed_.wait_for(lock, kBarInterval, [&] { return running_ == 0; });
    }
    if (options_.progress == ProgressReporter::Style::bar) console_.bar({});
  }

  void draw(Connection& watcher, std::unique_lock<std::mutex>& lock) {
    const auto building = building_;
    std::string text = fmt::format("rebuilding indexes: {} of {} done", outcome_.rebuilt.size(), total_);
    lock.unlock();
    text += progress_of(building, watcher);
    const std::size_t width = console_.width();
    console_.bar(std::string_view(text).substr(0, width > 1 ? width - 1 : 0));
    lock.lock();
  }

  // Nothing where the server does not tell: progress never fails a rebuild.
  static std::string progress_of(const std::map<unsigned, Building>& building, Connection& watcher) {
    if (building.empty() || !watcher.is_alive()) return {};
    std::vector<int> pids;
    pids.reserve(building.size());
    for (const auto& [number, one] : building) pids.push_back(one.pid);
    const auto rows = watcher.execute(fmt::format(kProgress, fmt::join(pids, ", ")));
    if (!rows) return {};
    std::string text;
    for (int row = 0; row < rows->rows(); ++row) {
      const auto pid = number_at<int>(*rows, row, 0);
      const auto which =
          std::ranges::find_if(building, [&](const auto& one) { return one.second.pid == pid; });
      const auto chunks = count_at(*rows, row, 4);
      const auto at = std::max<std::int64_t>(number_at<std::int64_t>(*rows, row, 3), 1);
      text += fmt::format("; {}: {}{} {}%", which->second.index,
                          chunks > 0 ? fmt::format("part {} of {}, ", at, chunks) : "", rows->text(row, 1),
                          rows->text(row, 2));
    }
    return text;
  }

  const RebuildOptions& options_;
  const std::size_t total_;
  Console& console_;
  const StopAt stop_;
  std::mutex mutex_;  // protects all below
  std::condition_variable changed_;
  std::size_t next_ = 0;
  std::size_t running_ = 0;
  std::map<unsigned, Building> building_;  // by the builder's number
  RebuildOutcome outcome_;
};

}  // namespace

RebuildOutcome rebuild_indexes(const std::vector<OwedIndex>& owed, const RebuildOptions& options,
                               Connection& watcher, Console& console, StopAt stop) {
  Rebuild rebuild(options, owed.size(), console, stop);
  auto begin = owed.begin();
  while (begin != owed.end() && !rebuild.has_failed()) {
    const auto end =
        std::find_if(begin, owed.end(), [&](const auto& one) { return one.depth != begin->depth; });
    rebuild.build({begin, end}, watcher);
    begin = end;
  }
  RebuildOutcome outcome = rebuild.take_outcome();
  if (!outcome.error && outcome.rebuilt.size() < owed.size()) {
    outcome.error = Error{.kind = ErrorKind::interrupted, .message = "stopped while indexes were rebuilt"};
  }
  return outcome;
}

}  // namespace hypercopy
