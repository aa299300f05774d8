// Cuts SQL text into tokens, knowing just enough to tell strings and names from the rest.
// Shape:   next() until Kind::end. Blanks separate tokens; comments and `;` are errors, so that a text that
//          could be read to its end is one part of one statement.
// Owns:    borrows the text.
// Errors:  Error::kind usage in the words of PostgreSQL's scanner; next() must not be called after one.
// Source:  PostgreSQL src/backend/parser/scan.l, with standard_conforming_strings = on.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "hypercopy/result.hpp"

namespace hypercopy {

struct SqlToken {
  enum class Kind : std::uint8_t {
    end,
    word,         // keyword or unquoted name, folded to lower case
    quoted_name,  // "name", decoded
    string,       // 'it''s', E'\t', $$x$$, decoded
    other,        // a number, or one byte of anything else
  };
  Kind kind = Kind::end;
  std::size_t begin = 0;  // offset in the text
  std::string value{};
};

class SqlScanner {
 public:
  explicit SqlScanner(std::string_view text) : text_(text) {}

  [[nodiscard]] std::string_view text() const { return text_; }

  [[nodiscard]] Result<SqlToken> next();

  // Offset behind the last token.
  [[nodiscard]] std::size_t position() const { return at_; }

 private:
  std::string_view take(std::size_t count);
  SqlToken word();
  SqlToken other();
  [[nodiscard]] std::optional<std::size_t> find_close(std::size_t from, char quote, bool backslashes) const;
  Result<SqlToken> quoted(SqlToken::Kind kind, std::size_t prefix, bool backslashes);
  Result<SqlToken> dollar();

  std::string_view text_;
  std::size_t at_ = 0;
};

// "syntax error at or near ..." and the like, as PostgreSQL words it.
[[nodiscard]] Error sql_syntax_error(std::string_view problem, std::string_view near);

// A space, tab, newline, carriage return, form feed or vertical tab.
[[nodiscard]] bool is_sql_blank(char byte);

}  // namespace hypercopy
