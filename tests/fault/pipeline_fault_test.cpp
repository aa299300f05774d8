// Fails every n-th call of source and stream, with several workers: every record has one ending, every thread
// ends, what is committed is what was counted, and nothing is committed twice.
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <future>
#include <mutex>
#include <set>

#include "hypercopy/pipeline.hpp"
#include "support/fakes.hpp"

namespace hypercopy::test {
namespace {

constexpr std::uint64_t kRecords = 200;
constexpr std::chrono::milliseconds kPatient{60'000};

std::string make_input() {
  std::string bytes;
  for (std::uint64_t record = 0; record < kRecords; ++record)
    bytes += fmt::format("{},value {}\n", record, record);
  return bytes;
}

class NoWatch final : public PipelineWatch {
 public:
  std::chrono::milliseconds interval() const override { return std::chrono::milliseconds(1000); }
  void tick(const LedgerTotals& /*totals*/) override {}
  void end(const LedgerTotals& /*totals*/) override {}
};

struct Case {
  std::string input = make_input();
  std::size_t piece = 100;
  std::uint64_t source_fails_at = 0;
  unsigned jobs = 3;
  std::size_t batch_bytes = 128;
  WorkerPolicy policy{.relation = "t"};
  RejectSink* rejects = nullptr;
};

// What is kept for good, and how often that was promised.
class MemorySink final : public RejectSink {
 public:
  Result<std::unique_ptr<KeptRejects>> keep(const Batch& /*batch*/, std::span<const RejectedRecord> records,
                                            CopyStream& /*stream*/) override {
    auto kept = std::make_unique<Kept>(*this);
    for (const auto& record : records) kept->records.emplace_back(record.bytes);
    return kept;
  }
  // REQUIRES: no worker is at work.
  [[nodiscard]] const std::vector<std::string>& records() const { return records_; }

 private:
  struct Kept final : public KeptRejects {
    explicit Kept(MemorySink& owner) : sink(owner) {}
    Status end(CommitOutcome outcome) override {
      const std::lock_guard lock(sink.mutex_);
      if (outcome != CommitOutcome::rolled_back)
        sink.records_.insert(sink.records_.end(), records.begin(), records.end());
      return {};
    }
    std::string place() const override { return "memory"; }

    MemorySink& sink;
    std::vector<std::string> records;
  };

  std::mutex mutex_;
  std::vector<std::string> records_;  // protected by mutex_ while workers are at work
};

PipelineOutcome run(const Case& setup, FakeServer& server) {
  Console console(-1, "test", false);
  auto cancellation = Cancellation::create();
  auto run_stop = Cancellation::create();
  NoWatch watch;
  const InputOpener open_input = [&](std::size_t, const BatchLimits& limits, BatchPool& pool,
                                     TimeShares& shares) -> Result<OpenedInput> {
    OpenedInput input;
    input.reader = std::make_unique<BatchReader>(
        std::make_unique<FakeSource>(setup.input, setup.piece, setup.source_fails_at), SplitOptions{},
        Kernel::scalar, limits, pool, shares);
    HYPERCOPY_TRY(input.reader->read_prologue({}));
    auto file = std::make_shared<InputFile>();
    file->name = "fake.csv";
    input.file = file;
    return input;
  };
  const StreamOpener open_stream = [&](unsigned) -> Result<std::unique_ptr<CopyStream>> {
    return std::make_unique<FakeStream>(server);
  };
  const PipelineOptions options{
      .jobs = setup.jobs, .batch_bytes = setup.batch_bytes, .policy = setup.policy, .rejects = setup.rejects};
  // The watchdog: a pipeline that hangs must fail the test, not stop it from ending.
  auto task = std::async(std::launch::async, [&] {
    return run_pipeline(options, sequential_feed(open_input, options.inputs), open_stream, console,
                        **cancellation, **run_stop, watch);
  });
  if (task.wait_for(5 * kPatient) != std::future_status::ready) {
    ADD_FAILURE() << "the pipeline hangs";
    std::abort();
  }
  return task.get();
}

void expect_consistent(const PipelineOutcome& outcome, const FakeServer& server) {
  EXPECT_TRUE(outcome.totals.balanced());
  EXPECT_EQ(outcome.totals.committed.records, server.committed_records());
  EXPECT_EQ(outcome.totals.rows_loaded, server.committed_records());
  std::multiset<std::string> batches(server.committed().begin(), server.committed().end());
  for (const auto& batch : batches) EXPECT_EQ(batches.count(batch), 1U) << "committed twice: " << batch;
}

TEST(PipelineFault, NothingFailsAndEverythingIsCommittedOnce) {
  for (const unsigned jobs : {1U, 2U, 7U}) {
    FakeServer server;
    const auto outcome = run({.jobs = jobs}, server);
    EXPECT_FALSE(outcome.error);
    EXPECT_EQ(server.committed_records(), kRecords);
    expect_consistent(outcome, server);
  }
}

TEST(PipelineFault, EveryStreamCallFailsOnceWithAnSqlError) {
  FakeServer whole;
  static_cast<void>(run({}, whole));
  for (std::uint64_t call = 1; call <= whole.calls(); ++call) {
    SCOPED_TRACE(fmt::format("call {}", call));
    FakeServer server(call, FakeServer::Fault::sql);
    const auto outcome = run({}, server);
    ASSERT_TRUE(server.has_failed());
    ASSERT_TRUE(outcome.error);
    EXPECT_EQ(outcome.error->sqlstate, "22P02");
    EXPECT_TRUE(outcome.error->location);
    EXPECT_EQ(outcome.totals.unknown.records, 0U);
    EXPECT_GT(outcome.totals.failed.records, 0U);
    expect_consistent(outcome, server);
  }
}

TEST(PipelineFault, EveryStreamCallLosesTheConnectionOnce) {
  for (const unsigned jobs : {1U, 3U}) {
    FakeServer whole;
    static_cast<void>(run({.jobs = jobs}, whole));
    std::uint64_t unknown_outcomes = 0;
    for (std::uint64_t call = 1; call <= whole.calls(); ++call) {
      SCOPED_TRACE(fmt::format("{} jobs, call {}", jobs, call));
      FakeServer server(call, FakeServer::Fault::connection);
      const auto outcome = run({.jobs = jobs}, server);
      ASSERT_TRUE(outcome.error);
      EXPECT_EQ(outcome.error->kind, ErrorKind::connection);
      const bool says_commit = outcome.error->message.find("COMMIT") != std::string::npos;
      EXPECT_EQ(outcome.totals.unknown.records > 0, says_commit);
      if (says_commit) ++unknown_outcomes;
      expect_consistent(outcome, server);
    }
    // One worker's calls are begin, put, finish, commit: the outcome of each fourth nobody can know.
    if (jobs == 1) {
      EXPECT_EQ(unknown_outcomes, whole.calls() / 4);
    }
  }
}

// Each call in turn refuses what it was given, gets lost, or gets lost when it was done: a record is loaded or kept as a
// reject, once, or its batch is not there at all.
TEST(PipelineFault, EveryStreamCallFailsWhileBadRecordsAreRejected) {
  using Fault = FakeServer::Fault;
  const auto lines = [](const std::string& text, std::multiset<std::string>& into) {
    for (std::size_t at = 0; at < text.size();) {
      const std::size_t end = text.find('\n', at) + 1;
      into.insert(text.substr(at, end - at));
      at = end;
    }
  };
  for (const Fault fault : {Fault::sql, Fault::transient, Fault::connection, Fault::answer}) {
    std::uint64_t rejected = 0;
    // A refusal every third, fourth, ... call: batches that are isolated are hit again, at every place. What is tried again
    // must have room to get through.
    for (std::uint64_t every = fault == Fault::sql ? 3 : 12; every <= 70; ++every) {
      SCOPED_TRACE(fmt::format("fault {}, every {}th call", static_cast<int>(fault), every));
      MemorySink sink;
      FakeServer server(every, fault, FakeServer::When::each_time);
      const Case setup{.jobs = 1 + static_cast<unsigned>(every % 3),
                       .policy = {.relation = "t", .retry_timeout = kPatient},
                       .rejects = &sink};
      const auto outcome = run(setup, server);
      EXPECT_TRUE(outcome.totals.balanced());
      EXPECT_EQ(outcome.totals.rows_loaded, server.committed_records());
      EXPECT_EQ(outcome.totals.records_rejected, sink.records().size());
      EXPECT_EQ(outcome.totals.committed.records, server.committed_records() + sink.records().size());
      std::multiset<std::string> all(sink.records().begin(), sink.records().end());
      for (const auto& bytes : server.committed()) lines(bytes, all);
      for (const auto& record : all) EXPECT_EQ(all.count(record), 1U) << record;
      rejected += sink.records().size();
    }
    EXPECT_EQ(rejected > 0, fault == Fault::sql);
  }
}

// Whatever call fails, and whether or not the server had done what it was asked: each record is there, once.
TEST(PipelineFault, EveryStreamCallFailsOnceAndIsTriedAgain) {
  using Fault = FakeServer::Fault;
  const Case setup{.policy = {.relation = "t", .retry_timeout = kPatient}};
  FakeServer whole;
  static_cast<void>(run(setup, whole));
  for (const Fault fault : {Fault::transient, Fault::connection, Fault::answer}) {
    for (std::uint64_t call = 1; call <= whole.calls(); ++call) {
      SCOPED_TRACE(fmt::format("fault {}, call {}", static_cast<int>(fault), call));
      FakeServer server(call, fault);
      const auto outcome = run(setup, server);
      ASSERT_TRUE(server.has_failed());
      EXPECT_FALSE(outcome.error) << to_string(*outcome.error);
      EXPECT_TRUE(outcome.complete);
      EXPECT_EQ(server.committed_records(), kRecords);
      EXPECT_EQ(outcome.totals.unknown.records, 0U);
      expect_consistent(outcome, server);
    }
  }
}

// Also the calls that recover from the failure before. Six calls in a row that go well are the longest way from a
// failure to a commit, so that each period lets the run go on.
TEST(PipelineFault, CallsThatFailAgainAndAgainLoseAndDoubleNothing) {
  using Fault = FakeServer::Fault;
  Case setup{.batch_bytes = 512, .policy = {.relation = "t", .retry_timeout = kPatient}};
  for (const Fault fault : {Fault::transient, Fault::connection, Fault::answer}) {
    for (const std::uint64_t period : {7U, 8U, 11U}) {
      SCOPED_TRACE(fmt::format("fault {}, each {}th call", static_cast<int>(fault), period));
      FakeServer server(period, fault, FakeServer::When::each_time);
      const auto outcome = run(setup, server);
      EXPECT_FALSE(outcome.error) << to_string(*outcome.error);
      EXPECT_TRUE(server.has_failed());
      // Where each answer that got lost is that of a COMMIT that is then proven, nothing is sent again.
      if (fault != Fault::answer) {
        EXPECT_GT(outcome.totals.attempts_again, 0U);
      }
      EXPECT_EQ(server.committed_records(), kRecords);
      expect_consistent(outcome, server);
    }
  }
}

TEST(PipelineFault, WithoutPatienceAFailureThatPassesEndsTheRun) {
  FakeServer server(1, FakeServer::Fault::transient);
  const auto outcome = run({}, server);
  ASSERT_TRUE(outcome.error);
  EXPECT_EQ(outcome.error->sqlstate, "40P01");
  EXPECT_EQ(outcome.totals.attempts_again, 0U);
}

TEST(PipelineFault, SkippedBatchesAreCountedAndTheRestIsLoaded) {
  FakeServer whole;
  static_cast<void>(run({}, whole));
  for (std::uint64_t call = 1; call <= whole.calls(); ++call) {
    SCOPED_TRACE(fmt::format("call {}", call));
    FakeServer server(call, FakeServer::Fault::sql);
    const auto outcome = run({.policy = {.relation = "t", .skip_failed_batches = true}}, server);
    EXPECT_FALSE(outcome.error);
    EXPECT_GT(outcome.totals.skipped.records, 0U);
    EXPECT_EQ(outcome.totals.skipped.records + server.committed_records(), kRecords);
    expect_consistent(outcome, server);
  }
}

TEST(PipelineFault, EverySourceReadFailsOnce) {
  const std::uint64_t reads = make_input().size() / 100 + 1;
  for (std::uint64_t read = 1; read <= reads; ++read) {
    SCOPED_TRACE(fmt::format("read {}", read));
    FakeServer server;
    const auto outcome = run({.source_fails_at = read}, server);
    ASSERT_TRUE(outcome.error);
    EXPECT_EQ(outcome.error->kind, ErrorKind::input);
    expect_consistent(outcome, server);
  }
}

TEST(PipelineFault, SingleTransactionCommitsAllOrNothing) {
  FakeServer whole;
  const Case single{.jobs = 1, .policy = {.relation = "t", .single_transaction = true}};
  const auto complete = run(single, whole);
  EXPECT_FALSE(complete.error);
  EXPECT_EQ(whole.committed_records(), kRecords);
  for (std::uint64_t call = 1; call <= whole.calls(); ++call) {
    SCOPED_TRACE(fmt::format("call {}", call));
    FakeServer server(call, FakeServer::Fault::sql);
    const auto outcome = run(single, server);
    ASSERT_TRUE(outcome.error);
    EXPECT_EQ(server.committed_records(), 0U);
    expect_consistent(outcome, server);
  }
}

// Only the last call is COMMIT: before it nothing can be there, from it on nobody can know.
TEST(PipelineFault, SingleTransactionIsInDoubtOnlyFromCommitOn) {
  FakeServer whole;
  const Case single{.jobs = 1, .policy = {.relation = "t", .single_transaction = true}};
  static_cast<void>(run(single, whole));
  for (std::uint64_t call = 1; call <= whole.calls(); ++call) {
    SCOPED_TRACE(fmt::format("call {}", call));
    FakeServer server(call, FakeServer::Fault::connection);
    const auto outcome = run(single, server);
    ASSERT_TRUE(outcome.error);
    const bool is_commit = call == whole.calls();
    EXPECT_EQ(outcome.totals.unknown.records, is_commit ? kRecords : 0U);
    EXPECT_EQ(outcome.error->message.find("while COMMIT was under way") != std::string::npos, is_commit);
    EXPECT_EQ(outcome.error->detail.find("Nobody knows whether") != std::string::npos, is_commit);
    expect_consistent(outcome, server);
  }
}

TEST(PipelineFault, ARecordLongerThanManyBatchesPasses) {
  FakeServer server;
  Case setup;
  setup.input = "1,\"" + std::string(10'000, 'x') + "\"\n2,b\n";
  const auto outcome = run(setup, server);
  EXPECT_FALSE(outcome.error);
  EXPECT_EQ(server.committed_records(), 2U);
  expect_consistent(outcome, server);
}

TEST(PipelineFault, AWorkerWithoutConnectionIsDoneWithout) {
  FakeServer server;
  Console console(-1, "test", false);
  auto cancellation = Cancellation::create();
  auto run_stop = Cancellation::create();
  NoWatch watch;
  const std::string bytes = make_input();
  const InputOpener open_input = [&](std::size_t, const BatchLimits& limits, BatchPool& pool,
                                     TimeShares& shares) -> Result<OpenedInput> {
    OpenedInput input;
    input.reader = std::make_unique<BatchReader>(std::make_unique<FakeSource>(bytes, 50), SplitOptions{},
                                                 Kernel::scalar, limits, pool, shares);
    HYPERCOPY_TRY(input.reader->read_prologue({}));
    input.file = std::make_shared<InputFile>();
    return input;
  };
  const StreamOpener open_stream = [&](unsigned worker) -> Result<std::unique_ptr<CopyStream>> {
    if (worker == 1) return std::make_unique<FakeStream>(server);
    return fail(Error{.kind = ErrorKind::connection, .message = "too many clients", .sqlstate = "53300"});
  };
  const auto outcome = run_pipeline({.jobs = 4, .batch_bytes = 128}, sequential_feed(open_input, 1),
                                    open_stream, console, **cancellation, **run_stop, watch);
  EXPECT_FALSE(outcome.error);
  EXPECT_EQ(outcome.workers, 1U);
  EXPECT_EQ(server.committed_records(), kRecords);
}

TEST(PipelineFault, AStopBeforeTheStartLoadsNothingAndEnds) {
  FakeServer server;
  Console console(-1, "test", false);
  auto cancellation = Cancellation::create();
  auto run_stop = Cancellation::create();
  (*cancellation)->request(Cancellation::Level::graceful);
  NoWatch watch;
  // An input without end: only the stop can end the run.
  class Endless final : public Source {
   public:
    Result<std::size_t> read(std::span<char> into) override {
      std::fill(into.begin(), into.end(), '\n');
      return into.size();
    }
    void seek(std::uint64_t /*byte*/) override {}
    const std::string& name() const override { return name_; }
    std::optional<std::uint64_t> size() const override { return std::nullopt; }

   private:
    std::string name_ = "endless";
  };
  const InputOpener open_input = [&](std::size_t, const BatchLimits& limits, BatchPool& pool,
                                     TimeShares& shares) -> Result<OpenedInput> {
    OpenedInput input;
    input.reader = std::make_unique<BatchReader>(std::make_unique<Endless>(), SplitOptions{}, Kernel::scalar,
                                                 limits, pool, shares);
    HYPERCOPY_TRY(input.reader->read_prologue({}));
    input.file = std::make_shared<InputFile>();
    return input;
  };
  const StreamOpener open_stream = [&](unsigned) -> Result<std::unique_ptr<CopyStream>> {
    return std::make_unique<FakeStream>(server);
  };
  const auto outcome = run_pipeline({.jobs = 2, .batch_bytes = 128}, sequential_feed(open_input, 1),
                                    open_stream, console, **cancellation, **run_stop, watch);
  EXPECT_TRUE(outcome.totals.balanced());
  EXPECT_EQ(outcome.totals.committed.records, server.committed_records());
}

}  // namespace
}  // namespace hypercopy::test
