// The side tables of a run: one for each range of time that is to become a chunk.
// Shape:   begin() says that the run lives; workers ask for a range's table, and the first one who does makes it; tables()
//          when all workers have ended.
// Names:   hypercopy_chunk_, the run's id and the number of the range, beside the hypertable. Its COMMENT says whose it is.
// Limits:  kMostSideTables in a run. Ranges beyond them, ranges with a chunk (when the first row came) and ranges without
//          bounds go to the hypertable.
// Owns:    a connection, `hypercopy load RUN side tables`, whose advisory lock says that this run lives.
// Threads: any.
// Errors:  sql, connection, interrupted.
// Why:     unique indexes are there from the beginning, so that the batch that brings a duplicate fails as it would in the
//          hypertable; all others are built behind the rows.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "chunk_building_plan.hpp"
#include "hypercopy/chunk_destinations.hpp"
#include "hypercopy/connection.hpp"
#include "hypercopy/console.hpp"
#include "hypercopy/lasting_connection.hpp"

namespace hypercopy {

inline constexpr std::size_t kMostSideTables = 1000;

// The rows of a side table that are committed.
struct FilledTable {
  SideTable table;
  std::uint64_t rows = 0;
};

class SideTables final : public ChunkDestinations {
 public:
  struct Run {
    std::string id;
    std::chrono::milliseconds retry_timeout{0};
    StopAt stop;
  };
  // `statement`: the COPY into the hypertable.
  SideTables(const ChunkBuildingPlan& plan, const TargetTable& target, const CopyStatement& statement,
             LastingConnection::Connect connect, const Run& run, Console& console);

  [[nodiscard]] Status begin();

  std::optional<TimeKey> key(const InputFile& file) const override;
  Result<const SideTable*> side_table(std::int64_t number) override;
  void committed(std::span<const SideRows> rows) override;

  // In the order of their ranges. REQUIRES: all workers have ended.
  [[nodiscard]] std::vector<FilledTable> tables() const;

 private:
  [[nodiscard]] Status read_chunks();
  [[nodiscard]] bool has_chunk(const TimeRange& range) const;
  [[nodiscard]] bool is_full();
  [[nodiscard]] Result<SideTable> create(std::int64_t number, const TimeRange& range);
  [[nodiscard]] Status create_once(Connection& connection, SideTable& table) const;

  struct Entry {
    SideTable table;
    std::uint64_t rows = 0;
  };

  const ChunkBuildingPlan& plan_;
  const TargetTable& target_;
  const CopyStatement& statement_;
  const std::string run_id_;
  Console& console_;
  mutable std::mutex mutex_;  // protects all below
  LastingConnection control_;
  std::optional<std::vector<ChunkRange>> chunks_{};         // that were there before the first row
  std::map<std::int64_t, std::unique_ptr<Entry>> known_{};  // null: goes to the hypertable
  std::size_t made_ = 0;
};

// Side tables that a dead run left are dropped: nothing of them was ever in the hypertable. A sentence about each run, and
// about tables that were kept because their rows could not be handed over.
[[nodiscard]] Result<std::vector<std::string>> drop_left_side_tables(Connection& connection,
                                                                     const TargetTable& table);

// Makes the indexes of the hypertable on a side table: those that are unique, or those that are not.
[[nodiscard]] std::string side_index_sql(const ChunkBuildingPlan& plan, const SideTable& table, bool unique);

// The COMMENT of a table whose rows could not be handed over: it is never dropped.
[[nodiscard]] std::string kept_comment(std::uint32_t target);

}  // namespace hypercopy
