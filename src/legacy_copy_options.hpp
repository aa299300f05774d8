// The value of -copy-options: the options of COPY in PostgreSQL's oldest spelling, as they stand behind WITH
// when they are not in parentheses.
// Shape:   [CSV] [DELIMITER [AS] 'c'] [NULL [AS] 's'] [QUOTE [AS] 'c'] [ESCAPE [AS] 'c'] [FORCE NOT NULL a,
//          b] [FORCE NULL a, b] [ENCODING 'x'], in any order, each at most once, and at the end [WHERE
//          condition]. Keywords in any case; strings as 'it''s', E'\t' or $$x$$; names by SQL's rules
//          (unquoted ones are folded to lower case). Without CSV the format is text.
// Errors:  Error::kind usage, in the server's words where the server would refuse it too. Refused because
//          COPY refuses it beside DELIMITER or while importing: BINARY, FORCE QUOTE; because a load in
//          batches cannot do it: FREEZE; because it is not built: FORCE [NOT] NULL *, U&'x'. All else that is
//          not in the grammar is a syntax error, and so are comments and `;`, in WHERE too: what is accepted
//          is one part of one statement. [USING] DELIMITERS stands before WITH, so it is a syntax error here.
// Source:  PostgreSQL src/backend/parser/gram.y, copy_opt_list; copy.c, ProcessCopyOptions.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "hypercopy/load_options.hpp"
#include "hypercopy/result.hpp"

namespace hypercopy {

// What was written, not yet checked: an empty optional was not written.
struct LegacyCopyOptions {
  bool csv = false;
  std::optional<std::string> delimiter{};
  std::optional<std::string> null_marker{};
  std::optional<std::string> quote{};
  std::optional<std::string> escape{};
  std::optional<std::string> encoding{};
  std::optional<std::vector<std::string>> force_null{};
  std::optional<std::vector<std::string>> force_not_null{};
  std::optional<std::string> where{};
};

// Adds what `text` says to `given`: what stands before it in the statement (-split, -quote, -escape). An
// option that is in both is an error, as for the server.
[[nodiscard]] Result<LegacyCopyOptions> parse_legacy_copy_options(std::string_view text,
                                                                  LegacyCopyOptions given);

// Puts the result into options.dialect, options.encoding and options.where.
[[nodiscard]] Status apply_legacy_copy_options(const LegacyCopyOptions& legacy, LoadOptions& options);

}  // namespace hypercopy
