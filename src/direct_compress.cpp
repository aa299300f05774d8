#include "hypercopy/direct_compress.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "hypercopy/batch.hpp"

namespace hypercopy {

namespace {

// What the server puts into one compressed batch, if it has as many.
constexpr double kRowsPerGroup = 1000;
// Less than this share of what a group could have, or fewer rows than that, are not worth it.
constexpr double kWorthIt = 0.5;
constexpr double kFewestRowsPerGroup = 100;

std::size_t most_batch_bytes(unsigned jobs) { return kBatchMemory / (1 + 3 * std::size_t{jobs}); }

// "2.24.1" is at least 2.24.
bool is_at_least(std::string_view version, int major, int minor) {
  int found_major = 0;
  int found_minor = 0;
  const char* const end = version.data() + version.size();
  const auto [dot, outcome] = std::from_chars(version.data(), end, found_major);
  if (outcome != std::errc() || dot == end) return false;
  std::from_chars(dot + 1, end, found_minor);
  return found_major > major || (found_major == major && found_minor >= minor);
}

// Rows of one chunk and segment value in a batch of so many records. In the order of time a chunk is met once, and no batch
// can have more of it than it has; device by device every part of the input looks like the first one.
double rows_per_group(const InputShape& shape, double records) {
  const auto sampled = static_cast<double>(shape.records);
  const auto groups = static_cast<double>(std::max<std::uint64_t>(1, shape.groups.groups));
  if (!shape.groups.in_order) return sampled / groups;
  const double segments = groups / static_cast<double>(std::max<std::uint64_t>(1, shape.groups.chunks));
  return records / segments;
}

// Of a chunk, as far as the first records tell; input in another order tells nothing.
double rows_per_chunk(const InputShape& shape) {
  if (!shape.groups.in_order || shape.groups.chunk_spans <= 0) return static_cast<double>(UINT64_MAX);
  return static_cast<double>(shape.records) / shape.groups.chunk_spans;
}

}  // namespace

std::string refuse_direct_compress(const std::optional<Hypertable>& hypertable, const TableFacts& facts,
                                   const LoadOptions& options, bool has_setting) {
  if (!hypertable) return "the table is no hypertable";
  if (!has_setting)
    return fmt::format("TimescaleDB {} cannot do it (2.21 and newer can)", hypertable->extension_version);
  if (!hypertable->is_community) return "the server's TimescaleDB runs under the Apache licence";
  if (!hypertable->columnstore.enabled) return "the hypertable has no columnstore";
  if (facts.has_uniqueness()) return "a unique index or EXCLUDE constraint must see each row";
  const auto sees_rows = [](const TableTrigger& one) { return one.for_each_row || one.has_transition_table; };
  const auto trigger = std::find_if(facts.triggers.begin(), facts.triggers.end(), sees_rows);
  if (trigger != facts.triggers.end()) return fmt::format("trigger {} must see each row", trigger->name);
  if (!facts.references.empty())
    return fmt::format("the foreign key {} must see each row", facts.references.front().name);
  if (!hypertable->aggregates.empty() && !is_at_least(hypertable->extension_version, 2, 24))
    return fmt::format("TimescaleDB {} cannot do it for a table with continuous aggregates (2.24 can)",
                       hypertable->extension_version);
  if (options.atomic) return "--atomic fills a staging table first";
  if (options.single_transaction) return "a single COPY per input would hold all its chunks in memory";
  return {};
}

BatchChoice choose_compressed_batches(const std::optional<InputShape>& shape, const LoadOptions& options,
                                      unsigned jobs) {
  const bool demanded = options.direct_compress == DirectCompress::on;
  const bool is_set = options.batch_bytes != 0 || options.batch_records != 0;
  const std::size_t set_bytes = options.batch_bytes != 0 ? options.batch_bytes : kDefaultBatchBytes;
  const std::size_t most = is_set ? set_bytes : most_batch_bytes(jobs);
  if (!shape || shape->records == 0) return {.compress = demanded, .batch_bytes = most};
  const double record_bytes = static_cast<double>(shape->bytes) / static_cast<double>(shape->records);
  double records = static_cast<double>(most) / record_bytes;
  if (options.batch_records != 0) records = std::min(records, static_cast<double>(options.batch_records));
  const double in_chunk = rows_per_chunk(*shape);
  const double wanted =
      shape->groups.in_order ? std::min(kRowsPerGroup, rows_per_group(*shape, in_chunk)) : kRowsPerGroup;
  if (!is_set && shape->groups.in_order) {
    const double enough = std::min(in_chunk, records * wanted / rows_per_group(*shape, records));
    records = std::clamp(enough, std::min(records, static_cast<double>(kDefaultBatchBytes) / record_bytes),
                         records);
  }
  const double found = rows_per_group(*shape, std::min(records, in_chunk));
  return {.compress = demanded || found >= std::max(kFewestRowsPerGroup, kWorthIt * wanted),
          .batch_bytes = is_set ? set_bytes : static_cast<std::size_t>(records * record_bytes),
          .rows_per_group = static_cast<std::uint64_t>(found)};
}

}  // namespace hypercopy
