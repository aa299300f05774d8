// Names and options that are wrong, hostile or merely unusual: refused before anything is touched, or taken
// for exactly what they are.
#include <fmt/format.h>

#include "support/checked_load.hpp"

namespace hypercopy::test {
namespace {

class BadTarget : public CheckedLoadTest {
 protected:
  const std::string file_ = folder_.file("input.csv", "1,x\n2,y\n");
};

TEST_F(BadTarget, TableThatDoesNotExist) {
  const std::string name = "t_" + schema();  // in no schema of a shared server
  expect_failure(
      run(name, {file_}), 0,
      {"there is no table " + name, "SQLSTATE: 42P01", "It is not in search_path; name it with its schema"});
}

TEST_F(BadTarget, TableOfAnotherCaseIsHinted) {
  server().execute("CREATE TABLE \"Conditions\" (a int, b text)");
  const Checked run = this->run(schema() + ".conditions", {file_});
  expect_failure(run, 0, {fmt::format("There is {}.\"Conditions\".", schema()), "SQLSTATE: 42P01"});
}

TEST_F(BadTarget, TableOfAnotherSchemaIsHinted) {
  server().execute(fmt::format("CREATE TABLE t_of_{} (a int, b text)", schema().substr(0, 40)));
  other_dsn_ = dsn() + " options='-c search_path=pg_catalog'";
  expect_failure(run("t_of_" + schema().substr(0, 40), {file_}), 0,
                 {fmt::format("There is {}.t_of_", schema())});
}

TEST_F(BadTarget, TableOfANearNameIsHinted) {
  server().execute("CREATE TABLE wetterlage (a int, b text); CREATE TABLE wetterlagen_alt (a int)");
  expect_failure(run("weterlage", {file_}), 0,
                 {"there is no table weterlage", "did you mean \"wetterlage\"?"});
  expect_failure(run(schema() + ".wetterlag", {file_}), 0, {"did you mean \"wetterlage\"?"});
  const Checked far = run(schema() + ".klima", {file_});
  EXPECT_TRUE(says_not(far, "did you mean"));
}

TEST_F(BadTarget, SchemaThatDoesNotExist) {
  expect_failure(run("no_such_schema.t", {file_}), 0, {"there is no table no_such_schema.t"});
}

TEST_F(BadTarget, ViewWithoutTrigger) {
  server().execute("CREATE TABLE t (a int, b text); CREATE VIEW v AS SELECT * FROM t");
  expect_failure(
      run("v", {file_}), 0,
      {fmt::format("cannot load into the view {}.v", schema()), "SQLSTATE: 42809", "INSTEAD OF INSERT"});
}

TEST_F(BadTarget, SequenceAndMaterializedView) {
  server().execute("CREATE SEQUENCE s; CREATE MATERIALIZED VIEW m AS SELECT 1 AS a, 'x' AS b");
  rows_before_ = 1;
  for (const char* const name : {"s", "m"})
    expect_failure(run(name, {file_}), 0, {"is not a table", "SQLSTATE: 42809"});
}

TEST_F(BadTarget, NoPrivilegeToInsert) {
  server().execute(
      fmt::format("CREATE TABLE t (a int, b text); CREATE ROLE {0}_reader LOGIN; "
                  "GRANT USAGE ON SCHEMA {0} TO {0}_reader; GRANT SELECT ON t TO {0}_reader",
                  schema()));
  other_dsn_ = fmt::format("{} user={}_reader", dsn(), schema());
  const Checked run = this->run("t", {file_});
  server().execute(fmt::format("DROP OWNED BY {0}_reader; DROP ROLE {0}_reader", schema()));
  expect_failure(run, 0, {"permission denied for table t", "SQLSTATE: 42501"});
}

// As one COPY of it would be.
TEST_F(BadTarget, AnEmptyInputNeedsThePrivilegeToInsert) {
  server().execute(
      fmt::format("CREATE TABLE t (a int, b text); CREATE ROLE {0}_reader LOGIN; "
                  "GRANT USAGE ON SCHEMA {0} TO {0}_reader; GRANT SELECT ON t TO {0}_reader",
                  schema()));
  other_dsn_ = fmt::format("{} user={}_reader", dsn(), schema());
  const std::string empty = folder_.file("empty.csv", "");
  const std::string header = folder_.file("header.csv", "a\n");
  std::vector<Checked> runs;
  runs.push_back(run("t", {empty}));
  runs.push_back(run("t", {"-j", "4", empty, empty}));
  runs.push_back(run("t", {"-1", empty}));
  runs.push_back(run("t", {"--header", empty, header}));
  server().execute(fmt::format("DROP OWNED BY {0}_reader; DROP ROLE {0}_reader", schema()));
  for (const Checked& run : runs)
    expect_failure(run, 0, {"permission denied for table t", "SQLSTATE: 42501"});
}

TEST_F(BadTarget, NamesWithQuotesSpacesUpperCaseAndUnicode) {
  const std::string other = fmt::format("\"Söme \"\"schema\"\" {}\"", schema().substr(0, 30));
  server().execute(fmt::format(R"(CREATE SCHEMA {0}; CREATE TABLE {0}."Tä""ble, ; 数" (
      "a ""quoted"" one" int, "Upper" int, "größe, 数; --" text, "select" text))",
                               other));
  const std::string table = other + R"(."Tä""ble, ; 数")";
  const std::string by_header =
      folder_.file("header.csv", "\"größe, 数; --\",Upper,select,\"a \"\"quoted\"\" one\"\nx,2,y,1\n");
  expect_success(run(table, {"--header", by_header}), 1);
  server().execute("TRUNCATE " + table);
  const std::string plain = folder_.file("plain.csv", "x,2,y,1\n");
  expect_success(run(table, {"--columns", R"("größe, 数; --","Upper",select,"a ""quoted"" one")", plain}), 1);
  server().execute("TRUNCATE " + table);
  const std::string mapped = folder_.file("mapped.csv", "p,q,r,s\nx,2,y,1\n");
  expect_success(
      run(table, {"--column-map",
                  R"({"p": "größe, 数; --", "q": "Upper", "r": "select", "s": "a \"quoted\" one"})", mapped}),
      1);
  server().execute("TRUNCATE " + table);
  const std::string bad = folder_.file("bad.csv", "1,two,x,y\n");
  expect_failure(run(table, {bad}), 0, {"SQLSTATE: 22P02", "column: Upper"});
  server().execute(fmt::format("SET client_min_messages = warning; DROP SCHEMA {} CASCADE", other));
}

struct WrongOption {
  const char* name;
  std::vector<std::string> arguments;
  const char* said;
};

class WrongOptions : public CheckedLoadTest, public ::testing::WithParamInterface<WrongOption> {};

TEST_P(WrongOptions, ExitTwoAndNothingIsTouched) {
  server().execute("CREATE TABLE t (a int, b text)");
  std::vector<std::string> arguments = GetParam().arguments;
  arguments.insert(arguments.end(), {"-t", "t", folder_.file("input.csv", "1,x\n")});
  const Outcome run = load(arguments);
  EXPECT_EQ(run.exit_code, 2) << run.err;
  EXPECT_EQ(run.out, "");
  EXPECT_NE(run.err.find(GetParam().said), std::string::npos) << run.err;
  EXPECT_EQ(count("t"), 0U);
}

INSTANTIATE_TEST_SUITE_P(
    Options, WrongOptions,
    ::testing::Values(
        WrongOption{"two_byte_delimiter", {"--delimiter", "ab"}, "--delimiter must be one byte, not \"ab\""},
        WrongOption{"unicode_delimiter", {"--delimiter", "§"}, "--delimiter must be one byte"},
        WrongOption{"high_byte_delimiter", {"--delimiter", "\\xA7"}, "single one-byte character"},
        WrongOption{"newline_delimiter", {"--delimiter", "\n"}, "cannot be newline"},
        WrongOption{"nul_delimiter", {"--delimiter", "\\x00"}, "cannot be a NUL byte"},
        WrongOption{
            "delimiter_is_quote", {"--delimiter", "\""}, "COPY delimiter and quote must be different"},
        WrongOption{"quote_is_delimiter", {"--quote", ","}, "COPY delimiter and quote must be different"},
        WrongOption{"two_byte_quote", {"--quote", "''"}, "--quote must be one byte"},
        WrongOption{"two_byte_escape", {"--escape", "\\\\\\"}, "--escape must be one byte"},
        WrongOption{"delimiter_in_null", {"--null", "a,b"}, "must not appear in the NULL specification"},
        WrongOption{"newline_in_null", {"--null", "\n"}, "cannot use newline"},
        WrongOption{"quote_in_text", {"--format", "text", "--quote", "'"}, "are for --format csv only"},
        WrongOption{"letter_delimiter_in_text", {"--format", "text", "--delimiter", "n"}, "cannot be \"n\""},
        WrongOption{"unknown_format", {"--format", "xml"}, "--format"},
        WrongOption{"unknown_option", {"--no-such-option"}, "--no-such-option"},
        WrongOption{"no_workers", {"-j", "0"}, "-j"},
        WrongOption{"column_twice", {"--columns", "a,a"}, "column \"a\" is named twice"},
        WrongOption{"header_and_skip", {"--header", "--skip-header"}, "exclude each other"},
        WrongOption{"open_quote_in_columns", {"--columns", "\"a"}, "a double quote is not closed"}),
    [](const auto& test) { return std::string(test.param.name); });

TEST_F(BadTarget, BothSpellingsOfATabMeanATab) {
  server().execute("CREATE TABLE t (a int, b text)");
  const std::string tabs = folder_.file("tabs.csv", "1\tx,\n2\ty\n");
  for (const char* const spelling : {"\\t", "\t", "\\x09"}) {
    server().execute("TRUNCATE t");
    expect_success(run("t", {"--delimiter", spelling, tabs}), 2);
    EXPECT_EQ(server().rows_as_text("t"), (std::vector<std::string>{"(1,\"x,\")", "(2,y)"}));
  }
}

// Each attempt closes what it is put into and adds a statement, or a clause, of its own.
class Injection : public CheckedLoadTest {
 protected:
  void SetUp() override {
    CheckedLoadTest::SetUp();
    if (IsSkipped()) return;
    server().execute(
        "CREATE TABLE canary (a int); INSERT INTO canary VALUES (1); CREATE TABLE t (a text, b text)");
  }
  // No attempt has run: neither in the canary nor by a program or a file of the server.
  void expect_canary_alive(const Outcome& run) {
    EXPECT_FALSE(run.timed_out);
    EXPECT_NE(run.exit_code, 4) << run.err;
    EXPECT_EQ(
        server().value("SELECT to_regclass('canary') IS NOT NULL AND (SELECT count(*) = 1 FROM canary)"), "t")
        << run.err;
    EXPECT_EQ(server().value("SELECT to_regclass('planted') IS NULL"), "t") << run.err;
  }
  [[nodiscard]] static const std::vector<std::string>& attempts() {
    static const std::vector<std::string> all{
        "t; DROP TABLE canary; --",
        "t\"; DROP TABLE canary; --",
        "\"t\"; DROP TABLE canary; --\"",
        "a\"); DELETE FROM canary; --",
        "\"a\"\") FROM STDIN; DROP TABLE canary; --\"",
        "'; DROP TABLE canary; --",
        "\\'; DROP TABLE canary; --",
        "E'\\'; DELETE FROM canary; --",
        "$$; CREATE TABLE planted (); --",
        "x') ; CREATE TABLE planted (); --",
        "a) FROM PROGRAM 'true' --",
        "b = 'x'); DELETE FROM canary; SELECT ('1'",
    };
    return all;
  }
};

TEST_F(Injection, ThroughOptionsOfLoad) {
  const std::string file = folder_.file("input.csv", "1,x\n");
  for (const std::string option :
       {"--table", "--columns", "--column-map", "--null", "--delimiter", "--quote", "--escape", "--encoding",
        "--force-null", "--force-not-null", "--format", "--limit", "--batch-rows", "--report"}) {
    for (const auto& attempt : attempts()) {
      SCOPED_TRACE(option + " " + attempt);
      std::vector<std::string> arguments{"-j", "1"};
      if (option != "--table") arguments.insert(arguments.end(), {"-t", "t"});
      const std::string value = option == "--report" ? folder_.path() + "/" + attempt : attempt;
      arguments.insert(arguments.end(), {option, value, file});
      const Outcome run = load(arguments);
      expect_canary_alive(run);
      // Only a spelling of NULL and a file name may be anything.
      const bool may_pass = option == "--null" || option == "--report";
      EXPECT_TRUE(may_pass || run.exit_code != 0) << run.err;
    }
  }
}

TEST_F(Injection, ThroughTheValueOfAColumnMap) {
  const std::string file = folder_.file("input.csv", "p,q\n1,x\n");
  for (const auto& attempt : attempts()) {
    SCOPED_TRACE(attempt);
    const nlohmann::json map{{"p", attempt}, {"q", "b"}};
    const Outcome run = load({"-t", "t", "--column-map", map.dump(), file});
    expect_canary_alive(run);
    EXPECT_EQ(run.exit_code, 1) << run.err;
    EXPECT_NE(run.err.find("has no column"), std::string::npos) << run.err;
  }
}

TEST_F(Injection, ThroughTheHeader) {
  for (const auto& attempt : attempts()) {
    SCOPED_TRACE(attempt);
    std::string quoted = "\"";
    for (const char byte : attempt) quoted += byte == '"' ? std::string("\"\"") : std::string(1, byte);
    const Outcome run = load({"-t", "t", "--header", folder_.file("input.csv", quoted + "\",b\n1,x\n")});
    expect_canary_alive(run);
    EXPECT_EQ(run.exit_code, 1) << run.err;
    EXPECT_NE(run.err.find("has no column"), std::string::npos) << run.err;
  }
}

TEST_F(Injection, ThroughTheDataAndTheFileName) {
  std::string data;
  for (const auto& attempt : attempts()) {
    data += '"';
    for (const char byte : attempt) data += byte == '"' ? std::string("\"\"") : std::string(1, byte);
    data += "\",x\n";
  }
  const Outcome run = load({"-t", "t", folder_.file("'; DROP TABLE canary; --.csv", data)});
  expect_canary_alive(run);
  EXPECT_EQ(run.out, fmt::format("COPY {}\n", attempts().size()));
}

// A table and columns whose very names are attempts can be loaded.
TEST_F(Injection, ThroughNamesThatExist) {
  server().execute(R"(CREATE TABLE "t""; DROP TABLE canary; --" ("a"") FROM STDIN; DROP TABLE canary; --" int,
                   "'; DELETE FROM canary; --" text))");
  const std::string table = R"("t""; DROP TABLE canary; --")";
  const std::string columns = R"("'; DELETE FROM canary; --","a"") FROM STDIN; DROP TABLE canary; --")";
  const Outcome run =
      load({"-t", table, "--columns", columns, "--force-not-null", R"("'; DELETE FROM canary; --")",
            "--truncate", folder_.file("input.csv", "x,1\n")});
  expect_canary_alive(run);
  EXPECT_EQ(run.exit_code, 0) << run.err;
  EXPECT_EQ(count(table), 1U);
}

TEST_F(Injection, ThroughFlagsOfTheDropIn) {
  const std::string file = folder_.file("input.csv", "1,x\n");
  for (const std::string flag :
       {"-table", "-schema", "-columns", "-copy-options", "-split", "-quote", "-escape", "-column-mapping"}) {
    std::vector<std::string> values = attempts();
    for (const auto& attempt : attempts()) values.push_back("CSV WHERE " + attempt);
    for (const char* const value :
         {"CSV ENCODING 'UTF8'; DROP TABLE canary", "CSV NULL ''); DROP TABLE canary; --",
          "CSV FORCE NULL a\"); DROP TABLE canary", "CSV WHERE true) ; DROP TABLE canary; --",
          "CSV WHERE (SELECT count(*) FROM canary) = 0", "CSV WHERE true) FROM PROGRAM ('true'",
          "CSV DELIMITER E'\\'; DROP TABLE canary; --'"}) {
      values.emplace_back(value);
    }
    for (const auto& value : values) {
      SCOPED_TRACE(flag + " " + value);
      std::vector<std::string> arguments;
      if (flag != "-table") arguments = {"-table", "t"};
      arguments.insert(arguments.end(), {flag, value, "-file", file});
      const Outcome run = drop_in(arguments);
      expect_canary_alive(run);
      EXPECT_NE(run.exit_code, 0) << run.err;
    }
  }
}

}  // namespace
}  // namespace hypercopy::test
