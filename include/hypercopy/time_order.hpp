// By which column the records of a batch may be sent in the order of time, and why they may not.
// Shape:   describe_time_order() asks the catalog once; order_of() settles it for the columns of one input.
// Units:   names are bytes in the session's client_encoding.
// Threads: plain values.
// Errors:  sql, connection.
// Why:     the rows are the same in any order, unless something looks at the order in which they come: row triggers,
//          triggers with a transition table, and volatile defaults (a sequence) of columns that the input lacks.
// Source:  hypertable.hpp; pg_partitioned_table; pg_trigger; pg_attrdef.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "hypercopy/column_mapping.hpp"
#include "hypercopy/hypertable.hpp"
#include "hypercopy/record_order.hpp"
#include "hypercopy/result.hpp"
#include "hypercopy/target_table.hpp"

namespace hypercopy {

class Connection;

struct SendOrder {
  std::string column{};  // whose ranges are the table's chunks or partitions; empty: there is none
  bool has_row_triggers = false;
  std::vector<std::string> volatile_defaults{};  // columns that have one, or are identity columns
  std::vector<std::string> segment_by{};         // the columnstore's
  std::int64_t chunk_width = 0;                  // as TimeKey has them; 0: not known
  std::int64_t chunk_shift = 0;
  bool groups_segments = false;  // records go by chunk and segment first: they are compressed on arrival
};

// `hypertable`: nothing for another table.
[[nodiscard]] Result<SendOrder> describe_time_order(Connection& connection, const TargetTable& table,
                                                    const std::optional<Hypertable>& hypertable);

// The key, or why the records keep the input's order; neither where the table is not partitioned by time.
struct OrderDecision {
  std::optional<TimeKey> key{};
  std::string reason{};
};
[[nodiscard]] OrderDecision order_of(const SendOrder& order, const TargetTable& table,
                                     const ColumnMapping& mapping);

}  // namespace hypercopy
