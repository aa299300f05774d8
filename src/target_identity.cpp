#include "target_identity.hpp"

#include <fmt/format.h>

#include <string_view>

#include "sqlstate.hpp"

namespace hypercopy {

namespace {

// Its error, undefined_object, is of no class that is sent again or blames a record.
constexpr std::string_view kReplaced = "hypercopy.target_replaced";

}  // namespace

std::string fail_if_replaced_sql(const Connection& connection, const std::string& name, std::uint32_t oid) {
  return fmt::format(
      "SELECT CASE WHEN pg_catalog.to_regclass({}) IS DISTINCT FROM {}::pg_catalog.regclass THEN "
      "pg_catalog.current_setting('{}') END",
      connection.quote_literal(name), oid, kReplaced);
}

bool is_replaced_target(const Error& error) {
  return error.sqlstate == sqlstate::kUndefinedObject && error.message.find(kReplaced) != std::string::npos;
}

Error explain_replaced_target() {
  return {.kind = ErrorKind::sql,  // the server has refused it
          .message =
              "the target was renamed or dropped, and its name now means another table than the one that "
              "this run began with",
          .sqlstate = std::string(sqlstate::kUndefinedObject),
          .hint = "Nothing of this batch was committed; what was committed before is in the former table."};
}

}  // namespace hypercopy
