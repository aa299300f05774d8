// Two hypertables that are loaded in different ways, and compared in everything but the names that hold a chunk's number:
// `target` with chunks built aside, `judge` the ordinary way.
#pragma once

#include <fmt/format.h>

#include <string>
#include <vector>

#include "support/checked_load.hpp"

namespace hypercopy::test {

using Texts = std::vector<std::string>;

// Of all chunks of a hypertable.
inline constexpr const char* kChunks = R"(
SELECT array_agg(format('%s %s %s %s %s', k.range_start, k.range_end, k.range_start_integer, k.range_end_integer, k.is_compressed)
                 ORDER BY k.range_start, k.range_start_integer)::text
FROM timescaledb_information.chunks k WHERE k.hypertable_name = '{0}' AND k.hypertable_schema = current_schema())";

inline constexpr const char* kRelations = R"(
SELECT array_agg(DISTINCT format('%s %s %s %s %s %s', c.relowner::regrole,
         (SELECT string_agg(a::text, ' ' ORDER BY a::text) FROM unnest(c.relacl) a), c.reloptions, c.relpersistence,
         (SELECT spcname FROM pg_tablespace s WHERE s.oid = c.reltablespace), obj_description(c.oid, 'pg_class')))::text
FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid WHERE i.inhparent = '{0}'::regclass)";

inline constexpr const char* kColumns = R"(
SELECT array_agg(DISTINCT format('%s %s %s %s %s %s %s %s %s', a.attname, format_type(a.atttypid, a.atttypmod), a.attnotnull,
         a.attstattarget, (SELECT string_agg(o, ' ') FROM unnest(a.attoptions) o WHERE o LIKE 'n_distinct%'), a.attgenerated, a.attstorage, a.attcompression,
         (SELECT pg_get_expr(d.adbin, d.adrelid) FROM pg_attrdef d WHERE d.adrelid = a.attrelid AND d.adnum = a.attnum)))::text
FROM pg_inherits i JOIN pg_attribute a ON a.attrelid = i.inhrelid
WHERE i.inhparent = '{0}'::regclass AND a.attnum > 0 AND NOT a.attisdropped)";

// Those of each chunk, so that none is there twice or missing.
inline constexpr const char* kConstraints = R"(
SELECT array_agg(c ORDER BY c)::text FROM (
  SELECT string_agg(pg_get_constraintdef(x.oid) || x.convalidated, '; ' ORDER BY pg_get_constraintdef(x.oid)) AS c
  FROM pg_inherits i JOIN pg_constraint x ON x.conrelid = i.inhrelid WHERE i.inhparent = '{0}'::regclass
  GROUP BY i.inhrelid) AS all_of_them)";

inline constexpr const char* kIndexes = R"(
SELECT array_agg(c ORDER BY c)::text FROM (
  SELECT string_agg(format('%s %s %s %s', regexp_replace(pg_get_indexdef(x.indexrelid), 'INDEX .* USING', 'INDEX USING'),
                           x.indisvalid, x.indisprimary, (SELECT reloptions FROM pg_class WHERE oid = x.indexrelid)), '; '
                    ORDER BY regexp_replace(pg_get_indexdef(x.indexrelid), 'INDEX .* USING', 'INDEX USING')) AS c
  FROM pg_inherits i JOIN pg_index x ON x.indrelid = i.inhrelid WHERE i.inhparent = '{0}'::regclass
  GROUP BY i.inhrelid) AS all_of_them)";

class BuildChunks : public CheckedLoadTest {
 protected:
  static constexpr int kDays = 6;
  static constexpr int kPerDay = 50;
  static constexpr std::uint64_t kRecords = kDays * kPerDay;

  // One day is a chunk; `more` runs for each of the two tables, with {} in the place of its name.
  void make_tables(const Texts& more = {}) const {
    for (const char* table : {"target", "judge"}) {
      server().execute(fmt::format(
          "DROP TABLE IF EXISTS {0} CASCADE; CREATE TABLE {0} (at timestamptz NOT NULL, device int NOT NULL, "
          "value float8 DEFAULT 1.5, note text CHECK (note <> 'bad')); SELECT create_hypertable('{0}', 'at', "
          "chunk_time_interval => interval '1 day')",
          table));
      for (const auto& sql : more) server().execute(fmt::format(fmt::runtime(sql), table));
    }
  }
  [[nodiscard]] static std::string record(int day, int step) {
    return fmt::format("2024-01-{:02} {:02}:{:02}:00+00,{},{},\"note {}\"\n", day, step * 24 / kPerDay,
                       step % 60, step % 7, day * 100 + step, step);
  }
  [[nodiscard]] static std::string by_time() {
    std::string input;
    for (int day = 1; day <= kDays; ++day)
      for (int step = 0; step < kPerDay; ++step) input += record(day, step);
    return input;
  }
  // Each batch has records of every chunk.
  [[nodiscard]] static std::string across() {
    std::string input;
    for (int step = 0; step < kPerDay; ++step)
      for (int day = 1; day <= kDays; ++day) input += record(day, step);
    return input;
  }
  Checked build(const std::string& input, Texts arguments = {}) {
    arguments.insert(arguments.end(), {"--build-chunks", "on", folder_.file("in.csv", input)});
    return run("target", arguments);
  }
  void load_judge(const std::string& input) {
    const Outcome done = load({"-t", "judge", "--direct-compress", "off", folder_.file("judge.csv", input)});
    ASSERT_EQ(done.exit_code, 0) << done.err;
  }
  void expect_same() const {
    for (const char* query : {kChunks, kRelations, kColumns, kConstraints, kIndexes}) {
      EXPECT_EQ(server().value(fmt::format(fmt::runtime(query), "target")),
                server().value(fmt::format(fmt::runtime(query), "judge")));
    }
    EXPECT_EQ(server().rows_as_text("target"), server().rows_as_text("judge"));
    EXPECT_EQ(side_tables(), "0");
  }
  [[nodiscard]] std::string side_tables() const {
    return server().value(
        "SELECT count(*) FROM pg_class WHERE relkind = 'r' AND relname LIKE 'hypercopy_chunk_%' AND "
        "relnamespace = current_schema()::regnamespace");
  }
};

}  // namespace hypercopy::test
