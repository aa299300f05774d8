// Every type that has an encoder, with what its differential test feeds it: a row per type; arrays of each follow
// from its row.
// Threads: plain values.
#pragma once

#include <ostream>
#include <string>
#include <vector>

#include "support/scalar_values.hpp"

namespace hypercopy::test {

struct EncodedType {
  // Who refuses a malformed value: the encoder gives it up, or it takes all texts (enums, json, lengths, CHECK) and
  // leaves them to the server's receive function.
  enum class Judge : std::uint8_t { encoder, server };

  std::string name{};
  std::string type{};  // as in CREATE TABLE
  std::string send{};  // its send function
  Judge judge = Judge::encoder;
  Spelling spelling{};                  // always encoded
  Spelling utc_spelling{};              // always encoded where TimeZone is UTC; nothing: `spelling`
  std::vector<std::string> nasty{};     // tried beside the generated ones
  std::string random_value{};           // SQL: a value of the whole range, another one in each row
  std::vector<std::string> extremes{};  // SQL: values at the ends of the range
};

void PrintTo(const EncodedType& type, std::ostream* out);

// The enum and the domains that the types name.
inline constexpr const char* kCreateTypes = R"(
  CREATE TYPE mood AS ENUM ('sad', 'ok', 'very happy', 'NULL', 'it''s "fine"', E'\u00fc\\b');
  CREATE DOMAIN price AS numeric(6,2) CHECK (VALUE >= 0);
  CREATE DOMAIN prices AS numeric(6,2)[] CHECK (cardinality(VALUE) < 3);
  CREATE DOMAIN code AS varchar(3) NOT NULL CHECK (VALUE <> 'abc');
  CREATE DOMAIN small AS int4 CHECK (VALUE < 1000);
  CREATE DOMAIN smaller AS small CHECK (VALUE > -1000);
  CREATE DOMAIN past AS timestamptz(3) NOT NULL CHECK (VALUE < '2030-01-01 00:00:00Z'))";

// `server_version`: older servers do not have all type modifiers and extremes.
[[nodiscard]] std::vector<EncodedType> encoded_types(int server_version);

// Those of dates and times, and the texts as SQL literals: for encoded_types().
[[nodiscard]] std::vector<EncodedType> datetime_types(int server_version);
[[nodiscard]] std::vector<std::string> quoted(const std::vector<std::string>& texts);

}  // namespace hypercopy::test
