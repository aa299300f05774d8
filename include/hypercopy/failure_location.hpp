// Which record of a batch did the server mean?
// Shape:   pure functions from the server's CONTEXT and the batch's bytes to a place in the whole input.
// Units:   the server counts lines of its own COPY from 1; a Location is of the whole input.
// Why:     the line number stands only in CONTEXT, a translated text, and counts the batch, not the file;
//          quoted newlines count, but for those of the first record in a file with LF newlines (its style is
//          known only behind it).
// Source:  PostgreSQL src/backend/commands/copyfrom.c, CopyFromErrorCallback; copyfromparse.c,
//          CopyReadLineText.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "hypercopy/batch.hpp"
#include "hypercopy/input_file.hpp"

namespace hypercopy {

struct ServerLine {
  std::uint64_t line = 0;
  std::string column{};  // empty when the CONTEXT names none
};

// Reads "COPY <relation>, line 5, column x: ..." in any language: the digits after the relation's name, and a
// column of `mapping` behind them.
[[nodiscard]] std::optional<ServerLine> parse_copy_context(std::string_view context,
                                                           std::string_view relation,
                                                           const ColumnMapping& mapping);

struct RecordInBatch {
  Position at;
  std::string_view bytes;  // of the batch, newline included
};

// A batch as the server's counter saw it.
struct SentBatch {
  const Batch& batch;
  std::string_view bytes;     // the batch's, or what was left of them without dropped fields
  bool begins_a_copy = true;  // its first record is the first of its COPY
};

// By how much the batch moves the server's line counter.
[[nodiscard]] std::uint64_t server_lines(const SentBatch& sent);
// Whether a refusal may be one record's: the rest of the batch may be good.
[[nodiscard]] bool is_data_error(const Error& error);

// As record_at_server_line(), and `sent.bytes` may be any of the batch's records in a COPY of their own: the index
// among them, from 0.
[[nodiscard]] std::optional<std::uint64_t> index_at_server_line(const SentBatch& sent, std::uint64_t line);
// The record that the server was reading when its counter stood at `line`, counted from the batch's first;
// nothing if the batch has none such.
[[nodiscard]] std::optional<RecordInBatch> record_at_server_line(const SentBatch& sent, std::uint64_t line);
// The record with this index (from 0) in the batch.
[[nodiscard]] std::optional<RecordInBatch> record_at_index(const Batch& batch, std::uint64_t index);
// Its number in the input.
[[nodiscard]] std::uint64_t record_number(const Batch& batch, std::uint64_t index);

// Of the batch's last record the number, its last line and its last byte.
[[nodiscard]] Position last_of(const Batch& batch);
// From the batch's first record to its last one; the record itself where the batch has but one.
[[nodiscard]] Location extent_of(const Batch& batch);
// The batch's records in a sentence: "records 1 to 20 (bytes 0 to 800) of data.csv".
[[nodiscard]] std::string describe_extent(const Batch& batch);

}  // namespace hypercopy
