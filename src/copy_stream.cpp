#include "hypercopy/copy_stream.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "column_types.hpp"
#include "hypercopy/retry.hpp"
#include "sqlstate.hpp"
#include "target_identity.hpp"

namespace hypercopy {

namespace {

constexpr std::string_view kCommit = "COMMIT";
// Behind all that the transaction wrote; one round trip.
constexpr std::string_view kCommitWithPosition = "SELECT pg_catalog.pg_current_wal_insert_lsn(); COMMIT";

void call_by_other_name(std::string& text, const StandIn& stand_in) {
  for (std::size_t at = text.find(stand_in.name); at != std::string::npos;
       at = text.find(stand_in.name, at + stand_in.target.size())) {
    text.replace(at, stand_in.name.size(), stand_in.target);
  }
}

}  // namespace

// After an interruption libpq is in the middle of a statement: the server is told to give up, the connection
// is done.
Error PgCopyStream::settle(Error error) {
  if (error.kind == ErrorKind::interrupted) {
    connection_.cancel_statement();
    broken_ = true;
  }
  if (!stand_in_.name.empty()) {
    for (std::string* const text : {&error.message, &error.detail, &error.context})
      call_by_other_name(*text, stand_in_);
  }
  return error;
}

// BEGIN, the head and the question for the transaction's id travel with COPY: one round trip.
Result<bool> PgCopyStream::begin(const TransactionHead& head, const std::string& copy_sql) {
  if (connection_.in_transaction()) {
    HYPERCOPY_TRY(start_copy(copy_sql));
    return true;
  }
  HYPERCOPY_TRY(know_server());
  const std::string question = head.claim.empty() ? "SELECT pg_catalog.pg_current_xact_id()" : head.claim;
  auto started = start_copy(fmt::format("BEGIN; {}{}; {}", head.settings, question, copy_sql));
  if (!started && !head.claim.empty() && started.error().sqlstate == sqlstate::kUndefinedTable) {
    // Whoever publishes an import drops its staging table: all batches are done then.
    abort("its table is gone");
    HYPERCOPY_ASSIGN(const QueryResult open, connection_.execute(head.claim));
    if (open.rows() == 0) return false;
  }
  if (!started) return fail(std::move(started).error());
  std::string id = std::move(*started);
  if (id.empty()) {
    abort("claimed by another transaction");
    return false;
  }
  transaction_ = {.id = std::move(id),
                  .backend_pid = connection_.backend_pid(),
                  .server = server_.value_or(ServerMark{})};
  return true;
}

Result<std::string> PgCopyStream::start_copy(const std::string& sql) {
  auto started = connection_.start_copy(sql);
  if (!started) return fail(settle(std::move(started).error()));
  copying_ = true;
  return started;
}

// Once per connection, and before its first transaction: a server that crashes ends all connections, so the mark holds
// for every transaction of this one.
Status PgCopyStream::know_server() {
  if (std::exchange(asked_server_, true)) return {};
  auto mark = read_server_mark(connection_);
  if (mark) {
    server_ = std::move(*mark);
  } else if (mark.error().kind != ErrorKind::sql || is_read_only(mark.error())) {
    return fail(settle(std::move(mark).error()));
  }
  return {};
}

Status PgCopyStream::put(std::string_view bytes) {
  while (!bytes.empty()) {
    const std::string_view piece = bytes.substr(0, kMaxPutBytes);
    auto sent = connection_.put_copy_data(piece);
    if (!sent) {
      if (sent.error().kind == ErrorKind::interrupted) return fail(settle(std::move(sent).error()));
      if (!sent.error().sqlstate.empty()) return fail(std::move(sent).error());
      // libpq refuses more data once the server has answered with an error: that error is what went wrong.
      auto ended = finish();
      return fail(ended ? std::move(sent).error() : std::move(ended).error());
    }
    bytes.remove_prefix(piece.size());
  }
  return {};
}

Result<std::uint64_t> PgCopyStream::finish() {
  copying_ = false;
  auto rows = connection_.end_copy();
  if (!rows) return fail(settle(std::move(rows).error()));
  return rows;
}

Result<std::uint64_t> PgCopyStream::execute(const std::string& sql) {
  auto done = connection_.execute(sql);
  if (!done) return fail(settle(std::move(done).error()));
  return done->rows_affected();
}

Result<std::uint64_t> PgCopyStream::number(const std::string& sql) {
  auto done = connection_.execute(sql);
  if (!done) return fail(settle(std::move(done).error()));
  std::uint64_t value = 0;
  const std::string_view digits = done->rows() > 0 ? done->text(0, 0) : std::string_view();
  const auto [end, outcome] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
  if (digits.empty() || outcome != std::errc() || end != digits.data() + digits.size()) {
    return fail(ErrorKind::protocol,
                fmt::format("the server gave \"{}\" where a number was asked for", digits));
  }
  return value;
}

Status PgCopyStream::commit() {
  if (!connection_.in_transaction()) return {};  // an input without records opened none
  const bool is_listened_to = committed_ && server_;
  std::string position;
  auto committed = connection_.execute(
      fmt::format("{}{}", commit_checks_, is_listened_to ? kCommitWithPosition : kCommit), position);
  if (!committed && is_changed_types(committed.error())) return fail(explain_changed_types());
  if (!committed && is_replaced_target(committed.error())) return fail(explain_replaced_target());
  if (!committed) return fail(settle(std::move(committed).error()));
  // COMMIT in a failed transaction succeeds with the tag ROLLBACK.
  if (committed->tag() != "COMMIT") {
    return fail(ErrorKind::protocol, fmt::format("the server answered COMMIT with {}", committed->tag()));
  }
  if (is_listened_to) {
    committed_({.id = transaction_.id,
                .position = std::move(position),
                .server = *server_,
                .answered = std::chrono::steady_clock::now()});
  }
  return {};
}

Status PgCopyStream::reopen(StopAt stop) {
  HYPERCOPY_ASSIGN(connection_, reconnect_(stop));
  connection_.interrupt_at(Cancellation::Level::immediate);
  server_.reset();
  asked_server_ = false;
  copying_ = false;
  broken_ = false;
  return {};
}

Result<CommitOutcome> PgCopyStream::lost_commit(std::chrono::milliseconds patience, StopAt stop) {
  if (transaction_.server == ServerMark{}) return CommitOutcome::unknown;
  HYPERCOPY_ASSIGN(const CommitOutcome outcome,
                   find_commit_outcome(connection_, transaction_, patience, stop));
  if (outcome == CommitOutcome::committed && committed_) {
    HYPERCOPY_ASSIGN(const AnsweredTransaction all, read_all_committed(connection_));
    committed_(all);
  }
  return outcome;
}

void PgCopyStream::abort(std::string_view reason) noexcept {
  if (!is_usable()) return;
  if (std::exchange(copying_, false)) {
    auto ended = connection_.end_copy(reason);
    if (!ended) static_cast<void>(settle(std::move(ended).error()));
  }
  if (!is_usable() || !connection_.in_transaction()) return;
  auto rolled_back = connection_.execute("ROLLBACK");
  if (!rolled_back) static_cast<void>(settle(std::move(rolled_back).error()));
}

}  // namespace hypercopy
