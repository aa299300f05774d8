// SQL identifiers as people type them into option values, and as messages show them.
// Shape:   identifiers separated by one byte ('.' in a table's name, ',' in a list of columns); blanks around
//          each are ignored. Each is one of
//          - a bare word that SQL takes without quotes (letters, digits, _ and $, bytes above 127; no digit
//          or $
//            in front): its ASCII letters are folded to lower case, Cpu is cpu;
//          - "quoted": taken as it is, with "" for one quote; a separator in it is part of the name;
//          - any other bare word without a quote in it (my table, 2024-data): taken as it is, not folded. SQL
//            would want it quoted, and a shell has most likely taken the quotes away.
//          Key words need no quotes. Nothing is cut to 63 bytes.
// Units:   bytes; no character set is assumed beyond ASCII for folding, as the server does it in UTF-8.
// Errors:  usage: an empty identifier, a quote that does not close, text beside a quoted part, a NUL byte.
// Source:  PostgreSQL manual, "Lexical Structure", identifiers; src/backend/parser/scansup.c,
// downcase_identifier.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "hypercopy/result.hpp"

namespace hypercopy {

// At least one identifier, in order. `what` names the value in errors: "table name", "--columns".
[[nodiscard]] Result<std::vector<std::string>> parse_identifiers(std::string_view what, std::string_view text,
                                                                 char separator);

// The identifier as one would type it: in double quotes only where it would be read differently without. For
// messages; SQL sent to a server is quoted by libpq.
[[nodiscard]] std::string display_identifier(std::string_view name);

// schema.name, or the name alone where the schema is empty.
[[nodiscard]] std::string display_qualified(std::string_view schema, std::string_view name);

}  // namespace hypercopy
