#include "batch_plan.hpp"

#include <fmt/format.h>

#include <array>

#include "human_units.hpp"
#include "hypercopy/direct_compress.hpp"

namespace hypercopy {

namespace {

// Of the first records: nothing where they cannot be read twice, encoded or told apart by chunk.
Result<std::optional<InputShape>> look_at_input(const LoadPlan& plan, const Cancellation& cancellation) {
  const std::string& first = plan.files.front();
  const bool is_known = plan.wire != Wire::csv && plan.time_order.chunk_width > 0 &&
                        !plan.time_order.has_row_triggers && first != "-" && !is_fifo(first);
  if (!is_known) return std::optional<InputShape>();
  BatchPool pool(2, kDefaultBatchBytes);
  TimeShares unused;
  HYPERCOPY_ASSIGN(const OpenedInput input, open_input(plan, 0, BatchLimits{}, pool, unused, cancellation));
  SendOrder by_segment = plan.time_order;
  by_segment.groups_segments = true;
  const auto key = order_of(by_segment, plan.table, input.file->mapping).key;
  if (!key || !input.file->encoding) return std::optional<InputShape>();
  const auto batch = input.reader->next(input.file);
  // What is wrong with it is the load's to say.
  if (!batch || !*batch) return std::optional<InputShape>();
  RecordEncoder encoder(plan.kernel);
  const EncodedFront front =
      encoder.encode_front((*batch)->bytes(), (*batch)->newline, *input.file->encoding);
  if (front.records == 0) return std::optional<InputShape>();
  RecordOrder order;
  return std::optional(InputShape{.records = front.records,
                                  .bytes = (*batch)->bytes().size() * front.records / (*batch)->records,
                                  .groups = order.count_groups(front.stream, front.starts, *key)});
}

Result<bool> knows_setting(const LoadPlan& plan, Connection& connection) {
  if (!plan.hypertable) return false;
  const std::array<std::string, 1> name{kDirectCompressSetting};
  HYPERCOPY_ASSIGN(const QueryResult found,
                   connection.execute("SELECT FROM pg_catalog.pg_settings WHERE name = $1", name));
  return found.rows() > 0;
}

Status pin(LoadPlan& plan, Connection& connection) {
  const std::string value = plan.direct_compress ? "on" : "off";
  const std::array<std::string, 2> parameters{kDirectCompressSetting, value};
  HYPERCOPY_TRY(connection.execute("SELECT pg_catalog.set_config($1, $2, false)", parameters));
  plan.session.pinned.emplace_back(kDirectCompressSetting, value);
  return {};
}

void note_compressed(LoadPlan& plan, const BatchChoice& choice) {
  plan.notices.push_back(
      fmt::format("direct compress: rows are compressed as they arrive, in batches of up to {}{} "
                  "(--direct-compress off turns it "
                  "off)",
                  human_bytes(choice.batch_bytes),
                  choice.rows_per_group == 0
                      ? std::string()
                      : fmt::format(" with about {} rows per chunk and segment", choice.rows_per_group)));
}

void note_refused(LoadPlan& plan, std::string_view reason) {
  if (plan.hypertable && plan.hypertable->columnstore.enabled)
    plan.notices.push_back(fmt::format("direct compress is not used: {}", reason));
}

std::string too_small(const BatchChoice& choice, bool is_known) {
  if (!is_known)
    return "the input cannot be looked at ahead of the load (--direct-compress on uses it all the same)";
  return fmt::format(
      "a batch of {} has only about {} rows per chunk and segment (--direct-compress on uses it all the "
      "same)",
      human_bytes(choice.batch_bytes), choice.rows_per_group);
}

}  // namespace

Status plan_batches(LoadPlan& plan, Connection& connection, const Cancellation& cancellation) {
  const LoadOptions& options = plan.options;
  plan.batch_bytes = options.batch_bytes == 0 ? kDefaultBatchBytes : options.batch_bytes;
  HYPERCOPY_ASSIGN(const bool has_setting, knows_setting(plan, connection));
  const std::string refused = refuse_direct_compress(plan.hypertable, plan.facts, options, has_setting);
  if (!refused.empty() && options.direct_compress == DirectCompress::on) {
    return fail(ErrorKind::usage, fmt::format("--direct-compress on is not possible: {}", refused),
                "Leave it out, and compress the chunks when they are loaded: --after compress");
  }
  if (!refused.empty()) {
    if (options.direct_compress != DirectCompress::off) note_refused(plan, refused);
  } else if (options.direct_compress == DirectCompress::automatic && options.on_error == OnError::reject) {
    note_refused(plan, "bad records are looked for in small runs (--on-error reject)");
  } else if (options.direct_compress != DirectCompress::off) {
    HYPERCOPY_ASSIGN(const auto shape, look_at_input(plan, cancellation));
    const BatchChoice choice = choose_compressed_batches(shape, options, plan.jobs);
    plan.direct_compress = choice.compress;
    if (!choice.compress) note_refused(plan, too_small(choice, shape.has_value()));
    if (choice.compress) {
      plan.batch_bytes = choice.batch_bytes;
      plan.time_order.groups_segments = plan.time_order.chunk_width > 0;
      note_compressed(plan, choice);
    }
  }
  return has_setting ? pin(plan, connection) : Status{};
}

}  // namespace hypercopy
