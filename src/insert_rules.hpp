// Rules ON INSERT of the target, which INSERT fires and COPY does not: what puts rows into the table by INSERT cannot load
// such a table as COPY would.
// Shape:   refuse_insert_rules() reads the catalog. Rules of partitions do not count: no statement names them.
// Errors:  usage: there is a rule that would fire in this session; sql, connection.
// Source:  pg_rewrite; PostgreSQL manual, COPY, "Notes"; src/backend/rewrite/rewriteHandler.c, matchLocks.
#pragma once

#include <string_view>

#include "hypercopy/result.hpp"
#include "hypercopy/target_table.hpp"

namespace hypercopy {

class Connection;

// `option`: as on the command line.
[[nodiscard]] Status refuse_insert_rules(Connection& connection, const TargetTable& table,
                                         std::string_view option);

}  // namespace hypercopy
