// A connection that is made when it is needed and again when it was lost: for questions that may be asked twice.
// Shape:   ask() runs the question on a live connection and asks again where the failure passes (retry.hpp), for as long as
//          the timeout allows; ask_once() does not.
// Owns:    the connection.
// Threads: one.
// Errors:  those of the question and of connecting. An interrupted statement is cancelled, and its connection given up.
#pragma once

#include <functional>
#include <optional>
#include <random>

#include "hypercopy/connection.hpp"
#include "hypercopy/retry.hpp"

namespace hypercopy {

class LastingConnection {
 public:
  using Connect = std::function<Result<Connection>()>;

  LastingConnection(Connect connect, Backoff::Duration timeout, StopAt stop)
      : connect_(std::move(connect)), backoff_(timeout, std::random_device{}()), stop_(stop) {}

  template <typename Question>
  auto ask_once(Question question) -> decltype(question(std::declval<Connection&>())) {
    HYPERCOPY_TRY(make_ready());
    return question(*connection_);
  }

  // What there is, without making it: nothing, or a connection that was not seen to break.
  [[nodiscard]] Connection* live() {
    return connection_ && connection_->is_alive() ? &*connection_ : nullptr;
  }

  // From now on this ends the waiting.
  void stop_at(StopAt stop) { stop_.emplace(stop); }

  template <typename Question>
  auto ask(Question question) -> decltype(question(std::declval<Connection&>())) {
    using Answer = decltype(question(std::declval<Connection&>()));
    while (true) {
      auto ready = make_ready();
      Answer answer = ready ? question(*connection_) : Answer(fail(std::move(ready).error()));
      if (answer) {
        backoff_.reset();
        return answer;
      }
      if (answer.error().kind == ErrorKind::interrupted) {
        if (connection_) connection_->cancel_statement();
        connection_.reset();
        return answer;
      }
      if (connection_ && (!connection_->is_alive() || !leave_transaction())) connection_.reset();
      if (!is_transient(answer.error())) return answer;
      if (is_read_only(answer.error())) connection_.reset();
      const auto delay = backoff_.next(Backoff::Clock::now());
      if (!delay || !wait_out(*delay, *stop_)) return answer;
    }
  }

 private:
  [[nodiscard]] Status make_ready() {
    if (connection_) return {};
    HYPERCOPY_ASSIGN(connection_, connect_());
    return {};
  }
  [[nodiscard]] bool leave_transaction() {
    return !connection_->in_transaction() || connection_->execute("ROLLBACK").has_value();
  }

  Connect connect_;
  Backoff backoff_;
  std::optional<StopAt> stop_;
  std::optional<Connection> connection_;
};

}  // namespace hypercopy
