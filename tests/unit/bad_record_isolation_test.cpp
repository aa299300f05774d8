// Isolation against a server that refuses chosen records, in every way a real one does: what is loaded and what is
// rejected is what a reader that takes one record after the other finds.
#include "hypercopy/bad_record_isolation.hpp"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <optional>
#include <set>

#include "hypercopy/input_file.hpp"
#include "support/random.hpp"

namespace hypercopy::test {
namespace {

enum class Lines : std::uint8_t { right, none, wrong };

// Records are lines of one int column. Refused are: what begins with x or has a comma, in the bytes of CSV only; keys that
// are there; keys of `refused`, at once; keys of `refused_late`, behind the statement; keys of `deferred`, at SET
// CONSTRAINTS. A record oN is odd: no encoder knows it, and the server takes it.
struct RefusingServer {
  Lines lines = Lines::right;
  std::set<std::string> refused{};
  std::set<std::string> refused_late{};
  std::set<std::string> deferred{};
  Random random{0};

  std::vector<std::string> rows{};
  std::uint64_t copies = 0;
  std::uint64_t savepoints = 0;
};

class RefusingStream final : public CopyStream {
 public:
  explicit RefusingStream(RefusingServer& server) : server_(server) {}

  Result<bool> begin(const TransactionHead& /*head*/, const std::string& copy_sql) override {
    ++server_.copies;
    if (copy_sql.starts_with("ROLLBACK TO")) roll_back();
    EXPECT_FALSE(failed_) << "a statement in a failed transaction: " << copy_sql;
    if (copy_sql.find("; SAVEPOINT") != std::string::npos || copy_sql.starts_with("SAVEPOINT")) {
      EXPECT_EQ(copy_sql.starts_with("RELEASE"), savepoint_.has_value());
      savepoint_ = server_.rows.size();
      ++server_.savepoints;
    }
    binary_ = copy_sql.ends_with("binary");
    data_.clear();
    return true;
  }
  Status put(std::string_view bytes) override {
    data_ += bytes;
    return {};
  }
  Result<std::uint64_t> finish() override {
    std::uint64_t line = 0;
    std::vector<std::string> statement;
    for (std::string& record : records()) {
      ++line;
      if (is_refused(record, statement)) return fail(refusal(line));
      statement.push_back(std::move(record));
    }
    for (const auto& row : statement) {
      if (server_.refused_late.contains(row)) return fail(refusal(0));
    }
    server_.rows.insert(server_.rows.end(), statement.begin(), statement.end());
    return statement.size();
  }
  Result<std::uint64_t> number(const std::string& /*sql*/) override { return 0; }
  Result<std::uint64_t> execute(const std::string& sql) override {
    if (sql.starts_with("ROLLBACK TO")) {
      roll_back();
      return 0;
    }
    EXPECT_TRUE(sql.starts_with("SET CONSTRAINTS")) << sql;
    for (const auto& row : server_.rows) {
      if (server_.deferred.contains(row)) return fail(refusal(0));
    }
    return 0;
  }
  Status commit() override { return {}; }
  void abort(std::string_view /*reason*/) noexcept override {
    server_.rows.clear();
    savepoint_.reset();
    failed_ = false;
  }
  bool is_usable() const override { return true; }
  Status reopen(StopAt /*stop*/) override { return {}; }
  Result<CommitOutcome> lost_commit(std::chrono::milliseconds /*patience*/, StopAt /*stop*/) override {
    return CommitOutcome::unknown;
  }

  [[nodiscard]] bool is_ready_for_commit() const { return !failed_; }

 private:
  void roll_back() {
    server_.rows.resize(savepoint_.value_or(0));
    failed_ = false;
  }
  [[nodiscard]] bool is_refused(const std::string& record, const std::vector<std::string>& statement) const {
    const auto holds = [&](const std::vector<std::string>& rows) {
      return std::find(rows.begin(), rows.end(), record) != rows.end();
    };
    return record.starts_with('x') || record.find(',') != std::string::npos ||
           server_.refused.contains(record) || holds(server_.rows) || holds(statement);
  }
  // `line` 0: the server names none.
  [[nodiscard]] Error refusal(std::uint64_t line) {
    failed_ = true;
    Error error{.kind = ErrorKind::sql, .message = "refused", .sqlstate = "23514"};
    if (server_.lines == Lines::wrong) line = server_.random.below(50);
    if (line != 0 && server_.lines != Lines::none) error.context = fmt::format("COPY t, line {}", line);
    return error;
  }
  [[nodiscard]] std::vector<std::string> records() const {
    std::vector<std::string> found;
    if (!binary_) {
      for (std::size_t at = 0; at < data_.size();) {
        const std::size_t end = data_.find('\n', at);
        found.push_back(data_.substr(at, end - at));
        at = end + 1;
      }
      return found;
    }
    // Signature and flags; each row: count, length and four bytes of the only field; the trailer.
    for (std::size_t at = 19; at + 2 < data_.size(); at += 10) {
      std::uint32_t value = 0;
      for (std::size_t byte = 6; byte < 10; ++byte)
        value = value << 8 | static_cast<unsigned char>(data_[at + byte]);
      found.push_back(std::to_string(value));
    }
    return found;
  }

  RefusingServer& server_;
  std::string data_;
  std::optional<std::size_t> savepoint_;
  bool binary_ = false;
  bool failed_ = false;
};

class IsolationTest : public ::testing::Test {
 protected:
  using Checks = BadRecordIsolation::Checks;

  static std::shared_ptr<const InputFile> make_file(bool encodes) {
    auto file = std::make_shared<InputFile>();
    file->name = "in.csv";
    file->mapping.columns = {"a"};
    file->mapping.field_count = 1;
    file->copy_sql = "COPY t (a) FROM STDIN csv";
    file->binary_sql = "COPY t (a) FROM STDIN binary";
    if (!encodes) return file;
    TargetTable table;
    table.columns.push_back({.name = "a", .type = "integer", .wire = {.oid = 23}});
    file->encoding = make_encoding_plan(file->dialect, file->mapping, table, {}).plan;
    EXPECT_TRUE(file->encoding);
    return file;
  }

  Batch make_batch(const std::vector<std::string>& records, std::shared_ptr<const InputFile> file) {
    std::string bytes;
    for (const auto& record : records) bytes += record + "\n";
    Batch batch{.buffer = PooledBuffer(pool_, *pool_.acquire()),
                .end = bytes.size(),
                .first = {.byte = 100, .line = 12, .record = 11},
                .records = records.size(),
                .newline = NewlineStyle::lf,
                .file = std::move(file)};
    std::copy(bytes.begin(), bytes.end(), batch.buffer.bytes().data());
    return batch;
  }

  // What must come of it: one record after the other.
  static void expect_oracle(const RefusingServer& server, const std::vector<std::string>& records,
                            const Isolated& isolated) {
    std::vector<std::string> rows;
    std::set<std::string> keys;
    std::vector<std::size_t> bad;
    for (std::size_t index = 0; index < records.size(); ++index) {
      const std::string& record = records[index];
      const bool is_bad = record.starts_with('x') || record.find(',') != std::string::npos ||
                          server.refused.contains(record) || server.refused_late.contains(record) ||
                          server.deferred.contains(record) || keys.contains(record);
      if (is_bad) {
        bad.push_back(index);
      } else {
        keys.insert(record);
        rows.push_back(record);
      }
    }
    EXPECT_EQ(server.rows, rows);
    EXPECT_EQ(isolated.rows.loaded, rows.size());
    ASSERT_EQ(isolated.rejected.size(), bad.size());
    for (std::size_t index = 0; index < bad.size(); ++index) {
      const RejectedRecord& rejected = isolated.rejected[index];
      EXPECT_EQ(rejected.bytes, records[bad[index]] + "\n");
      EXPECT_EQ(rejected.at.record, 11 + bad[index]);
      EXPECT_EQ(rejected.at.line, 12 + bad[index]);
    }
  }

  struct Setup {
    RefusingServer server;
    Console console{-1, "test", false};
    WireChoice wire{Wire::automatic};
    TimeShares shares{};
    RefusingStream stream{server};
    BatchCopier copier{stream, wire, console, shares, Kernel::scalar};
    ConflictMerge store{stream, copier, shares, "t"};
    BadRecordIsolation isolation{stream, copier, store, {.relation = "t"}};

    Result<Isolated> copy(const Batch& batch, Checks checks = Checks::with_copy) {
      stream.abort("a new transaction");
      MergeTurns::Turn turn(nullptr);
      return isolation.copy(
          batch, {}, checks, [](std::span<const RejectedRecord>) { return Status{}; }, turn);
    }
  };

  BatchPool pool_{2, std::size_t{1} << 20};
};

std::vector<std::string> numbers(std::size_t count) {
  std::vector<std::string> records;
  for (std::size_t index = 0; index < count; ++index) records.push_back(std::to_string(1000 + index));
  return records;
}

TEST_F(IsolationTest, ACleanBatchIsOneCopyWithoutASavepoint) {
  for (const bool encodes : {false, true}) {
    Setup setup;
    const auto records = numbers(5000);
    const auto isolated = setup.copy(make_batch(records, make_file(encodes)));
    ASSERT_TRUE(isolated);
    expect_oracle(setup.server, records, *isolated);
    EXPECT_EQ(setup.server.copies, 1U);
    EXPECT_EQ(setup.server.savepoints, 0U);
    EXPECT_EQ(setup.wire.totals().encoded, encodes ? 1U : 0U);
  }
}

TEST_F(IsolationTest, OneRecordThatTheServerNamesCostsFewCopies) {
  for (const bool encodes : {false, true}) {
    Setup setup;
    setup.server.refused = {"3000"};
    const auto records = numbers(5000);
    const auto isolated = setup.copy(make_batch(records, make_file(encodes)));
    ASSERT_TRUE(isolated);
    expect_oracle(setup.server, records, *isolated);
    EXPECT_LE(setup.server.copies, 16U);
  }
}

TEST_F(IsolationTest, OneRecordThatTheEncoderNamesIsTheOnlyOneSentAsCsv) {
  for (const char* const bad : {"x", "1,2"}) {
    Setup setup;
    auto records = numbers(5000);
    records[2000] = bad;
    const auto isolated = setup.copy(make_batch(records, make_file(true)));
    ASSERT_TRUE(isolated);
    expect_oracle(setup.server, records, *isolated);
    EXPECT_LE(setup.server.copies, 5U);
    EXPECT_EQ(setup.wire.totals().encoded, 1U);
  }
}

TEST_F(IsolationTest, OddRecordsMakeTheRestGoAsItIs) {
  Setup setup;
  auto records = numbers(5000);
  for (std::size_t index = 0; index < records.size(); index += 2) records[index].insert(0, "o");
  const auto isolated = setup.copy(make_batch(records, make_file(true)));
  ASSERT_TRUE(isolated);
  expect_oracle(setup.server, records, *isolated);
  EXPECT_LE(setup.server.copies, 40U);
  EXPECT_EQ(setup.wire.totals().given_up, 1U);
}

TEST_F(IsolationTest, EveryRecordBadCostsAboutACopyEach) {
  struct Kind {
    Lines lines;
    bool late;
  };
  for (const Kind kind : {Kind{Lines::right, false}, Kind{Lines::none, false}, Kind{Lines::right, true}}) {
    Setup setup;
    const auto records = numbers(2000);
    setup.server.lines = kind.lines;
    (kind.late ? setup.server.refused_late : setup.server.refused) =
        std::set<std::string>(records.begin(), records.end());
    const auto isolated = setup.copy(make_batch(records, make_file(true)));
    ASSERT_TRUE(isolated);
    expect_oracle(setup.server, records, *isolated);
    EXPECT_LE(setup.server.copies, 2300U);
    EXPECT_TRUE(setup.stream.is_ready_for_commit());
  }
}

TEST_F(IsolationTest, WhatCommitRefusedIsFoundBehindEachRun) {
  Setup setup;
  setup.server.deferred = {"1000", "1500", "2999"};
  const auto records = numbers(2000);
  const Batch batch = make_batch(records, make_file(true));
  const auto isolated = setup.copy(batch, Checks::behind_each_run);
  ASSERT_TRUE(isolated);
  expect_oracle(setup.server, records, *isolated);
}

TEST_F(IsolationTest, MayBeToldToStop) {
  Setup setup;
  setup.server.refused = {"1001", "1002", "1003"};
  std::size_t seen = 0;
  const Batch batch = make_batch(numbers(10), make_file(false));
  MergeTurns::Turn turn(nullptr);
  const auto isolated = setup.isolation.copy(
      batch, {}, Checks::with_copy,
      [&](std::span<const RejectedRecord> rejected) {
        seen = rejected.size();
        return seen < 2 ? Status{} : fail(ErrorKind::input, "enough");
      },
      turn);
  ASSERT_FALSE(isolated);
  EXPECT_EQ(isolated.error().message, "enough");
  EXPECT_EQ(seen, 2U);
}

std::string random_record(Random& random, std::size_t index, std::size_t one_bad_in, RefusingServer& server) {
  std::string record = std::to_string(1000 + index);
  if (!random.one_in(one_bad_in)) return random.one_in(200) ? "o" + record : record;
  switch (random.below(6)) {
    case 0:
      return "x" + record;
    case 1:
      return record + ",7";
    case 2:
      return std::to_string(1000 + random.below(index + 1));  // there already, unless it was refused
    case 3:
      server.refused_late.insert(record);
      return record;
    case 4:
      server.deferred.insert(record);
      return record;
    default:
      server.refused.insert(record);
      return record;
  }
}

// Several batches by one worker: what it expects changes with what it saw.
TEST_F(IsolationTest, IsWhatOneRecordAfterTheOtherGives) {
  const std::uint64_t seed = test_seed();
  SCOPED_TRACE(fmt::format("HYPERCOPY_TEST_SEED={}", seed));
  Random random(seed);
  constexpr std::array<std::size_t, 6> kOneBadIn{1, 2, 10, 100, 1000, 100'000};
  for (int round = 0; round < 60; ++round) {
    SCOPED_TRACE(fmt::format("round {}", round));
    Setup setup;
    setup.server.random = Random(random.bits());
    setup.server.lines = static_cast<Lines>(random.below(3));
    const auto file = make_file(random.one_in(2));
    for (int turn = 0; turn < 4; ++turn) {
      const std::size_t one_bad_in = random.pick(kOneBadIn);
      setup.server.refused.clear();
      setup.server.refused_late.clear();
      setup.server.deferred.clear();
      std::vector<std::string> records;
      const std::size_t count = 1 + random.below(700);
      for (std::size_t index = 0; index < count; ++index)
        records.push_back(random_record(random, index, one_bad_in, setup.server));
      const Batch batch = make_batch(records, file);
      const auto isolated = setup.copy(batch, Checks::behind_each_run);
      ASSERT_TRUE(isolated) << to_string(isolated.error());
      expect_oracle(setup.server, records, *isolated);
      EXPECT_TRUE(setup.stream.is_ready_for_commit());
      if (HasFailure()) return;
    }
  }
}

}  // namespace
}  // namespace hypercopy::test
