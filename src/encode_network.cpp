#include <arpa/inet.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string_view>

#include "encoders.hpp"

namespace hypercopy {

namespace {

// utils/inet.h: the server's own numbers for the families, the same on every system.
constexpr std::uint8_t kFamilyInet = 2;
constexpr std::uint8_t kFamilyInet6 = 3;
constexpr std::size_t kMacaddrBytes = 6;

struct Network {
  std::array<char, 16> bytes{};
  std::size_t size = 0;
  unsigned prefix = 0;

  [[nodiscard]] unsigned bits() const { return static_cast<unsigned>(size) * 8; }
  [[nodiscard]] bool has_host_bits() const {
    for (unsigned bit = prefix; bit < bits(); ++bit) {
      if ((static_cast<unsigned char>(bytes[bit / 8]) >> (7 - bit % 8) & 1) != 0) return true;
    }
    return false;
  }
};

// One to three digits without a leading zero, at most `highest`.
bool read_prefix(std::string_view text, unsigned highest, unsigned& prefix) {
  if (text.empty() || text.size() > 3 || (text.size() > 1 && text.front() == '0')) return false;
  prefix = 0;
  for (const char digit : text) {
    if (!is_digit(digit)) return false;
    prefix = prefix * 10 + static_cast<unsigned>(digit - '0');
  }
  return prefix <= highest;
}

// All four numbers of IPv4 and what inet_pton takes for IPv6; the server also completes "10.1", reads leading
// zeros and the like: given up.
bool read_address(std::string_view text, Network& network) {
  std::array<char, INET6_ADDRSTRLEN> terminated;
  if (text.size() >= terminated.size()) return false;
  std::memcpy(terminated.data(), text.data(), text.size());
  terminated[text.size()] = '\0';
  if (text.find('\0') != std::string_view::npos) return false;
  const bool inet6 = text.find(':') != std::string_view::npos;
  network.size = inet6 ? 16 : 4;
  return inet_pton(inet6 ? AF_INET6 : AF_INET, terminated.data(), network.bytes.data()) == 1;
}

bool read_network(std::string_view text, Network& network) {
  const std::size_t slash = text.find('/');
  if (!read_address(text.substr(0, slash), network)) return false;
  network.prefix = network.bits();
  return slash == std::string_view::npos ||
         read_prefix(text.substr(slash + 1), network.bits(), network.prefix);
}

void put_network(const Network& network, bool is_cidr, BinaryBuffer& out) {
  const std::size_t field = out.open_field();
  out.put(network.size == 4 ? kFamilyInet : kFamilyInet6);
  out.put(static_cast<std::uint8_t>(network.prefix));
  out.put(static_cast<std::uint8_t>(is_cidr));
  out.put(static_cast<std::uint8_t>(network.size));
  out.put_bytes({network.bytes.data(), network.size});
  out.close_field(field);
}

}  // namespace

bool encode_inet(std::string_view text, const FieldType& /*type*/, BinaryBuffer& out) {
  Network network;
  if (!read_network(text, network)) return false;
  put_network(network, false, out);
  return true;
}

bool encode_cidr(std::string_view text, const FieldType& /*type*/, BinaryBuffer& out) {
  Network network;
  if (!read_network(text, network) || network.has_host_bits()) return false;
  put_network(network, true, out);
  return true;
}

// Six pairs of digits, all joined by ':' or all by '-'; the server's other forms are given up.
bool encode_macaddr(std::string_view text, const FieldType& /*type*/, BinaryBuffer& out) {
  if (text.size() != 3 * kMacaddrBytes - 1) return false;
  const char joint = text[2];
  if (joint != ':' && joint != '-') return false;
  std::array<char, kMacaddrBytes> bytes;
  for (std::size_t at = 0; at < kMacaddrBytes; ++at) {
    if (at > 0 && text[3 * at - 1] != joint) return false;
    if (!decode_hex_byte(text.data() + 3 * at, bytes[at])) return false;
  }
  out.put_field(std::string_view(bytes.data(), bytes.size()));
  return true;
}

}  // namespace hypercopy
