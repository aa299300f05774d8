#include "atomic_load.hpp"

#include <fmt/format.h>

#include <utility>

#include "former_backend.hpp"
#include "sqlstate.hpp"

namespace hypercopy {

AtomicLoad::AtomicLoad(AtomicStaging& staging, const Connect& connect,
                       std::chrono::milliseconds retry_timeout, StopAt stop)
    : staging_(staging),
      control_(
          [connect, stop]() -> Result<Connection> {
            HYPERCOPY_ASSIGN(Connection connection, connect(stop));
            connection.interrupt_at(stop.level);
            return connection;
          },
          retry_timeout, stop) {}

// The lock is there before others can see the table.
Status AtomicLoad::begin() {
  return control_.ask_once([this](Connection& connection) -> Status {
    HYPERCOPY_TRY(connection.execute("BEGIN"));
    HYPERCOPY_TRY(staging_.create(connection));
    HYPERCOPY_TRY(staging_.mark_as_owned(connection));
    HYPERCOPY_TRY(connection.execute("COMMIT"));
    return {};
  });
}

Result<std::uint64_t> AtomicLoad::publish(std::uint64_t staged) {
  return control_.ask([&](Connection& connection) { return publish_once(connection, staged); });
}

// The lock waits for whoever was asked to commit before.
Result<std::uint64_t> AtomicLoad::publish_once(Connection& connection, std::uint64_t staged) {
  HYPERCOPY_TRY(end_former_backend(connection, std::exchange(backend_, connection.backend_pid())));
  HYPERCOPY_TRY(connection.execute("BEGIN; SET LOCAL lock_timeout TO '10s'"));
  if (auto locked = connection.execute(fmt::format(
          "LOCK TABLE {} IN ACCESS EXCLUSIVE MODE; SET LOCAL lock_timeout TO 0", staging_.relation()));
      !locked) {
    if (locked.error().sqlstate != sqlstate::kUndefinedTable || !commit_unanswered_)
      return fail(std::move(locked).error());
    commit_unanswered_ = false;
    return taken_;
  }
  commit_unanswered_ = false;
  HYPERCOPY_ASSIGN(taken_, staging_.publish(connection, staged));
  auto committed = connection.execute("COMMIT");
  if (committed && committed->tag() == "COMMIT") return taken_;
  if (committed) {
    return fail(ErrorKind::protocol, fmt::format("the server answered COMMIT with {}", committed->tag()));
  }
  commit_unanswered_ = committed.error().kind != ErrorKind::sql;
  return fail(std::move(committed).error());
}

// Whoever asked for it has its own error; what stays is removed by the next load.
void AtomicLoad::give_up() noexcept {
  Connection* const connection = control_.live();
  if (connection == nullptr || commit_unanswered_) return;
  if (connection->in_transaction()) static_cast<void>(connection->execute("ROLLBACK"));
  static_cast<void>(staging_.drop(*connection));
}

}  // namespace hypercopy
