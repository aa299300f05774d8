// The table that is loaded into, as the catalog describes it: read once, before the first row is sent.
// Shape:   columns in attnum order, dropped ones left out.
// Units:   names are bytes in the session's client_encoding.
// Threads: a plain value after describe_table().
// Errors:  target: no such table (with near names as hint), a kind that COPY cannot fill; sql, connection.
// Source:  pg_class, pg_attribute, pg_trigger, pg_constraint; timescaledb_information.hypertables.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "hypercopy/load_options.hpp"
#include "hypercopy/result.hpp"

namespace hypercopy {

class Connection;

// What COPY BINARY has to know of a column's type. Domains are looked through: their receive function checks them.
struct ColumnType {
  std::uint32_t oid = 0;  // of the type, or of the base type of a domain
  bool is_enum = false;
  std::uint32_t element_oid =
      0;  // of an array's elements, 0 for scalars and for arrays of domains or composites
  bool element_is_enum = false;
};

struct Column {
  std::string name;
  std::string type;  // format_type(): for messages
  ColumnType wire{};
  bool generated = false;  // COPY refuses values for it
  bool not_null = false;
  bool has_sequence_default = false;  // filled from a sequence when the input lacks the column
};

enum class TableKind : std::uint8_t { plain, partitioned, hypertable, foreign, view };

struct TargetTable {
  std::uint32_t oid = 0;
  std::string schema;
  std::string name;
  TableKind kind = TableKind::plain;
  std::vector<Column> columns;
  bool may_suppress_rows = false;  // a BEFORE ROW (or INSTEAD OF) INSERT trigger exists: rows may be left out
  bool has_statement_triggers = false;       // they fire once per batch
  bool is_unlogged = false;                  // or a partition of it: a crash of the server empties it
  std::vector<std::string> self_references;  // names of foreign keys to the table itself

  [[nodiscard]] const Column* find(std::string_view column) const;
};

[[nodiscard]] std::string_view to_string(TableKind kind);

[[nodiscard]] Result<TargetTable> describe_table(Connection& connection, const TableName& name);

}  // namespace hypercopy
