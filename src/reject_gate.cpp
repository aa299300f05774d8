#include "hypercopy/reject_gate.hpp"

#include <fmt/format.h>

#include <utility>

#include "human_units.hpp"
#include "hypercopy/input_file.hpp"

namespace hypercopy {

bool RejectGate::is_too_many(std::uint64_t rejected, bool at_end) const {
  if (limit_.records) return rejected > *limit_.records;
  if (!limit_.percent) return false;
  const std::uint64_t read = ledger_.totals().split.records;
  if (!at_end && read < kEnoughToJudge) return false;
  return static_cast<double>(rejected) * 100 > *limit_.percent * static_cast<double>(read);
}

Error RejectGate::too_many(const Batch& batch, const RejectedRecord& last) const {
  return Error{.kind = ErrorKind::input,
               .message = fmt::format("too many bad records (--max-rejects {}); the last one: {}",
                                      to_string(limit_), last.message),
               .sqlstate = last.sqlstate,
               .detail = last.detail,
               .hint = "The batch it is in was rolled back, its bad records are not in the reject file.",
               .column = last.column,
               .constraint = last.constraint,
               .location = Location{.source = batch.file->name, .at = last.at}};
}

Status RejectGate::allows(const Batch& batch, std::span<const RejectedRecord> records) const {
  if (records.empty() || !is_too_many(rejected_ + records.size(), /*at_end=*/false)) return {};
  return fail(too_many(batch, records.back()));
}

// Rejects of a batch that is rolled back count no more.
class RejectGate::Counted final : public KeptRejects {
 public:
  Counted(std::atomic<std::uint64_t>& rejected, std::uint64_t records)
      : rejected_(rejected), records_(records) {}
  ~Counted() override { give_back(); }
  Counted(const Counted&) = delete;
  Counted& operator=(const Counted&) = delete;

  void hold(std::unique_ptr<KeptRejects> kept) { kept_ = std::move(kept); }
  Status end(CommitOutcome outcome) override {
    if (outcome == CommitOutcome::rolled_back) give_back();
    records_ = 0;
    return kept_->end(outcome);
  }
  std::string place() const override { return kept_->place(); }

 private:
  void give_back() { rejected_ -= std::exchange(records_, 0); }

  std::atomic<std::uint64_t>& rejected_;
  std::uint64_t records_;
  std::unique_ptr<KeptRejects> kept_;
};

Result<std::unique_ptr<KeptRejects>> RejectGate::keep(const Batch& batch,
                                                      std::span<const RejectedRecord> records,
                                                      CopyStream& stream) {
  const std::uint64_t rejected = rejected_.fetch_add(records.size()) + records.size();
  auto account = std::make_unique<Counted>(rejected_, records.size());
  if (is_too_many(rejected, /*at_end=*/false)) return fail(too_many(batch, records.back()));
  HYPERCOPY_ASSIGN(auto kept, sink_.keep(batch, records, stream));
  account->hold(std::move(kept));
  return account;
}

Status RejectGate::judge_at_end() const {
  if (!is_too_many(rejected_, /*at_end=*/true)) return {};
  return fail(
      ErrorKind::input,
      fmt::format("too many bad records: {} of {} were rejected (--max-rejects {})", grouped(rejected_),
                  counted(ledger_.totals().split.records, "record"), to_string(limit_)),
      "All others are loaded.");
}

}  // namespace hypercopy
