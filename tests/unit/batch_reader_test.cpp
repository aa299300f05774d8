// Pieces of every size through the reader: batches concatenate to the input, every edge is the edge of a
// record, positions are those of the whole input.
#include "hypercopy/batch_reader.hpp"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <limits>

#include "support/fakes.hpp"

namespace hypercopy::test {
namespace {

constexpr std::size_t kHuge = std::size_t{1} << 20;

struct Setup {
  SplitOptions split{};
  BatchLimits limits{};
  PrologueOptions prologue{};
  std::size_t batch_bytes = 16;
  std::uint64_t fail_at = 0;
};

struct ReadBatch {
  std::string bytes;
  Position first;
  std::uint64_t records;
};

struct Reading {
  Prologue prologue;
  std::vector<ReadBatch> batches;
  std::optional<Error> error;

  [[nodiscard]] std::string bytes() const {
    std::string all;
    for (const auto& batch : batches) all += batch.bytes;
    return all;
  }
  [[nodiscard]] std::uint64_t records() const {
    std::uint64_t all = 0;
    for (const auto& batch : batches) all += batch.records;
    return all;
  }
};

Reading read(const std::string& input, std::size_t piece, const Setup& setup) {
  Reading reading;
  BatchPool pool(2, setup.batch_bytes);
  TimeShares shares;
  BatchReader reader(std::make_unique<FakeSource>(input, piece, setup.fail_at), setup.split, Kernel::scalar,
                     setup.limits, pool, shares);
  auto prologue = reader.read_prologue(setup.prologue);
  if (!prologue) {
    reading.error = prologue.error();
    return reading;
  }
  reading.prologue = *prologue;
  while (true) {
    auto batch = reader.next(nullptr);
    if (!batch) {
      reading.error = batch.error();
      return reading;
    }
    if (!*batch) return reading;
    reading.batches.push_back({std::string((*batch)->bytes()), (*batch)->first, (*batch)->records});
  }
}

// What must hold for every reading: whole records, places that follow from the bytes before them.
// `records`: the input's records; `at`: where the first begins.
void expect_exact(const Reading& reading, const std::vector<std::string>& records, Position at) {
  ASSERT_FALSE(reading.error) << to_string(*reading.error);
  std::size_t next = 0;
  for (const auto& batch : reading.batches) {
    EXPECT_EQ(batch.first, at);
    EXPECT_GT(batch.records, 0U);
    std::string expected;
    for (std::uint64_t count = 0; count < batch.records && next < records.size(); ++count)
      expected += records[next++];
    EXPECT_EQ(batch.bytes, expected);
    at.byte += expected.size();
    at.record += batch.records;
    at.line += static_cast<std::uint64_t>(std::count(expected.begin(), expected.end(), '\n'));
  }
  EXPECT_EQ(next, records.size());
}

const std::vector<std::size_t>& pieces() {
  static const std::vector<std::size_t> all{1, 2, 3, 17, kHuge};
  return all;
}

const std::vector<std::string> kRecords{"1,a\n", "2,\"b\nc\"\n", "\"3\"\"\n\n\",\n",           "\n",
                                        "4,d\n", "5,\"\"\n",     "a long record of letters\n", "6\n"};

std::string joined(const std::vector<std::string>& records) {
  std::string all;
  for (const auto& record : records) all += record;
  return all;
}

TEST(BatchReader, BatchesAreTheInputForAnyPieceAndSize) {
  for (const std::size_t piece : pieces()) {
    for (std::size_t bytes = kMinBatchBytes; bytes < 70; ++bytes) {
      SCOPED_TRACE(fmt::format("piece {} batch {}", piece, bytes));
      const Reading reading = read(joined(kRecords), piece, {.batch_bytes = bytes});
      expect_exact(reading, kRecords, Position{});
      for (const auto& batch : reading.batches) {
        const bool began_long = kRecords.at(batch.first.record - 1).size() > bytes;
        EXPECT_TRUE(batch.bytes.size() <= bytes || began_long) << batch.bytes;
      }
    }
  }
}

TEST(BatchReader, TheLastRecordMayLackItsNewline) {
  for (const std::size_t piece : pieces()) {
    std::vector<std::string> records = kRecords;
    records.back() = "6,last";
    expect_exact(read(joined(records), piece, {}), records, Position{});
  }
}

TEST(BatchReader, BatchRecordsIsAnUpperBound) {
  for (const std::size_t piece : pieces()) {
    const Reading reading =
        read(joined(kRecords), piece, {.limits = {.batch_records = 3}, .batch_bytes = 4096});
    expect_exact(reading, kRecords, Position{});
    ASSERT_EQ(reading.batches.size(), 3U);
    EXPECT_EQ(reading.batches[0].records, 3U);
    EXPECT_EQ(reading.batches[2].records, 2U);
  }
}

TEST(BatchReader, TheLimitEndsTheReading) {
  for (std::uint64_t limit = 0; limit <= kRecords.size(); ++limit) {
    for (const std::size_t piece : pieces()) {
      SCOPED_TRACE(fmt::format("limit {} piece {}", limit, piece));
      const std::vector<std::string> wanted(kRecords.begin(),
                                            kRecords.begin() + static_cast<std::ptrdiff_t>(limit));
      // What stands behind the limit is not judged.
      expect_exact(read(joined(kRecords) + "\"open", piece, {.limits = {.total_records = limit}}), wanted,
                   Position{});
    }
  }
}

TEST(BatchReader, AnEmptyInputHasNoBatch) {
  for (const std::size_t piece : pieces()) {
    const Reading reading = read("", piece, {.prologue = {.has_header = true}});
    EXPECT_FALSE(reading.error);
    EXPECT_FALSE(reading.prologue.header);
    EXPECT_TRUE(reading.batches.empty());
  }
}

TEST(BatchReader, ARecordLongerThanABatchIsOneBatch) {
  const std::vector<std::string> records{"1\n", "\"" + std::string(1'000'000, 'x') + "\n\"\n", "2\n"};
  for (const std::size_t piece : {std::size_t{17}, kHuge})
    expect_exact(read(joined(records), piece, {}), records, {});
}

// --- the prologue -----------------------------------------------------------------------------------------

struct PrologueCase {
  const char* name;
  std::string front;  // what stands before the records
  PrologueOptions options;
  bool dropped_bom;
  std::optional<std::string> header;
  Position first;  // of the first record
};

const std::string kBom = "\xEF\xBB\xBF";

const std::vector<PrologueCase>& prologues() {
  static const std::vector<PrologueCase> all{
      {"nothing", "", {}, false, {}, {}},
      {"bom", kBom, {}, true, {}, {.byte = 3}},
      {"header", "a,b\n", {.has_header = true}, false, "a,b", {.byte = 4, .line = 2}},
      {"bom_and_header", kBom + "a,b\n", {.has_header = true}, true, "a,b", {.byte = 7, .line = 2}},
      {"quoted_header", "\"a\nb\",c\n", {.has_header = true}, false, "\"a\nb\",c", {.byte = 8, .line = 3}},
      {"empty_header", "\n", {.has_header = true}, false, "", {.byte = 1, .line = 2}},
      {"lines", "x\n\"y\n", {.skip_lines = 2}, false, {}, {.byte = 5, .line = 3}},
      {"crlf_lines", "x\r\ny\r\n", {.skip_lines = 2}, false, {}, {.byte = 6, .line = 3}},
      {"cr_lines", "x\ry\r", {.skip_lines = 2}, false, {}, {.byte = 4, .line = 3}},
      {"empty_lines", "\n\n\n", {.skip_lines = 3}, false, {}, {.byte = 3, .line = 4}},
      {"all_three",
       kBom + "made by\nb,a\n",
       {.skip_lines = 1, .has_header = true},
       true,
       "b,a",
       {.byte = 15, .line = 3}},
      {"a_line_longer_than_the_buffer",
       std::string(100, 'x') + "\na\n",
       {.skip_lines = 1, .has_header = true},
       false,
       "a",
       {.byte = 103, .line = 3}},
  };
  return all;
}

TEST(BatchReaderPrologue, IsReadForAnyPiece) {
  for (const auto& test : prologues()) {
    for (const std::size_t piece : pieces()) {
      SCOPED_TRACE(fmt::format("{} piece {}", test.name, piece));
      const Reading reading = read(test.front + joined(kRecords), piece, {.prologue = test.options});
      EXPECT_EQ(reading.prologue.dropped_bom, test.dropped_bom);
      EXPECT_EQ(reading.prologue.header, test.header);
      expect_exact(reading, kRecords, test.first);
    }
  }
}

TEST(BatchReaderPrologue, ABomIsKeptWhereThatIsAsked) {
  for (const std::size_t piece : pieces()) {
    const Reading reading = read(kBom + "1\n", piece, {.prologue = {.keep_bom = true}});
    EXPECT_FALSE(reading.prologue.dropped_bom);
    expect_exact(reading, {kBom + "1\n"}, Position{});
  }
}

TEST(BatchReaderPrologue, ABomAloneIsAnEmptyInput) {
  const Reading reading = read(kBom, 1, {.prologue = {.has_header = true}});
  EXPECT_TRUE(reading.prologue.dropped_bom);
  EXPECT_FALSE(reading.prologue.header);
  EXPECT_TRUE(reading.batches.empty());
}

TEST(BatchReaderPrologue, AHeaderWithoutNewlineIsAllThereIs) {
  for (const std::size_t piece : pieces()) {
    const Reading reading = read("a,b", piece, {.prologue = {.has_header = true}});
    EXPECT_EQ(reading.prologue.header, "a,b");
    EXPECT_TRUE(reading.batches.empty());
  }
}

TEST(BatchReaderPrologue, CompressedInputIsNamed) {
  for (const std::string& magic : {std::string("\x1f\x8b\x08", 3), std::string("\x28\xb5\x2f\xfd"),
                                   std::string("PGCOPY\n\xff\r\n\0", 11)}) {
    const Reading reading = read(magic + "xxxxxxxxxx", 1, {});
    ASSERT_TRUE(reading.error);
    EXPECT_EQ(reading.error->kind, ErrorKind::input);
    EXPECT_FALSE(reading.error->hint.empty());
  }
}

// --- the end-of-data marker -------------------------------------------------------------------------------

TEST(BatchReaderMarker, EndsTheInputOfOlderServersWhereOnlyBlanksFollow) {
  for (const std::size_t piece : pieces()) {
    for (const char* rest : {"", "\n", " \t\n\r\n"}) {
      const Reading reading = read(std::string("1\n2\n\\.\n") + rest, piece, {});
      expect_exact(reading, {"1\n", "2\n"}, Position{});
    }
  }
}

TEST(BatchReaderMarker, WhatFollowsIsNeverLostSilently) {
  for (const std::size_t piece : pieces()) {
    const Reading reading = read("1\n2\n\\.\n\n 3\n", piece, {});
    ASSERT_TRUE(reading.error);
    EXPECT_NE(reading.error->message.find("4 bytes follow behind byte 7"), std::string::npos)
        << reading.error->message;
    ASSERT_TRUE(reading.error->location);
    EXPECT_EQ(reading.error->location->at.line, 3U);
  }
}

TEST(BatchReaderMarker, IsDataOnNewerServers) {
  for (const std::size_t piece : pieces())
    expect_exact(read("1\n\\.\n2\n", piece, {.split = {.before_v18 = false}}), {"1\n", "\\.\n", "2\n"},
                 Position{});
}

TEST(BatchReaderMarker, InsteadOfAHeaderThereIsNone) {
  const Reading reading = read("\\.\n", 1, {.prologue = {.has_header = true}});
  EXPECT_FALSE(reading.error);
  EXPECT_FALSE(reading.prologue.header);
  EXPECT_TRUE(reading.batches.empty());
}

// --- errors -----------------------------------------------------------------------------------------------

struct ErrorCase {
  const char* name;
  std::string input;
  Setup setup;
  Position at;
};

TEST(BatchReaderErrors, NameThePlaceInTheWholeInput) {
  const std::vector<ErrorCase> cases{
      {"open_quote", "1,a\n2,\"b\nc\n", {}, {.byte = 6, .line = 2, .record = 2}},
      {"cr_in_lf_data", "1\n2\n3\r4\n", {}, {.byte = 5, .line = 3, .record = 3}},
      {"lf_in_crlf_data", "1\r\n2\n3\r\n", {}, {.byte = 4, .line = 2, .record = 2}},
      {"behind_bom_lines_and_header",
       kBom + "x\nh\n1\n\"2\n3\n",
       {.prologue = {.skip_lines = 1, .has_header = true}},
       {.byte = 9, .line = 4, .record = 2}},
      {"in_the_header", "\"a\nb\n", {.prologue = {.has_header = true}}, {.byte = 0, .line = 1, .record = 1}},
  };
  for (const auto& test : cases) {
    for (const std::size_t piece : pieces()) {
      SCOPED_TRACE(fmt::format("{} piece {}", test.name, piece));
      const Reading reading = read(test.input, piece, test.setup);
      ASSERT_TRUE(reading.error);
      EXPECT_EQ(reading.error->kind, ErrorKind::input);
      EXPECT_EQ(reading.error->sqlstate, "22P04");
      ASSERT_TRUE(reading.error->location);
      EXPECT_EQ(reading.error->location->source, "fake.csv");
      EXPECT_EQ(reading.error->location->at, test.at) << to_string(*reading.error);
    }
  }
}

TEST(BatchReaderErrors, ASourceThatFailsEndsTheReading) {
  for (std::uint64_t fail_at = 1; fail_at <= 10; ++fail_at) {
    const Reading reading = read(joined(kRecords), 7, {.fail_at = fail_at});
    ASSERT_TRUE(reading.error);
    EXPECT_EQ(reading.error->message, "the source failed as the test wants");
    EXPECT_TRUE(joined(kRecords).starts_with(reading.bytes()));
  }
}

TEST(BatchReaderErrors, ACancelledPoolInterrupts) {
  BatchPool pool(1, 16);
  TimeShares shares;
  BatchReader reader(std::make_unique<FakeSource>(joined(kRecords), kHuge), SplitOptions{}, Kernel::scalar,
                     {}, pool, shares);
  pool.cancel();
  const auto prologue = reader.read_prologue({});
  ASSERT_FALSE(prologue);
  EXPECT_EQ(prologue.error().kind, ErrorKind::interrupted);
}

}  // namespace
}  // namespace hypercopy::test
