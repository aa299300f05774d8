// --max-rejects: what it is read from, and when it is exceeded.
#include "hypercopy/reject_gate.hpp"

#include <gtest/gtest.h>

#include "hypercopy/input_file.hpp"
#include "support/fakes.hpp"

namespace hypercopy::test {
namespace {

TEST(RejectLimit, IsANumberOrAShare) {
  EXPECT_EQ(parse_reject_limit("0")->records, 0U);
  EXPECT_EQ(parse_reject_limit("1000000")->records, 1'000'000U);
  EXPECT_EQ(parse_reject_limit("0.5%")->percent, 0.5);
  EXPECT_EQ(parse_reject_limit("100%")->percent, 100.0);
  EXPECT_EQ(to_string(*parse_reject_limit("0.5%")), "0.5%");
  EXPECT_EQ(to_string(*parse_reject_limit("12")), "12");
  for (const char* const text : {"", "%", "-1", "-1%", "101%", "1.5", "ten", "1 %", "nan%", "1%%", " 1"}) {
    const auto limit = parse_reject_limit(text);
    ASSERT_FALSE(limit) << text;
    EXPECT_EQ(limit.error().kind, ErrorKind::usage) << text;
  }
}

class Sink final : public RejectSink {
 public:
  class Kept final : public KeptRejects {
   public:
    Status end(CommitOutcome /*outcome*/) override { return {}; }
    std::string place() const override { return "here"; }
  };
  Result<std::unique_ptr<KeptRejects>> keep(const Batch& /*batch*/, std::span<const RejectedRecord> records,
                                            CopyStream& /*stream*/) override {
    kept += records.size();
    return std::make_unique<Kept>();
  }
  std::size_t kept = 0;
};

class RejectGateTest : public ::testing::Test {
 protected:
  RejectGateTest() {
    auto file = std::make_shared<InputFile>();
    file->name = "in.csv";
    batch_.file = file;
  }
  Result<std::unique_ptr<KeptRejects>> keep(RejectGate& gate, std::size_t count) {
    const std::vector<RejectedRecord> records(count, bad_record());
    return gate.keep(batch_, records, stream_);
  }
  static RejectedRecord bad_record() {
    RejectedRecord record;
    record.message = "bad";
    return record;
  }
  [[nodiscard]] bool allows(const RejectGate& gate, std::size_t count) const {
    return gate.allows(batch_, std::vector<RejectedRecord>(count)).has_value();
  }

  Batch batch_;
  Sink sink_;
  Ledger ledger_;
  FakeServer server_;
  FakeStream stream_{server_};
};

TEST_F(RejectGateTest, CountsWhatStays) {
  RejectGate gate(sink_, {.records = 5}, ledger_);
  auto kept = keep(gate, 3);
  ASSERT_TRUE(kept);
  EXPECT_EQ((*kept)->place(), "here");
  EXPECT_TRUE(allows(gate, 2));
  EXPECT_FALSE(allows(gate, 3));
  ASSERT_TRUE((*kept)->end(CommitOutcome::rolled_back));
  EXPECT_TRUE(allows(gate, 5));
  kept = keep(gate, 4);
  ASSERT_TRUE(kept);
  ASSERT_TRUE((*kept)->end(CommitOutcome::committed));
  kept->reset();
  const auto refused = keep(gate, 2);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().message, "too many bad records (--max-rejects 5); the last one: bad");
  ASSERT_TRUE(refused.error().location.has_value());
  EXPECT_EQ(sink_.kept, 7U);
  EXPECT_TRUE(keep(gate, 1));  // and given up again
  EXPECT_TRUE(allows(gate, 1));
  EXPECT_TRUE(gate.judge_at_end());
}

TEST_F(RejectGateTest, AShareIsJudgedWhenEnoughWasReadAndAtTheEnd) {
  RejectGate gate(sink_, {.percent = 1.0}, ledger_);
  ledger_.split({.records = RejectGate::kEnoughToJudge - 1});
  EXPECT_TRUE(allows(gate, 5000));
  ledger_.split({.records = 1});
  EXPECT_TRUE(allows(gate, 100));
  EXPECT_FALSE(allows(gate, 101));
  auto kept = keep(gate, 100);
  ASSERT_TRUE(kept);
  ASSERT_TRUE((*kept)->end(CommitOutcome::committed));
  EXPECT_TRUE(gate.judge_at_end());
}

TEST_F(RejectGateTest, AShareOfFewRecordsIsJudgedAtTheEnd) {
  RejectGate gate(sink_, {.percent = 10}, ledger_);
  ledger_.split({.records = 19});
  auto kept = keep(gate, 2);
  ASSERT_TRUE(kept);
  ASSERT_TRUE((*kept)->end(CommitOutcome::committed));
  ASSERT_FALSE(gate.judge_at_end());
  EXPECT_EQ(gate.judge_at_end().error().message,
            "too many bad records: 2 of 19 records were rejected (--max-rejects 10%)");
  ledger_.split({.records = 1});
  EXPECT_TRUE(gate.judge_at_end());
}

TEST_F(RejectGateTest, WithoutALimitAllMayBeRejected) {
  RejectGate gate(sink_, {}, ledger_);
  EXPECT_TRUE(allows(gate, 1'000'000));
  EXPECT_TRUE(gate.judge_at_end());
}

}  // namespace
}  // namespace hypercopy::test
