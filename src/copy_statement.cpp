#include "hypercopy/copy_statement.hpp"

#include <fmt/format.h>

namespace hypercopy {

CopyStatement::CopyStatement(const Connection& connection, const TargetTable& table, const Dialect& dialect,
                             const std::string& where) {
  for (const auto& column : table.columns) quoted_[column.name] = connection.quote_identifier(column.name);
  begin_ = fmt::format("COPY {}.{}", connection.quote_identifier(table.schema),
                       connection.quote_identifier(table.name));
  end_ = fmt::format(" FROM STDIN WITH (FORMAT {}, DELIMITER {}, NULL {}", to_string(dialect.format),
                     connection.quote_literal({&dialect.delimiter, 1}),
                     connection.quote_literal(dialect.null_marker));
  if (dialect.format == Format::csv) {
    end_ += fmt::format(", QUOTE {}, ESCAPE {}", connection.quote_literal({&dialect.quote, 1}),
                        connection.quote_literal({&dialect.escape, 1}));
    if (!dialect.force_null.empty()) end_ += fmt::format(", FORCE_NULL {}", list(dialect.force_null));
    if (!dialect.force_not_null.empty())
      end_ += fmt::format(", FORCE_NOT_NULL {}", list(dialect.force_not_null));
  }
  if (!where.empty()) where_ = fmt::format(" WHERE {}", where);
  end_ += ")" + where_;
}

// REQUIRES: every name is a column of the table, or was refused before.
std::string CopyStatement::list(const std::vector<std::string>& columns) const {
  std::string text;
  for (const auto& column : columns) {
    const auto quoted = quoted_.find(column);
    if (quoted == quoted_.end()) continue;
    text += fmt::format("{}{}", text.empty() ? "(" : ", ", quoted->second);
  }
  return text.empty() ? text : text + ")";
}

CopyStatement CopyStatement::into(std::string_view relation) const {
  CopyStatement other = *this;
  other.begin_ = fmt::format("COPY {}", relation);
  return other;
}

std::string CopyStatement::for_columns(const std::vector<std::string>& columns) const {
  return fmt::format("{} {}{}", begin_, list(columns), end_);
}

std::string CopyStatement::binary_for_columns(const std::vector<std::string>& columns) const {
  return fmt::format("{} {} FROM STDIN WITH (FORMAT binary){}", begin_, list(columns), where_);
}

}  // namespace hypercopy
