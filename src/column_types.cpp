#include "column_types.hpp"

#include <fmt/format.h>

#include <string_view>

#include "sqlstate.hpp"

namespace hypercopy {

namespace {

// Its error, undefined_object, is of no class that is sent again or blames a record.
constexpr std::string_view kChanged = "hypercopy.column_types_changed";

}  // namespace

Result<ColumnTypes> ColumnTypes::read(Connection& connection, const TargetTable& table) {
  HYPERCOPY_ASSIGN(const QueryResult rows,
                   connection.execute(fmt::format(
                       "SELECT attname, atttypid, pg_catalog.format_type(atttypid, atttypmod) FROM "
                       "pg_catalog.pg_attribute WHERE attrelid = {} AND attnum > 0 AND NOT attisdropped",
                       table.oid)));
  ColumnTypes read;
  for (int row = 0; row < rows.rows(); ++row) {
    const Column* const column = table.find(rows.text(row, 0));
    if (column == nullptr) continue;
    if (column->type != rows.text(row, 2)) return fail(explain_changed_types());
    read.known_ += fmt::format(" WHEN {} THEN {}::pg_catalog.oid",
                               connection.quote_literal(rows.text(row, 0)), rows.text(row, 1));
  }
  return read;
}

std::string ColumnTypes::changed_sql(const std::string& relation) const {
  // Each COMMIT asks it, so no join with arrays: planning that costs four times as much. A CASE must have a WHEN, also
  // for a table without columns: no name is empty.
  return fmt::format(
      "EXISTS (SELECT FROM pg_catalog.pg_attribute WHERE attrelid = {} AND attnum > 0 AND NOT attisdropped "
      "AND atttypid <> CASE attname WHEN '' THEN 0::pg_catalog.oid{} END)",
      relation, known_);
}

std::string fail_if_sql(const std::string& changed) {
  return fmt::format("SELECT CASE WHEN {} THEN pg_catalog.current_setting('{}') END", changed, kChanged);
}

bool is_changed_types(const Error& error) {
  return error.sqlstate == sqlstate::kUndefinedObject && error.message.find(kChanged) != std::string::npos;
}

Error explain_changed_types() {
  return {.kind = ErrorKind::sql,  // the server has refused it
          .message = "the type of a column was changed while records were encoded for the one it had",
          .sqlstate = std::string(sqlstate::kUndefinedObject),
          .hint = "Run it again: it then encodes for the new type. Nothing of this batch was committed."};
}

}  // namespace hypercopy
