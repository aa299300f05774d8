// ALTER TABLE while a load runs: values that were encoded for another type never reach the table, and no row one that has
// taken its name.
#include <fmt/format.h>

#include "support/checked_load.hpp"
#include "support/open_pipe.hpp"

namespace hypercopy::test {
namespace {

struct Way {
  const char* name;
  std::vector<std::string> options;
  bool is_import = false;
};

class ColumnTypesWhileLoading : public CheckedLoadTest, public ::testing::WithParamInterface<Way> {
 protected:
  // Ten records a batch; the first is committed before `change`, the second sent behind it.
  Checked load_across(const std::string& change, const std::string& holds_rows = "t") {
    server().execute("CREATE TABLE t (a int PRIMARY KEY, b int, c text)");
    const std::string path = folder_.path() + "/pipe.csv";
    const OpenPipe pipe(path);
    std::vector<std::string> words{"-j", "1", "--batch-rows", "10", "--limit", "20"};
    words.insert(words.end(), GetParam().options.begin(), GetParam().options.end());
    if (GetParam().is_import) words.insert(words.end(), {"--import-id", schema()});
    words.push_back(path);
    const auto process = start("t", words);
    pipe.write(records(1, 15));
    await("SELECT count(*) = 10 FROM t");
    server().execute(change);
    pipe.write(records(16, 25));
    return finish(*process, holds_rows);
  }
  [[nodiscard]] static std::string records(int from, int to) {
    std::string bytes;
    for (int number = from; number <= to; ++number) bytes += fmt::format("{0},{0},x\n", number);
    return bytes;
  }
};

// An integer is as wide as a real: the server takes one for the other.
TEST_P(ColumnTypesWhileLoading, OfTheSameWidth) {
  const Checked run = load_across("ALTER TABLE t ALTER b TYPE real");
  expect_failure(run, 10, {"the type of a column was changed while records were encoded for the one it had"});
  EXPECT_EQ(server().value("SELECT count(*) FROM t WHERE a = b"), "10");
}

TEST_P(ColumnTypesWhileLoading, AnotherColumnComesAndGoes) {
  const Checked run = load_across("ALTER TABLE t ADD d int; ALTER TABLE t ADD e real; ALTER TABLE t DROP e");
  expect_success(run, 20);
  EXPECT_EQ(server().value("SELECT count(*) FROM t WHERE a = b"), "20");
}

// COPY goes by the name.
TEST_P(ColumnTypesWhileLoading, TheNameMeansAnotherTable) {
  const Checked run = load_across(
      "BEGIN; ALTER TABLE t RENAME TO former; CREATE TABLE t (LIKE former INCLUDING ALL); COMMIT", "former");
  expect_failure(run, 10, {"the target was renamed or dropped"});
  EXPECT_EQ(server().value("SELECT count(*) FROM t"), "0");
}

INSTANTIATE_TEST_SUITE_P(Ways, ColumnTypesWhileLoading,
                         ::testing::Values(Way{"Plain", {}}, Way{"Reject", {"--on-error", "reject"}},
                                           Way{"Conflict", {"--on-conflict", "nothing"}},
                                           Way{"ImportId", {}, /*is_import=*/true}),
                         [](const auto& way) { return std::string(way.param.name); });

}  // namespace
}  // namespace hypercopy::test
