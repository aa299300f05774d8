#include "hypercopy/bad_record_isolation.hpp"

#include <algorithm>
#include <cmath>
#include <optional>
#include <utility>

#include "hypercopy/failure_location.hpp"
#include "record_index.hpp"

namespace hypercopy {

namespace {

constexpr const char* kSavepoint = "SAVEPOINT hypercopy_run; ";
constexpr const char* kNextSavepoint = "RELEASE SAVEPOINT hypercopy_run; SAVEPOINT hypercopy_run; ";
constexpr const char* kRollBack = "ROLLBACK TO SAVEPOINT hypercopy_run; ";
constexpr const char* kCheckNow = "SET CONSTRAINTS ALL IMMEDIATE";

// In the unit of what a row costs: a savepoint and a COPY of their own, and what is more for each of the first 1,000 rows
// of a COPY BINARY. Measured on PostgreSQL 15, and much the same on 18: runs of 1,000 rows take twice the server's CPU of
// runs of 4,000, and half as much again as runs of 300. That is a cost that grows with the square of the rows up to the
// 1,000 that COPY buffers, and none beyond: its slots all pin one row description, and equal entries of a resource owner's
// hash table collide (perf: ResourceOwnerRememberTupleDesc and its like). So runs are best either some hundred rows long or
// some thousand.
constexpr double kRowsPerRun = 85;
constexpr double kRowsPerFullRun = 800;
constexpr double kGrowth = 0.00075;
constexpr double kRunsAreLong = 8000;
// At less distance between bad records than this a run of several is refused too often.
constexpr double kWorthARun = 4;
// Given-up records that turn out to be good, before a batch is sent as it is.
constexpr std::uint64_t kMostOddRecords = 8;
constexpr std::size_t kLeastProbe = 16;

}  // namespace

std::uint64_t BadRecordIsolation::run_length() const {
  if (std::isinf(distance_)) return UINT64_MAX;
  if (distance_ < kWorthARun) return 1;
  const double length = distance_ >= kRunsAreLong ? std::sqrt(2 * kRowsPerFullRun * distance_)
                                                  : std::sqrt(kRowsPerRun / (kGrowth + 0.5 / distance_));
  return static_cast<std::uint64_t>(std::min(distance_, length));
}

void BadRecordIsolation::accepted(std::uint64_t records) {
  since_refused_ += records;
  distance_ = std::max(distance_, static_cast<double>(since_refused_));
}

void BadRecordIsolation::refused() {
  const double seen = static_cast<double>(since_refused_) + 1;
  distance_ = std::isinf(distance_) ? seen : (distance_ + seen) / 2;
  since_refused_ = 0;
}

void BadRecordIsolation::refused_somewhere_in(std::uint64_t records) {
  if (std::isinf(distance_)) distance_ = static_cast<double>(records) / 2;
}

// One batch in one transaction.
class BadRecordIsolation::Pass {
 public:
  Pass(BadRecordIsolation& owner, const Batch& batch, const TransactionHead& head, Checks checks,
       const MayGoOn& may_go_on, MergeTurns::Turn& turn)
      : owner_(owner),
        copier_(owner.copier_),
        batch_(batch),
        head_(head),
        checks_(checks),
        may_go_on_(may_go_on),
        turn_(turn),
        encodes_(copier_.encodes(*batch.file)),
        whole_(checks == Checks::with_copy && owner.run_length() >= batch.records),
        merges_(batch.file->merge && (!whole_ || owner.store_.expects_conflicts())) {}

  Result<Isolated> run() {
    if (!whole_) turn_.take_alone();
    while (at_ < batch_.records) {
      HYPERCOPY_TRY(send_next());
      if (!result_.claimed) return std::move(result_);
    }
    HYPERCOPY_TRY(leave_open());
    if (batch_.file->merge) owner_.store_.remember(result_.rows.updated + result_.rows.conflicts > 0);
    if (encodes_) copier_.note_encoded();
    return std::move(result_);
  }

 private:
  enum class LatestRun : std::uint8_t { none, accepted, refused };
  static constexpr std::size_t kNone = SIZE_MAX;

  [[nodiscard]] const RecordIndex& index() {
    if (!index_) index_.emplace(batch_, owner_.policy_.kernel);
    return *index_;
  }
  [[nodiscard]] std::string_view bytes_to(std::size_t end) {
    return at_ == 0 && end == batch_.records ? batch_.bytes() : index().bytes(at_, end);
  }

  // Runs end at the nearest cut, or when they are long enough.
  [[nodiscard]] std::size_t next_end() const {
    if (!cuts_.empty()) return cuts_.back();
    const std::size_t left = batch_.records - at_;
    return whole_ ? batch_.records : at_ + std::min<std::size_t>(left, owner_.run_length());
  }
  // Farther ones first.
  void cut_at(std::size_t record) {
    const std::size_t nearest = cuts_.empty() ? batch_.records : cuts_.back();
    if (record > at_ && record < nearest) cuts_.push_back(record);
  }
  void move_to(std::size_t record) {
    at_ = record;
    while (!cuts_.empty() && cuts_.back() <= at_) cuts_.pop_back();
  }

  // Runs that are copied into the target could not be followed by one that clashes.
  void send_in_runs() {
    if (!std::exchange(whole_, false)) return;
    if (is_open_) owner_.stream_.abort("its bad records are looked for");
    merges_ = batch_.file->merge.has_value();
    latest_ = LatestRun::none;
    is_open_ = false;
    turn_.take_alone();
  }

  Status send_next() {
    const std::size_t end = next_end();
    const bool alone = end - at_ == 1 && !whole_;
    if (!encodes_ || alone) return send_as_is(end);
    return send_encoded(at_ + std::min(end - at_, probe_));
  }

  Status send_encoded(std::size_t end) {
    const EncodedFront front = copier_.encode_front(batch_, bytes_to(end));
    if (!front.why) {
      if (probe_ <= batch_.records) probe_ *= 4;
      return send(front.stream, end, &front);
    }
    send_in_runs();
    return send_front(end, front);
  }

  // What lies before the record that is given up; that record is a run of its own then.
  Status send_front(std::size_t end, EncodedFront front) {
    const bool is_exact = !front.why->column.empty();
    if (!is_exact && front.records == 0) {
      const std::size_t good = count_encodable(end);
      give_up_at(at_ + good, *front.why);
      if (good == 0) return {};
      front = copier_.encode_front(batch_, bytes_to(at_ + good));
    } else if (is_exact) {
      give_up_at(at_ + front.records, *front.why);
    }
    if (front.records == 0) return {};
    return send(front.stream, at_ + front.records, &front);
  }

  void give_up_at(std::size_t record, const GivenUp& why) {
    given_up_ = record;
    probe_ = std::max(kLeastProbe, 2 * (record - at_));
    why_ = {.record = record, .column = why.column};
    cut_at(record + 1);
    cut_at(record);
  }

  // The encoder does not tell which record has another number of fields, only that one has.
  std::size_t count_encodable(std::size_t end) {
    std::size_t good = 0;
    std::size_t bad = end - at_;
    while (bad - good > 1) {
      const std::size_t middle = good + (bad - good) / 2;
      const EncodedFront front = copier_.encode_front(batch_, bytes_to(at_ + middle));
      good = std::max<std::size_t>(good, front.records);
      if (front.why) bad = front.why->column.empty() ? middle : front.records + 1;
    }
    return good;
  }

  Status send_as_is(std::size_t end) {
    std::size_t bad_record = 0;
    auto bytes = copier_.prepare_run(batch_, bytes_to(end), bad_record);
    if (bytes) return send(*bytes, end, /*encoded=*/nullptr);
    send_in_runs();
    if (end - at_ == 1) return reject(bytes.error());
    cut_at(at_ + bad_record + 1);
    cut_at(at_ + bad_record);
    return {};
  }

  // `encoded`: what `bytes` are the stream of. Sorted by time or not: an accepted run has no clash in any order, and only
  // single records are rejected.
  Status send(std::string_view bytes, std::size_t end, const EncodedFront* encoded) {
    const bool may_clash = batch_.file->merge && !merges_;
    auto written = write(bytes, end - at_, encoded);
    if (!written)
      return may_clash && is_key_clash(written.error()) ? merge_from_now_on() : fail(written.error());
    result_.claimed = written->claimed;
    if (!written->claimed) return {};
    is_open_ = true;
    if (!written->refused && checks_ == Checks::behind_each_run) {
      HYPERCOPY_ASSIGN(written->refused, check_now());
    }
    if (written->refused && may_clash && is_key_clash(*written->refused)) return merge_from_now_on();
    if (written->refused) return cut(bytes, end, *written->refused, encoded != nullptr);
    latest_ = LatestRun::accepted;
    result_.rows.add(written->rows);
    accept(end);
    return {};
  }

  // What became of one run.
  struct Run {
    bool claimed = true;
    RowCounts rows{};
    std::optional<Error> refused{};
  };

  [[nodiscard]] Result<Run> write(std::string_view bytes, std::uint64_t records,
                                  const EncodedFront* encoded) {
    if (merges_) return merge(bytes, records, encoded != nullptr);
    const InputFile& file = *batch_.file;
    const std::string copy_sql = before_copy() + (encoded != nullptr ? file.binary_sql : file.copy_sql);
    HYPERCOPY_ASSIGN(Copied copied, encoded != nullptr ? copier_.send_run(file, *encoded, head_, copy_sql)
                                                       : copier_.send_run(bytes, head_, copy_sql));
    if (copied.claimed && !copied.refused) {
      HYPERCOPY_TRY(check_row_count(records, copied.rows, owner_.policy_.may_suppress_rows));
    }
    return Run{
        .claimed = copied.claimed, .rows = {.loaded = copied.rows}, .refused = std::move(copied.refused)};
  }

  [[nodiscard]] Result<Run> merge(std::string_view bytes, std::uint64_t records, bool as_binary) {
    const MergeSql& sql = *batch_.file->merge;
    const std::string clear = latest_ == LatestRun::accepted ? sql.clear + "; " : "";
    TransactionHead head = head_;
    head.settings += sql.create;
    HYPERCOPY_ASSIGN(
        Copied copied,
        copier_.send_run(bytes, head, before_copy() + clear + (as_binary ? sql.binary_sql : sql.copy_sql)));
    if (!copied.claimed) return Run{.claimed = false};
    if (copied.refused)
      return Run{.refused = owner_.store_.of_target(std::move(*copied.refused), *batch_.file)};
    HYPERCOPY_TRY(check_row_count(records, copied.rows, /*may_suppress_rows=*/false));
    auto merged = owner_.store_.merge_staged(sql, copied.rows);
    if (merged) return Run{.rows = *merged};
    if (!is_data_error(merged.error())) return fail(std::move(merged).error());
    return Run{.refused = std::move(merged).error()};
  }

  // A key is in the table: the batch, of which nothing was accepted yet, is begun anew.
  Status merge_from_now_on() {
    merges_ = true;
    owner_.stream_.abort("a key is in the table: merged");
    is_open_ = false;
    latest_ = LatestRun::none;
    return {};
  }

  [[nodiscard]] std::string before_copy() const {
    if (whole_) return {};
    switch (latest_) {
      case LatestRun::none:
        return kSavepoint;
      case LatestRun::accepted:
        return kNextSavepoint;
      case LatestRun::refused:
        return kRollBack;
    }
    return {};
  }

  [[nodiscard]] Result<std::optional<Error>> check_now() {
    auto checked = owner_.stream_.execute(kCheckNow);
    if (checked) return std::optional<Error>();
    if (!is_data_error(checked.error())) return fail(std::move(checked).error());
    return std::optional(std::move(checked).error());
  }

  void accept(std::size_t end) {
    const bool alone = end - at_ == 1;
    if (alone && at_ == suspected_) trusts_lines_ = false;
    if (alone && at_ == given_up_ && ++odd_ >= kMostOddRecords && odd_ > known_bad_) {
      encodes_ = false;
      copier_.note_given_up(batch_, why_);
    }
    owner_.accepted(end - at_);
    move_to(end);
  }

  Status cut(std::string_view sent, std::size_t end, const Error& error, bool as_binary) {
    const std::size_t named = named_record(sent, end, error, as_binary);
    latest_ = LatestRun::refused;
    send_in_runs();
    const std::size_t records = end - at_;
    if (records == 1 && !as_binary) return reject(error);
    if (records == 1) {
      cut_at(end);
    } else if (named != kNone) {
      suspected_ = named;
      cut_at(named + 1);
      cut_at(named);
    } else {
      halve(end);
    }
    return {};
  }

  // A long run is first cut to the usual length: what lies behind it would only be sent in vain once more.
  void halve(std::size_t end) {
    const std::size_t records = end - at_;
    owner_.refused_somewhere_in(records);
    const std::uint64_t usual = owner_.run_length();
    if (records / 2 > usual) return cut_at(at_ + usual);
    cut_at(end);
    cut_at(at_ + records / 2);
  }

  // kNone: the server names none, or its lines lead astray.
  [[nodiscard]] std::size_t named_record(std::string_view sent, std::size_t end, const Error& error,
                                         bool as_binary) {
    const auto named = parse_copy_context(error.context, owner_.policy_.relation, batch_.file->mapping);
    if (!trusts_lines_ || !named || named->line == 0) return kNone;
    const std::uint64_t record =
        as_binary ? copier_.record_sent_as(named->line - 1)
                  : index_at_server_line({.batch = batch_, .bytes = sent}, named->line).value_or(kNone);
    return record < end - at_ ? at_ + record : kNone;
  }

  Status reject(const Error& error) {
    if (at_ == given_up_) {
      ++known_bad_;
    } else {
      owner_.refused();
    }
    std::string column = error.column;
    if (column.empty()) {
      const auto named = parse_copy_context(error.context, owner_.policy_.relation, batch_.file->mapping);
      if (named) column = named->column;
    }
    result_.rejected.push_back({.at = index().position(at_),
                                .bytes = bytes_to(at_ + 1),
                                .sqlstate = error.sqlstate,
                                .column = std::move(column),
                                .constraint = error.constraint,
                                .message = error.message,
                                .detail = error.detail});
    move_to(at_ + 1);
    return may_go_on_(result_.rejected);
  }

  // The transaction is there, and not in a failed state.
  Status leave_open() {
    if (!is_open_) {
      HYPERCOPY_ASSIGN(const Copied copied, copier_.send_run({}, head_, batch_.file->copy_sql));
      result_.claimed = copied.claimed;
      if (copied.refused) return fail(*copied.refused);
      return check_row_count(0, copied.rows, /*may_suppress_rows=*/false);
    }
    if (latest_ != LatestRun::refused) return {};
    HYPERCOPY_TRY(owner_.stream_.execute(kRollBack));
    return {};
  }

  BadRecordIsolation& owner_;
  BatchCopier& copier_;
  const Batch& batch_;
  const TransactionHead& head_;
  const Checks checks_;
  const MayGoOn& may_go_on_;
  MergeTurns::Turn& turn_;
  Isolated result_;
  std::optional<RecordIndex> index_;  // once single records count
  std::size_t at_ = 0;                // all before it are settled
  std::vector<std::size_t> cuts_;     // descending: where runs must end
  bool is_open_ = false;              // the transaction
  LatestRun latest_ = LatestRun::none;
  bool encodes_;
  bool whole_;                     // one COPY without a savepoint is still worth a try
  bool merges_;                    // runs go through the staging table
  bool trusts_lines_ = true;       // the server's
  std::size_t suspected_ = kNone;  // the record that the server's line led to
  std::size_t given_up_ = kNone;   // the record that the encoder gave up
  GivenUp why_{};                  // it did
  std::size_t probe_ = kNone;  // how many records are encoded at most: behind one given up another is likely
  std::uint64_t odd_ = 0;      // records given up that the server takes
  std::uint64_t known_bad_ = 0;  // and that it refuses
};

Result<Isolated> BadRecordIsolation::copy(const Batch& batch, const TransactionHead& head, Checks checks,
                                          const MayGoOn& may_go_on, MergeTurns::Turn& turn) {
  return Pass(*this, batch, head, checks, may_go_on, turn).run();
}

}  // namespace hypercopy
