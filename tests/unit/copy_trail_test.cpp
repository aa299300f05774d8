// The place of a line that the server names long after it was sent: from the newest batch, from the file, or
// only its stretch.
#include "copy_trail.hpp"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "support/program.hpp"

namespace hypercopy::test {
namespace {

class CopyTrailTest : public ::testing::Test {
 protected:
  // Adds `bytes` as batches of `records` records each, as they lie in a file behind `prologue`.
  void add_all(std::string_view bytes, std::uint64_t records, bool readable,
               const std::string& prologue = {}) {
    auto file = std::make_shared<InputFile>();
    file->name = "in.csv";
    const std::string path = folder_.file("in.csv", prologue + std::string(bytes));
    if (readable) file->path = path;
    Position first{.byte = prologue.size(), .line = prologue.empty() ? 1U : 2U, .record = 1};
    RecordSplitter splitter(SplitOptions{}, Kernel::scalar, first);
    while (!bytes.empty()) {
      const SplitResult cut = splitter.scan(bytes, records, /*final=*/true);
      Batch batch{.buffer = PooledBuffer(pool_, *pool_.acquire()),
                  .end = cut.records_end,
                  .first = first,
                  .records = cut.records,
                  .newline = splitter.newline_style(),
                  .file = file};
      ASSERT_LE(batch.end, kBufferBytes);
      std::copy_n(bytes.data(), batch.end, batch.buffer.bytes().data());
      const std::string_view sent = batch.bytes();
      trail_.add(std::move(batch), sent);
      bytes.remove_prefix(cut.records_end);
      first = splitter.record_start();
    }
  }
  [[nodiscard]] std::string at(std::uint64_t line) const { return to_string(trail_.locate(line)); }

  static constexpr std::size_t kBufferBytes = std::size_t{1} << 21;
  TemporaryFolder folder_;
  BatchPool pool_{2, kBufferBytes};
  CopyTrail trail_;
};

// Every record has two lines, and the server counts one for the first of the COPY.
constexpr std::string_view kRecords = "\"a\na\"\n\"b\nb\"\n\"c\nc\"\n\"d\nd\"\n";

TEST_F(CopyTrailTest, ReadsTheFileAgain) {
  add_all(kRecords, 1, true);
  trail_.release();
  EXPECT_EQ(at(1), "in.csv: record 1, line 1, byte 0");
  EXPECT_EQ(at(2), "in.csv: record 2, line 3, byte 6");
  EXPECT_EQ(at(3), "in.csv: record 2, line 3, byte 6");
  EXPECT_EQ(at(7), "in.csv: record 4, line 7, byte 18");
}

TEST_F(CopyTrailTest, CountsFromTheFirstRecordNotFromTheHeader) {
  add_all(kRecords, 3, true, "header\n");
  trail_.release();
  EXPECT_EQ(at(1), "in.csv: record 1, line 2, byte 7");
  EXPECT_EQ(at(6), "in.csv: record 4, line 8, byte 25");
}

TEST_F(CopyTrailTest, HasTheNewestBatchOfAPipe) {
  add_all(kRecords, 2, false);
  EXPECT_EQ(at(4), "in.csv: record 3, line 5, byte 12");
  EXPECT_EQ(at(6), "in.csv: record 4, line 7, byte 18");
  EXPECT_EQ(at(1), "in.csv: records 1 to 4, lines 1 to 8, bytes 0 to 23") << "is gone";
  trail_.release();
  EXPECT_EQ(at(4), "in.csv: records 1 to 4, lines 1 to 8, bytes 0 to 23");
}

TEST_F(CopyTrailTest, KnowsTheStretchOfAPipe) {
  std::string bytes;
  const std::string record = std::string(1023, 'x') + "\n";
  for (int number = 0; number < 4096; ++number) bytes += record;  // 4 MiB
  add_all(bytes, 512, false);
  EXPECT_EQ(at(1500), "in.csv: records 1025 to 2048, lines 1025 to 2048, bytes 1048576 to 2097151");
  EXPECT_EQ(to_string(trail_.extent()), "in.csv: records 1 to 4096, lines 1 to 4096, bytes 0 to 4194303");
}

TEST_F(CopyTrailTest, GivesTheStretchWhereTheFileHasChanged) {
  add_all(kRecords, 2, true);
  trail_.release();
  static_cast<void>(folder_.file("in.csv", "short"));
  EXPECT_EQ(at(2), "in.csv: records 1 to 4, lines 1 to 8, bytes 0 to 23");
}

TEST_F(CopyTrailTest, GivesTheExtentForALineBehindTheEnd) {
  add_all(kRecords, 4, true);
  EXPECT_EQ(at(100), "in.csv: records 1 to 4, lines 1 to 8, bytes 0 to 23");
}

}  // namespace
}  // namespace hypercopy::test
