// Stands in front of a run's reject sink and sees to it that no more is rejected than may be.
// Shape:   allows() tells, while a batch is worked through, whether it may go on; keep() counts its rejects and hands them
//          to the sink, or refuses them all. A share is one of the records read so far, judged from kEnoughToJudge on and,
//          whatever their number, at the end. Rejects of a batch that is rolled back count no more.
// Threads: any.
// Errors:  input: too many, with the last reason; the batch must be rolled back. As the sink gives them.
#pragma once

#include <atomic>
#include <cstdint>

#include "hypercopy/ledger.hpp"
#include "hypercopy/reject_limit.hpp"
#include "hypercopy/reject_sink.hpp"

namespace hypercopy {

class RejectGate {
 public:
  // Fewer records say nothing about a share: a file may begin with its bad ones.
  static constexpr std::uint64_t kEnoughToJudge = 10'000;

  // `ledger` knows how many records were read.
  RejectGate(RejectSink& sink, RejectLimit limit, const Ledger& ledger)
      : sink_(sink), limit_(limit), ledger_(ledger) {}

  // Whether the batch may go on with these rejects, none of which was kept so far.
  [[nodiscard]] Status allows(const Batch& batch, std::span<const RejectedRecord> records) const;
  // As RejectSink::keep().
  [[nodiscard]] Result<std::unique_ptr<KeptRejects>> keep(const Batch& batch,
                                                          std::span<const RejectedRecord> records,
                                                          CopyStream& stream);
  // When all was read and committed.
  [[nodiscard]] Status judge_at_end() const;

 private:
  class Counted;

  [[nodiscard]] bool is_too_many(std::uint64_t rejected, bool at_end) const;
  [[nodiscard]] Error too_many(const Batch& batch, const RejectedRecord& last) const;

  RejectSink& sink_;
  RejectLimit limit_;
  const Ledger& ledger_;
  std::atomic<std::uint64_t> rejected_{0};
};

}  // namespace hypercopy
