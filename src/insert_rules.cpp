#include "insert_rules.hpp"

#include <fmt/format.h>

#include <array>
#include <string>

#include "hypercopy/connection.hpp"
#include "hypercopy/sql_identifier.hpp"

namespace hypercopy {

namespace {

// ev_type 3 is INSERT.
constexpr std::string_view kInsertRules = R"(
SELECT rulename FROM pg_catalog.pg_rewrite
WHERE ev_class = $1::oid AND ev_type = '3' AND ev_enabled = ANY (
  CASE WHEN pg_catalog.current_setting('session_replication_role') = 'replica' THEN '{R,A}' ELSE '{O,A}' END::"char"[])
ORDER BY 1)";

}  // namespace

Status refuse_insert_rules(Connection& connection, const TargetTable& table, std::string_view option) {
  const std::array<std::string, 1> parameters{fmt::to_string(table.oid)};
  HYPERCOPY_ASSIGN(const QueryResult rules, connection.execute(kInsertRules, parameters));
  if (rules.rows() == 0) return {};
  const std::string shown = display_qualified(table.schema, table.name);
  return fail(ErrorKind::usage,
              fmt::format("{} is not possible: it needs INSERT, which the rule {} of {} rewrites; COPY fires "
                          "no rules",
                          option, display_identifier(std::string(rules.text(0, 0))), shown),
              fmt::format("Load without it, or disable the rule meanwhile: ALTER TABLE {} DISABLE RULE {}.",
                          shown, display_identifier(std::string(rules.text(0, 0)))));
}

}  // namespace hypercopy
