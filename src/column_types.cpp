#include "column_types.hpp"

#include <fmt/format.h>

#include <string_view>

namespace hypercopy {

namespace {

// Of no class that is sent again or blames a record: undefined_object.
constexpr std::string_view kChanged = "hypercopy.column_types_changed";
constexpr std::string_view kUndefinedObject = "42704";

}  // namespace

Result<ColumnTypes> ColumnTypes::read(Connection& connection, const TargetTable& table) {
  HYPERCOPY_ASSIGN(const QueryResult rows,
                   connection.execute(fmt::format(
                       "SELECT attname, atttypid, pg_catalog.format_type(atttypid, atttypmod) FROM "
                       "pg_catalog.pg_attribute WHERE attrelid = {} AND attnum > 0 AND NOT attisdropped",
                       table.oid)));
  std::string names;
  std::string types;
  for (int row = 0; row < rows.rows(); ++row) {
    const Column* const column = table.find(rows.text(row, 0));
    if (column == nullptr) continue;
    if (column->type != rows.text(row, 2)) return fail(explain_changed_types());
    names += (names.empty() ? "" : ", ") + connection.quote_literal(rows.text(row, 0));
    types += fmt::format("{}{}", types.empty() ? "" : ", ", rows.text(row, 1));
  }
  ColumnTypes read;
  read.names_ = fmt::format("ARRAY[{}]::pg_catalog.name[]", names);
  read.types_ = fmt::format("ARRAY[{}]::pg_catalog.oid[]", types);
  return read;
}

std::string ColumnTypes::changed_sql(const std::string& relation) const {
  return fmt::format(
      "EXISTS (SELECT FROM pg_catalog.pg_attribute AS a JOIN ROWS FROM (pg_catalog.unnest({}), "
      "pg_catalog.unnest({})) AS known(name, type) ON a.attname = known.name WHERE a.attrelid = {} AND NOT "
      "a.attisdropped AND a.atttypid <> known.type)",
      names_, types_, relation);
}

std::string fail_if_sql(const std::string& changed) {
  return fmt::format("SELECT CASE WHEN {} THEN pg_catalog.current_setting('{}') END", changed, kChanged);
}

bool is_changed_types(const Error& error) {
  return error.sqlstate == kUndefinedObject && error.message.find(kChanged) != std::string::npos;
}

Error explain_changed_types() {
  return {.kind = ErrorKind::sql,  // the server has refused it
          .message = "the type of a column was changed while records were encoded for the one it had",
          .sqlstate = std::string(kUndefinedObject),
          .hint = "Run it again: it then encodes for the new type. Nothing of this batch was committed."};
}

}  // namespace hypercopy
