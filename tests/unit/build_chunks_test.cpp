// The parts of --build-chunks that need no server: which options it goes with, and how a batch is split.
#include <gtest/gtest.h>

#include <map>

#include "chunk_building_plan.hpp"
#include "hypercopy/chunk_destinations.hpp"
#include "hypercopy/field_encoder.hpp"
#include "support/tuples.hpp"

namespace hypercopy::test {
namespace {

TEST(BuildChunks, VersionsThatReachBuiltChunks) {
  for (const auto& [version, reaches] : std::map<std::string, bool>{{"2.27.2", false},
                                                                    {"2.28.3", false},
                                                                    {"2.29.0", false},
                                                                    {"2.29.1", true},
                                                                    {"2.29.10", true},
                                                                    {"2.29.1-dev", true},
                                                                    {"2.30.0", true},
                                                                    {"3.0.0", true},
                                                                    {"1.7.5", false},
                                                                    {"", false}}) {
    EXPECT_EQ(drops_columns_of_built_chunks(version), reaches) << version;
  }
}

TEST(BuildChunks, OptionsThatItDoesNotGoWith) {
  const auto options = [](auto change) {
    LoadOptions built{.table = {.schema = {}, .name = "t"}};
    built.build_chunks = true;
    change(built);
    return validate(built).has_value();
  };
  EXPECT_TRUE(options([](LoadOptions&) {}));
  EXPECT_TRUE(options([](LoadOptions& o) { o.truncate = true; }));
  EXPECT_TRUE(options([](LoadOptions& o) { o.wire = Wire::binary; }));
  EXPECT_FALSE(options([](LoadOptions& o) { o.single_transaction = true; }));
  EXPECT_FALSE(options([](LoadOptions& o) { o.atomic = true; }));
  EXPECT_TRUE(options([](LoadOptions& o) { o.import_id = "x"; }));
  EXPECT_FALSE(options([](LoadOptions& o) { o.on_conflict = OnConflict::update; }));
  EXPECT_FALSE(options([](LoadOptions& o) { o.on_error = OnError::reject; }));
  EXPECT_FALSE(options([](LoadOptions& o) { o.direct_compress = DirectCompress::on; }));
  EXPECT_FALSE(options([](LoadOptions& o) { o.defer_indexes = true; }));
  EXPECT_FALSE(options([](LoadOptions& o) { o.wire = Wire::csv; }));
  EXPECT_FALSE(options([](LoadOptions& o) { o.dialect = default_dialect(Format::text); }));
}

// Ranges of ten; those with an even number have a side table.
class EvenRanges final : public ChunkDestinations {
 public:
  std::optional<TimeKey> key(const InputFile&) const override {
    return TimeKey{.field = 1, .segment_fields = {}, .chunk_width = 10};
  }
  Result<const SideTable*> side_table(std::int64_t number) override {
    return number % 2 == 0 ? &tables_.try_emplace(number, SideTable{.number = number}).first->second
                           : nullptr;
  }
  void committed(std::span<const SideRows>) override {}

 private:
  std::map<std::int64_t, SideTable> tables_;
};

using Routes = std::map<std::int64_t, std::vector<std::uint32_t>>;
constexpr std::int64_t kHypertable = -1;

Routes routes_of(const Keys& keys, std::span<const std::uint32_t> order) {
  Random random(1);
  const Tuples tuples(keys, 8, 1, random);
  EvenRanges ranges;
  ChunkRouting routing(ranges);
  const EncodedFront encoded{.stream = tuples.bytes.view(), .starts = tuples.starts, .records = keys.size()};
  const auto found = routing.find(InputFile{}, encoded, order);
  Routes routes;
  EXPECT_TRUE(found.has_value());
  for (const auto& route : *found)
    EXPECT_TRUE(
        routes.try_emplace(route.side != nullptr ? route.side->number : kHypertable, route.records).second);
  return routes;
}

TEST(BuildChunks, ABatchIsSplitByChunk) {
  EXPECT_EQ(routes_of({}, {}), Routes{});
  EXPECT_EQ(routes_of({11, 12, 35}, {}), Routes{}) << "all to the hypertable: nothing is split";
  EXPECT_EQ(routes_of({1, 2, 3}, {}), (Routes{{0, {0, 1, 2}}}));
  EXPECT_EQ(routes_of({1, 21, 2, 11, 31, 22}, {}), (Routes{{0, {0, 2}}, {2, {1, 5}}, {kHypertable, {3, 4}}}));
}

TEST(BuildChunks, TheOrderOfTheBatchIsKeptInEachPart) {
  const std::vector<std::uint32_t> order{5, 3, 1, 4, 2, 0};
  EXPECT_EQ(routes_of({9, 28, 7, 26, 5, 24}, order), (Routes{{0, {4, 2, 0}}, {2, {5, 3, 1}}}));
}

}  // namespace
}  // namespace hypercopy::test
