#include "legacy_copy_options.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "sql_scanner.hpp"

namespace hypercopy {
namespace {

class Parser {
 public:
  Parser(std::string_view text, LegacyCopyOptions given) : scanner_(text), options_(std::move(given)) {}

  Result<LegacyCopyOptions> parse() {
    HYPERCOPY_TRY(advance());
    while (token_.kind != SqlToken::Kind::end) {
      HYPERCOPY_TRY(parse_item());
    }
    return std::move(options_);
  }

 private:
  struct StringItem {
    std::string_view keyword;
    std::optional<std::string> LegacyCopyOptions::*field;
    bool may_say_as;
  };

  Status advance() {
    HYPERCOPY_ASSIGN(token_, scanner_.next());
    return {};
  }

  [[nodiscard]] bool at_word(std::string_view word) const {
    return token_.kind == SqlToken::Kind::word && token_.value == word;
  }

  // Takes the word if it is next.
  Result<bool> accept(std::string_view word) {
    if (!at_word(word)) {
      return false;
    }
    HYPERCOPY_TRY(advance());
    return true;
  }

  [[nodiscard]] tl::unexpected<Error> unexpected_token() const {
    if (token_.kind == SqlToken::Kind::end) {
      return fail(ErrorKind::usage, "syntax error at end of input");
    }
    const std::size_t length = scanner_.position() - token_.begin;
    return fail(sql_syntax_error("syntax error", scanner_.text().substr(token_.begin, length)));
  }

  Status parse_item() {
    static constexpr std::array<StringItem, 5> kStringItems{
        {{"delimiter", &LegacyCopyOptions::delimiter, true},
         {"null", &LegacyCopyOptions::null_marker, true},
         {"quote", &LegacyCopyOptions::quote, true},
         {"escape", &LegacyCopyOptions::escape, true},
         {"encoding", &LegacyCopyOptions::encoding, false}}};
    if (token_.kind != SqlToken::Kind::word) {
      return unexpected_token();
    }
    const auto* const item = std::ranges::find(kStringItems, token_.value, &StringItem::keyword);
    if (item != kStringItems.end()) {
      return parse_string_item(*item);
    }
    if (at_word("csv")) {
      return parse_csv();
    }
    if (at_word("force")) {
      return parse_force();
    }
    if (at_word("where")) {
      return parse_where();
    }
    return refuse_item();
  }

  [[nodiscard]] Status refuse_item() const {
    if (at_word("binary")) {
      return fail(ErrorKind::usage, "cannot specify DELIMITER in BINARY mode");
    }
    if (at_word("freeze")) {
      return fail(ErrorKind::usage,
                  "FREEZE is not possible: it needs a table that was created in the same transaction");
    }
    return unexpected_token();
  }

  static tl::unexpected<Error> twice(std::string_view keyword) {
    return fail(ErrorKind::usage,
                fmt::format("conflicting or redundant options: {} is given twice", keyword));
  }

  Status parse_csv() {
    if (options_.csv) {
      return twice("CSV");
    }
    options_.csv = true;
    return advance();
  }

  Status parse_string_item(const StringItem& item) {
    HYPERCOPY_TRY(advance());
    if (item.may_say_as) {
      HYPERCOPY_TRY(accept("as"));
    }
    if (token_.kind != SqlToken::Kind::string) {
      return unexpected_token();
    }
    if ((options_.*item.field).has_value()) {
      std::string keyword(item.keyword);
      std::ranges::transform(keyword, keyword.begin(),
                             [](char c) { return static_cast<char>(c - 'a' + 'A'); });
      return twice(keyword);
    }
    options_.*item.field = std::move(token_.value);
    return advance();
  }

  Status parse_force() {
    HYPERCOPY_TRY(advance());
    if (at_word("quote")) {
      return fail(ErrorKind::usage, "COPY force quote only available using COPY TO");
    }
    HYPERCOPY_ASSIGN(const bool negated, accept("not"));
    HYPERCOPY_ASSIGN(const bool complete, accept("null"));
    if (!complete) {
      return unexpected_token();
    }
    auto& names = negated ? options_.force_not_null : options_.force_null;
    const std::string_view keyword = negated ? "FORCE NOT NULL" : "FORCE NULL";
    if (names) {
      return twice(keyword);
    }
    if (token_.value == "*" && token_.kind == SqlToken::Kind::other) {
      return fail(ErrorKind::usage, fmt::format("{} * is not possible here: name the columns", keyword));
    }
    names.emplace();
    return parse_names(*names);
  }

  Status parse_names(std::vector<std::string>& names) {
    for (;;) {
      if (token_.kind != SqlToken::Kind::word && token_.kind != SqlToken::Kind::quoted_name) {
        return unexpected_token();
      }
      names.push_back(std::move(token_.value));
      HYPERCOPY_TRY(advance());
      if (token_.kind != SqlToken::Kind::other || token_.value != ",") {
        return {};
      }
      HYPERCOPY_TRY(advance());
    }
  }

  // All that follows; read to its end so that a `;`, a comment or an open quote is found here.
  Status parse_where() {
    HYPERCOPY_TRY(advance());
    if (token_.kind == SqlToken::Kind::end) {
      return unexpected_token();
    }
    const std::size_t begin = token_.begin;
    while (token_.kind != SqlToken::Kind::end) {
      HYPERCOPY_TRY(advance());
    }
    const std::string_view condition = scanner_.text().substr(begin);
    options_.where = std::string(condition.substr(0, condition.find_last_not_of(" \t\n\r\f\v") + 1));
    return {};
  }

  SqlScanner scanner_;
  LegacyCopyOptions options_;
  SqlToken token_;
};

Status set_byte(std::string_view name, const std::optional<std::string>& value, char& byte) {
  if (!value) {
    return {};
  }
  if (value->size() != 1) {
    return fail(ErrorKind::usage, fmt::format("COPY {} must be a single one-byte character", name));
  }
  byte = value->front();
  return {};
}

Status check_text_format(const LegacyCopyOptions& legacy) {
  const std::array<std::pair<bool, std::string_view>, 4> csv_only{
      {{legacy.quote.has_value(), "quote"},
       {legacy.escape.has_value(), "escape"},
       {legacy.force_not_null.has_value(), "force not null"},
       {legacy.force_null.has_value(), "force null"}}};
  for (const auto& [given, name] : csv_only) {
    if (given) {
      return fail(ErrorKind::usage, fmt::format("COPY {} available only in CSV mode", name));
    }
  }
  return {};
}

}  // namespace

Result<LegacyCopyOptions> parse_legacy_copy_options(std::string_view text, LegacyCopyOptions given) {
  return Parser(text, std::move(given)).parse();
}

Status apply_legacy_copy_options(const LegacyCopyOptions& legacy, LoadOptions& options) {
  if (!legacy.csv) {
    HYPERCOPY_TRY(check_text_format(legacy));
  }
  Dialect dialect = default_dialect(legacy.csv ? Format::csv : Format::text);
  HYPERCOPY_TRY(set_byte("delimiter", legacy.delimiter, dialect.delimiter));
  HYPERCOPY_TRY(set_byte("quote", legacy.quote, dialect.quote));
  dialect.escape = dialect.quote;  // COPY's default
  HYPERCOPY_TRY(set_byte("escape", legacy.escape, dialect.escape));
  dialect.null_marker = legacy.null_marker.value_or(dialect.null_marker);
  dialect.force_null = legacy.force_null.value_or(std::vector<std::string>{});
  dialect.force_not_null = legacy.force_not_null.value_or(std::vector<std::string>{});
  options.dialect = std::move(dialect);
  options.encoding = legacy.encoding.value_or("");
  options.where = legacy.where.value_or("");
  return {};
}

}  // namespace hypercopy
