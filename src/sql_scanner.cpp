#include "sql_scanner.hpp"

#include <fmt/format.h>

#include <charconv>

namespace hypercopy {
namespace {

bool is_word_start(char byte) {
  return (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z') || byte == '_' ||
         static_cast<unsigned char>(byte) >= 0x80;
}

bool is_digit(char byte) { return byte >= '0' && byte <= '9'; }

bool is_word_part(char byte) { return is_word_start(byte) || is_digit(byte) || byte == '$'; }

char folded(char byte) { return byte >= 'A' && byte <= 'Z' ? static_cast<char>(byte - 'A' + 'a') : byte; }

void append_utf8(std::string& out, std::uint32_t code_point) {
  const auto tail = [&](unsigned shift) {
    out += static_cast<char>(0x80U | ((code_point >> shift) & 0x3fU));
  };
  if (code_point < 0x80) {
    out += static_cast<char>(code_point);
  } else if (code_point < 0x800) {
    out += static_cast<char>(0xc0U | (code_point >> 6));
    tail(0);
  } else if (code_point < 0x10000) {
    out += static_cast<char>(0xe0U | (code_point >> 12));
    tail(6);
    tail(0);
  } else {
    out += static_cast<char>(0xf0U | (code_point >> 18));
    tail(12);
    tail(6);
    tail(0);
  }
}

// Takes up to `most` digits of `base` off the front of `text`.
std::optional<std::uint32_t> take_number(std::string_view& text, std::size_t most, int base) {
  std::uint32_t value = 0;
  const std::string_view digits = text.substr(0, most);
  const auto [end, code] = std::from_chars(digits.data(), digits.data() + digits.size(), value, base);
  if (code != std::errc{}) {
    return std::nullopt;
  }
  text.remove_prefix(static_cast<std::size_t>(end - digits.data()));
  return value;
}

// \u and \U take all their digits, \x takes one or two; a surrogate or a zero is not a character.
bool append_numeric_escape(std::string& out, char letter, std::string_view& rest) {
  if (letter == 'x') {
    const auto byte = take_number(rest, 2, 16);
    out += byte ? static_cast<char>(*byte) : 'x';
    return !byte || *byte != 0;
  }
  const std::size_t digits = letter == 'u' ? 4 : 8;
  const std::size_t before = rest.size();
  const auto code_point = take_number(rest, digits, 16);
  if (!code_point || before - rest.size() != digits || *code_point == 0 || *code_point > 0x10ffff ||
      (*code_point >= 0xd800 && *code_point < 0xe000)) {
    return false;
  }
  append_utf8(out, *code_point);
  return true;
}

// The inside of E'...', its doubled quotes included.
std::optional<std::string> decode_escape_string(std::string_view inside) {
  std::string out;
  while (!inside.empty()) {
    const char byte = inside.front();
    inside.remove_prefix(1);
    if (byte == '\'') {
      inside.remove_prefix(1);  // the second one of a doubled quote
    }
    if (byte != '\\') {
      out += byte;
      continue;
    }
    constexpr std::string_view kLetters = "bfnrt";
    constexpr std::string_view kControls = "\b\f\n\r\t";
    const char letter = inside.front();  // the scanner has seen a byte behind each backslash
    if (letter >= '0' && letter <= '7') {
      const auto octal = take_number(inside, 3, 8);
      if ((*octal & 0xffU) == 0) {
        return std::nullopt;
      }
      out += static_cast<char>(*octal & 0xffU);
      continue;
    }
    inside.remove_prefix(1);
    const std::size_t control = kLetters.find(letter);
    if (control != std::string_view::npos) {
      out += kControls[control];
    } else if (letter != 'x' && letter != 'u' && letter != 'U') {
      out += letter;
    } else if (!append_numeric_escape(out, letter, inside)) {
      return std::nullopt;
    }
  }
  return out;
}

std::string undoubled(std::string_view inside, char quote) {
  std::string out;
  for (std::size_t i = 0; i < inside.size(); ++i) {
    out += inside[i];
    i += inside[i] == quote ? 1 : 0;
  }
  return out;
}

}  // namespace

Error sql_syntax_error(std::string_view problem, std::string_view near) {
  return {.kind = ErrorKind::usage, .message = fmt::format("{} at or near \"{}\"", problem, near)};
}

bool is_sql_blank(char byte) { return std::string_view(" \t\n\r\f\v").find(byte) != std::string_view::npos; }

Result<SqlToken> SqlScanner::next() {
  while (at_ < text_.size() && is_sql_blank(text_[at_])) {
    ++at_;
  }
  const std::string_view rest = text_.substr(at_);
  if (rest.empty()) {
    return SqlToken{.begin = at_};
  }
  if (rest.starts_with("--") || rest.starts_with("/*") || rest.front() == ';') {
    return fail(sql_syntax_error("syntax error", rest.substr(0, rest.front() == ';' ? 1 : 2)));
  }
  if (rest.front() == '\'') {
    return quoted(SqlToken::Kind::string, 0, false);
  }
  if (rest.starts_with("E'") || rest.starts_with("e'")) {
    return quoted(SqlToken::Kind::string, 1, true);
  }
  if (rest.front() == '"') {
    return quoted(SqlToken::Kind::quoted_name, 0, false);
  }
  if (rest.front() == '$') {
    return dollar();
  }
  return is_word_start(rest.front()) ? word() : other();
}

std::string_view SqlScanner::take(std::size_t count) {
  const std::string_view taken = text_.substr(at_, count);
  at_ += taken.size();
  return taken;
}

SqlToken SqlScanner::word() {
  SqlToken token{.kind = SqlToken::Kind::word, .begin = at_};
  while (at_ < text_.size() && is_word_part(text_[at_])) {
    token.value += folded(text_[at_++]);
  }
  return token;
}

// A number counts as one token, so that a name cannot begin inside it; any other byte stands alone.
SqlToken SqlScanner::other() {
  SqlToken token{.kind = SqlToken::Kind::other, .begin = at_};
  std::size_t count = 1;
  while (is_digit(text_[at_]) && at_ + count < text_.size() && is_digit(text_[at_ + count])) {
    ++count;
  }
  token.value = take(count);
  return token;
}

// Offset behind the closing quote, where the text from `from` on is inside quotes.
std::optional<std::size_t> SqlScanner::find_close(std::size_t from, char quote, bool backslashes) const {
  for (std::size_t i = from; i < text_.size(); ++i) {
    if (backslashes && text_[i] == '\\') {
      ++i;
      continue;
    }
    if (text_[i] != quote) {
      continue;
    }
    if (i + 1 == text_.size() || text_[i + 1] != quote) {
      return i + 1;
    }
    ++i;
  }
  return std::nullopt;
}

Result<SqlToken> SqlScanner::quoted(SqlToken::Kind kind, std::size_t prefix, bool backslashes) {
  const char quote = text_[at_ + prefix];
  const std::size_t open = at_ + prefix + 1;
  const auto close = find_close(open, quote, backslashes);
  if (!close) {
    return fail(sql_syntax_error(
        kind == SqlToken::Kind::string ? "unterminated quoted string" : "unterminated quoted identifier",
        text_.substr(at_)));
  }
  const std::string_view inside = text_.substr(open, *close - 1 - open);
  SqlToken token{.kind = kind, .begin = at_, .value = undoubled(inside, quote)};
  if (backslashes) {
    auto decoded = decode_escape_string(inside);
    if (!decoded) {
      return fail(sql_syntax_error("invalid escape in a string", text_.substr(at_, *close - at_)));
    }
    token.value = std::move(*decoded);
  }
  if (kind == SqlToken::Kind::quoted_name && token.value.empty()) {
    return fail(sql_syntax_error("zero-length delimited identifier", "\"\""));
  }
  at_ = *close;
  return token;
}

// $$text$$ or $tag$text$tag$; a $ that opens neither (as $1) stands alone.
Result<SqlToken> SqlScanner::dollar() {
  std::size_t tag_end = at_ + 1;
  while (tag_end < text_.size() && is_word_part(text_[tag_end]) && text_[tag_end] != '$') {
    ++tag_end;
  }
  if (tag_end == text_.size() || text_[tag_end] != '$' || is_digit(text_[at_ + 1])) {
    return other();
  }
  const std::string_view tag = text_.substr(at_, tag_end + 1 - at_);
  const std::size_t open = tag_end + 1;
  const std::size_t close = text_.find(tag, open);
  if (close == std::string_view::npos) {
    return fail(sql_syntax_error("unterminated dollar-quoted string", text_.substr(at_)));
  }
  SqlToken token{
      .kind = SqlToken::Kind::string, .begin = at_, .value = std::string(text_.substr(open, close - open))};
  at_ = close + tag.size();
  return token;
}

}  // namespace hypercopy
