#include "hypercopy/sql_identifier.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace hypercopy {
namespace {

constexpr std::string_view kBlanks = " \t\n\r\f\v";

bool is_upper(char byte) { return byte >= 'A' && byte <= 'Z'; }

bool may_start_bare(char byte) {
  return is_upper(byte) || (byte >= 'a' && byte <= 'z') || byte == '_' ||
         static_cast<unsigned char>(byte) > 127;
}

bool may_follow_bare(char byte) {
  return may_start_bare(byte) || (byte >= '0' && byte <= '9') || byte == '$';
}

bool is_bare_identifier(std::string_view word) {
  return !word.empty() && may_start_bare(word.front()) && std::ranges::all_of(word, may_follow_bare);
}

std::string fold(std::string_view word) {
  std::string folded(word);
  for (char& byte : folded) {
    if (is_upper(byte)) byte = static_cast<char>(byte - 'A' + 'a');
  }
  return folded;
}

std::string_view trim_front(std::string_view text) {
  return text.substr(std::min(text.find_first_not_of(kBlanks), text.size()));
}

std::string_view trim_back(std::string_view text) {
  return text.substr(0, text.find_last_not_of(kBlanks) + 1);
}

// Reads identifiers off the front of a text; `rest_` is what is not read yet.
class IdentifierReader {
 public:
  IdentifierReader(std::string_view what, std::string_view text, char separator)
      : what_(what), text_(text), rest_(text), separator_(separator) {}

  // One identifier and the blanks around it.
  Result<std::string> read() {
    rest_ = trim_front(rest_);
    auto name = !rest_.empty() && rest_.front() == '"' ? read_quoted() : read_bare();
    rest_ = trim_front(rest_);
    return name;
  }

  [[nodiscard]] bool at_end() const { return rest_.empty(); }

  Status skip_separator() {
    if (rest_.front() != separator_) {
      return wrong("text follows a closing quote",
                   "put the whole name in double quotes, \"\" for a quote in it");
    }
    rest_.remove_prefix(1);
    return {};
  }

 private:
  Result<std::string> read_quoted() {
    std::string name;
    std::size_t at = 1;
    for (;; ++at) {
      const std::size_t quote = rest_.find('"', at);
      if (quote == std::string_view::npos) {
        return wrong("a double quote is not closed", "write \"\" for a quote inside a quoted name");
      }
      name.append(rest_, at, quote - at);
      at = quote + 1;
      if (at >= rest_.size() || rest_[at] != '"') break;
      name.push_back('"');
    }
    rest_.remove_prefix(at);
    if (name.empty()) return wrong("a quoted name is empty", {});
    return name;
  }

  Result<std::string> read_bare() {
    const std::size_t length = std::min(rest_.find(separator_), rest_.size());
    const std::string_view word = trim_back(rest_.substr(0, length));
    rest_.remove_prefix(length);
    if (word.empty()) return wrong("a name is empty", {});
    if (word.find('"') != std::string_view::npos) {
      return wrong("a double quote stands inside a name",
                   "put the whole name in double quotes, \"\" for a quote in it");
    }
    return is_bare_identifier(word) ? fold(word) : std::string(word);
  }

  [[nodiscard]] tl::unexpected<Error> wrong(std::string_view problem, std::string_view hint) const {
    return fail(ErrorKind::usage, fmt::format("{} '{}': {}", what_, text_, problem), std::string(hint));
  }

  std::string_view what_;
  std::string_view text_;
  std::string_view rest_;
  char separator_;
};

}  // namespace

Result<std::vector<std::string>> parse_identifiers(std::string_view what, std::string_view text,
                                                   char separator) {
  if (text.find('\0') != std::string_view::npos) {
    return fail(ErrorKind::usage, fmt::format("{}: a name cannot hold a NUL byte", what));
  }
  if (trim_front(text).empty()) return fail(ErrorKind::usage, fmt::format("{}: no name is given", what));

  IdentifierReader reader(what, text, separator);
  std::vector<std::string> names;
  for (;;) {
    HYPERCOPY_ASSIGN(std::string name, reader.read());
    names.push_back(std::move(name));
    if (reader.at_end()) return names;
    HYPERCOPY_TRY(reader.skip_separator());
  }
}

std::string display_identifier(std::string_view name) {
  if (is_bare_identifier(name) && std::ranges::none_of(name, is_upper)) return std::string(name);
  std::string quoted = "\"";
  for (const char byte : name) {
    if (byte == '"') quoted.push_back('"');
    quoted.push_back(byte);
  }
  quoted.push_back('"');
  return quoted;
}

std::string display_qualified(std::string_view schema, std::string_view name) {
  if (schema.empty()) return display_identifier(name);
  return fmt::format("{}.{}", display_identifier(schema), display_identifier(name));
}

}  // namespace hypercopy
