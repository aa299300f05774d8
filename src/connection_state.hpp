// What stands behind Connection: libpq's handle, its waits and what it says. For connection.cpp and connector.cpp alone.
// Threads: as Connection.
#pragma once

#include <libpq-fe.h>

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "hypercopy/connection.hpp"

namespace hypercopy {

enum class Wake : std::uint8_t { socket, cancelled, timeout };

// Until the socket is ready for `events`, as poll() has them.
[[nodiscard]] Wake wait_for(int socket, short events, int cancel_fd,
                            std::optional<std::chrono::steady_clock::time_point> deadline);

// Without the blanks and newlines at its end.
[[nodiscard]] std::string trimmed(std::string_view text);
// PQresultErrorField(), empty where there is none.
[[nodiscard]] std::string result_field(const PGresult* result, int code);
[[nodiscard]] Error interrupted_error();

struct Connection::State {
  struct Finish {
    void operator()(PGconn* connection) const { PQfinish(connection); }
  };
  std::unique_ptr<PGconn, Finish> handle;
  const Cancellation* cancellation = nullptr;
  int cancel_fd = -1;
  NoticeHandler notices;

  [[nodiscard]] Error lost() const;
  [[nodiscard]] Status wait(short events) const;
  // Sends what libpq has buffered, taking what the server says meanwhile, so that both sides cannot wait for
  // each other.
  [[nodiscard]] Status flush() const;
  // The next result of the running statement; an empty one at its end.
  [[nodiscard]] Result<PGresult*> next_result() const;
  // All results to the end: the last one, or the first error. `value`: as execute() has it.
  [[nodiscard]] Result<QueryResult> finish_statement(std::string* value = nullptr) const;

 private:
  void take_last_words(Error& error) const;
};

}  // namespace hypercopy
