#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string_view>

#include "digit_words.hpp"
#include "encoders.hpp"

namespace hypercopy {

namespace {

constexpr std::size_t kNameBytes = 64;     // NAMEDATALEN
constexpr std::uint8_t kJsonbVersion = 1;  // jsonb_recv
constexpr std::size_t kUuidBytes = 16;
constexpr std::size_t kHexPieceBytes = 512;

// The server refuses a NUL byte wherever text is; its words for it are those of COPY CSV.
bool has_nul(std::string_view text) { return text.find('\0') != std::string_view::npos; }

// Short text, most of it: two words that may overlap, looked at while they are copied.
// REQUIRES: a word's size <= text.size() <= twice that.
template <typename Word>
bool put_in_two(std::string_view text, BinaryBuffer& out) {
  Word first{};
  Word last{};
  std::memcpy(&first, text.data(), sizeof(Word));
  std::memcpy(&last, text.data() + text.size() - sizeof(Word), sizeof(Word));
  if (words::has_zero_byte(first) || words::has_zero_byte(last)) return false;
  out.put_field(text.size(), first, last);
  return true;
}

// REQUIRES: an even number of digits.
bool put_hex(std::string_view digits, BinaryBuffer& out) {
  std::array<char, kHexPieceBytes> piece;
  while (!digits.empty()) {
    const std::size_t bytes = std::min(digits.size() / 2, piece.size());
    bool valid = true;
    for (std::size_t at = 0; at < bytes; ++at) valid &= decode_hex_byte(digits.data() + 2 * at, piece[at]);
    if (!valid) return false;
    out.put_bytes({piece.data(), bytes});
    digits.remove_prefix(2 * bytes);
  }
  return true;
}

bool is_ascii_without(char excluded, std::string_view text) {
  bool fits = true;
  for (const char byte : text) fits &= static_cast<signed char>(byte) > 0 && byte != excluded;
  return fits;
}

}  // namespace

bool encode_text(std::string_view text, const FieldType& /*type*/, BinaryBuffer& out) {
  if (text.size() >= 8 && text.size() <= 16) return put_in_two<std::uint64_t>(text, out);
  if (text.size() >= 4 && text.size() < 8) return put_in_two<std::uint32_t>(text, out);
  if (has_nul(text)) return false;
  out.put_field(text);
  return true;
}

// namein cuts what is too long, namerecv refuses it.
bool encode_name(std::string_view text, const FieldType& type, BinaryBuffer& out) {
  return text.size() < kNameBytes && encode_text(text, type, out);
}

bool encode_jsonb(std::string_view text, const FieldType& /*type*/, BinaryBuffer& out) {
  if (has_nul(text)) return false;
  out.put(static_cast<std::uint32_t>(1 + text.size()));
  out.put(kJsonbVersion);
  out.put_bytes(text);
  return true;
}

// Hexadecimal without blanks, or plain ASCII. Given up: escapes; bytes above 127, which the server would
// convert from client_encoding as text before they become bytes.
bool encode_bytea(std::string_view text, const FieldType& /*type*/, BinaryBuffer& out) {
  if (!text.starts_with("\\x")) {
    if (!is_ascii_without('\\', text)) return false;
    out.put_field(text);
    return true;
  }
  const std::string_view digits = text.substr(2);
  if (digits.size() % 2 != 0) return false;
  out.put(static_cast<std::uint32_t>(digits.size() / 2));
  return put_hex(digits, out);
}

// 8-4-4-4-12 digits as uuid_out writes them, or 32 without hyphens; braces and other hyphens are given up.
bool encode_uuid(std::string_view text, const FieldType& /*type*/, BinaryBuffer& out) {
  const bool hyphens = text.size() == 36;
  if (!hyphens && text.size() != 32) return false;
  std::array<char, kUuidBytes> uuid;
  const char* digits = text.data();
  bool valid = true;
  for (std::size_t at = 0; at < kUuidBytes; ++at) {
    if (hyphens && (at == 4 || at == 6 || at == 8 || at == 10) && *digits++ != '-') return false;
    valid &= decode_hex_byte(digits, uuid[at]);
    digits += 2;
  }
  if (!valid) return false;
  out.put_field(std::string_view(uuid.data(), uuid.size()));
  return true;
}

}  // namespace hypercopy
