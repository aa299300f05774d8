// When rows are compressed as they arrive, and how large batches are: decisions from facts.
#include "hypercopy/direct_compress.hpp"

#include <gtest/gtest.h>

#include <functional>

#include "hypercopy/batch.hpp"

namespace hypercopy::test {
namespace {

TableIndex index(bool unique, bool exclusion) {
  TableIndex made;
  made.unique = unique;
  made.exclusion = exclusion;
  return made;
}
TableTrigger looking(bool for_each_row, bool has_transition_table) {
  TableTrigger made;
  made.name = "looks";
  made.for_each_row = for_each_row;
  made.has_transition_table = has_transition_table;
  return made;
}

struct Facts {
  std::optional<Hypertable> hypertable{std::in_place};
  TableFacts table{};
  LoadOptions options{};
  bool has_setting = true;

  Facts() {
    hypertable->extension_version = "2.28.3";
    hypertable->is_community = true;
    hypertable->columnstore.enabled = true;
  }
  [[nodiscard]] std::string refused() const {
    return refuse_direct_compress(hypertable, table, options, has_setting);
  }
};

TEST(DirectCompressTest, IsRefusedForAReason) {
  struct Case {
    const char* reason;  // empty: not refused
    std::function<void(Facts&)> change;
  };
  const std::vector<Case> cases{
      {"", [](Facts&) {}},
      {"no hypertable", [](Facts& facts) { facts.hypertable.reset(); }},
      {"2.21 and newer", [](Facts& facts) { facts.has_setting = false; }},
      {"Apache", [](Facts& facts) { facts.hypertable->is_community = false; }},
      {"no columnstore", [](Facts& facts) { facts.hypertable->columnstore.enabled = false; }},
      {"unique", [](Facts& facts) { facts.table.indexes.push_back(index(true, false)); }},
      {"EXCLUDE", [](Facts& facts) { facts.table.indexes.push_back(index(false, true)); }},
      {"", [](Facts& facts) { facts.table.indexes.push_back(index(false, false)); }},
      {"trigger looks", [](Facts& facts) { facts.table.triggers.push_back(looking(true, false)); }},
      {"trigger looks", [](Facts& facts) { facts.table.triggers.push_back(looking(false, true)); }},
      {"", [](Facts& facts) { facts.table.triggers.push_back(looking(false, false)); }},
      {"foreign key f",
       [](Facts& facts) {
         facts.table.references.push_back({"f", "other"});
       }},
      {"", [](Facts& facts) { facts.hypertable->aggregates.emplace_back(); }},
      {"continuous aggregates",
       [](Facts& facts) {
         facts.hypertable->aggregates.emplace_back();
         facts.hypertable->extension_version = "2.23.1";
       }},
      {"staging table", [](Facts& facts) { facts.options.atomic = true; }},
      {"single COPY", [](Facts& facts) { facts.options.single_transaction = true; }}};
  for (const auto& [reason, change] : cases) {
    Facts facts;
    change(facts);
    const std::string refused = facts.refused();
    SCOPED_TRACE(reason + std::string(" / ") + refused);
    EXPECT_EQ(refused.empty(), std::string_view(reason).empty());
    EXPECT_NE(refused.find(reason), std::string::npos);
  }
}

// 100 bytes each, one row per device and time.
InputShape in_order(std::uint64_t devices, std::uint64_t rows_per_chunk) {
  constexpr std::uint64_t kRecords = 40'000;
  const std::uint64_t chunks = 1 + kRecords / rows_per_chunk;
  return {.records = kRecords,
          .bytes = kRecords * 100,
          .groups = {.chunks = chunks,
                     .groups = chunks * devices,
                     .in_order = true,
                     .chunk_spans = static_cast<double>(kRecords) / static_cast<double>(rows_per_chunk)}};
}

TEST(DirectCompressTest, BatchesHoldAThousandRowsPerGroupOrAWholeChunk) {
  const LoadOptions options;
  const BatchChoice thousand = choose_compressed_batches(in_order(200, 10'000'000), options, 2);
  EXPECT_TRUE(thousand.compress);
  EXPECT_NEAR(static_cast<double>(thousand.rows_per_group), 1000, 1);
  EXPECT_NEAR(static_cast<double>(thousand.batch_bytes), 20'000'000, 1e5);

  const BatchChoice whole = choose_compressed_batches(in_order(1000, 400'000), options, 2);
  EXPECT_TRUE(whole.compress);
  EXPECT_NEAR(static_cast<double>(whole.rows_per_group), 400, 1);
  EXPECT_NEAR(static_cast<double>(whole.batch_bytes), 40'000'000, 1e5);

  const BatchChoice few_devices = choose_compressed_batches(in_order(2, 10'000'000), options, 2);
  EXPECT_TRUE(few_devices.compress);
  EXPECT_GE(few_devices.batch_bytes, kDefaultBatchBytes - 200);
}

TEST(DirectCompressTest, MemoryLimitsBatches) {
  const LoadOptions options;
  for (const unsigned jobs : {1U, 2U, 8U, 64U}) {
    const BatchChoice choice = choose_compressed_batches(in_order(100'000, 1'000'000'000), options, jobs);
    EXPECT_FALSE(choice.compress) << jobs;
    EXPECT_LE(choice.batch_bytes * (1 + 3 * std::size_t{jobs}), kBatchMemory);
  }
}

TEST(DirectCompressTest, TooFewRowsPerGroupAreNotWorthItUnlessDemanded) {
  LoadOptions options;
  const InputShape by_device{
      .records = 40'000, .bytes = 4'000'000, .groups = {.chunks = 200, .groups = 3000, .in_order = false}};
  EXPECT_FALSE(choose_compressed_batches(by_device, options, 2).compress);
  EXPECT_FALSE(choose_compressed_batches(in_order(1000, 50'000), options, 2).compress);
  EXPECT_FALSE(choose_compressed_batches(std::nullopt, options, 2).compress);
  options.batch_records = 5000;
  EXPECT_FALSE(choose_compressed_batches(in_order(1000, 400'000), options, 2).compress);
  options.direct_compress = DirectCompress::on;
  EXPECT_TRUE(choose_compressed_batches(by_device, options, 2).compress);
  EXPECT_TRUE(choose_compressed_batches(std::nullopt, options, 2).compress);
}

TEST(DirectCompressTest, WhatTheUserSetStays) {
  LoadOptions options;
  options.batch_bytes = 5'000'000;
  EXPECT_EQ(choose_compressed_batches(in_order(10, 10'000'000), options, 2).batch_bytes, 5'000'000U);
}

}  // namespace
}  // namespace hypercopy::test
