// What holds for every shape of generated data, and the bytes of each.
#include "hypercopy/generate.hpp"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <charconv>
#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "generate_rows.hpp"
#include "support/generated.hpp"

namespace hypercopy {
namespace {

using namespace std::chrono_literals;
using test::generated;
using test::records_of;

constexpr std::uint64_t kRows = 20'000;

std::string of(DataShape shape, std::uint64_t rows, std::uint64_t seed = 1) {
  return generated({.shape = shape, .rows = rows, .seed = seed, .series = 100});
}

// FNV-1a, 64 bits.
std::uint64_t checksum(std::string_view bytes) {
  std::uint64_t hash = 14695981039346656037U;
  for (const char byte : bytes) hash = (hash ^ static_cast<unsigned char>(byte)) * 1099511628211U;
  return hash;
}

class GeneratedShape : public ::testing::TestWithParam<DataShape> {};
INSTANTIATE_TEST_SUITE_P(All, GeneratedShape, ::testing::ValuesIn(kShapes),
                         [](const auto& test) { return std::string(to_string(test.param)); });

struct Golden {
  DataShape shape;
  const char* first_record;
  std::uint64_t checksum;
};

const std::vector<Golden>& golden() {
  static const std::vector<Golden> all{
      {DataShape::cpu,
       "2016-01-01 "
       "00:00:00+00,1,host_0,19.1834846797,69.3425850194,85.9278260157,56.7356637765,69.7811257732,67."
       "7196986673,11.3842826573,66.9456944943,51.3742824593,71.5126875657\n",
       17246187355474412709U},
      {DataShape::iot,
       "2016-01-01 00:00:00+00,truck_0,North,Zoë,F-150,34.32742,136.5773,2533.2,101.2,24.8,68,7.87,0.6915\n",
       7970686451418653774U},
      {DataShape::wide,
       "2016-01-01 "
       "00:00:00+00,1,5151959,701.3723,8331951,342.6779,3769903,205.032,4822749,839.2391,3247582,911.1504,"
       "958509,714.4648,7723342,413.9676,8235982,962.5753,1117141,737.4187,566759,452.4873,3485213,",
       10969663262212835822U},
      {DataShape::quoted,
       "2016-01-01 00:00:00+00,1,Ines,\"belt 7\"\", silent 🔇\",\"Shift 2, Pressure fell by 0.3 bar, "
       "temperature did not.\nFilter exchanged (part 4711-0815, batch \"\"B\"\"); counter reset to zero. "
       "Nothing unusual. Nothing unusual. 温度は正常です。\n\"\"\"\"\n\n\",\"\"\"\"\"\"\n",
       5523359139244551861U},
      {DataShape::types,
       "2016-01-01 "
       "00:00:00+00,26424,-1181521847,8683844110200328628,,109151.39435392,-5573274,22654622.17,t,a "
       "belt-7#13248161,センサー,a       ,Kühlkreis,medium,2013-05-22 19:16:39.303674+00,,1981-01-21 "
       "06:28:42.23,2005-07-10,23:47:42.458124,01:23:57.306186+14,5 mons 3 days "
       "04:17:01.038473,182b476d-f0d9-dbb1-caa5-581a9501d6a5,"
       "\\xb5bc8633c6727c6481ebc741b6f8a98714a7da70219cfb65,\"{\"\"id\"\" :714214,\"\"tags\"\": "
       "[\"\"belt-7\"\", null]}\",\"{\"\"id\"\": 914249, \"\"ok\"\": true, \"\"name\"\": \"\"north "
       "gate\"\"}\",18.117.112.25/10,19.14.24.0/"
       "24,85:96:d8:14:28:15,2674172412,{},,{},{},\"{medium,medium}\",66\n",
       8665383860575036845U},
  };
  return all;
}

TEST(GeneratedBytes, AreFixed) {
  for (const Golden& is : golden()) {
    SCOPED_TRACE(to_string(is.shape));
    const std::string text = of(is.shape, kRows);
    EXPECT_EQ(text.substr(0, std::string_view(is.first_record).size()), is.first_record);
    EXPECT_EQ(checksum(text), is.checksum);
  }
  EXPECT_EQ(golden().size(), kShapes.size());
}

TEST_P(GeneratedShape, SeedDecides) {
  EXPECT_EQ(of(GetParam(), 300, 7), of(GetParam(), 300, 7));
  EXPECT_NE(of(GetParam(), 300, 7), of(GetParam(), 300, 8));
}

TEST_P(GeneratedShape, FewerRowsAreAPrefix) {
  EXPECT_TRUE(of(GetParam(), 5000).starts_with(of(GetParam(), 1234)));
}

TEST_P(GeneratedShape, RowsAreCounted) {
  const std::size_t columns = columns_of(GetParam()).size();
  for (const std::uint64_t rows : {0U, 1U, 99U, 100U, 101U, 2345U}) {
    const std::string text = of(GetParam(), rows);
    EXPECT_EQ(records_of(text, columns).size(), rows);
  }
}

TEST_P(GeneratedShape, HeaderNamesTheColumns) {
  const std::string with = generated({.shape = GetParam(), .rows = 10, .header = true});
  std::string header;
  std::set<std::string_view> names;
  for (const GeneratedColumn& column : columns_of(GetParam())) {
    header.append(header.empty() ? "" : ",").append(column.name);
    names.insert(column.name);
  }
  EXPECT_EQ(with, header + "\n" + generated({.shape = GetParam(), .rows = 10}));
  EXPECT_EQ(names.size(), columns_of(GetParam()).size()) << "a name twice";
}

// A block is whole records: as a file of its own it has the records that it has in the whole.
TEST_P(GeneratedShape, BlocksAreBoundedAndOfWholeRecords) {
  const std::size_t columns = columns_of(GetParam()).size();
  std::size_t records = 0;
  std::vector<std::size_t> sizes;
  const Status status = generate({.shape = GetParam(), .rows = kRows}, [&](std::string_view block) -> Status {
    EXPECT_TRUE(block.ends_with('\n'));
    sizes.push_back(block.size());
    records += records_of(std::string(block), columns).size();
    return {};
  });
  ASSERT_TRUE(status.has_value());
  EXPECT_EQ(records, kRows);
  EXPECT_LE(*std::max_element(sizes.begin(), sizes.end()), generating::RowWriter::kBlockBytes);
  sizes.pop_back();
  EXPECT_GE(*std::min_element(sizes.begin(), sizes.end()),
            generating::RowWriter::kBlockBytes - generating::RowWriter::kLongestRow);
}

// What the block's writer relies on, with room to spare.
TEST_P(GeneratedShape, RowsAreShorterThanTheLongestRow) {
  const std::string text = of(GetParam(), kRows);
  std::size_t longest = 0;
  for (const auto& fields : records_of(text, columns_of(GetParam()).size()))
    longest = std::max(longest, static_cast<std::size_t>(fields.back().end() - fields.front().begin()));
  EXPECT_LE(longest, generating::RowWriter::kLongestRow / 2);
}

TEST_P(GeneratedShape, SinkErrorEndsTheGeneration) {
  int calls = 0;
  const Status status = generate({.shape = GetParam(), .rows = 100'000}, [&](std::string_view) -> Status {
    ++calls;
    return fail(ErrorKind::output, "disk full");
  });
  ASSERT_FALSE(status.has_value());
  EXPECT_EQ(status.error().message, "disk full");
  EXPECT_EQ(calls, 1);
}

TEST_P(GeneratedShape, IntervalStartAndSeriesDecideTheTimes) {
  const std::string text =
      generated({.shape = GetParam(),
                 .rows = 2000,
                 .series = 10,
                 .interval = 90min,
                 .start = std::chrono::sys_days{std::chrono::year{2020} / 2 / 28} + 23h});
  std::set<std::string> times;
  for (const auto& fields : records_of(text, columns_of(GetParam()).size())) times.emplace(fields[0]);
  EXPECT_EQ(*times.begin(), "2020-02-28 23:00:00+00");
  EXPECT_EQ(*std::next(times.begin()), "2020-02-29 00:30:00+00");
  EXPECT_GE(times.size(), 200U);
  EXPECT_LE(times.size(), 200U + (GetParam() == DataShape::iot ? kMostLateSteps : 0));
}

TEST_P(GeneratedShape, SpanIsAnotherWayToSayRows) {
  const GenerateOptions by_span{.shape = GetParam(), .rows = 5, .span = 25s, .series = 10, .interval = 10s};
  GenerateOptions by_rows = by_span;
  by_rows.span.reset();
  by_rows.rows = 30;
  EXPECT_EQ(generated(by_span), generated(by_rows));
  GenerateOptions none = by_span;
  none.span = 0s;
  EXPECT_EQ(generated(none), "");
}

TEST(Generate, OptionsThatCannotBeMet) {
  const std::vector<std::pair<std::string, GenerateOptions>> cases{
      {"no series", {.series = 0}},
      {"no interval", {.interval = 0s}},
      {"negative interval", {.interval = -1s}},
      {"long interval", {.interval = std::chrono::seconds::max()}},
      {"negative span", {.span = -1s}},
      {"long span", {.span = std::chrono::seconds::max()}},
      {"beyond 9999", {.rows = UINT64_MAX, .series = 1}},
      {"beyond 9999 by the span", {.span = std::chrono::years(8000), .series = 1}},
      {"early start", {.start = std::chrono::sys_days{std::chrono::year{0} / 12 / 31}}},
      {"far start", {.start = std::chrono::sys_days{std::chrono::year{10000} / 1 / 1}}}};
  for (const auto& [name, options] : cases) {
    bool called = false;
    const Status status = generate(options, [&called](std::string_view) -> Status {
      called = true;
      return {};
    });
    ASSERT_FALSE(status.has_value()) << name;
    EXPECT_EQ(status.error().kind, ErrorKind::usage) << name;
    EXPECT_FALSE(called) << name;
  }
}

double number_of(std::string_view text) {
  double value = -1e300;
  std::from_chars(text.data(), text.data() + text.size(), value);
  return value;
}

struct Range {
  std::string_view column;
  double least;
  double most;
  bool has_nulls = false;
};

TEST(GenerateIot, ReadingsAreInTheirRanges) {
  const std::string text = of(DataShape::iot, kRows);
  const auto columns = columns_of(DataShape::iot);
  const auto records = records_of(text, columns.size());
  for (const Range& range :
       {Range{"latitude", -90, 90}, Range{"longitude", -180, 180}, Range{"elevation", 0, 5000, true},
        Range{"velocity", 0, 120}, Range{"heading", 0, 359.9, true}, Range{"grade", 0, 100, true},
        Range{"fuel_consumption", 0, 50}, Range{"fuel_state", 0, 1, true}}) {
    const auto is_named = [&](const GeneratedColumn& column) { return column.name == range.column; };
    const auto column =
        static_cast<std::size_t>(std::find_if(columns.begin(), columns.end(), is_named) - columns.begin());
    std::size_t nulls = 0;
    for (const auto& fields : records) {
      nulls += fields[column].empty() ? 1 : 0;
      if (fields[column].empty()) continue;
      ASSERT_GE(number_of(fields[column]), range.least) << range.column;
      ASSERT_LE(number_of(fields[column]), range.most) << range.column;
    }
    EXPECT_NEAR(static_cast<double>(nulls), range.has_nulls ? kRows / 16.0 : 0.0, kRows / 80.0)
        << range.column;
  }
}

// A row is late when a row of a later time stands before it.
TEST(GenerateIot, AShareOfRowsIsLateByABoundedTime) {
  const std::string text =
      generated({.shape = DataShape::iot, .rows = 200'000, .series = 100, .interval = 1s});
  std::string_view latest;
  std::size_t late = 0;
  std::set<std::pair<std::string_view, std::string_view>> keys;
  std::map<std::string_view, std::size_t> steps;  // of the times, in the order in which they come first
  std::size_t most_late = 0;
  for (const auto& fields : records_of(text, 13)) {
    EXPECT_TRUE(keys.emplace(fields[0], fields[1]).second) << "time and truck twice: " << fields[0];
    steps.try_emplace(fields[0], steps.size());
    if (fields[0] < latest) {
      ++late;
      most_late = std::max(most_late, steps.at(latest) - steps.at(fields[0]));
    }
    latest = std::max(latest, fields[0]);
  }
  EXPECT_NEAR(static_cast<double>(late), 10'000, 1'000);
  EXPECT_LE(most_late, kMostLateSteps);
  EXPECT_GE(most_late, kMostLateSteps / 2);
}

TEST(GenerateQuoted, HasWhatQuotesAreFor) {
  const std::string text = of(DataShape::quoted, kRows);
  for (const std::string_view part : {",\"\"\n", ",\n2016", "\"\"\"", "\r\n", "\n\n", "№", "🔇", ",\"\n\"\n"})
    EXPECT_NE(text.find(part), std::string::npos) << part;
  std::size_t quotes = 0;
  for (const auto& fields : records_of(text, 6)) {
    for (const std::string_view field : fields) quotes += field.find('"') == std::string_view::npos ? 0 : 1;
  }
  EXPECT_GE(quotes, 2 * kRows);
}

TEST(GenerateTypes, EveryColumnHasValuesAndNulls) {
  const std::string text = of(DataShape::types, kRows);
  const auto columns = columns_of(DataShape::types);
  const auto records = records_of(text, columns.size());
  for (std::size_t column = 1; column < columns.size(); ++column) {
    const auto nulls = std::count_if(records.begin(), records.end(),
                                     [&](const auto& fields) { return fields[column].empty(); });
    EXPECT_NEAR(static_cast<double>(nulls), kRows / 16.0, kRows / 80.0) << columns[column].name;
  }
}

TEST(GenerateWide, HasAHundredColumns) {
  EXPECT_EQ(columns_of(DataShape::wide).size(), 100U);
  EXPECT_EQ(columns_of(DataShape::wide).back().name, "f49");
}

TEST(Schema, IsOneStatementPerObject) {
  EXPECT_EQ(schema_sql(DataShape::quoted, {.name = "quoted"}),
            "CREATE TABLE \"quoted\" (\n  time timestamptz NOT NULL,\n  id bigint,\n  author text,\n"
            "  title text,\n  body text,\n  remark text\n);\n");
  const std::string types = schema_sql(DataShape::types, {.schema = "s", .name = "od\"d"});
  for (const char* part :
       {"CREATE TYPE \"s\".\"od\"\"d_level\" AS ENUM ('low', ",
        "CREATE DOMAIN \"s\".\"od\"\"d_percent\" AS smallint", "CREATE TABLE \"s\".\"od\"\"d\" (\n",
        "  c_enum \"s\".\"od\"\"d_level\",\n", "  c_enums \"s\".\"od\"\"d_level\"[],\n",
        "  c_domain \"s\".\"od\"\"d_percent\"\n);\n"})
    EXPECT_NE(types.find(part), std::string::npos) << part << "\n" << types;
}

// What digits by arithmetic on words must equal.
TEST(GenerateText, DecimalsAreWrittenAsFmtWritesThem) {
  std::vector<std::uint64_t> values{
      0, 1, 9, 10, 99'999'999, 100'000'000, 12'300, 1'000'000'000, 999'999'999'999};
  generating::Random random(1);
  for (int i = 0; i < 10'000; ++i) values.push_back((random() % 1'000'000'000'000) >> (random() % 40));
  for (const std::uint64_t value : values) {
    char text[64];
    EXPECT_EQ(std::string_view(text, generating::write_decimal<4>(text, value)),
              fmt::format("{}", static_cast<double>(value) / 10'000))
        << value;
    const auto word = static_cast<std::uint32_t>(value % 100'000'000);
    EXPECT_EQ(std::string_view(text, generating::write_short(text, word)), std::to_string(word));
  }
}

}  // namespace
}  // namespace hypercopy
