// Every file of datasets/traps, loaded by the program as the table below says, beside one COPY of the whole
// file on the same server: where both load it, the rows are equal as text. A file without a line in the table
// fails the test, so that datasets/README.md cannot fall behind the folder.
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <set>

#include "support/server.hpp"

namespace hypercopy::test {
namespace {

constexpr int kPlainMarkerVersion = 180000;  // from here on a line \. in CSV is data

enum class Servers { all, before_18, since_18 };

struct Trap {
  const char* file;
  std::vector<std::string> flags;  // of hypercopy load
  const char* copy;                // what stands between the table's name and FROM STDIN, then the options
  int exit_code;
  std::uint64_t rows;                      // in the table, when the exit code is 0
  const char* message;                     // part of stderr, or ""
  std::optional<std::uint64_t> copy_rows;  // of one COPY; nothing: it refuses
  Servers servers = Servers::all;
};

constexpr std::optional<std::uint64_t> kRefused{};
constexpr const char* kCsv = "FROM STDIN (FORMAT csv)";
constexpr const char* kText = "FROM STDIN (FORMAT text)";
constexpr const char* kNameCsv = "(name) FROM STDIN (FORMAT csv)";
constexpr const char* kHeaderCsv = "FROM STDIN (FORMAT csv, HEADER)";

const std::vector<Trap>& traps() {
  static const std::vector<Trap> all{
      // Newlines.
      {"quoted-newline.csv", {}, kCsv, 0, 2, "", 2},
      {"quoted-crlf.csv", {}, kCsv, 0, 2, "", 2},
      {"crlf.csv", {}, kCsv, 0, 2, "", 2},
      {"cr.csv", {}, kCsv, 0, 2, "", 2},
      {"no-final-newline.csv", {}, kCsv, 0, 2, "", 2},
      {"mixed-newlines.csv", {}, kCsv, 1, 0, "unquoted carriage return found in data", kRefused},
      {"lone-cr-at-end.csv", {}, kCsv, 1, 0, "unquoted carriage return found in data", kRefused},
      {"escaped-newline.tsv", {"--format", "text"}, kText, 0, 2, "", 2},

      // Quotes and escapes.
      {"doubled-quote.csv", {}, kCsv, 0, 3, "", 3},
      {"quote-mid-field.csv", {}, kCsv, 0, 2, "", 2},
      {"open-quote.csv", {}, kCsv, 1, 0, "record 2, line 2, byte 6", kRefused},
      {"escape-backslash.csv", {"--escape", "\\"}, "FROM STDIN (FORMAT csv, ESCAPE E'\\\\')", 0, 2, "", 2},
      {"text-format.tsv", {"--format", "text"}, kText, 0, 3, "", 3},

      // The line \. that ends COPY's data.
      {"end-marker-end.csv", {}, kCsv, 0, 2, "", 2, Servers::before_18},
      {"end-marker-end.csv", {}, kCsv, 1, 0, "record 3, line 3", kRefused, Servers::since_18},
      {"end-marker-middle.csv",
       {"--columns", "name"},
       kNameCsv,
       1,
       0,
       "marker \\. ends the data here",
       1,
       Servers::before_18},
      {"end-marker-middle.csv", {"--columns", "name"}, kNameCsv, 0, 3, "", 3, Servers::since_18},
      {"end-marker-quoted.csv", {}, kCsv, 0, 2, "", 2},
      {"end-marker-middle.tsv", {"--format", "text"}, kText, 1, 0, "marker \\. ends the data here", 1},
      {"end-marker-behind-data.tsv",
       {"--format", "text"},
       kText,
       1,
       0,
       "record 2, line 2, byte 7",
       2,
       Servers::before_18},
      {"end-marker-behind-data.tsv",
       {"--format", "text"},
       kText,
       1,
       0,
       "end-of-copy marker is not alone on its line",
       kRefused,
       Servers::since_18},

      // The beginning of a file.
      {"bom.csv", {}, kCsv, 0, 2, "byte order mark was dropped", kRefused},
      {"bom.csv", {"--keep-bom"}, kCsv, 1, 0, "record 1, line 1", kRefused},
      {"bom-header.csv", {"--header"}, kHeaderCsv, 0, 2, "byte order mark was dropped", 2},
      {"gzip.csv.gz", {}, kCsv, 1, 0, "is gzip-compressed", kRefused},
      {"empty.csv", {}, kCsv, 0, 0, "", 0},
      {"empty.csv", {"--header"}, kHeaderCsv, 0, 0, "is empty", 0},
      {"header-only.csv", {"--header"}, kHeaderCsv, 0, 0, "", 0},
      {"header-reordered.csv", {"--header"}, "(name, id) FROM STDIN (FORMAT csv, HEADER)", 0, 2, "", 2},
      {"header-unknown-name.csv", {"--header"}, kHeaderCsv, 1, 0, "nmae", 1},
      {"header-name-twice.csv", {"--header"}, kHeaderCsv, 1, 0, "id", kRefused},
      {"multi-line-header.csv", {"--skip-header"}, kHeaderCsv, 0, 2, "", 2},
      {"multi-line-header.csv",
       {"--column-map", R"({"id": "id", "name of\nthe thing": "name"})"},
       kHeaderCsv,
       0,
       2,
       "",
       2},
      {"generated-column-backup.csv", {"--header"}, kHeaderCsv, 0, 2, "shout", kRefused},

      // Fields.
      {"too-few-columns.csv", {}, kCsv, 1, 0, "record 2, line 2", kRefused},
      {"too-many-columns.csv", {}, kCsv, 1, 0, "record 2, line 2", kRefused},
      {"empty-line.csv", {}, kCsv, 1, 0, "record 2, line 2", kRefused},
      {"empty-line-one-column.csv", {"--columns", "name"}, kNameCsv, 0, 3, "", 3},
      {"null-or-empty.csv", {}, kCsv, 0, 2, "", 2},
      {"blanks-around-fields.csv", {}, kCsv, 0, 2, "", 2},
      {"wrong-type-last-row.csv", {}, kCsv, 1, 0, "record 3, line 3, byte 8", kRefused},
      {"quoted-newline-before-error.csv", {}, kCsv, 1, 0, "record 3, line 4, byte 18", kRefused},

      // Bytes.
      {"nul-byte.csv", {}, kCsv, 1, 0, "record 2, line 2", kRefused},
      {"latin1.csv", {}, kCsv, 1, 0, "record 1, line 1", kRefused},
      {"latin1.csv", {"--encoding", "LATIN1"}, "FROM STDIN (FORMAT csv, ENCODING 'LATIN1')", 0, 1, "", 1},
  };
  return all;
}

std::filesystem::path folder() { return std::filesystem::path(HYPERCOPY_DATASETS) / "traps"; }

std::string read(const std::string& file) {
  std::ifstream stream(folder() / file, std::ios::binary);
  return {std::istreambuf_iterator<char>(stream), std::istreambuf_iterator<char>()};
}

class Datasets : public ServerTest {
 protected:
  [[nodiscard]] bool applies(const Trap& trap) const {
    const bool plain_marker = server().version() >= kPlainMarkerVersion;
    return trap.servers == Servers::all || (trap.servers == Servers::since_18) == plain_marker;
  }

  // Fresh tables; a backup of all columns needs one with a generated column.
  void make_tables(const Trap& trap) const {
    const bool generated = std::string_view(trap.file).starts_with("generated-column");
    for (const char* table : {"loaded", "copied"}) {
      server().execute(fmt::format("DROP TABLE IF EXISTS {0}; CREATE TABLE {0} (id int, name text{1})", table,
                                   generated ? ", shout text GENERATED ALWAYS AS (upper(name)) STORED" : ""));
    }
  }

  void check(const Trap& trap, const std::vector<std::string>& more_flags) const {
    make_tables(trap);
    std::vector<std::string> arguments{"-t", "loaded", (folder() / trap.file).string()};
    arguments.insert(arguments.end(), trap.flags.begin(), trap.flags.end());
    arguments.insert(arguments.end(), more_flags.begin(), more_flags.end());
    const Outcome outcome = load(arguments);
    EXPECT_EQ(outcome.exit_code, trap.exit_code) << outcome.err;
    EXPECT_NE(outcome.err.find(trap.message), std::string::npos) << outcome.err;
    EXPECT_EQ(outcome.out, trap.exit_code == 0 ? fmt::format("COPY {}\n", trap.rows) : "");

    const CopyOutcome copied = server().copy(fmt::format("COPY copied {}", trap.copy), read(trap.file));
    EXPECT_EQ(copied.rows, trap.copy_rows) << copied.message;
    if (trap.exit_code != 0) return;
    EXPECT_EQ(count("loaded"), trap.rows);
    if (!copied.rows) return;
    EXPECT_EQ(server().rows_as_text("loaded"), server().rows_as_text("copied"));
  }
};

TEST_F(Datasets, EveryTrapEndsAsItsLineSays) {
  for (const Trap& trap : traps()) {
    if (!applies(trap)) continue;
    SCOPED_TRACE(fmt::format("{} {}", trap.file, fmt::join(trap.flags, " ")));
    check(trap, {});
  }
}

TEST_F(Datasets, EveryTrapEndsTheSameInBatchesOfOneRecord) {
  for (const Trap& trap : traps()) {
    if (!applies(trap)) continue;
    SCOPED_TRACE(fmt::format("{} {}", trap.file, fmt::join(trap.flags, " ")));
    check(trap, {"-j", "3", "--batch-rows", "1"});
  }
}

TEST(DatasetsFolder, EveryFileHasALineAndEveryLineAFile) {
  std::set<std::string> files;
  for (const auto& entry : std::filesystem::directory_iterator(folder()))
    files.insert(entry.path().filename());
  std::set<std::string> lines;
  for (const Trap& trap : traps()) lines.insert(trap.file);
  EXPECT_EQ(files, lines);
}

TEST(DatasetsFolder, EveryFileIsInTheReadme) {
  std::ifstream stream(std::filesystem::path(HYPERCOPY_DATASETS) / "README.md", std::ios::binary);
  const std::string readme{std::istreambuf_iterator<char>(stream), std::istreambuf_iterator<char>()};
  for (const Trap& trap : traps())
    EXPECT_NE(readme.find(fmt::format("`{}`", trap.file)), std::string::npos) << trap.file;
}

}  // namespace
}  // namespace hypercopy::test
