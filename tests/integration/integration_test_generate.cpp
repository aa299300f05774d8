// `hypercopy generate`: every shape fits the table of --schema, is loaded as COPY BINARY with nothing given up,
// gives the rows that one COPY of the file by the server gives, and comes out of COPY TO as it went in.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>
#include <sstream>

#include "hypercopy/generate.hpp"
#include "support/server.hpp"

namespace hypercopy::test {
namespace {

constexpr std::uint64_t kRows = 4000;

class GenerateTest : public ServerTest, public ::testing::WithParamInterface<DataShape> {
 protected:
  [[nodiscard]] static std::string shape() { return std::string(to_string(GetParam())); }

  [[nodiscard]] std::string make_file() const {
    const std::string path = folder_.path() + "/generated.csv";
    const Outcome run =
        run_program({"generate", shape(), "--rows", std::to_string(kRows), "--interval", "600", "-o", path});
    EXPECT_EQ(run.exit_code, 0) << run.err;
    return path;
  }
  void make_table(const std::string& name) const {
    const Outcome run = run_program({"generate", shape(), "--schema", name});
    ASSERT_EQ(run.exit_code, 0) << run.err;
    server().execute(run.out);
  }
  [[nodiscard]] static std::string content(const std::string& path) {
    std::ostringstream text;
    text << std::ifstream(path, std::ios::binary).rdbuf();
    return text.str();
  }
  // The table as COPY TO writes it.
  [[nodiscard]] std::string copied_out(const std::string& table) const {
    server().execute("SET timezone TO 'UTC'; SET datestyle TO 'ISO'; SET intervalstyle TO 'postgres'");
    PGconn* const connection = server().handle();
    PQclear(PQexec(connection, fmt::format("COPY {} TO STDOUT (FORMAT csv)", table).c_str()));
    std::string text;
    char* line = nullptr;
    for (int size = PQgetCopyData(connection, &line, 0); size > 0;
         size = PQgetCopyData(connection, &line, 0)) {
      text.append(line, static_cast<std::size_t>(size));
      PQfreemem(line);
    }
    PQclear(PQgetResult(connection));
    while (PGresult* const rest = PQgetResult(connection)) PQclear(rest);
    return text;
  }
  // Rows may lie in another order than they came, so lines are compared as a multiset.
  [[nodiscard]] static std::vector<std::string> sorted_lines(const std::string& text) {
    std::vector<std::string> lines;
    std::istringstream stream(text);
    for (std::string line; std::getline(stream, line);) lines.push_back(line);
    std::sort(lines.begin(), lines.end());
    return lines;
  }
  // Count and checksum of the rows as text, whatever their order.
  [[nodiscard]] std::string checksum(const std::string& table) const {
    return server().value(fmt::format(
        "SELECT count(*) || ' ' || coalesce(sum(hashtextextended(t::text, 0)::numeric), 0) FROM {} t",
        table));
  }
  void expect_loaded_alike(const std::string& table, const std::string& file, const std::string& wire) const {
    const Outcome run = load({"-t", table, "-j", "2", "--batch-bytes", "256KB", "--wire", wire, file});
    ASSERT_EQ(run.exit_code, 0) << wire << ": " << run.err;
    EXPECT_EQ(run.out, fmt::format("COPY {}\n", kRows));
    EXPECT_EQ(checksum(table), checksum("judge")) << wire;
  }
};

TEST_P(GenerateTest, LoadsByEveryWireAsOneCopyDoes) {
  const std::string file = make_file();
  make_table("judge");
  const CopyOutcome judge = server().copy("COPY judge FROM STDIN (FORMAT csv)", content(file));
  ASSERT_EQ(judge.rows, kRows) << judge.message;
  EXPECT_TRUE(sorted_lines(copied_out("judge")) == sorted_lines(content(file)));
  for (const char* wire : {"binary", "csv"}) {
    make_table(fmt::format("loaded_{}", wire));
    expect_loaded_alike(fmt::format("loaded_{}", wire), file, wire);
  }
}

TEST_P(GenerateTest, LoadsIntoAHypertable) {
  if (!has_timescale()) return;
  const std::string file = make_file();
  make_table("judge");
  ASSERT_EQ(server().copy("COPY judge FROM STDIN (FORMAT csv)", content(file)).rows, kRows);
  make_table("loaded");
  server().execute(
      "SELECT create_hypertable('loaded', 'time', chunk_time_interval => (SELECT (max(time) - min(time)) / 3 "
      "FROM judge))");
  expect_loaded_alike("loaded", file, "binary");
  EXPECT_GE(std::stoi(server().value("SELECT count(*) FROM show_chunks('loaded')")), 3);
}

INSTANTIATE_TEST_SUITE_P(Shapes, GenerateTest, ::testing::ValuesIn(kShapes),
                         [](const auto& test) { return std::string(to_string(test.param)); });

}  // namespace
}  // namespace hypercopy::test
