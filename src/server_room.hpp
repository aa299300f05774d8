// How much room a server has for a load, as far as it tells any of its users.
// Units:   bytes; connections.
// Threads: a plain value.
// Errors:  sql, connection.
// Source:  pg_settings, pg_stat_database, pg_roles, pg_database. Free disk space is told to nobody.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "hypercopy/connection.hpp"
#include "hypercopy/result.hpp"

namespace hypercopy {

struct ServerRoom {
  std::uint64_t max_connections = 0;
  std::uint64_t reserved_connections = 0;  // for superusers and pg_use_reserved_connections
  std::uint64_t used_connections = 0;      // by others than this program
  std::uint64_t free_connections = 0;      // for this user and database, its own limits counted in
  std::uint64_t max_wal_bytes = 0;         // max_wal_size
  std::string max_wal_size{};              // as the server writes it
  std::string wal_level{};
  std::string synchronous_commit{};
};

[[nodiscard]] Result<ServerRoom> read_server_room(Connection& connection);

}  // namespace hypercopy
