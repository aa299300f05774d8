#include "hypercopy/session.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>

namespace hypercopy {

namespace {

// Read from the session as it is.
constexpr std::string_view kUserSettings =
    "'TimeZone','timezone_abbreviations','DateStyle','IntervalStyle','lc_monetary','search_path','xmloption',"
    "'array_nulls'";

// Set for the load. Timeouts as pg_restore sets them (transaction_timeout exists since 17,
// idle_session_timeout since 14; a name the server does not know is left out by the query).
constexpr std::string_view kReadSettings =
    "SELECT name, setting FROM pg_catalog.pg_settings WHERE name IN ({}) "
    "UNION ALL SELECT name, '0' FROM pg_catalog.pg_settings WHERE name IN "
    "('statement_timeout','lock_timeout','idle_in_transaction_session_timeout','idle_session_timeout',"
    "'transaction_timeout') "
    "UNION ALL SELECT name, 'read committed' FROM pg_catalog.pg_settings WHERE name = "
    "'default_transaction_isolation' "
    "UNION ALL SELECT name, 'on' FROM pg_catalog.pg_settings WHERE name = 'synchronous_commit' AND setting = "
    "'off'";

// Before anything else: a role's statement_timeout of some milliseconds would end even the reading of
// settings.
constexpr std::string_view kNoTimeout = "SET statement_timeout = 0";

// Names under which every server knows UTC; a zone that merely has offset 0 today may have had another one.
bool is_utc(std::string_view zone) {
  static constexpr std::array<std::string_view, 6> kNames{"UTC",     "Etc/UTC", "GMT",
                                                          "Etc/GMT", "UCT",     "Etc/UCT"};
  return std::find(kNames.begin(), kNames.end(), zone) != kNames.end();
}

}  // namespace

bool encoding_hides_ascii(std::string_view encoding) {
  // Source: PostgreSQL manual, "Supported Character Sets": the client-only encodings whose trailing bytes may
  // be ASCII.
  static constexpr std::array<std::string_view, 7> kUnsafe{"SJIS", "SHIFT_JIS_2004", "BIG5", "GBK",
                                                           "UHC",  "GB18030",        "JOHAB"};
  return std::find(kUnsafe.begin(), kUnsafe.end(), encoding) != kUnsafe.end();
}

Result<SessionSettings> read_session(Connection& connection, const std::string& encoding) {
  SessionSettings settings;
  HYPERCOPY_TRY(connection.execute(kNoTimeout));
  if (!encoding.empty()) {
    const std::array<std::string, 1> parameters{encoding};
    auto set = connection.execute("SELECT pg_catalog.set_config('client_encoding', $1, false)", parameters);
    if (!set && set.error().kind == ErrorKind::sql) {
      return fail(Error{
          .kind = ErrorKind::usage,
          .message = fmt::format("--encoding {}: {}", encoding, set.error().message),
          .sqlstate = set.error().sqlstate,
          .hint =
              "SELECT pg_encoding_to_char(i) FROM generate_series(0, 41) i; lists what the server knows."});
    }
    HYPERCOPY_TRY(std::move(set));
  }
  settings.client_encoding = connection.parameter("client_encoding");
  settings.server_encoding = connection.parameter("server_encoding");
  settings.server_version = connection.server_version();
  if (encoding_hides_ascii(settings.client_encoding)) {
    return fail(
        ErrorKind::usage,
        fmt::format("input in {} cannot be cut into records: its multibyte characters may hold the bytes of "
                    "delimiters and newlines",
                    settings.client_encoding),
        fmt::format("Convert it on the way: iconv -f {} -t UTF-8 FILE | hypercopy load --encoding UTF8 ... -",
                    settings.client_encoding));
  }
  HYPERCOPY_ASSIGN(const QueryResult rows, connection.execute(fmt::format(kReadSettings, kUserSettings)));
  for (int row = 0; row < rows.rows(); ++row) {
    settings.pinned.emplace_back(rows.text(row, 0), rows.text(row, 1));
    if (rows.text(row, 0) == "TimeZone") settings.time_zone_is_utc = is_utc(rows.text(row, 1));
    if (rows.text(row, 0) == "array_nulls") settings.array_nulls = rows.text(row, 1) == "on";
  }
  settings.pinned.emplace_back("client_encoding", settings.client_encoding);
  return settings;
}

Status pin_session(Connection& connection, const SessionSettings& settings) {
  std::vector<std::string> parameters;
  std::string sql = "SELECT ";
  for (const auto& [name, value] : settings.pinned) {
    const std::size_t at = parameters.size();
    sql += fmt::format("{}pg_catalog.set_config(${}, ${}, false)", at == 0 ? "" : ", ", at + 1, at + 2);
    parameters.push_back(name);
    parameters.push_back(value);
  }
  HYPERCOPY_TRY(connection.execute(sql, parameters));
  return {};
}

}  // namespace hypercopy
