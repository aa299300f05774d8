// In-memory and failing stand-ins at the two seams of the pipeline: Source and CopyStream.
// Threads: a FakeSource belongs to the reader, a FakeStream to its worker; FakeServer is shared and locks.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <limits>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "hypercopy/copy_stream.hpp"
#include "hypercopy/source.hpp"

namespace hypercopy::test {

// Gives out `bytes` in pieces of at most `piece`; read number `fail_at` (from 1) and all later ones fail.
class FakeSource final : public Source {
 public:
  FakeSource(std::string bytes, std::size_t piece, std::uint64_t fail_at = 0)
      : bytes_(std::move(bytes)), piece_(piece), fail_at_(fail_at) {}

  Result<std::size_t> read(std::span<char> into) override {
    ++reads_;
    if (fail_at_ != 0 && reads_ >= fail_at_) {
      return fail(Error{.kind = ErrorKind::input, .message = "the source failed as the test wants"});
    }
    const std::size_t count = std::min({piece_, into.size(), bytes_.size() - at_});
    std::copy_n(bytes_.data() + at_, count, into.data());
    at_ += count;
    return count;
  }
  void seek(std::uint64_t byte) override { at_ = byte; }
  const std::string& name() const override { return name_; }
  std::optional<std::uint64_t> size() const override { return bytes_.size(); }

 private:
  std::string name_ = "fake.csv";
  std::string bytes_;
  std::size_t piece_;
  std::uint64_t fail_at_;
  std::uint64_t reads_ = 0;
  std::size_t at_ = 0;
};

// What "the server" has committed, and which call of all streams together is to fail, and how.
class FakeServer {
 public:
  // `answer`: as `connection`, but the server has done what it was asked to do.
  enum class Fault : std::uint8_t { none, sql, transient, connection, answer };
  enum class When : std::uint8_t { once, each_time };

  FakeServer() = default;
  FakeServer(std::uint64_t fail_at, Fault fault, When when = When::once)
      : fail_at_(fail_at), fault_(fault), when_(when) {}

  // Counts a call; the error it must answer with, if this is the one (or, each time, one of those).
  [[nodiscard]] Status call() {
    const std::uint64_t number = calls_.fetch_add(1) + 1;
    if (fail_at_ == 0 || (when_ == When::once ? number != fail_at_ : number % fail_at_ != 0)) return {};
    if (fault_ == Fault::transient) {
      return fail(
          Error{.kind = ErrorKind::sql, .message = "a deadlock as the test wants", .sqlstate = "40P01"});
    }
    if (fault_ == Fault::sql) {
      return fail(Error{.kind = ErrorKind::sql, .message = "refused as the test wants", .sqlstate = "22P02"});
    }
    return fail(
        Error{.kind = ErrorKind::connection, .message = "lost as the test wants", .sqlstate = "08006"});
  }
  void commit(std::string bytes) {
    const std::lock_guard lock(mutex_);
    committed_.push_back(std::move(bytes));
  }

  [[nodiscard]] std::uint64_t calls() const { return calls_; }
  [[nodiscard]] Fault fault() const { return fault_; }
  [[nodiscard]] bool has_failed() const { return fail_at_ != 0 && calls_ >= fail_at_; }
  // REQUIRES: no stream is at work.
  [[nodiscard]] const std::vector<std::string>& committed() const { return committed_; }
  [[nodiscard]] std::uint64_t committed_records() const {
    std::uint64_t records = 0;
    for (const auto& bytes : committed_)
      records += static_cast<std::uint64_t>(std::count(bytes.begin(), bytes.end(), '\n'));
    return records;
  }

 private:
  std::uint64_t fail_at_ = 0;
  Fault fault_ = Fault::none;
  When when_ = When::once;
  std::atomic<std::uint64_t> calls_{0};
  std::mutex mutex_;
  std::vector<std::string> committed_;  // protected by mutex_ while streams are at work
};

// Records are lines; a row is a line.
class FakeStream final : public CopyStream {
 public:
  explicit FakeStream(FakeServer& server) : server_(server) {}

  Result<bool> begin(const TransactionHead& /*head*/, const std::string& copy_sql) override {
    HYPERCOPY_TRY(checked(server_.call()));
    run_savepoint(copy_sql);
    copy_begin_ = pending_.size();
    return true;
  }
  Status put(std::string_view bytes) override {
    HYPERCOPY_TRY(checked(server_.call()));
    pending_ += bytes;
    return {};
  }
  Result<std::uint64_t> finish() override {
    HYPERCOPY_TRY(checked(server_.call()));
    const auto begin = pending_.begin() + static_cast<std::ptrdiff_t>(copy_begin_);
    return static_cast<std::uint64_t>(std::count(begin, pending_.end(), '\n'));
  }
  Result<std::uint64_t> execute(const std::string& sql) override {
    HYPERCOPY_TRY(checked(server_.call()));
    run_savepoint(sql);
    return 0;
  }
  Result<std::uint64_t> number(const std::string& sql) override { return execute(sql); }
  Status commit() override {
    auto answered = server_.call();
    arrived_ = answered || server_.fault() == FakeServer::Fault::answer;
    if (arrived_) server_.commit(std::exchange(pending_, {}));
    return checked(std::move(answered));
  }
  void abort(std::string_view /*reason*/) noexcept override { pending_.clear(); }
  bool is_usable() const override { return usable_; }
  Status reopen(StopAt /*stop*/) override {
    pending_.clear();
    usable_ = true;
    return checked(server_.call());
  }
  Result<CommitOutcome> lost_commit(std::chrono::milliseconds /*patience*/, StopAt /*stop*/) override {
    HYPERCOPY_TRY(checked(server_.call()));
    return arrived_ ? CommitOutcome::committed : CommitOutcome::rolled_back;
  }

 private:
  Status checked(Status status) {
    if (!status && status.error().kind == ErrorKind::connection) usable_ = false;
    return status;
  }

  // In front of a COPY, or alone.
  void run_savepoint(const std::string& sql) {
    if (sql.starts_with("ROLLBACK TO SAVEPOINT")) return pending_.resize(savepoint_);
    if (sql.find("SAVEPOINT") != std::string::npos) savepoint_ = pending_.size();
  }

  FakeServer& server_;
  std::string pending_;
  std::size_t copy_begin_ = 0;
  std::size_t savepoint_ = 0;
  bool usable_ = true;
  bool arrived_ = false;  // the latest commit()
};

}  // namespace hypercopy::test
