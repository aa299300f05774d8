// --defer-indexes in one load: what is dropped before the first row and built again behind the last one.
// Shape:   settle_indexes() as soon as the table is known; then open(), the TRUNCATE, drop(), the load, rebuild(). Without
//          --defer-indexes the last three do nothing.
// Before:  a load that does not leave indexes out builds what a dead one owes, *before* its first row: then unique indexes
//          hold for it, and --on-conflict finds its key. A load with --defer-indexes builds it behind its last row.
// Ends:    a load that failed or was interrupted leaves the indexes owed: what follows it (the same command again, with or
//          without an import id) would have to drop them again. Its summary names them and the command that builds them.
// Owns:    a connection `hypercopy load RUN indexes` with the lock of deferred_indexes.hpp.
// Threads: one, beside those of index_rebuild.hpp.
// Errors:  usage: refused; sql, connection. A failed rebuild is the load's error: loaded, but not as it was asked for.
#pragma once

#include <string>
#include <vector>

#include "failover_guard.hpp"
#include "hypercopy/deferred_indexes.hpp"
#include "hypercopy/lasting_connection.hpp"
#include "hypercopy/load.hpp"
#include "index_rebuild.hpp"
#include "load_plan.hpp"

namespace hypercopy {

// Takes the target's lock alone; false where a living process holds it for longer than a dead one's connection could.
[[nodiscard]] Result<bool> lock_if_abandoned(Connection& connection, std::uint32_t target);
[[nodiscard]] Status unlock_all(Connection& connection);

// For a shell: builds what is owed of this table (of all, where it is empty).
[[nodiscard]] std::string rebuild_command(const ConnectionOptions& connection, const std::string& table);

[[nodiscard]] Status refuse_self_references(const TargetTable& table);

[[nodiscard]] Status settle_indexes(LoadPlan& plan, Connection& connection, Connector& connector,
                                    const LoadEnvironment& environment, LoadSummary& summary);

class IndexDeferral {
 public:
  IndexDeferral(const LoadPlan& plan, Connector& connector, const LoadEnvironment& environment,
                LoadSummary& summary);

  // Everything that can fail without harm.
  [[nodiscard]] Status open();
  [[nodiscard]] Status drop();
  [[nodiscard]] Status rebuild();
  // The server that has them now.
  [[nodiscard]] Status note_server(FailoverGuard& guard);

 private:
  [[nodiscard]] Status lock_alone(Connection& connection);

  const LoadPlan& plan_;
  Connector& connector_;
  const LoadEnvironment& environment_;
  LoadSummary& summary_;
  LastingConnection control_;
  bool alone_ = false;  // how the lock is taken
};

}  // namespace hypercopy
