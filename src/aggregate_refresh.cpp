#include "aggregate_refresh.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <vector>

#include "human_units.hpp"
#include "hypercopy/field_encoder.hpp"
#include "hypercopy/lasting_connection.hpp"
#include "query_numbers.hpp"

namespace hypercopy {

namespace {

using Bound = std::optional<std::int64_t>;  // nothing: none

// In TimescaleDB's internal time; the end is outside.
struct Window {
  Bound begin{};
  Bound end{};
};

struct Aggregate {
  int id = 0;
  int source = 0;  // the hypertable that it is made of: the target, or another aggregate's
  std::string name;
  std::string owner;
  bool may_refresh = false;
  bool adds_rows = false;  // from the table, behind the watermark
  std::uint32_t time_type = 0;
  std::int64_t width = 0;  // of a bucket, or more
  std::string now;         // SQL
  Window loaded{};         // widened to this aggregate's buckets
};

// A bucket of months, or of days in a time zone, has no fixed width: less than a sixteenth and a day more than its average.
constexpr std::string_view kAggregates = R"(
WITH RECURSIVE found AS (
  SELECT c.mat_hypertable_id AS id, c.raw_hypertable_id AS source, 1 AS depth
  FROM _timescaledb_catalog.continuous_agg c
  JOIN _timescaledb_catalog.hypertable h ON h.id = c.raw_hypertable_id
  WHERE h.schema_name = $1 AND h.table_name = $2
  UNION ALL
  SELECT c.mat_hypertable_id, c.raw_hypertable_id, f.depth + 1
  FROM found f JOIN _timescaledb_catalog.continuous_agg c ON c.raw_hypertable_id = f.id),
now_function AS (
  SELECT pg_catalog.format('%I.%I()::bigint', d.integer_now_func_schema, d.integer_now_func) AS call
  FROM _timescaledb_catalog.dimension d JOIN _timescaledb_catalog.hypertable h ON h.id = d.hypertable_id
  WHERE h.schema_name = $1 AND h.table_name = $2 AND d.integer_now_func IS NOT NULL)
SELECT f.id, f.source, pg_catalog.format('%I.%I', c.user_view_schema, c.user_view_name),
       pg_catalog.pg_get_userbyid(v.relowner), pg_catalog.pg_has_role(v.relowner, 'USAGE'), NOT c.materialized_only,
       t.type::oid::bigint,
       CASE WHEN t.type::text IN ('smallint', 'integer', 'bigint') THEN b.bucket_width::bigint
            ELSE CASE WHEN b.bucket_fixed_width THEN 1 ELSE 1.0625 END * t.width + CASE WHEN b.bucket_fixed_width THEN 0 ELSE 86400000000 END
       END::bigint,
       CASE t.type::text WHEN 'timestamp with time zone' THEN '_timescaledb_functions.to_unix_microseconds(pg_catalog.now())'
         WHEN 'timestamp without time zone' THEN '(extract(epoch FROM pg_catalog.now()::timestamp) * 1000000)::bigint'
         WHEN 'date' THEN '(extract(epoch FROM pg_catalog.now()::date) * 1000000)::bigint'
         ELSE coalesce((SELECT call FROM now_function), 'NULL::bigint') END
FROM found f
JOIN _timescaledb_catalog.continuous_agg c ON c.mat_hypertable_id = f.id
JOIN pg_catalog.pg_namespace n ON n.nspname = c.user_view_schema
JOIN pg_catalog.pg_class v ON v.relnamespace = n.oid AND v.relname = c.user_view_name
CROSS JOIN LATERAL _timescaledb_functions.cagg_get_bucket_function_info(f.id) b
CROSS JOIN LATERAL (
  SELECT d.column_type AS type,
         CASE WHEN d.column_type::text NOT IN ('smallint', 'integer', 'bigint')
              THEN extract(epoch FROM b.bucket_width::interval) * 1000000 END AS width
  FROM _timescaledb_catalog.dimension d
  WHERE d.hypertable_id = f.id AND d.interval_length IS NOT NULL ORDER BY d.id LIMIT 1) t
ORDER BY f.depth, 3)";

Result<std::vector<Aggregate>> read_aggregates(const LoadPlan& plan, Connection& connection) {
  const std::array<std::string, 2> name{plan.table.schema, plan.table.name};
  HYPERCOPY_ASSIGN(const QueryResult found, connection.execute(kAggregates, name));
  std::vector<Aggregate> aggregates;
  aggregates.reserve(static_cast<std::size_t>(found.rows()));
  for (int row = 0; row < found.rows(); ++row) {
    aggregates.push_back({.id = number_at<int>(found, row, 0),
                          .source = number_at<int>(found, row, 1),
                          .name = std::string(found.text(row, 2)),
                          .owner = std::string(found.text(row, 3)),
                          .may_refresh = found.boolean(row, 4),
                          .adds_rows = found.boolean(row, 5),
                          .time_type = number_at<std::uint32_t>(found, row, 6),
                          .width = number_at<std::int64_t>(found, row, 7),
                          .now = std::string(found.text(row, 8))});
  }
  return aggregates;
}

Bound plus(Bound bound, std::int64_t width) {
  std::int64_t sum = 0;
  if (!bound || __builtin_add_overflow(*bound, width, &sum)) return std::nullopt;
  return sum;
}

// The server makes a window narrower, to whole buckets: now none that holds a value from `first` to `last` is cut off.
Window around(Bound first, Bound last, std::int64_t bucket) {
  return {.begin = plus(first, 1 - bucket), .end = plus(last, bucket)};
}

// A binary value as TimescaleDB counts; infinity is no bound.
Bound internal_time(std::int64_t key, std::uint32_t type) {
  constexpr std::int64_t kDaysTo2000 = 10957;
  constexpr std::int64_t kMicrosecondsPerDay = 86'400'000'000;
  if (type == type_oid::kDate) {
    if (key == INT32_MAX || key == INT32_MIN) return std::nullopt;
    return (key + kDaysTo2000) * kMicrosecondsPerDay;
  }
  if (type != type_oid::kTimestamp && type != type_oid::kTimestamptz) return key;
  if (key == INT64_MAX || key == INT64_MIN) return std::nullopt;
  return plus(key, kDaysTo2000 * kMicrosecondsPerDay);
}

struct TypeRange {
  std::string_view function;  // makes a value of internal time
  std::int64_t least = INT64_MIN;
  std::int64_t most = INT64_MAX;
};

TypeRange range_of(std::uint32_t type) {
  // Those of TimescaleDB's src/time_utils.h.
  constexpr std::int64_t kFirstTime = -210'866'803'200'000'000;
  constexpr std::int64_t kEndOfTime = 9'223'371'331'200'000'000;
  switch (type) {
    case type_oid::kInt2:
      return {"pg_catalog.int2", INT16_MIN, INT16_MAX};
    case type_oid::kInt4:
      return {"pg_catalog.int4", INT32_MIN, INT32_MAX};
    case type_oid::kInt8:
      return {"pg_catalog.int8"};
    case type_oid::kDate:
      return {"_timescaledb_functions.to_date", kFirstTime, kEndOfTime};
    case type_oid::kTimestamp:
      return {"_timescaledb_functions.to_timestamp_without_timezone", kFirstTime, kEndOfTime};
    default:
      return {"_timescaledb_functions.to_timestamp", kFirstTime, kEndOfTime};
  }
}

std::string literal(Bound bound, std::uint32_t type) {
  const TypeRange range = range_of(type);
  if (!bound || *bound <= range.least || *bound >= range.most) return "NULL";
  return fmt::format("{}('{}'::pg_catalog.int8)", range.function, *bound);
}

class Refresh {
 public:
  Refresh(const LoadPlan& plan, const RefreshRange& range, LastingConnection& server, Console& console)
      : plan_(plan), range_(range), server_(server), console_(console) {}

  Status run() {
    HYPERCOPY_TRY(server_.ask([&](Connection& connection) { return read(connection); }));
    if (aggregates_.empty()) {
      console_.log(LogLevel::info, "the table has no continuous aggregate to refresh");
      return {};
    }
    say_what_is_refreshed();
    for (std::size_t at = 0; at < aggregates_.size(); ++at) {
      const auto begun = std::chrono::steady_clock::now();
      HYPERCOPY_TRY(explain(refresh(aggregates_[at]), aggregates_[at]));
      console_.log(LogLevel::info, fmt::format("refreshed {} ({} of {}) in {}", aggregates_[at].name, at + 1,
                                               counted(aggregates_.size(), "continuous aggregate"),
                                               human_time(std::chrono::steady_clock::now() - begun)));
    }
    return {};
  }

 private:
  Status read(Connection& connection) {
    HYPERCOPY_ASSIGN(const QueryResult name,
                     connection.execute("SELECT pg_catalog.format('%I.refresh_continuous_aggregate', "
                                        "e.extnamespace::regnamespace::name) FROM pg_catalog.pg_extension e "
                                        "WHERE e.extname = 'timescaledb'"));
    if (name.rows() == 0)
      return fail(ErrorKind::target, "the extension timescaledb was dropped at this moment");
    procedure_ = name.text(0, 0);
    HYPERCOPY_ASSIGN(aggregates_, read_aggregates(plan_, connection));
    return {};
  }

  void say_what_is_refreshed() {
    const std::string many = counted(aggregates_.size(), "continuous aggregate");
    console_.log(
        LogLevel::info,
        range_.everything ? fmt::format("refreshing {}: the table was emptied", many)
        : range_.loaded
            ? fmt::format("refreshing {} over the loaded times", many)
            : fmt::format("refreshing {} over what the server has noted as changed (the times of all "
                          "that was loaded are not known here)",
                          many));
  }

  Status refresh(Aggregate& aggregate) {
    HYPERCOPY_ASSIGN(const auto windows,
                     server_.ask([&](Connection& connection) { return windows_of(aggregate, connection); }));
    for (const Window& window : windows) {
      HYPERCOPY_TRY(server_.ask([&](Connection& connection) { return call(aggregate, window, connection); }));
    }
    return {};
  }

  Result<std::vector<Window>> windows_of(Aggregate& aggregate, Connection& connection) {
    if (range_.everything) return std::vector<Window>{Window{}};
    if (!range_.loaded) return changed(aggregate, connection);
    aggregate.loaded = loaded_in(aggregate);
    return std::vector<Window>{aggregate.loaded};
  }

  // Of an aggregate over an aggregate: buckets of that one, the first of which may begin earlier than what was loaded.
  Window loaded_in(const Aggregate& aggregate) const {
    const auto below = std::ranges::find(aggregates_, aggregate.source, &Aggregate::id);
    if (below != aggregates_.end()) {
      return around(below->loaded.begin, plus(below->loaded.end, -below->width), aggregate.width);
    }
    const std::uint32_t type = plan_.hypertable->primary().type_oid;
    return around(internal_time(range_.loaded->least, type), internal_time(range_.loaded->most, type),
                  aggregate.width);
  }

  // Open ranges are what was never refreshed; the table's own log has one after a TRUNCATE only.
  Result<std::vector<Window>> changed(const Aggregate& aggregate, Connection& connection) {
    HYPERCOPY_ASSIGN(
        const QueryResult log,
        connection.execute(fmt::format(
            "SELECT lowest_modified_value, greatest_modified_value FROM "
            "_timescaledb_catalog.continuous_aggs_hypertable_invalidation_log WHERE hypertable_id = {0} "
            "UNION ALL SELECT lowest_modified_value, greatest_modified_value FROM "
            "_timescaledb_catalog.continuous_aggs_materialization_invalidation_log WHERE materialization_id "
            "= {1} "
            "AND lowest_modified_value <> {2} AND greatest_modified_value <> {3} "
            "UNION ALL SELECT watermark, {3} FROM "
            "_timescaledb_catalog.continuous_aggs_invalidation_threshold WHERE hypertable_id = {0} ORDER BY "
            "1",
            aggregate.source, aggregate.id, kNoBegin, kNoEnd)));
    std::vector<Window> windows;
    for (int row = 0; row < log.rows(); ++row) {
      const auto first = number_at<std::int64_t>(log, row, 0);
      const auto last = number_at<std::int64_t>(log, row, 1);
      add(windows,
          around(first == INT64_MIN ? Bound() : first, last == INT64_MAX ? Bound() : last, aggregate.width));
    }
    return windows;
  }

  // They come by their begin; those that touch become one, and so do all from kMostWindows on.
  static void add(std::vector<Window>& windows, const Window& window) {
    if (windows.empty()) {
      windows.push_back(window);
      return;
    }
    Window& last = windows.back();
    const bool touches = !last.end || !window.begin || *window.begin <= *last.end;
    if (!touches && windows.size() < kMostWindows) {
      windows.push_back(window);
      return;
    }
    if (!window.end || !last.end) {
      last.end.reset();
    } else {
      last.end = std::max(*last.end, *window.end);
    }
  }

  Status call(const Aggregate& aggregate, Window window, Connection& connection) {
    HYPERCOPY_ASSIGN(const Bound most, last_moment(aggregate, connection));
    const bool is_cut = most && (!window.end || *window.end > *most);
    if (is_cut) window.end = most;
    if (window.begin && window.end && *window.begin >= *window.end) return {};
    auto called = connection.execute(fmt::format(
        "CALL {}({}::pg_catalog.regclass, {}, {})", procedure_, connection.quote_literal(aggregate.name),
        literal(window.begin, aggregate.time_type), literal(window.end, aggregate.time_type)));
    if (called) return {};
    // All that was loaded lies in the bucket that is not over yet.
    if (is_cut && called.error().sqlstate == kInvalidParameter) return {};
    return fail(std::move(called).error());
  }

  Result<Bound> last_moment(const Aggregate& aggregate, Connection& connection) {
    if (!aggregate.adds_rows) return Bound();
    HYPERCOPY_ASSIGN(
        const QueryResult found,
        connection.execute(fmt::format(
            "SELECT greatest(now, _timescaledb_functions.cagg_watermark({})) FROM (SELECT {}) n(now) "
            "WHERE now IS NOT NULL",
            aggregate.id, aggregate.now)));
    if (found.rows() == 0) return Bound();
    return Bound(number_at<std::int64_t>(found, 0, 0));
  }

  static Status explain(Status refreshed, const Aggregate& aggregate) {
    if (refreshed) return refreshed;
    Error error = std::move(refreshed).error();
    if (error.kind == ErrorKind::interrupted) return fail(std::move(error));
    error.message =
        fmt::format("the continuous aggregate {} is not refreshed: {}", aggregate.name, error.message);
    if (error.sqlstate == kNoRight) {
      error.hint = fmt::format(
          "All is loaded. {} owns the aggregate and may refresh it: CALL "
          "refresh_continuous_aggregate('{}', NULL, NULL)",
          aggregate.owner, aggregate.name);
    }
    return fail(std::move(error));
  }

  static constexpr std::string_view kInvalidParameter = "22023";
  static constexpr std::string_view kNoRight = "42501";
  static constexpr std::string_view kNoBegin = "'-9223372036854775808'::bigint";
  static constexpr std::string_view kNoEnd = "'9223372036854775807'::bigint";
  static constexpr std::size_t kMostWindows = 50;

  const LoadPlan& plan_;
  const RefreshRange& range_;
  LastingConnection& server_;
  Console& console_;
  std::string procedure_;
  std::vector<Aggregate> aggregates_;
};

}  // namespace

bool loads_unnoted(const LoadPlan& plan) {
  return plan.hypertable && !plan.hypertable->aggregates.empty() && !plan.options.atomic &&
         std::ranges::any_of(plan.facts.triggers, [](const TableTrigger& trigger) {
           return trigger.has_transition_table || (trigger.for_each_row && trigger.before);
         });
}

Status check_after(const LoadPlan& plan, Connection& connection) {
  const AfterLoad& after = plan.options.after;
  if ((after.compress || after.refresh) && !plan.hypertable) {
    return fail(ErrorKind::usage,
                after.compress
                    ? "--after compress is for hypertables: this table has no chunks"
                    : "--after refresh is for hypertables: this table has no continuous aggregates",
                "Leave it out; --after analyze is for every table.");
  }
  if (!after.refresh) return {};
  if (loads_unnoted(plan)) {
    return fail(
        ErrorKind::usage,
        "--after refresh is not possible: TimescaleDB does not note what COPY loads past the table's "
        "triggers, so nobody knows what to refresh",
        "Leave it out, and refresh the loaded times afterwards: CALL refresh_continuous_aggregate(name, "
        "from, to, force => true). --atomic has no such limit.");
  }
  HYPERCOPY_ASSIGN(const auto aggregates, read_aggregates(plan, connection));
  const auto foreign = std::ranges::find(aggregates, false, &Aggregate::may_refresh);
  if (foreign == aggregates.end()) return {};
  return fail(ErrorKind::usage,
              fmt::format("--after refresh is not possible: only {}, who owns {}, may refresh it",
                          foreign->owner, foreign->name),
              "Load as a member of that role, or leave it out and have the aggregate refreshed afterwards.");
}

Status refresh_aggregates(const LoadPlan& plan, const RefreshRange& range,
                          const std::function<Result<Connection>()>& connect, Console& console, StopAt stop) {
  LastingConnection server(connect, plan.options.retry_timeout, stop);
  return Refresh(plan, range, server, console).run();
}

}  // namespace hypercopy
