// The ledger of imports on the target server: what was cut, what is loaded, so that a load can go on after anything.
// Shape:   a *job* is one import id, its target and its settings; it has *inputs*, and each of these *intervals*: batches
//          that were cut, from a first byte to a last one. An interval is planned (committed) before it is sent and
//          marked done by the very transaction that loads its rows, which locks it first: so a batch is loaded exactly
//          once, whoever tries, however often, and whatever dies in between. Planned intervals are never cut again.
// Plan:    plan() is a compare-and-swap on the byte up to which the input is planned. Several loaders may cut the same
//          bytes at once; one of them plans, the others see it and go on behind. So there is no planner whose death
//          could matter, and nothing is locked while an input is read.
// Slices:  where records are regrouped by time (time_windows.hpp), an interval is one slice of a window: all slices of a
//          window have its bytes, and are planned together. How windows are cut is recorded with the input by the first
//          run that regroups it, and holds for all others: so whoever reads a window again gets the same slices.
// Units:   bytes and records of the whole input (location.hpp).
// Owns:    a connection of its own, `hypercopy load RUN control`, on which a session advisory lock says that a loader of
//          this job lives. It is made anew when it is lost.
// Threads: one at a time; ImportClaims is read-only and may be used by all.
// Errors:  usage: this run differs from the import it would go on with, and in what; target: what cannot be proven
//          (unlogged tables); sql 42501 with the GRANTs that help; connection, when it does not come back in time.
// Why safe: plans are committed without waiting for the disk. The transaction of a batch commits behind its plan, in the
//          same log; so after a crash either both are there, or the batch is not.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "hypercopy/atomic_staging.hpp"
#include "hypercopy/batch_reader.hpp"
#include "hypercopy/connection.hpp"
#include "hypercopy/lasting_connection.hpp"
#include "hypercopy/ledger.hpp"
#include "hypercopy/reject_sink.hpp"
#include "hypercopy/time_survey.hpp"
#include "hypercopy/time_windows.hpp"
#include "hypercopy/worker.hpp"

namespace hypercopy {

// One of the files of an import, by what does not change from host to host.
struct ImportInput {
  std::string name;                     // for people
  std::optional<std::uint64_t> size{};  // nothing: a pipe
  std::string fingerprint{};            // of size and samples (input_fingerprint.hpp)
};

// What an import is: a later run with the same id must give the same.
struct ImportJob {
  std::string import_id;
  std::uint32_t target = 0;  // pg_class.oid
  std::string target_name;
  std::vector<std::pair<std::string, std::string>>
      settings;  // name and value of what decides how bytes become rows
  std::vector<ImportInput> inputs{};
};

// By what the windows of an input are cut. Whoever changes what comes of it (time_window.cpp, how a time is read) makes
// another ledger of it: import_schema.cpp, kVersion.
struct WindowCut {
  SliceLimits slice{};
  TimeField field{};

  friend bool operator==(const WindowCut&, const WindowCut&) = default;
};

// How far an input is planned.
struct PlannedInput {
  Position planned{};  // behind the last planned interval; meant once a run has read the prologue
  NewlineStyle newline = NewlineStyle::unknown;
  bool complete = false;           // nothing is left to be planned
  std::optional<WindowCut> cut{};  // where a run has regrouped it
};

// A batch, or a slice of a window.
struct PlannedInterval {
  std::size_t input = 0;
  BatchExtent extent{};       // the window's, but for `records`
  std::uint64_t content = 0;  // XXH3 of its bytes
  bool done = false;
  std::uint32_t slice = 0;
  std::uint32_t slices = 1;

  [[nodiscard]] bool is_slice() const { return slices > 1; }
};

// All slices of it.
struct PlannedWindow {
  std::size_t input = 0;
  Position first{};
  Position behind{};
  NewlineStyle newline = NewlineStyle::unknown;
  std::vector<SliceContent> slices{};
  std::optional<WindowCut> cut{};  // by what it is: must be the one that is recorded
};

// Of one input, over all intervals that are done.
struct ImportTotals {
  Counts mine{};  // by this run
  RowCounts rows{};
  std::uint64_t suppressed = 0;
  Counts others{};  // by earlier runs and other loaders
  std::uint64_t loaded_by_others = 0;
  std::uint64_t rejected_by_others = 0;
};

// The SQL by which a worker's transaction claims its batch.
class ImportClaims final : public BatchClaims {
 public:
  ImportClaims(int job, std::string quoted_run) : job_(job), run_(std::move(quoted_run)) {}

  std::string claim_sql(const Batch& batch) const override;
  std::string done_sql(const Batch& batch, const RowCounts& rows) const override;
  std::string is_done_sql(const Batch& batch) const override;

 private:
  [[nodiscard]] std::string which(const Batch& batch) const;

  int job_;
  std::string run_;
};

class ImportLedger {
 public:
  // Makes the control connection, as a new one or again.
  using Connect = std::function<Result<Connection>(StopAt stop)>;
  struct Options {
    std::string run_id;
    std::chrono::milliseconds retry_timeout{0};
    bool truncates = false;            // refused where anything is done
    bool into_empty = false;           // go on although the target is empty and intervals are done
    AtomicStaging* staging = nullptr;  // where the rows wait until all are there; finish() publishes it
    bool builds_chunks = false;  // side tables of the job may hold what is done; it has one loader at a time
    // Asked before a new job is committed; its error leaves nothing of it.
    std::function<Status()> may_begin{};
    // Told what another process lets this one wait for, when it has waited for some seconds; each kind once.
    std::function<void(const std::string& what)> on_wait{};
  };

  // Begins the job or finds it again, and refuses what does not fit it.
  [[nodiscard]] static Result<ImportLedger> open(const Connect& connect, const ImportJob& job,
                                                 Options options, StopAt stop);

  ImportLedger(ImportLedger&&) noexcept;
  ~ImportLedger();

  [[nodiscard]] bool is_done() const { return done_; }
  // By an earlier run or another loader.
  [[nodiscard]] bool was_begun() const { return begun_; }
  // No input is a pipe.
  [[nodiscard]] bool can_read_again() const;
  [[nodiscard]] ImportClaims claims() const { return {job_, quoted_run_}; }
  // Its key in the tables.
  [[nodiscard]] int job() const { return job_; }
  // From now on this ends the waiting.
  void stop_at(StopAt stop);

  [[nodiscard]] Result<PlannedInput> input(std::size_t number);
  // The first run settles where the records begin and how they are read; a later one must find the same.
  // `prologue`: its bytes in front of the first record. `cut`: where this run regroups it; what is recorded already holds.
  // One question where all that is there: asked again after a lost race, since a failover may have taken it back.
  [[nodiscard]] Result<PlannedInput> start_input(std::size_t number, const Position& first,
                                                 const std::string& mapping, std::string_view prologue,
                                                 const std::optional<WindowCut>& cut = {});
  // False: somebody has planned these bytes, or others behind them, before; or windows are cut otherwise now.
  [[nodiscard]] Result<bool> plan(const PlannedInterval& interval, const Position& behind);
  [[nodiscard]] Result<bool> plan(const PlannedWindow& window);
  // False as for plan().
  [[nodiscard]] Result<bool> complete_input(std::size_t number, const Position& end);

  // In the order of the input; `only_open`: those that are not done.
  [[nodiscard]] Result<std::vector<PlannedInterval>> intervals(std::size_t input, bool only_open);
  // All of the window that one of them is of.
  [[nodiscard]] Result<std::vector<PlannedInterval>> slices_with(const PlannedInterval& slice);
  // Waits for the transaction that holds this interval, and ends it where its loader is dead.
  [[nodiscard]] Status wait_for(const PlannedInterval& interval);
  [[nodiscard]] Result<std::vector<ImportTotals>> totals();
  using TakeReject =
      std::function<Status(const RejectedRecord& record, std::string_view prologue, NewlineStyle newline)>;
  // In the order of the input.
  [[nodiscard]] Status for_each_reject(std::size_t input, const TakeReject& take);
  // Everything is planned, done and durable: says so in one transaction, which also publishes what is staged. False:
  // something is not.
  [[nodiscard]] Result<bool> finish();
  // Asked anew: a failover may have taken it back.
  [[nodiscard]] Result<bool> is_still_done();
  // Of a staged import that is done: the rows that the target took, where its triggers left some of them out.
  [[nodiscard]] Result<std::optional<std::uint64_t>> rows_published();

 private:
  struct Presence;

  ImportLedger(const Connect& connect, Options options, bool shared, StopAt stop);

  // Asked when the ledger is opened.
  [[nodiscard]] Status check_target(const ImportJob& job, Connection& connection);
  [[nodiscard]] Status refuse_other_tools_import(const ImportJob& job, Connection& connection);
  [[nodiscard]] Status begin(const ImportJob& job, Connection& connection);
  [[nodiscard]] Status compare(const ImportJob& job, Connection& connection);
  [[nodiscard]] Status compare_settings(const ImportJob& job, Connection& connection);
  [[nodiscard]] Status compare_inputs(const ImportJob& job, Connection& connection);
  [[nodiscard]] Status check_rows_are_there(const ImportJob& job, Connection& connection) const;
  [[nodiscard]] Status take_presence(Connection& connection);
  [[nodiscard]] Status prepare_staging(const ImportJob& job, Connection& connection);

  [[nodiscard]] Status begin_input(std::size_t number, const Position& first, const std::string& mapping,
                                   std::string_view prologue, Connection& connection) const;
  [[nodiscard]] Status record_cut(std::size_t number, const WindowCut& cut, Connection& connection) const;
  [[nodiscard]] Result<bool> is_planned(const PlannedWindow& window, const std::string& contents);
  [[nodiscard]] Result<std::vector<PlannedInterval>> find_intervals(std::size_t input,
                                                                    const std::string& which);
  [[nodiscard]] Result<bool> read_done(Connection& connection) const;
  [[nodiscard]] Result<std::string> publish(Connection& connection);
  enum class Wait : std::uint8_t { lock, job, batch, orphan };
  // Begins a transaction that has the job's row for itself.
  [[nodiscard]] Status begin_with_job(Connection& connection);
  struct Holder {
    Wait kind = Wait::batch;
    std::string words;
  };
  [[nodiscard]] Result<Holder> look_at_holder(const PlannedInterval& interval);

  Options options_;
  std::unique_ptr<Presence> presence_;  // where control_ finds it, wherever the ledger is
  LastingConnection control_;           // what is asked twice, changes things to the same
  std::string quoted_run_{};
  int job_ = 0;
  bool begun_ = false;
  bool done_ = false;
};

}  // namespace hypercopy
