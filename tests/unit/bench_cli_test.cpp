// The command line of `hypercopy bench`.
#include "bench_cli.hpp"

#include <gtest/gtest.h>

#include "load_cli.hpp"

namespace hypercopy {
namespace {

using Words = std::vector<std::string>;

constexpr std::size_t kMegabyte = std::size_t{1} << 20;

// Of `hypercopy bench -t t <words> f.csv`; fails the test where it is refused.
BenchCommand command_of(const Words& words) {
  Words all{"bench", "-t", "t"};
  all.insert(all.end(), words.begin(), words.end());
  all.emplace_back("f.csv");
  auto parsed = parse_command_line(all);
  if (const auto* exit = std::get_if<CommandExit>(&parsed)) {
    ADD_FAILURE() << "exit " << exit->code << ": " << exit->err;
    return {};
  }
  return std::get<BenchCommand>(std::get<Command>(parsed));
}

TEST(BenchCli, DefaultsAreUseful) {
  const BenchOptions options = command_of({}).options;
  EXPECT_EQ(options.load.table.name, "t");
  EXPECT_EQ(options.load.files, (Words{"f.csv"}));
  EXPECT_GE(options.grid.workers.size(), 3U);
  EXPECT_EQ(options.grid.workers.front(), 1U);
  EXPECT_EQ(options.grid.batch_bytes, (std::vector<std::size_t>{kMegabyte, 4 * kMegabyte, 16 * kMegabyte}));
  EXPECT_EQ(options.grid.wires, (std::vector<Wire>{Wire::automatic}));
  EXPECT_EQ(options.grid.indexes, (std::vector<BenchIndexes>{BenchIndexes::keep}));
  EXPECT_EQ(options.rounds, 3U);
  EXPECT_EQ(options.budget, std::chrono::minutes(5));
  EXPECT_TRUE(options.checkpoint);
  EXPECT_FALSE(options.scratch);
  EXPECT_FALSE(command_of({}).json);
}

TEST(BenchCli, ListsAndFlags) {
  const BenchCommand command =
      command_of({"--workers", "1,3", "--batch-bytes", "512KB,2MB", "--wire", "csv,auto,binary", "--indexes",
                  "none,keep", "--rounds", "5", "--minutes", "0.5", "--scratch", "s.\"My T\"",
                  "--no-checkpoint", "--json", "--header", "--limit", "7"});
  const BenchOptions& options = command.options;
  EXPECT_EQ(options.grid.workers, (std::vector<unsigned>{1, 3}));
  EXPECT_EQ(options.grid.batch_bytes, (std::vector<std::size_t>{512 * 1024, 2 * kMegabyte}));
  EXPECT_EQ(options.grid.wires, (std::vector<Wire>{Wire::csv, Wire::automatic, Wire::binary}));
  EXPECT_EQ(options.grid.indexes, (std::vector<BenchIndexes>{BenchIndexes::none, BenchIndexes::keep}));
  EXPECT_EQ(options.rounds, 5U);
  EXPECT_EQ(options.budget, std::chrono::seconds(30));
  ASSERT_TRUE(options.scratch);
  EXPECT_EQ(options.scratch->schema, "s");
  EXPECT_EQ(options.scratch->name, "My T");
  EXPECT_FALSE(options.checkpoint);
  EXPECT_TRUE(command.json);
  EXPECT_EQ(options.load.header, Header::match);
  EXPECT_EQ(options.load.limit_records, 7U);
}

struct RefusedCase {
  const char* name;
  Words words;
  const char* says;
};

class BenchCliRefuses : public ::testing::TestWithParam<RefusedCase> {};

TEST_P(BenchCliRefuses, WithAReason) {
  Words words{"bench"};
  words.insert(words.end(), GetParam().words.begin(), GetParam().words.end());
  const auto parsed = parse_command_line(words);
  const auto* exit = std::get_if<CommandExit>(&parsed);
  ASSERT_NE(exit, nullptr);
  EXPECT_EQ(exit->code, 2);
  EXPECT_NE(exit->err.find(GetParam().says), std::string::npos) << exit->err;
}

INSTANTIATE_TEST_SUITE_P(
    Cases, BenchCliRefuses,
    ::testing::Values(
        RefusedCase{"no_file", {"-t", "t"}, "standard input can be read only once"},
        RefusedCase{"no_table", {"f.csv"}, "--table"},
        RefusedCase{
            "no_workers", {"-t", "t", "--workers", "0", "f"}, "--workers: \"0\" is not a number from 1"},
        RefusedCase{"empty_in_list", {"-t", "t", "--workers", "1,", "f"}, "--workers: \"\" is not"},
        RefusedCase{"workers_word", {"-t", "t", "--workers", "2x", "f"}, "--workers: \"2x\""},
        RefusedCase{"negative_size", {"-t", "t", "--batch-bytes=-4MB", "f"}, "--batch-bytes: \"-4MB\""},
        RefusedCase{"tiny_size", {"-t", "t", "--batch-bytes", "1", "f"}, "--batch-bytes: \"1\""},
        RefusedCase{"size_word", {"-t", "t", "--batch-bytes", "4XB", "f"}, "--batch-bytes: \"4XB\""},
        RefusedCase{"wire", {"-t", "t", "--wire", "auto,text", "f"}, "--wire: \"text\" is none of"},
        RefusedCase{"indexes", {"-t", "t", "--indexes", "drop", "f"}, "--indexes: \"drop\" is none of"},
        RefusedCase{"no_rounds", {"-t", "t", "--rounds", "0", "f"}, "--rounds"},
        RefusedCase{"scratch", {"-t", "t", "--scratch", "a.b.c", "f"}, "a.b.c"},
        RefusedCase{"truncate_is_for_load", {"-t", "t", "--truncate", "f"}, "--truncate"}),
    [](const auto& test) { return std::string(test.param.name); });

TEST(BenchCli, CommandHasTheOptionsOfALoad) {
  EXPECT_EQ(command_of({"-d", "mydb", "-p5433", "-w", "--header", "--delimiter", ";", "--limit", "5",
                        "--rounds", "2", "--json", "-v"})
                .options.command,
            (Words{"-d", "mydb", "-p", "5433", "-w", "--delimiter", ";", "--header", "-t", "t"}));
}

struct SecretCase {
  const char* name;
  const char* dbname;
  const char* expected;
};

class BenchCliSecrets : public ::testing::TestWithParam<SecretCase> {};

TEST_P(BenchCliSecrets, AreNotInTheCommand) {
  EXPECT_EQ(command_of({"-d", GetParam().dbname}).options.command,
            (Words{"-d", GetParam().expected, "-t", "t"}));
}

INSTANTIATE_TEST_SUITE_P(
    Cases, BenchCliSecrets,
    ::testing::Values(SecretCase{"name", "my db", "my db"},
                      SecretCase{"uri_without", "postgresql://u@h:5433/d", "postgresql://u@h:5433/d"},
                      SecretCase{"uri", "postgresql://u:geheim@h:5433/d", "user=u dbname=d host=h port=5433"},
                      SecretCase{"uri_parameter", "postgres://u@h/d?password=geheim",
                                 "user=u dbname=d host=h"},
                      SecretCase{"keywords", "host=h password='ge heim' dbname=d", "dbname=d host=h"},
                      SecretCase{"ssl_key", "host=h sslpassword=geheim", "host=h"},
                      SecretCase{"quoted", "dbname='it\\'s d' password=geheim", "dbname='it\\'s d'"},
                      SecretCase{"unparsable", "host=h password='geheim", ""}),
    [](const auto& test) { return std::string(test.param.name); });

}  // namespace
}  // namespace hypercopy
