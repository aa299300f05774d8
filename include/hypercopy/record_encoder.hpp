// Turns a batch of CSV records into COPY BINARY, or gives the whole batch up.
// Shape:   make_encoding_plan() once per input decides whether its columns can be encoded at all; a
//          RecordEncoder per worker does it, batch by batch: field index -> unquote -> NULL rules -> field
//          encoder.
// Units:   the output is a whole COPY BINARY stream: header, tuples, trailer.
// Owns:    the encoder owns its scratch memory; the plan is shared, read-only.
// Threads: one encoder per worker; a plan may be used by all.
// Errors:  none. A given-up batch names the first field that could not be encoded; the server's own CSV
//          reader is then the judge of it.
// Rule:    NULL is decided as copyfromparse.c does: an unquoted field equal to the NULL spelling, with
//          FORCE_NOT_NULL and FORCE_NULL by column.
// Source:  PostgreSQL src/backend/commands/copyfromparse.c, NextCopyFrom; manual, COPY, "Binary Format".
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "hypercopy/binary_buffer.hpp"
#include "hypercopy/column_mapping.hpp"
#include "hypercopy/field_encoder.hpp"
#include "hypercopy/field_index.hpp"
#include "hypercopy/target_table.hpp"

namespace hypercopy {

struct FieldPlan {
  FieldType type{};
  FieldType element{};  // what type.element points to, for arrays
  std::string column;   // empty: the field is dropped
  bool force_null = false;
  bool force_not_null = false;
};

struct EncodingPlan {
  Dialect dialect;
  std::vector<std::unique_ptr<FieldPlan>> fields;  // one per field of a record; addresses are stable
  std::uint16_t columns = 0;                       // fields that are sent
};

// The plan, or the name and type of the column that has no encoder.
struct EncodingDecision {
  std::shared_ptr<const EncodingPlan> plan;  // nothing: not possible
  std::string reason{};
};
[[nodiscard]] EncodingDecision make_encoding_plan(const Dialect& dialect, const ColumnMapping& mapping,
                                                  const TargetTable& table, const EncoderSettings& settings);

// Why a batch was given up.
struct GivenUp {
  std::uint64_t record = 0;  // index in the batch, from 0
  std::string column{};      // empty: that record or one behind it has another number of fields than columns
};

// What could be encoded of some records.
struct EncodedFront {
  std::string_view stream;                // valid until the encoder's next call
  std::span<const std::size_t> starts{};  // of its tuples, and the end of the last one; as valid
  std::uint64_t records = 0;              // of the stream, from the first on
  std::optional<GivenUp> why{};           // nothing: all are in the stream
};

class RecordEncoder {
 public:
  explicit RecordEncoder(Kernel kernel) : kernel_(kernel) {}

  // The COPY BINARY stream for the records in front of the first one that cannot be encoded.
  [[nodiscard]] EncodedFront encode_front(std::string_view records, NewlineStyle newline,
                                          const EncodingPlan& plan);

  // The COPY BINARY stream for `records` (whole records of one input), valid until the next call; nothing if given up.
  [[nodiscard]] std::optional<std::string_view> encode(std::string_view records, NewlineStyle newline,
                                                       const EncodingPlan& plan, GivenUp& why);

 private:
  [[nodiscard]] bool encode_block(const FieldBlock& block, const EncodingPlan& plan, GivenUp& why);
  [[nodiscard]] bool encode_field(const RawField& raw, const FieldPlan& field, const Dialect& dialect);

  Kernel kernel_;
  const EncodingPlan* indexed_plan_ = nullptr;  // whose columns indexer_ was made for
  std::optional<FieldIndexer> indexer_;
  BinaryBuffer out_;
  std::vector<std::size_t> starts_;
  std::string scratch_;
};

}  // namespace hypercopy
