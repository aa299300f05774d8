// --build-chunks in one load: from the lock that says that it lives to the hand-over of its last side table.
// Shape:   begin() before the workers start, destinations() for them, end() when all have ended, however they ended: what was
//          committed must reach the hypertable, for the summary calls it loaded. Without --build-chunks all do nothing.
// Ends:    interrupted once, or stopped by an error: what is in the side tables is handed over all the same. Interrupted
//          twice, or killed: the rows of tables that were not handed over yet were never visible. The next load into the
//          hypertable drops these tables; those of an import are adopted by the import's next run.
// Imports: the ledger calls an import done when its last batch is, which is before the hand-over: what is done is in the
//          hypertable or in a side table. So a run that finds it done begins and ends this all the same, and reports it
//          complete only then. The other order (hand over, then call it done) would have to find out as well what was
//          handed over by a run that died between the two, and a batch that another end of the ledger gives back to be
//          loaded would need its side table again.
// Owns:    connections `hypercopy load RUN side tables` and `... chunk N`.
// Threads: one, beside those of side_tables.hpp and chunk_hand_over.hpp.
// Errors:  those of the hand-over.
#pragma once

#include <optional>
#include <string>

#include "failover_guard.hpp"
#include "hypercopy/load.hpp"
#include "load_plan.hpp"
#include "side_tables.hpp"

namespace hypercopy {

class ChunkBuilding {
 public:
  ChunkBuilding(const LoadPlan& plan, Connector& connector, const LoadEnvironment& environment,
                LoadSummary& summary, FailoverGuard* guard);

  // `job`: of an import.
  [[nodiscard]] Status begin(std::optional<int> job);
  // Null: no chunk is built aside.
  [[nodiscard]] ChunkDestinations* destinations() { return tables_ ? &*tables_ : nullptr; }
  [[nodiscard]] Status end();
  // For each connection that fills side tables, before its first batch: as long as it lasts, this run lives. Its error: tables
  // were dropped while no connection did. Of an import nobody else drops any.
  [[nodiscard]] Status mark_as_filling(Connection& connection) const;

 private:
  [[nodiscard]] Result<Connection> connect(const std::string& what) const;
  [[nodiscard]] Result<Connection> connect_to_hand_over(unsigned number) const;
  [[nodiscard]] Result<Connection> connect_at_last(unsigned number, StopAt stop) const;
  [[nodiscard]] Status mark_as_living(Connection& connection) const;

  const LoadPlan& plan_;
  Connector& connector_;
  const LoadEnvironment& environment_;
  LoadSummary& summary_;
  FailoverGuard* const
      guard_;  // null: a failover takes back the record of what was done with it, as of an import
  const StopAt stop_;
  std::optional<SideTables> tables_{};
  std::optional<int> job_{};
};

}  // namespace hypercopy
