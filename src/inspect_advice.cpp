#include "inspect_advice.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <filesystem>

#include "human_units.hpp"
#include "hypercopy/load.hpp"
#include "ingest_bench_advice.hpp"
#include "time_text.hpp"

namespace hypercopy {

namespace {

// Measured: 3 million rows of the `cpu` data, 100 bytes of values each, wrote 341 MB of WAL without an index and 550 MB
// with one B-tree.
constexpr std::uint64_t kRowWalBytes = 12;
constexpr std::uint64_t kIndexWalBytes = 70;
// Header, alignment and line pointer of a stored row; an entry of a B-tree over one or two narrow columns.
constexpr std::uint64_t kRowBytes = 32;
constexpr std::uint64_t kIndexEntryBytes = 26;
// A checkpoint begins when somewhat more than half of max_wal_size is written.
constexpr double kWalShareToCheckpoint = 0.53;
constexpr double kManyCheckpoints = 5;
constexpr std::uint64_t kManyNewChunks = 1000;
constexpr std::uint64_t kFewRowsPerChunk = 10'000;
constexpr std::uint64_t kWorthDeferring = 100'000;      // records
constexpr std::uint64_t kWorthALedger = 1'000'000'000;  // bytes

std::string place(const Inspection& inspection, const Position& at) {
  const std::string in = inspection.inputs.size() == 1 ? "" : "of its input ";
  return fmt::format("first: record {}, line {} {}", grouped(at.record), grouped(at.line), in);
}

std::string trimmed(std::string text) {
  text.erase(text.find_last_not_of(' ') + 1);
  return text;
}

std::string seen(const Inspection& inspection, const CountedRecords& counted_records, std::string_view what) {
  return fmt::format("{} {} ({})", counted(counted_records.records, "record"), what,
                     trimmed(place(inspection, counted_records.first)));
}

// By those that --pause-jobs holds back.
std::string_view done_to_chunks(std::string_view procedure) {
  if (procedure == "policy_compression" || procedure == "policy_recompression") return "compresses chunks";
  if (procedure == "policy_retention") return "drops old chunks";
  return procedure == "policy_reorder" ? "rewrites chunks" : std::string_view();
}

class Advisor {
 public:
  Advisor(Inspection& inspection, const InspectOptions& options) : found_(inspection), options_(options) {}

  void run() {
    if (found_.target) estimate();
    judge_records();
    judge_times();
    if (found_.target) judge_target(*found_.target);
    if (found_.target && !found_.inputs.empty()) found_.command = command();
  }

 private:
  void problem(std::string text) { found_.problems.push_back(std::move(text)); }
  void note(std::string text) { found_.notes.push_back(std::move(text)); }

  void estimate() {
    InspectedTarget& target = *found_.target;
    const std::uint64_t records = found_.records();
    if (records == 0) return;
    const auto& trial = found_.trial;
    const std::uint64_t values =
        trial && trial->records > 0 ? trial->value_bytes * records / trial->records : found_.bytes();
    const auto trees = static_cast<std::uint64_t>(std::ranges::count_if(
        target.facts.indexes, [](const TableIndex& index) { return index.method != "brin"; }));
    target.table_bytes = values + records * kRowBytes;
    target.index_bytes = records * trees * kIndexEntryBytes;
    if (!target.table.is_unlogged)
      target.wal_bytes = values + records * (kRowWalBytes + trees * kIndexWalBytes);
  }

  void judge_records() {
    if (found_.delimiter_found) {
      note(fmt::format("the records have one field with the default delimiter, and {} with {}: that was used",
                       found_.fields, delimiter_word()));
    }
    if (found_.header_found) {
      note(fmt::format("the first record names columns, so it was not taken for data: {}",
                       found_.header == Header::match ? "--header" : "--skip-header"));
    }
    if (!found_.target) {
      if (found_.times.misfits.records > 0) {
        note(seen(found_, found_.times.misfits, "with another number of fields than the first one"));
      }
      return;
    }
    if (found_.times.misfits.records > 0) {
      problem(seen(
          found_, found_.times.misfits,
          fmt::format("with another number of fields than the {} that the columns need: COPY refuses them",
                      found_.target->fields_wanted)));
    } else if (!found_.time && found_.fields != 0 && found_.target->fields_wanted != 0 &&
               found_.fields != found_.target->fields_wanted) {
      problem(fmt::format("the first record has {}, the columns need {}", counted(found_.fields, "field"),
                          found_.target->fields_wanted));
    }
  }

  void judge_times() {
    const TimeSurveyResult& times = found_.times;
    const bool hypertable = found_.target && found_.target->hypertable;
    if (times.nulls.records > 0 && hypertable) {
      problem(seen(found_, times.nulls, "without a time: a hypertable refuses them"));
    }
    if (times.unread.records > 0) {
      note(seen(found_, times.unread,
                "with a time that hypercopy leaves to the server to read: they are in no count of times"));
    }
    if (times.as_utc.records > 0 && found_.target) {
      note(seen(
          found_, times.as_utc,
          fmt::format("with a time without offset, which the server reads in its TimeZone {}: here it is "
                      "taken for UTC, so times may be off by the difference",
                      found_.target->server.time_zone)));
    }
    if (times.order() == TimeOrder::mixed && !times.buckets.empty() && times.bucket_changes > 0) {
      const std::uint64_t run = times.times / (times.bucket_changes + 1);
      if (run < kFewRowsPerChunk) {
        note(
            fmt::format("neighbouring records lie in different chunks every {} on average: sorted by time "
                        "the load is about a fifth cheaper for the server",
                        counted(std::max<std::uint64_t>(run, 1), "record")));
      }
    }
  }

  void judge_target(const InspectedTarget& target) {
    if (target.partitions) judge_partitions(*target.partitions);
    if (target.hypertable) judge_hypertable(target, *target.hypertable);
    judge_columns();
    judge_facts(target);
    judge_server(target);
  }

  void judge_partitions(const InspectedPartitions& partitions) {
    if (partitions.count == 0) problem("the table has no partition");
    for (const auto& value : partitions.homeless) {
      problem(fmt::format("there is no partition for {} {}", found_.time->name, value));
    }
  }

  void judge_hypertable(const InspectedTarget& target, const Hypertable& hypertable) {
    const ChunkForecast& chunks = target.chunks;
    if (found_.times.too_many_buckets) {
      problem(
          fmt::format("the times lie in more than {} chunk intervals of {}: is that the interval, or the "
                      "unit of the times, that was meant?",
                      grouped(kMostTimeBuckets),
                      span_text(static_cast<std::uint64_t>(hypertable.primary().interval),
                                hypertable.primary().type_oid)));
    } else if (chunks.new_ranges > kManyNewChunks &&
               chunks.new_records / chunks.new_ranges < kFewRowsPerChunk) {
      note(fmt::format("{} will be made for {} each: a longer chunk interval suits this data better",
                       counted(chunks.new_ranges, "chunk"),
                       counted(chunks.new_records / chunks.new_ranges, "record")));
    }
    if (chunks.compressed_records > 0) {
      note(target.facts.has_uniqueness()
               ? "records for compressed chunks are checked against a unique index, so what may conflict is "
                 "decompressed first; ERROR 53400 comes from "
                 "timescaledb.max_tuples_decompressed_per_dml_transaction"
               : "records for compressed chunks are stored beside the compressed rows: --after compress "
                 "compresses these chunks again");
      compresses_after_ = !target.facts.has_uniqueness();
    }
    judge_jobs(hypertable);
    if (!hypertable.aggregates.empty()) {
      std::vector<std::string> names;
      names.reserve(hypertable.aggregates.size());
      for (const auto& aggregate : hypertable.aggregates) names.push_back(aggregate.name);
      const std::string& refused = target.refresh.refused;
      note(
          fmt::format("what is loaded below the watermark of {} is not seen in it before it is refreshed: {}",
                      fmt::join(names, ", "),
                      refused.empty() ? "--after refresh does that, over the loaded times" : refused));
      refreshes_after_ = refused.empty();
    }
  }

  void judge_jobs(const Hypertable& hypertable) {
    for (const auto& job : hypertable.jobs) {
      const std::string_view what = job.scheduled ? done_to_chunks(job.procedure) : std::string_view();
      if (what.empty()) continue;
      note(fmt::format("job {} {}, perhaps while the load runs{}: --pause-jobs holds it back", job.id, what,
                       job.next_start.empty() ? "" : fmt::format(" (next at {})", job.next_start)));
      pauses_jobs_ = true;
    }
  }

  void judge_columns() {
    for (const auto& column : found_.columns) {
      if (!column.not_binary.empty()) {
        note(fmt::format("{}: everything is sent as CSV, which costs the server more", column.not_binary));
        return;
      }
    }
    if (found_.trial && found_.trial->given_up_at && !found_.trial->given_up.empty()) {
      note(
          fmt::format("column {} has a spelling that only the server reads (record {}): batches with it are "
                      "sent as CSV",
                      found_.trial->given_up, grouped(found_.trial->given_up_at->record)));
    }
  }

  // One index costs about as much built at the end, three cost half.
  void judge_indexes(const InspectedTarget& target) {
    std::vector<std::string> secondary;
    for (const auto& index : target.facts.indexes) {
      if (!index.unique && !index.exclusion && index.method != "brin") secondary.push_back(index.name);
    }
    if (secondary.size() < 2 || found_.records() < kWorthDeferring) return;
    const std::string& refused = target.defer_indexes.refused;
    defers_indexes_ = refused.empty();
    note(fmt::format(
        "{} are kept up to date row by row ({}): {}",
        counted(secondary.size(), "secondary index", "secondary indexes"), fmt::join(secondary, ", "),
        refused.empty()
            ? "--defer-indexes drops them before the load and builds them again at its end, which "
              "costs about half; in between, queries do without them"
            : refused));
  }

  void judge_facts(const InspectedTarget& target) {
    judge_indexes(target);
    const bool row_triggers = std::ranges::any_of(target.facts.triggers, &TableTrigger::for_each_row);
    const bool before_row = std::ranges::any_of(target.facts.triggers, [](const TableTrigger& trigger) {
      return trigger.for_each_row && trigger.before;
    });
    if (row_triggers) {
      note(fmt::format("row triggers fire for every record{}",
                       before_row ? ", and those before it make the server insert row by row" : ""));
    }
    if (!target.facts.references.empty()) {
      note("foreign keys are checked for every record; without them until after the load it is faster");
    }
  }

  void judge_server(const InspectedTarget& target) {
    if (target.server.free_connections == 0) {
      problem("the server has no connection left for this user");
    }
    const double checkpoints = static_cast<double>(target.wal_bytes) /
                               (static_cast<double>(target.server.max_wal_bytes) * kWalShareToCheckpoint);
    if (target.server.max_wal_bytes > 0 && checkpoints >= kManyCheckpoints) {
      note(fmt::format(
          "the WAL of this load forces about {:.0f} checkpoints at max_wal_size {}: a greater one "
          "writes less",
          checkpoints, target.server.max_wal_size));
    }
  }

  [[nodiscard]] std::string delimiter_word() const {
    const char delimiter = found_.dialect.delimiter;
    return delimiter == '\t' ? "'\\t'" : fmt::format("'{}'", delimiter);
  }

  [[nodiscard]] std::string command() const {
    std::vector<std::string> words = options_.command;
    const LoadOptions& load = options_.load;
    if (found_.delimiter_found) {
      words.emplace_back("--delimiter");
      words.push_back(found_.dialect.delimiter == '\t' ? "\\t" : std::string(1, found_.dialect.delimiter));
    }
    if (found_.header_found)
      words.emplace_back(found_.header == Header::match ? "--header" : "--skip-header");
    const std::uint64_t free = found_.target->server.free_connections;
    if (free > 0 && free < default_jobs()) {
      words.emplace_back("-j");
      words.push_back(fmt::format("{}", free));
    }
    const TargetTable& table = found_.target->table;
    if (found_.bytes() >= kWorthALedger && !table.is_unlogged && table.self_references.empty()) {
      words.emplace_back("--import-id");
      words.push_back(load.files.front() == "-" ? table.name
                                                : std::filesystem::path(load.files.front()).stem().string());
    }
    if (pauses_jobs_) words.emplace_back("--pause-jobs");
    if (defers_indexes_) words.emplace_back("--defer-indexes");
    if (compresses_after_ || refreshes_after_) {
      words.emplace_back("--after");
      words.emplace_back(!refreshes_after_ ? "compress" : compresses_after_ ? "compress,refresh" : "refresh");
    }
    std::string text = "hypercopy load";
    for (const auto& word : words) text += " " + shell_word(word);
    for (const auto& file : load.files) text += " " + shell_word(file);
    return text;
  }

  Inspection& found_;
  const InspectOptions& options_;
  bool pauses_jobs_ = false;
  bool compresses_after_ = false;
  bool refreshes_after_ = false;
  bool defers_indexes_ = false;
};

}  // namespace

void advise(Inspection& inspection, const InspectOptions& options) { Advisor(inspection, options).run(); }

}  // namespace hypercopy
