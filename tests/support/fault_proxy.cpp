#include "support/fault_proxy.hpp"

#include <arpa/inet.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdint>
#include <stdexcept>
#include <utility>

namespace hypercopy::test {

namespace {

using Clock = std::chrono::steady_clock;

constexpr std::chrono::minutes kPatience{5};   // only what hangs takes so long, on a loaded machine too
constexpr std::size_t kMostWaiting = 1 << 20;  // bytes that a side has not taken yet

void close_fd(int& fd) {
  if (fd >= 0) ::close(fd);
  fd = -1;
}

// The size of the message that begins here, if it is there in whole. Only the first one of a client has no type.
std::size_t whole_message(std::string_view bytes, bool has_type) {
  const std::size_t type_size = has_type ? 1 : 0;
  if (bytes.size() < type_size + 4) return 0;
  std::size_t size = 0;
  for (const char byte : bytes.substr(type_size, 4)) size = size << 8 | static_cast<unsigned char>(byte);
  size += type_size;
  return size <= bytes.size() ? size : 0;
}

// poll reports an end whether it was asked for or not: a socket that is to be left alone is not given to it.
pollfd wait_for(int fd, bool bytes, bool room) {
  const auto events = static_cast<short>((bytes ? POLLIN : 0) | (room ? POLLOUT : 0));
  return {.fd = events == 0 ? -1 : fd, .events = events, .revents = 0};
}

std::string_view text_of(std::string_view message) {
  const std::string_view body = message.substr(5);
  return body.substr(0, body.find('\0'));
}

bool ends_with_commit(std::string_view sql) {
  static constexpr std::string_view kCommit = "commit";
  while (!sql.empty() && (sql.back() == ';' || sql.back() == ' ')) sql.remove_suffix(1);
  if (sql.size() < kCommit.size()) return false;
  return std::ranges::equal(sql.substr(sql.size() - kCommit.size()), kCommit,
                            [](char left, char right) { return (left | 0x20) == right; });
}

// 0: the other side has closed, or is gone.
std::size_t receive(int fd, std::string& into) {
  std::array<char, 65536> block{};
  const ssize_t count = ::recv(fd, block.data(), block.size(), 0);
  if (count < 0 && (errno == EAGAIN || errno == EINTR)) return 1;
  if (count <= 0) return 0;
  into.append(block.data(), static_cast<std::size_t>(count));
  return static_cast<std::size_t>(count);
}

bool send_waiting(int fd, std::string& bytes) {
  const ssize_t count = ::send(fd, bytes.data(), bytes.size(), MSG_NOSIGNAL);
  if (count < 0) return errno == EAGAIN || errno == EINTR;
  bytes.erase(0, static_cast<std::size_t>(count));
  return true;
}

int connect_to(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof address.sun_path) throw std::runtime_error("too long for a socket: " + path);
  path.copy(address.sun_path, path.size());
  int fd = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (::connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) close_fd(fd);
  if (fd >= 0) ::fcntl(fd, F_SETFL, O_NONBLOCK);
  return fd;
}

}  // namespace

struct FaultProxy::Link {
  enum class State {
    flowing,
    stalled,
    ending,  // what was forwarded is still sent, the client's end is awaited; then both sides are closed
    orphaned,
  };
  enum class Asked { anything, copy_done, commit };

  unsigned number;
  int client;
  int server;
  std::string from_client{};
  std::string to_server{};
  std::string from_server{};
  std::string to_client{};
  State state = State::flowing;
  bool started = false;  // the client's first message has passed
  Asked asked = Asked::anything;
  std::string held{};  // the message at which it stalls
  bool held_is_servers = false;
  std::optional<Clock::time_point> goes_on{};

  Link(unsigned link_number, int client_fd, int server_fd)
      : number(link_number), client(client_fd), server(server_fd) {}
  ~Link() {
    close_fd(client);
    close_fd(server);
  }
  Link(const Link&) = delete;
  Link& operator=(const Link&) = delete;

  [[nodiscard]] bool is_over() const { return client < 0 && server < 0; }

  [[nodiscard]] std::array<pollfd, 2> waits() const {
    const bool flowing = state == State::flowing;
    return {wait_for(client, (flowing && to_server.size() < kMostWaiting) || state == State::ending,
                     !to_client.empty()),
            wait_for(server, (flowing && to_client.size() < kMostWaiting) || state == State::orphaned,
                     !to_server.empty())};
  }

  [[nodiscard]] std::optional<Point> point_of_client(std::string_view message) {
    if (!std::exchange(started, true)) return Point::at_start;
    asked = Asked::anything;
    if (message[0] == 'd') return Point::in_copy_data;
    if (message[0] == 'c') asked = Asked::copy_done;
    if (message[0] != 'Q' || !ends_with_commit(text_of(message))) return std::nullopt;
    asked = Asked::commit;
    return Point::before_commit;
  }

  [[nodiscard]] std::optional<Point> point_of_server(std::string_view message) const {
    if (message[0] != 'C') return std::nullopt;
    if (asked == Asked::copy_done) return Point::before_copy_answer;
    if (asked == Asked::commit && text_of(message) == "COMMIT") return Point::before_commit_answer;
    return std::nullopt;
  }

  void go_on() {
    (held_is_servers ? to_client : to_server) += held;
    held.clear();
    goes_on.reset();
    state = State::flowing;
  }

  // What has not been sent to the client yet is not sent any more.
  void cut() {
    to_client.clear();
    end();
  }

  void reset_client() {
    const linger at_once{.l_onoff = 1, .l_linger = 0};
    ::setsockopt(client, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
    close_fd(client);
    end();
  }

  void orphan_server() {
    close_fd(client);
    to_client.clear();
    state = State::orphaned;
  }

  void handle_client(short events) {
    if (client < 0 || events == 0) return;
    if ((events & POLLOUT) != 0 && !send_waiting(client, to_client)) return client_ended();
    if ((events & ~POLLOUT) != 0 && receive(client, from_client) == 0) return client_ended();
    if (state == State::ending) close_what_is_sent();
  }

  void handle_server(short events) {
    if (server < 0 || events == 0) return;
    if ((events & POLLOUT) != 0 && !send_waiting(server, to_server)) return server_ended();
    if ((events & ~POLLOUT) != 0 && receive(server, from_server) == 0) return server_ended();
    if (state == State::ending) close_what_is_sent();
    if (state == State::orphaned) from_server.clear();
  }

 private:
  void end() {
    state = State::ending;
    held.clear();
    goes_on.reset();
    close_what_is_sent();
  }

  // The client sees the end of the stream. Its own is awaited, since closing with unread bytes would be a reset.
  void close_what_is_sent() {
    from_client.clear();
    if (to_client.empty() && client >= 0) ::shutdown(client, SHUT_WR);
    if (to_server.empty()) close_fd(server);
  }

  void client_ended() {
    close_fd(client);
    to_client.clear();
    if (state != State::orphaned) end();
  }

  void server_ended() {
    close_fd(server);
    to_server.clear();
    if (state != State::orphaned) end();
  }
};

FaultProxy::FaultProxy(std::string server_socket, std::vector<Fault> script)
    : server_socket_(std::move(server_socket)),
      listener_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)),
      wake_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {
  for (const auto& fault : script) script_.push_back({.fault = fault});
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  auto* const generic = reinterpret_cast<sockaddr*>(&address);
  if (wake_ < 0 || ::bind(listener_, generic, size) != 0 || ::listen(listener_, 64) != 0 ||
      ::getsockname(listener_, generic, &size) != 0) {
    throw std::runtime_error("no socket for a proxy");
  }
  port_ = ntohs(address.sin_port);
  thread_ = std::jthread([this] { serve(); });
}

FaultProxy::~FaultProxy() {
  give_order(Order::stop);
  thread_.join();
  close_fd(listener_);
  close_fd(wake_);
}

std::string FaultProxy::dsn() const {
  return fmt::format(
      "host=127.0.0.1 port={} user=postgres dbname=postgres sslmode=disable gssencmode=disable", port_);
}

bool FaultProxy::await_acted(unsigned faults) {
  std::unique_lock lock(mutex_);
  return changed_.wait_for(lock, kPatience, [&] {
    return std::ranges::count_if(script_, [](const auto& one) { return one.acted; }) >= faults;
  });
}

unsigned FaultProxy::acted() const {
  const std::lock_guard lock(mutex_);
  return static_cast<unsigned>(std::ranges::count_if(script_, [](const auto& one) { return one.acted; }));
}

void FaultProxy::let_go() { give_order(Order::let_go); }
void FaultProxy::cut_stalled() { give_order(Order::cut); }
void FaultProxy::cut_all() { give_order(Order::cut_all); }

void FaultProxy::give_order(Order order) {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [&] { return order_ == Order::none; });
  order_ = order;
  const std::uint64_t one = 1;
  if (::write(wake_, &one, sizeof one) != sizeof one) throw std::runtime_error("eventfd");
}

void FaultProxy::serve() {
  for (Order order = await_events(); order != Order::stop; order = await_events()) {
    const auto now = Clock::now();
    for (const auto& link : links_) {
      if (order == Order::cut_all) link->cut();
      if (link->state != Link::State::stalled) continue;
      if (order == Order::cut) link->cut();
      if (order == Order::let_go || (link->goes_on && *link->goes_on <= now)) link->go_on();
    }
    for (const auto& link : links_) {
      forward_from_client(*link);
      forward_from_server(*link);
    }
    std::erase_if(links_, [](const auto& link) { return link->is_over(); });
  }
  links_.clear();
}

// Waits, moves bytes, and takes the order that was given.
FaultProxy::Order FaultProxy::await_events() {
  std::vector<pollfd> waits{{.fd = wake_, .events = POLLIN, .revents = 0},
                            {.fd = listener_, .events = POLLIN, .revents = 0}};
  std::optional<Clock::time_point> next;
  for (const auto& link : links_) {
    const auto both = link->waits();
    waits.insert(waits.end(), both.begin(), both.end());
    if (link->goes_on) next = next ? std::min(*next, *link->goes_on) : *link->goes_on;
  }
  int timeout = -1;
  if (next) {
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(*next - Clock::now()).count();
    timeout = static_cast<int>(std::max<long>(left, 0));
  }
  if (::poll(waits.data(), waits.size(), timeout) < 0 && errno != EINTR) throw std::runtime_error("poll");
  for (std::size_t index = 0; index < links_.size(); ++index) {
    links_[index]->handle_client(waits[2 + 2 * index].revents);
    links_[index]->handle_server(waits[3 + 2 * index].revents);
  }
  if (waits[1].revents != 0) accept_client();
  if (waits[0].revents == 0) return Order::none;
  std::uint64_t count = 0;
  [[maybe_unused]] const auto taken = ::read(wake_, &count, sizeof count);
  const std::lock_guard lock(mutex_);
  changed_.notify_all();
  return std::exchange(order_, Order::none);
}

void FaultProxy::accept_client() {
  int client = ::accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK);
  if (client < 0) return;
  const int server = connect_to(server_socket_);
  if (server < 0) return close_fd(client);
  links_.push_back(std::make_unique<Link>(++accepted_, client, server));
}

void FaultProxy::forward_from_client(Link& link) {
  std::size_t size = 0;
  while (link.state == Link::State::flowing && (size = whole_message(link.from_client, link.started)) > 0) {
    const std::string message = link.from_client.substr(0, size);
    link.from_client.erase(0, size);
    const auto point = link.point_of_client(message);
    auto fault = point ? due(*point, link) : std::nullopt;
    if (!fault && point == Point::before_commit) fault = due(Point::behind_commit, link);
    if (fault) {
      act(link, *fault, message);
    } else {
      link.to_server += message;
    }
  }
}

void FaultProxy::forward_from_server(Link& link) {
  std::size_t size = 0;
  while (link.state == Link::State::flowing && (size = whole_message(link.from_server, true)) > 0) {
    const std::string message = link.from_server.substr(0, size);
    link.from_server.erase(0, size);
    const auto point = link.point_of_server(message);
    const auto fault = point ? due(*point, link) : std::nullopt;
    if (fault) {
      act(link, *fault, message);
    } else {
      link.to_client += message;
    }
  }
}

// Every fault that waits for this point counts the passing; the first whose turn it is acts.
std::optional<FaultProxy::Fault> FaultProxy::due(Point point, const Link& link) {
  const std::lock_guard lock(mutex_);
  std::optional<Fault> found;
  for (auto& [fault, passed, acted] : script_) {
    if (acted || fault.point != point || (fault.connection != 0 && fault.connection != link.number)) continue;
    if (++passed < fault.nth || found) continue;
    acted = true;
    found = fault;
  }
  return found;
}

void FaultProxy::act(Link& link, const Fault& fault, std::string_view message) {
  const bool holds = fault.action == Action::stall || fault.action == Action::delay;
  if (fault.point == Point::behind_commit) link.to_server += std::exchange(message, {});
  if (fault.point == Point::in_copy_data && !holds) link.to_server += message.substr(0, message.size() / 2);
  switch (fault.action) {
    case Action::close:
      link.cut();
      break;
    case Action::reset:
      link.reset_client();
      break;
    case Action::orphan:
      link.orphan_server();
      break;
    case Action::delay:
      link.goes_on = Clock::now() + fault.hold;
      [[fallthrough]];
    case Action::stall:
      link.held = message;
      link.held_is_servers =
          fault.point == Point::before_copy_answer || fault.point == Point::before_commit_answer;
      link.state = Link::State::stalled;
      break;
  }
  changed_.notify_all();
}

}  // namespace hypercopy::test
