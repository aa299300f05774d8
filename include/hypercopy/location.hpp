// Where something is in the input.
// Shape:   a Position is inside one source; a Location adds the source's name. Where it is only known that
//          something is among several records, a Location goes from the first of them to the last.
// Units:   byte counts from 0; line and record from 1, as PostgreSQL's messages do. A line is a physical line
//          of the file (header and skipped lines included). A record is a data record: the header and skipped
//          lines are not counted. All three are of the whole source, never of a batch.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

namespace hypercopy {

struct Position {
  std::uint64_t byte = 0;
  std::uint64_t line = 1;
  std::uint64_t record = 1;

  friend bool operator==(const Position&, const Position&) = default;
};

struct Location {
  std::string source;
  Position at;
  std::optional<Position> last{};  // the end of a range: its last record, last line and last byte
};

// "data.csv: record 12, line 14, byte 1033"; "data.csv: records 12 to 20, lines 14 to 22, bytes 1033 to 1150"
[[nodiscard]] std::string to_string(const Location& location);

}  // namespace hypercopy
