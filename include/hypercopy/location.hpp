// Where something is in the input.
// Shape:   a Position is inside one source; a Location adds the source's name.
// Units:   byte counts from 0; line and record from 1, as PostgreSQL's messages do. A line is a physical line
//          of the file (header and skipped lines included). A record is a data record: the header and skipped
//          lines are not counted. All three are of the whole source, never of a batch.
#pragma once

#include <cstdint>
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
};

// "data.csv: record 12, line 14, byte 1033"
[[nodiscard]] std::string to_string(const Location& location);

}  // namespace hypercopy
