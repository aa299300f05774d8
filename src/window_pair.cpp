#include "window_pair.hpp"

#include <utility>

#include "hypercopy/input_file.hpp"
#include "stopwatch.hpp"

namespace hypercopy {

bool WindowPair::may_fill() const {
  if (pending_) return takes(*pending_);
  return !ended_ && !filled_.is_full(pool_.buffer_bytes());
}

bool WindowPair::takes(const Batch& batch) const {
  return field_of_(*batch.file) != nullptr && filled_.takes(batch);
}

Status WindowPair::fill_up(const Next& next) {
  while (may_fill()) HYPERCOPY_TRY(fill(next));
  return {};
}

Status WindowPair::top_up(const Next& next) { return may_fill() ? fill(next) : Status{}; }

// REQUIRES: may_fill().
Status WindowPair::fill(const Next& next) {
  std::optional<Batch> batch = take_pending();
  if (!batch) {
    HYPERCOPY_ASSIGN(batch, next());
  }
  ended_ = !batch;
  if (!batch) return {};
  if (takes(*batch)) return add(*batch);
  pending_ = std::move(batch);
  return {};
}

Status WindowPair::add(const Batch& batch) {
  const InputFile& file = *batch.file;
  if (file_ != batch.file) {
    column_.emplace(file.dialect, file.split, *field_of_(file), kernel_);
    file_ = batch.file;
  }
  const Stopwatch watch(shares_.reader_splitting);
  return filled_.add(batch, *column_);
}

void WindowPair::turn(const SliceLimits& limits) {
  const Stopwatch watch(shares_.reader_splitting);
  std::swap(filled_, given_out_);
  filled_.clear();
  given_out_.cut(limits, field_of_(*given_out_.file())->interval);
  next_slice_ = 0;
}

Result<Batch> WindowPair::gather() { return gather_slice(given_out_, next_slice_++, pool_, shares_); }

void WindowPair::clear() {
  filled_.clear();
  given_out_.clear();
  next_slice_ = 0;
  pending_.reset();
  ended_ = false;
}

Result<Batch> gather_slice(TimeWindow& window, std::size_t slice, BatchPool& pool, TimeShares& shares) {
  std::optional<ByteBuffer> buffer;
  {
    const Stopwatch watch(shares.reader_waiting);
    buffer = pool.acquire();
  }
  if (!buffer) return fail(ErrorKind::interrupted, "stopped while batches were regrouped");
  const Stopwatch watch(shares.reader_splitting);
  return window.gather(slice, PooledBuffer(pool, std::move(*buffer)));
}

}  // namespace hypercopy
