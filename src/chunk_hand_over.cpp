#include "chunk_hand_over.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <mutex>
#include <thread>

#include "human_units.hpp"
#include "hypercopy/lasting_connection.hpp"
#include "left_side_tables.hpp"
#include "one_hand_over.hpp"
#include "time_limit.hpp"

namespace hypercopy {

namespace {

using Ending = OneHandOver::Ending;
using RowCheck = OneHandOver::RowCheck;

// What became of a table.
struct Fate {
  Result<Ending> ended;
  bool is_unknown = false;  // whether it ended: the error says why
  bool is_gone = false;     // somebody dropped it
};

// Tables that are handed over side by side keep the cores busy without parallel workers, which cost a third more CPU time.
constexpr std::string_view kNoParallelWorkers =
    "SET max_parallel_maintenance_workers TO 0; SET max_parallel_workers_per_gather TO 0";

class HandOver {
 public:
  HandOver(const ChunkBuildingPlan& plan, const std::vector<FilledTable>& tables,
           const HandOverOptions& options, Console& console)
      : plan_(plan), tables_(tables), options_(options), console_(console) {}

  HandOverOutcome run() {
    const auto threads = std::min<std::size_t>(std::max(options_.jobs, 1U), tables_.size());
    {
      std::vector<std::jthread> workers;
      for (unsigned number = 1; number <= threads; ++number)
        workers.emplace_back([this, number, threads] { hand_over_some(number, threads > 1); });
    }
    return std::move(outcome_);
  }

 private:
  void hand_over_some(unsigned number, bool beside_others) {
    LastingConnection connection([this, number, beside_others] { return connect(number, beside_others); },
                                 options_.retry_timeout, options_.stop);
    while (const FilledTable* const filled = take())
      note(*filled, hand_over_one(connection, *filled, number));
  }

  [[nodiscard]] Result<Connection> connect(unsigned number, bool beside_others) const {
    HYPERCOPY_ASSIGN(Connection connection, options_.connect(number));
    if (beside_others) HYPERCOPY_TRY(connection.execute(std::string(kNoParallelWorkers)));
    return connection;
  }

  [[nodiscard]] RowCheck row_check() const {
    if (options_.stays_owed) return RowCheck::none;
    return options_.may_hold_more ? RowCheck::at_least : RowCheck::exact;
  }

  Fate hand_over_one(LastingConnection& connection, const FilledTable& filled, unsigned number) {
    try {
      if (options_.stop.cancellation.level() >= options_.stop.level)
        return {.ended = fail(ErrorKind::interrupted, "interrupted before all chunks were handed over")};
      OneHandOver one(plan_, filled, row_check(), options_.stop);
      auto ended = connection.ask([&](Connection& live) -> Result<Ending> {
        HYPERCOPY_ASSIGN(const Ending ending, one.attempt(live));
        HYPERCOPY_TRY(options_.committed(number, live));
        return ending;
      });
      Fate fate = !ended && one.in_doubt() ? settle(one, number, std::move(ended).error())
                                           : Fate{.ended = std::move(ended), .is_gone = one.is_gone()};
      const bool stays = !fate.ended && !fate.is_unknown && !fate.is_gone;
      if (stays && fate.ended.error().kind != ErrorKind::interrupted) keep(connection, filled);
      return fate;
    } catch (const std::exception& exception) {
      return {.ended = fail(ErrorKind::internal, exception.what())};
    }
  }

  // The connection that was asked last is given up.
  [[nodiscard]] Fate settle(OneHandOver& one, unsigned number, Error error) const {
    if (options_.retry_timeout.count() > 0) {
      auto give_up = Cancellation::create();
      if (!give_up) return {.ended = fail(std::move(give_up).error()), .is_unknown = true};
      const StopAt stop{**give_up, Cancellation::Level::immediate};
      const TimeLimit limit(**give_up, OneHandOver::kPatience);
      LastingConnection last([this, number, stop] { return options_.connect_at_last(number, stop); },
                             OneHandOver::kPatience, stop);
      auto settled = last.ask([&](Connection& live) { return one.settle(live, stop); });
      if (settled && *settled) return {.ended = **settled};
      if (settled || one.is_gone()) {
        return {.ended = fail(settled ? std::move(error) : std::move(settled).error()),
                .is_gone = one.is_gone()};
      }
    }
    if (error.kind == ErrorKind::interrupted) error.message = "cancelled";
    error.kind = ErrorKind::connection;
    return {.ended = fail(std::move(error)), .is_unknown = true};
  }

  // Where that fails the next load drops the table, and says so.
  void keep(LastingConnection& connection, const FilledTable& filled) const {
    if (options_.stays_owed) return;
    static_cast<void>(connection.ask_once([&](Connection& live) -> Status {
      if (live.in_transaction()) HYPERCOPY_TRY(live.execute("ROLLBACK"));
      HYPERCOPY_TRY(live.execute(fmt::format("COMMENT ON TABLE {} IS {}", filled.table.relation,
                                             live.quote_literal(kept_comment(plan_.target_oid)))));
      return {};
    }));
  }

  const FilledTable* take() {
    const std::lock_guard lock(mutex_);
    return next_ < tables_.size() ? &tables_[next_++] : nullptr;
  }

  void note(const FilledTable& filled, Fate fate) {
    const std::lock_guard lock(mutex_);
    if (fate.ended) {
      outcome_.chunks += *fate.ended == Ending::chunk ? 1 : 0;
      outcome_.merged += *fate.ended == Ending::merged ? 1 : 0;
      return;
    }
    ++(fate.is_unknown ? outcome_.unknown : fate.is_gone ? outcome_.gone : outcome_.kept);
    (fate.is_unknown ? outcome_.rows_unknown
     : fate.is_gone  ? outcome_.rows_gone
                     : outcome_.rows_kept) += filled.rows;
    Error error = explain(std::move(fate), filled);
    // What was interrupted says less than what went wrong.
    const bool is_first = !outcome_.error || outcome_.error->kind == ErrorKind::interrupted;
    if (!outcome_.error || (is_first && error.kind != ErrorKind::interrupted)) {
      outcome_.error = std::move(error);
    } else if (error.kind != ErrorKind::interrupted) {
      console_.log(LogLevel::error, to_string(error));
    }
  }

  [[nodiscard]] Error explain(Fate fate, const FilledTable& filled) const {
    Error error = std::move(fate.ended).error();
    if (error.kind == ErrorKind::interrupted) return error;
    const std::string rows =
        filled.adopted ? "the rows of " + filled.table.relation : counted(filled.rows, "row");
    if (fate.is_unknown) {
      error.message = fmt::format(
          "{} may be in the hypertable or not: the COMMIT of their hand-over was not answered: {}", rows,
          error.message);
      error.hint =
          options_.stays_owed
              ? "Run the import again: it hands them over if they are not there."
              : fmt::format(
                    "If the table {} still exists they are in it, and the next load removes it; if it is "
                    "gone, they are in the hypertable.",
                    filled.table.relation);
      return error;
    }
    error.message = fmt::format("{} could not be handed over to the hypertable: {}", rows, error.message);
    if (fate.is_gone) {
      error.hint = options_.stays_owed
                       ? "Somebody dropped it: forget the import, empty the table and load again."
                       : std::string(kWhyGone);
      return error;
    }
    if (options_.stays_owed) {
      error.hint = fmt::format("They wait in {}: put right what is in their way and run the import again.",
                               filled.table.relation);
    }
    if (error.hint.empty()) {
      error.hint = fmt::format("They are in {}: INSERT INTO {} ({}) SELECT {} FROM {}, then drop it.",
                               filled.table.relation, plan_.target, plan_.columns, plan_.columns,
                               filled.table.relation);
    }
    return error;
  }

  const ChunkBuildingPlan& plan_;
  const std::vector<FilledTable>& tables_;
  const HandOverOptions& options_;
  Console& console_;
  std::mutex mutex_;  // protects all below
  std::size_t next_ = 0;
  HandOverOutcome outcome_;
};

}  // namespace

HandOverOutcome hand_over(const ChunkBuildingPlan& plan, const std::vector<FilledTable>& tables,
                          const HandOverOptions& options, Console& console) {
  return HandOver(plan, tables, options, console).run();
}

}  // namespace hypercopy
