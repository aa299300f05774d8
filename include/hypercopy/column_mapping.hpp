// Which field of the input goes into which column of the table.
// Shape:   `columns` is COPY's column list, in the order of the fields that are sent; `dropped` are the
//          indexes of fields that are not sent. Both together make field_count.
// Units:   field indexes from 0; messages count fields from 1. Names are compared byte by byte, as quoted
//          identifiers are.
// Errors:  Error::kind target (or usage where only options are to blame), always before the first row is
//          sent: a name that the table lacks, a name given twice, a name asked for that the header lacks, a
//          header field without a name or that the map does not name, a generated column asked for by
//          --columns.
// Source:  PostgreSQL manual, COPY: the column list; generated columns are refused by COPY.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "hypercopy/load_options.hpp"
#include "hypercopy/record_splitter.hpp"
#include "hypercopy/result.hpp"
#include "hypercopy/target_table.hpp"

namespace hypercopy {

struct ColumnMapping {
  std::vector<std::string> columns;          // empty only for a table without columns that COPY fills
  std::vector<std::size_t> dropped;          // ascending
  std::vector<std::string> dropped_columns;  // the names of their columns, in the same order
  std::size_t field_count = 0;  // fields that each record must have; dropped.empty(): the server checks it
  std::vector<std::string> notices;  // what a person should know, e.g. generated columns that were dropped
};

// `header`: the raw first record of a file, with or without its newline, where the options ask for names
// (Header::match); else it is not looked at. nullopt with Header::match: the file has no record; an error.
// Without --columns and --header the fields are the table's columns in order, generated ones left out, as
// COPY does it. Columns that the input does not have take their defaults. Header fields of a generated column
// are dropped, with a notice for each. The columns that the dialect's force lists name must be among those
// sent, once per list.
// REQUIRES: validate(options) passed.
[[nodiscard]] Result<ColumnMapping> map_columns(const LoadOptions& options, const TargetTable& table,
                                                std::optional<std::string_view> header);

// The index of a column's field among those of a record, dropped ones counted; nothing for one that is not loaded.
[[nodiscard]] std::optional<std::size_t> field_of(const ColumnMapping& mapping, std::string_view column);

// --column-map's value: "csv:db,csv2:db2" (neither ',' nor ':' in a name) or, where the first byte that is
// not blank is '{', a JSON object {"csv":"db"}. Names are taken as they are: case and blanks count.
// Errors:   usage: no name, an empty name, a header field or a column that is named twice.
[[nodiscard]] Result<ColumnMap> parse_column_map(std::string_view text);

// --columns' value: SQL identifiers as in sql_identifier.hpp, comma separated: a,"B c",d. Unquoted names are
// folded to lower case.
[[nodiscard]] Result<std::vector<std::string>> parse_column_list(std::string_view text);

// Takes the dropped fields out of every record of `batch`, appending to `out`. What is kept stays byte for
// byte as it was, newlines included, but where the server would read what is left as something else:
// - a last record without newline gets one, since an empty last record would vanish: that of `style`, or the
//   batch's own where that is unknown, or LF;
// - a CSV record of which only \. is left is sent as ""\. (with the dialect's quote): servers before 18 end
//   their input at a lone \. and drop the rest.
// REQUIRES: batch is whole records as the splitter cut them; mapping is map_columns()'s, with fields dropped.
// Errors:   input, SQLSTATE 22P04 with PostgreSQL's message for a record with another number of fields than
//           mapping.field_count. `bad_record` is then the index of the record in the batch, from 0, and `out`
//           holds the records before it.
[[nodiscard]] Status drop_fields(std::string_view batch, const Dialect& dialect, const ColumnMapping& mapping,
                                 NewlineStyle style, std::string& out, std::size_t& bad_record);

}  // namespace hypercopy
