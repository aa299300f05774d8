// What --order-by-time auto makes of a sample.
#include "window_plan.hpp"

#include <gtest/gtest.h>

namespace hypercopy::test {
namespace {

TEST(WindowPlan, RegroupsWhatEachBatchSpreadsOverTheSameChunks) {
  struct Case {
    const char* name;
    OrderSample sample;
    const char* why_not;
  };
  const OrderSample spread{
      .batches = 4, .records = 96'000, .chunks = 200, .chunks_of_batch = 200, .in_order = false};
  OrderSample in_order = spread;
  in_order.in_order = true;
  OrderSample dense = spread;
  dense.chunks = dense.chunks_of_batch = 24;
  OrderSample moving = spread;
  moving.chunks_of_batch = 60;
  OrderSample overlapping = spread;
  overlapping.chunks_of_batch = 100;
  for (const auto& [name, sample, why_not] :
       {Case{"spread", spread, ""},
        Case{"in order", in_order, "the records of a batch are in the order of time"},
        Case{"dense", dense, "a batch has many records for each of its chunks"},
        Case{"moving on", moving, "each batch has records for other chunks"},
        Case{"overlapping", overlapping, ""}}) {
    SCOPED_TRACE(name);
    EXPECT_EQ(why_not_regroup(sample), why_not);
  }
}

// Times that are not read lie in no chunk.
TEST(WindowPlan, ASampleWithoutChunksSaysNothing) {
  EXPECT_EQ(why_not_regroup({.batches = 4, .records = 4000, .in_order = false}), "no time was read");
}

}  // namespace
}  // namespace hypercopy::test
