// The side tables of a run: one for each range of time that is to become a chunk.
// Shape:   begin() says that the run lives, and adopts what earlier runs of its import have left, if that is all there and
//          still fits; workers ask for a range's table, and the first one who does makes it; tables() when all workers have
//          ended.
// Names:   hypercopy_chunk_, the run's id or i and the import's number, and the range's beginning, beside the hypertable. Its
//          COMMENT says whose it is (left_side_tables.hpp).
// Limits:  kMostSideTables in a run. Ranges beyond them, ranges with a chunk (when the first row came) and ranges without
//          bounds go to the hypertable.
// Rows:    what dead runs of an import have put into a table is not counted when it is adopted: the ledger does not know it by
//          table, and a scan would only be compared with a later one.
// Owns:    a connection, `hypercopy load RUN side tables`. A shared advisory lock, which other connections of a
//          run that is no import have too, says that it lives.
// Threads: any.
// Errors:  sql, connection, interrupted; usage: an import whose rows are gone, or whose side tables do not fit any more;
//          target: side tables of this run are gone.
// Life:    a crash of the server takes all locks, and until a connection has it again, another load may take the tables for
//          those of a dead run. The server knows nothing by then of a client that will come back, so the other load cannot be
//          told; but whoever has the lock again finds out at once, behind it, whether a table went before.
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
#include <string_view>
#include <vector>

#include "chunk_building_plan.hpp"
#include "hypercopy/chunk_destinations.hpp"
#include "hypercopy/connection.hpp"
#include "hypercopy/console.hpp"
#include "hypercopy/lasting_connection.hpp"
#include "left_side_tables.hpp"

namespace hypercopy {

inline constexpr std::size_t kMostSideTables = 1000;

// The hint where a side table of a run that is no import is not there any more.
inline constexpr std::string_view kWhyGone =
    "Another load took them for those of a dead run while the server was restarting and this load was not "
    "connected, or "
    "somebody dropped them. Load the input again, with --truncate where the table holds nothing else. With "
    "--import-id no "
    "other load drops them.";

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
    bool into_empty = false;  // goes on although rows of the import are gone
    StopAt stop;
  };
  // `statement`: the COPY into the hypertable.
  SideTables(const ChunkBuildingPlan& plan, const TargetTable& target, const CopyStatement& statement,
             LastingConnection::Connect connect, const Run& run, Console& console);

  // `job`: of an import, whose only loader this is.
  [[nodiscard]] Status begin(std::optional<int> job);

  // For more connections of a run: a server that crashed has ended the one of begin(), too.
  [[nodiscard]] Status mark_as_living(Connection& connection) const;
  // All that were made, of a run that is no import. Behind mark_as_living() nobody drops any.
  [[nodiscard]] Status expect_tables_kept(Connection& connection) const;
  // Of its import there are none any more.
  [[nodiscard]] Status expect_nothing_owed(int job);

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
  // Its rows are there, and the hypertable takes the tables.
  [[nodiscard]] Status expect_adoptable(Connection& connection, int job,
                                        const std::vector<OwedTable>& owed) const;
  [[nodiscard]] Status adopt(const std::vector<OwedTable>& owed);
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
  const bool into_empty_;
  Console& console_;
  mutable std::mutex made_mutex_;           // beside mutex_, under which a connection may be made
  std::vector<std::uint32_t> made_oids_{};  // protected by made_mutex_
  mutable std::mutex mutex_;                // protects all below
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
