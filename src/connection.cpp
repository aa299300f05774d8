#include "connection_state.hpp"

#include <fmt/format.h>
#include <libpq-fe.h>
#include <poll.h>

#include <algorithm>
#include <array>
#include <cassert>
#include <charconv>
#include <chrono>

namespace hypercopy {

namespace {

using Clock = std::chrono::steady_clock;

struct FreeMemory {
  void operator()(void* memory) const { PQfreemem(memory); }
};
struct FreeCancel {
  void operator()(PGcancel* cancel) const { PQfreeCancel(cancel); }
};

// Class 08, and what a server says before it ends the connection itself.
bool is_connection_error(std::string_view sqlstate, std::string_view severity) {
  return sqlstate.empty() || sqlstate.starts_with("08") || severity == "FATAL" || severity == "PANIC";
}

Error server_error(const PGresult* result) {
  Error error{.kind = ErrorKind::sql,
              .message = result_field(result, PG_DIAG_MESSAGE_PRIMARY),
              .sqlstate = result_field(result, PG_DIAG_SQLSTATE),
              .detail = result_field(result, PG_DIAG_MESSAGE_DETAIL),
              .hint = result_field(result, PG_DIAG_MESSAGE_HINT),
              .context = result_field(result, PG_DIAG_CONTEXT),
              .column = result_field(result, PG_DIAG_COLUMN_NAME),
              .constraint = result_field(result, PG_DIAG_CONSTRAINT_NAME)};
  // A result that libpq made itself has no fields: the connection is gone.
  if (error.message.empty()) error.message = trimmed(PQresultErrorMessage(result));
  if (is_connection_error(error.sqlstate, result_field(result, PG_DIAG_SEVERITY_NONLOCALIZED))) {
    error.kind = ErrorKind::connection;
  }
  return error;
}

}  // namespace

std::string trimmed(std::string_view text) {
  while (!text.empty() && (text.back() == '\n' || text.back() == ' ')) text.remove_suffix(1);
  return std::string(text);
}

std::string result_field(const PGresult* result, int code) {
  const char* const text = PQresultErrorField(result, code);
  return text == nullptr ? std::string() : std::string(text);
}

Error interrupted_error() { return Error{.kind = ErrorKind::interrupted, .message = "interrupted"}; }

Wake wait_for(int socket, short events, int cancel_fd, std::optional<Clock::time_point> deadline) {
  std::array<pollfd, 2> waits{pollfd{.fd = socket, .events = events, .revents = 0},
                              pollfd{.fd = cancel_fd, .events = POLLIN, .revents = 0}};
  while (true) {
    int timeout = -1;
    if (deadline) {
      const auto left = std::chrono::ceil<std::chrono::milliseconds>(*deadline - Clock::now()).count();
      if (left <= 0) return Wake::timeout;
      timeout = static_cast<int>(std::min<long>(left, 3'600'000));
    }
    const int ready = ::poll(waits.data(), waits.size(), timeout);
    if (waits[1].revents != 0) return Wake::cancelled;
    if (ready > 0 && waits[0].revents != 0) return Wake::socket;
    // EINTR and a timeout of poll: look at the deadline again.
  }
}

Error Connection::State::lost() const {
  std::string message = trimmed(PQerrorMessage(handle.get()));
  if (message.empty()) message = "the connection to the server was lost";
  Error error{.kind = ErrorKind::connection, .message = std::move(message)};
  if (PQstatus(handle.get()) == CONNECTION_BAD) take_last_words(error);
  return error;
}

// Why the server ended the connection, when that arrived before the end: libpq keeps it as a result. On a
// closed connection no call here waits.
void Connection::State::take_last_words(Error& error) const {
  PQputCopyEnd(handle.get(), nullptr);  // while a COPY is open libpq gives out no other result
  while (PGresult* const raw = PQgetResult(handle.get())) {
    const QueryResult result(raw);
    if (PQresultStatus(raw) == PGRES_COPY_IN) return;
    if (PQresultStatus(raw) != PGRES_FATAL_ERROR || result_field(raw, PG_DIAG_SQLSTATE).empty()) continue;
    error = server_error(raw);
    error.kind = ErrorKind::connection;
  }
}

Status Connection::State::wait(short events) const {
  if (wait_for(PQsocket(handle.get()), events, cancel_fd, {}) == Wake::cancelled) {
    return fail(interrupted_error());
  }
  return {};
}

Status Connection::State::flush() const {
  while (true) {
    const int left = PQflush(handle.get());
    if (left < 0) return fail(lost());
    if (left == 0) return {};
    HYPERCOPY_TRY(wait(POLLIN | POLLOUT));
    if (PQconsumeInput(handle.get()) == 0) return fail(lost());
  }
}

Result<PGresult*> Connection::State::next_result() const {
  HYPERCOPY_TRY(flush());
  while (PQisBusy(handle.get()) != 0) {
    HYPERCOPY_TRY(wait(POLLIN));
    if (PQconsumeInput(handle.get()) == 0) return fail(lost());
  }
  return PQgetResult(handle.get());
}

Result<QueryResult> Connection::State::finish_statement(std::string* value) const {
  std::optional<QueryResult> last;
  std::optional<Error> error;
  while (true) {
    const auto next = next_result();
    // What the server said before it went away says more than that it is gone.
    if (!next) return fail(error && next.error().kind == ErrorKind::connection ? *error : next.error());
    PGresult* const raw = *next;
    if (raw == nullptr) break;
    QueryResult result(raw);
    switch (PQresultStatus(raw)) {
      case PGRES_TUPLES_OK:
        if (value != nullptr && result.rows() > 0) *value = result.text(0, 0);
        [[fallthrough]];
      case PGRES_COMMAND_OK:
        last = std::move(result);
        break;
      case PGRES_FATAL_ERROR:
      case PGRES_BAD_RESPONSE:
        if (!error) error = server_error(raw);
        break;
      default:
        return fail(ErrorKind::protocol, fmt::format("the server answered {} where a result was expected",
                                                     PQresStatus(PQresultStatus(raw))));
    }
  }
  if (error) return fail(std::move(*error));
  if (!last) return fail(ErrorKind::protocol, "the server gave no result");
  return std::move(*last);
}

void QueryResult::Clear::operator()(pg_result* result) const { PQclear(result); }
int QueryResult::rows() const { return PQntuples(result_.get()); }
bool QueryResult::is_null(int row, int column) const { return PQgetisnull(result_.get(), row, column) != 0; }
std::string_view QueryResult::text(int row, int column) const {
  return {PQgetvalue(result_.get(), row, column),
          static_cast<std::size_t>(PQgetlength(result_.get(), row, column))};
}
std::string QueryResult::bytes(int row, int column) const {
  std::size_t size = 0;
  const auto* const text = reinterpret_cast<const unsigned char*>(PQgetvalue(result_.get(), row, column));
  const std::unique_ptr<unsigned char, decltype(&PQfreemem)> plain(PQunescapeBytea(text, &size), &PQfreemem);
  if (!plain) throw std::bad_alloc();
  return {reinterpret_cast<const char*>(plain.get()), size};
}
std::uint64_t QueryResult::rows_affected() const {
  const std::string_view digits = PQcmdTuples(result_.get());
  std::uint64_t rows = 0;
  std::from_chars(digits.data(), digits.data() + digits.size(), rows);
  return rows;
}
std::string_view QueryResult::tag() const { return PQcmdStatus(result_.get()); }

Connection::Connection(std::unique_ptr<State> state) : state_(std::move(state)) {}
Connection::Connection(Connection&&) noexcept = default;
Connection& Connection::operator=(Connection&&) noexcept = default;
Connection::~Connection() = default;

Result<QueryResult> Connection::execute(std::string_view sql) {
  if (PQsendQuery(state_->handle.get(), std::string(sql).c_str()) == 0) return fail(state_->lost());
  return state_->finish_statement();
}

Result<QueryResult> Connection::execute(std::string_view sql, std::string& value) {
  if (PQsendQuery(state_->handle.get(), std::string(sql).c_str()) == 0) return fail(state_->lost());
  return state_->finish_statement(&value);
}

Result<QueryResult> Connection::execute(std::string_view sql, std::span<const std::string> parameters) {
  std::vector<const char*> values;
  values.reserve(parameters.size());
  for (const auto& parameter : parameters) values.push_back(parameter.c_str());
  if (PQsendQueryParams(state_->handle.get(), std::string(sql).c_str(), static_cast<int>(values.size()),
                        nullptr, values.data(), nullptr, nullptr, 0) == 0) {
    return fail(state_->lost());
  }
  return state_->finish_statement();
}

Result<std::string> Connection::start_copy(std::string_view sql) {
  std::string value;
  if (PQsendQuery(state_->handle.get(), std::string(sql).c_str()) == 0) return fail(state_->lost());
  while (true) {
    HYPERCOPY_ASSIGN(PGresult * raw, state_->next_result());
    if (raw == nullptr) return fail(ErrorKind::protocol, "the server did not enter COPY mode");
    const QueryResult result(raw);
    switch (PQresultStatus(raw)) {
      case PGRES_COPY_IN:
        return value;
      case PGRES_TUPLES_OK:
        if (result.rows() > 0) value = result.text(0, 0);
        continue;
      case PGRES_COMMAND_OK:
        continue;
      default: {
        Error error = server_error(raw);
        if (auto rest = state_->finish_statement(); !rest && rest.error().kind == ErrorKind::interrupted) {
          return fail(std::move(rest).error());
        }
        return fail(std::move(error));
      }
    }
  }
}

Status Connection::put_copy_data(std::string_view bytes) {
  assert(bytes.size() <= kMaxPutBytes);
  while (true) {
    const int queued = PQputCopyData(state_->handle.get(), bytes.data(), static_cast<int>(bytes.size()));
    if (queued < 0) return fail(state_->lost());
    HYPERCOPY_TRY(state_->flush());
    if (queued > 0) return {};
  }
}

Result<std::uint64_t> Connection::end_copy(std::optional<std::string_view> failure) {
  const std::string reason(failure.value_or(""));
  while (true) {
    const int queued = PQputCopyEnd(state_->handle.get(), failure ? reason.c_str() : nullptr);
    // Refused when the COPY is over already: the server's error is the next result.
    if (queued != 0) break;
    HYPERCOPY_TRY(state_->flush());
  }
  HYPERCOPY_ASSIGN(const QueryResult result, state_->finish_statement());
  static constexpr std::string_view kTag = "COPY ";
  const std::string_view tag = result.tag();
  std::uint64_t rows = 0;
  const auto [end, outcome] =
      std::from_chars(tag.data() + std::min(kTag.size(), tag.size()), tag.data() + tag.size(), rows);
  if (!tag.starts_with(kTag) || outcome != std::errc() || end != tag.data() + tag.size()) {
    return fail(ErrorKind::protocol, fmt::format("the server ended COPY with \"{}\"", tag));
  }
  return rows;
}

void Connection::interrupt_at(Cancellation::Level level) {
  state_->cancel_fd = StopAt{*state_->cancellation, level}.fd();
}

void Connection::cancel_statement() noexcept {
  const std::unique_ptr<PGcancel, FreeCancel> cancel(PQgetCancel(state_->handle.get()));
  std::array<char, 256> why{};
  if (cancel) PQcancel(cancel.get(), why.data(), static_cast<int>(why.size()));
}

void Connection::interrupt_at(StopAt stop) {
  state_->cancellation = &stop.cancellation;
  state_->cancel_fd = stop.fd();
}

bool Connection::is_alive() const { return PQstatus(state_->handle.get()) == CONNECTION_OK; }
bool Connection::in_transaction() const { return PQtransactionStatus(state_->handle.get()) != PQTRANS_IDLE; }
int Connection::server_version() const { return PQserverVersion(state_->handle.get()); }
int Connection::backend_pid() const { return PQbackendPID(state_->handle.get()); }

std::string Connection::parameter(const char* name) const {
  const char* const value = PQparameterStatus(state_->handle.get(), name);
  return value == nullptr ? std::string() : std::string(value);
}

std::string Connection::quote_identifier(std::string_view name) const {
  const std::unique_ptr<char, FreeMemory> quoted(
      PQescapeIdentifier(state_->handle.get(), name.data(), name.size()));
  // Bytes that are no text in client_encoding cannot be quoted; a name that is not there is refused by the
  // server.
  return quoted ? std::string(quoted.get()) : std::string("\"\"");
}

std::string Connection::quote_literal(std::string_view text) const {
  const std::unique_ptr<char, FreeMemory> quoted(
      PQescapeLiteral(state_->handle.get(), text.data(), text.size()));
  return quoted ? std::string(quoted.get()) : std::string("''");
}

}  // namespace hypercopy
