#include "hypercopy/ledger.hpp"

#include <gtest/gtest.h>

#include <string>
#include <thread>
#include <vector>

namespace hypercopy {
namespace {

TEST(Ledger, StartsEmptyAndBalanced) {
  const Ledger ledger;
  EXPECT_TRUE(ledger.totals().balanced());
  EXPECT_EQ(ledger.totals().split.batches, 0U);
  EXPECT_FALSE(ledger.error().has_value());
}

TEST(Ledger, SumsRecordsAndBytesOfEveryEnding) {
  Ledger ledger;
  ledger.split({200, 2000});
  ledger.committed({10, 100}, {.loaded = 10});
  ledger.committed({20, 200}, {.loaded = 18});
  ledger.already_done({50, 500});
  ledger.skipped({30, 300});
  ledger.failed({40, 400});
  ledger.unknown({45, 450});
  ledger.dropped({5, 50});
  const LedgerTotals totals = ledger.totals();
  EXPECT_EQ(totals.committed.batches, 2U);
  EXPECT_EQ(totals.committed.records, 30U);
  EXPECT_EQ(totals.committed.bytes, 300U);
  EXPECT_EQ(totals.already_done.bytes, 500U);
  EXPECT_EQ(totals.skipped.records, 30U);
  EXPECT_EQ(totals.failed.bytes, 400U);
  EXPECT_EQ(totals.unknown.batches, 1U);
  EXPECT_EQ(totals.dropped.records, 5U);
  EXPECT_EQ(totals.rows_loaded, 28U);
  EXPECT_EQ(totals.rows_suppressed, 2U);
  EXPECT_TRUE(totals.balanced());
}

TEST(Ledger, KnowsWhatCommittedRecordsBecame) {
  Ledger ledger;
  ledger.split({100, 1000});
  ledger.committed({100, 1000}, {.loaded = 50, .updated = 20, .conflicts = 15, .rejected = 10});
  const LedgerTotals totals = ledger.totals();
  EXPECT_EQ(totals.rows_loaded, 50U);
  EXPECT_EQ(totals.rows_updated, 20U);
  EXPECT_EQ(totals.records_conflicted, 15U);
  EXPECT_EQ(totals.records_rejected, 10U);
  EXPECT_EQ(totals.rows_suppressed, 5U);
  EXPECT_TRUE(totals.balanced());
}

TEST(Ledger, CountsEachInputByItself) {
  Ledger ledger(2);
  ledger.split({.records = 10, .bytes = 100, .input = 0});
  ledger.split({.records = 10, .bytes = 100, .input = 1});
  ledger.committed({.records = 10, .bytes = 100, .input = 0}, {.loaded = 10});
  ledger.committed({.records = 10, .bytes = 100, .input = 0}, {.loaded = 10});
  // Over all it seems to add up.
  EXPECT_TRUE(ledger.totals().balanced());
  EXPECT_FALSE(ledger.input_totals().at(0).balanced());
  EXPECT_FALSE(ledger.input_totals().at(1).balanced());
}

struct Imbalance {
  const char* name;
  void (*change)(Ledger& ledger);
};

class LedgerImbalance : public testing::TestWithParam<Imbalance> {};

TEST_P(LedgerImbalance, IsSeen) {
  Ledger ledger;
  ledger.split({10, 100});
  ledger.committed({10, 100}, {.loaded = 10});
  ASSERT_TRUE(ledger.totals().balanced());
  GetParam().change(ledger);
  EXPECT_FALSE(ledger.totals().balanced());
}

INSTANTIATE_TEST_SUITE_P(All, LedgerImbalance,
                         testing::Values(Imbalance{"RecordWithoutEnding",
                                                   [](Ledger& ledger) {
                                                     ledger.split({1, 10});
                                                   }},
                                         Imbalance{"CommittedTwice",
                                                   [](Ledger& ledger) {
                                                     ledger.committed({10, 100}, {.loaded = 10});
                                                   }},
                                         Imbalance{"AlreadyDoneThoughCommitted",
                                                   [](Ledger& ledger) {
                                                     ledger.already_done({10, 100});
                                                   }},
                                         Imbalance{"SkippedThoughCommitted",
                                                   [](Ledger& ledger) {
                                                     ledger.skipped({10, 100});
                                                   }},
                                         Imbalance{"FailedThoughCommitted",
                                                   [](Ledger& ledger) {
                                                     ledger.failed({10, 100});
                                                   }},
                                         Imbalance{"UnknownThoughCommitted",
                                                   [](Ledger& ledger) {
                                                     ledger.unknown({10, 100});
                                                   }},
                                         Imbalance{"DroppedThoughCommitted",
                                                   [](Ledger& ledger) {
                                                     ledger.dropped({10, 100});
                                                   }},
                                         Imbalance{"MoreRowsThanRecords",
                                                   [](Ledger& ledger) {
                                                     ledger.split({10, 100});
                                                     ledger.committed({10, 100}, {.loaded = 11});
                                                   }},
                                         Imbalance{"SurplusNotHiddenBySuppressedRow",
                                                   [](Ledger& ledger) {
                                                     ledger.split({20, 200});
                                                     ledger.committed({10, 100}, {.loaded = 11});
                                                     ledger.committed({10, 100}, {.loaded = 9});
                                                   }}),
                         [](const auto& param) { return std::string{param.param.name}; });

TEST(Ledger, KeepsTheFirstError) {
  Ledger ledger;
  EXPECT_TRUE(ledger.set_error({.kind = ErrorKind::sql, .message = "first"}));
  EXPECT_FALSE(ledger.set_error({.kind = ErrorKind::connection, .message = "second"}));
  ASSERT_TRUE(ledger.error().has_value());
  EXPECT_EQ(ledger.error()->message, "first");
}

TEST(Ledger, CountsFromManyThreads) {
  constexpr unsigned kThreads = 4;
  constexpr unsigned kBatches = 1000;
  Ledger ledger;
  std::vector<int> first_errors(kThreads);
  {
    std::vector<std::jthread> threads;
    for (unsigned i = 0; i < kThreads; ++i) {
      threads.emplace_back([&ledger, &first = first_errors[i]] {
        for (unsigned batch = 0; batch < kBatches; ++batch) {
          ledger.split({3, 30});
          ledger.committed({3, 30}, {.loaded = 2});
        }
        first = ledger.set_error({.kind = ErrorKind::sql, .message = "error"}) ? 1 : 0;
      });
    }
  }
  EXPECT_TRUE(ledger.totals().balanced());
  EXPECT_EQ(ledger.totals().committed.batches, kThreads * kBatches);
  EXPECT_EQ(ledger.totals().rows_suppressed, kThreads * kBatches);
  int firsts = 0;
  for (const int first : first_errors) {
    firsts += first;
  }
  EXPECT_EQ(firsts, 1);
}

}  // namespace
}  // namespace hypercopy
