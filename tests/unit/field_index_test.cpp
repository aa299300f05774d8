#include "hypercopy/field_index.hpp"

#include <gtest/gtest.h>
#include <sys/mman.h>

#include <ostream>
#include <string>
#include <string_view>
#include <vector>

#include "hypercopy/batch.hpp"
#include "hypercopy/record_fields.hpp"
#include "support/field_truth.hpp"

namespace hypercopy {
namespace {

Dialect csv() { return {}; }
Dialect csv_escape() { return {.escape = '\\'}; }
Dialect semicolon() { return {.delimiter = ';', .quote = '\'', .escape = '\''}; }

// A field that has a quote is written with a '?' in front.
using Rows = std::vector<std::vector<std::string>>;

struct IndexCase {
  const char* name;
  Dialect dialect;
  NewlineStyle newline;
  std::string records;
  Rows rows;  // all with the same number of fields; none: given up, with three columns

  friend void PrintTo(const IndexCase& c, std::ostream* out) { *out << testing::PrintToString(c.records); }
};

constexpr NewlineStyle kLf = NewlineStyle::lf;
constexpr NewlineStyle kCrlf = NewlineStyle::crlf;
constexpr NewlineStyle kCr = NewlineStyle::cr;

const std::string k63(63, 'x');

std::vector<IndexCase> even_cases() {
  return {
      {"plain", csv(), kLf, "a,b\nc,d\n", {{"a", "b"}, {"c", "d"}}},
      {"last_lacks_its_newline", csv(), kLf, "a,b\nc,d", {{"a", "b"}, {"c", "d"}}},
      {"one_record_of_unknown_newline", csv(), NewlineStyle::unknown, "a,b", {{"a", "b"}}},
      {"one_byte", csv(), kLf, "a", {{"a"}}},
      {"one_newline", csv(), kLf, "\n", {{""}}},
      {"empty_records", csv(), kLf, "\n\na\n\n", {{""}, {""}, {"a"}, {""}}},
      {"empty_fields", csv(), kLf, ",\n,", {{"", ""}, {"", ""}}},
      {"crlf", csv(), kCrlf, "a,b\r\nc,d\r\n", {{"a", "b"}, {"c", "d"}}},
      {"crlf_last_lacks_its_newline", csv(), kCrlf, "a,b\r\nc,", {{"a", "b"}, {"c", ""}}},
      {"crlf_across_words", csv(), kCrlf, k63 + "\r\n" + k63 + "\r\n", {{k63}, {k63}}},
      {"cr", csv(), kCr, "a,b\rc,d\r", {{"a", "b"}, {"c", "d"}}},
      {"quoted", csv(), kLf, "\"a\",b\nc,\"d\"\n", {{"?\"a\"", "b"}, {"c", "?\"d\""}}},
      {"quoted_delimiter_and_newlines", csv(), kLf, "\",\n\r\",b\n", {{"?\",\n\r\"", "b"}}},
      {"quote_in_mid_field", csv(), kLf, "a\",\"b,c\n", {{"?a\",\"b", "c"}}},
      {"doubled_quote", csv(), kLf, "\"a\"\",\",b\n", {{"?\"a\"\",\"", "b"}}},
      {"empty_quotes_at_the_end", csv(), kLf, "a,\"\"", {{"a", "?\"\""}}},
      {"quoted_newline_at_the_end", csv(), kLf, "a,\"\n\"", {{"a", "?\"\n\""}}},
      {"quote_seen_in_the_word_before", csv(), kLf, "\"\"" + k63 + ",b\n", {{"?\"\"" + k63, "b"}}},
      {"quote_seen_words_before",
       csv(),
       kLf,
       "\"\"" + k63 + k63 + k63 + ",b\n",
       {{"?\"\"" + k63 + k63 + k63, "b"}}},
      {"field_ends_with_the_words_first_byte", csv(), kLf, k63 + "\"\",b\n", {{"?" + k63 + "\"\"", "b"}}},
      {"quoted_over_whole_words",
       csv(),
       kLf,
       "\"" + k63 + "," + k63 + "\n" + k63 + "\",b\n",
       {{"?\"" + k63 + "," + k63 + "\n" + k63 + "\"", "b"}}},
      {"end_marker_is_data", csv(), kLf, "a\n\\.\n", {{"a"}, {"\\."}}},
      {"nul_bytes", csv(), kLf, std::string("\0,\0\n", 4), {{std::string(1, '\0'), std::string(1, '\0')}}},
      {"other_bytes", semicolon(), kLf, "a,\";'c;''d'\n", {{"a,\"", "?'c;''d'"}}},
      {"escaped_quote", csv_escape(), kLf, "\"a\\\",b\",c\n", {{"?\"a\\\",b\"", "c"}}},
      {"escape_outside_quotes", csv_escape(), kLf, "a\\,b\n", {{"a\\", "b"}}},
  };
}

std::vector<IndexCase> uneven_cases() {
  return {
      {"too_few", csv(), kLf, "a,b,c\na,b\na,b,c\n", {}},
      {"too_many", csv(), kLf, "a,b,c\na,b,c,d\na,b,c\n", {}},
      {"even_only_in_sum", csv(), kLf, "a,b\na,b,c,d\n", {}},
      {"empty_record", csv(), kLf, "a,b,c\n\na,b,c\n", {}},
      {"last_too_few", csv(), kLf, "a,b,c\na,b", {}},
      {"last_too_many", csv(), kLf, "a,b,c\na,b,c,", {}},
      {"two_records_make_one", csv(), kLf, "a,b\nc\n", {}},
      {"three_records_make_one", csv(), kLf, "a\nb\nc\n", {}},
      {"many_delimiters", csv(), kLf, std::string(100'000, ','), {}},
  };
}

std::string case_name(const testing::TestParamInfo<IndexCase>& info) { return info.param.name; }

class FieldIndexTest : public testing::TestWithParam<IndexCase> {};
class UnevenTest : public testing::TestWithParam<IndexCase> {};

Rows read_rows(FieldIndexer& indexer) {
  Rows rows;
  FieldBlock block;
  while (indexer.next(block) == IndexStop::block) {
    FieldReader reader(block);
    for (std::size_t record = 0; record < block.records; ++record) {
      std::vector<std::string>& row = rows.emplace_back();
      for (std::size_t column = 0; column < block.columns; ++column) {
        const RawField field = reader.next();
        row.push_back((field.has_quote ? "?" : "") + std::string(field.text));
      }
      reader.next_record();
    }
  }
  return rows;
}

TEST_P(FieldIndexTest, FieldsFound) {
  const IndexCase& c = GetParam();
  for (const Kernel kernel : available_kernels()) {
    FieldIndexer indexer(c.dialect, c.rows.front().size(), kernel);
    for (int turn = 0; turn < 2; ++turn) {
      indexer.start(c.records, c.newline);
      EXPECT_EQ(read_rows(indexer), c.rows) << to_string(kernel);
    }
  }
}

// The rare bytes lie anywhere in a word, behind and before records of ordinary bytes.
TEST_P(FieldIndexTest, FieldsFoundAtAnyPlaceOfAWord) {
  const IndexCase& c = GetParam();
  if (c.newline == NewlineStyle::unknown) return;
  const std::string newline = c.newline == kLf ? "\n" : c.newline == kCr ? "\r" : "\r\n";
  const std::string delimiters(c.rows.front().size() - 1, c.dialect.delimiter);
  for (std::size_t before = 0; before < 130; ++before) {
    std::vector<std::string> row(c.rows.front().size());
    row.back() = std::string(before, 'y');
    Rows wanted{row};
    wanted.insert(wanted.end(), c.rows.begin(), c.rows.end());
    std::string records = delimiters + row.back() + newline + c.records;
    if (before % 2 != 0 && records.ends_with(newline)) {
      row.back() = std::string(70, 'z');
      wanted.push_back(row);
      records += delimiters + row.back();
    }
    for (const Kernel kernel : available_kernels()) {
      FieldIndexer indexer(c.dialect, row.size(), kernel, {.fields = 1 + before % 7, .bytes = 1 + before});
      indexer.start(records, c.newline);
      ASSERT_EQ(read_rows(indexer), wanted) << to_string(kernel) << ", " << before << " bytes before";
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Csv, FieldIndexTest, testing::ValuesIn(even_cases()), case_name);

TEST_P(UnevenTest, GivenUp) {
  const IndexCase& c = GetParam();
  for (const Kernel kernel : available_kernels()) {
    for (const std::size_t fields : {std::size_t{1}, std::size_t{16} << 10}) {
      FieldIndexer indexer(c.dialect, 3, kernel, {.fields = fields});
      indexer.start(c.records, c.newline);
      FieldBlock block;
      IndexStop stop = indexer.next(block);
      while (stop == IndexStop::block) stop = indexer.next(block);
      EXPECT_EQ(stop, IndexStop::give_up) << to_string(kernel);
      indexer.start("a,b,c\n", c.newline);
      EXPECT_EQ(read_rows(indexer), (Rows{{"a", "b", "c"}})) << to_string(kernel);
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Csv, UnevenTest, testing::ValuesIn(uneven_cases()), case_name);

TEST(FieldIndexer, NothingInNothing) {
  FieldIndexer indexer(csv(), 3, available_kernels().back());
  indexer.start({}, kLf);
  FieldBlock block;
  EXPECT_EQ(indexer.next(block), IndexStop::end);
  EXPECT_EQ(indexer.next(block), IndexStop::end);
}

// A block holds about as much as its limits say, or one record.
TEST(FieldIndexer, BlocksAreBounded) {
  std::string records;
  for (int i = 0; i < 100'000; ++i) records += "abc,def,\"ghi\"\n";
  const std::string long_record = std::string(3'000'000, 'a') + ",b,c\n";
  for (const Kernel kernel : available_kernels()) {
    FieldIndexer indexer(csv(), 3, kernel);
    indexer.start(records, kLf);
    FieldBlock block;
    while (indexer.next(block) == IndexStop::block) {
      EXPECT_LE(block.records * 3, IndexLimits{}.fields + 64);
      EXPECT_LE(block.bytes, IndexLimits{}.bytes + 64);
    }
    const std::string three = long_record + long_record + long_record;
    indexer.start(three, kLf);
    for (std::size_t i = 0; i < 3; ++i) {
      ASSERT_EQ(indexer.next(block), IndexStop::block);
      EXPECT_EQ(block.records, 1U);
      EXPECT_EQ(block.base, three.data() + i * long_record.size());
      EXPECT_EQ(block.bytes, long_record.size());
    }
    EXPECT_EQ(indexer.next(block), IndexStop::end);
  }
}

// More columns than a block has room for by its limits.
TEST(FieldIndexer, ManyColumns) {
  constexpr std::size_t kColumns = 1600;
  Rows wanted(50, std::vector<std::string>(kColumns, "7"));
  std::string records;
  for (const std::vector<std::string>& row : wanted) {
    for (const std::string& field : row) records += field + ",";
    records.back() = '\n';
  }
  for (const Kernel kernel : available_kernels()) {
    FieldIndexer indexer(csv(), kColumns, kernel, {.fields = 100});
    indexer.start(records, kLf);
    EXPECT_EQ(read_rows(indexer), wanted) << to_string(kernel);
  }
}

// Zero bytes that take no memory while they are only read.
class ZeroBytes {
 public:
  explicit ZeroBytes(std::size_t size)
      : size_(size),
        bytes_(mmap(nullptr, size, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0)) {}
  ~ZeroBytes() { munmap(bytes_, size_); }
  ZeroBytes(const ZeroBytes&) = delete;
  ZeroBytes& operator=(const ZeroBytes&) = delete;

  [[nodiscard]] bool ok() const { return bytes_ != MAP_FAILED; }
  [[nodiscard]] std::string_view first(std::size_t size) const {
    return {static_cast<const char*>(bytes_), size};
  }

 private:
  std::size_t size_;
  void* bytes_;
};

TEST(FieldIndexer, LongestRecord) {
  const std::size_t too_long = kMaxRecordBytes + 2 * IndexLimits{}.bytes;
  const ZeroBytes zeros(too_long);
  ASSERT_TRUE(zeros.ok());
  FieldIndexer indexer(csv(), 1, available_kernels().back());
  FieldBlock block;
  indexer.start(zeros.first(kMaxRecordBytes), kLf);
  ASSERT_EQ(indexer.next(block), IndexStop::block);
  EXPECT_EQ(block.records, 1U);
  EXPECT_EQ(FieldReader(block).next().text.size(), kMaxRecordBytes);
  EXPECT_EQ(indexer.next(block), IndexStop::end);
  indexer.start(zeros.first(too_long), kLf);
  EXPECT_EQ(indexer.next(block), IndexStop::give_up);
}

struct UnquoteCase {
  const char* name;
  Dialect dialect;
  std::string raw;
  std::string value;
  bool in_place;

  friend void PrintTo(const UnquoteCase& c, std::ostream* out) { *out << testing::PrintToString(c.raw); }
};

class UnquoteTest : public testing::TestWithParam<UnquoteCase> {};

TEST_P(UnquoteTest, Value) {
  const UnquoteCase& c = GetParam();
  std::string scratch = "what was in it before";
  const std::string_view value = unquote(c.raw, c.dialect.quote, c.dialect.escape, scratch);
  EXPECT_EQ(value, c.value);
  EXPECT_EQ(value, decode_field(c.raw, c.dialect));
  EXPECT_EQ(value.data() == c.raw.data() + 1, c.in_place);
}

INSTANTIATE_TEST_SUITE_P(
    Csv, UnquoteTest,
    testing::Values(UnquoteCase{"outer_quotes", csv(), "\"a,b\"", "a,b", true},
                    UnquoteCase{"empty_quotes", csv(), "\"\"", "", true},
                    UnquoteCase{"plain", csv(), "ab", "ab", false},
                    UnquoteCase{"empty", csv(), "", "", false},
                    UnquoteCase{"doubled", csv(), "\"a\"\"b\"", "a\"b", false},
                    UnquoteCase{"only_doubled", csv(), "\"\"\"\"", "\"", false},
                    UnquoteCase{"two_runs", csv(), "\"a\"b\"c\"", "abc", false},
                    UnquoteCase{"mid_field", csv(), "a\"b\"c", "abc", false},
                    UnquoteCase{"open_quote", csv(), "\"ab", "ab", false},
                    UnquoteCase{"one_quote", csv(), "\"", "", false},
                    UnquoteCase{"backslash_is_plain", csv(), "\"a\\b\"", "a\\b", true},
                    UnquoteCase{"escaped_quote", csv_escape(), "\"a\\\"b\"", "a\"b", false},
                    UnquoteCase{"escaped_escape_at_the_end", csv_escape(), "\"a\\\\\"", "a\\", false},
                    UnquoteCase{"escape_before_plain_byte", csv_escape(), "\"a\\n\"", "a\\n", false},
                    UnquoteCase{"escape_outside_quotes", csv_escape(), "\\\"a\\\"\"b", "\\a\"b", false},
                    UnquoteCase{"escape_last_in_open_quote", csv_escape(), "\"a\\", "a\\", false},
                    UnquoteCase{"no_escape_inside", csv_escape(), "\"a\"", "a", true}),
    [](const auto& c) { return std::string(c.param.name); });

}  // namespace
}  // namespace hypercopy
