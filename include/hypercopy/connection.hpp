// One connection to the server: libpq behind values and errors. The only header whose source includes libpq.
// Shape:   Connector holds how to connect (and a password that was typed once); Connection is move-only and
//          closes itself. Statements wait on the socket and on the cancellation, never blindly.
// Units:   server_version() as PQserverVersion: 150004 is 15.4. Text results, NULL apart from empty.
// Owns:    the PGconn. Borrows the Cancellation and the notice handler, which must outlive it.
// Threads: one at a time; different connections are independent.
// Errors:  connection (with the server's SQLSTATE, which libpq gives for failed connects only in verbose
//          messages), sql (SQLSTATE and the server's words), protocol, interrupted. No error holds a
//          password.
// Source:  PostgreSQL manual, libpq: "Asynchronous Command Processing", "Functions Associated with COPY".
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "hypercopy/cancellation.hpp"
#include "hypercopy/load_options.hpp"
#include "hypercopy/result.hpp"

struct pg_conn;
struct pg_result;

namespace hypercopy {

// Severity (untranslated: WARNING, NOTICE, ...) and message of what the server says besides results.
using NoticeHandler = std::function<void(std::string_view severity, std::string_view message)>;
// Asks a person for the password of this user; nothing when nobody can be asked.
using PasswordPrompt = std::function<std::optional<std::string>(const std::string& user)>;

// Largest piece given to PQputCopyData, which copies it: bounds libpq's own buffer.
inline constexpr std::size_t kMaxPutBytes = std::size_t{256} << 10;

class QueryResult {
 public:
  explicit QueryResult(pg_result* result) : result_(result) {}

  [[nodiscard]] int rows() const;
  [[nodiscard]] bool is_null(int row, int column) const;
  [[nodiscard]] std::string_view text(int row, int column) const;
  // Of a bytea column.
  [[nodiscard]] std::string bytes(int row, int column) const;
  [[nodiscard]] bool boolean(int row, int column) const { return text(row, column) == "t"; }
  // Of INSERT, UPDATE, DELETE and what gives rows; else 0.
  [[nodiscard]] std::uint64_t rows_affected() const;
  // The command tag, "COMMIT" or "COPY 5".
  [[nodiscard]] std::string_view tag() const;

 private:
  struct Clear {
    void operator()(pg_result* result) const;
  };
  std::unique_ptr<pg_result, Clear> result_;
};

class Connection {
 public:
  Connection(Connection&&) noexcept;
  Connection& operator=(Connection&&) noexcept;
  ~Connection();

  // One statement, or several without results of interest; the last result.
  [[nodiscard]] Result<QueryResult> execute(std::string_view sql);
  // The same; `value` becomes the first value of the last statement that gave rows.
  [[nodiscard]] Result<QueryResult> execute(std::string_view sql, std::string& value);
  // One statement with text parameters.
  [[nodiscard]] Result<QueryResult> execute(std::string_view sql, std::span<const std::string> parameters);

  // COPY ... FROM STDIN, also behind other statements in the same string; afterwards the connection takes
  // data. Gives the first value of the last query in front of the COPY, "" if there was none.
  [[nodiscard]] Result<std::string> start_copy(std::string_view sql);
  // REQUIRES: start_copy() succeeded; bytes.size() <= kMaxPutBytes. On an error, end_copy() has the server's
  // words.
  [[nodiscard]] Status put_copy_data(std::string_view bytes);
  // Ends the COPY and gives the rows that the server counted. `failure`: the server is told that the COPY
  // fails, and answers with an error.
  [[nodiscard]] Result<std::uint64_t> end_copy(std::optional<std::string_view> failure = {});

  // From which level on a request to stop interrupts this connection's waits. At first `graceful`: while a
  // run is prepared nothing is worth finishing. A worker's connection goes on until `immediate`.
  void interrupt_at(Cancellation::Level level);
  // From now on it is this that interrupts its waits, and no request to stop any more.
  void interrupt_at(StopAt stop);

  // Asks the server to cancel what this connection runs; best effort, for the way out.
  void cancel_statement() noexcept;

  [[nodiscard]] bool is_alive() const;
  [[nodiscard]] bool in_transaction() const;
  [[nodiscard]] int server_version() const;
  [[nodiscard]] int backend_pid() const;
  // A setting the server reports by itself (server_encoding, client_encoding, TimeZone, ...); empty if it
  // does not.
  [[nodiscard]] std::string parameter(const char* name) const;

  [[nodiscard]] std::string quote_identifier(std::string_view name) const;
  [[nodiscard]] std::string quote_literal(std::string_view text) const;

 private:
  friend class Connector;
  struct State;
  explicit Connection(std::unique_ptr<State> state);

  std::unique_ptr<State> state_;
};

// The same target as a -d value, without the passwords that stand in it; as it is where there are none. What
// libpq cannot parse gives nothing.
[[nodiscard]] std::string connection_string_without_password(const std::string& dbname);

class Connector {
 public:
  // `prompt` may be empty: nobody is asked.
  Connector(ConnectionOptions options, const Cancellation& cancellation, NoticeHandler notices,
            PasswordPrompt prompt);

  // Connects as `application_name`. Asks for a password where the options say so or the server wants one,
  // once for all later connections; so the first call must return before other threads call.
  // `stop` ends the waiting for the connection.
  [[nodiscard]] Result<Connection> connect(const std::string& application_name, StopAt stop);

 private:
  [[nodiscard]] Result<Connection> connect_once(const std::string& application_name, StopAt stop,
                                                bool& password_needed);

  ConnectionOptions options_;
  const Cancellation& cancellation_;
  NoticeHandler notices_;
  PasswordPrompt prompt_;
  std::optional<std::string> password_;
};

}  // namespace hypercopy
