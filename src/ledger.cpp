#include "hypercopy/ledger.hpp"

namespace hypercopy {

bool LedgerTotals::balanced() const {
  const std::uint64_t ended =
      committed.records + skipped.records + failed.records + unknown.records + dropped.records;
  return split.records == ended && rows_loaded + rows_suppressed == committed.records;
}

void Ledger::split(std::uint64_t records, std::uint64_t bytes) {
  const std::lock_guard lock(mutex_);
  totals_.split.add(records, bytes);
}

void Ledger::committed(std::uint64_t records, std::uint64_t bytes, std::uint64_t rows) {
  const std::lock_guard lock(mutex_);
  totals_.committed.add(records, bytes);
  totals_.rows_loaded += rows;
  // Never negative: a surplus of rows in one batch must not be hidden by rows suppressed in another.
  totals_.rows_suppressed += rows < records ? records - rows : 0;
}

void Ledger::skipped(std::uint64_t records, std::uint64_t bytes) {
  const std::lock_guard lock(mutex_);
  totals_.skipped.add(records, bytes);
}

void Ledger::failed(std::uint64_t records, std::uint64_t bytes) {
  const std::lock_guard lock(mutex_);
  totals_.failed.add(records, bytes);
}

void Ledger::unknown(std::uint64_t records, std::uint64_t bytes) {
  const std::lock_guard lock(mutex_);
  totals_.unknown.add(records, bytes);
}

void Ledger::dropped(std::uint64_t records, std::uint64_t bytes) {
  const std::lock_guard lock(mutex_);
  totals_.dropped.add(records, bytes);
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

std::optional<Error> Ledger::error() const {
  const std::lock_guard lock(mutex_);
  return error_;
}

}  // namespace hypercopy
