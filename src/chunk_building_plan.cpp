#include "chunk_building_plan.hpp"

#include <fmt/format.h>

#include <array>
#include <charconv>

#include "hypercopy/sql_identifier.hpp"

namespace hypercopy {

namespace {

using OidParameter = std::array<std::string, 1>;

// One row of what the relation itself says.
constexpr std::string_view kRelation = R"(
SELECT pg_catalog.quote_ident(pg_catalog.pg_get_userbyid(c.relowner)), pg_catalog.pg_has_role(c.relowner, 'MEMBER'),
       pg_catalog.has_schema_privilege(c.relowner, c.relnamespace, 'CREATE'), c.relrowsecurity,
       c.relreplident = 'd', coalesce(am.amname, 'heap') = 'heap',
       (SELECT pg_catalog.string_agg(pg_catalog.format('%s = %L', pg_catalog.split_part(o, '=', 1),
                                                       pg_catalog.substr(o, pg_catalog.strpos(o, '=') + 1)), ', ')
        FROM pg_catalog.unnest(c.reloptions) AS o),
       pg_catalog.to_regprocedure('_timescaledb_functions.create_chunk(regclass,jsonb,name,name,regclass)') IS NOT NULL,
       EXISTS (SELECT FROM pg_catalog.pg_attribute a WHERE a.attrelid = c.oid AND a.attidentity <> '' AND NOT a.attisdropped),
       EXISTS (SELECT FROM pg_catalog.pg_constraint x WHERE x.conrelid = c.oid AND x.contype = 'x'),
       EXISTS (SELECT FROM pg_catalog.pg_trigger t JOIN pg_catalog.pg_proc p ON p.oid = t.tgfoid
               JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace
               WHERE t.tgrelid = c.oid AND NOT t.tgisinternal AND n.nspname NOT LIKE '\_timescaledb\_%')
FROM pg_catalog.pg_class c LEFT JOIN pg_catalog.pg_am am ON am.oid = c.relam WHERE c.oid = $1::oid)";

constexpr std::string_view kTablespaces = R"(
SELECT t.tablespace_name FROM _timescaledb_catalog.tablespace t
JOIN _timescaledb_catalog.hypertable h ON h.id = t.hypertable_id
JOIN pg_catalog.pg_class c ON c.relname = h.table_name
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace AND n.nspname = h.schema_name
WHERE c.oid = $1::oid)";

constexpr std::string_view kColumns = R"(
SELECT pg_catalog.quote_ident(a.attname), a.attgenerated = '', coalesce(a.attstattarget, -1),
       (SELECT pg_catalog.string_agg(pg_catalog.format('%s = %L', pg_catalog.split_part(o, '=', 1),
                                                       pg_catalog.substr(o, pg_catalog.strpos(o, '=') + 1)), ', ')
        FROM pg_catalog.unnest(a.attoptions) AS o WHERE o LIKE 'n\_distinct%')
FROM pg_catalog.pg_attribute a WHERE a.attrelid = $1::oid AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum)";

// What pg_get_indexdef() says is cut behind the table's name, which stands at a place that is known.
constexpr std::string_view kIndexes = R"(
SELECT head.create_index, pg_catalog.substr(d.text, pg_catalog.length(head.whole) + 1),
       pg_catalog.left(d.text, pg_catalog.length(head.whole)) = head.whole,
       coalesce(CASE x.contype WHEN 'p' THEN 'PRIMARY KEY' WHEN 'u' THEN 'UNIQUE' END, ''),
       CASE WHEN x.condeferrable THEN ' DEFERRABLE' || CASE WHEN x.condeferred THEN ' INITIALLY DEFERRED' ELSE '' END
            ELSE '' END,
       coalesce(pg_catalog.quote_ident(s.spcname), ''), i.indisunique
FROM pg_catalog.pg_index i
JOIN pg_catalog.pg_class c ON c.oid = i.indexrelid
JOIN pg_catalog.pg_class t ON t.oid = i.indrelid
JOIN pg_catalog.pg_namespace n ON n.oid = t.relnamespace
LEFT JOIN pg_catalog.pg_tablespace s ON s.oid = c.reltablespace
LEFT JOIN pg_catalog.pg_constraint x ON x.conindid = i.indexrelid AND x.conrelid = i.indrelid AND x.contype IN ('p', 'u')
CROSS JOIN LATERAL (SELECT pg_catalog.pg_get_indexdef(i.indexrelid) AS text) AS d
CROSS JOIN LATERAL (SELECT 'CREATE ' || CASE WHEN i.indisunique THEN 'UNIQUE ' ELSE '' END || 'INDEX' AS create_index) AS k
CROSS JOIN LATERAL (SELECT k.create_index,
                           pg_catalog.format('%s %I ON %I.%I ', k.create_index, c.relname, n.nspname, t.relname) AS whole)
                    AS head
WHERE i.indrelid = $1::oid ORDER BY i.indexrelid)";

Status refused(const std::string& reason, std::string hint = "Leave --build-chunks out.") {
  return fail(ErrorKind::usage, fmt::format("--build-chunks on is not possible: {}", reason),
              std::move(hint));
}

Status refuse_if(bool wrong, const std::string& reason) { return wrong ? refused(reason) : Status{}; }

Status check_hypertable(const BuildingTarget& target) {
  HYPERCOPY_TRY(refuse_if(!target.hypertable,
                          "the table is no hypertable. A partitioned table makes no partitions by itself, so "
                          "there is none to be built"));
  const Hypertable& hypertable = *target.hypertable;
  HYPERCOPY_TRY(refuse_if(!hypertable.is_community,
                          "timescaledb.license is apache, under which tables cannot become chunks"));
  HYPERCOPY_TRY(
      refuse_if(hypertable.dimensions.size() > 1,
                "the hypertable has more than one dimension: its chunks are not told apart by time alone"));
  HYPERCOPY_TRY(refuse_if(!ChunkGrid::of(hypertable.primary()),
                          fmt::format("only the server can tell which chunk a value of {} falls into",
                                      display_identifier(hypertable.primary().column))));
  HYPERCOPY_TRY(refuse_if(!hypertable.chunk_skipping.empty(),
                          "chunk skipping is on, and would pass over such a chunk until it is compressed"));
  return refuse_if(target.table.is_unlogged, "the hypertable is UNLOGGED");
}

Status check_facts(const TableFacts& facts) {
  if (!facts.references.empty()) {
    return refused(fmt::format(
        "the foreign key {} would be checked again for all rows of a chunk, and may deadlock with others",
        display_identifier(facts.references.front().name)));
  }
  if (!facts.referenced_by.empty()) {
    return refused(fmt::format("the foreign key {} of another table refers to the hypertable",
                               display_identifier(facts.referenced_by.front().name)));
  }
  return {};
}

Status check_relation(const QueryResult& relation, const std::string& table) {
  HYPERCOPY_TRY(
      refuse_if(!relation.boolean(0, 7), "this version of TimescaleDB cannot take a table as chunk"));
  HYPERCOPY_TRY(refuse_if(relation.boolean(0, 10), "the table has triggers, which would not fire"));
  HYPERCOPY_TRY(refuse_if(relation.boolean(0, 3), "row level security would not be looked at"));
  HYPERCOPY_TRY(refuse_if(relation.boolean(0, 8), "the table has an identity column"));
  HYPERCOPY_TRY(refuse_if(relation.boolean(0, 9), "the table has an EXCLUDE constraint"));
  HYPERCOPY_TRY(refuse_if(!relation.boolean(0, 4), "the table has a REPLICA IDENTITY of its own"));
  HYPERCOPY_TRY(refuse_if(!relation.boolean(0, 5), "the table is no heap"));
  const std::string owner(relation.text(0, 0));
  if (!relation.boolean(0, 1)) {
    return refused(fmt::format("only the owner of a hypertable, {}, may give it chunks", owner),
                   "Load as the owner, or as a role that is a member of it.");
  }
  if (relation.boolean(0, 2)) return {};
  return refused(fmt::format("its owner {} may not create tables beside {}", owner, table),
                 fmt::format("GRANT CREATE ON its schema TO {}, or leave --build-chunks out.", owner));
}

Status read_indexes(Connection& connection, ChunkBuildingPlan& plan) {
  const OidParameter oid{std::to_string(plan.target_oid)};
  HYPERCOPY_ASSIGN(const QueryResult rows, connection.execute(kIndexes, oid));
  for (int row = 0; row < rows.rows(); ++row) {
    if (!rows.boolean(row, 2)) {
      return fail(ErrorKind::protocol,
                  fmt::format("the server writes an index as \"{}...\"", rows.text(row, 1)));
    }
    plan.indexes.push_back({.create = std::string(rows.text(row, 0)),
                            .definition = std::string(rows.text(row, 1)),
                            .constraint = std::string(rows.text(row, 3)),
                            .deferrable = std::string(rows.text(row, 4)),
                            .tablespace = std::string(rows.text(row, 5)),
                            .unique = rows.boolean(row, 6)});
  }
  return {};
}

Status read_columns(Connection& connection, ChunkBuildingPlan& plan) {
  const OidParameter oid{std::to_string(plan.target_oid)};
  HYPERCOPY_ASSIGN(const QueryResult rows, connection.execute(kColumns, oid));
  for (int row = 0; row < rows.rows(); ++row) {
    const std::string_view name = rows.text(row, 0);
    if (rows.boolean(row, 1)) plan.columns += fmt::format("{}{}", plan.columns.empty() ? "" : ", ", name);
    if (rows.text(row, 2) != "-1")
      plan.column_settings.push_back(
          fmt::format("ALTER COLUMN {} SET STATISTICS {}", name, rows.text(row, 2)));
    if (!rows.is_null(row, 3))
      plan.column_settings.push_back(fmt::format("ALTER COLUMN {} SET ({})", name, rows.text(row, 3)));
  }
  return {};
}

// Where several are attached the server spreads the chunks over them by a count of its own.
Status read_tablespace(Connection& connection, ChunkBuildingPlan& plan) {
  const OidParameter oid{std::to_string(plan.target_oid)};
  HYPERCOPY_ASSIGN(const QueryResult rows, connection.execute(kTablespaces, oid));
  HYPERCOPY_TRY(refuse_if(rows.rows() > 1, "the server spreads the chunks over several tablespaces"));
  if (rows.rows() == 1) plan.tablespace = connection.quote_identifier(rows.text(0, 0));
  return {};
}

}  // namespace

bool drops_columns_of_built_chunks(std::string_view version) {
  constexpr std::array kFixed{2, 29, 1};
  for (const int fixed : kFixed) {
    int part = 0;
    const auto [end, outcome] = std::from_chars(version.data(), version.data() + version.size(), part);
    if (outcome != std::errc()) return false;
    if (part != fixed) return part > fixed;
    version.remove_prefix(static_cast<std::size_t>(end - version.data()));
    if (version.starts_with('.')) version.remove_prefix(1);
  }
  return true;
}

Status explain_to_import(Status planned, const std::string& import_id) {
  if (planned || import_id.empty() || planned.error().kind != ErrorKind::usage) return planned;
  Error error = std::move(planned).error();
  error.hint += fmt::format(
      " An import that was begun with --build-chunks goes on only with it: put right what is in its way, or "
      "begin anew "
      "(hypercopy imports forget {}).",
      import_id);
  return fail(std::move(error));
}

Result<ChunkBuildingPlan> plan_chunk_building(Connection& connection, const BuildingTarget& target) {
  HYPERCOPY_TRY(check_hypertable(target));
  HYPERCOPY_TRY(check_facts(target.facts));
  const OidParameter oid{std::to_string(target.table.oid)};
  HYPERCOPY_ASSIGN(const QueryResult relation, connection.execute(kRelation, oid));
  if (relation.rows() == 0) return fail(ErrorKind::target, "the table was dropped a moment ago");
  HYPERCOPY_TRY(check_relation(relation, display_qualified(target.table.schema, target.table.name)));
  const Hypertable& hypertable = *target.hypertable;
  const std::string schema = connection.quote_identifier(target.table.schema);
  ChunkBuildingPlan plan{
      .grid = *ChunkGrid::of(hypertable.primary()),
      .column = hypertable.primary().column,
      .quoted_column = connection.quote_identifier(hypertable.primary().column),
      .target_oid = target.table.oid,
      .target = fmt::format("{}.{}", schema, connection.quote_identifier(target.table.name)),
      .schema = schema,
      .owner = std::string(relation.text(0, 0))};
  if (!relation.is_null(0, 6)) plan.storage = fmt::format(" WITH ({})", relation.text(0, 6));
  HYPERCOPY_TRY(read_tablespace(connection, plan));
  HYPERCOPY_TRY(read_columns(connection, plan));
  HYPERCOPY_TRY(read_indexes(connection, plan));
  if (!drops_columns_of_built_chunks(hypertable.extension_version)) {
    plan.warning = fmt::format(
        "with TimescaleDB {} a later ALTER TABLE ... DROP COLUMN or DROP CONSTRAINT does not reach chunks "
        "that "
        "are built aside, and INSERT into them fails then (mended in 2.29.1)",
        hypertable.extension_version);
  }
  return plan;
}

Status check_building_input(const SendOrder& order, const TargetTable& table, const InputFile& file,
                            const std::string& why_not_encoded) {
  if (file.mapping.columns.empty()) return {};  // nothing is in it
  if (!file.encoding) return refused(fmt::format("{} is sent as CSV: {}", file.name, why_not_encoded));
  const OrderDecision decision = order_of(order, table, file.mapping);
  return refuse_if(!decision.key, fmt::format("{}: {}", file.name, decision.reason));
}

}  // namespace hypercopy
