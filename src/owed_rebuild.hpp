// `hypercopy imports rebuild-indexes`: what loads have left owed and no living process will build.
// Threads: one, beside those of index_rebuild.hpp.
// Errors:  target: no such table; usage: a living process holds what was asked for by name; the first failed rebuild.
#pragma once

#include <string>

#include "hypercopy/cancellation.hpp"
#include "hypercopy/connection.hpp"
#include "hypercopy/console.hpp"
#include "hypercopy/deferred_indexes.hpp"
#include "hypercopy/progress.hpp"

namespace hypercopy {

struct OwedRebuild {
  ConnectionOptions connection{};
  std::string table{};  // as typed; empty: all
  unsigned jobs = 1;
  ProgressReporter::Style progress = ProgressReporter::Style::none;
};

// Text for standard output, ending with a newline.
[[nodiscard]] Result<std::string> rebuild_owed(const OwedRebuild& what, Connector& connector,
                                               Connection& connection, Console& console,
                                               const Cancellation& cancellation);

// Of the table that this import loads into.
[[nodiscard]] Result<std::vector<OwedIndex>> owed_indexes_of_import(Connection& connection,
                                                                    const std::string& import_id);

}  // namespace hypercopy
