// Settles whether records are regrouped by time across the input (time_windows.hpp), and by which field.
// Shape:   plan_windows() is called when all else of a plan is settled; it writes order_memory and notices. For
//          --order-by-time on it refuses what does not go with it; for auto it reads the first batches of the first input
//          and says why it chose. choose_regrouping() then settles the field of each input.
// Errors:  usage: --order-by-time on where the order of the input must stay, or there is none by time; as reading the
//          input gives them.
#pragma once

#include "load_plan.hpp"

namespace hypercopy {

[[nodiscard]] Status plan_windows(LoadPlan& plan, const Cancellation& cancellation);
// REQUIRES: plan.order_memory > 0, file.mapping is there.
[[nodiscard]] Status choose_regrouping(const LoadPlan& plan, InputFile& file);

// What a sample of an input says about its order: what auto goes by.
struct OrderSample {
  std::uint64_t batches = 0;
  std::uint64_t records = 0;
  std::uint64_t chunks = 0;           // in which records of the sample lie
  std::uint64_t chunks_of_batch = 0;  // in the mean
  bool in_order = true;
};
// Empty: regrouping pays. Else why it does not.
[[nodiscard]] std::string why_not_regroup(const OrderSample& sample);

}  // namespace hypercopy
