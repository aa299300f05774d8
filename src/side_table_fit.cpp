#include "side_table_fit.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "human_units.hpp"
#include "query_numbers.hpp"

namespace hypercopy {

namespace {

// A row per thing that is not the same in the hypertable {0} and in side tables {1}: what it is, as it is in the hypertable,
// as it is in a side table, one of these tables, and how many there are. NULL: not there.
constexpr std::string_view kDifferences = R"(
WITH side AS (SELECT oid FROM pg_catalog.pg_class WHERE oid IN ({1})),
     thing AS (
       SELECT a.attrelid AS relation, pg_catalog.format('column %I', a.attname) AS name,
              pg_catalog.format_type(a.atttypid, a.atttypmod)
              || CASE WHEN a.attcollation NOT IN (0, t.typcollation)
                      THEN ' COLLATE ' || a.attcollation::pg_catalog.regcollation::text ELSE '' END
              || CASE WHEN a.attnotnull THEN ' NOT NULL' ELSE '' END
              || CASE WHEN a.attgenerated <> '' THEN ' GENERATED' ELSE '' END AS what
       FROM pg_catalog.pg_attribute a JOIN pg_catalog.pg_type t ON t.oid = a.atttypid
       WHERE a.attnum > 0 AND NOT a.attisdropped AND (a.attrelid = {0} OR a.attrelid IN (SELECT oid FROM side))
       UNION ALL
       SELECT x.conrelid, pg_catalog.format('constraint %I', x.conname),
              pg_catalog.regexp_replace(pg_catalog.pg_get_constraintdef(x.oid), ' NOT VALID$', '')
       FROM pg_catalog.pg_constraint x
       WHERE x.contype = 'c' AND NOT x.connoinherit AND (x.conrelid = {0} OR x.conrelid IN (SELECT oid FROM side))),
     wanted AS (SELECT side.oid AS relation, thing.name, thing.what FROM side, thing WHERE thing.relation = {0}),
     has AS (SELECT relation, name, what FROM thing WHERE relation <> {0})
SELECT name, wanted.what, has.what, pg_catalog.min(relation::pg_catalog.regclass::text), pg_catalog.count(*)
FROM wanted FULL JOIN has USING (relation, name) WHERE wanted.what IS DISTINCT FROM has.what
GROUP BY 1, 2, 3 ORDER BY 5 DESC, 1)";

std::string shown(const QueryResult& rows, int column) {
  return rows.is_null(0, column) ? "not there" : fmt::format("\"{}\"", rows.text(0, column));
}

}  // namespace

Status expect_side_tables_fit(Connection& connection, const ChunkBuildingPlan& plan,
                              const std::string& target_name, const std::string& import_id,
                              const std::vector<OwedTable>& owed) {
  if (owed.empty()) return {};
  std::vector<std::uint32_t> oids;
  oids.reserve(owed.size());
  for (const OwedTable& table : owed) oids.push_back(table.oid);
  HYPERCOPY_ASSIGN(const QueryResult found,
                   connection.execute(fmt::format(kDifferences, plan.target_oid, fmt::join(oids, ", "))));
  if (found.rows() == 0) return {};
  const std::string more =
      found.rows() == 1
          ? ""
          : fmt::format(", and {}", counted(static_cast<std::uint64_t>(found.rows()) - 1, "more difference"));
  return fail(
      ErrorKind::usage,
      fmt::format("import '{}' cannot go on: {} is {} in {}, and {} in {} of its {}, for example {}{}",
                  import_id, found.text(0, 0), shown(found, 1), target_name, shown(found, 2),
                  count_at(found, 0, 4), counted(owed.size(), "side table"), found.text(0, 3), more),
      fmt::format("The hypertable was changed since they were filled, and would not take them. Undo "
                  "that, or ALTER the side tables in the same way (\\dt hypercopy_chunk_*), and run "
                  "the import again; or drop their rows: hypercopy imports forget {} "
                  "--drop-side-tables",
                  import_id));
}

}  // namespace hypercopy
