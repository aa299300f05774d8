// A proxy on the loopback interface between programs and one PostgreSQL, which breaks or holds connections at chosen
// points of the protocol.
// Shape:   knows of the protocol only how messages are framed, COPY's messages, and what COMMIT looks like: a simple
//          query that ends with it. Forwards whole messages; at the n-th passing of a fault's point the fault acts, once.
//          What a connection has sent before the point reaches the other side.
// Owns:    its thread, and a pair of sockets per connection; all of it ends with this, orphans included.
// Threads: one of its own, around poll(2); everything public may be called from any thread.
// Errors:  the server cannot be reached: the client's connection is closed, as by a server that is down. What a proxy
//          itself cannot do (no socket) throws.
// REQUIRES: clients that use neither TLS nor GSSAPI encryption, as dsn() says.
// Source:  PostgreSQL manual, "Frontend/Backend Protocol", "Message Formats".
#pragma once

#include <chrono>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

namespace hypercopy::test {

class FaultProxy {
 public:
  enum class Point {
    at_start,              // nothing of the connection has been forwarded
    in_copy_data,          // half of a CopyData message has been forwarded
    before_copy_answer,    // the server has answered CopyDone; the client does not know
    before_commit,         // COMMIT has not been forwarded
    behind_commit,         // COMMIT has been forwarded; the server may be at it
    before_commit_answer,  // the server has committed; the client does not know
  };
  enum class Action {
    close,   // both sides, orderly
    reset,   // the client gets RST, the server an orderly end
    orphan,  // the client's side is closed; the server's stays open and silent, as when a network is gone
    stall,   // nothing is forwarded in either direction until let_go() or cut_stalled()
    delay,   // the same for `hold`, then it goes on
  };
  struct Fault {
    Point point;
    Action action = Action::close;
    unsigned nth = 1;         // passing of the point, counted over the connections that `connection` means
    unsigned connection = 0;  // in the order of their coming, from 1; 0: all
    std::chrono::milliseconds hold{0};
  };

  // `server_socket`: the path of the server's unix socket, /FOLDER/.s.PGSQL.PORT.
  FaultProxy(std::string server_socket, std::vector<Fault> script);
  ~FaultProxy();
  FaultProxy(const FaultProxy&) = delete;
  FaultProxy& operator=(const FaultProxy&) = delete;

  [[nodiscard]] std::string dsn() const;
  [[nodiscard]] int port() const { return port_; }
  // Waits until so many faults have acted; false when minutes have passed without.
  [[nodiscard]] bool await_acted(unsigned faults);
  [[nodiscard]] unsigned acted() const;
  // Stalled connections go on, or are cut as by `close`.
  void let_go();
  void cut_stalled();
  // All connections of this moment, as by `close`: a backend that is at a statement, or its COMMIT, goes on.
  void cut_all();

 private:
  struct Link;
  enum class Order { none, let_go, cut, cut_all, stop };

  void serve();
  [[nodiscard]] Order await_events();
  void accept_client();
  void forward_from_client(Link& link);
  void forward_from_server(Link& link);
  [[nodiscard]] std::optional<Fault> due(Point point, const Link& link);
  void act(Link& link, const Fault& fault, std::string_view message);
  void give_order(Order order);

  const std::string server_socket_;
  int listener_ = -1;
  int wake_ = -1;
  int port_ = 0;
  std::vector<std::unique_ptr<Link>> links_;  // the thread's own
  unsigned accepted_ = 0;                     // the thread's own

  struct Scripted {
    Fault fault;
    unsigned passed = 0;
    bool acted = false;
  };
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<Scripted> script_;  // protected by mutex_
  Order order_ = Order::none;     // protected by mutex_

  std::jthread thread_;  // last: it uses all of the above
};

}  // namespace hypercopy::test
