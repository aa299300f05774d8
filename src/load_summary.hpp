// What a load writes into its summary, apart from its times.
// Shape:   describe_plan() before the first row, add_outcome() when the pipeline has ended; take_back() and note_suppressed()
//          correct its counts by what became of rows that had been committed to a staging table.
// Units:   rows and records.
// Threads: one.
// Errors:  none.
#pragma once

#include <cstdint>

#include "hypercopy/pipeline.hpp"
#include "hypercopy/report.hpp"
#include "load_plan.hpp"

namespace hypercopy {

// `typed`: names in the plan are in the input's encoding, those that a person reads as they were typed.
void describe_plan(const LoadPlan& plan, const TableName& typed, LoadSummary& summary);

void add_outcome(PipelineOutcome outcome, LoadSummary& summary);

// What was committed, but is not in the target, ended otherwise.
void take_back(LoadSummary& summary, Counts LedgerTotals::*ending);

// Rows that triggers left out when the target took what was staged: of which input's records nobody knows.
void note_suppressed(LoadSummary& summary, std::uint64_t rows);

}  // namespace hypercopy
