#include "inspect_options.hpp"

#include <algorithm>

#include "aggregate_refresh.hpp"
#include "index_deferral.hpp"

namespace hypercopy {

namespace {

Status check_deferral(const TargetTable& table, Connection& connection,
                      std::optional<std::uint64_t> input_bytes) {
  HYPERCOPY_TRY(refuse_self_references(table));
  HYPERCOPY_TRY(plan_deferral(connection, table, {.input_bytes = input_bytes}));
  return {};
}

Status note(Status accepted, InspectedOption& option) {
  option.tried = true;
  if (accepted) return {};
  if (accepted.error().kind != ErrorKind::usage) return accepted;
  option.refused = accepted.error().message;
  return {};
}

}  // namespace

Status try_options(Connection& connection, std::optional<std::uint64_t> input_bytes,
                   InspectedTarget& target) {
  const bool has_secondary = std::ranges::any_of(
      target.facts.indexes, [](const TableIndex& index) { return !index.unique && !index.exclusion; });
  if (has_secondary) {
    HYPERCOPY_TRY(note(check_deferral(target.table, connection, input_bytes), target.defer_indexes));
  }
  if (target.hypertable && !target.hypertable->aggregates.empty()) {
    LoadPlan load{.options = {.after = {.refresh = true}},
                  .table = target.table,
                  .hypertable = target.hypertable,
                  .facts = target.facts};
    HYPERCOPY_TRY(note(check_after(load, connection), target.refresh));
  }
  return {};
}

}  // namespace hypercopy
