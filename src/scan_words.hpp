// The loop over 64-byte words, shared by the kernels as source: each includes this file once, with
// HYPERCOPY_TARGET set to its instruction set, and calls scan_words<Masks>().
// Shape:   Masks reads one word and answers with one bit per byte, the first byte in the lowest bit: static
//          Masks load(const char* word); std::uint64_t equal(char byte) const; static std::uint64_t
//          prefix_xor(std::uint64_t bits); // bit i = xor of bits 0..i Everything here has internal linkage,
//          so no two instruction sets share one function.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>

#include "scan_kernel.hpp"

namespace hypercopy {
namespace {

inline constexpr std::uint64_t kEvenBits = 0x5555555555555555U;

// The bytes that a backslash makes literal (other backslashes excepted: they end nothing). `carry` is 1 when
// the word before ended with a backslash that is not literal itself, and is set for the next word.
// A run of backslashes makes the byte behind it literal when its length is odd: adding a run's first bit to
// the run carries to the bit behind the run, and the parity of both places gives the length's.
HYPERCOPY_TARGET inline std::uint64_t literal_bytes(std::uint64_t backslashes, std::uint64_t& carry) {
  const std::uint64_t literal_first = carry;
  const std::uint64_t runs = backslashes & ~literal_first;
  const std::uint64_t firsts = runs & ~(runs << 1);
  const std::uint64_t behind_even = (runs + (firsts & kEvenBits)) & ~runs;
  std::uint64_t odd_sum = 0;
  // Only a run that begins at an odd place can leave the word with an odd length.
  carry = __builtin_add_overflow(runs, firsts & ~kEvenBits, &odd_sum) ? 1 : 0;
  const std::uint64_t behind_odd = odd_sum & ~runs;
  return literal_first | (behind_even & ~kEvenBits) | (behind_odd & kEvenBits);
}

template <typename Masks, Format format, bool crlf, bool marker>
class WordLoop {
 public:
  HYPERCOPY_TARGET explicit WordLoop(const WordScanInput& input)
      : input_(input),
        newline_(input.style == NewlineStyle::cr ? '\r' : '\n'),
        other_newline_(input.style == NewlineStyle::cr ? '\n' : '\r'),
        quoted_(input.in_quote ? ~std::uint64_t{0} : 0),
        record_start_(input.at_record_start ? 1 : 0) {}

  HYPERCOPY_TARGET WordScanOutput run() {
    std::size_t word = 0;
    while (word < input_.words && take_word(word * kWordBytes)) ++word;
    return output(word * kWordBytes);
  }

 private:
  // False, with nothing changed, when the word is not for this kernel.
  HYPERCOPY_TARGET inline bool take_word(std::size_t at) {
    const Masks masks = Masks::load(input_.begin + at);
    const std::uint64_t newlines = masks.equal(newline_);
    const std::uint64_t others = masks.equal(other_newline_);
    std::uint64_t data = 0;  // bytes that are data whatever they are: quoted, or behind a backslash
    std::uint64_t escape_carry = 0;
    if constexpr (format == Format::csv) {
      const std::uint64_t quotes = masks.equal(input_.quote);
      data = quotes == 0 ? quoted_ : Masks::prefix_xor(quotes) ^ quoted_;
    } else {
      const std::uint64_t backslashes = masks.equal('\\');
      if ((backslashes | escape_carry_) != 0) {
        escape_carry = escape_carry_;
        data = literal_bytes(backslashes, escape_carry);
        if ((data & masks.equal('.')) != 0) return false;
      }
    }

    const std::uint64_t ends = newlines & ~data;
    const std::uint64_t bare_others = others & ~data;
    if (crlf ? ends != ((bare_others << 1) | cr_carry_) : bare_others != 0) return false;
    if constexpr (marker) {
      if (has_marker(masks, (ends << 1) | record_start_)) return false;
    }
    const auto records = static_cast<std::uint64_t>(std::popcount(ends));
    if (records_ + records >= input_.max_records) return false;

    records_ += records;
    lines_ += static_cast<std::uint64_t>(std::popcount(newlines));
    if (ends != 0) {
      last_ends_ = ends;
      last_ends_at_ = at;
    }
    record_start_ = ends >> 63;
    if constexpr (crlf) cr_carry_ = bare_others >> 63;
    if constexpr (format == Format::csv) {
      quoted_ = std::uint64_t{0} - (data >> 63);
    } else {
      escape_carry_ = escape_carry;
    }
    return true;
  }

  // A record that begins with "\.", or with a backslash whose next byte is in the next word.
  HYPERCOPY_TARGET static inline bool has_marker(const Masks& masks, std::uint64_t starts) {
    const std::uint64_t candidates = masks.equal('\\') & starts;
    if (candidates == 0) [[likely]] {
      return false;
    }
    return (candidates & ((masks.equal('.') >> 1) | (std::uint64_t{1} << 63))) != 0;
  }

  HYPERCOPY_TARGET WordScanOutput output(std::size_t scanned) const {
    WordScanOutput out;
    out.scanned = scanned - (cr_carry_ | escape_carry_);
    out.records = records_;
    out.lines = lines_;
    out.in_quote = quoted_ != 0;
    if (records_ != 0) out.records_end = last_ends_at_ + static_cast<std::size_t>(std::bit_width(last_ends_));
    return out;
  }

  const WordScanInput input_;
  const char newline_;
  const char other_newline_;
  std::uint64_t quoted_;            // all ones inside quotes
  std::uint64_t record_start_;      // 1 when the next word begins a record
  std::uint64_t cr_carry_ = 0;      // 1 when the last byte was a CR whose LF must follow
  std::uint64_t escape_carry_ = 0;  // 1 when the last byte was a backslash that makes the next one literal
  std::uint64_t records_ = 0;
  std::uint64_t lines_ = 0;
  std::uint64_t last_ends_ = 0;
  std::size_t last_ends_at_ = 0;
};

template <typename Masks>
HYPERCOPY_TARGET WordScanOutput scan_words(const WordScanInput& input) {
  const bool crlf = input.style == NewlineStyle::crlf;
  if (input.format == Format::text) {
    return crlf ? WordLoop<Masks, Format::text, true, false>(input).run()
                : WordLoop<Masks, Format::text, false, false>(input).run();
  }
  if (input.before_v18) {
    return crlf ? WordLoop<Masks, Format::csv, true, true>(input).run()
                : WordLoop<Masks, Format::csv, false, true>(input).run();
  }
  return crlf ? WordLoop<Masks, Format::csv, true, false>(input).run()
              : WordLoop<Masks, Format::csv, false, false>(input).run();
}

}  // namespace
}  // namespace hypercopy
