// Reject files: where they are, what stands in them, and that nothing of a batch that is rolled back stays.
#include "hypercopy/reject_files.hpp"

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <algorithm>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <sstream>
#include <thread>

#include "hypercopy/input_file.hpp"
#include "support/fakes.hpp"
#include "support/file_contents.hpp"
#include "support/program.hpp"

namespace hypercopy::test {
namespace {

class RejectFilesTest : public ::testing::Test {
 protected:
  Batch batch(const std::string& prologue = {}, NewlineStyle newline = NewlineStyle::lf) {
    auto file = std::make_shared<InputFile>();
    file->name = "in.csv";
    file->prologue = prologue;
    Batch made;
    made.newline = newline;
    made.file = file;
    return made;
  }
  static RejectedRecord record(std::string_view bytes, std::uint64_t number) {
    return {.at = {.byte = 10 * number, .line = number + 1, .record = number},
            .bytes = bytes,
            .sqlstate = "22P02",
            .column = "a",
            .constraint = "",
            .message = "no \"number\"",
            .detail = ""};
  }

  TemporaryFolder folder_;
  const std::string path_ = folder_.path() + "/r";
  FakeServer server_;
  FakeStream stream_{server_};
};

TEST_F(RejectFilesTest, HoldTheRecordsBehindThePrologueAndTheReasons) {
  RejectFiles files({path_});
  const Batch in = batch("skipped\r\na\r\n", NewlineStyle::crlf);
  for (const char* const bytes : {"x\r\n", "\"y\r\nz\"\r\n", "last"}) {
    const std::vector<RejectedRecord> records{record(bytes, 3)};
    auto kept = files.keep(in, records, stream_);
    ASSERT_TRUE(kept);
    EXPECT_EQ((*kept)->place(), path_);
    ASSERT_TRUE((*kept)->end(CommitOutcome::committed));
  }
  EXPECT_EQ(contents(path_), "skipped\r\na\r\nx\r\n\"y\r\nz\"\r\nlast\r\n");
  std::istringstream lines(contents(path_ + ".jsonl"));
  std::string line;
  ASSERT_TRUE(std::getline(lines, line));
  EXPECT_EQ(
      line,
      "{\"file\":\"in.csv\",\"record\":3,\"line\":4,\"byte\":30,\"sqlstate\":\"22P02\",\"column\":\"a\","
      "\"constraint\":null,\"message\":\"no \\\"number\\\"\",\"detail\":null}");
  ASSERT_EQ(files.written().size(), 1U);
  EXPECT_EQ(files.written()[0].records, 3U);
  EXPECT_EQ(files.written()[0].reasons, path_ + ".jsonl");
}

TEST_F(RejectFilesTest, WhatIsRolledBackIsTakenBackAndWhatIsUnknownStays) {
  const Batch in = batch("a\n");
  const std::vector<RejectedRecord> first{record("x\n", 1)};
  const std::vector<RejectedRecord> second{record("y\n", 2)};
  {
    RejectFiles files({path_});
    auto kept = files.keep(in, first, stream_);
    ASSERT_TRUE(kept);
    ASSERT_TRUE((*kept)->end(CommitOutcome::rolled_back));
    EXPECT_EQ(contents(path_), "");
    kept->reset();
    // Dropped without a word, as by an exception.
    { const auto lost = files.keep(in, first, stream_); }
    EXPECT_EQ(contents(path_), "");
    kept = files.keep(in, second, stream_);
    ASSERT_TRUE(kept);
    ASSERT_TRUE((*kept)->end(CommitOutcome::unknown));
    kept = files.keep(in, first, stream_);
    ASSERT_TRUE(kept);
    ASSERT_TRUE((*kept)->end(CommitOutcome::rolled_back));
    EXPECT_EQ(files.written()[0].records, 1U);
  }
  EXPECT_EQ(contents(path_), "a\ny\n");
  const std::string reasons = contents(path_ + ".jsonl");
  EXPECT_EQ(std::count(reasons.begin(), reasons.end(), '\n'), 1);
}

TEST_F(RejectFilesTest, NothingKeptLeavesNoFile) {
  const std::vector<RejectedRecord> records{record("x\n", 1)};
  const Batch in = batch("a\n");
  {
    RejectFiles files({path_});
    auto kept = files.keep(in, records, stream_);
    ASSERT_TRUE(kept);
    ASSERT_TRUE((*kept)->end(CommitOutcome::rolled_back));
  }
  EXPECT_FALSE(std::filesystem::exists(path_));
  EXPECT_FALSE(std::filesystem::exists(path_ + ".jsonl"));
}

TEST_F(RejectFilesTest, WorkersDoNotMixTheirBatches) {
  RejectFiles files({path_});
  constexpr int kTurns = 20;
  const auto work = [&](char letter) {
    FakeServer server;
    FakeStream stream(server);
    const Batch in = batch("a\n");
    const std::string line = std::string(100, letter) + "\n";
    const std::vector<RejectedRecord> records{record(line, 1), record(line, 2)};
    for (int turn = 0; turn < kTurns; ++turn) {
      auto kept = files.keep(in, records, stream);
      ASSERT_TRUE(kept);
      ASSERT_TRUE((*kept)->end(turn % 2 == 0 ? CommitOutcome::committed : CommitOutcome::rolled_back));
    }
  };
  std::thread other(work, 'x');
  work('y');
  other.join();
  std::istringstream lines(contents(path_));
  std::string line;
  ASSERT_TRUE(std::getline(lines, line));
  EXPECT_EQ(line, "a");
  std::size_t count = 0;
  for (std::string again; std::getline(lines, line) && std::getline(lines, again); count += 2) {
    EXPECT_EQ(line, again);
    EXPECT_EQ(line.size(), 100U);
  }
  EXPECT_EQ(count, 2U * kTurns);
}

TEST_F(RejectFilesTest, WhatBecameAPipeIsRefused) {
  const std::vector<RejectedRecord> records{record("x\n", 1)};
  const Batch in = batch("a\n");
  RejectFiles files({path_});
  ASSERT_EQ(::mkfifo(path_.c_str(), 0600), 0);
  const auto kept = files.keep(in, records, stream_);
  ASSERT_FALSE(kept);
  EXPECT_EQ(kept.error().kind, ErrorKind::output);
  EXPECT_TRUE(files.written().empty());
}

// The reasons cannot be written: then the records must not stay either.
TEST_F(RejectFilesTest, BothOrNone) {
  const std::vector<RejectedRecord> records{record("x\n", 1)};
  const Batch in = batch("a\n");
  RejectFiles files({path_});
  ASSERT_EQ(::mkfifo((path_ + ".jsonl").c_str(), 0600), 0);
  ASSERT_FALSE(files.keep(in, records, stream_));
  EXPECT_EQ(contents(path_), "");
}

struct PlanCase {
  const char* name;
  std::string wanted;
  std::vector<std::string> inputs;
  std::vector<std::string> paths;  // relative to the folder, as are the others
};

class RejectPlan : public RejectFilesTest, public ::testing::WithParamInterface<PlanCase> {};

TEST_P(RejectPlan, Names) {
  const PlanCase& c = GetParam();
  const auto absolute = [&](const std::string& path) {
    return path.empty() || path == "-" || path.starts_with('/') ? path : folder_.path() + "/" + path;
  };
  std::vector<std::string> inputs;
  for (const auto& input : c.inputs) inputs.push_back(absolute(input));
  const auto paths = plan_reject_files(absolute(c.wanted), inputs);
  ASSERT_TRUE(paths) << to_string(paths.error());
  ASSERT_EQ(paths->size(), c.paths.size());
  for (std::size_t index = 0; index < c.paths.size(); ++index) {
    const bool in_current = c.paths[index].starts_with("./");
    EXPECT_EQ((*paths)[index], in_current ? c.paths[index].substr(2) : absolute(c.paths[index]));
  }
}

INSTANTIATE_TEST_SUITE_P(
    Cases, RejectPlan,
    ::testing::Values(
        PlanCase{"beside", "", {"a.csv"}, {"a.csv.rejects"}},
        PlanCase{"standard_input", "", {"-"}, {"./stdin.rejects"}},
        PlanCase{"device", "", {"/dev/fd/63"}, {"./63.rejects"}},
        PlanCase{"several", "", {"a.csv", "b.csv"}, {"a.csv.rejects", "b.csv.rejects"}},
        PlanCase{"twice_the_same", "", {"a.csv", "a.csv"}, {"a.csv.rejects", "a.csv.2.rejects"}},
        PlanCase{"file", "bad", {"a.csv"}, {"bad"}},
        PlanCase{"new_folder", "bad/", {"a.csv"}, {"bad/a.csv.rejects"}},
        PlanCase{"folder",
                 "bad/new",
                 {"x/a.csv", "y/a.csv", "-"},
                 {"bad/new/a.csv.rejects", "bad/new/a.csv.2.rejects", "bad/new/stdin.rejects"}}),
    [](const auto& test) { return std::string(test.param.name); });

TEST_F(RejectFilesTest, APlaceThatCannotBeUsedIsSeenAtOnce) {
  const std::string full = folder_.file("full", "a record of yesterday\n");
  const std::string fifo = folder_.path() + "/fifo";
  ASSERT_EQ(::mkfifo(fifo.c_str(), 0600), 0);
  for (const std::string& path :
       {fifo, std::string("/dev/full"), folder_.path() + "/none/file", full + "/folder/"}) {
    const auto paths = plan_reject_files(path, {"in.csv"});
    ASSERT_FALSE(paths) << path;
    EXPECT_EQ(paths.error().kind, ErrorKind::usage) << path;
    EXPECT_FALSE(paths.error().hint.empty()) << path;
  }
  EXPECT_TRUE(plan_reject_files(folder_.file("empty", ""), {"in.csv"}));
}

TEST_F(RejectFilesTest, AFileThatHoldsSomethingIsNotTaken) {
  const std::string full = folder_.file("full", "a record of yesterday\n");
  static_cast<void>(folder_.file("reasons.jsonl", "{}\n"));
  for (const std::string& path : {full, folder_.path() + "/reasons"}) {
    const auto refused = refuse_used_reject_files({path});
    ASSERT_FALSE(refused) << path;
    EXPECT_EQ(refused.error().kind, ErrorKind::usage) << path;
    EXPECT_FALSE(refused.error().hint.empty()) << path;
  }
  EXPECT_EQ(contents(full), "a record of yesterday\n");
  // mktemp makes an empty one.
  EXPECT_TRUE(refuse_used_reject_files({folder_.file("empty", ""), folder_.path() + "/missing"}));
}

}  // namespace
}  // namespace hypercopy::test
