#include <fmt/format.h>
#include <fmt/ranges.h>
#include <libpq-fe.h>
#include <poll.h>

#include <algorithm>
#include <charconv>
#include <chrono>
#include <vector>

#include "connection_state.hpp"

namespace hypercopy {

namespace {

using Clock = std::chrono::steady_clock;

struct FreeConninfo {
  void operator()(PQconninfoOption* options) const { PQconninfoFree(options); }
};

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

// `socket`: connected, or not to be connected.
Wake finish_connecting(PGconn* handle, int cancel_fd) {
  auto deadline = connect_deadline(handle);
  std::string host = PQhost(handle);
  PostgresPollingStatusType polling = PGRES_POLLING_WRITING;
  while (PQstatus(handle) != CONNECTION_BAD && polling != PGRES_POLLING_OK &&
         polling != PGRES_POLLING_FAILED) {
    const short events = polling == PGRES_POLLING_READING ? POLLIN : POLLOUT;
    const Wake wake = wait_for(PQsocket(handle), events, cancel_fd, deadline);
    if (wake != Wake::socket) return wake;
    polling = PQconnectPoll(handle);
    if (host == PQhost(handle)) continue;
    host = PQhost(handle);
    deadline = connect_deadline(handle);
  }
  return Wake::socket;
}

}  // namespace

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
        self->notices(result_field(notice, PG_DIAG_SEVERITY_NONLOCALIZED),
                      result_field(notice, PG_DIAG_MESSAGE_PRIMARY));
      },
      state.get());
  return Connection(std::move(state));
}

}  // namespace hypercopy
