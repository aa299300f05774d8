// Generated inputs of every dialect option, loaded by hypercopy with several workers and batch sizes, and by
// one COPY of the whole input on the same server: what one accepts the other accepts, and the rows are equal
// as text.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <random>

#include "support/server.hpp"

namespace hypercopy::test {
namespace {

struct TestDialect {
  const char* name;
  bool csv;
  char delimiter;
  char quote;
  char escape;
  const char* null_marker;
  const char* newline;
  const char* more_options;             // behind the options in COPY
  std::vector<std::string> more_flags;  // the same for hypercopy
};

const std::vector<TestDialect>& dialects() {
  static const std::vector<TestDialect> all{
      {"plain", true, ',', '"', '"', "", "\n", "", {}},
      {"crlf", true, ',', '"', '"', "", "\r\n", "", {}},
      {"cr", true, ',', '"', '"', "", "\r", "", {}},
      {"backslash_escape", true, ',', '"', '\\', "", "\n", "", {}},
      {"backslash_escape_crlf", true, ',', '"', '\\', "", "\r\n", "", {}},
      {"single_quotes_semicolon", true, ';', '\'', '\'', "NULL", "\n", "", {}},
      {"tab", true, '\t', '"', '"', "\\N", "\n", "", {}},
      {"control_bytes", true, '\x01', '\x02', '\x03', "", "\n", "", {}},
      {"force_null", true, ',', '"', '"', "", "\n", ", FORCE_NULL (a, b)", {"--force-null", "a,b"}},
      {"force_not_null", true, ',', '"', '"', "", "\n", ", FORCE_NOT_NULL (c)", {"--force-not-null", "c"}},
      {"text", false, '\t', '"', '"', "\\N", "\n", "", {}},
      {"text_crlf", false, '\t', '"', '"', "\\N", "\r\n", "", {}},
      {"text_cr_comma", false, ',', '"', '"', "", "\r", "", {}},
  };
  return all;
}

std::string copy_options(const TestDialect& d) {
  std::string options = fmt::format("FORMAT {}, DELIMITER E'\\x{:02x}', NULL '{}'", d.csv ? "csv" : "text",
                                    static_cast<unsigned>(d.delimiter), d.null_marker);
  if (d.csv) {
    options += fmt::format(", QUOTE E'\\x{:02x}', ESCAPE E'\\x{:02x}'", static_cast<unsigned>(d.quote),
                           static_cast<unsigned>(d.escape));
  }
  return options + d.more_options;
}

std::vector<std::string> flags(const TestDialect& d) {
  std::vector<std::string> words{"--format",    d.csv ? "csv" : "text",
                                 "--delimiter", fmt::format("\\x{:02x}", static_cast<unsigned>(d.delimiter)),
                                 "--null",      d.null_marker};
  if (d.csv) {
    words.insert(words.end(), {"--quote", fmt::format("\\x{:02x}", static_cast<unsigned>(d.quote)),
                               "--escape", fmt::format("\\x{:02x}", static_cast<unsigned>(d.escape))});
  }
  words.insert(words.end(), d.more_flags.begin(), d.more_flags.end());
  return words;
}

class Generator {
 public:
  Generator(const TestDialect& dialect, std::uint64_t seed, bool with_hazards)
      : dialect_(dialect), random_(seed), hazards_(with_hazards) {}

  std::string input() {
    std::string bytes;
    const std::size_t records = below(60);
    for (std::size_t record = 0; record < records; ++record) {
      bytes += this->record();
      const bool last = record + 1 == records;
      if (!last || below(3) != 0)
        bytes += hazards_ && below(40) == 0 ? pick({"\n", "\r", "\r\n"}) : dialect_.newline;
    }
    return bytes;
  }

 private:
  std::size_t below(std::size_t bound) { return random_() % bound; }
  std::string pick(std::initializer_list<const char*> choices) {
    return *(choices.begin() + below(choices.size()));
  }

  std::string record() {
    if (hazards_ && below(50) == 0) return pick({"\\.", "5\\.", "", "a", "\\.x", "\""});
    std::string text;
    for (int column = 0; column < 3; ++column) {
      if (column > 0) text += dialect_.delimiter;
      text += dialect_.csv ? csv_field() : text_field();
    }
    return text;
  }

  std::string csv_field() {
    switch (below(6)) {
      case 0:
        return dialect_.null_marker;
      case 1:
        return std::string(1, dialect_.quote) + dialect_.null_marker + dialect_.quote;
      case 2:
        return "plain" + std::to_string(below(1000));
      case 3:
        // Quotes in the middle of a field: PostgreSQL toggles anywhere.
        return "mid" + quoted() + "dle" + quoted();
      default:
        return quoted();
    }
  }

  std::string quoted() {
    std::string text(1, dialect_.quote);
    const std::size_t length = below(12);
    for (std::size_t at = 0; at < length; ++at) {
      switch (below(9)) {
        case 0:
          text += {dialect_.escape, dialect_.quote};
          break;
        case 1:
          text += dialect_.escape == dialect_.quote ? "" : std::string{dialect_.escape, dialect_.escape};
          break;
        case 2:
          text += pick({"\n", "\r", "\r\n", "\n\\.\n"});
          break;
        case 3:
          text += dialect_.delimiter;
          break;
        case 4:
          text += pick({"\\", "\xC3\xA9", "\xF0\x9F\x98\x80", " "});
          // A backslash before the closing quote must not escape it by accident.
          if (dialect_.escape == '\\') text += 'b';
          break;
        default:
          text += static_cast<char>('a' + below(26));
      }
    }
    return text + dialect_.quote;
  }

  std::string text_field() {
    std::string text;
    const std::size_t length = below(10);
    for (std::size_t at = 0; at < length; ++at) {
      switch (below(8)) {
        case 0:
          text += pick({"\\n", "\\t", "\\\\", "\\x41", "\\101", "\\\n", "\\b"});
          break;
        case 1:
          text += std::string{'\\', dialect_.delimiter};
          break;
        case 2:
          text += pick({"\xC3\xA9", "\"", "'", "."});
          break;
        default:
          text += static_cast<char>('a' + below(26));
      }
    }
    return below(6) == 0 ? std::string(dialect_.null_marker) : text;
  }

  const TestDialect& dialect_;
  std::mt19937_64 random_;
  bool hazards_;
};

struct Variant {
  const char* jobs;
  const char* batch_bytes;
  const char* kernel;
};

class Differential : public ServerTest, public ::testing::WithParamInterface<TestDialect> {
 protected:
  // One COPY judges the whole input; every variant of the run must agree with it.
  void compare(const std::string& input, const std::string& label) {
    const TestDialect& dialect = GetParam();
    server().execute("TRUNCATE judge");
    const CopyOutcome judge =
        server().copy(fmt::format("COPY judge FROM STDIN WITH ({})", copy_options(dialect)), input);
    if (judge.rows) ++accepted_;
    const auto expected = server().rows_as_text("judge");
    const std::string file = folder_.file("input.csv", input);
    for (const auto& variant : {Variant{"1", "16", "scalar"}, Variant{"2", "100", "avx2"},
                                Variant{"7", "64", "sse42"}, Variant{"2", "1000000", "avx512"}}) {
      SCOPED_TRACE(fmt::format("{} jobs {} batch {} kernel {} input {}", label, variant.jobs,
                               variant.batch_bytes, variant.kernel, ::testing::PrintToString(input)));
      server().execute("TRUNCATE loaded");
      std::vector<std::string> arguments = flags(dialect);
      arguments.insert(arguments.end(),
                       {"-t", "loaded", "-j", variant.jobs, "--batch-bytes", variant.batch_bytes, file});
      const Outcome run = load(arguments, {.environment = kernel(variant.kernel)});
      ASSERT_FALSE(run.timed_out);
      ASSERT_NE(run.exit_code, 4) << run.err;
      if (run.exit_code == 0) {
        ASSERT_TRUE(judge.rows) << "one COPY refuses it: " << judge.message;
        ASSERT_EQ(server().rows_as_text("loaded"), expected);
        ASSERT_EQ(run.out, fmt::format("COPY {}\n", *judge.rows));
      } else {
        ASSERT_EQ(run.exit_code, 1) << run.err;
        // A marker in the middle is the one thing that COPY passes over and hypercopy does not.
        const bool marker = run.err.find("ends the data here") != std::string::npos;
        ASSERT_TRUE(!judge.rows || marker) << "one COPY takes it: " << run.err;
      }
    }
  }

  int accepted_ = 0;  // inputs that one COPY takes

 private:
  // Kernels that this machine lacks are replaced by what it chooses.
  static std::map<std::string, std::string> kernel(const std::string& name) {
    if (name == "avx512" && !__builtin_cpu_supports("avx512vbmi")) return {};
    if (name == "avx2" && !__builtin_cpu_supports("avx2")) return {};
    return {{"HYPERCOPY_KERNEL", name}};
  }
};

TEST_P(Differential, RandomInputsGiveTheSameRows) {
  server().execute(
      "CREATE TABLE judge (a text, b text, c text); CREATE TABLE loaded (a text, b text, c text)");
  for (std::uint64_t seed = 1; seed <= 12; ++seed) {
    Generator generator(GetParam(), seed, /*with_hazards=*/false);
    ASSERT_NO_FATAL_FAILURE(compare(generator.input(), fmt::format("seed {}", seed)));
  }
  EXPECT_GE(accepted_, 10) << "inputs without hazards should be good ones, else nothing is compared";
}

TEST_P(Differential, RandomHazardsAreJudgedTheSame) {
  server().execute(
      "CREATE TABLE judge (a text, b text, c text); CREATE TABLE loaded (a text, b text, c text)");
  for (std::uint64_t seed = 101; seed <= 112; ++seed) {
    Generator generator(GetParam(), seed, /*with_hazards=*/true);
    ASSERT_NO_FATAL_FAILURE(compare(generator.input(), fmt::format("seed {}", seed)));
  }
}

INSTANTIATE_TEST_SUITE_P(Dialects, Differential, ::testing::ValuesIn(dialects()),
                         [](const auto& test) { return std::string(test.param.name); });

struct Trap {
  const char* name;
  std::string input;
};

class DifferentialTraps : public ServerTest {
 protected:
  void compare(const Trap& trap, const std::string& format) {
    SCOPED_TRACE(fmt::format("{} as {}", trap.name, format));
    server().execute("TRUNCATE judge, loaded");
    const CopyOutcome judge =
        server().copy(fmt::format("COPY judge FROM STDIN WITH (FORMAT {})", format), trap.input);
    const std::string file = folder_.file("trap.csv", trap.input);
    const Outcome run = load({"-t", "loaded", "--format", format, "-j", "2", "--batch-bytes", "16", file});
    if (run.exit_code == 0) {
      EXPECT_TRUE(judge.rows) << "one COPY refuses it: " << judge.message;
      EXPECT_EQ(server().rows_as_text("loaded"), server().rows_as_text("judge"));
      return;
    }
    EXPECT_EQ(run.exit_code, 1) << run.err;
    const bool marker = run.err.find("ends the data here") != std::string::npos;
    EXPECT_TRUE(!judge.rows || marker) << "one COPY takes it: " << run.err;
  }
};

TEST_F(DifferentialTraps, OneColumn) {
  server().execute("CREATE TABLE judge (a text); CREATE TABLE loaded (a text)");
  const std::vector<Trap> traps{
      {"empty", ""},
      {"one newline", "\n"},
      {"empty lines", "\n\na\n\n"},
      {"crlf only", "\r\n\r\n"},
      {"no final newline", "a\nb"},
      {"marker alone", "\\.\n"},
      {"marker at the end", "a\n\\.\n"},
      {"marker at the end without newline", "a\n\\."},
      {"marker and blanks", "a\n\\.\n \n\t\n"},
      {"marker and data", "a\n\\.\nb\n"},
      {"marker in quotes", "\"\n\\.\n\"\nb\n"},
      {"quoted marker", "\"\\.\"\nb\n"},
      {"marker behind data", "5\\.\n6\n"},
      {"marker behind data at the end", "4\n5\\.\n"},
      {"marker with crlf", "a\r\n\\.\r\n"},
      {"marker of another style", "a\r\n\\.\nb\r\n"},
      {"marker first, lf after crlf", "\\.\r\nb\r\n"},
      {"marker followed by data", "a\n\\.x\nb\n"},
      {"lf then crlf", "a\nb\r\nc\n"},
      {"crlf then lf", "a\r\nb\nc\r\n"},
      {"cr then lf", "a\rb\nc\r"},
      {"crlf then cr", "a\r\nb\rc\r\n"},
      {"cr at the end of an lf file", "a\nb\r"},
      {"open quote", "a\n\"b\nc\n"},
      {"quote in the middle", "a\"b\nc\"d\ne\n"},
      {"doubled quotes", "\"a\"\"b\"\n\"\"\"\"\n"},
      {"backslash at the end", "a\\"},
      {"backslash newline", "a\\\nb\n"},
      {"byte order mark later",
       "a\n\xEF\xBB\xBF"
       "b\n"},
      {"nul byte", std::string("a\0b\n", 4)},
      {"invalid utf-8", "a\n\xFF\n"},
      {"too many columns", "a\nb,c\tc\n"},
  };
  for (const auto& trap : traps) {
    compare(trap, "csv");
    compare(trap, "text");
  }
}

TEST_F(DifferentialTraps, QuotedNewlineAndDoubledQuoteAcrossEveryCut) {
  server().execute("CREATE TABLE judge (a int, b text); CREATE TABLE loaded (a int, b text)");
  std::string input;
  for (int record = 0; record < 12; ++record)
    input += fmt::format("{},\"x\"\"\r\n{}\n\"\"y\"\r\n", record, record);
  ASSERT_EQ(server().copy("COPY judge FROM STDIN WITH (FORMAT csv)", input).rows, 12U);
  const auto expected = server().rows_as_text("judge");
  const std::string file = folder_.file("cuts.csv", input);
  for (int bytes = 16; bytes < 80; ++bytes) {
    server().execute("TRUNCATE loaded");
    const Outcome run = load({"-t", "loaded", "-j", "2", "--batch-bytes", std::to_string(bytes), file});
    ASSERT_EQ(run.exit_code, 0) << run.err;
    ASSERT_EQ(server().rows_as_text("loaded"), expected) << "batch bytes " << bytes;
  }
}

}  // namespace
}  // namespace hypercopy::test
