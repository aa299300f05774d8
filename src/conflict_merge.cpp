#include "hypercopy/conflict_merge.hpp"

#include <algorithm>

#include "stopwatch.hpp"

namespace hypercopy {

Error ConflictMerge::of_target(Error error, const InputFile& file) const {
  if (!file.merge) return error;
  const std::string& staging = file.merge->staging;
  for (std::size_t at = error.context.find(staging); at != std::string::npos;
       at = error.context.find(staging, at + relation_.size())) {
    error.context.replace(at, staging.size(), relation_);
  }
  return error;
}

Result<Stored> ConflictMerge::store(const Batch& batch, const TransactionHead& head, CopyForm form) {
  const InputFile& file = *batch.file;
  if (file.merge && expects_conflicts()) return merge(batch, head, form);
  auto copied = copier_.copy(batch, head, {file.copy_sql, file.binary_sql}, form);
  if (copied) {
    if (copied->claimed) remember(false);
    return Stored{.claimed = copied->claimed, .rows = {.loaded = copied->rows}};
  }
  if (!file.merge || !is_key_clash(copied.error())) return fail(std::move(copied).error());
  stream_.abort("a key is in the table: merged");
  return merge(batch, head, form);
}

Result<Stored> ConflictMerge::merge(const Batch& batch, const TransactionHead& head, CopyForm form) {
  const MergeSql& sql = *batch.file->merge;
  TransactionHead staging = head;
  staging.settings += sql.create;
  auto copied =
      copier_.copy(batch, staging, {sql.copy_sql, sql.binary_sql, /*in_order_of_input=*/true}, form);
  if (!copied) return fail(of_target(std::move(copied).error(), *batch.file));
  if (!copied->claimed) return Stored{.claimed = false};
  HYPERCOPY_ASSIGN(const RowCounts rows, merge_staged(sql, copied->rows));
  remember(rows.loaded < copied->rows);
  return Stored{.rows = rows};
}

Status ConflictMerge::begin_whole(const InputFile& file) {
  if (file.merge) HYPERCOPY_TRY(stream_.execute(file.merge->create));
  HYPERCOPY_TRY(stream_.begin({}, file.merge ? file.merge->copy_sql : file.copy_sql));
  return {};
}

Result<RowCounts> ConflictMerge::finish_whole(const InputFile& file) {
  HYPERCOPY_ASSIGN(const std::uint64_t copied, stream_.finish());
  if (!file.merge) return RowCounts{.loaded = copied};
  HYPERCOPY_ASSIGN(const RowCounts rows, merge_staged(*file.merge, copied));
  HYPERCOPY_TRY(stream_.execute(file.merge->clear));
  return rows;
}

Result<RowCounts> ConflictMerge::merge_staged(const MergeSql& sql, std::uint64_t staged) {
  const Stopwatch watch(shares_.worker_sending);
  HYPERCOPY_ASSIGN(const std::uint64_t touched, stream_.execute(sql.insert));
  if (!sql.inserted.empty()) return count_each(sql);
  return sql.changed.empty() ? count_left_out(sql, staged, touched) : count_updated(sql, staged, touched);
}

// Each key has one row; its other records were superseded.
Result<RowCounts> ConflictMerge::count_updated(const MergeSql& sql, std::uint64_t staged,
                                               std::uint64_t touched) {
  HYPERCOPY_ASSIGN(const std::uint64_t changed, stream_.number(sql.changed));
  const std::uint64_t inserted = touched - std::min(changed, touched);
  return RowCounts{.loaded = inserted, .updated = staged - std::min(staged, inserted)};
}

Result<RowCounts> ConflictMerge::count_each(const MergeSql& sql) {
  HYPERCOPY_ASSIGN(const std::uint64_t inserted, stream_.number(sql.inserted));
  HYPERCOPY_ASSIGN(const std::uint64_t changed, stream_.number(sql.changed));
  return RowCounts{.loaded = inserted, .updated = changed};
}

Result<RowCounts> ConflictMerge::count_left_out(const MergeSql& sql, std::uint64_t staged,
                                                std::uint64_t inserted) {
  std::uint64_t present = staged;
  if (!sql.keys.empty()) {
    HYPERCOPY_ASSIGN(present, stream_.number(sql.keys));
  }
  const std::uint64_t left_out = staged - std::min(staged, inserted);
  return RowCounts{.loaded = inserted,
                   .conflicts = std::min(left_out, present - std::min(present, inserted))};
}

// As a branch predictor does: one batch out of the row changes nothing.
void ConflictMerge::remember(bool had_conflicts) {
  conflicts_expected_ = std::clamp(conflicts_expected_ + (had_conflicts ? 1 : -1), 0, kSure);
}

std::optional<RecordInBatch> ConflictMerge::find_refused(const Batch& batch, const std::string& sqlstate) {
  if (!batch.file->merge || !batch.file->mapping.dropped.empty()) return std::nullopt;
  std::uint64_t first = 0;
  for (std::uint64_t count = batch.records; count > 1 && stream_.is_usable();) {
    const auto from = record_at_index(batch, first);
    const auto to = record_at_index(batch, first + count / 2);
    if (!from || !to) return std::nullopt;
    const std::string_view half(from->bytes.data(),
                                static_cast<std::size_t>(to->bytes.data() - from->bytes.data()));
    if (refuses(batch, half, sqlstate)) {
      count /= 2;
    } else {
      first += count / 2;
      count -= count / 2;
    }
  }
  const auto record = record_at_index(batch, first);
  if (!record || !stream_.is_usable() || !refuses(batch, record->bytes, sqlstate)) return std::nullopt;
  return record;
}

bool ConflictMerge::refuses(const Batch& batch, std::string_view records, const std::string& sqlstate) {
  const MergeSql& sql = *batch.file->merge;
  Status stored;
  const auto copied = copier_.send(records, {.settings = sql.create}, sql.copy_sql);
  if (copied) {
    if (const auto merged = merge_staged(sql, copied->rows); !merged) stored = fail(merged.error());
  } else {
    stored = fail(copied.error());
  }
  stream_.abort("replayed to find a bad record");
  return !stored && stored.error().sqlstate == sqlstate;
}

}  // namespace hypercopy
