// What the control connection of an import has for as long as it lasts: a session advisory lock, which says that a loader
// of this job lives, and the prepared statement of ImportLedger::plan().
// Shape:   settle_in() asks for both; connect() makes a connection that has them, as soon as the job is known. The lock is
//          shared by all loaders of files; a pipe has one reader, and its bytes are gone for any other. Chunks that are built
//          aside have one loader, too: it makes chunks of tables that another one would be filling.
// Why:     prepared, a plan takes 0.1 to 0.2 ms of the server in place of 0.4 (pgbench, PostgreSQL 15): there is one for
//          each batch.
// Threads: one.
// Errors:  usage: another process loads what cannot be shared; those of connecting.
#pragma once

#include <functional>
#include <optional>
#include <set>
#include <string>

#include "hypercopy/import_ledger.hpp"

namespace hypercopy {

// How long nothing is said about what another process lets this one wait for.
inline constexpr std::string_view kSilence = "2s";

struct ImportLedger::Presence {
  Connect make_connection;
  std::optional<StopAt> stop;
  bool shared = true;  // no input is a pipe
  bool builds_chunks = false;
  int job = 0;  // 0: not known yet

  int backend = 0;  // that has the lock, or was asked to take it; 0: none yet
  std::function<void(const std::string& what)> on_wait{};
  std::set<Wait> said{};  // what was waited for

  [[nodiscard]] Result<Connection> connect();
  [[nodiscard]] Status settle_in(Connection& connection);
  // Each kind once.
  void say_waiting(Wait kind, const std::string& what);

 private:
  [[nodiscard]] Status take_lock(Connection& connection);
  [[nodiscard]] Result<bool> try_lock(Connection& connection, std::string_view timeout) const;
  [[nodiscard]] bool is_alone() const { return !shared || builds_chunks; }
};

}  // namespace hypercopy
