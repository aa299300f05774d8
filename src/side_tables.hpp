// The side tables of a run: one for each range of time that is to become a chunk.
// Shape:   begin() says that the run lives, and adopts what earlier runs of its import have left; workers ask for a range's
//          table, and the first one who does makes it; tables() when all workers have ended.
// Names:   hypercopy_chunk_, the run's id or i and the import's number, and the range's beginning, beside the hypertable. Its
//          COMMENT says whose it is (left_side_tables.hpp).
// Limits:  kMostSideTables in a run. Ranges beyond them, ranges with a chunk (when the first row came) and ranges without
//          bounds go to the hypertable.
// Rows:    what dead runs of an import have put into a table is not counted when it is adopted: the ledger does not know it by
//          table, and a scan would only be compared with a later one.
// Owns:    a connection, `hypercopy load RUN side tables`. A shared advisory lock, which other connections of a
//          run that is no import have too, says that it lives.
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
#include "column_types.hpp"
#include "hypercopy/chunk_destinations.hpp"
#include "hypercopy/connection.hpp"
#include "hypercopy/console.hpp"
#include "hypercopy/lasting_connection.hpp"
#include "left_side_tables.hpp"

namespace hypercopy {

inline constexpr std::size_t kMostSideTables = 1000;

// The rows of a side table that are committed.
struct FilledTable {
  SideTable table;
  std::uint64_t rows = 0;  // by this run
  bool adopted = false;    // it may hold those of earlier runs, too
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

  // `job`: of an import, whose only loader this is.
  [[nodiscard]] Status begin(std::optional<int> job);

  // For more connections of a run: a server that crashed has ended the one of begin(), too.
  [[nodiscard]] Status mark_as_living(Connection& connection) const;

  std::optional<TimeKey> key(const InputFile& file) const override;
  Result<const SideTable*> side_table(std::int64_t number) override;
  void committed(std::span<const SideRows> rows) override;

  // REQUIRES: all workers have ended.
  [[nodiscard]] std::vector<FilledTable> tables() const;

 private:
  [[nodiscard]] Status read_chunks();
  [[nodiscard]] bool has_chunk(const TimeRange& range) const;
  [[nodiscard]] bool is_full();
  [[nodiscard]] Result<SideTable> create(std::int64_t number, const TimeRange& range);
  [[nodiscard]] Status create_once(Connection& connection, SideTable& table) const;
  [[nodiscard]] Status adopt(const std::vector<OwedTable>& owed);
  // What is encoded for the hypertable goes into this table.
  [[nodiscard]] static Status expect_types(Connection& connection, const ColumnTypes& types,
                                           const OwedTable& one);
  [[nodiscard]] Status renew_rights(Connection& connection, std::uint32_t side_table) const;
  [[nodiscard]] Status set_rights(Connection& connection, std::uint32_t side_table) const;

  struct Entry {
    SideTable table;
    std::uint64_t rows = 0;
    bool adopted = false;
  };

  const ChunkBuildingPlan& plan_;
  const TargetTable& target_;
  const CopyStatement& statement_;
  SideTableOwner owner_;  // settled by begin()
  std::string names_;
  Console& console_;
  mutable std::mutex mutex_;  // protects all below
  LastingConnection control_;
  std::optional<std::vector<ChunkRange>> chunks_{};         // that were there before the first row
  std::map<std::int64_t, std::unique_ptr<Entry>> known_{};  // null: goes to the hypertable
  std::vector<std::unique_ptr<Entry>> only_handed_over_{};  // adopted, and not filled any more
  std::size_t made_ = 0;                                    // or adopted
};

// For each connection that hands over tables of an import: a later run of it will wait until there is none any more.
[[nodiscard]] Status mark_as_hand_over(Connection& connection, int job);

// Makes the indexes of the hypertable on a side table: those that are unique, or those that are not.
[[nodiscard]] std::string side_index_sql(const ChunkBuildingPlan& plan, const SideTable& table, bool unique);

}  // namespace hypercopy
