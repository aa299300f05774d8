#include "hypercopy/copy_stream.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace hypercopy {

// After an interruption libpq is in the middle of a statement: the server is told to give up, the connection
// is done.
Error PgCopyStream::settle(Error error) {
  if (error.kind == ErrorKind::interrupted) {
    connection_.cancel_statement();
    broken_ = true;
  }
  return error;
}

Status PgCopyStream::begin(const std::string& copy_sql) {
  // BEGIN travels with COPY: one round trip.
  const std::string sql = connection_.in_transaction() ? copy_sql : "BEGIN; " + copy_sql;
  auto started = connection_.start_copy(sql);
  if (!started) return fail(settle(std::move(started).error()));
  copying_ = true;
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

Status PgCopyStream::commit() {
  if (!connection_.in_transaction()) return {};  // an input without records opened none
  auto committed = connection_.execute("COMMIT");
  if (!committed) return fail(settle(std::move(committed).error()));
  // COMMIT in a failed transaction succeeds with the tag ROLLBACK.
  if (committed->tag() != "COMMIT") {
    return fail(ErrorKind::protocol, fmt::format("the server answered COMMIT with {}", committed->tag()));
  }
  return {};
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
