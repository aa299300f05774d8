// drop_fields() against a reference that is too simple to be wrong: it spells PostgreSQL's two steps, lines
// and then fields, byte by byte and with copies.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <optional>
#include <random>
#include <string>
#include <vector>

#include "hypercopy/column_mapping.hpp"

namespace hypercopy {
namespace {

using Fields = std::vector<std::string>;

struct Record {
  std::string body;
  std::string newline;
};

// As CopyReadLineText sees it; nullopt: the batch ends inside quotes.
std::optional<std::vector<Record>> reference_records(const std::string& batch, const Dialect& dialect) {
  std::vector<Record> records;
  std::string body;
  bool in_quote = false;
  bool last_was_escape = false;
  const bool csv = dialect.format == Format::csv;
  for (std::size_t at = 0; at < batch.size(); ++at) {
    const char byte = batch[at];
    if (csv) {
      if (in_quote && byte == dialect.escape && dialect.escape != dialect.quote)
        last_was_escape = !last_was_escape;
      if (byte == dialect.quote && !last_was_escape) in_quote = !in_quote;
      if (byte != dialect.escape || dialect.escape == dialect.quote) last_was_escape = false;
    } else if (byte == '\\' && at + 1 < batch.size()) {
      body += byte;
      body += batch[++at];
      continue;
    }
    if (in_quote || (byte != '\n' && byte != '\r')) {
      body += byte;
      continue;
    }
    std::string newline(1, byte);
    if (byte == '\r' && at + 1 < batch.size() && batch[at + 1] == '\n') newline += batch[++at];
    records.push_back({body, newline});
    body.clear();
  }
  if (in_quote) return std::nullopt;
  if (!batch.empty() && (!body.empty() || records.empty())) records.push_back({body, ""});
  return records;
}

// As CopyReadAttributesCSV sees it: raw fields; nullopt: a quote is open.
std::optional<Fields> reference_csv_fields(const std::string& record, const Dialect& dialect) {
  Fields fields(1);
  bool in_quote = false;
  for (std::size_t at = 0; at < record.size(); ++at) {
    const char byte = record[at];
    if (!in_quote && byte == dialect.delimiter) {
      fields.emplace_back();
      continue;
    }
    fields.back() += byte;
    const char next = at + 1 < record.size() ? record[at + 1] : '\0';
    if (!in_quote) {
      in_quote = byte == dialect.quote;
    } else if (byte == dialect.escape && at + 1 < record.size() &&
               (next == dialect.escape || next == dialect.quote)) {
      fields.back() += next;
      ++at;
    } else if (byte == dialect.quote) {
      in_quote = false;
    }
  }
  if (in_quote) return std::nullopt;
  return fields;
}

Fields reference_text_fields(const std::string& record, const Dialect& dialect) {
  Fields fields(1);
  for (std::size_t at = 0; at < record.size(); ++at) {
    if (record[at] == dialect.delimiter) {
      fields.emplace_back();
      continue;
    }
    fields.back() += record[at];
    if (record[at] == '\\' && at + 1 < record.size()) fields.back() += record[++at];
  }
  return fields;
}

struct Outcome {
  bool ok = true;
  std::size_t bad_record = 0;
  std::string out;
};

Outcome reference_drop(const std::vector<Record>& records, const Dialect& dialect,
                       const std::vector<bool>& keep) {
  Outcome outcome;
  for (const Record& record : records) {
    const auto fields = dialect.format == Format::csv
                            ? reference_csv_fields(record.body, dialect)
                            : std::optional(reference_text_fields(record.body, dialect));
    if (!fields || fields->size() != keep.size()) {
      outcome.ok = false;
      return outcome;
    }
    std::string kept;
    bool first = true;
    for (std::size_t field = 0; field < keep.size(); ++field) {
      if (!keep[field]) continue;
      if (!first) kept += dialect.delimiter;
      kept += (*fields)[field];
      first = false;
    }
    if (dialect.format == Format::csv && kept == "\\.") kept = std::string(2, dialect.quote) + kept;
    std::string newline = record.newline;
    if (newline.empty()) newline = records.front().newline.empty() ? "\n" : records.front().newline;
    outcome.out += kept + newline;
    ++outcome.bad_record;
  }
  return outcome;
}

ColumnMapping mapping_of(const std::vector<bool>& keep) {
  ColumnMapping mapping;
  mapping.field_count = keep.size();
  for (std::size_t field = 0; field < keep.size(); ++field) {
    const std::string name = "c" + std::to_string(field);
    if (keep[field]) {
      mapping.columns.push_back(name);
    } else {
      mapping.dropped.push_back(field);
      mapping.dropped_columns.push_back(name);
    }
  }
  return mapping;
}

class Random {
 public:
  explicit Random(std::uint64_t seed) : engine_(seed) {}
  std::size_t below(std::size_t bound) {
    return std::uniform_int_distribution<std::size_t>(0, bound - 1)(engine_);
  }
  template <typename List>
  auto pick(const List& list) {
    return list[below(list.size())];
  }

 private:
  std::mt19937_64 engine_;
};

Dialect random_dialect(Random& random) {
  if (random.below(3) == 0) {
    Dialect dialect = default_dialect(Format::text);
    dialect.delimiter = random.pick(std::string("\t,|"));
    return dialect;
  }
  Dialect dialect;
  dialect.delimiter = random.pick(std::string(",;.\t\\"));
  dialect.quote = random.pick(std::string("\"'"));
  dialect.escape = random.pick(std::string({dialect.quote, dialect.quote, '\\', dialect.delimiter}));
  return dialect;
}

// Some fields are kept, some are not.
std::vector<bool> random_keep(Random& random, std::size_t field_count) {
  std::vector<bool> keep(field_count);
  for (std::size_t field = 0; field < field_count; ++field) keep[field] = random.below(2) == 0;
  const std::size_t kept = random.below(field_count);
  keep[kept] = true;
  keep[(kept + 1) % field_count] = false;
  return keep;
}

// One raw field that is whole: quotes closed, nothing bare that would end it. `newline` may stand inside.
std::string random_csv_field(Random& random, const Dialect& dialect, const std::string& newline) {
  std::string field;
  for (std::size_t part = random.below(4); part > 0; --part) {
    if (random.below(2) == 0) {
      const std::string bare = random.pick(Fields{"a", "1.5", " ", "\\", "\xC3\xA9", "\\.", ""});
      if (bare.find(dialect.delimiter) == std::string::npos) field += bare;
      continue;
    }
    field += dialect.quote;
    for (std::size_t inner = random.below(4); inner > 0; --inner) {
      field += random.pick(Fields{"b", std::string(1, dialect.delimiter) + "d", newline, "\n\r",
                                  std::string({dialect.escape, dialect.quote}),
                                  std::string({dialect.escape, dialect.escape})});
    }
    field += dialect.quote;
  }
  return field;
}

std::string random_text_field(Random& random, const Dialect& dialect, const std::string& newline) {
  std::string field;
  for (std::size_t part = random.below(4); part > 0; --part) {
    field += random.pick(Fields{"a", "1.5", "\\N", "\\\\", "\\x41", "\"",
                                std::string({'\\', dialect.delimiter}), newline == "\n" ? "\\\n" : "\\t"});
  }
  return field;
}

std::uint64_t fresh_seed() { return std::random_device{}(); }

// Batches whose fields are known because they were put together from them.
TEST(DropFieldsProperty, KeptFieldsAndNewlinesAreThoseThatWentIn) {
  const std::uint64_t seed = fresh_seed();
  SCOPED_TRACE(fmt::format("seed {}", seed));
  Random random(seed);
  for (int round = 0; round < 3000; ++round) {
    const Dialect dialect = random_dialect(random);
    const bool csv = dialect.format == Format::csv;
    const std::string newline = random.pick(Fields{"\n", "\r\n", "\r"});
    const std::vector<bool> keep = random_keep(random, 2 + random.below(6));
    const bool final_newline = random.below(4) != 0;

    std::string batch;
    std::string expected;
    for (std::size_t left = 1 + random.below(8); left > 0; --left) {
      std::string kept;
      bool first = true;
      for (std::size_t field = 0; field < keep.size(); ++field) {
        std::string raw =
            csv ? random_csv_field(random, dialect, newline) : random_text_field(random, dialect, newline);
        batch += field == 0 ? "" : std::string(1, dialect.delimiter);
        batch += raw;
        if (!keep[field]) continue;
        kept += (first ? "" : std::string(1, dialect.delimiter)) + raw;
        first = false;
      }
      if (csv && kept == "\\.") kept = std::string(2, dialect.quote) + kept;
      if (left > 1 || final_newline) batch += newline;
      expected += kept + newline;
    }

    std::string out;
    std::size_t bad_record = 0;
    const auto style = newline == "\n"   ? NewlineStyle::lf
                       : newline == "\r" ? NewlineStyle::cr
                                         : NewlineStyle::crlf;
    const Status status = drop_fields(batch, dialect, mapping_of(keep), style, out, bad_record);
    ASSERT_TRUE(status) << to_string(status.error()) << "\n" << batch;
    ASSERT_EQ(out, expected) << "delimiter " << dialect.delimiter << " escape " << dialect.escape << "\n"
                             << batch;
  }
}

// Bytes without any sense, but for whole records at the end.
TEST(DropFieldsProperty, AgreesWithTheReferenceOnAnyBytes) {
  const std::uint64_t seed = fresh_seed();
  SCOPED_TRACE(fmt::format("seed {}", seed));
  Random random(seed);
  int loaded = 0;
  int refused = 0;
  for (int round = 0; round < 60000; ++round) {
    const Dialect dialect = random_dialect(random);
    const bool csv = dialect.format == Format::csv;
    const std::string newline = random.pick(Fields{"\n", "\n", "\r\n"});
    const Fields words{std::string(1, dialect.delimiter),
                       std::string(1, dialect.delimiter),
                       csv ? std::string(1, dialect.quote) : "\"",
                       csv ? std::string(1, dialect.escape) : "q",
                       newline,
                       "\\",
                       ".",
                       "ab"};
    std::string batch;
    for (std::size_t left = 1 + random.below(16); left > 0; --left) batch += random.pick(words);
    const auto records = reference_records(batch, dialect);
    if (!records) continue;

    const auto width = [&dialect](const Record& record) {
      if (dialect.format == Format::text) return reference_text_fields(record.body, dialect).size();
      return reference_csv_fields(record.body, dialect).value_or(Fields(2)).size();
    };
    const std::vector<bool> keep = random_keep(random, std::max<std::size_t>(2, width(records->front())));
    const Outcome expected = reference_drop(*records, dialect, keep);

    std::string out;
    std::size_t bad_record = 0;
    const Status status =
        drop_fields(batch, dialect, mapping_of(keep), NewlineStyle::unknown, out, bad_record);
    ASSERT_EQ(status.has_value(), expected.ok) << batch;
    ASSERT_EQ(out, expected.out) << batch;
    if (!expected.ok) {
      ASSERT_EQ(bad_record, expected.bad_record) << batch;
    }
    ++(expected.ok ? loaded : refused);
  }
  EXPECT_GT(loaded, 1000);
  EXPECT_GT(refused, 1000);
}

}  // namespace
}  // namespace hypercopy
