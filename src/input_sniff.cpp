#include "input_sniff.hpp"

#include <algorithm>
#include <array>

#include "hypercopy/field_encoder.hpp"
#include "hypercopy/record_fields.hpp"

namespace hypercopy {

namespace {

using Record = std::vector<std::optional<std::string>>;  // fields; nothing is NULL

struct Kind {
  std::uint32_t type_oid;
  bool utc;  // a time without offset is one of these
  const char* name;
};

// The first that reads every value of a column.
constexpr std::array<Kind, 7> kKinds{{
    {type_oid::kInt8, false, "bigint"},
    {type_oid::kFloat8, false, "float8"},
    {type_oid::kDate, false, "date"},
    {type_oid::kTimestamptz, false, "timestamptz"},
    {type_oid::kTimestamp, true, "timestamp"},
    {type_oid::kUuid, false, "uuid"},
    {type_oid::kBool, false, "boolean"},
}};

bool reads(const Kind& kind, std::string_view text) {
  const FieldType type{
      .oid = kind.type_oid, .settings = {.utc = kind.utc}, .encode = find_scalar_encoder(kind.type_oid)};
  BinaryBuffer out;
  return type.encode(text, type, out);
}

std::vector<std::string_view> cut(std::string_view records, const SplitOptions& split, Kernel kernel,
                                  NewlineStyle newline) {
  std::vector<std::string_view> found;
  RecordSplitter splitter(split, kernel, {}, newline);
  while (!records.empty()) {
    const SplitResult next = splitter.scan({records.data(), records.size()}, 1, true);
    if (next.records == 0 || next.records_end == 0) break;
    found.push_back(without_newline(records.substr(0, next.records_end)));
    records.remove_prefix(next.records_end);
  }
  return found;
}

std::size_t count_fields(std::string_view record, const Dialect& dialect) {
  std::vector<FieldRange> fields;
  split_fields(record, dialect, fields);
  return fields.size();
}

std::optional<char> find_delimiter(const std::vector<std::string_view>& records, Dialect dialect) {
  const auto same_count = [&](std::size_t count) {
    return std::ranges::all_of(
        records, [&](std::string_view record) { return count_fields(record, dialect) == count; });
  };
  if (records.empty() || !same_count(1)) return std::nullopt;
  for (const char candidate : {'\t', ';', '|', ','}) {
    if (candidate == dialect.quote || candidate == dialect.escape) continue;
    dialect.delimiter = candidate;
    const std::size_t count = count_fields(records.front(), dialect);
    if (count > 1 && same_count(count)) return candidate;
  }
  return std::nullopt;
}

Record decode(std::string_view record, const Dialect& dialect) {
  std::vector<FieldRange> ranges;
  split_fields(record, dialect, ranges);
  Record fields;
  fields.reserve(ranges.size());
  for (const auto& range : ranges) {
    const std::string_view raw = record.substr(range.begin, range.end - range.begin);
    fields.push_back(raw == dialect.null_marker ? std::nullopt : std::optional(decode_field(raw, dialect)));
  }
  return fields;
}

SniffedColumn guess(const std::vector<Record>& records, std::size_t column) {
  bool seen = false;
  const auto all_read = [&](const Kind& kind) {
    return std::ranges::all_of(records, [&](const Record& record) {
      if (column >= record.size() || !record[column]) return true;
      seen = true;
      return reads(kind, *record[column]);
    });
  };
  for (const Kind& kind : kKinds) {
    if (all_read(kind) && seen) return {.type = kind.name, .type_oid = kind.type_oid};
  }
  return {.type = "text", .type_oid = type_oid::kText};
}

// Names: each field is there, once, and none is a value of a kind that values below it have.
bool looks_like_header(const Record& first, const std::vector<SniffedColumn>& columns) {
  std::vector<std::string> names;
  for (const auto& field : first) {
    const bool value = !field || field->empty() || std::ranges::any_of(kKinds, [&](const Kind& kind) {
      return kind.type_oid != type_oid::kBool && reads(kind, *field);
    });
    if (value || std::ranges::count(names, *field) > 0) return false;
    names.push_back(*field);
  }
  return std::ranges::any_of(columns,
                             [](const SniffedColumn& column) { return column.type_oid != type_oid::kText; });
}

}  // namespace

Result<Sniff> sniff_input(const std::string& path, const Dialect& dialect, const PrologueOptions& prologue,
                          bool may_change_delimiter, const Cancellation& cancellation) {
  HYPERCOPY_ASSIGN(const Kernel kernel, choose_kernel());
  HYPERCOPY_ASSIGN(auto source, open_source(path, cancellation));
  const SplitOptions split{.format = dialect.format, .quote = dialect.quote, .escape = dialect.escape};
  BatchPool pool(2, kSniffedBytes);  // what lies behind the batch goes into the other buffer
  TimeShares unused;
  BatchReader reader(std::move(source), split, kernel, {.batch_records = kSniffedRecords}, pool, unused);
  PrologueOptions options = prologue;
  options.has_header = false;
  HYPERCOPY_TRY(reader.read_prologue(options));
  HYPERCOPY_ASSIGN(const std::optional<Batch> batch, reader.next(nullptr));
  Sniff sniff;
  if (!batch) return sniff;
  const auto raw = cut(batch->bytes(), split, kernel, batch->newline);
  Dialect used = dialect;
  if (may_change_delimiter) sniff.delimiter = find_delimiter(raw, dialect);
  if (sniff.delimiter) used.delimiter = *sniff.delimiter;
  std::vector<Record> records;
  records.reserve(raw.size());
  for (const auto& record : raw) records.push_back(decode(record, used));
  const Record first = records.front();
  for (const auto& field : first) sniff.first_record.push_back(field.value_or(""));
  const std::vector<Record> below(records.begin() + 1, records.end());
  const auto guess_all = [&](const std::vector<Record>& of) {
    std::vector<SniffedColumn> columns;
    for (std::size_t column = 0; column < first.size(); ++column) columns.push_back(guess(of, column));
    return columns;
  };
  sniff.columns = guess_all(below);
  sniff.is_header = looks_like_header(first, sniff.columns);
  if (!sniff.is_header && !prologue.has_header) sniff.columns = guess_all(records);
  return sniff;
}

}  // namespace hypercopy
