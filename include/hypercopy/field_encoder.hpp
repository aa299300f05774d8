// The value of one CSV field as a field of COPY BINARY, or "given up".
// Shape:   find_scalar_encoder() gives a function per type; it takes the field's text (quotes and escapes
//          taken away, never NULL) and appends length word and value. False: this spelling is left to the
//          server's own reader, and the whole batch goes as CSV; what was appended meanwhile is taken back by
//          the caller.
// Units:   as each type's receive function reads them.
// Owns:    nothing; functions are pure and keep no state.
// Threads: any.
// Rule:    a field is accepted only when the server's input function would surely read the same value, under
//          every setting that this header does not carry. Everything else is given up: never wrong, only
//          slower. Type modifiers (varchar(n), numeric(p,s), timestamp(p)) are applied by the receive
//          functions as by the input functions.
// Source:  PostgreSQL src/backend/utils/adt: the *_in / *_recv pair of each type (named beside each encoder).
#pragma once

#include <cstdint>
#include <string_view>

#include "hypercopy/binary_buffer.hpp"

namespace hypercopy {

// Type OIDs that have an encoder (src/include/catalog/pg_type.dat; fixed for ever, as clients hard-code
// them). Enums have no fixed OID: describe them by kEnumType.
namespace type_oid {
inline constexpr std::uint32_t kBool = 16, kBytea = 17, kName = 19, kInt8 = 20, kInt2 = 21, kInt4 = 23,
                               kText = 25, kOid = 26, kJson = 114, kCidr = 650, kFloat4 = 700, kFloat8 = 701,
                               kMacaddr = 829, kInet = 869, kBpchar = 1042, kVarchar = 1043, kDate = 1082,
                               kTime = 1083, kTimestamp = 1114, kTimestamptz = 1184, kInterval = 1186,
                               kTimetz = 1266, kNumeric = 1700, kUuid = 2950, kJsonb = 3802;
}  // namespace type_oid

// What the session says about reading values. The defaults give up whatever depends on a setting.
struct EncoderSettings {
  // TimeZone is UTC (or a name of it): a timestamptz without offset is an instant that this program knows.
  bool utc = false;
  // array_nulls is on: an unquoted NULL in an array is NULL, not a string of four letters.
  bool array_nulls = false;
  // PQserverVersion: newer servers read spellings that older ones refuse. 0: unknown, so none of them.
  int server_version = 0;
};

struct FieldType;
using EncodeField = bool (*)(std::string_view text, const FieldType& type, BinaryBuffer& out);

struct FieldType {
  // Of the type itself; for a domain, of its base type. As element of an array: the element type's own OID,
  // also when it is an enum or a domain, since array_recv compares it.
  std::uint32_t oid = 0;
  bool is_enum = false;                // its labels are sent as text
  const FieldType* element = nullptr;  // for one-dimensional arrays: the element's type
  EncoderSettings settings{};
  EncodeField encode = nullptr;  // nothing: the type has no encoder
};

// The encoder for a scalar type, or nothing.
[[nodiscard]] EncodeField find_scalar_encoder(std::uint32_t oid);
// The encoder of every array whose element type has an encoder.
[[nodiscard]] EncodeField array_encoder();
// The encoder of enums.
[[nodiscard]] EncodeField enum_encoder();

}  // namespace hypercopy
