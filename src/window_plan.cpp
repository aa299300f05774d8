#include "window_plan.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "human_units.hpp"
#include "hypercopy/time_windows.hpp"

namespace hypercopy {

namespace {

constexpr std::uint64_t kSampleBatches = 4;
// What the server's COPY buffers before it goes through a chunk's indexes (MAX_BUFFERED_TUPLES of copyfrom.c): where a
// chunk gets as many from a batch, regrouping has nothing left to give.
constexpr std::uint64_t kRowsPerFlush = 1000;

// What order of the input must stay, whatever its records are.
std::string why_order_stays(const LoadPlan& plan) {
  const LoadOptions& options = plan.options;
  if (plan.single_transaction) return "all is loaded in one transaction, in the order of the input";
  if (options.atomic) return "--atomic fills a staging table, which has no chunks";
  if (options.on_conflict != OnConflict::error)
    return fmt::format(
        "of records with one key the order of the input tells which one wins (--on-conflict {})",
        to_string(options.on_conflict));
  if (plan.time_order.column.empty())
    return "the table is neither a hypertable nor partitioned by ranges of one column";
  return {};
}

Error not_possible(const std::string& why) {
  return Error{.kind = ErrorKind::usage,
               .message = fmt::format("--order-by-time on is not possible: {}", why),
               .hint = "Leave it out: --order-by-time auto does what can be done."};
}

std::size_t wanted_memory(const LoadOptions& options) {
  return options.order_memory == 0 ? kDefaultOrderMemory : options.order_memory;
}

// Two windows of two batches each.
bool has_room(const LoadPlan& plan, std::size_t memory) { return memory / 4 >= plan.batch_bytes; }

// With headers the columns are known once an input is opened; those of standard input and FIFOs only then.
Status check_columns(const LoadPlan& plan, const Cancellation& cancellation) {
  if (plan.options.header != Header::match) {
    HYPERCOPY_ASSIGN(const ColumnMapping mapping, map_columns(plan.options, plan.table, std::nullopt));
    const OrderDecision decision = order_of(plan.time_order, plan.table, mapping);
    return decision.key ? Status{} : fail(not_possible(decision.reason));
  }
  BatchPool pool(1, plan.batch_bytes);
  TimeShares unused;
  for (std::size_t index = 0; index < plan.files.size(); ++index) {
    if (plan.files[index] == "-" || is_fifo(plan.files[index])) continue;
    HYPERCOPY_TRY(open_input(plan, index, BatchLimits{}, pool, unused, cancellation));
  }
  return {};
}

Result<std::optional<OrderSample>> look_at_order(const LoadPlan& plan, const Cancellation& cancellation) {
  BatchPool pool(2, plan.batch_bytes);
  TimeShares unused;
  HYPERCOPY_ASSIGN(const OpenedInput input, open_input(plan, 0, BatchLimits{}, pool, unused, cancellation));
  if (!input.file->regroup_by) return std::optional<OrderSample>();
  const InputFile& file = *input.file;
  TimeSurveyResult all;
  OrderSample sample;
  while (sample.batches < kSampleBatches) {
    const auto batch = input.reader->next(input.file);
    if (!batch || !*batch) break;  // what is wrong with it is the load's to say
    TimeSurvey survey(file.dialect, file.split, *file.regroup_by, plan.kernel);
    survey.add((*batch)->bytes(), (*batch)->first, (*batch)->newline);
    sample.in_order = sample.in_order && survey.result().order() != TimeOrder::mixed;
    sample.chunks_of_batch += survey.result().buckets.size();
    sample.records += (*batch)->records;
    ++sample.batches;
    merge(all, survey.result());
  }
  if (sample.batches == 0) return std::optional<OrderSample>();
  sample.chunks_of_batch = (sample.chunks_of_batch + sample.batches - 1) / sample.batches;
  sample.chunks = all.buckets.size();
  return std::optional(sample);
}

// Whether auto may regroup at all: where the input can be looked at ahead, and batches are not made for something else. A
// batch that is dropped whole had better be one piece of the input, and a reject file is read in the input's order.
bool is_worth_a_look(const LoadPlan& plan) {
  const std::string& first = plan.files.front();
  return plan.hypertable && plan.time_order.chunk_width > 0 && !plan.direct_compress &&
         !plan.options.skip_failed_batches && plan.options.on_error == OnError::stop && first != "-" &&
         !is_fifo(first) && plan.bytes_total && *plan.bytes_total > kSampleBatches * plan.batch_bytes;
}

Status plan_automatically(LoadPlan& plan, const Cancellation& cancellation) {
  const std::size_t memory = wanted_memory(plan.options);
  if (!why_order_stays(plan).empty() || !is_worth_a_look(plan) || !has_room(plan, memory)) return {};
  plan.order_memory = memory;
  HYPERCOPY_ASSIGN(const auto sample, look_at_order(plan, cancellation));
  if (!sample || !why_not_regroup(*sample).empty()) {
    plan.order_memory = 0;
    return {};
  }
  plan.notices.push_back(fmt::format(
      "{} is not in the order of time, and a batch of it has records for {}: they are regrouped by time "
      "within {} of memory (--order-memory; --order-by-time off leaves them)",
      plan.files.front(), counted(sample->chunks_of_batch, "chunk"), human_bytes(memory)));
  return {};
}

}  // namespace

std::string why_not_regroup(const OrderSample& sample) {
  if (sample.chunks == 0) return "no time was read";
  if (sample.in_order) return "the records of a batch are in the order of time";
  if (sample.records / sample.batches / sample.chunks_of_batch >= kRowsPerFlush)
    return "a batch has many records for each of its chunks";
  if (sample.chunks > 2 * sample.chunks_of_batch) return "each batch has records for other chunks";
  return {};
}

Status plan_windows(LoadPlan& plan, const Cancellation& cancellation) {
  const LoadOptions& options = plan.options;
  if (options.order_memory > kMostOrderMemory) {
    return fail(ErrorKind::usage, "more than 4 GB of memory cannot be used to regroup records",
                "Give --order-memory less, or leave it out.");
  }
  if (options.order_by_time == OrderByTime::off) return {};
  if (options.order_by_time == OrderByTime::automatic) return plan_automatically(plan, cancellation);
  const std::string refused = why_order_stays(plan);
  if (!refused.empty()) return fail(not_possible(refused));
  const std::size_t memory = wanted_memory(options);
  if (!has_room(plan, memory)) {
    return fail(ErrorKind::usage,
                fmt::format("{} hold too few batches of {} to regroup their records by time",
                            human_bytes(memory), human_bytes(plan.batch_bytes)),
                "Give --order-memory at least four times the size of a batch.");
  }
  plan.order_memory = memory;
  HYPERCOPY_TRY(check_columns(plan, cancellation));
  plan.notices.push_back(
      fmt::format("records are regrouped by time across the input, within {} of memory (--order-memory)",
                  human_bytes(memory)));
  return {};
}

Status choose_regrouping(const LoadPlan& plan, InputFile& file) {
  const auto decision = order_of(plan.time_order, plan.table, file.mapping);
  if (!decision.key) {
    return plan.options.order_by_time == OrderByTime::on ? fail(not_possible(decision.reason)) : Status{};
  }
  const ColumnMapping& mapping = file.mapping;
  const std::string& column = mapping.columns[decision.key->field];
  file.regroup_by = TimeField{.index = *field_of(mapping, column),
                              .fields = mapping.columns.size() + mapping.dropped.size(),
                              .type_oid = plan.table.find(column)->wire.oid,
                              .interval = plan.hypertable && plan.time_order.chunk_width > 0
                                              ? plan.hypertable->primary().interval
                                              : 0,
                              .utc = plan.session.time_zone_is_utc,
                              .server_version = plan.session.server_version};
  return {};
}

}  // namespace hypercopy
