// What an import is, taken from the plan of a load: a run that resumes it must give the same.
// Threads: one.
// Errors:  input: a file that cannot be read.
#pragma once

#include "hypercopy/import_ledger.hpp"
#include "load_plan.hpp"

namespace hypercopy {

[[nodiscard]] Result<ImportJob> describe_import(const LoadPlan& plan, const Cancellation& cancellation);

}  // namespace hypercopy
