#include "hypercopy/ledger.hpp"

#include <utility>

namespace hypercopy {

bool LedgerTotals::balanced() const {
  const std::uint64_t ended = committed.records + already_done.records + staged.records + skipped.records +
                              failed.records + unknown.records + dropped.records;
  const std::uint64_t became =
      rows_loaded + rows_updated + records_conflicted + records_rejected + rows_suppressed;
  return split.records == ended && became == committed.records;
}

void LedgerTotals::add(const LedgerTotals& more) {
  split.add(more.split);
  committed.add(more.committed);
  already_done.add(more.already_done);
  staged.add(more.staged);
  skipped.add(more.skipped);
  failed.add(more.failed);
  unknown.add(more.unknown);
  dropped.add(more.dropped);
  attempts_again += more.attempts_again;
  bytes_sent += more.bytes_sent;
  rows_loaded += more.rows_loaded;
  rows_updated += more.rows_updated;
  records_conflicted += more.records_conflicted;
  records_rejected += more.records_rejected;
  rows_suppressed += more.rows_suppressed;
}

void LedgerTotals::take_back(Counts LedgerTotals::*ending) {
  (this->*ending).add(std::exchange(committed, {}));
  rows_loaded = rows_updated = records_conflicted = records_rejected = rows_suppressed = 0;
}

void LedgerTotals::suppress(std::uint64_t rows) {
  rows_loaded -= rows;
  rows_suppressed += rows;
}

template <typename Change>
void Ledger::count(const BatchSize& batch, Change change) {
  const std::lock_guard lock(mutex_);
  change(totals_);
  change(inputs_[batch.input]);
}

void Ledger::split(const BatchSize& batch) {
  count(batch, [&](LedgerTotals& totals) { totals.split.add(batch); });
}

void Ledger::committed(const BatchSize& batch, const RowCounts& rows) {
  count(batch, [&](LedgerTotals& totals) {
    totals.committed.add(batch);
    totals.rows_loaded += rows.loaded;
    totals.rows_updated += rows.updated;
    totals.records_conflicted += rows.conflicts;
    totals.records_rejected += rows.rejected;
    // Never negative: a surplus of rows in one batch must not be hidden by rows suppressed in another.
    totals.rows_suppressed += rows.sum() < batch.records ? batch.records - rows.sum() : 0;
  });
}

void Ledger::already_done(const BatchSize& batch) {
  count(batch, [&](LedgerTotals& totals) { totals.already_done.add(batch); });
}

void Ledger::skipped(const BatchSize& batch) {
  count(batch, [&](LedgerTotals& totals) { totals.skipped.add(batch); });
}

void Ledger::failed(const BatchSize& batch) {
  count(batch, [&](LedgerTotals& totals) { totals.failed.add(batch); });
}

void Ledger::unknown(const BatchSize& batch) {
  count(batch, [&](LedgerTotals& totals) { totals.unknown.add(batch); });
}

void Ledger::dropped(const BatchSize& batch) {
  count(batch, [&](LedgerTotals& totals) { totals.dropped.add(batch); });
}

void Ledger::handed_back(const BatchSize& batch) {
  count(batch, [&](LedgerTotals& totals) { totals.split.take_away(batch); });
}

void Ledger::tried_again() {
  const std::lock_guard lock(mutex_);
  ++totals_.attempts_again;
}

void Ledger::sent(std::uint64_t bytes) {
  const std::lock_guard lock(mutex_);
  totals_.bytes_sent += bytes;
}

bool Ledger::set_error(Error error) {
  const std::lock_guard lock(mutex_);
  if (error_) {
    return false;
  }
  error_ = std::move(error);
  return true;
}

LedgerTotals Ledger::totals() const {
  const std::lock_guard lock(mutex_);
  return totals_;
}

std::vector<LedgerTotals> Ledger::input_totals() const {
  const std::lock_guard lock(mutex_);
  return inputs_;
}

std::optional<Error> Ledger::error() const {
  const std::lock_guard lock(mutex_);
  return error_;
}

}  // namespace hypercopy
