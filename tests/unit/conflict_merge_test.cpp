// Which statements a batch costs under --on-conflict: a stream that is told what to answer, and remembers what it was asked.
#include "hypercopy/conflict_merge.hpp"

#include <gtest/gtest.h>

#include <deque>
#include <string>
#include <vector>

namespace hypercopy {
namespace {

using Texts = std::vector<std::string>;

class ScriptedStream final : public CopyStream {
 public:
  std::deque<std::string> copy_fails{};  // SQLSTATE of each COPY to come, "" for none
  std::uint64_t insert_touches = 0;
  std::uint64_t changed = 0;
  std::uint64_t keys = 0;
  std::uint64_t inserted = 0;
  Texts asked{};

  Result<bool> begin(const TransactionHead& head, const std::string& copy_sql) override {
    asked.push_back(head.settings + copy_sql);
    return true;
  }
  Status put(std::string_view /*bytes*/) override { return {}; }
  Result<std::uint64_t> finish() override {
    const std::string code = copy_fails.empty() ? "" : copy_fails.front();
    if (!copy_fails.empty()) copy_fails.pop_front();
    if (code.empty()) return 3;
    return fail(Error{.kind = ErrorKind::sql,
                      .message = "refused",
                      .sqlstate = code,
                      .context = "COPY staged, line 2, column a: \"staged\""});
  }
  Result<std::uint64_t> execute(const std::string& sql) override {
    asked.push_back(sql);
    return insert_touches;
  }
  Result<std::uint64_t> number(const std::string& sql) override {
    asked.push_back(sql);
    if (sql == "inserted") return inserted;
    return sql == "changed" ? changed : keys;
  }
  Status commit() override { return {}; }
  void abort(std::string_view /*reason*/) noexcept override { asked.emplace_back("ROLLBACK"); }
  bool is_usable() const override { return true; }
  Status reopen(StopAt /*stop*/) override { return {}; }
  Result<CommitOutcome> lost_commit(std::chrono::milliseconds /*patience*/, StopAt /*stop*/) override {
    return CommitOutcome::unknown;
  }
};

class ConflictMergeTest : public ::testing::Test {
 protected:
  ConflictMergeTest() {
    file_->copy_sql = "copy";
    file_->merge = MergeSql{.staging = "staged",
                            .create = "create;",
                            .copy_sql = "stage",
                            .binary_sql = "",
                            .insert = "insert",
                            .clear = "clear",
                            .explain = ""};
    batch_.file = file_;
    batch_.records = 3;
  }
  // What the batch asked of the server.
  Texts store() {
    stream_.asked.clear();
    const auto stored = merge_.store(batch_, {});
    if (stored) rows_ = stored->rows;
    error_ = stored ? Error{} : stored.error();
    return stream_.asked;
  }
  void expect_rows(const RowCounts& rows) const {
    EXPECT_EQ(rows_.loaded, rows.loaded);
    EXPECT_EQ(rows_.updated, rows.updated);
    EXPECT_EQ(rows_.conflicts, rows.conflicts);
  }

  std::shared_ptr<InputFile> file_ = std::make_shared<InputFile>();
  Batch batch_;
  ScriptedStream stream_;
  WireChoice wire_{Wire::csv};
  Console console_{-1, "test", false};
  TimeShares shares_;
  BatchCopier copier_{stream_, wire_, console_, shares_, Kernel::scalar};
  ConflictMerge merge_{stream_, copier_, shares_, "target"};
  RowCounts rows_;
  Error error_;
};

const Texts kPlain{"copy"};
const Texts kStaged{"create;stage", "insert"};
const Texts kBoth{"copy", "ROLLBACK", "create;stage", "insert"};

TEST_F(ConflictMergeTest, ABatchWithoutConflictsIsOneCopy) {
  for (int batch = 0; batch < 5; ++batch) EXPECT_EQ(store(), kPlain);
  expect_rows({.loaded = 3});
}

TEST_F(ConflictMergeTest, ABatchWhoseKeysClashIsMerged) {
  for (const char* code : {"23505", "40P01"}) {
    stream_.copy_fails = {code};
    stream_.insert_touches = 1;
    ConflictMerge fresh(stream_, copier_, shares_, "target");
    stream_.asked.clear();
    const auto stored = fresh.store(batch_, {});
    ASSERT_TRUE(stored);
    EXPECT_EQ(stream_.asked, kBoth) << code;
    EXPECT_EQ(stored->rows.loaded, 1U);
    EXPECT_EQ(stored->rows.conflicts, 2U);
  }
}

TEST_F(ConflictMergeTest, AnyOtherErrorIsTheBatchs) {
  stream_.copy_fails = {"23514"};
  EXPECT_EQ(store(), kPlain);
  EXPECT_EQ(error_.sqlstate, "23514");
}

TEST_F(ConflictMergeTest, WithoutTheOptionAClashIsAnError) {
  file_->merge.reset();
  stream_.copy_fails = {"23505"};
  EXPECT_EQ(store(), kPlain);
  EXPECT_EQ(error_.sqlstate, "23505");
}

TEST_F(ConflictMergeTest, BatchesAreStagedAtOnceWhileConflictsAreUsual) {
  stream_.insert_touches = 1;
  for (int batch = 0; batch < 2; ++batch) {
    stream_.copy_fails = {"23505"};
    EXPECT_EQ(store(), kBoth);
  }
  stream_.copy_fails = {};
  for (int batch = 0; batch < 3; ++batch) EXPECT_EQ(store(), kStaged);
  stream_.insert_touches = 3;  // no conflicts any more: one batch does not tell, two do
  for (int batch = 0; batch < 2; ++batch) EXPECT_EQ(store(), kStaged);
  EXPECT_EQ(store(), kPlain);
}

TEST_F(ConflictMergeTest, AnErrorOfTheStagingTableSpeaksOfTheTarget) {
  stream_.copy_fails = {"23505", "22P02"};
  static_cast<void>(store());
  EXPECT_EQ(error_.context, "COPY target, line 2, column a: \"target\"");
}

TEST_F(ConflictMergeTest, AWholeInputIsStagedAndLeavesTheStagingTableEmpty) {
  stream_.insert_touches = 1;
  ASSERT_TRUE(merge_.begin_whole(*file_));
  const auto rows = merge_.finish_whole(*file_);
  ASSERT_TRUE(rows);
  EXPECT_EQ(stream_.asked, (Texts{"create;", "stage", "insert", "clear"}));
  EXPECT_EQ(rows->conflicts, 2U);
  stream_.asked.clear();
  file_->merge.reset();
  ASSERT_TRUE(merge_.begin_whole(*file_));
  EXPECT_EQ(merge_.finish_whole(*file_)->loaded, 3U);
  EXPECT_EQ(stream_.asked, kPlain);
}

TEST_F(ConflictMergeTest, UpdatesAreToldFromNewRows) {
  file_->merge->changed = "changed";
  stream_.copy_fails = {"23505"};
  stream_.insert_touches = 2;  // one of three records is superseded
  stream_.changed = 1;
  EXPECT_EQ(store(), (Texts{"copy", "ROLLBACK", "create;stage", "insert", "changed"}));
  expect_rows({.loaded = 1, .updated = 2});
}

TEST_F(ConflictMergeTest, WhatGoesRecordByRecordIsCountedThere) {
  file_->merge->changed = "changed";
  file_->merge->inserted = "inserted";
  stream_.copy_fails = {"23505"};
  stream_.changed = 1;
  stream_.inserted = 1;
  EXPECT_EQ(store(), (Texts{"copy", "ROLLBACK", "create;stage", "insert", "inserted", "changed"}));
  expect_rows({.loaded = 1, .updated = 1});  // one is suppressed
}

TEST_F(ConflictMergeTest, WhatATriggerLeavesOutIsNoConflict) {
  file_->merge->keys = "keys";
  stream_.copy_fails = {"23505"};
  stream_.insert_touches = 1;
  stream_.keys = 2;
  static_cast<void>(store());
  expect_rows({.loaded = 1, .conflicts = 1});
}

}  // namespace
}  // namespace hypercopy
