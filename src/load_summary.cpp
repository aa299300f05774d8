#include "load_summary.hpp"

#include "hypercopy/sql_identifier.hpp"

namespace hypercopy {

void describe_plan(const LoadPlan& plan, const TableName& typed, LoadSummary& summary) {
  summary.table = display_qualified(typed.schema.empty() ? plan.table.schema : typed.schema, typed.name);
  summary.sources = plan.files;
  summary.jobs = plan.jobs;
  if (plan.single_transaction) summary.jobs_limit = JobsLimit::single_transaction;
  summary.batch_bytes = plan.batch_bytes;
  summary.kernel = to_string(plan.kernel);
  summary.wire = to_string(plan.wire);
  summary.on_conflict = to_string(plan.options.on_conflict);
  summary.atomic = plan.options.atomic;
  summary.repeatable = plan.merge && !plan.merge->rule().key.empty() && !plan.merge->rule().nulls_differ;
  summary.server_version = plan.server_version;
  summary.notices = plan.notices;
  summary.import_id = plan.options.import_id;
}

void add_outcome(PipelineOutcome outcome, LoadSummary& summary) {
  if (outcome.workers < summary.jobs) summary.jobs_limit = JobsLimit::connections;
  summary.jobs = outcome.workers;
  summary.totals = outcome.totals;
  summary.input_totals = std::move(outcome.inputs);
  summary.error = std::move(outcome.error);
  summary.shares = outcome.shares;
  summary.complete = outcome.complete;
  summary.interrupted = outcome.interrupted && !outcome.complete;
  summary.wire_totals = outcome.wire;
}

void take_back(LoadSummary& summary, Counts LedgerTotals::*ending) {
  summary.totals.take_back(ending);
  for (auto& input : summary.input_totals) input.take_back(ending);
}

void note_suppressed(LoadSummary& summary, std::uint64_t rows) {
  if (rows == 0) return;
  summary.totals.suppress(rows);
  if (summary.input_totals.size() == 1) {
    summary.input_totals.front().suppress(rows);
  } else {
    summary.input_totals.clear();
  }
}

}  // namespace hypercopy
