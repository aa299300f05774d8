// The COPY ... FROM STDIN statement for each input, every name and value quoted by libpq.
// Shape:   COPY "schema"."table" ("a", "b") FROM STDIN WITH (FORMAT csv, ...) [WHERE sql]. The column list is
//          always given, so that a column added while the load runs changes nothing.
// Owns:    all that a connection is needed for is quoted when it is made; for_columns() is pure and may be
//          called by any thread, while the connection is at work.
// Errors:  none: names and options were checked before (column_mapping.hpp, dialect.hpp).
// Source:  PostgreSQL manual, COPY.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "hypercopy/column_mapping.hpp"
#include "hypercopy/connection.hpp"
#include "hypercopy/dialect.hpp"
#include "hypercopy/target_table.hpp"

namespace hypercopy {

class CopyStatement {
 public:
  // `where` is SQL of the user's, passed on as it is; it must have been checked to be one expression
  // (load_plan.cpp).
  CopyStatement(const Connection& connection, const TargetTable& table, const Dialect& dialect,
                const std::string& where);

  // The same into another relation that has these columns, named as SQL.
  [[nodiscard]] CopyStatement into(std::string_view relation) const;
  [[nodiscard]] std::string for_columns(const std::vector<std::string>& columns) const;
  // The same as COPY BINARY: the dialect has no part in it.
  [[nodiscard]] std::string binary_for_columns(const std::vector<std::string>& columns) const;

 private:
  [[nodiscard]] std::string list(const std::vector<std::string>& columns) const;

  std::map<std::string, std::string> quoted_;  // column name -> quoted identifier
  std::string begin_;                          // before the column list
  std::string where_;
  std::string end_;  // behind it
};

}  // namespace hypercopy
