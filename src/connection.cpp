#include "hypercopy/connection.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <libpq-fe.h>
#include <poll.h>

#include <array>
#include <cassert>
#include <cerrno>
#include <charconv>
#include <chrono>
#include <cstring>

namespace hypercopy {

namespace {

using Clock = std::chrono::steady_clock;

struct Finish {
  void operator()(PGconn* connection) const { PQfinish(connection); }
};
struct FreeMemory {
  void operator()(void* memory) const { PQfreemem(memory); }
};
struct FreeCancel {
  void operator()(PGcancel* cancel) const { PQfreeCancel(cancel); }
};
struct FreeConninfo {
  void operator()(PQconninfoOption* options) const { PQconninfoFree(options); }
};

std::string trimmed(std::string_view text) {
  while (!text.empty() && (text.back() == '\n' || text.back() == ' ')) text.remove_suffix(1);
  return std::string(text);
}

std::string field(const PGresult* result, int code) {
  const char* const text = PQresultErrorField(result, code);
  return text == nullptr ? std::string() : std::string(text);
}

// Class 08, and what a server says before it ends the connection itself.
bool is_connection_error(std::string_view sqlstate, std::string_view severity) {
  return sqlstate.empty() || sqlstate.starts_with("08") || severity == "FATAL" || severity == "PANIC";
}

Error server_error(const PGresult* result) {
  Error error{.kind = ErrorKind::sql,
              .message = field(result, PG_DIAG_MESSAGE_PRIMARY),
              .sqlstate = field(result, PG_DIAG_SQLSTATE),
              .detail = field(result, PG_DIAG_MESSAGE_DETAIL),
              .hint = field(result, PG_DIAG_MESSAGE_HINT),
              .context = field(result, PG_DIAG_CONTEXT),
              .column = field(result, PG_DIAG_COLUMN_NAME),
              .constraint = field(result, PG_DIAG_CONSTRAINT_NAME)};
  // A result that libpq made itself has no fields: the connection is gone.
  if (error.message.empty()) error.message = trimmed(PQresultErrorMessage(result));
  if (is_connection_error(error.sqlstate, field(result, PG_DIAG_SEVERITY_NONLOCALIZED))) {
    error.kind = ErrorKind::connection;
  }
  return error;
}

bool is_code(std::string_view text) {
  return text.size() == 5 &&
         text.find_first_not_of("0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ") == std::string_view::npos;
}

// libpq gives a failed connect's SQLSTATE only inside a verbose message: "FATAL:  28P01: password ...
// failed", then a line "LOCATION:  ...". Takes the code out and the location away; the severity's word may be
// translated.
void extract_sqlstate(Error& error) {
  static constexpr std::string_view kBefore = ":  ";
  std::string& text = error.message;
  for (std::size_t at = text.find(kBefore); at != std::string::npos; at = text.find(kBefore, at + 1)) {
    const std::size_t code = at + kBefore.size();
    if (code + 7 > text.size() || !is_code(std::string_view(text).substr(code, 5)) ||
        text.compare(code + 5, 2, ": ") != 0) {
      continue;
    }
    error.sqlstate = text.substr(code, 5);  // the last one: that of the last host tried
    text.erase(code, 7);
  }
  std::string kept;
  std::string_view rest = text;
  while (!rest.empty()) {
    const std::size_t end = rest.find('\n');
    const std::string_view line = rest.substr(0, end);
    rest = end == std::string_view::npos ? std::string_view() : rest.substr(end + 1);
    const std::size_t colon = line.find(kBefore);
    const bool is_location =
        colon != std::string_view::npos && line.find(".c:", colon) != std::string_view::npos;
    if (is_location) continue;
    if (!kept.empty()) kept += '\n';
    kept += line;
  }
  text = trimmed(kept);
}

// The option's value as libpq resolved it (DSN, environment, service file).
std::string resolved_option(PGconn* connection, std::string_view keyword) {
  const std::unique_ptr<PQconninfoOption, FreeConninfo> options(PQconninfo(connection));
  for (const PQconninfoOption* option = options.get(); option != nullptr && option->keyword != nullptr;
       ++option) {
    if (keyword == option->keyword && option->val != nullptr) return option->val;
  }
  return {};
}

std::optional<Clock::time_point> connect_deadline(PGconn* connection) {
  const std::string text = resolved_option(connection, "connect_timeout");
  int seconds = 0;
  std::from_chars(text.data(), text.data() + text.size(), seconds);
  if (seconds <= 0) return std::nullopt;
  return Clock::now() + std::chrono::seconds(std::max(seconds, 2));  // libpq's own minimum
}

std::vector<std::string> parts(const std::string& list) {
  std::vector<std::string> parts(1);
  for (const char byte : list) {
    if (byte == ',') {
      parts.emplace_back();
    } else {
      parts.back() += byte;
    }
  }
  return parts;
}

// The options that name the servers of a connection, each a list.
struct Hosts {
  std::string host;
  std::string hostaddr;
  std::string port;
};

// All but the one that `connection` waits for. libpq leaves connect_timeout to whoever polls, and has no call that goes on to
// the next host.
std::optional<Hosts> other_hosts(PGconn* connection) {
  auto names = parts(resolved_option(connection, "host"));
  auto addresses = parts(resolved_option(connection, "hostaddr"));
  auto ports = parts(resolved_option(connection, "port"));
  const std::size_t count = std::max(names.size(), addresses.size());
  if (count < 2) return std::nullopt;
  const auto at = [](const auto& list, std::size_t index) -> const std::string& {
    return list.size() > 1 ? list[index] : list[0];
  };
  const auto is_silent = [&](std::size_t index) {
    const std::string& name = at(names, index);
    return (name.empty() ? at(addresses, index) : name) == PQhost(connection) &&
           at(ports, index) == PQport(connection);
  };
  std::size_t silent = 0;
  while (silent + 1 < count && !is_silent(silent)) ++silent;
  for (auto* const list : {&names, &addresses, &ports}) {
    if (list->size() == count) list->erase(list->begin() + static_cast<std::ptrdiff_t>(silent));
  }
  return Hosts{.host = fmt::format("{}", fmt::join(names, ",")),
               .hostaddr = fmt::format("{}", fmt::join(addresses, ",")),
               .port = fmt::format("{}", fmt::join(ports, ","))};
}

// A password with a bare @ or / in it: libpq takes the rest of it for the host or the port, and names that.
bool is_misread_uri(const std::string& dbname) {
  const std::size_t scheme = dbname.find("://");
  if (scheme == std::string::npos) return false;
  const std::size_t first_at = dbname.find('@', scheme);
  if (first_at == std::string::npos) return false;
  return dbname.find('@', first_at + 1) != std::string::npos || dbname.find('/', scheme + 3) < first_at;
}

// libpq quotes what it cannot parse, and that may be a piece of a password.
void hide_unparsable(const std::string& dbname, Error& error) {
  const bool is_string = dbname.find('=') != std::string::npos || dbname.find("://") != std::string::npos;
  const bool has_password =
      dbname.find("password") != std::string::npos || dbname.find('@') != std::string::npos;
  if (!is_string || !has_password) return;
  const std::unique_ptr<PQconninfoOption, FreeConninfo> parsed(PQconninfoParse(dbname.c_str(), nullptr));
  if (parsed && !(error.sqlstate.empty() && is_misread_uri(dbname))) return;
  error.message = "the connection string cannot be parsed (libpq's own message may repeat its password)";
  error.hint =
      "Quote values: password='it\\'s me'. In a URI write special bytes as %XX. Or use PGPASSWORD or "
      ".pgpass.";
}

enum class Wake : std::uint8_t { socket, cancelled, timeout };

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

// `socket`: connected, or not to be connected.
Wake finish_connecting(PGconn* handle, int cancel_fd) {
  const auto deadline = connect_deadline(handle);
  PostgresPollingStatusType polling = PGRES_POLLING_WRITING;
  while (PQstatus(handle) != CONNECTION_BAD && polling != PGRES_POLLING_OK &&
         polling != PGRES_POLLING_FAILED) {
    const short events = polling == PGRES_POLLING_READING ? POLLIN : POLLOUT;
    const Wake wake = wait_for(PQsocket(handle), events, cancel_fd, deadline);
    if (wake != Wake::socket) return wake;
    polling = PQconnectPoll(handle);
  }
  return Wake::socket;
}

Error interrupted_error() { return Error{.kind = ErrorKind::interrupted, .message = "interrupted"}; }

}  // namespace

struct Connection::State {
  std::unique_ptr<PGconn, Finish> handle;
  const Cancellation* cancellation = nullptr;
  int cancel_fd = -1;
  NoticeHandler notices;

  [[nodiscard]] Error lost() const {
    std::string message = trimmed(PQerrorMessage(handle.get()));
    if (message.empty()) message = "the connection to the server was lost";
    Error error{.kind = ErrorKind::connection, .message = std::move(message)};
    if (PQstatus(handle.get()) == CONNECTION_BAD) take_last_words(error);
    return error;
  }

  // Why the server ended the connection, when that arrived before the end: libpq keeps it as a result. On a
  // closed connection no call here waits.
  void take_last_words(Error& error) const {
    PQputCopyEnd(handle.get(), nullptr);  // while a COPY is open libpq gives out no other result
    while (PGresult* const raw = PQgetResult(handle.get())) {
      const QueryResult result(raw);
      if (PQresultStatus(raw) == PGRES_COPY_IN) return;
      if (PQresultStatus(raw) != PGRES_FATAL_ERROR || field(raw, PG_DIAG_SQLSTATE).empty()) continue;
      error = server_error(raw);
      error.kind = ErrorKind::connection;
    }
  }

  [[nodiscard]] Status wait(short events) const {
    if (wait_for(PQsocket(handle.get()), events, cancel_fd, {}) == Wake::cancelled) {
      return fail(interrupted_error());
    }
    return {};
  }

  // Sends what libpq has buffered, taking what the server says meanwhile, so that both sides cannot wait for
  // each other.
  [[nodiscard]] Status flush() const {
    while (true) {
      const int left = PQflush(handle.get());
      if (left < 0) return fail(lost());
      if (left == 0) return {};
      HYPERCOPY_TRY(wait(POLLIN | POLLOUT));
      if (PQconsumeInput(handle.get()) == 0) return fail(lost());
    }
  }

  // The next result of the running statement; an empty one at its end.
  [[nodiscard]] Result<PGresult*> next_result() const {
    HYPERCOPY_TRY(flush());
    while (PQisBusy(handle.get()) != 0) {
      HYPERCOPY_TRY(wait(POLLIN));
      if (PQconsumeInput(handle.get()) == 0) return fail(lost());
    }
    return PQgetResult(handle.get());
  }

  // All results to the end: the last one, or the first error. `value`: as execute() has it.
  [[nodiscard]] Result<QueryResult> finish_statement(std::string* value = nullptr) const {
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
};

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

std::string connection_string_without_password(const std::string& dbname) {
  // PQconnectdb's own rule (conninfo_array_parse): else it is the name of a database.
  const bool is_string = dbname.find('=') != std::string::npos || dbname.starts_with("postgres://") ||
                         dbname.starts_with("postgresql://");
  if (!is_string) return dbname;
  const std::unique_ptr<PQconninfoOption, FreeConninfo> options(PQconninfoParse(dbname.c_str(), nullptr));
  if (!options) return {};
  bool has_password = false;
  std::string kept;
  for (const PQconninfoOption* option = options.get(); option->keyword != nullptr; ++option) {
    if (option->val == nullptr) continue;
    // libpq marks what a person should type unseen.
    if (option->dispchar[0] == '*') {
      has_password = true;
      continue;
    }
    std::string value;
    for (const char byte : std::string_view(option->val)) {
      if (byte == '\'' || byte == '\\') value += '\\';
      value += byte;
    }
    const bool plain = !value.empty() && value.find_first_of(" \t\n\r\f\v'\\") == std::string::npos;
    kept += fmt::format("{}{}={}", kept.empty() ? "" : " ", option->keyword,
                        plain ? value : fmt::format("'{}'", value));
  }
  return has_password ? kept : dbname;
}

Connector::Connector(ConnectionOptions options, const Cancellation& cancellation, NoticeHandler notices,
                     PasswordPrompt prompt)
    : options_(std::move(options)),
      cancellation_(cancellation),
      notices_(std::move(notices)),
      prompt_(std::move(prompt)) {}

Result<Connection> Connector::connect(const std::string& application_name, StopAt stop) {
  using Password = ConnectionOptions::Password;
  if (options_.password == Password::always && !password_ && prompt_) password_ = prompt_(options_.user);
  bool password_needed = false;
  auto connection = connect_once(application_name, stop, password_needed);
  if (connection || !password_needed || password_ || options_.password == Password::never || !prompt_) {
    return connection;
  }
  password_ = prompt_(options_.user);
  return password_ ? connect_once(application_name, stop, password_needed) : std::move(connection);
}

Result<Connection> Connector::connect_once(const std::string& application_name, StopAt stop,
                                           bool& password_needed) {
  std::vector<const char*> keywords;
  std::vector<const char*> values;
  const auto set = [&](const char* keyword, const std::string& value) {
    if (value.empty()) return;
    keywords.push_back(keyword);
    values.push_back(value.c_str());
  };
  // A dead peer is noticed within about two minutes; a DSN that says otherwise comes later and wins.
  static const std::string kIdle = "60";
  static const std::string kInterval = "10";
  static const std::string kCount = "6";
  static const std::string kUserTimeoutMs = "120000";
  set("keepalives_idle", kIdle);
  set("keepalives_interval", kInterval);
  set("keepalives_count", kCount);
  set("tcp_user_timeout", kUserTimeoutMs);
  set("host", options_.host);
  set("port", options_.port);
  set("user", options_.user);
  if (password_) set("password", *password_);
  set("dbname", options_.dbname);  // psql's rule: what a connection string says overrides the other options
  set("application_name", application_name);
  const std::size_t options = keywords.size();

  auto state = std::make_unique<Connection::State>();
  state->cancellation = &cancellation_;
  state->cancel_fd = cancellation_.graceful_fd();
  state->notices = notices_;
  Wake wake = Wake::timeout;
  for (std::optional<Hosts> left = Hosts{}; wake == Wake::timeout; left = other_hosts(state->handle.get())) {
    if (!left) {
      return fail(Error{.kind = ErrorKind::connection,
                        .message = "timeout while connecting to the server",
                        .sqlstate = "08001"});
    }
    keywords.resize(options);
    values.resize(options);
    set("host", left->host);
    set("hostaddr", left->hostaddr);
    set("port", left->port);
    keywords.push_back(nullptr);
    values.push_back(nullptr);
    state->handle.reset(PQconnectStartParams(keywords.data(), values.data(), /*expand_dbname=*/1));
    if (!state->handle) return fail(ErrorKind::internal, "out of memory while connecting");
    // The only way to a failed connect's SQLSTATE.
    PQsetErrorVerbosity(state->handle.get(), PQERRORS_VERBOSE);
    wake = finish_connecting(state->handle.get(), stop.fd());
  }
  if (wake == Wake::cancelled) return fail(interrupted_error());
  PGconn* const handle = state->handle.get();
  if (PQstatus(handle) != CONNECTION_OK) {
    password_needed = PQconnectionNeedsPassword(handle) != 0;
    Error error{.kind = ErrorKind::connection, .message = trimmed(PQerrorMessage(handle))};
    extract_sqlstate(error);
    hide_unparsable(options_.dbname, error);
    return fail(std::move(error));
  }
  PQsetErrorVerbosity(handle, PQERRORS_DEFAULT);
  PQsetnonblocking(handle, 1);
  PQsetNoticeReceiver(
      handle,
      [](void* context, const PGresult* notice) {
        const auto* self = static_cast<const Connection::State*>(context);
        if (!self->notices) return;
        self->notices(field(notice, PG_DIAG_SEVERITY_NONLOCALIZED), field(notice, PG_DIAG_MESSAGE_PRIMARY));
      },
      state.get());
  return Connection(std::move(state));
}

}  // namespace hypercopy
