// inspect_page(): an inspection for people, on one page.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <chrono>

#include "human_units.hpp"
#include "hypercopy/inspect.hpp"
#include "time_text.hpp"
#include "wrapped_text.hpp"

namespace hypercopy {

namespace {

constexpr std::size_t kIndent = 2;
constexpr std::size_t kLabelWidth = 15;
constexpr std::size_t kMostListed = 8;

class Page {
 public:
  void section(std::string_view name, std::string_view subject) {
    text_ += fmt::format("{}{}{}{}\n", text_.empty() ? "" : "\n", name, subject.empty() ? "" : "  ", subject);
  }
  // Nothing where there is no value.
  void line(std::string_view label, std::string_view value) {
    if (value.empty()) return;
    text_ += fmt::format("{:{}}{:<{}}", "", kIndent, label, kLabelWidth) +
             wrapped(value, std::string(kIndent + kLabelWidth, ' '), kIndent + kLabelWidth);
  }
  void item(std::string_view text) {
    text_ += fmt::format("{:{}}- ", "", kIndent) + wrapped(text, std::string(kIndent + 2, ' '), kIndent + 2);
  }
  // As it is, to be copied.
  void verbatim(std::string_view text) { text_ += fmt::format("{:{}}{}\n", "", kIndent, text); }

  [[nodiscard]] std::string text() && { return std::move(text_); }

 private:
  std::string text_;
};

// "a, b, c and 12 more"
std::string listed(const std::vector<std::string>& words) {
  if (words.size() <= kMostListed) return fmt::format("{}", fmt::join(words, ", "));
  return fmt::format("{} and {} more", fmt::join(words.begin(), words.begin() + kMostListed, ", "),
                     words.size() - kMostListed);
}

// One text per item.
template <typename Items, typename Text>
std::vector<std::string> texts_of(const Items& items, Text text) {
  std::vector<std::string> texts;
  texts.reserve(items.size());
  for (const auto& item : items) texts.push_back(text(item));
  return texts;
}

std::string_view newline_text(NewlineStyle style) {
  switch (style) {
    case NewlineStyle::lf:
      return "LF";
    case NewlineStyle::crlf:
      return "CRLF";
    case NewlineStyle::cr:
      return "CR";
    case NewlineStyle::unknown:
      return "no newline";
  }
  return "?";
}

std::string byte_text(char byte) {
  if (byte == '\t') return "tab";
  return byte > ' ' && byte < '\x7f' ? std::string(1, byte)
                                     : fmt::format("\\x{:02x}", static_cast<unsigned char>(byte));
}

std::string dialect_text(const Inspection& found) {
  const Dialect& dialect = found.dialect;
  std::vector<std::string> parts{dialect.format == Format::csv ? "CSV" : "COPY text"};
  const Dialect usual = default_dialect(dialect.format);
  if (found.fields != 0) parts.push_back(counted(found.fields, "field"));
  if (dialect.delimiter != usual.delimiter) parts.push_back("delimiter " + byte_text(dialect.delimiter));
  if (dialect.quote != usual.quote) parts.push_back("quote " + byte_text(dialect.quote));
  if (dialect.escape != dialect.quote && dialect.format == Format::csv)
    parts.push_back("escape " + byte_text(dialect.escape));
  std::vector<std::string> newlines;
  for (const auto& input : found.inputs) {
    const std::string text(newline_text(input.newline));
    if (std::ranges::find(newlines, text) == newlines.end()) newlines.push_back(text);
  }
  parts.push_back(fmt::format("{}", fmt::join(newlines, " and ")));
  parts.emplace_back(found.header == Header::none ? "no header" : "header");
  return fmt::format("{}", fmt::join(parts, ", "));
}

std::string order_text(const Inspection& found) {
  const TimeSurveyResult& times = found.times;
  switch (times.order()) {
    case TimeOrder::none:
      return {};
    case TimeOrder::ascending:
      return "by time";
    case TimeOrder::descending:
      return "by time, the latest first";
    case TimeOrder::mixed:
      break;
  }
  const double share = 100.0 * static_cast<double>(times.steps_back) / static_cast<double>(times.times);
  return fmt::format("not by time: {} ({:.{}f} %) step back, up to {} behind the latest before",
                     counted(times.steps_back, "record"), share, share < 1 ? 2 : 0,
                     span_text(times.furthest_back, found.time->type_oid));
}

// "1 timestamptz, 2 text, 3 to 12 float8", or with their names.
std::string sniffed_columns(const std::vector<InspectedColumn>& columns) {
  std::vector<std::string> texts;
  for (std::size_t begin = 0; begin < columns.size();) {
    std::size_t end = begin + 1;
    const bool named = !columns[begin].name.empty();
    while (!named && end < columns.size() && columns[end].type == columns[begin].type) ++end;
    const std::string which = named              ? columns[begin].name
                              : end == begin + 1 ? fmt::format("{}", end)
                                                 : fmt::format("{} to {}", begin + 1, end);
    texts.push_back(fmt::format("{} {}", which, columns[begin].type));
    begin = end;
  }
  return listed(texts);
}

void input_section(Page& page, const Inspection& found) {
  const std::string subject =
      found.inputs.size() == 1 ? found.inputs.front().name : counted(found.inputs.size(), "input");
  page.section("Input", subject);
  page.line("records", fmt::format("{}{} ({})", found.limited ? "the first " : "", grouped(found.records()),
                                   human_bytes(found.bytes())));
  page.line("dialect", dialect_text(found));
  if (found.time && found.times.times > 0) {
    const std::uint32_t type = found.time->type_oid;
    const std::string column =
        found.time->name.empty() ? fmt::format("field {}", found.time->field + 1) : found.time->name;
    page.line("time", fmt::format("{} to {} ({})", time_text(found.times.least, type),
                                  time_text(found.times.greatest, type), column));
    page.line("order", order_text(found));
  }
  page.line("read", fmt::format("{} in {}, {}", found.limited ? "as far as --limit says" : "all of it",
                                human_time(found.elapsed),
                                human_byte_rate(per_second(found.bytes(), found.elapsed))));
  if (found.target) return;
  page.line("columns", sniffed_columns(found.columns));
}

std::string wire_text(const Inspection& found) {
  const std::size_t count = found.columns.size();
  const auto refused = static_cast<std::size_t>(std::ranges::count_if(
      found.columns, [](const InspectedColumn& column) { return !column.not_binary.empty(); }));
  std::string text = grouped(count);
  if (count == 0) return {};
  if (refused == 0) {
    const bool all_encoded = !found.trial || !found.trial->given_up_at;
    text += all_encoded ? ", all sent as COPY BINARY" : ", sent as COPY BINARY where the values allow it";
  } else {
    std::vector<std::string> names;
    for (const auto& column : found.columns) {
      if (!column.not_binary.empty()) names.push_back(fmt::format("{} {}", column.name, column.type));
    }
    text += fmt::format("; not for COPY BINARY: {}", listed(names));
  }
  return text;
}

std::string interval_text(const Dimension& dimension) {
  return span_text(static_cast<std::uint64_t>(dimension.interval), dimension.type_oid);
}

std::string chunk_text(const InspectedTarget& target, const Inspection& found) {
  const Hypertable& hypertable = *target.hypertable;
  const Dimension& primary = hypertable.primary();
  std::string text = fmt::format("{} of {}{}", grouped(hypertable.chunks), interval_text(primary),
                                 hypertable.compressed_chunks > 0
                                     ? fmt::format(", {} compressed", grouped(hypertable.compressed_chunks))
                                     : "");
  for (std::size_t number = 1; number < hypertable.dimensions.size(); ++number) {
    const Dimension& dimension = hypertable.dimensions[number];
    text +=
        dimension.kind == DimensionKind::hash
            ? fmt::format("; {} by hash of {}", counted(dimension.partitions, "partition"), dimension.column)
            : fmt::format("; ranges of {} {}", dimension.column, interval_text(dimension));
  }
  if (found.times.times == 0 && primary.kind == DimensionKind::function) {
    text +=
        fmt::format("; {} is partitioned by a function, so its ranges are not known here", primary.column);
  }
  return text;
}

std::string load_chunk_text(const InspectedTarget& target, const Hypertable& hypertable) {
  const ChunkForecast& chunks = target.chunks;
  const bool several = hypertable.dimensions.size() > 1;
  std::vector<std::string> parts;
  if (chunks.new_ranges > 0) {
    parts.push_back(several ? fmt::format("new ones in {}", counted(chunks.new_ranges, "time range"))
                            : fmt::format("{} new", grouped(chunks.new_ranges)));
  }
  if (chunks.existing_ranges > 0) {
    parts.push_back(fmt::format("{}{} existing ({})", grouped(chunks.existing_ranges),
                                several ? " ranges" : "", counted(chunks.existing_records, "record")));
  }
  if (chunks.unsure_ranges > 0) {
    parts.push_back(
        fmt::format("{} partly existing, made with another interval", grouped(chunks.unsure_ranges)));
  }
  if (chunks.compressed_ranges > 0) {
    parts.push_back(fmt::format("{} of them compressed ({})", grouped(chunks.compressed_ranges),
                                counted(chunks.compressed_records, "record")));
  }
  return fmt::format("{}", fmt::join(parts, ", "));
}

std::string columnstore_text(const Columnstore& columnstore) {
  if (!columnstore.enabled) return {};
  const auto order = texts_of(columnstore.order_by, [](const OrderColumn& column) {
    return column.column + (column.descending ? " desc" : "");
  });
  std::string text = "on";
  if (!columnstore.segment_by.empty())
    text += fmt::format(", segment by {}", fmt::join(columnstore.segment_by, ", "));
  if (!order.empty()) text += fmt::format(", order by {}", fmt::join(order, ", "));
  return text;
}

std::string index_text(const TableFacts& facts) {
  if (facts.indexes.empty()) return "none";
  std::vector<std::string> texts;
  for (const auto& index : facts.indexes) {
    const std::string_view kind = index.primary     ? "primary key "
                                  : index.exclusion ? "exclusion "
                                  : index.unique    ? "unique "
                                                    : "";
    texts.push_back(fmt::format("{}{} {}", kind, index.name, index.definition));
  }
  return listed(texts);
}

std::string trigger_text(const TableFacts& facts) {
  return listed(texts_of(facts.triggers, [](const TableTrigger& trigger) {
    return fmt::format("{} ({} {})", trigger.name, trigger.before ? "before" : "after",
                       trigger.for_each_row ? "each row" : "each batch");
  }));
}

std::string key_text(const TableFacts& facts) {
  auto texts = texts_of(facts.references, [](const TableForeignKey& key) {
    return fmt::format("{} to {}", key.name, key.other_table);
  });
  const auto incoming = texts_of(facts.referenced_by, [](const TableForeignKey& key) {
    return fmt::format("{} from {}", key.name, key.other_table);
  });
  texts.insert(texts.end(), incoming.begin(), incoming.end());
  return listed(texts);
}

std::string aggregate_text(const Hypertable& hypertable) {
  return listed(texts_of(hypertable.aggregates, [](const ContinuousAggregate& aggregate) {
    return fmt::format("{}.{}", aggregate.schema, aggregate.name);
  }));
}

std::string job_text(const Hypertable& hypertable) {
  std::vector<std::string> texts;
  for (const auto& job : hypertable.jobs) {
    const std::string_view prefix = "policy_";
    const std::string name =
        job.procedure.starts_with(prefix) ? job.procedure.substr(prefix.size()) : job.procedure;
    texts.push_back(
        fmt::format("{} {}{}", job.id, name, job.scheduled ? " every " + job.interval : " (paused)"));
  }
  return listed(texts);
}

void target_section(Page& page, const Inspection& found) {
  const InspectedTarget& target = *found.target;
  page.section("Target",
               fmt::format("{} {}.{}", to_string(target.table.kind), target.table.schema, target.table.name));
  page.line("columns", wire_text(found));
  if (const auto& hypertable = target.hypertable) {
    page.line("chunks", chunk_text(target, found));
    page.line("this load", load_chunk_text(target, *hypertable));
    page.line("columnstore", columnstore_text(hypertable->columnstore));
    page.line("chunk skipping", listed(hypertable->chunk_skipping));
  }
  if (const auto& partitions = target.partitions) {
    page.line("partitions", fmt::format("{} by {}{}", grouped(partitions->count), partitions->key,
                                        partitions->has_default ? ", one of them the default" : ""));
  }
  page.line("indexes", index_text(target.facts));
  page.line("triggers", trigger_text(target.facts));
  page.line("foreign keys", key_text(target.facts));
  if (const auto& hypertable = target.hypertable) {
    page.line("aggregates", aggregate_text(*hypertable));
    page.line("jobs", job_text(*hypertable));
  }
}

void server_section(Page& page, const Inspection& found) {
  const InspectedTarget& target = *found.target;
  const ServerFacts& server = target.server;
  const std::string version = server.version.substr(0, server.version.find(' '));
  const auto& hypertable = target.hypertable;
  page.section("Server",
               fmt::format("PostgreSQL {}{}", version,
                           hypertable ? fmt::format(", TimescaleDB {} ({})", hypertable->extension_version,
                                                    hypertable->is_community ? "community" : "Apache 2 only")
                                      : ""));
  page.line("connections", fmt::format("{} of {} free for this user", grouped(server.free_connections),
                                       grouped(server.max_connections)));
  const std::string settings = fmt::format("max_wal_size {}, wal_level {}, synchronous_commit {}",
                                           server.max_wal_size, server.wal_level, server.synchronous_commit);
  if (found.records() == 0) {
    page.line("WAL", settings);
    return;
  }
  page.line("WAL", target.table.is_unlogged
                       ? "none: the table is unlogged"
                       : fmt::format("about {}; {}", human_bytes(target.wal_bytes), settings));
  page.line(
      "disk",
      fmt::format(
          "about {} for rows{}; how much is free the server tells no client", human_bytes(target.table_bytes),
          target.index_bytes > 0 ? fmt::format(" and {} for indexes", human_bytes(target.index_bytes)) : ""));
}

void list_section(Page& page, std::string_view name, const std::vector<std::string>& items) {
  if (items.empty()) return;
  page.section(name, "");
  for (const auto& item : items) page.item(item);
}

}  // namespace

std::string inspect_page(const Inspection& inspection) {
  Page page;
  if (!inspection.inputs.empty()) input_section(page, inspection);
  if (inspection.target) {
    target_section(page, inspection);
    server_section(page, inspection);
  }
  list_section(page, "Problems", inspection.problems);
  list_section(page, "Notes", inspection.notes);
  if (!inspection.command.empty()) {
    page.section("Command", "");
    page.verbatim(inspection.command);
  }
  return std::move(page).text();
}

}  // namespace hypercopy
