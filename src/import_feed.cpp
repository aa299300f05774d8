#include "import_feed.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <deque>
#include <utility>
#include <vector>

#include "input_fingerprint.hpp"
#include "planned_window.hpp"
#include "stopwatch.hpp"
#include "window_pair.hpp"

namespace hypercopy {

namespace {

// What decides which field of a record goes where, as text that is compared. Not the table's name, which may change.
std::string mapping_text(const InputFile& file) {
  return fmt::format("\"{}\" without fields {}", fmt::join(file.mapping.columns, "\",\""),
                     fmt::join(file.mapping.dropped, ","));
}

class ImportFeed final : public BatchFeed {
 public:
  ImportFeed(ImportLedger& ledger, InputOpener open_input, std::size_t inputs, const WindowOptions& options,
             FeedContext context)
      : ledger_(ledger),
        open_input_(std::move(open_input)),
        inputs_(inputs),
        options_(options),
        context_(std::move(context)) {}

  Result<std::optional<Batch>> next() override {
    if (!std::exchange(begun_, true) && ledger_.was_begun() && ledger_.can_read_again()) {
      HYPERCOPY_TRY(collect_left_over());
    }
    if (!left_over_.empty()) return take_left_over();
    while (number_ < inputs_) {
      HYPERCOPY_TRY(open(number_));
      HYPERCOPY_ASSIGN(std::optional<Batch> batch, next_of_input());
      if (batch) return batch;
      close();
      ++number_;
    }
    return next_left_over();
  }

 private:
  Status open(std::size_t number) {
    if (input_.reader && opened_ == number) return {};
    close();
    HYPERCOPY_ASSIGN(input_, open_announced(open_input_, number, context_.limits, context_));
    opened_ = number;
    first_ = input_.reader->position();
    wished_cut_.reset();
    if (options_.memory_bytes > 0 && input_.file->regroup_by)
      wished_cut_ = WindowCut{.slice = options_.slice, .field = *input_.file->regroup_by};
    HYPERCOPY_TRY(find_state());
    if (!input_.reader->source().size()) {
      HYPERCOPY_ASSIGN(const auto planned, ledger_.intervals(number, false));
      to_pass_.assign(planned.begin(), planned.end());
    }
    return {};
  }

  void close() {
    windows_.reset();
    input_ = {};
    to_pass_.clear();
  }

  // How far it is planned; the reader stands elsewhere. A failover may have taken back where it began, and how its windows
  // are cut: then another loader may have settled that otherwise, and what was filled into windows is of no use.
  Status find_state() {
    HYPERCOPY_ASSIGN(state_, ledger_.start_input(opened_, first_, mapping_text(*input_.file),
                                                 input_.file->prologue, wished_cut_));
    in_step_ = false;
    if (wished_cut_ && (!windows_ || cut_ != *state_.cut)) regroup(*state_.cut);
    return {};
  }

  void regroup(const WindowCut& cut) {
    cut_ = cut;
    windows_.emplace(options_, context_.pool, context_.shares,
                     [this](const InputFile& /*file*/) { return &cut_.field; });
  }

  Result<std::optional<Batch>> next_of_input() {
    HYPERCOPY_ASSIGN(std::optional<Batch> passed, pass_planned());
    if (passed) return passed;
    while (true) {
      if (windows_ && windows_->has_slice()) return next_slice();
      if (state_.complete) return std::optional<Batch>{};
      if (!in_step_) HYPERCOPY_TRY(go_on_behind_plan());
      // Workers need not wait for the first window.
      if (windows_ && std::exchange(has_given_out_, true)) {
        HYPERCOPY_TRY(plan_window());
      } else {
        HYPERCOPY_ASSIGN(std::optional<Batch> batch, plan_batch());
        if (batch) return batch;
      }
    }
  }

  // Nothing: the input has none any more, or others have planned it.
  Result<std::optional<Batch>> plan_batch() {
    HYPERCOPY_ASSIGN(std::optional<Batch> batch, input_.reader->next(input_.file));
    if (!batch) {
      HYPERCOPY_TRY(complete_input());
      return std::optional<Batch>{};
    }
    const PlannedInterval interval = interval_of(*batch);
    HYPERCOPY_ASSIGN(const bool planned, ledger_.plan(interval, input_.reader->position()));
    if (planned) return known(std::move(*batch), interval);
    HYPERCOPY_TRY(find_state());
    return std::optional<Batch>{};
  }

  Status complete_input() {
    HYPERCOPY_ASSIGN(state_.complete, ledger_.complete_input(number_, input_.reader->position()));
    return state_.complete ? Status{} : find_state();
  }

  Status plan_window() {
    HYPERCOPY_TRY(windows_->fill_up(read_));
    if (windows_->is_empty()) return complete_input();
    const Position behind = windows_->pending() ? windows_->pending()->first : input_.reader->position();
    windows_->turn(cut_.slice);
    TimeWindow& window = windows_->given_out();
    planned_ = {.input = number_,
                .first = window.first(),
                .behind = behind,
                .newline = window.newline(),
                .cut = cut_};
    while (true) {
      planned_.slices = contents_of(window);
      HYPERCOPY_ASSIGN(const bool planned, ledger_.plan(planned_));
      in_step_ = planned;
      if (planned) return {};
      // Others have planned a part of it meanwhile.
      HYPERCOPY_TRY(find_state());
      if (*planned_.cut != cut_) return {};
      const std::uint64_t byte = state_.planned.byte;
      if (state_.complete || byte < planned_.first.byte || byte >= behind.byte) {
        windows_->clear();
        return {};
      }
      window.drop_before(byte);
      window.cut(cut_.slice, cut_.field.interval);
      planned_.first = state_.planned;
    }
  }

  std::vector<SliceContent> contents_of(const TimeWindow& window) {
    const Stopwatch watch(context_.shares.reader_splitting);
    std::vector<SliceContent> contents;
    contents.reserve(window.slices());
    for (std::size_t slice = 0; slice < window.slices(); ++slice) contents.push_back(window.content(slice));
    return contents;
  }

  Result<std::optional<Batch>> next_slice() {
    HYPERCOPY_TRY(windows_->top_up(read_));
    const std::size_t slice = windows_->next_slice();
    HYPERCOPY_ASSIGN(Batch batch, windows_->gather());
    batch.claim = {.begin_byte = planned_.first.byte,
                   .slice = static_cast<std::uint32_t>(slice),
                   .content = planned_.slices[slice].content};
    return std::optional<Batch>(std::move(batch));
  }

  static std::optional<Batch> known(Batch batch, const PlannedInterval& interval) {
    batch.claim = {
        .begin_byte = interval.extent.first.byte, .slice = interval.slice, .content = interval.content};
    return batch;
  }

  // The part of a pipe that was planned by an earlier run.
  Result<std::optional<Batch>> pass_planned() {
    while (!to_pass_.empty()) {
      const PlannedInterval interval = to_pass_.front();
      to_pass_.pop_front();
      HYPERCOPY_ASSIGN(Batch batch, read_again(interval));
      if (!interval.done) return known(std::move(batch), interval);
    }
    return std::optional<Batch>{};
  }

  Result<Batch> read_again(const PlannedInterval& interval) {
    if (interval.is_slice()) return slice_again(interval);
    HYPERCOPY_ASSIGN(Batch batch, input_.reader->take(interval.extent, input_.file));
    if (content_hash(batch.bytes()) == interval.content) return batch;
    return fail(input_changed(input_.file->name, interval.extent.first, input_.reader->position()));
  }

  // Its neighbours come next, and a round later perhaps once more.
  Result<Batch> slice_again(const PlannedInterval& interval) {
    if (!again_.holds(interval)) {
      HYPERCOPY_ASSIGN(const auto slices, ledger_.slices_with(interval));
      HYPERCOPY_ASSIGN(const PlannedInput input, ledger_.input(interval.input));
      if (slices.size() != interval.slices || !input.cut)
        return fail(
            ErrorKind::target,
            "the ledger of this import lacks what it had: it was changed, or the server has failed over",
            "Run the same command again.");
      HYPERCOPY_TRY(again_.read(slices, *input.cut, options_.kernel, *input_.reader, input_.file));
    }
    return again_.gather(interval, context_.pool, context_.shares);
  }

  // --limit counts what all runs of the import have planned, over all inputs.
  Status go_on_behind_plan() {
    std::uint64_t wanted = context_.limits.total_records;
    if (wanted != UINT64_MAX) {
      for (std::size_t number = 0; number <= number_; ++number) {
        HYPERCOPY_ASSIGN(const PlannedInput input, ledger_.input(number));
        wanted -= std::min(wanted, input.planned.record - 1);
      }
    }
    again_ = {};
    if (windows_) windows_->clear();
    HYPERCOPY_TRY(input_.reader->go_on_at(state_.planned, state_.newline, wanted));
    in_step_ = true;
    return {};
  }

  PlannedInterval interval_of(const Batch& batch) const {
    return {.input = number_,
            .extent = {.first = batch.first,
                       .end_byte = batch.first.byte + batch.bytes().size(),
                       .records = batch.records,
                       .newline = batch.newline},
            .content = content_hash(batch.bytes())};
  }

  // Each round ends with all of this loader's batches settled; what is open then is somebody else's, or was handed back.
  Result<std::optional<Batch>> next_left_over() {
    while (left_over_.empty()) {
      close();
      if (!context_.pool.wait_until_idle()) return fail(ErrorKind::interrupted, "stopped");
      HYPERCOPY_TRY(collect_left_over());
      if (left_over_.empty()) break;
      if (left_over_.size() == left_before_) HYPERCOPY_TRY(ledger_.wait_for(left_over_.front()));
      left_before_ = left_over_.size();
    }
    return left_over_.empty() ? finished() : take_left_over();
  }

  // REQUIRES: there is one.
  Result<std::optional<Batch>> take_left_over() {
    const PlannedInterval interval = left_over_.front();
    left_over_.pop_front();
    HYPERCOPY_TRY(open(interval.input));
    if (!input_.reader->source().size()) return cannot_read_again(interval);
    HYPERCOPY_ASSIGN(Batch batch, read_again(interval));
    return known(std::move(batch), interval);
  }

  Status collect_left_over() {
    for (std::size_t number = 0; number < inputs_; ++number) {
      HYPERCOPY_ASSIGN(const auto open, ledger_.intervals(number, true));
      left_over_.insert(left_over_.end(), open.begin(), open.end());
    }
    return {};
  }

  Result<std::optional<Batch>> cannot_read_again(const PlannedInterval& interval) const {
    return fail(
        Error{.kind = ErrorKind::input,
              .message = fmt::format("{} records of {} are not loaded, and a pipe cannot be read again",
                                     interval.extent.records, input_.file->name),
              .hint = "Run the same command again with the same input: what is loaded is passed over.",
              .location = Location{.source = input_.file->name, .at = interval.extent.first}});
  }

  // A crash of the server may take back what was planned without waiting for the disk: then it is cut again.
  Result<std::optional<Batch>> finished() {
    HYPERCOPY_ASSIGN(const bool done, ledger_.finish());
    if (done) return std::optional<Batch>{};
    if (rounds_++ == kMostRounds) {
      return fail(ErrorKind::internal, "the ledger of this import does not come to an end",
                  "Run the same command again.");
    }
    number_ = 0;
    left_before_ = 0;
    return next();
  }

  static constexpr int kMostRounds = 100;

  ImportLedger& ledger_;
  InputOpener open_input_;
  std::size_t inputs_;
  WindowOptions options_;
  FeedContext context_;
  bool begun_ = false;
  bool has_given_out_ = false;  // a batch that was planned anew
  std::size_t number_ = 0;      // the input that is cut; `inputs_`: all are
  OpenedInput input_{};
  std::size_t opened_ = 0;  // its number
  Position first_{};        // of its records
  std::optional<WindowCut> wished_cut_{};
  PlannedInput state_{};
  bool in_step_ = false;                 // the reader stands behind the plan
  std::optional<WindowPair> windows_{};  // where the input is regrouped
  WindowCut cut_{};                      // as the ledger has it
  WindowPair::Next read_ = [this] { return input_.reader->next(input_.file); };
  PlannedWindow planned_{};  // whose slices are given out
  WindowReadAgain again_{};
  std::deque<PlannedInterval> to_pass_{};
  std::deque<PlannedInterval> left_over_{};
  std::size_t left_before_ = 0;  // of the round before
  int rounds_ = 0;
};

}  // namespace

FeedOpener import_feed(ImportLedger& ledger, InputOpener open_input, std::size_t inputs,
                       const WindowOptions& windows) {
  return [&ledger, open_input = std::move(open_input), inputs, windows](const FeedContext& context) {
    return std::make_unique<ImportFeed>(ledger, open_input, inputs, windows, context);
  };
}

}  // namespace hypercopy
