// What the first records of an input look like: whether the first one names columns, what the columns hold, and
// whether another delimiter fits.
// Shape:   guesses, for inspect only: a load never guesses.
// Units:   at most kSniffedRecords records of the first kSniffedBytes bytes.
// Threads: plain values.
// Errors:  input, as batch_reader.hpp.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "hypercopy/batch_reader.hpp"
#include "hypercopy/dialect.hpp"
#include "hypercopy/result.hpp"

namespace hypercopy {

inline constexpr std::size_t kSniffedBytes = std::size_t{1} << 20;
inline constexpr std::uint64_t kSniffedRecords = 1000;

struct SniffedColumn {
  std::string type;  // "bigint", "timestamptz", "text", ...
  std::uint32_t type_oid = 0;
};

struct Sniff {
  std::vector<std::string> first_record;  // its fields, unquoted; empty: there is no record
  bool is_header = false;                 // names in front of values of other kinds
  std::optional<char> delimiter{};        // that fits better than the one that was given
  std::vector<SniffedColumn> columns;     // of the records behind a header
};

// Only `prologue.has_header` is up to the caller to leave off: the first record is what is looked at.
[[nodiscard]] Result<Sniff> sniff_input(const std::string& path, const Dialect& dialect,
                                        const PrologueOptions& prologue, bool may_change_delimiter,
                                        const Cancellation& cancellation);

}  // namespace hypercopy
