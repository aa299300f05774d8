// One type under trial on a server: its tables, what the server's own reader makes of each value, and the program's
// own encoding of it.
// Shape:   the table of the type is (id int4, v TYPE); a value's id is its place in the list. `by_reader` holds what
//          the type's input function made of each value, `by_binary`, `by_csv` and `loaded` are for the tests.
// Errors:  a statement that must succeed and does not ends the test with the server's words.
// Threads: one.
#pragma once

#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "hypercopy/record_encoder.hpp"
#include "support/encoded_types.hpp"
#include "support/server.hpp"

namespace hypercopy::test {

// What the session says about reading and writing values.
struct ReadingSettings {
  const char* zone;
  const char* date_style;
  const char* interval_style;
  bool utc = false;
};

struct Value {
  std::uint32_t id = 0;
  std::string text{};
  std::string field{};     // of COPY BINARY, length word first; empty: given up
  std::string sqlstate{};  // empty: the server's reader takes it
};

// Records "id,text" of COPY CSV, one per value. Quotes where they are needed, and elsewhere too.
[[nodiscard]] std::string csv_of(std::span<const Value* const> values);
// The same of COPY BINARY, from their fields.
[[nodiscard]] std::string binary_of(std::span<const Value* const> values);

class EncoderTrial {
 public:
  EncoderTrial(const Server& server, const std::string& dsn, const EncodedType& type);

  void use(const ReadingSettings& settings);
  // The encoded field, length word first; empty: given up.
  [[nodiscard]] std::string encode(std::string_view text) const;
  // The stream for records of the columns named; nothing: given up, and `why` says where.
  [[nodiscard]] std::optional<std::string_view> encode_records(std::string_view csv, bool with_id,
                                                               GivenUp& why);

  // Fills by_reader, empties the other tables, and sets `sqlstate` of each value; ids must be those of the list.
  void ask_reader(std::vector<Value>& values) const;
  [[nodiscard]] CopyOutcome copy_csv(const std::string& table, std::span<const Value* const> values) const;
  [[nodiscard]] CopyOutcome copy_binary(const std::string& table, std::span<const Value* const> values) const;
  // The first few rows that two tables do not share, in words.
  [[nodiscard]] std::string differences(const std::string& left, const std::string& right) const;

  // Another `rows` random values into `printed`, with the extremes.
  void fill_printed(std::size_t rows, double seed) const;

 private:
  [[nodiscard]] std::shared_ptr<const EncodingPlan> plan(bool with_id) const;

  const Server& server_;
  const EncodedType& type_;
  TargetTable table_;
  EncoderSettings settings_{};
  std::shared_ptr<const EncodingPlan> plan_;
  std::shared_ptr<const EncodingPlan> plan_without_id_;
  RecordEncoder encoder_;
};

}  // namespace hypercopy::test
