#include "hypercopy/report.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <csignal>
#include <string_view>

#include "human_units.hpp"
#include "hypercopy/source.hpp"

namespace hypercopy {
namespace {

using Duration = TimeShares::Duration;

bool nothing_left_behind(const LedgerTotals& totals) {
  return totals.failed.records == 0 && totals.unknown.records == 0 && totals.dropped.records == 0;
}

// A run without error and without interruption must have loaded or skipped every record.
bool adds_up(const LoadSummary& summary) {
  const bool explained = summary.error.has_value() || summary.interrupted_by != 0;
  const auto balanced = [](const LedgerTotals& totals) { return totals.balanced(); };
  return summary.totals.balanced() &&
         std::all_of(summary.input_totals.begin(), summary.input_totals.end(), balanced) &&
         (explained || nothing_left_behind(summary.totals));
}

// What is committed in side tables only, or may be, is not among them.
std::uint64_t rows_in_table(const LoadSummary& summary) {
  const std::uint64_t stored = summary.totals.rows_stored();
  return stored -
         std::min(stored, summary.built.rows_kept + summary.built.rows_unknown + summary.built.rows_gone);
}

std::string batches_of(const Counts& counts) {
  return fmt::format("{} ({})", counted(counts.batches, "batch", "batches"),
                     counted(counts.records, "record"));
}

long percent(Duration part, Duration whole) {
  if (whole.count() <= 0) {
    return 0;
  }
  return std::lround(100.0 * seconds(part) / seconds(whole));
}

Duration reader_time(const TimeShares& shares) {
  return shares.reader_reading + shares.reader_splitting + shares.reader_waiting;
}

Duration worker_time(const TimeShares& shares) {
  return shares.worker_encoding + shares.worker_sending + shares.worker_waiting;
}

// What the run was waiting for, and what to try next.
struct Verdict {
  std::string_view limit;
  std::string_view next;
};

constexpr Verdict kServerOneWorker{"the server was the limit", "try more workers (-j)"};
constexpr Verdict kServer{"the server was the limit", "more workers (-j) only help while it has idle cores"};
constexpr Verdict kPreparing{"preparing the data was the limit",
                             "more workers (-j) help while this machine has idle cores"};
constexpr Verdict kReading{"the input was the limit",
                           "a faster disk or pipe helps, more workers (-j) do not"};
constexpr Verdict kSplitting{"finding the records was the limit",
                             "a faster core helps, more workers (-j) do not"};
constexpr Verdict kConnecting{"starting up was the limit", "the input is small, there is nothing to tune"};

// More workers are no advice where there can be none.
Verdict without_more_workers(Verdict said, JobsLimit limit) {
  switch (limit) {
    case JobsLimit::none:
      return said;
    case JobsLimit::single_transaction:
      return {said.limit, "a single transaction has one worker"};
    case JobsLimit::connections:
      return {said.limit, "the server gave no connection for more workers"};
  }
  return said;
}

Verdict verdict(const LoadSummary& summary) {
  const TimeShares& shares = summary.shares;
  if (shares.worker_sending >= std::max(shares.worker_encoding, shares.worker_waiting)) {
    return without_more_workers(summary.jobs == 1 ? kServerOneWorker : kServer, summary.jobs_limit);
  }
  if (shares.worker_encoding >= shares.worker_waiting) {
    return without_more_workers(kPreparing, summary.jobs_limit);
  }
  if (shares.reader_waiting >= std::max(shares.reader_reading, shares.reader_splitting)) {
    return kConnecting;
  }
  return shares.reader_reading >= shares.reader_splitting ? kReading : kSplitting;
}

bool was_done_before(const LoadSummary& summary) {
  return summary.import_done && summary.totals.committed.batches == 0;
}

std::string loaded_line(const LoadSummary& summary) {
  const LedgerTotals& totals = summary.totals;
  if (was_done_before(summary)) {
    return fmt::format("import '{}' is done: nothing was left to load into {}", summary.import_id,
                       summary.table);
  }
  const double rows_per_second = per_second(totals.rows_stored(), summary.elapsed);
  return fmt::format("loaded {} ({}) into {} in {}: {}, {} rows/s, {}", counted(totals.rows_stored(), "row"),
                     human_bytes(totals.committed.bytes), summary.table, human_time(summary.elapsed),
                     human_byte_rate(per_second(totals.committed.bytes, summary.elapsed)),
                     grouped(static_cast<std::uint64_t>(std::llround(rows_per_second))),
                     counted(summary.jobs, "worker"));
}

std::string time_lines(const LoadSummary& summary) {
  const TimeShares& shares = summary.shares;
  const Duration reader = reader_time(shares);
  const Duration workers = worker_time(shares);
  if (reader.count() <= 0 || workers.count() <= 0 || was_done_before(summary)) {
    return {};
  }
  const Verdict said = verdict(summary);
  return fmt::format(
      "\ntime: reader {} % reading, {} % splitting, {} % waiting for workers"
      "\ntime: workers {} % preparing, {} % server, {} % waiting for input"
      "\n{}: {}",
      percent(shares.reader_reading, reader), percent(shares.reader_splitting, reader),
      percent(shares.reader_waiting, reader), percent(shares.worker_encoding, workers),
      percent(shares.worker_sending, workers), percent(shares.worker_waiting, workers), said.limit,
      said.next);
}

std::string_view signal_name(int signal) {
  switch (signal) {
    case SIGINT:
      return "SIGINT";
    case SIGTERM:
      return "SIGTERM";
    default:
      return "a signal";
  }
}

// All rows are there, and some indexes are not.
bool has_only_rows(const LoadSummary& summary) { return summary.complete && summary.rebuild_failed; }

std::string stopped_line(const LoadSummary& summary) {
  const LedgerTotals& totals = summary.totals;
  const bool nothing = totals.committed.records == 0;
  const bool doubt = totals.unknown.records > 0;
  std::string how = nothing ? "not loaded" : "only partly loaded";
  if (summary.interrupted_by != 0) {
    how = fmt::format("interrupted by {}", signal_name(summary.interrupted_by));
  }
  const bool only_rows = has_only_rows(summary);
  if (only_rows) {
    how = summary.interrupted_by != 0 ? how + " while indexes were rebuilt,"
                                      : "loaded, but not all indexes are rebuilt,";
  }
  if (summary.table.empty()) {
    return fmt::format("{} after {}: no row was sent", how, human_time(summary.elapsed));
  }
  if (nothing && summary.built.kept > 0 && summary.built.kept_is_owed) {
    return fmt::format(
        "{} after {}: not all that earlier runs have loaded is handed over to {}, and this run loaded "
        "nothing",
        summary.interrupted_by != 0 ? how : "not done", human_time(summary.elapsed), summary.table);
  }
  if (nothing) {
    const std::string where = summary.table.empty() ? "" : fmt::format(" in {}", summary.table);
    return fmt::format("{} after {}: no row is {}committed{}", how, human_time(summary.elapsed),
                       doubt ? "known to be " : "", where);
  }
  if (summary.emptied) {
    return fmt::format(
        "{} after {}: {} ({}) {} committed in {} and {} lost: the server's crash has emptied it", how,
        human_time(summary.elapsed), counted(totals.rows_stored(), "row"),
        human_bytes(totals.committed.bytes), totals.rows_stored() == 1 ? "was" : "were", summary.table,
        totals.rows_stored() == 1 ? "is" : "are");
  }
  if (const std::uint64_t rows = rows_in_table(summary); rows < totals.rows_stored()) {
    return fmt::format("{} after {}: {} {} {}committed in {}", how, human_time(summary.elapsed),
                       counted(rows, "row"), rows == 1 ? "is" : "are",
                       summary.built.rows_unknown > 0 ? "known to be " : "", summary.table);
  }
  return fmt::format("{} after {}: {} ({}) {} committed in {}{}{}", how, human_time(summary.elapsed),
                     counted(totals.rows_stored(), "row"), human_bytes(totals.committed.bytes),
                     totals.rows_stored() == 1 ? "is" : "are", summary.table,
                     only_rows ? "" : "\nthe rest was rolled back or not sent",
                     doubt ? ", or is unknown" : "");
}

// What a person must know before running the same command again.
std::string rerun_lines(const LoadSummary& summary) {
  const LedgerTotals& totals = summary.totals;
  std::string text;
  if (totals.unknown.records > 0) {
    text += fmt::format(
        "\nunknown: {}: {}"
        "\nunknown batches are in the table whole or not at all: count its rows before loading them again",
        batches_of(totals.unknown),
        summary.failed_over ? fmt::format("{} of input, all that was committed before the server failed over",
                                          human_bytes(totals.unknown.bytes))
                            : "the connection was lost before COMMIT was answered");
  }
  // The command that was refused would be refused again.
  if (!summary.import_id.empty() && summary.error && summary.error->kind == ErrorKind::usage) return text;
  if (!summary.import_id.empty()) {
    return text + fmt::format("\nimport '{}' knows what is loaded and goes on from there:\n  {}",
                              summary.import_id,
                              summary.again.empty() ? "run the same command again" : summary.again);
  }
  if (summary.emptied) return text;
  if (totals.committed.records > 0 && summary.repeatable) {
    text +=
        fmt::format("\nloading the same input again doubles nothing: --on-conflict {}", summary.on_conflict);
  } else if (totals.rows_stored() > 0) {
    text +=
        "\nloading the same input again would double the committed rows:"
        "\nuse --truncate if the table holds nothing else, or delete them first (with --import-id it would "
        "go on)";
  } else if (summary.truncated) {
    text += "\nthe table was emptied by --truncate before";
  } else if (totals.unknown.records == 0) {
    text += "\nnothing has to be undone before the next run";
  }
  return text;
}

std::string left_out_lines(const LedgerTotals& totals) {
  std::string text;
  if (totals.attempts_again > 0) {
    text += fmt::format(
        "\n{} sent again after failures that passed; each is loaded once",
        totals.attempts_again == 1 ? "one batch was" : fmt::format("{} batches were", totals.attempts_again));
  }
  if (totals.staged.records > 0) {
    text += fmt::format("\n{} ({}) wait in the staging table until all are there",
                        counted(totals.staged.records, "record"), human_bytes(totals.staged.bytes));
  }
  if (totals.already_done.records > 0) {
    text += fmt::format("\n{} {} loaded before, by an earlier run or another loader of this import",
                        counted(totals.already_done.records, "record"),
                        totals.already_done.records == 1 ? "was" : "were");
  }
  if (totals.rows_updated > 0) {
    text += fmt::format(
        "\nof these {} {} new, {} changed a row with the same key or {} superseded by a later record",
        grouped(totals.rows_loaded), totals.rows_loaded == 1 ? "is" : "are", grouped(totals.rows_updated),
        totals.rows_updated == 1 ? "was" : "were");
  }
  if (totals.records_conflicted > 0) {
    text += fmt::format("\n{} {} left out: a row with the same key exists",
                        counted(totals.records_conflicted, "record"),
                        totals.records_conflicted == 1 ? "was" : "were");
  }
  if (totals.skipped.records > 0) {
    text += fmt::format("\nwarning: {} {} refused by the server and skipped as asked: not in the table",
                        batches_of(totals.skipped), totals.skipped.batches == 1 ? "was" : "were");
  }
  if (totals.rows_suppressed > 0) {
    text +=
        fmt::format("\n{} {} left out by the server (a trigger or WHERE)",
                    counted(totals.rows_suppressed, "record"), totals.rows_suppressed == 1 ? "was" : "were");
  }
  return text;
}

// Reject files of an import hold those of all of its runs.
std::string rejected_lines(const LoadSummary& summary) {
  const std::uint64_t mine = summary.totals.records_rejected;
  const std::uint64_t before = summary.rejected_before;
  std::string text;
  if (mine > 0) text += fmt::format("\n{} rejected", counted(mine, "record was", "records were"));
  if (mine > 0 && before > 0)
    text += fmt::format(" by this run, {} by earlier runs or other loaders of this import: {} in all",
                        grouped(before), grouped(mine + before));
  if (mine == 0 && before > 0) {
    text += fmt::format("\n{} rejected when this import ran", counted(before, "record was", "records were"));
  }
  if (mine + before > 0 && summary.reject_files.empty() && !summary.import_id.empty() && !summary.error &&
      summary.interrupted_by == 0) {
    text += "\nits ledger has them: the same command with --on-error reject writes them into a reject file";
  }
  return text;
}

// Where the bad records are, and how to go on.
std::string reject_lines(const LoadSummary& summary) {
  constexpr std::size_t kMostNamed = 5;
  const auto& files = summary.reject_files;
  std::string text;
  for (std::size_t index = 0; index < std::min(files.size(), kMostNamed); ++index) {
    const RejectFile& file = files[index];
    text += fmt::format("\nthose of {} are in {}, the reasons in {}",
                        source_name(summary.sources[file.input]), file.path, file.reasons);
  }
  if (files.size() > kMostNamed) text += fmt::format("\nand {} more reject files", files.size() - kMostNamed);
  if (!files.empty() && !summary.error) {
    const bool one = files.size() == 1;
    text += fmt::format("\ncorrect {} and load {} with the same options", one ? "this file" : "these files",
                        one ? "it" : "them");
    // A file of another size is another import; the same command again writes the reject files anew.
    if (!summary.import_id.empty()) {
      text += fmt::format(", but another --import-id; under another name, for this import writes {} again",
                          one ? "it" : "them");
    }
  }
  return text;
}

// Which of them are there again; those that are not are a warning, with the command that builds them.
std::string index_lines(const LoadSummary& summary) {
  std::string names;
  std::uint64_t rebuilt = 0;
  std::uint64_t owed = 0;
  for (const auto& index : summary.indexes) {
    if (index.rebuilt) {
      ++rebuilt;
      continue;
    }
    names += fmt::format("{}{}", owed++ == 0 ? "" : ", ", index.name);
  }
  std::string text;
  if (rebuilt > 0) {
    text += fmt::format("\n{} rebuilt in {}", counted(rebuilt, "index was", "indexes were"),
                        human_time(summary.rebuild_elapsed));
  }
  if (owed > 0) {
    text += fmt::format(
        "\nwarning: {} not there, left out while loading: {}"
        "\nthe next load into {} rebuilds {}, or:\n  {}",
        counted(owed, "index is", "indexes are"), names, summary.table, owed == 1 ? "it" : "them",
        summary.rebuild_command);
  }
  return text;
}

std::string built_lines(const LoadSummary& summary) {
  const BuiltChunks& built = summary.built;
  std::string text;
  if (built.chunks > 0) {
    text += fmt::format("\n{} built aside and handed over in {}",
                        counted(built.chunks, "chunk was", "chunks were"), human_time(built.elapsed));
  }
  if (built.merged > 0) {
    text += fmt::format("\n{} built aside in vain: somebody's rows had made {}, so the rows were inserted",
                        counted(built.merged, "chunk was", "chunks were"), built.merged == 1 ? "it" : "them");
  }
  if (built.unknown > 0) {
    text += fmt::format(
        "\nunknown: {} in {}: their hand-over to {} was cancelled or cut off while it was committed{}",
        counted(built.rows_unknown, "row"), counted(built.unknown, "side table"), summary.table,
        built.kept_is_owed ? "; the next run of this import finds out" : "");
  }
  if (built.gone > 0) {
    text += fmt::format("\nwarning: {} loaded into {} that somebody dropped, and {} not in {}",
                        counted(built.rows_gone, "row was", "rows were"), counted(built.gone, "side table"),
                        built.rows_gone == 1 ? "is" : "are", summary.table);
  }
  if (built.kept > 0 && built.kept_is_owed) {
    text += fmt::format(
        "\nwarning: {} not in {} yet, with {} of this run: this import owes {} to it, and hands {} over when "
        "it is "
        "run again",
        counted(built.kept, "side table is", "side tables are"), summary.table,
        counted(built.rows_kept, "row"), built.kept == 1 ? "it" : "them", built.kept == 1 ? "it" : "them");
  } else if (built.kept > 0) {
    text += fmt::format("\nwarning: {} loaded into {} and {} not in {}",
                        counted(built.rows_kept, "row was", "rows were"), counted(built.kept, "side table"),
                        built.rows_kept == 1 ? "is" : "are", summary.table);
    if (summary.interrupted_by != 0) text += ": the next load into it removes them";
  }
  return text;
}

std::string accounting_line(const LedgerTotals& totals) {
  return fmt::format(
      "\nthe counts do not add up, which is a defect in hypercopy; do not trust this load: "
      "{} records split; {} committed, {} already done, {} skipped, {} failed, {} unknown, {} dropped; "
      "{} rows loaded, {} updated, {} in conflict, {} rejected, {} suppressed",
      totals.split.records, totals.committed.records, totals.already_done.records, totals.skipped.records,
      totals.failed.records, totals.unknown.records, totals.dropped.records, totals.rows_loaded,
      totals.rows_updated, totals.records_conflicted, totals.records_rejected, totals.rows_suppressed);
}

std::string verbose_lines(const LoadSummary& summary) {
  const TimeShares& shares = summary.shares;
  const LedgerTotals& totals = summary.totals;
  return fmt::format(
      "\nreader: {:.2f} s reading, {:.2f} s splitting, {:.2f} s waiting for workers"
      "\nworkers, summed: {:.2f} s preparing, {:.2f} s server, {:.2f} s waiting for input"
      "\nbatches of up to {}: {} split, {} committed, {} skipped, {} failed, {} unknown, {} not sent"
      "\nserver {}, wire {} ({} batches as COPY BINARY, {} given up), scan kernel {}, run {}",
      seconds(shares.reader_reading), seconds(shares.reader_splitting), seconds(shares.reader_waiting),
      seconds(shares.worker_encoding), seconds(shares.worker_sending), seconds(shares.worker_waiting),
      human_bytes(summary.batch_bytes), totals.split.batches, totals.committed.batches,
      totals.skipped.batches, totals.failed.batches, totals.unknown.batches, totals.dropped.batches,
      summary.server_version, summary.wire, summary.wire_totals.encoded, summary.wire_totals.given_up,
      summary.kernel, summary.run_id);
}

}  // namespace

ExitCode exit_code(const LoadSummary& summary) {
  if (!adds_up(summary)) {
    return ExitCode::accounting;
  }
  if (summary.error && summary.error->kind == ErrorKind::accounting) {
    return ExitCode::accounting;
  }
  if (summary.interrupted_by != 0) {
    return summary.interrupted_by == SIGTERM ? ExitCode::terminated : ExitCode::interrupted;
  }
  if (!summary.error) {
    return summary.totals.records_rejected + summary.rejected_before > 0 ? ExitCode::rejected : ExitCode::ok;
  }
  switch (summary.error->kind) {
    case ErrorKind::usage:
      return ExitCode::usage;
    case ErrorKind::interrupted:
      return ExitCode::interrupted;
    default:
      return ExitCode::failed;
  }
}

std::string summary_text(const LoadSummary& summary, bool verbose) {
  const bool loaded = has_only_rows(summary);
  const bool stopped = !loaded && (summary.error.has_value() || summary.interrupted_by != 0);
  std::string text = stopped || loaded ? stopped_line(summary) : loaded_line(summary);
  text += left_out_lines(summary.totals);
  text += rejected_lines(summary);
  text += reject_lines(summary);
  text += index_lines(summary);
  text += built_lines(summary);
  if (stopped) {
    text += rerun_lines(summary);
  } else if (!loaded) {
    text += time_lines(summary);
  }
  if (verbose) {
    text += verbose_lines(summary);
  }
  if (!adds_up(summary)) {
    text += accounting_line(summary.totals);
  }
  return text;
}

std::string command_tag(const LoadSummary& summary) { return fmt::format("COPY {}", rows_in_table(summary)); }

}  // namespace hypercopy
