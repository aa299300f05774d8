#include "hypercopy/report.hpp"

#include <gtest/gtest.h>

#include <csignal>
#include <nlohmann/json.hpp>
#include <string>

namespace hypercopy {
namespace {

using namespace std::chrono_literals;

LoadSummary complete() {
  LoadSummary summary{.table = "public.cpu",
                      .run_id = "r1",
                      .sources = {"cpu.csv"},
                      .jobs = 2,
                      .batch_bytes = 4'000'000,
                      .kernel = "avx2",
                      .wire = "csv",
                      .server_version = "15.8"};
  summary.elapsed = 4200ms;
  summary.shares = {.reader_reading = 336ms,
                    .reader_splitting = 126ms,
                    .reader_waiting = 3738ms,
                    .worker_encoding = 84ms,
                    .worker_sending = 8148ms,
                    .worker_waiting = 168ms};
  summary.totals.split = {.batches = 131, .records = 3'000'000, .bytes = 522'000'000};
  summary.totals.committed = summary.totals.split;
  summary.totals.rows_loaded = 3'000'000;
  return summary;
}

Error sql_error() {
  return {.kind = ErrorKind::sql, .message = "invalid input syntax for type integer", .sqlstate = "22P02"};
}

// One third committed, one batch failed, the rest not sent.
LoadSummary failed() {
  LoadSummary summary = complete();
  summary.totals.committed = {.batches = 44, .records = 1'000'000, .bytes = 174'000'000};
  summary.totals.failed = {.batches = 1, .records = 20'000, .bytes = 3'480'000};
  summary.totals.dropped = {.batches = 86, .records = 1'980'000, .bytes = 344'520'000};
  summary.totals.rows_loaded = 1'000'000;
  summary.error = sql_error();
  return summary;
}

bool contains(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

TEST(SummaryText, CompleteLoad) {
  EXPECT_EQ(
      summary_text(complete(), false),
      "loaded 3,000,000 rows (522.0 MB) into public.cpu in 4.2 s: 124.3 MB/s, 714,286 rows/s, 2 workers\n"
      "time: reader 8 % reading, 3 % splitting, 89 % waiting for workers\n"
      "time: workers 1 % preparing, 97 % server, 2 % waiting for input\n"
      "the server was the limit: more workers (-j) only help while it has idle cores");
}

TEST(SummaryText, NamesTheRejectFiles) {
  LoadSummary summary = complete();
  summary.shares = {};
  summary.sources = {"a.csv", "b.csv"};
  summary.totals.rows_loaded -= 3;
  summary.totals.records_rejected = 3;
  summary.reject_files = {{.input = 1, .path = "b.rejects", .reasons = "b.rejects.jsonl", .records = 3}};
  const std::string text = summary_text(summary, false);
  EXPECT_NE(
      text.find("\n3 records were rejected\nthose of b.csv are in b.rejects, the reasons in b.rejects.jsonl"
                "\ncorrect this file and load it with the same options"),
      std::string::npos)
      << text;
  const auto json = nlohmann::json::parse(summary_json(summary));
  EXPECT_EQ(json["exit_code"], 3);
  EXPECT_EQ(json["reject_files"],
            nlohmann::json::parse(
                R"([{"source":"b.csv","path":"b.rejects","reasons":"b.rejects.jsonl","records":3}])"));
}

TEST(SummaryText, SingularForOne) {
  LoadSummary summary = complete();
  summary.jobs = 1;
  summary.shares = {};
  summary.totals = {};
  summary.totals.split.add(BatchSize{1, 1});
  summary.totals.committed.add(BatchSize{1, 1});
  summary.totals.rows_loaded = 1;
  summary.elapsed = 50ms;
  EXPECT_EQ(summary_text(summary, false),
            "loaded 1 row (1 byte) into public.cpu in 0.05 s: 0.0 kB/s, 20 rows/s, 1 worker");
}

TEST(SummaryText, EmptyInputInNoTime) {
  LoadSummary summary = complete();
  summary.totals = {};
  summary.shares = {};
  summary.elapsed = 0ns;
  EXPECT_EQ(summary_text(summary, false),
            "loaded 0 rows (0 bytes) into public.cpu in 0.00 s: 0.0 kB/s, 0 rows/s, 2 workers");
}

struct VerdictCase {
  const char* name;
  unsigned jobs;
  TimeShares shares;
  const char* expected;
  JobsLimit limit = JobsLimit::none;
};

class SummaryVerdict : public testing::TestWithParam<VerdictCase> {};

TEST_P(SummaryVerdict, NamesTheLimit) {
  LoadSummary summary = complete();
  summary.jobs = GetParam().jobs;
  summary.shares = GetParam().shares;
  summary.jobs_limit = GetParam().limit;
  const std::string text = summary_text(summary, false);
  EXPECT_TRUE(contains(text, GetParam().expected)) << text;
}

// reading, splitting, waiting; encoding, sending, waiting
INSTANTIATE_TEST_SUITE_P(
    All, SummaryVerdict,
    testing::Values(
        VerdictCase{"Server",
                    4,
                    {1s, 1s, 8s, 1s, 35s, 4s},
                    "\nthe server was the limit: more workers (-j) only help"},
        VerdictCase{
            "ServerOneWorker", 1, {1s, 1s, 8s, 1s, 8s, 1s}, "\nthe server was the limit: try more workers"},
        VerdictCase{"Preparing", 2, {1s, 1s, 8s, 15s, 4s, 1s}, "\npreparing the data was the limit: "},
        VerdictCase{"ServerInASingleTransaction",
                    1,
                    {1s, 1s, 8s, 1s, 8s, 1s},
                    "\nthe server was the limit: a single transaction has one worker",
                    JobsLimit::single_transaction},
        VerdictCase{"PreparingInASingleTransaction",
                    1,
                    {1s, 1s, 8s, 15s, 4s, 1s},
                    "\npreparing the data was the limit: a single transaction has one worker",
                    JobsLimit::single_transaction},
        VerdictCase{"ServerWithoutConnections",
                    2,
                    {1s, 1s, 8s, 1s, 35s, 4s},
                    "\nthe server was the limit: the server gave no connection for more workers",
                    JobsLimit::connections},
        VerdictCase{"Reading", 2, {9s, 1s, 0s, 1s, 4s, 15s}, "\nthe input was the limit: "},
        VerdictCase{"Splitting", 2, {3s, 7s, 0s, 1s, 4s, 15s}, "\nfinding the records was the limit: "},
        VerdictCase{"Small", 2, {1ms, 1ms, 90ms, 1ms, 20ms, 60ms}, "\nstarting up was the limit: "}),
    [](const auto& param) { return std::string{param.param.name}; });

TEST(SummaryText, FailureSaysWhatIsCommittedAndWhatARerunWouldDo) {
  EXPECT_EQ(summary_text(failed(), false),
            "only partly loaded after 4.2 s: 1,000,000 rows (174.0 MB) are committed in public.cpu\n"
            "the rest was rolled back or not sent\n"
            "loading the same input again would double the committed rows:\n"
            "use --truncate if the table holds nothing else, or delete them first (with --import-id it would "
            "go on)");
}

TEST(SummaryText, FailureWithUnknownBatch) {
  LoadSummary summary = failed();
  summary.totals.unknown = summary.totals.failed;
  summary.totals.failed = {};
  EXPECT_EQ(summary_text(summary, false),
            "only partly loaded after 4.2 s: 1,000,000 rows (174.0 MB) are committed in public.cpu\n"
            "the rest was rolled back or not sent, or is unknown\n"
            "unknown: 1 batch (20,000 records): the connection was lost before COMMIT was answered\n"
            "unknown batches are in the table whole or not at all: count its rows before loading them again\n"
            "loading the same input again would double the committed rows:\n"
            "use --truncate if the table holds nothing else, or delete them first (with --import-id it would "
            "go on)");
}

TEST(SummaryText, AFailoverLeavesAllThatWasCommittedInDoubt) {
  LoadSummary summary = failed();
  summary.totals.failed = {};
  summary.totals.unknown = {.batches = 50, .records = 1'020'000, .bytes = 174'000'000};
  summary.totals.committed = {};
  summary.totals.rows_loaded = 0;
  summary.failed_over = true;
  EXPECT_EQ(
      summary_text(summary, false),
      "not loaded after 4.2 s: no row is known to be committed in public.cpu\n"
      "unknown: 50 batches (1,020,000 records): 174.0 MB of input, all that was committed before the server "
      "failed over\n"
      "unknown batches are in the table whole or not at all: count its rows before loading them again");
  EXPECT_TRUE(contains(summary_json(summary), "\"failed_over\": true"));
}

TEST(SummaryText, FailureDoesNotRepeatTheError) {
  EXPECT_FALSE(contains(summary_text(failed(), true), "invalid input syntax"));
}

TEST(SummaryText, FailureWithNothingCommitted) {
  LoadSummary summary = failed();
  summary.totals.failed.records += summary.totals.committed.records;
  summary.totals.committed = {};
  summary.totals.rows_loaded = 0;
  EXPECT_EQ(summary_text(summary, false),
            "not loaded after 4.2 s: no row is committed in public.cpu\n"
            "nothing has to be undone before the next run");
}

TEST(SummaryText, UnknownBatchIsNotCalledUncommitted) {
  LoadSummary summary = failed();
  summary.totals.failed = {};
  summary.totals.unknown = {.batches = 1, .records = 1'020'000, .bytes = 177'480'000};
  summary.totals.committed = {};
  summary.totals.rows_loaded = 0;
  const std::string text = summary_text(summary, false);
  EXPECT_TRUE(contains(text, "no row is known to be committed in public.cpu")) << text;
  EXPECT_TRUE(contains(text, "\nunknown: 1 batch (1,020,000 records): the connection was lost")) << text;
  EXPECT_TRUE(contains(text, "count its rows before loading")) << text;
  EXPECT_FALSE(contains(text, "nothing has to be undone")) << text;
}

TEST(SummaryText, InterruptionSaysSo) {
  LoadSummary summary = failed();
  summary.error.reset();
  summary.interrupted_by = SIGINT;
  const std::string text = summary_text(summary, false);
  EXPECT_TRUE(
      text.starts_with("interrupted by SIGINT after 4.2 s: 1,000,000 rows (174.0 MB) are committed in "
                       "public.cpu\nthe rest was rolled back or not sent\n"))
      << text;
  EXPECT_TRUE(contains(text, "would double the committed rows")) << text;
}

TEST(SummaryText, InterruptionBeforeTheFirstCommit) {
  LoadSummary summary = failed();
  summary.interrupted_by = SIGTERM;
  summary.totals.dropped.records += summary.totals.committed.records;
  summary.totals.committed = {};
  summary.totals.rows_loaded = 0;
  EXPECT_TRUE(
      summary_text(summary, false).starts_with("interrupted by SIGTERM after 4.2 s: no row is committed"));
}

TEST(SummaryText, SkippedBatchesAreAWarning) {
  LoadSummary summary = complete();
  summary.totals.committed.records -= 10'000;
  summary.totals.rows_loaded -= 10'000;
  summary.totals.skipped = {.batches = 2, .records = 10'000, .bytes = 1'740'000};
  const std::string text = summary_text(summary, false);
  EXPECT_TRUE(contains(text, "\nwarning: 2 batches (10,000 records) were refused by the server and skipped"))
      << text;
  EXPECT_EQ(exit_code(summary), ExitCode::ok);
}

LoadSummary with_indexes() {
  LoadSummary summary = complete();
  summary.indexes = {{.name = "public.a", .definition = "CREATE INDEX a", .rebuilt = true},
                     {.name = "public.b", .definition = "CREATE INDEX b", .rebuilt = true}};
  summary.rebuild_elapsed = std::chrono::milliseconds(2500);
  summary.rebuild_command = "hypercopy imports rebuild-indexes -t public.t";
  return summary;
}

TEST(SummaryText, IndexesThatWereLeftOutAreSaid) {
  const std::string text = summary_text(with_indexes(), false);
  EXPECT_NE(text.find("\n2 indexes were rebuilt in 2.5 s"), std::string::npos) << text;
}

TEST(SummaryText, IndexesThatAreOwedAreAWarningWithTheCommand) {
  LoadSummary summary = with_indexes();
  summary.indexes[1].rebuilt = false;
  summary.complete = true;
  summary.rebuild_failed = true;
  summary.error = Error{.kind = ErrorKind::sql, .message = "no"};
  const std::string text = summary_text(summary, false);
  EXPECT_EQ(text.find("loaded, but not all indexes are rebuilt, after"), 0U) << text;
  EXPECT_NE(text.find("committed in"), std::string::npos) << text;
  EXPECT_EQ(text.find("rolled back"), std::string::npos) << text;
  EXPECT_EQ(text.find("again"), std::string::npos) << text;
  EXPECT_NE(text.find("\n1 index was rebuilt in 2.5 s\nwarning: 1 index is not there, left out while "
                      "loading: public.b\n"),
            std::string::npos)
      << text;
  EXPECT_NE(text.find("\n  hypercopy imports rebuild-indexes -t public.t"), std::string::npos) << text;
  EXPECT_EQ(exit_code(summary), ExitCode::failed);
}

TEST(SummaryText, SuppressedRowsAreSaid) {
  LoadSummary summary = complete();
  summary.totals.rows_loaded -= 1200;
  summary.totals.rows_suppressed = 1200;
  const std::string text = summary_text(summary, false);
  EXPECT_TRUE(contains(text, "loaded 2,998,800 rows")) << text;
  EXPECT_TRUE(contains(text, "\n1,200 records were left out by the server (a trigger or WHERE)")) << text;
  EXPECT_EQ(exit_code(summary), ExitCode::ok);
}

TEST(SummaryText, CountsThatDoNotAddUp) {
  LoadSummary summary = complete();
  summary.totals.committed.records -= 7;
  const std::string text = summary_text(summary, false);
  EXPECT_TRUE(contains(text, "\nthe counts do not add up")) << text;
  EXPECT_TRUE(contains(text, "3000000 records split; 2999993 committed")) << text;
}

TEST(SummaryText, VerboseAddsSecondsAndSetting) {
  const std::string text = summary_text(complete(), true);
  EXPECT_TRUE(contains(text, "\nreader: 0.34 s reading, 0.13 s splitting, 3.74 s waiting for workers\n"))
      << text;
  EXPECT_TRUE(contains(text, "\nworkers, summed: 0.08 s preparing, 8.15 s server, 0.17 s waiting")) << text;
  EXPECT_TRUE(contains(text, "\nbatches of up to 4.0 MB: 131 split, 131 committed")) << text;
  EXPECT_TRUE(contains(
      text, "\nserver 15.8, wire csv (0 batches as COPY BINARY, 0 given up), scan kernel avx2, run r1"))
      << text;
}

struct ExitCase {
  const char* name;
  void (*change)(LoadSummary& summary);
  ExitCode expected;
};

class SummaryExitCode : public testing::TestWithParam<ExitCase> {};

TEST_P(SummaryExitCode, IsThatOfTheContract) {
  LoadSummary summary = failed();
  GetParam().change(summary);
  EXPECT_EQ(exit_code(summary), GetParam().expected);
}

INSTANTIATE_TEST_SUITE_P(
    All, SummaryExitCode,
    testing::Values(
        ExitCase{"Complete", [](LoadSummary& s) { s = complete(); }, ExitCode::ok},
        ExitCase{"Rejects",
                 [](LoadSummary& s) {
                   s = complete();
                   --s.totals.rows_loaded;
                   ++s.totals.records_rejected;
                 },
                 ExitCode::rejected},
        ExitCase{"RejectsAndAnError",
                 [](LoadSummary& s) {
                   --s.totals.rows_loaded;
                   ++s.totals.records_rejected;
                 },
                 ExitCode::failed},
        ExitCase{"SqlError", [](LoadSummary&) {}, ExitCode::failed},
        ExitCase{"InputError", [](LoadSummary& s) { s.error->kind = ErrorKind::input; }, ExitCode::failed},
        ExitCase{"UsageError", [](LoadSummary& s) { s.error->kind = ErrorKind::usage; }, ExitCode::usage},
        ExitCase{"AccountingError", [](LoadSummary& s) { s.error->kind = ErrorKind::accounting; },
                 ExitCode::accounting},
        ExitCase{"AccountingErrorAndInterrupted",
                 [](LoadSummary& s) {
                   s.error->kind = ErrorKind::accounting;
                   s.interrupted_by = SIGINT;
                 },
                 ExitCode::accounting},
        ExitCase{"InterruptedKind", [](LoadSummary& s) { s.error->kind = ErrorKind::interrupted; },
                 ExitCode::interrupted},
        ExitCase{"Sigint",
                 [](LoadSummary& s) {
                   s.error.reset();
                   s.interrupted_by = SIGINT;
                 },
                 ExitCode::interrupted},
        ExitCase{"SigtermWithError", [](LoadSummary& s) { s.interrupted_by = SIGTERM; },
                 ExitCode::terminated},
        ExitCase{"Unbalanced", [](LoadSummary& s) { s.totals.split.records += 1; }, ExitCode::accounting},
        ExitCase{"UnbalancedAndInterrupted",
                 [](LoadSummary& s) {
                   s.totals.split.records += 1;
                   s.interrupted_by = SIGINT;
                 },
                 ExitCode::accounting},
        ExitCase{"RecordsLeftBehindWithoutError", [](LoadSummary& s) { s.error.reset(); },
                 ExitCode::accounting}),
    [](const auto& param) { return std::string{param.param.name}; });

TEST(CommandTag, CountsLoadedRows) {
  EXPECT_EQ(command_tag(complete()), "COPY 3000000");
  EXPECT_EQ(command_tag(failed()), "COPY 1000000");
}

TEST(SummaryJson, HasEveryField) {
  LoadSummary summary = failed();
  summary.error->location = Location{.source = "cpu.csv", .at = {.byte = 1033, .line = 14, .record = 12}};
  summary.error->column = "tags_id";
  summary.notices = {"dropped a byte order mark"};
  const auto json = nlohmann::json::parse(summary_json(summary));
  EXPECT_EQ(json["table"], "public.cpu");
  EXPECT_EQ(json["exit_code"], 1);
  EXPECT_EQ(json["sources"], nlohmann::json::array({"cpu.csv"}));
  EXPECT_EQ(json["elapsed_seconds"], 4.2);
  EXPECT_EQ(json["totals"]["split"]["records"], 3'000'000);
  EXPECT_EQ(json["totals"]["committed"]["bytes"], 174'000'000);
  EXPECT_EQ(json["totals"]["dropped"]["batches"], 86);
  EXPECT_EQ(json["totals"]["rows_loaded"], 1'000'000);
  EXPECT_EQ(json["totals"]["balanced"], true);
  EXPECT_EQ(json["shares"]["reader_reading_seconds"], 0.336);
  EXPECT_EQ(json["error"]["sqlstate"], "22P02");
  EXPECT_EQ(json["error"]["kind"], to_string(ErrorKind::sql));
  EXPECT_EQ(json["error"]["column"], "tags_id");
  EXPECT_EQ(json["error"]["location"]["line"], 14);
  EXPECT_EQ(json["error"]["location"]["byte"], 1033);
  EXPECT_EQ(json["interrupted_by"], 0);
  EXPECT_EQ(json["notices"][0], "dropped a byte order mark");
}

TEST(SummaryJson, ALocationOfSeveralRecordsHasAnEnd) {
  LoadSummary summary = failed();
  const Position last{.byte = 2000, .line = 20, .record = 18};
  for (const bool range : {false, true}) {
    summary.error->location = Location{.source = "cpu.csv", .at = {.byte = 1033, .line = 14, .record = 12}};
    if (range) summary.error->location->last = last;
    const auto location = nlohmann::json::parse(summary_json(summary))["error"]["location"];
    EXPECT_EQ(location["record"], 12);
    EXPECT_EQ(location["last_record"], range ? nlohmann::json(18) : nlohmann::json());
    EXPECT_EQ(location["last_line"], range ? nlohmann::json(20) : nlohmann::json());
    EXPECT_EQ(location["last_byte"], range ? nlohmann::json(2000) : nlohmann::json());
  }
}

TEST(SummaryJson, WithoutErrorAndTime) {
  LoadSummary summary = complete();
  summary.elapsed = 0ns;
  const auto json = nlohmann::json::parse(summary_json(summary));
  EXPECT_TRUE(json["error"].is_null());
  EXPECT_EQ(json["rows_per_second"], 0.0);
}

TEST(SummaryJson, ErrorWithoutLocation) {
  EXPECT_TRUE(nlohmann::json::parse(summary_json(failed()))["error"]["location"].is_null());
}

TEST(SummaryJson, TextThatIsNotUtf8) {
  LoadSummary summary = failed();
  summary.sources = {"caf\xe9.csv"};
  summary.error->message = "ung\xfcltig";
  const auto json = nlohmann::json::parse(summary_json(summary));
  EXPECT_EQ(json["sources"][0], "caf\xef\xbf\xbd.csv");
}

}  // namespace
}  // namespace hypercopy
