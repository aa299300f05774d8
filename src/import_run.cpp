#include "import_run.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <string>
#include <vector>

#include "hypercopy/reject_files.hpp"
#include "hypercopy/source.hpp"
#include "import_job.hpp"
#include "import_rejects.hpp"
#include "load_summary.hpp"

namespace hypercopy {

Result<ImportRun> ImportRun::open(const LoadPlan& plan, AtomicStaging* staging,
                                  const ImportLedger::Connect& connect, const LoadEnvironment& environment,
                                  LoadSummary& summary, const Cancellation& run_stop) {
  HYPERCOPY_ASSIGN(const ImportJob job, describe_import(plan, environment.cancellation));
  const auto reject_files_are_free = [&plan] { return refuse_used_reject_files(plan.reject_files); };
  const auto say_waiting = [&console = environment.console](const std::string& what) {
    console.log(LogLevel::info, fmt::format("waiting for {}; Ctrl-C leaves", what));
  };
  HYPERCOPY_ASSIGN(ImportLedger ledger, ImportLedger::open(connect, job,
                                                           {.run_id = summary.run_id,
                                                            .retry_timeout = plan.options.retry_timeout,
                                                            .truncates = plan.options.truncate,
                                                            .into_empty = plan.options.resume_into_empty,
                                                            .staging = staging,
                                                            .builds_chunks = plan.options.build_chunks,
                                                            .may_begin = reject_files_are_free,
                                                            .on_wait = say_waiting},
                                                           {environment.cancellation}));
  ledger.stop_at({run_stop});
  HYPERCOPY_ASSIGN(const auto totals, ledger.totals());
  for (const auto& input : totals) summary.rejected_before += input.rejected_by_others;
  if (summary.rejected_before == 0) HYPERCOPY_TRY(reject_files_are_free());
  ImportRun run(std::move(ledger), plan, summary);
  if (run.ledger_.was_begun()) run.note_what_is_done(totals, environment.console);
  return run;
}

void ImportRun::note_what_is_done(const std::vector<ImportTotals>& totals, Console& console) {
  std::uint64_t records = 0;
  for (const auto& input : totals) {
    records += input.others.records;
    bytes_done_before_ += input.others.bytes;
  }
  if (ledger_.is_done() || records == 0) return;
  console.log(LogLevel::info, fmt::format("going on with import '{}': {} records were loaded before",
                                          plan_.options.import_id, records));
}

Status ImportRun::write_rejects() {
  if (plan_.reject_files.empty()) return {};
  std::vector<std::string> names;
  names.reserve(plan_.files.size());
  for (const auto& file : plan_.files) names.push_back(source_name(file));
  auto written = write_reject_files(ledger_, plan_.reject_files, names);
  if (written) {
    summary_.reject_files = std::move(*written);
    return {};
  }
  // What ended the load says more.
  return summary_.error ? Status{} : fail(std::move(written).error());
}

Status ImportRun::expect_still_done() {
  HYPERCOPY_ASSIGN(const bool is_done, ledger_.is_still_done());
  if (is_done) return {};
  summary_.import_done = false;
  return fail(ErrorKind::target,
              "the server had said that all of this import is loaded and durable, and says so no more: it "
              "has failed over to a standby that lacks some of it",
              "Run the same command again: it loads what is missing.");
}

Status ImportRun::sum_up() {
  HYPERCOPY_TRY(expect_still_done());
  HYPERCOPY_ASSIGN(const auto totals, ledger_.totals());
  LedgerTotals sum{.attempts_again = summary_.totals.attempts_again};
  std::uint64_t staged = 0;
  summary_.input_totals.clear();
  summary_.rejected_before = 0;
  for (const auto& input : totals) {
    LedgerTotals one{.committed = input.mine,
                     .already_done = input.others,
                     .rows_loaded = input.rows.loaded,
                     .rows_updated = input.rows.updated,
                     .records_conflicted = input.rows.conflicts,
                     .records_rejected = input.rows.rejected,
                     .rows_suppressed = input.suppressed};
    one.split.add(input.mine);
    one.split.add(input.others);
    summary_.input_totals.push_back(one);
    summary_.rejected_before += input.rejected_by_others;
    staged += input.rows.loaded + input.loaded_by_others;
    sum.add(one);
  }
  summary_.totals = sum;
  HYPERCOPY_ASSIGN(const auto published, ledger_.rows_published());
  if (published) note_suppressed(summary_, std::min(sum.rows_loaded, staged - std::min(staged, *published)));
  summary_.import_done = true;
  summary_.complete = true;
  return write_rejects();
}

}  // namespace hypercopy
