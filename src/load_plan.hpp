// What is known before the first row is sent: the run's connection settings, target, inputs and statements.
// Shape:   make_plan() connects once, checks options against server, table and files, and gives back the open
//          connection, which becomes the first worker's.
// Errors:  as the parts give them; nothing was written to the server but by the step that is given.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "chunk_building_plan.hpp"
#include "hypercopy/atomic_staging.hpp"
#include "hypercopy/batch_reader.hpp"
#include "hypercopy/copy_statement.hpp"
#include "hypercopy/deferred_indexes.hpp"
#include "hypercopy/input_file.hpp"
#include "hypercopy/load.hpp"
#include "hypercopy/merge_statement.hpp"
#include "hypercopy/pipeline.hpp"
#include "hypercopy/session.hpp"
#include "hypercopy/table_facts.hpp"
#include "hypercopy/target_table.hpp"
#include "hypercopy/time_order.hpp"

namespace hypercopy {

struct LoadPlan {
  LoadOptions options;  // names as they are in the input's encoding
  std::vector<std::string> files{};
  std::optional<std::uint64_t> bytes_total{};  // of all files, where known
  SessionSettings session{};
  TargetTable table{};
  std::optional<Hypertable> hypertable{};
  TableFacts facts{};  // of a hypertable
  bool direct_compress = false;
  SendOrder time_order{};
  std::shared_ptr<LoadedTimes> loaded_times{};  // --after refresh: is told what is encoded
  std::size_t order_memory = 0;  // for records regrouped by time across batches; 0: they are not
  std::optional<CopyStatement> statement{};
  std::optional<MergeStatement> merge{};        // --on-conflict
  std::optional<AtomicStaging> staging{};       // --atomic: where workers copy to
  std::optional<ChunkBuildingPlan> building{};  // --build-chunks
  std::string first_copy_sql{};  // of the first input; empty where only its header, in a pipe, will tell
  SplitOptions split{};
  Kernel kernel = Kernel::scalar;
  unsigned jobs = 1;
  std::size_t batch_bytes = kDefaultBatchBytes;
  bool single_transaction = false;
  Wire wire = Wire::automatic;
  std::string server_version{};
  std::vector<std::string> notices{};
  std::optional<DeferralPlan> deferral{};   // --defer-indexes
  std::vector<std::string> reject_files{};  // of each input; empty: bad records end the load
};

struct PlannedLoad {
  LoadPlan plan;
  Connection connection;
};

// What is to be done as soon as session and table of a plan are known: all else depends on the table's indexes.
using TableStep = std::function<Status(LoadPlan& plan, Connection& connection)>;

[[nodiscard]] Result<PlannedLoad> make_plan(const LoadOptions& options, Connector& connector,
                                            const std::string& application_name, const std::string& run_id,
                                            const Cancellation& cancellation, const TableStep& at_table = {});

// Reads the beginning of input number `index` of the plan's files and settles its columns and its COPY statement.
[[nodiscard]] Result<OpenedInput> open_input(const LoadPlan& plan, std::size_t index,
                                             const BatchLimits& limits, BatchPool& pool, TimeShares& shares,
                                             const Cancellation& cancellation);

}  // namespace hypercopy
