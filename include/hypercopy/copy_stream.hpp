// One transaction at a time with COPY ... FROM STDIN in it, on one connection. The fault seam of the workers.
// Shape:   begin() (opens a transaction where none is open), put() any number of times, finish(), then either
//          another begin() in the same transaction or commit(); execute() between them for what belongs to the
//          same transaction. abort() from anywhere: the transaction is rolled back. After a lost connection
//          reopen() makes a new one, and lost_commit() says what became of the transaction whose commit() was
//          not answered.
// Units:   put() takes any number of bytes; finish() gives rows as the server counted them, not yet
//          committed.
// Owns:    PgCopyStream owns its Connection.
// Threads: one at a time.
// Errors:  sql (with SQLSTATE), connection, protocol, interrupted; afterwards only abort() is allowed. An
//          error of kind `connection` from commit() means that nobody knows whether the rows are there.
// Why:     COMMIT is a query of its own, though COPY and COMMIT fit into one: so the counts are compared before
//          it, and nothing is in doubt before it. It costs one round trip per batch, measured as nothing on
//          one machine and as 18 % at 10 ms (bench/results/2026-11-21-libpq.md).
// Ends:    a stream that is destroyed before commit() leaves no row: the server rolls back when the
//          connection ends.
// Source:  PostgreSQL manual, protocol flow "COPY Operations".
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "hypercopy/commit_outcome.hpp"
#include "hypercopy/connection.hpp"
#include "hypercopy/result.hpp"

namespace hypercopy {

// What a transaction does in front of its first COPY, in the same round trip.
struct TransactionHead {
  std::string settings{};  // statements without rows, each ended by a semicolon: SET, CREATE TEMPORARY TABLE
  std::string claim{};     // gives pg_current_xact_id() as a row if this transaction may go on; empty: it may
};

class CopyStream {
 public:
  virtual ~CopyStream() = default;

  // False: the claim gave no row, and the transaction was rolled back. `head` counts where a transaction is opened.
  [[nodiscard]] virtual Result<bool> begin(const TransactionHead& head, const std::string& copy_sql) = 0;
  [[nodiscard]] virtual Status put(std::string_view bytes) = 0;
  [[nodiscard]] virtual Result<std::uint64_t> finish() = 0;
  // One statement, or several, outside of COPY, in the open transaction; the rows that the last one touched.
  [[nodiscard]] virtual Result<std::uint64_t> execute(const std::string& sql) = 0;
  // The same, for a number: the first value that the last statement gave.
  [[nodiscard]] virtual Result<std::uint64_t> number(const std::string& sql) = 0;
  [[nodiscard]] virtual Status commit() = 0;
  virtual void abort(std::string_view reason) noexcept = 0;
  // False when the connection is lost and the stream can do nothing but reopen().
  [[nodiscard]] virtual bool is_usable() const = 0;
  // A new connection in place of a lost one, under the same settings.
  [[nodiscard]] virtual Status reopen(StopAt stop) = 0;
  // REQUIRES: commit() failed with kind `connection`, and reopen() succeeded since then.
  [[nodiscard]] virtual Result<CommitOutcome> lost_commit(std::chrono::milliseconds patience,
                                                          StopAt stop) = 0;
};

// A relation that is copied into in the place of another one: in the server's words it is called by that one's name.
struct StandIn {
  std::string name;  // as it stands there; empty: there is none
  std::string target;
};

class PgCopyStream final : public CopyStream {
 public:
  // Connects as the stream's first connection was connected, settings included.
  using Reconnect = std::function<Result<Connection>(StopAt stop)>;
  // Hears of each COMMIT that was answered, or of which the server said later that it was carried out.
  using CommitListener = std::function<void(const AnsweredTransaction& transaction)>;

  // `commit_checks`: statements that fail where the rows may not be committed (column_types.hpp, target_identity.hpp);
  // empty: none is needed.
  PgCopyStream(Connection connection, Reconnect reconnect, StandIn stand_in, CommitListener committed = {},
               const std::string& commit_checks = {})
      : connection_(std::move(connection)),
        reconnect_(std::move(reconnect)),
        stand_in_(std::move(stand_in)),
        committed_(std::move(committed)),
        commit_checks_(commit_checks.empty() ? commit_checks : commit_checks + "; ") {
    connection_.interrupt_at(Cancellation::Level::immediate);
  }

  Result<bool> begin(const TransactionHead& head, const std::string& copy_sql) override;
  Status put(std::string_view bytes) override;
  Result<std::uint64_t> finish() override;
  Result<std::uint64_t> execute(const std::string& sql) override;
  Result<std::uint64_t> number(const std::string& sql) override;
  Status commit() override;
  void abort(std::string_view reason) noexcept override;
  bool is_usable() const override { return !broken_ && connection_.is_alive(); }
  Status reopen(StopAt stop) override;
  Result<CommitOutcome> lost_commit(std::chrono::milliseconds patience, StopAt stop) override;

 private:
  [[nodiscard]] Result<std::string> start_copy(const std::string& sql);
  [[nodiscard]] Status know_server();
  [[nodiscard]] Error settle(Error error);

  Connection connection_;
  Reconnect reconnect_;
  StandIn stand_in_;
  CommitListener committed_;
  std::string commit_checks_;
  std::optional<ServerMark> server_;  // nothing yet, or a server that does not let this user read it
  bool asked_server_ = false;         // about its mark
  LostTransaction transaction_;       // the latest one; of use when it is lost
  bool copying_ = false;
  bool broken_ = false;  // left in the middle of a statement
};

}  // namespace hypercopy
