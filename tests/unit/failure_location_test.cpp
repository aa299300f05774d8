// The server's CONTEXT, in the languages of its message files, and its line counter, re-enacted.
#include "hypercopy/failure_location.hpp"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace hypercopy {
namespace {

struct ContextCase {
  const char* name;
  std::string context;
  std::string relation;
  std::vector<std::string> columns;
  std::uint64_t line;  // 0: nothing is found
  std::string column;
};

class CopyContext : public ::testing::TestWithParam<ContextCase> {};

TEST_P(CopyContext, IsRead) {
  const ContextCase& c = GetParam();
  ColumnMapping mapping;
  mapping.columns = c.columns;
  const auto place = parse_copy_context(c.context, c.relation, mapping);
  ASSERT_EQ(place.has_value(), c.line != 0);
  if (!place) return;
  EXPECT_EQ(place->line, c.line);
  EXPECT_EQ(place->column, c.column);
}

const std::vector<ContextCase>& context_cases() {
  static const std::vector<ContextCase> all{
      {"column", "COPY t, line 5, column a: \"x\"", "t", {"a", "b"}, 5, "a"},
      {"null_input", "COPY t, line 5, column a: null input", "t", {"a"}, 5, "a"},
      {"whole_line", "COPY t, line 5: \"1,column a: 2\"", "t", {"a"}, 5, ""},
      {"line_only", "COPY t, line 5", "t", {"a"}, 5, ""},
      {"column_only", "COPY t, line 5, column a", "t", {"a"}, 5, "a"},
      {"large_line", "COPY t, line 18446744073709551615", "t", {}, UINT64_MAX, ""},
      {"line_too_large", "COPY t, line 18446744073709551616", "t", {}, 0, ""},
      {"no_context", "", "t", {"a"}, 0, ""},
      {"other_relation", "COPY tt, line 5", "t", {"a"}, 0, ""},
      {"relation_with_prefix_of_it", "COPY t, line 5", "tt", {"a"}, 0, ""},
      {"no_number", "COPY t, line", "t", {"a"}, 0, ""},
      {"nested",
       "PL/pgSQL function f(integer) line 3 at RAISE\nSQL statement \"SELECT f(7)\"\nCOPY t, line 5: \"x\"",
       "t",
       {"a"},
       5,
       ""},
      {"value_of_several_lines",
       "COPY t, line 5, column a: \"x\nCOPY t, line 9, column b: \"",
       "t",
       {"a", "b"},
       5,
       "a"},
      {"data_before_it",
       "JSON data, line 1: {\"COPY t, line 9\": x...\nCOPY t, line 5, column j: \"{\"",
       "t",
       {"j"},
       5,
       "j"},
      {"relation_with_digits_and_commas",
       "COPY t 2, line 7: x, line 5, column a: \"1\"",
       "t 2, line 7: x",
       {"a"},
       5,
       "a"},
      {"column_with_spaces",
       "COPY t, line 5, column my col: \"x\"",
       "t",
       {"col", "my col", "my"},
       5,
       "my col"},
      {"column_with_colon", "COPY t, line 5, column a: b: \"x\"", "t", {"a", "b", "a: b"}, 5, "a: b"},
      {"column_before_colon", "COPY t, line 5, column a: \"b: x\"", "t", {"b", "a"}, 5, "a"},
      {"column_prefix", "COPY t, line 5, column ab: \"x\"", "t", {"a", "ab", "abc"}, 5, "ab"},
      {"column_named_column", "COPY t, line 5, column column: \"x\"", "t", {"column"}, 5, "column"},
      {"column_named_line", "COPY t, line 5, column line 9: \"x\"", "t", {"line 9"}, 5, "line 9"},
      {"unknown_column", "COPY t, line 5, column z: \"x\"", "t", {"a"}, 5, ""},
      {"german", "COPY t, Zeile 5, Spalte a: »x«", "t", {"a"}, 5, "a"},
      {"spanish", "COPY t, línea 5, columna a: «x»", "t", {"a"}, 5, "a"},
      {"french", "COPY t, ligne 5, colonne a : « x »", "t", {"a"}, 5, "a"},
      {"french_narrow_space", "COPY t, ligne 5, colonne a\u00a0: « x »", "t", {"a"}, 5, "a"},
      {"russian", "COPY t, строка 5, столбец a: \"x\"", "t", {"a"}, 5, "a"},
      {"chinese", "COPY t, 第 5 行, 列 a: \"x\"", "t", {"a"}, 5, "a"},
      {"japanese", "tのCOPY、行 5, 列 a: \"x\"", "t", {"a"}, 5, "a"},
      {"korean", "t 복사, 5번째 줄, a 열: \"x\"", "t", {"a"}, 5, "a"},
  };
  return all;
}

INSTANTIATE_TEST_SUITE_P(Contexts, CopyContext, ::testing::ValuesIn(context_cases()),
                         [](const auto& test) { return std::string(test.param.name); });

struct LineCase {
  const char* name;
  std::string bytes;
  NewlineStyle newline;
  std::uint64_t line;    // the server's count
  std::uint64_t record;  // 0: none
  std::uint64_t physical_line;
  std::uint64_t byte;
};

class ServerLineOfBatch : public ::testing::TestWithParam<LineCase> {};

// The batch begins somewhere in its file.
constexpr Position kFirst{.byte = 1000, .line = 100, .record = 50};

Batch batch_of(BatchPool& pool, const std::string& bytes, NewlineStyle newline, const SplitOptions& split) {
  auto file = std::make_shared<InputFile>();
  file->split = split;
  Batch batch{
      .buffer = PooledBuffer(pool, *pool.acquire()), .first = kFirst, .newline = newline, .file = file};
  std::copy(bytes.begin(), bytes.end(), batch.buffer.bytes().data());
  batch.end = bytes.size();
  return batch;
}

TEST_P(ServerLineOfBatch, IsTheRecord) {
  const LineCase& c = GetParam();
  BatchPool pool(1, 4096);
  const Batch batch = batch_of(pool, c.bytes, c.newline, SplitOptions{});
  const auto record = record_at_server_line({.batch = batch, .bytes = batch.bytes()}, c.line);
  ASSERT_EQ(record.has_value(), c.record != 0);
  if (!record) return;
  EXPECT_EQ(record->at, (Position{.byte = c.byte, .line = c.physical_line, .record = c.record}));
}

const std::vector<LineCase>& line_cases() {
  using enum NewlineStyle;
  static const std::vector<LineCase> all{
      {"first", "a\nb\nc\n", lf, 1, 50, 100, 1000},
      {"last", "a\nb\nc\n", lf, 3, 52, 102, 1004},
      {"behind_the_end", "a\nb\nc\n", lf, 4, 0, 0, 0},
      {"no_final_newline", "a\nb", lf, 2, 51, 101, 1002},
      {"crlf", "a\r\nb\r\nc\r\n", crlf, 3, 52, 102, 1006},
      {"cr", "a\rb\rc\r", cr, 3, 52, 102, 1004},
      // The style is not known while the first record is read: then the server counts CRs only.
      {"lf_in_the_first_record", "\"a\n\nb\"\nc\nd\n", lf, 2, 51, 103, 1007},
      {"crlf_in_the_first_record_of_lf", "\"a\r\nb\"\nc\nd\n", lf, 3, 51, 102, 1007},
      {"crlf_in_the_first_record", "\"a\r\nb\"\r\nc\r\nd\r\n", crlf, 3, 51, 102, 1008},
      {"lf_in_the_first_record_of_crlf", "\"a\nb\"\r\nc\r\nd\r\n", crlf, 2, 51, 102, 1007},
      {"cr_in_the_first_record", "\"a\rb\"\rc\rd\r", cr, 3, 51, 102, 1006},
      {"lf_in_a_later_record", "a\n\"b\n\nb\"\nc\n", lf, 5, 52, 104, 1009},
      {"inside_a_later_record", "a\n\"b\n\nb\"\nc\n", lf, 3, 51, 101, 1002},
      {"crlf_in_a_later_record_of_lf", "a\n\"b\r\nb\"\nc\n", lf, 4, 52, 103, 1009},
      {"lf_in_a_later_record_of_crlf", "a\r\n\"b\nb\"\r\nc\r\n", crlf, 3, 52, 103, 1010},
      {"doubled_quotes", "a\n\"b\"\"\n\"\"b\"\nc\n", lf, 4, 52, 103, 1012},
  };
  return all;
}

INSTANTIATE_TEST_SUITE_P(Lines, ServerLineOfBatch, ::testing::ValuesIn(line_cases()),
                         [](const auto& test) { return std::string(test.param.name); });

TEST(ServerLine, CountsNewlinesBehindAnEscapedQuote) {
  BatchPool pool(1, 4096);
  const std::string bytes = "a\n\"b\\\"\n\"\nc\n";
  const Batch batch = batch_of(pool, bytes, NewlineStyle::lf, SplitOptions{.escape = '\\'});
  const auto record = record_at_server_line({.batch = batch, .bytes = batch.bytes()}, 4);
  ASSERT_TRUE(record);
  EXPECT_EQ(record->bytes, "c\n");
}

TEST(ServerLine, TextFormatHasNoQuotes) {
  BatchPool pool(1, 4096);
  const Batch batch = batch_of(pool, "\"a\nb\nc\"\n", NewlineStyle::lf, SplitOptions{.format = Format::text});
  const auto record = record_at_server_line({.batch = batch, .bytes = batch.bytes()}, 3);
  ASSERT_TRUE(record);
  EXPECT_EQ(record->bytes, "c\"\n");
}

// The server counts what it was sent, the place is that of the input.
TEST(ServerLine, FieldsThatWereNotSentDoNotCount) {
  BatchPool pool(1, 4096);
  const Batch batch = batch_of(pool, "1,\"a\na\"\n2,\"b\nb\"\n3,c\n", NewlineStyle::lf, SplitOptions{});
  const SentBatch sent{.batch = batch, .bytes = "1\n2\n3\n"};
  EXPECT_EQ(server_lines(sent), 3U);
  EXPECT_EQ(record_at_server_line(sent, 2)->at, (Position{.byte = 1008, .line = 102, .record = 51}));
}

struct CountCase {
  const char* name;
  std::string bytes;
  NewlineStyle newline;
  std::uint64_t lines;        // by which the server's counter moves
  std::uint64_t lines_later;  // the same where another batch went before it into the COPY
};

class ServerLines : public ::testing::TestWithParam<CountCase> {};

TEST_P(ServerLines, AreThoseOfTheBatch) {
  const CountCase& c = GetParam();
  BatchPool pool(1, 4096);
  Batch batch = batch_of(pool, c.bytes, c.newline, SplitOptions{});
  EXPECT_EQ(server_lines({.batch = batch, .bytes = batch.bytes()}), c.lines);
  EXPECT_EQ(server_lines({.batch = batch, .bytes = batch.bytes(), .begins_a_copy = false}), c.lines_later);
}

INSTANTIATE_TEST_SUITE_P(
    Batches, ServerLines,
    ::testing::Values(CountCase{"plain", "a\nb\n", NewlineStyle::lf, 2, 2},
                      CountCase{"no_final_newline", "a\nb", NewlineStyle::lf, 2, 2},
                      CountCase{"lf_in_the_first_record", "\"a\n\nb\"\nc\n", NewlineStyle::lf, 2, 4},
                      CountCase{"crlf_in_the_first_record", "\"a\r\nb\"\nc\n", NewlineStyle::lf, 3, 3},
                      CountCase{"lf_in_a_later_record", "a\n\"b\n\nb\"\n", NewlineStyle::lf, 4, 4},
                      CountCase{"crlf", "\"a\r\nb\"\r\n\"c\nd\"\r\n", NewlineStyle::crlf, 3, 3},
                      CountCase{"cr", "\"a\rb\"\rc", NewlineStyle::cr, 3, 3}),
    [](const auto& test) { return std::string(test.param.name); });

TEST(Extent, IsARangeOfSeveralRecordsAndTheRecordOfOne) {
  BatchPool pool(1, 4096);
  Batch batch = batch_of(pool, "a\n\"b\nb\"\nc", NewlineStyle::lf, SplitOptions{});
  batch.records = 3;
  const Location several = extent_of(batch);
  EXPECT_EQ(several.at, kFirst);
  EXPECT_EQ(several.last, (Position{.byte = 1008, .line = 103, .record = 52}));
  batch.records = 1;
  EXPECT_FALSE(extent_of(batch).last);
}

TEST(RecordAtIndex, CountsRecordsNotLines) {
  BatchPool pool(1, 4096);
  const Batch batch = batch_of(pool, "\"a\n\"\nb\n", NewlineStyle::lf, SplitOptions{});
  EXPECT_EQ(record_at_index(batch, 0)->at, kFirst);
  EXPECT_EQ(record_at_index(batch, 1)->at, (Position{.byte = 1005, .line = 102, .record = 51}));
  EXPECT_FALSE(record_at_index(batch, 2));
}

}  // namespace
}  // namespace hypercopy
