// The settings under which the server reads values are those that a plain session of the user would have;
// encodings; what must hold for every connection of a load.
#include <gtest/gtest.h>

#include <chrono>
#include <fstream>
#include <nlohmann/json.hpp>
#include <set>
#include <sstream>
#include <thread>

#include "support/expect.hpp"
#include "support/own_lock.hpp"
#include "support/role.hpp"
#include "support/server.hpp"

namespace hypercopy::test {
namespace {

using Texts = std::vector<std::string>;
using Environment = std::map<std::string, std::string>;

class Session : public ServerTest {
 protected:
  void SetUp() override {
    ServerTest::SetUp();
    if (!IsSkipped()) server().execute("SET timezone = 'UTC'; SET datestyle = 'ISO, MDY'");
  }

  [[nodiscard]] std::string dsn_of(const TestRole& role) const { return dsn() + " user=" + role.name(); }
  [[nodiscard]] Outcome load_as(const TestRole& role, std::vector<std::string> arguments,
                                RunOptions options = {}) const {
    arguments.insert(arguments.begin(), {"load", "-w", "-d", dsn_of(role)});
    return run_program(arguments, std::move(options));
  }

  // A BEFORE ROW trigger on `table` that stores what a setting is while rows are loaded in column `seen`.
  void record_setting(const std::string& table, const std::string& setting) const {
    server().execute(fmt::format(
        "CREATE FUNCTION see_{0}() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN NEW.seen := "
        "current_setting('{1}'); RETURN NEW; END$$; CREATE TRIGGER see BEFORE INSERT ON {0} FOR EACH ROW "
        "EXECUTE FUNCTION see_{0}()",
        table, setting));
  }
  [[nodiscard]] Texts seen(const std::string& table) const {
    Texts texts;
    for (const auto& row : server().execute(fmt::format("SELECT DISTINCT seen FROM {} ORDER BY 1", table)))
      texts.push_back(row.front().value_or("NULL"));
    return texts;
  }
};

std::string numbers(int count) {
  std::string bytes;
  for (int number = 0; number < count; ++number) bytes += fmt::format("{}\n", number);
  return bytes;
}

TEST_F(Session, DatesMeanWhatTheyMeanToTheRole) {
  server().execute("CREATE TABLE judge (at timestamptz, d date, ts timestamp); CREATE TABLE t (LIKE judge)");
  const TestRole role(server(), schema(), {"SET timezone = 'Europe/Berlin'", "SET datestyle = 'SQL, DMY'"});
  std::string input = "03/02/2024 10:00,03/02/2024,05/06/2024 07:08\n";
  for (int day = 1; day <= 28; ++day)
    input += fmt::format("{0:02}/07/2024 23:59:59,{0:02}/11/2024,{0:02}-03-2024 00:00\n", day);
  input += "31/03/2024 02:30,01/01/1900,\n27/10/2024 02:30 CET,,\n2024-02-03T10:00:00Z,,\n";
  const Server plain(dsn_of(role));
  ASSERT_EQ(plain.copy("COPY judge FROM STDIN WITH (FORMAT csv)", input).rows, 32U);
  const std::string file = folder_.file("in.csv", input);
  for (const char* jobs : {"1", "2", "7"}) {
    SCOPED_TRACE(jobs);
    server().execute("TRUNCATE t");
    expect_loaded(load_as(role, {"-t", "t", "-j", jobs, "--batch-bytes", "64", file}), 32);
    EXPECT_EQ(server().rows_as_text("t"), server().rows_as_text("judge"));
    EXPECT_EQ(server().value("SELECT count(*) FROM t WHERE at = '2024-02-03 09:00+00' AND d = '2024-02-03'"),
              "1");
  }
}

TEST_F(Session, IntervalsMeanWhatTheyMeanToTheRole) {
  server().execute("CREATE TABLE t (i interval)");
  const TestRole role(server(), schema(), {"SET intervalstyle = 'sql_standard'"});
  expect_loaded(load_as(role, {"-t", "t"}, {.stdin_bytes = "-1 2:03:04\n"}), 1);
  EXPECT_EQ(server().value("SELECT i = '-1 days -02:03:04' FROM t"), "t");
  expect_loaded(load({"-t", "t", "--truncate"}, {.stdin_bytes = "-1 2:03:04\n"}), 1);
  EXPECT_EQ(server().value("SELECT i = '-1 days +02:03:04' FROM t"), "t");
}

struct VariableCase {
  const char* name;
  Environment environment;
  std::string input;
  std::string expected;  // the row in UTC, ISO
};

TEST_F(Session, LibpqsVariablesAreHonoured) {
  server().execute("CREATE TABLE t (at timestamptz, b text)");
  const std::vector<VariableCase> cases{
      {"nothing", {}, "03/02/2024 10:00,a\n", "(\"2024-03-02 10:00:00+00\",a)"},
      {"PGTZ", {{"PGTZ", "Europe/Berlin"}}, "03/02/2024 10:00,a\n", "(\"2024-03-02 09:00:00+00\",a)"},
      {"PGDATESTYLE",
       {{"PGDATESTYLE", "SQL, DMY"}},
       "03/02/2024 10:00,a\n",
       "(\"2024-02-03 10:00:00+00\",a)"},
      {"PGOPTIONS",
       {{"PGOPTIONS", "-c timezone=Asia/Tokyo -c datestyle=dmy"}},
       "03/02/2024 10:00,a\n",
       "(\"2024-02-03 01:00:00+00\",a)"},
      {"PGCLIENTENCODING",
       {{"PGCLIENTENCODING", "LATIN1"}},
       "03/02/2024 10:00,\xE9\n",
       "(\"2024-03-02 10:00:00+00\",\xC3\xA9)"},
  };
  const char* const bare_dsn = std::getenv("HYPERCOPY_TEST_DSN");  // no options: PGOPTIONS must reach libpq
  ASSERT_NE(bare_dsn, nullptr);
  const TestRole role(server(), schema(), {"SET timezone = 'UTC'", "SET datestyle = 'ISO, MDY'"});
  for (const auto& test : cases) {
    for (const char* jobs : {"1", "2"}) {
      SCOPED_TRACE(fmt::format("{} jobs {}", test.name, jobs));
      const std::string dsn = fmt::format("{} user={}", bare_dsn, role.name());
      const Outcome run = run_program(
          {"load", "-w", "-d", dsn, "-t", schema() + ".t", "--truncate", "-j", jobs, "--batch-rows", "1"},
          {.stdin_bytes = test.input + test.input, .environment = test.environment});
      expect_loaded(run, 2);
      EXPECT_EQ(server().rows_as_text("t"), (Texts{test.expected, test.expected}));
    }
  }
}

// The first connection waits for a lock in its TRUNCATE; what ALTER ROLE says meanwhile is for later
// sessions, not for the other workers of this run.
TEST_F(Session, WhatAlterRoleSaysDuringTheRunIsNotForIt) {
  server().execute("CREATE TABLE t (at timestamptz, seen text)");
  record_setting("t", "application_name");
  server().execute(
      "ALTER TABLE t ADD money_by text DEFAULT current_setting('lc_monetary'), ADD zones text DEFAULT "
      "current_setting('timezone_abbreviations')");
  const TestRole role(server(), schema(),
                      {"SET timezone = 'Europe/Berlin'", "SET datestyle = 'SQL, DMY'",
                       "SET lc_monetary = 'C'", "SET timezone_abbreviations = 'Australia'"});
  std::string input;
  for (int row = 0; row < 200; ++row) input += "03/02/2024 10:00,\n";
  // Each worker's first row waits, so that none loads everything before another one has begun.
  server().execute(
      fmt::format("CREATE FUNCTION wait() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN PERFORM "
                  "pg_advisory_xact_lock_shared({}); RETURN NEW; END$$; CREATE TRIGGER wait BEFORE INSERT "
                  "ON t FOR EACH ROW EXECUTE FUNCTION wait()",
                  own_lock(schema())));
  const Server blocker;
  blocker.execute(fmt::format("SELECT pg_advisory_lock({}); BEGIN; LOCK TABLE {}.t IN ACCESS SHARE MODE",
                              own_lock(schema()), schema()));
  std::optional<Process> run;
  run.emplace(std::vector<std::string>{"load", "-w", "-d", dsn_of(role), "-t", "t", "--truncate", "-j", "4",
                                       "--batch-rows", "1", "--columns", "at,seen",
                                       folder_.file("in.csv", input)});
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::minutes(5);
  const auto await_waiting = [&](const std::string& how_many, const std::string& in) {
    const std::string waiting = fmt::format(
        "SELECT count(*) {} FROM pg_stat_activity WHERE usename = '{}' AND wait_event_type = 'Lock' AND "
        "query LIKE '{}%'",
        how_many, role.name(), in);
    while (server().value(waiting) != "t") {
      ASSERT_LT(std::chrono::steady_clock::now(), deadline);
      std::this_thread::yield();
    }
  };
  ASSERT_NO_FATAL_FAILURE(await_waiting("= 1", "TRUNCATE"));
  role.alter("SET timezone = 'Asia/Tokyo'");
  role.alter("SET datestyle = 'ISO, MDY'");
  role.alter("SET synchronous_commit = off");
  role.alter("SET lc_monetary = 'POSIX'");
  role.alter("SET timezone_abbreviations = 'India'");
  blocker.execute("COMMIT");
  ASSERT_NO_FATAL_FAILURE(await_waiting("> 1", "%COPY"));
  blocker.execute(fmt::format("SELECT pg_advisory_unlock({})", own_lock(schema())));
  expect_loaded(run->wait(), 200);
  EXPECT_EQ(server().value("SELECT count(*) FROM t WHERE at = '2024-02-03 09:00+00'"), "200");
  EXPECT_EQ(server().value("SELECT count(*) FROM t WHERE money_by = 'C' AND zones = 'Australia'"), "200");
  EXPECT_GT(seen("t").size(), 1U) << "later connections have loaded rows";
}

struct SettingCase {
  const char* setting;
  const char* role_has;
  const char* seen;
};

TEST_F(Session, SettingsThatALoadReliesOn) {
  const std::vector<SettingCase> cases{
      {"transaction_isolation", "SET default_transaction_isolation = 'serializable'", "read committed"},
      {"synchronous_commit", "SET synchronous_commit = off", "on"},
      {"synchronous_commit", "SET synchronous_commit = local", "local"},
      {"statement_timeout", "SET statement_timeout = '1h'", "0"},
      {"lock_timeout", "SET lock_timeout = '1h'", "0"},
      {"idle_in_transaction_session_timeout", "SET idle_in_transaction_session_timeout = '1h'", "0"},
  };
  for (const auto& test : cases) {
    SCOPED_TRACE(test.role_has);
    server().execute(
        "DROP TABLE IF EXISTS t; DROP FUNCTION IF EXISTS see_t; CREATE TABLE t (a int, seen text)");
    record_setting("t", test.setting);
    const TestRole role(server(), schema(), {test.role_has});
    for (const char* how : {"-1", "-j3"}) {
      expect_loaded(load_as(role, {"-t", "t", "--columns", "a", "--truncate", "--batch-rows", "5", how},
                            {.stdin_bytes = numbers(100)}),
                    100);
      EXPECT_EQ(seen("t"), Texts{test.seen}) << how;
    }
  }
}

TEST_F(Session, ApplicationNameTellsRunAndWorker) {
  server().execute("CREATE TABLE t (a int, seen text)");
  record_setting("t", "application_name");
  const std::string report = folder_.path() + "/report.json";
  expect_loaded(load({"-t", "t", "--columns", "a", "-j", "3", "--batch-rows", "1", "--report", report},
                     {.stdin_bytes = numbers(300), .environment = {{"PGAPPNAME", "mine"}}}),
                300);
  const std::string run_id = nlohmann::json::parse(std::ifstream(report)).at("run_id");
  ASSERT_FALSE(run_id.empty());
  const std::set<std::string> allowed{fmt::format("hypercopy load {} worker 1", run_id),
                                      fmt::format("hypercopy load {} worker 2", run_id),
                                      fmt::format("hypercopy load {} worker 3", run_id)};
  for (const auto& name : seen("t")) EXPECT_TRUE(allowed.contains(name)) << name;
}

TEST_F(Session, ATableWithoutSchemaIsFoundBySearchPath) {
  const std::string other = schema().substr(0, 50) + "_other";
  server().execute(
      fmt::format("CREATE TABLE t (a int); CREATE SCHEMA {0}; CREATE TABLE {0}.t (a int);"
                  "CREATE TABLE {0}.only_here (a int); CREATE TABLE \"T\" (a int)",
                  other));
  const TestRole role(server(), schema(), {});
  server().execute(
      fmt::format("GRANT ALL ON SCHEMA {0} TO {1}; GRANT ALL ON ALL TABLES IN SCHEMA {0} TO {1};"
                  "ALTER ROLE {1} SET search_path = {0}",
                  other, role.name()));
  const std::string role_dsn = fmt::format("{} user={}", std::getenv("HYPERCOPY_TEST_DSN"), role.name());
  const auto load_into = [&](const std::string& dsn, const std::string& table) {
    return run_program({"load", "-w", "-d", dsn, "-t", table, "-j", "2"}, {.stdin_bytes = "1\n"});
  };
  expect_loaded(load_into(role_dsn, "t"), 1);
  EXPECT_EQ(count(other + ".t"), 1U);
  expect_loaded(load_into(dsn(), "t"), 1);
  EXPECT_EQ(count("t"), 1U);
  expect_loaded(load_into(dsn(), "\"T\""), 1);
  EXPECT_EQ(count("\"T\""), 1U);
  expect_loaded(load_into(dsn(), other + ".T"), 1);
  EXPECT_EQ(count(other + ".t"), 2U);
  expect_refused(load_into(dsn(), "only_here"), 1, other + ".only_here");
  server().execute(fmt::format("SET client_min_messages = warning; DROP SCHEMA {} CASCADE", other));
}

// --- encodings --------------------------------------------------------------------------------------------

struct EncodingCase {
  const char* name;
  std::vector<std::string> arguments;
  Environment environment;
  std::string input;
  std::string expected;
};

TEST_F(Session, EncodingsAreConvertedByTheServer) {
  server().execute("CREATE TABLE t (a text)");
  const std::vector<EncodingCase> cases{
      {"utf8", {}, {}, "\xC3\xA9\n", "\xC3\xA9"},
      {"latin1", {"--encoding", "LATIN1"}, {}, "\xE9\n", "\xC3\xA9"},
      {"spelled as people do", {"--encoding", "iso-8859-1"}, {}, "\xE9\n", "\xC3\xA9"},
      {"win1252", {"--encoding", "WIN1252"}, {}, "\x80\n", "\xE2\x82\xAC"},
      {"euc_jp", {"--encoding", "EUC_JP"}, {}, "\xA4\xA2\n", "\xE3\x81\x82"},
      {"variable", {}, {{"PGCLIENTENCODING", "LATIN9"}}, "\xA4\n", "\xE2\x82\xAC"},
      {"the option wins", {"--encoding", "LATIN1"}, {{"PGCLIENTENCODING", "SJIS"}}, "\xE9\n", "\xC3\xA9"},
  };
  for (const auto& test : cases) {
    for (const char* jobs : {"1", "3"}) {
      SCOPED_TRACE(fmt::format("{} jobs {}", test.name, jobs));
      std::vector<std::string> arguments{"-t", "t", "--truncate", "-j", jobs, "--batch-rows", "1"};
      arguments.insert(arguments.end(), test.arguments.begin(), test.arguments.end());
      expect_loaded(
          load(arguments, {.stdin_bytes = test.input + test.input, .environment = test.environment}), 2);
      EXPECT_EQ(server().value("SELECT string_agg(a, '') FROM t"), test.expected + test.expected);
    }
  }
}

// Names are typed in the shell's encoding, whatever that of the input is; those in a header are the input's.
TEST_F(Session, NamesAreTypedInTheSessionsEncoding) {
  server().execute("CREATE TABLE \"tabl\u00E9\" (a int, \"\u00E9t\u00E9\" text)");
  const std::vector<Texts> cases{
      {"--columns", "a,\u00E9t\u00E9", "--skip-header"},
      {"--header"},
      {"--header", "--column-map", "a:a,\u00E9t\u00E9:\u00E9t\u00E9", "--force-not-null", "\u00E9t\u00E9"},
      {"--columns", "a,\u00E9t\u00E9", "--skip-header", "--null", "\u00FC"},
  };
  for (const auto& test : cases) {
    SCOPED_TRACE(test.back());
    Texts arguments{"-t", "tabl\u00E9", "--encoding", "LATIN1", "--truncate"};
    arguments.insert(arguments.end(), test.begin(), test.end());
    const Outcome run = load(arguments, {.stdin_bytes = "a,\xE9t\xE9\n1,\xE8\n2,\xFC\n"});
    expect_loaded(run, 2);
    EXPECT_TRUE(says(run, schema() + ".tabl\u00E9 in ")) << run.err;
    EXPECT_EQ(server().value("SELECT string_agg(\"\u00E9t\u00E9\", '' ORDER BY a) FROM \"tabl\u00E9\""),
              test.back() == "\u00FC" ? "\u00E8" : "\u00E8\u00FC");
  }
  // A shell in the input's encoding.
  expect_loaded(load({"-t", "tabl\xE9", "--encoding", "LATIN1", "--truncate"}, {.stdin_bytes = "1,\xE8\n"}),
                1);
}

// How money is read: by lc_monetary, as a plain session of the role has it.
TEST_F(Session, MoneyIsReadByTheLocaleOfTheRole) {
  const std::string german = server().value(
      "SELECT max(collname) FROM pg_collation WHERE collprovider = 'c' AND collname ILIKE 'de\\_DE%'");
  if (german.empty()) GTEST_SKIP() << "the server has no German locale: money cannot be read in two ways";
  server().execute("CREATE TABLE judge (m money); CREATE TABLE t (LIKE judge)");
  const TestRole role(server(), schema(), {fmt::format("SET lc_monetary = '{}'", german)});
  const std::string input = "\"1.234,56\"\n\"7,50\"\n";
  const Server plain(dsn_of(role));
  ASSERT_EQ(plain.copy("COPY judge FROM STDIN WITH (FORMAT csv)", input).rows, 2U);
  expect_loaded(load_as(role, {"-t", "t", "-j", "3", "--batch-rows", "1"}, {.stdin_bytes = input}), 2);
  EXPECT_EQ(server().rows_as_text("t"), server().rows_as_text("judge"));
}

TEST_F(Session, EncodingsThatHideDelimitersAreRefused) {
  server().execute("CREATE TABLE t (a text); INSERT INTO t VALUES ('old')");
  for (const char* encoding : {"SJIS", "SHIFT_JIS_2004", "BIG5", "GBK", "UHC", "GB18030", "JOHAB", "sjis",
                               "shiftjis", "Windows949"}) {
    SCOPED_TRACE(encoding);
    const Outcome run = load({"-t", "t", "--truncate", "--encoding", encoding}, {.stdin_bytes = "a\n"});
    expect_refused(run, 2, "iconv -f ");
    EXPECT_EQ(server().rows_as_text("t"), Texts{"(old)"});
  }
  expect_refused(load({"-t", "t"}, {.stdin_bytes = "a\n", .environment = {{"PGCLIENTENCODING", "BIG5"}}}), 2,
                 "iconv -f BIG5");
}

TEST_F(Session, AnUnknownEncodingIsAWrongCommandLine) {
  server().execute("CREATE TABLE t (a text); INSERT INTO t VALUES ('old')");
  const Outcome run = load({"-t", "t", "--truncate", "--encoding", "KLINGON'"}, {.stdin_bytes = "a\n"});
  expect_refused(run, 2, "--encoding KLINGON'");
  EXPECT_EQ(server().rows_as_text("t"), Texts{"(old)"});
}

TEST_F(Session, BytesThatTheEncodingDoesNotHaveNameTheirRecord) {
  server().execute("CREATE TABLE t (a text)");
  const Outcome run = load({"-t", "t", "-j", "1"}, {.stdin_bytes = "a\nb\n\xE9\n"});
  expect_refused(run, 1, "22021");
  EXPECT_TRUE(says(run, "record 3, line 3, byte 4")) << run.err;
}

class DatabaseInLatin1 : public Session {
 protected:
  void SetUp() override {
    Session::SetUp();
    if (IsSkipped()) return;
    server().execute(fmt::format(
        "CREATE DATABASE {} TEMPLATE template0 ENCODING 'LATIN1' LC_COLLATE 'C' LC_CTYPE 'C'", database()));
    latin1_ = std::make_unique<Server>(database_dsn());
  }
  void TearDown() override {
    latin1_.reset();
    if (!schema().empty()) server().execute(fmt::format("DROP DATABASE IF EXISTS {}", database()));
    Session::TearDown();
  }
  [[nodiscard]] std::string database() const { return schema() + "_db"; }
  [[nodiscard]] std::string database_dsn() const {
    return fmt::format("{} dbname={}", std::getenv("HYPERCOPY_TEST_DSN"), database());
  }
  [[nodiscard]] Outcome load_there(std::vector<std::string> arguments, const std::string& input) const {
    arguments.insert(arguments.begin(), {"load", "-w", "-d", database_dsn(), "-j", "2"});
    return run_program(arguments, {.stdin_bytes = input});
  }

  std::unique_ptr<Server> latin1_;
};

TEST_F(DatabaseInLatin1, TakesUtf8) {
  latin1_->execute("SET client_encoding = 'UTF8'");  // alone: a string is decoded as a whole
  latin1_->execute("CREATE TABLE t (\"\xC3\xA9\" text)");
  expect_loaded(load_there({"-t", "t", "--encoding", "UTF8", "--header"}, "\xC3\xA9\n\xC3\xA9t\xC3\xA9\n"),
                1);
  expect_loaded(load_there({"-t", "t", "--header"}, "\xE9\n\xE9t\xE9\n"), 1);  // a session's default
  EXPECT_EQ(latin1_->value("SELECT string_agg(encode(convert_to(t::text, 'LATIN1'), 'hex'), ' ') FROM t"),
            "28e974e929 28e974e929");
  expect_refused(load_there({"-t", "t", "--encoding", "UTF8"}, "a\n\xE2\x82\xAC\n"), 1, "22P05");
}

}  // namespace
}  // namespace hypercopy::test
