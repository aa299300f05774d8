#include "hypercopy/failure_location.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <string>

namespace hypercopy {

namespace {

// Calls visit(record) for each record of `rest`, which begins where the batch does, until it gives true. The positions are
// the input's where `rest` is all of a batch whose records follow each other.
template <typename Visit>
std::optional<RecordInBatch> find_record(const Batch& batch, std::string_view rest, Visit visit) {
  RecordSplitter splitter(batch.file->split, Kernel::scalar, batch.first);
  while (!rest.empty()) {
    const Position at = splitter.record_start();
    const SplitResult result = splitter.scan(rest, 1, /*final=*/true);
    if (result.records == 0) break;
    const RecordInBatch record{.at = at, .bytes = rest.substr(0, result.records_end)};
    if (visit(record)) return record;
    rest.remove_prefix(result.records_end);
  }
  return std::nullopt;
}

// Newlines inside quotes that the server's counter notices in this record. Its first record is read before
// the newline style is known, and then only CRs are counted.
std::uint64_t counted_quoted_newlines(std::string_view record, const Batch& batch, bool first) {
  const SplitOptions& split = batch.file->split;
  if (split.format != Format::csv) return 0;
  const char newline = !first && batch.newline == NewlineStyle::lf ? '\n' : '\r';
  bool in_quote = false;
  bool after_escape = false;
  std::uint64_t count = 0;
  for (const char byte : record) {
    if (split.escape != split.quote) {
      if (in_quote && byte == split.escape) after_escape = !after_escape;
    }
    if (byte == split.quote && !after_escape) in_quote = !in_quote;
    if (byte != split.escape || split.escape == split.quote) after_escape = false;
    if (in_quote && byte == newline) ++count;
  }
  return count;
}

std::uint64_t count_byte(std::string_view bytes, char byte) {
  return static_cast<std::uint64_t>(std::count(bytes.begin(), bytes.end(), byte));
}

bool ends_with_newline(std::string_view bytes) { return bytes.ends_with('\n') || bytes.ends_with('\r'); }

// What follows the relation's name in the line of CONTEXT that COPY wrote. Only at a line's start: the lines
// before it may quote data, and data may look like it.
std::optional<std::string_view> behind_relation(std::string_view context, std::string_view relation) {
  // Nearly all message files begin with these words; Japanese and Korean put the name first.
  const std::array<std::string, 3> intros{fmt::format("COPY {}, ", relation),
                                          fmt::format("{}\u306eCOPY\u3001", relation),
                                          fmt::format("{} \ubcf5\uc0ac, ", relation)};
  for (std::size_t at = 0; at < context.size();) {
    const std::string_view line = context.substr(at);
    for (const auto& intro : intros) {
      if (line.starts_with(intro)) return line.substr(intro.size());
    }
    const std::size_t newline = line.find('\n');
    if (newline == std::string_view::npos) break;
    at += newline + 1;
  }
  return std::nullopt;
}

// Whether `tail` has " NAME" before its end or a colon. French sets a space before the colon, Korean the word
// "column".
bool names_column(std::string_view tail, const std::string& column) {
  static constexpr std::array<std::string_view, 5> kBeforeColon{":", " :", "\u00a0:", "\u202f:", " \uc5f4:"};
  const std::string word = " " + column;
  const std::size_t colon = tail.find(':');
  for (std::size_t at = tail.find(word); at < colon; at = tail.find(word, at + 1)) {
    const std::string_view behind = tail.substr(at + word.size());
    const auto follows = [&](std::string_view text) { return behind.starts_with(text); };
    if (behind.empty() || std::any_of(kBeforeColon.begin(), kBeforeColon.end(), follows)) return true;
  }
  return false;
}

}  // namespace

std::optional<ServerLine> parse_copy_context(std::string_view context, std::string_view relation,
                                             const ColumnMapping& mapping) {
  const std::optional<std::string_view> behind = behind_relation(context, relation);
  if (!behind) return std::nullopt;
  const std::string_view rest = behind->substr(0, behind->find('\n'));
  const std::size_t digits = rest.find_first_of("0123456789");
  if (digits == std::string_view::npos) return std::nullopt;
  ServerLine place;
  const auto [end, outcome] = std::from_chars(rest.data() + digits, rest.data() + rest.size(), place.line);
  if (outcome != std::errc()) return std::nullopt;
  const std::string_view tail(end, static_cast<std::size_t>(rest.data() + rest.size() - end));
  // ", column NAME: ..." or ", column NAME" in the server's language; the longest name that fits is meant.
  for (const auto& column : mapping.columns) {
    if (column.size() > place.column.size() && names_column(tail, column)) place.column = column;
  }
  return place;
}

std::uint64_t server_lines(const SentBatch& sent) {
  const Batch& batch = sent.batch;
  if (batch.file->split.format != Format::csv) return batch.records;
  const char newline = batch.newline == NewlineStyle::lf ? '\n' : '\r';
  std::uint64_t lines = count_byte(sent.bytes, newline);
  if (!ends_with_newline(sent.bytes)) ++lines;
  if (!sent.begins_a_copy) return lines;
  const auto first = find_record(batch, sent.bytes, [](const RecordInBatch&) { return true; });
  if (!first) return lines;
  return lines + counted_quoted_newlines(first->bytes, batch, /*first=*/true) -
         counted_quoted_newlines(first->bytes, batch, /*first=*/false);
}

// A trigger may raise any code of its own, so those that are the run's are listed: no rights, no table, read-only,
// resources, shutdown, defects.
bool is_data_error(const Error& error) {
  if (error.kind == ErrorKind::input) return true;
  if (error.kind != ErrorKind::sql || error.sqlstate.size() != 5) return false;
  constexpr std::array<std::string_view, 10> kClasses{"08", "0A", "25", "28", "40",
                                                      "53", "55", "57", "58", "XX"};
  constexpr std::array<std::string_view, 3> kCodes{"42501", "42P01", "42703"};
  return std::find(kClasses.begin(), kClasses.end(), error.sqlstate.substr(0, 2)) == kClasses.end() &&
         std::find(kCodes.begin(), kCodes.end(), error.sqlstate) == kCodes.end();
}

std::optional<std::uint64_t> index_at_server_line(const SentBatch& sent, std::uint64_t line) {
  std::uint64_t counter = 0;
  std::uint64_t index = 0;
  bool first = sent.begins_a_copy;
  const auto record = find_record(sent.batch, sent.bytes, [&](const RecordInBatch& at) {
    counter += 1 + counted_quoted_newlines(at.bytes, sent.batch, first);
    first = false;
    if (counter >= line) return true;
    ++index;
    return false;
  });
  return record ? std::optional(index) : std::nullopt;
}

std::optional<RecordInBatch> record_at_server_line(const SentBatch& sent, std::uint64_t line) {
  const auto index = index_at_server_line(sent, line);
  return index ? record_at_index(sent.batch, *index) : std::nullopt;
}

std::optional<RecordInBatch> record_at_index(const Batch& batch, std::uint64_t index) {
  std::uint64_t counter = 0;
  auto record = find_record(batch, batch.bytes(), [&](const RecordInBatch&) { return counter++ == index; });
  if (record && batch.places) record->at = batch.places->at(index);
  return record;
}

std::uint64_t record_number(const Batch& batch, std::uint64_t index) {
  return batch.places ? batch.places->at(index).record : batch.first.record + index;
}

Position last_of(const Batch& batch) {
  if (batch.places) return batch.places->last();
  const std::string_view bytes = batch.bytes();
  const std::uint64_t newlines = count_byte(bytes, batch.newline == NewlineStyle::cr ? '\r' : '\n');
  return Position{.byte = batch.first.byte + bytes.size() - 1,
                  .line = batch.first.line + newlines - (ends_with_newline(bytes) ? 1 : 0),
                  .record = batch.first.record + batch.records - 1};
}

Location extent_of(const Batch& batch) {
  Location location{.source = batch.file->name, .at = batch.first};
  if (batch.records > 1) location.last = last_of(batch);
  return location;
}

std::string describe_extent(const Batch& batch) {
  const Position last = last_of(batch);
  const std::string between = fmt::format("records {} to {} (bytes {} to {}) of {}", batch.first.record,
                                          last.record, batch.first.byte, last.byte, batch.file->name);
  return batch.places ? fmt::format("{} records between {}", batch.records, between) : between;
}

}  // namespace hypercopy
