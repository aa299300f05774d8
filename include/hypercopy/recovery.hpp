// Brings a worker's stream back after a failure that passes, and settles what a lost COMMIT left open.
// Shape:   one per worker. ready_again() waits, connects anew where the connection is gone
//          or its server has become read-only, and says whether the batch may
//          be sent again; settle_commit() connects anew and asks the server.
// Units:   `timeout` counts from the first failure of a row of failures; 0: nothing is tried again.
// Threads: one.
// Errors:  what ended the attempts is left in the error given to ready_again(). settle_commit() has none: what it cannot
//          find out is `unknown`.
// Ends:    waiting for the next attempt ends when the run does. Settling a COMMIT goes on until the user insists: an
//          outcome that nobody asked for is rows that nobody knows of.
#pragma once

#include <chrono>
#include <string_view>

#include "hypercopy/cancellation.hpp"
#include "hypercopy/commit_outcome.hpp"
#include "hypercopy/console.hpp"
#include "hypercopy/copy_stream.hpp"
#include "hypercopy/retry.hpp"

namespace hypercopy {

class Recovery {
 public:
  struct Limits {
    std::chrono::milliseconds timeout;
    StopAt retry;   // ends the waiting for another attempt
    StopAt settle;  // ends the asking for the outcome of a COMMIT
  };

  Recovery(Limits limits, Console& console);

  // After `error`, outside of COMMIT; `extent` names the records for the log. The stream is ready when true.
  [[nodiscard]] bool ready_again(CopyStream& stream, Error& error, std::string_view extent);
  // After `error`, which commit() gave because the connection was lost. `rolled_back`: the stream is ready.
  [[nodiscard]] CommitOutcome settle_commit(CopyStream& stream, const Error& error, std::string_view extent);
  // The batch was committed: the next failure is the first of a new row.
  void succeeded();

 private:
  [[nodiscard]] bool wait_for_next(Error& error, StopAt stop);
  [[nodiscard]] bool reopen(CopyStream& stream, Error& error, StopAt stop);
  void say_once(const Error& error, std::string_view extent);

  Limits limits_;
  Console& console_;
  Backoff backoff_;
  bool failing_ = false;  // a row of failures was said and has not ended
};

}  // namespace hypercopy
