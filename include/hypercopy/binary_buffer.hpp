// Bytes of COPY BINARY under construction: big-endian integers and raw bytes, appended.
// Shape:   grows by itself; truncate() takes back what a given-up field has written.
// Units:   bytes. A field is a 4-byte length (kNullLength for NULL) and that many bytes.
// Owns:    its memory, kept by clear() for the next batch unless that was much more than the last one needed.
// Threads: one.
// Source:  PostgreSQL manual, COPY, "Binary Format".
#pragma once

#include <algorithm>
#include <bit>
#include <concepts>
#include <cstdint>
#include <cstring>
#include <string_view>
#include <type_traits>

#include "hypercopy/batch.hpp"

namespace hypercopy {

inline constexpr std::int32_t kNullLength = -1;

class BinaryBuffer {
 public:
  [[nodiscard]] std::string_view view() const { return {bytes_.data(), size_}; }
  [[nodiscard]] std::size_t size() const { return size_; }
  [[nodiscard]] std::size_t capacity() const { return bytes_.capacity(); }
  void clear() {
    if (is_oversized(bytes_.capacity(), size_)) bytes_ = ByteBuffer();
    size_ = 0;
  }
  // REQUIRES: size <= size().
  void truncate(std::size_t size) { size_ = size; }

  // Appends the low sizeof(Integer) bytes, most significant first.
  template <std::integral Integer>
  void put(Integer value) {
    char* const at = extend(sizeof(Integer));
    store(at, value);
  }
  // Length word and integer in one step: the field of a fixed-width type.
  template <std::integral Integer>
  void put_field(Integer value) {
    char* const at = extend(4 + sizeof(Integer));
    store(at, static_cast<std::uint32_t>(sizeof(Integer)));
    store(at + 4, value);
  }
  void put_bytes(std::string_view bytes) { std::memcpy(extend(bytes.size()), bytes.data(), bytes.size()); }
  // Length word and bytes. REQUIRES: bytes.size() fits into 31 bits.
  void put_field(std::string_view bytes) {
    char* const at = extend(4 + bytes.size());
    store(at, static_cast<std::uint32_t>(bytes.size()));
    std::memcpy(at + 4, bytes.data(), bytes.size());
  }
  // Length word and `size` bytes that two words hold as they lie in memory, the first at the beginning and the
  // last at the end. REQUIRES: sizeof(Word) <= size <= 2 * sizeof(Word).
  template <std::unsigned_integral Word>
  void put_field(std::size_t size, Word first, Word last) {
    char* const at = extend(4 + size);
    store(at, static_cast<std::uint32_t>(size));
    std::memcpy(at + 4, &first, sizeof(Word));
    std::memcpy(at + 4 + size - sizeof(Word), &last, sizeof(Word));
  }
  // Overwrites an integer that put() has appended at `offset`.
  template <std::integral Integer>
  void put_at(std::size_t offset, Integer value) {
    store(bytes_.data() + offset, value);
  }
  // Leaves room for a length word and gives its offset for close_field().
  [[nodiscard]] std::size_t open_field() {
    put(std::uint32_t{0});
    return size_ - 4;
  }
  void close_field(std::size_t length_at) {
    store(bytes_.data() + length_at, static_cast<std::uint32_t>(size_ - length_at - 4));
  }

 private:
  template <std::integral Integer>
  static void store(char* at, Integer value) {
    auto bits = static_cast<std::make_unsigned_t<Integer>>(value);
    if constexpr (std::endian::native == std::endian::little && sizeof(Integer) > 1) bits = swapped(bits);
    std::memcpy(at, &bits, sizeof bits);
  }
  static std::uint16_t swapped(std::uint16_t bits) { return __builtin_bswap16(bits); }
  static std::uint32_t swapped(std::uint32_t bits) { return __builtin_bswap32(bits); }
  static std::uint64_t swapped(std::uint64_t bits) { return __builtin_bswap64(bits); }

  // Room for `more` bytes behind the end, which moves there.
  char* extend(std::size_t more) {
    if (bytes_.capacity() - size_ < more) grow(more);
    char* const at = bytes_.data() + size_;
    size_ += more;
    return at;
  }
  void grow(std::size_t more) { bytes_.reserve(std::max(bytes_.capacity() * 2, size_ + more)); }

  ByteBuffer bytes_;
  std::size_t size_ = 0;
};

}  // namespace hypercopy
