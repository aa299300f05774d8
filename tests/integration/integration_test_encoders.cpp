// The proof of the encoders: for every type, generated values (good, extreme, malformed) go alone through the encoder
// and all together through the program, beside the server's own readers. What is encoded is the value that the
// server's text reader makes of the same text, or is refused with the same SQLSTATE; what the program loads is what
// one COPY of the same file loads; and all that COPY TO writes is encoded, to the bytes of COPY TO (FORMAT binary).
// HYPERCOPY_TEST_VALUES: values per type and test (default 2000); HYPERCOPY_TEST_SEED repeats a run.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <fstream>
#include <iostream>
#include <nlohmann/json.hpp>

#include "support/encoded_types.hpp"
#include "support/encoder_trial.hpp"
#include "support/mutations.hpp"
#include "support/role.hpp"
#include "support/server.hpp"

namespace hypercopy::test {
namespace {

// Zones with half-hour offsets, daylight saving, offsets with seconds in the past; every style of reading.
constexpr ReadingSettings kReading[]{
    {"UTC", "ISO, MDY", "postgres", true},
    {"Asia/Kolkata", "ISO, DMY", "sql_standard"},
    {"America/New_York", "SQL, DMY", "postgres_verbose"},
    {"Africa/Monrovia", "German, DMY", "iso_8601"},
    {"Australia/Lord_Howe", "Postgres, MDY", "postgres"},
    {"GMT", "SQL, MDY", "sql_standard", true},
    {"Europe/Berlin", "ISO, YMD", "postgres"},
};
// COPY TO's own styles, in zones of the same kinds.
constexpr ReadingSettings kWriting[]{
    {"UTC", "ISO, MDY", "postgres", true},           {"Asia/Kolkata", "ISO, MDY", "postgres"},
    {"America/St_Johns", "ISO, DMY", "postgres"},    {"Africa/Monrovia", "ISO, MDY", "postgres"},
    {"Australia/Lord_Howe", "ISO, YMD", "postgres"}, {"Asia/Manila", "ISO, MDY", "postgres"},
    {"America/New_York", "ISO, MDY", "postgres"},
};
constexpr std::size_t kMostValuesAtOnce = 100'000;
constexpr std::size_t kMostBatchRecords = 5'000;
constexpr std::size_t kLongestMutated = 5'000;
// Refused values are sent one by one: so many of each list.
constexpr std::size_t kRefusedAlone = 50;
constexpr std::size_t kRefusedByProgram = 2;

std::size_t value_count() {
  const char* const count = std::getenv("HYPERCOPY_TEST_VALUES");
  return count == nullptr ? 2000 : std::stoul(count);
}

// The values of one type in portions, each under other settings; the first settings differ by type.
template <typename Settings, typename Check>
void in_portions(const std::string& type, const Settings& settings, const Check& check) {
  std::size_t turn = std::hash<std::string>{}(type);
  const std::size_t portion = std::clamp<std::size_t>(value_count() / 2, 1, kMostValuesAtOnce);
  for (std::size_t done = 0; done < value_count(); done += portion) {
    const auto& chosen = settings[turn++ % std::size(settings)];
    SCOPED_TRACE(fmt::format("{}, {}, {}", chosen.zone, chosen.date_style, chosen.interval_style));
    check(chosen, portion);
    if (::testing::Test::HasFatalFailure()) return;
  }
}

// Words whose meaning is another one each time.
bool is_fleeting(std::string text) {
  std::ranges::transform(text, text.begin(),
                         [](unsigned char byte) { return static_cast<char>(std::tolower(byte)); });
  return std::ranges::any_of(std::array{"now", "today", "tomorrow", "yesterday"},
                             [&](const char* word) { return text.find(word) != std::string::npos; });
}

struct Counts {
  std::size_t good = 0;      // all of them encoded
  std::size_t tried = 0;     // mutations and nasty ones
  std::size_t encoded = 0;   // of those tried
  std::size_t accepted = 0;  // of those tried, by the server
};

class EncodersTest : public ServerTest, public testing::WithParamInterface<EncodedType> {
 protected:
  void SetUp() override {
    ServerTest::SetUp();
    if (IsSkipped()) return;
    const auto types = encoded_types(server().version());
    if (std::ranges::none_of(types, [](const auto& type) { return type.name == GetParam().name; }))
      GTEST_SKIP() << "the server is older than this type modifier";
    type_ = *std::ranges::find(types, GetParam().name, &EncodedType::name);
    trial_ = std::make_unique<EncoderTrial>(server(), dsn(), type_);
    std::cout << "HYPERCOPY_TEST_SEED=" << seed_ << '\n';
  }

  // A third good ones, then mutations of good and nasty ones. Good ones are always encoded.
  [[nodiscard]] std::vector<Value> make_values(const ReadingSettings& settings, std::size_t count,
                                               Counts& counts) {
    const Spelling& spelling = settings.utc && type_.utc_spelling ? type_.utc_spelling : type_.spelling;
    std::vector<Value> values;
    const auto add = [&](std::string text) {
      if (is_fleeting(text)) text = "fleeting";
      values.push_back({.id = static_cast<std::uint32_t>(values.size()), .field = trial_->encode(text)});
      values.back().text = std::move(text);
      return !values.back().field.empty();
    };
    for (std::size_t good = 0; good < count / 3; ++good)
      EXPECT_TRUE(add(spelling(random_))) << "a common spelling is given up: " << values.back().text;
    counts.good += values.size();
    const std::size_t good = values.size();
    for (const std::string& text : type_.nasty) counts.encoded += add(text);
    while (values.size() < std::max(count, good + type_.nasty.size())) {
      const bool nasty = !type_.nasty.empty() && random_.one_in(8);
      std::string text = nasty ? random_.pick(type_.nasty) : spelling(random_);
      // A million changes of the longest ones would be gigabytes.
      if (text.size() > kLongestMutated) text.resize(kLongestMutated);
      counts.encoded += add(mutated(std::move(text), random_));
    }
    counts.tried += values.size() - good;
    return values;
  }

  // Each alone: the value of the text reader, or refused as by it.
  void check_alone(const std::vector<Value>& values) {
    std::vector<const Value*> taken;
    std::size_t refused = 0;
    for (const Value& value : values) {
      if (value.field.empty()) continue;
      if (value.sqlstate.empty()) {
        taken.push_back(&value);
        continue;
      }
      EXPECT_EQ(type_.judge, EncodedType::Judge::server) << "malformed, but encoded: " << value.text;
      if (++refused > kRefusedAlone) continue;
      const Value* const alone = &value;
      EXPECT_EQ(trial_->copy_binary("by_binary", {&alone, 1}).sqlstate, value.sqlstate) << value.text;
    }
    const CopyOutcome binary = trial_->copy_binary("by_binary", taken);
    ASSERT_EQ(binary.rows, taken.size()) << binary.message;
    // Equal bytes are equal values, however they are printed.
    const Rows differ = server().execute(fmt::format(
        "SELECT id, encode({0}(r.v), 'hex'), encode({0}(b.v), 'hex') FROM by_binary b LEFT JOIN by_reader r "
        "USING (id) WHERE {0}(r.v) IS DISTINCT FROM {0}(b.v) LIMIT 5",
        type_.send));
    for (const auto& row : differ)
      ADD_FAILURE() << values.at(std::stoul(*row[0])).text << " reads " << row[1].value_or("nothing")
                    << ", encoded " << row[2].value_or("NULL");
    // The record encoder does with a whole batch what the encoder does with each.
    GivenUp why;
    const std::string csv = csv_of(taken);
    ASSERT_EQ(trial_->encode_records(csv, true, why), binary_of(taken)) << why.record << why.column;
  }

  // All that the server takes in one file, first what is encoded: the program's table is that of one COPY.
  void check_program(const std::vector<Value>& values, const TestRole& role) {
    std::vector<const Value*> taken;
    for (const Value& value : values) {
      if (value.sqlstate.empty()) taken.push_back(&value);
    }
    std::ranges::stable_partition(taken, [](const Value* value) { return !value->field.empty(); });
    const auto encoded = static_cast<std::size_t>(
        std::ranges::count_if(taken, [](const Value* value) { return !value->field.empty(); }));
    const CopyOutcome csv = trial_->copy_csv("by_csv", taken);
    ASSERT_EQ(csv.rows, taken.size()) << csv.message;
    ASSERT_EQ(trial_->differences("by_csv", "by_reader"), "");

    const std::size_t batch = std::min(kMostBatchRecords, 1 + values.size() / 10);
    const std::string report = folder_.path() + "/report.json";
    const Outcome run = load_as(role, {"-t", "loaded", "-j", "2", "--batch-rows", std::to_string(batch),
                                       "--report", report, folder_.file("values.csv", csv_of(taken))});
    ASSERT_EQ(run.exit_code, 0) << run.err;
    ASSERT_EQ(trial_->differences("loaded", "by_csv"), "");
    const auto json = nlohmann::json::parse(std::ifstream(report));
    EXPECT_GE(json.at("batches_binary").get<std::size_t>(), encoded / batch);
    if (encoded == taken.size()) {
      EXPECT_EQ(json.at("batches_given_up").get<std::size_t>(), 0U);
    }
  }

  // Some refused ones, alone: the program refuses them too, for the same reason.
  void check_program_refuses(const std::vector<Value>& values, const TestRole& role) {
    std::vector<const Value*> refused;
    for (const Value& value : values) {
      if (!value.sqlstate.empty()) refused.push_back(&value);
    }
    server().execute("TRUNCATE loaded");
    for (std::size_t count = 0; count < std::min(kRefusedByProgram, refused.size()); ++count) {
      const Value* const value = random_.pick(refused);
      const Outcome run = load_as(role, {"-t", "loaded", folder_.file("refused.csv", csv_of({&value, 1}))});
      EXPECT_EQ(run.exit_code, 1) << value->text;
      EXPECT_NE(run.err.find("SQLSTATE: " + value->sqlstate), std::string::npos)
          << value->text << ", " << value->sqlstate << ": " << run.err;
    }
    EXPECT_EQ(count("loaded"), 0U);
  }

  [[nodiscard]] Outcome load_as(const TestRole& role, std::vector<std::string> arguments) const {
    arguments.insert(arguments.begin(), {"load", "-w", "-d", dsn() + " user=" + role.name()});
    return run_program(arguments);
  }

  static void alter(const TestRole& role, const ReadingSettings& settings) {
    role.alter(fmt::format("SET TimeZone = '{}'", settings.zone));
    role.alter(fmt::format("SET DateStyle = '{}'", settings.date_style));
    role.alter(fmt::format("SET IntervalStyle = '{}'", settings.interval_style));
  }

  EncodedType type_;
  const std::uint64_t seed_ = test_seed();
  Random random_{seed_};
  std::unique_ptr<EncoderTrial> trial_;
};

TEST_P(EncodersTest, ReadAsTheServerReads) {
  const TestRole role(server(), schema(), {"SET client_encoding = 'UTF8'"});
  Counts counts;
  in_portions(type_.type, kReading, [&](const ReadingSettings& settings, std::size_t count) {
    trial_->use(settings);
    alter(role, settings);
    std::vector<Value> values = make_values(settings, count, counts);
    if (HasFailure()) return;
    trial_->ask_reader(values);
    counts.accepted += static_cast<std::size_t>(
        std::count_if(values.begin() + static_cast<std::ptrdiff_t>(count / 3), values.end(),
                      [](const Value& value) { return value.sqlstate.empty(); }));
    ASSERT_NO_FATAL_FAILURE(check_alone(values));
    ASSERT_NO_FATAL_FAILURE(check_program(values, role));
    check_program_refuses(values, role);
  });
  std::cout << fmt::format(
      "{}: {} good values, all encoded; of {} others the server takes {}, {} are encoded\n", type_.type,
      counts.good, counts.tried, counts.accepted, counts.encoded);
}

TEST_P(EncodersTest, TakeAllThatCopyToWrites) {
  std::size_t rows = 0;
  in_portions(type_.type, kWriting, [&](const ReadingSettings& settings, std::size_t count) {
    trial_->use(settings);
    trial_->fill_printed(count, static_cast<double>(random_.below(1'000'000)) / 1e6);
    const std::string csv = server().copy_out("COPY printed TO STDOUT (FORMAT csv)");
    const std::string binary = server().copy_out("COPY printed TO STDOUT (FORMAT binary)");
    GivenUp why;
    const auto encoded = trial_->encode_records(csv, false, why);
    ASSERT_TRUE(encoded) << "given up: row " << why.record + 1 << ": "
                         << server().value(
                                fmt::format("SELECT v::text FROM printed OFFSET {} LIMIT 1", why.record));
    ASSERT_TRUE(*encoded == binary) << "other bytes than the server's";
    rows += count + type_.extremes.size();
  });
  EXPECT_GE(rows, value_count());
  std::cout << fmt::format("{}: {} values written by the server, all encoded\n", type_.type, rows);
}

INSTANTIATE_TEST_SUITE_P(Types, EncodersTest, testing::ValuesIn(encoded_types(999999)),
                         [](const auto& param) { return param.param.name; });

}  // namespace
}  // namespace hypercopy::test
