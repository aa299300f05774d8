// The settings under which the server reads values: read once, pinned on every connection.
// Shape:   read_session() on the first connection takes what a plain psql session of this user would have
//          (server, database, role, PG* variables, PGOPTIONS); pin_session() makes a connection have exactly
//          that, whatever ALTER ROLE or ALTER DATABASE says meanwhile.
// Units:   setting names and values as in pg_settings.
// Threads: plain values.
// Errors:  usage: an encoding whose bytes can hide a delimiter or newline; sql, connection.
// Why:     the meaning of '03/02/2024 10:00' depends on TimeZone and DateStyle; replacing them by UTC and ISO
//          loads other instants. Timeouts would kill a long load, so they are off as in pg_restore; READ
//          COMMITTED is what a batch expects; synchronous_commit is raised from off to on, because exit 0
//          means that all is durable.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "hypercopy/connection.hpp"
#include "hypercopy/result.hpp"

namespace hypercopy {

struct SessionSettings {
  std::vector<std::pair<std::string, std::string>> pinned;
  std::string client_encoding;
  std::string server_encoding;
  bool array_nulls = false;       // an unquoted NULL in an array is NULL, not a word
  bool time_zone_is_utc = false;  // a timestamptz without offset is the instant it spells
  int server_version = 0;         // PQserverVersion
};

// `encoding`: --encoding, or empty for what the session has.
[[nodiscard]] Result<SessionSettings> read_session(Connection& connection, const std::string& encoding);
[[nodiscard]] Status pin_session(Connection& connection, const SessionSettings& settings);

// Multibyte encodings in which a second byte can be an ASCII one: cutting them at bytes would be wrong.
[[nodiscard]] bool encoding_hides_ascii(std::string_view encoding);

}  // namespace hypercopy
