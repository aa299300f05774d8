// --build-chunks in one load: from the lock that says that it lives to the hand-over of its last side table.
// Shape:   begin() before the workers start, destinations() for them, end() when all have ended, however they ended: what was
//          committed must reach the hypertable, for the summary calls it loaded. Without --build-chunks all do nothing.
// Ends:    interrupted once, or stopped by an error: what is in the side tables is handed over all the same. Interrupted
//          twice, or killed: the rows of tables that were not handed over yet were never visible, and the next load into the
//          hypertable drops these tables.
// Owns:    connections `hypercopy load RUN side tables` and `... chunk N`.
// Threads: one, beside those of side_tables.hpp and chunk_hand_over.hpp.
// Errors:  those of the hand-over.
#pragma once

#include <optional>
#include <string>

#include "hypercopy/load.hpp"
#include "load_plan.hpp"
#include "side_tables.hpp"

namespace hypercopy {

class ChunkBuilding {
 public:
  ChunkBuilding(const LoadPlan& plan, Connector& connector, const LoadEnvironment& environment,
                LoadSummary& summary);

  [[nodiscard]] Status begin();
  // Null: no chunk is built aside.
  [[nodiscard]] ChunkDestinations* destinations() { return tables_ ? &*tables_ : nullptr; }
  [[nodiscard]] Status end();

 private:
  [[nodiscard]] Result<Connection> connect(const std::string& what) const;

  const LoadPlan& plan_;
  Connector& connector_;
  const LoadEnvironment& environment_;
  LoadSummary& summary_;
  const StopAt stop_;
  std::optional<SideTables> tables_{};
};

}  // namespace hypercopy
