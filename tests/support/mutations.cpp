#include "support/mutations.hpp"

#include <fmt/format.h>

#include <string_view>

namespace hypercopy::test {

namespace {

constexpr std::string_view kBytes =
    "01234567890123456789+-+-.:/eEdDpPxXoObBnNaAiIfFtTlLuUzZyYmMhHsSwWcC_{}[]()=\"\\,; "
    "\t\n\v\f\r%$'@~\x01\x1f\x7f";
// Blanks that isspace() may or may not know, a byte order mark, other minus signs and digits.
constexpr const char* kPieces[]{" ",
                                "  ",
                                "\t",
                                "\n",
                                "\xc2\xa0",
                                "\xe2\x80\x89",
                                "\xe3\x80\x80",
                                "\xef\xbb\xbf",
                                "\xe2\x88\x92",
                                "\xd9\xa3",
                                "\xef\xbc\x91",
                                "--",
                                "+-",
                                "e5",
                                "e-5",
                                "E+05",
                                "e",
                                "e400",
                                "e-400",
                                ".",
                                "..",
                                "_",
                                "00",
                                "0x",
                                "0o",
                                "0b",
                                "NULL",
                                "inf",
                                "NaN",
                                "BC",
                                " BC",
                                " AD",
                                " UTC",
                                "Z",
                                " PM",
                                "T",
                                ":",
                                ":00",
                                "+05:30",
                                "-00:44:30",
                                "/8",
                                "/032",
                                "::",
                                "0",
                                ",",
                                "{",
                                "}",
                                "\"\"",
                                "\\\\",
                                " ago"};
constexpr const char* kWords[]{
    "",      " ",         "Infinity",   "-Infinity",  "+Infinity", "infinity", "iNf",   "-inf",
    "+inf",  "infinit",   "NaN",        "-NaN",       "+nan",      "nan(1)",   "0x1F",  "-0x10",
    "0o17",  "0b101",     "1_000",      "1__0",       "_1",        "1_",       "-0",    "+0",
    "00",    "-",         "+",          ".",          "0x1p-3",    "1e",       "1e+",   "tru",
    "NULL",  "null",      "{}",         "0.0.0.0/33", "::/129",    "1.2.3",    "10/8",  "now",
    "today", "24:00:00",  "0000-00-00", "allballs",   "\\x",       "\\xg0",    "\\000", "{NULL}",
    "{{1}}", "[1:1]={1}", "\"\"",       "P1D",        "P",         "1 day",    "1:02",  "1e400"};

bool is_ascii(char byte) { return (static_cast<unsigned char>(byte) & 0x80U) == 0; }

// Before or behind one place that is no part of a longer character.
void change_at(std::string& text, std::size_t at, Random& random) {
  switch (random.below(10)) {
    case 0:
      text[at] = random.pick(kBytes);
      break;
    case 1:
      text.erase(at, 1);
      break;
    case 2:
      text.insert(at, 1, text[at]);
      break;
    case 3:
      text.resize(at);
      break;
    case 4:
      text += text.substr(at);
      break;
    case 5:
      text[at] = static_cast<char>(text[at] ^ (text[at] >= 'A' ? 0x20 : 0));
      break;
    case 6:
      text.insert(at, random.one_in(20) ? 1 + random.below(1200) : 1 + random.below(20),
                  random.pick(std::string_view("0009")));
      break;
    default:
      text.insert(at, 1, random.pick(kBytes));
  }
}

}  // namespace

std::string mutated(std::string text, Random& random) {
  if (random.one_in(25)) return random.pick(kWords);
  for (std::size_t changes = 1 + random.below(3); changes > 0; --changes) {
    const std::size_t at = random.below(text.size() + 1);
    if (random.one_in(4)) {
      if (at == text.size() || is_ascii(text[at])) text.insert(at, random.pick(kPieces));
    } else if (random.one_in(4)) {
      text.insert(random.one_in(2) ? 0 : text.size(), random.pick(kPieces));
    } else if (at < text.size() && is_ascii(text[at])) {
      change_at(text, at, random);
    }
  }
  std::erase(text, '\0');
  return text;
}

}  // namespace hypercopy::test
