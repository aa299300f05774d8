// What the shapes of generate.hpp share: random numbers, time, and rows collected in blocks.
// Shape:   generate.cpp makes the RowWriter and calls the function of the shape, which writes rows until
//          wants_more() is false.
// Threads: one.
#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <memory>
#include <random>
#include <span>
#include <string_view>

#include "generate_text.hpp"
#include "hypercopy/generate.hpp"

namespace hypercopy::generating {

// std::mt19937_64 is defined to the bit by the standard; its distributions are not, so none is used.
using Random = std::mt19937_64;

// One of `count` things. The bias of the remainder is of no importance here, being the same everywhere is.
inline std::uint64_t one_of(Random& random, std::uint64_t count) { return random() % count; }

template <std::size_t count>
std::string_view pick(const std::array<std::string_view, count>& texts, std::uint64_t bits) {
  return texts[bits % count];
}

// Collects rows and hands them on in blocks of whole rows, up to the number that was asked for.
class RowWriter {
 public:
  static constexpr std::size_t kBlockBytes = std::size_t{256} << 10U;
  // No row of any shape is longer, with kTextSlack.
  static constexpr std::size_t kLongestRow = std::size_t{4} << 10U;

  RowWriter(std::uint64_t rows, const BlockSink& sink)
      : sink_(sink), left_(rows), block_(std::make_unique_for_overwrite<char[]>(kBlockBytes)) {}

  [[nodiscard]] bool wants_more() const { return left_ != 0; }
  // Where the next row is to be written.
  [[nodiscard]] char* end() { return block_.get() + size_; }
  // The row that begins at end() and ends at `row_end`, newline included, is done. REQUIRES: wants_more().
  [[nodiscard]] Status wrote(const char* row_end) {
    size_ = static_cast<std::size_t>(row_end - block_.get());
    --left_;
    return kBlockBytes - size_ < kLongestRow ? flush() : Status{};
  }
  [[nodiscard]] Status flush() {
    const std::string_view block(block_.get(), size_);
    size_ = 0;
    return block.empty() ? Status{} : sink_(block);
  }

 private:
  const BlockSink& sink_;
  std::uint64_t left_;
  std::unique_ptr<char[]> block_;
  std::size_t size_ = 0;
};

// The moments of measurement, as timestamptz in UTC.
class Moment {
 public:
  explicit Moment(const GenerateOptions& options) : now_(options.start), interval_(options.interval) {
    write();
  }
  void advance() {
    now_ += interval_;
    write();
  }
  // Copies whole words: kTextSlack bytes of room.
  [[nodiscard]] char* put(char* to) const {
    std::memcpy(to, text_.data(), text_.size());
    return to + kLength;
  }
  [[nodiscard]] std::chrono::sys_seconds now() const { return now_; }

 private:
  static constexpr std::size_t kLength = 22;  // "2016-01-01 00:00:00+00"

  void write() { write_text(write_timestamp(text_.data(), now_), "+00"); }

  std::chrono::sys_seconds now_;
  std::chrono::seconds interval_;
  std::array<char, kTextSlack> text_{};
};

// A value that goes up and down by small steps between 0 and `most`.
inline std::int32_t walk(std::int32_t value, std::int32_t step, std::int32_t most) {
  const std::int32_t up = value + step;
  const std::int32_t positive = up < 0 ? -up : up;
  return positive > most ? 2 * most - positive : positive;
}

// A step from -128 to 127 from the lowest eight bits.
inline std::int32_t small_step(std::uint64_t bits) { return static_cast<std::int32_t>(bits & 0xffU) - 128; }

struct OwnType {
  std::string_view name;        // as columns name it
  std::string_view kind;        // TYPE or DOMAIN
  std::string_view definition;  // what follows the name
};

[[nodiscard]] std::vector<GeneratedColumn> cpu_columns();
[[nodiscard]] std::vector<GeneratedColumn> iot_columns();
[[nodiscard]] std::vector<GeneratedColumn> wide_columns();
[[nodiscard]] std::vector<GeneratedColumn> quoted_columns();
[[nodiscard]] std::vector<GeneratedColumn> types_columns();
[[nodiscard]] std::span<const OwnType> types_own_types();

[[nodiscard]] Status write_cpu(const GenerateOptions& options, RowWriter& rows);
[[nodiscard]] Status write_iot(const GenerateOptions& options, RowWriter& rows);
[[nodiscard]] Status write_wide(const GenerateOptions& options, RowWriter& rows);
[[nodiscard]] Status write_quoted(const GenerateOptions& options, RowWriter& rows);
[[nodiscard]] Status write_types(const GenerateOptions& options, RowWriter& rows);

}  // namespace hypercopy::generating
