#include "server_room.hpp"

#include <algorithm>

#include "query_numbers.hpp"

namespace hypercopy {

namespace {

// pg_stat_database counts what every user may know; this connection is not counted. Limits below 0 are none.
constexpr std::string_view kRoom = R"(
SELECT pg_catalog.current_setting('max_connections'),
  pg_catalog.current_setting('superuser_reserved_connections')::int
    + coalesce(pg_catalog.current_setting('reserved_connections', true)::int, 0),
  (SELECT pg_catalog.sum(numbackends) FROM pg_catalog.pg_stat_database) - 1,
  CASE WHEN r.rolconnlimit < 0 THEN NULL ELSE r.rolconnlimit - (
    SELECT pg_catalog.count(*) FROM pg_catalog.pg_stat_activity a WHERE a.usesysid = r.oid) + 1 END,
  CASE WHEN d.datconnlimit < 0 THEN NULL ELSE d.datconnlimit - (
    SELECT s.numbackends FROM pg_catalog.pg_stat_database s WHERE s.datid = d.oid) + 1 END,
  r.rolsuper,
  pg_catalog.pg_size_bytes(pg_catalog.current_setting('max_wal_size')),
  pg_catalog.current_setting('wal_level'), pg_catalog.current_setting('max_wal_size'), pg_catalog.current_setting('synchronous_commit')
FROM pg_catalog.pg_roles r, pg_catalog.pg_database d
WHERE r.rolname = current_user AND d.datname = pg_catalog.current_database())";

}  // namespace

Result<ServerRoom> read_server_room(Connection& connection) {
  HYPERCOPY_ASSIGN(const QueryResult rows, connection.execute(kRoom));
  if (rows.rows() == 0) return fail(ErrorKind::protocol, "the server does not know the role of this session");
  ServerRoom room{.max_connections = count_at(rows, 0, 0),
                  .reserved_connections = count_at(rows, 0, 1),
                  .used_connections = count_at(rows, 0, 2),
                  .max_wal_bytes = count_at(rows, 0, 6),
                  .max_wal_size = std::string(rows.text(0, 8)),
                  .wal_level = std::string(rows.text(0, 7)),
                  .synchronous_commit = std::string(rows.text(0, 9))};
  const bool superuser = rows.boolean(0, 5);
  const std::uint64_t taken = room.used_connections + (superuser ? 0 : room.reserved_connections);
  room.free_connections = room.max_connections - std::min(taken, room.max_connections);
  for (const int limit : {3, 4}) {
    const bool unlimited = rows.is_null(0, limit) || (superuser && limit == 3);
    if (!unlimited) room.free_connections = std::min(room.free_connections, count_at(rows, 0, limit));
  }
  return room;
}

}  // namespace hypercopy
