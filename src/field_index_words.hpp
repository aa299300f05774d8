// The loop over 64-byte words, shared by the kernels as source: each includes this file once, behind its
// word_masks_*.hpp, and calls index_words<Masks, Writer>().
// Shape:   Writer puts one end per bit of `ends`, with FieldBlock::kHasQuote where `flags` (some of `ends`)
//          has a bit too; it may write as many as a word has bits, whatever is set: static void
//          write(std::uint64_t ends, std::uint32_t offset, std::uint32_t* to); static void
//          write(std::uint64_t ends, std::uint64_t flags, std::uint32_t offset, std::uint32_t* to);
//          Everything here has internal linkage, so no two instruction sets share one function.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>

#include "field_index_kernel.hpp"

namespace hypercopy {
namespace {

// One bit after the other, eight at a time: how many there are is hard to predict, their eights are not.
template <typename Masks>
struct BitWriter {
  HYPERCOPY_TARGET static inline void write(std::uint64_t ends, std::uint32_t offset, std::uint32_t* to) {
    do {
      for (int i = 0; i < 8; ++i) {
        *to++ = offset + Masks::lowest_bit(ends);
        ends &= ends - 1;
      }
    } while (ends != 0);
  }
  HYPERCOPY_TARGET static inline void write(std::uint64_t ends, std::uint64_t flags, std::uint32_t offset,
                                            std::uint32_t* to) {
    do {
      for (int i = 0; i < 8; ++i) {
        const std::uint32_t bit = Masks::lowest_bit(ends);
        const auto flag = static_cast<std::uint32_t>(flags >> (bit & 63U)) << 31U;
        *to++ = (offset + bit) | flag;
        ends &= ends - 1;
      }
    } while (ends != 0);
  }
};

template <typename Masks, typename Writer>
class IndexLoop {
 public:
  HYPERCOPY_TARGET explicit IndexLoop(FieldScan& scan)
      : scan_(scan),
        ends_(scan.ends + scan.count),
        quoted_(scan.state.in_quote ? ~std::uint64_t{0} : 0),
        has_quote_(scan.state.has_quote ? 1 : 0) {}

  HYPERCOPY_TARGET void run() {
    std::size_t at = scan_.at;
    const std::uint32_t* const limit = scan_.ends + scan_.limit;
    for (; scan_.until - at >= kIndexWordBytes && ends_ <= limit; at += kIndexWordBytes) take_word(at);
    scan_.at = at;
    scan_.count = static_cast<std::size_t>(ends_ - scan_.ends);
    scan_.newlines += newlines_;
    scan_.state.in_quote = quoted_ != 0;
    scan_.state.has_quote = has_quote_ != 0;
  }

 private:
  HYPERCOPY_TARGET inline void take_word(std::size_t at) {
    const Masks masks = Masks::load(scan_.base + at);
    const std::uint64_t quotes = masks.equal(scan_.quote);
    const std::uint64_t delimiters = masks.equal(scan_.delimiter);
    const std::uint64_t newlines = masks.equal(scan_.newline);
    const auto offset = static_cast<std::uint32_t>(at);
    if ((quotes | quoted_ | has_quote_) == 0) {
      const std::uint64_t ends = delimiters | newlines;
      Writer::write(ends, offset, ends_);
      count(ends, newlines);
      return;
    }
    const std::uint64_t quoted = Masks::prefix_xor(quotes) ^ quoted_;
    const std::uint64_t ends = (delimiters | newlines) & ~quoted;
    Writer::write(ends, flags_of(ends, quotes), offset, ends_);
    count(ends, newlines & ~quoted);
    quoted_ = std::uint64_t{0} - (quoted >> 63U);
  }

  // The ends of fields that hold a quote: a quote added to the ones of all bytes that end no field carries to
  // the field's end, and out of the word where that is in the next one.
  HYPERCOPY_TARGET inline std::uint64_t flags_of(std::uint64_t ends, std::uint64_t quotes) {
    std::uint64_t sum = 0;
    const bool carry = __builtin_add_overflow(~ends, quotes, &sum);
    const bool second_carry = __builtin_add_overflow(sum, has_quote_, &sum);
    has_quote_ = carry || second_carry ? 1 : 0;
    return sum & ends;
  }

  HYPERCOPY_TARGET inline void count(std::uint64_t ends, std::uint64_t newlines) {
    ends_ += std::popcount(ends);
    newlines_ += static_cast<std::size_t>(std::popcount(newlines));
  }

  FieldScan& scan_;
  std::uint32_t* ends_;
  std::uint64_t quoted_;     // all ones inside quotes
  std::uint64_t has_quote_;  // 1 when the field the next word goes on with holds a quote
  std::size_t newlines_ = 0;
};

template <typename Masks, typename Writer>
HYPERCOPY_TARGET void index_words(FieldScan& scan) {
  FieldScan local = scan;  // so that what is written to the ends cannot change it
  IndexLoop<Masks, Writer>(local).run();
  scan = local;
}

}  // namespace
}  // namespace hypercopy
