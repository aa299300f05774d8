// A second reading of what the encoders write, as plain as possible: a field of COPY BINARY beside the text that it
// was made from, for the fuzzer. It shares no code with the encoders: numbers by strtod and digit by digit, days by
// counting years, addresses by the system's own reader.
// Shape:   reread() gives what is wrong, or nothing. It may be sure that the encoder took the text; a text that no
//          server takes is wrong too.
// Threads: any; pure functions.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "hypercopy/target_table.hpp"

namespace hypercopy::test {

// `bytes`: the value without its length word.
[[nodiscard]] std::string reread(const ColumnType& type, const std::string& text, std::string_view bytes);

// For arrays: the same for each element.
[[nodiscard]] std::string reread_array(const ColumnType& type, const std::string& text,
                                       std::string_view bytes);

// A big-endian integer in front, which is taken away; 0 and `bytes` emptied when it is too short.
[[nodiscard]] std::uint64_t take_integer(std::string_view& bytes, std::size_t size);

}  // namespace hypercopy::test
