// Whether a table's columns still have the types for which records were encoded.
// Shape:   ColumnTypes::read() before the first batch; changed_sql() is asked in each transaction that copies, behind its
//          COPYs, which hold a lock that no ALTER TABLE gets past.
// Why:     COPY BINARY carries no types. A value that was encoded for another type of the same width is taken as it is:
//          an integer into what became real, without any error.
// Threads: a plain value.
// Errors:  target: the table changed since it was described; sql, connection.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "hypercopy/connection.hpp"
#include "hypercopy/result.hpp"
#include "hypercopy/target_table.hpp"

namespace hypercopy {

class ColumnTypes {
 public:
  [[nodiscard]] static Result<ColumnTypes> read(Connection& connection, const TargetTable& table);

  // A condition on `relation`, SQL of an oid: the table itself, or one that is filled in its place. Columns that are gone
  // are none of its business: COPY refuses them by name.
  [[nodiscard]] std::string changed_sql(const std::string& relation) const;

 private:
  std::string known_;  // the WHENs of a CASE of a column's name
};

// A statement that fails where the condition holds, and what its error means.
[[nodiscard]] std::string fail_if_sql(const std::string& changed);
[[nodiscard]] bool is_changed_types(const Error& error);
[[nodiscard]] Error explain_changed_types();

}  // namespace hypercopy
