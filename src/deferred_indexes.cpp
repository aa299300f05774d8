#include "hypercopy/deferred_indexes.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "human_units.hpp"
#include "query_numbers.hpp"
#include "sqlstate.hpp"

namespace hypercopy {

namespace {

// A rehearsal builds everything once; of so many bytes that takes no time to speak of.
constexpr std::uint64_t kMostBytesRehearsed = std::uint64_t{16} << 20;

// The indexes to be dropped ({1}: unique ones too), those of the partitions below them included. An index that is attached
// to one of a parent's cannot go alone; one that is not valid is left as it is.
constexpr std::string_view kChosen = R"sql(
WITH RECURSIVE chosen(oid, depth) AS (
  SELECT i.indexrelid, 0 FROM pg_catalog.pg_index AS i
  WHERE i.indrelid = {0} AND i.indisvalid AND i.indislive
    AND ({1} OR NOT (i.indisunique OR i.indisexclusion))
    AND NOT EXISTS (SELECT FROM pg_catalog.pg_inherits AS above WHERE above.inhrelid = i.indexrelid)
  UNION ALL
  SELECT below.inhrelid, chosen.depth + 1 FROM chosen JOIN pg_catalog.pg_inherits AS below ON below.inhparent = chosen.oid)
)sql";

// What brings an index back. pg_get_indexdef() names a partitioned index's table with ONLY; without, the server attaches
// the partitions' indexes that are there and builds those of partitions that were added meanwhile.
// pg_get_constraintdef() has all but the storage parameters, which stand before DEFERRABLE; those of EXCLUDE it has.
constexpr std::string_view kRecord = R"sql(
INSERT INTO hypercopy.deferred_index (target, target_name, relation, relation_name, index_name, is_constraint, depth,
  definition, drop_statement, statements, run)
SELECT {0}, (SELECT pg_catalog.format('%I.%I', n.nspname, c.relname) FROM pg_catalog.pg_class AS c
  JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace WHERE c.oid = {0}),
  i.indrelid, named.relation, named.index, con.oid IS NOT NULL, chosen.depth, pg_catalog.pg_get_indexdef(i.indexrelid),
  CASE WHEN con.oid IS NULL THEN pg_catalog.format('DROP INDEX %s', named.index)
    ELSE pg_catalog.format('ALTER TABLE %s DROP CONSTRAINT %I', named.relation, con.conname) END,
  pg_catalog.array_remove(ARRAY[
    pg_catalog.format('SET LOCAL default_tablespace TO %L', coalesce((SELECT spcname FROM pg_catalog.pg_tablespace
      WHERE oid = ic.reltablespace), '')),
    CASE WHEN con.oid IS NOT NULL THEN pg_catalog.format('ALTER TABLE %s ADD CONSTRAINT %I %s%s%s', named.relation,
        con.conname, pg_catalog.left(body.text, pg_catalog.length(body.text) - pg_catalog.length(body.suffix)),
        CASE WHEN con.contype <> 'x' THEN (SELECT pg_catalog.format(' WITH (%s)', pg_catalog.string_agg(
          pg_catalog.format('%I = %L', option_name, option_value), ', '))
          FROM pg_catalog.pg_options_to_table(ic.reloptions) HAVING count(*) > 0) END, body.suffix)
      WHEN ic.relkind = 'I' THEN named.head || pg_catalog.substr(pg_catalog.pg_get_indexdef(i.indexrelid),
        pg_catalog.length(named.head || 'ONLY ') + 1)
      ELSE pg_catalog.pg_get_indexdef(i.indexrelid) END,
    'COMMENT ON INDEX ' || named.index || ' IS ' || pg_catalog.quote_literal(
      pg_catalog.obj_description(i.indexrelid, 'pg_class')),
    'COMMENT ON CONSTRAINT ' || pg_catalog.quote_ident(con.conname) || ' ON ' || named.relation || ' IS ' ||
      pg_catalog.quote_literal(pg_catalog.obj_description(con.oid, 'pg_constraint')),
    CASE WHEN i.indisclustered THEN pg_catalog.format('ALTER TABLE %s CLUSTER ON %I', named.relation, ic.relname) END,
    CASE WHEN i.indisreplident THEN pg_catalog.format('ALTER TABLE %s REPLICA IDENTITY USING INDEX %I', named.relation,
      ic.relname) END], NULL)
  || ARRAY(SELECT pg_catalog.format('ALTER INDEX %s ALTER COLUMN %s SET STATISTICS %s', named.index, attnum, attstattarget)
    FROM pg_catalog.pg_attribute WHERE attrelid = i.indexrelid AND attstattarget >= 0 ORDER BY attnum)
  || ARRAY(SELECT pg_catalog.format('ALTER INDEX %s DEPENDS ON EXTENSION %I', named.index, e.extname)
    FROM pg_catalog.pg_depend AS d JOIN pg_catalog.pg_extension AS e ON e.oid = d.refobjid
    WHERE d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass AND d.objid = i.indexrelid AND d.deptype = 'x'
      AND d.refclassid = 'pg_catalog.pg_extension'::pg_catalog.regclass),
  {1}
FROM chosen
JOIN pg_catalog.pg_index AS i ON i.indexrelid = chosen.oid
JOIN pg_catalog.pg_class AS ic ON ic.oid = i.indexrelid
JOIN pg_catalog.pg_namespace AS ins ON ins.oid = ic.relnamespace
JOIN pg_catalog.pg_class AS t ON t.oid = i.indrelid
JOIN pg_catalog.pg_namespace AS tn ON tn.oid = t.relnamespace
LEFT JOIN pg_catalog.pg_constraint AS con ON con.conindid = i.indexrelid AND con.conrelid = i.indrelid
  AND con.contype IN ('p', 'u', 'x')
CROSS JOIN LATERAL (SELECT pg_catalog.format('%I.%I', ins.nspname, ic.relname) AS index,
  pg_catalog.format('%I.%I', tn.nspname, t.relname) AS relation,
  pg_catalog.format('CREATE %sINDEX %I ON ', CASE WHEN i.indisunique THEN 'UNIQUE ' ELSE '' END, ic.relname) AS head) AS named
LEFT JOIN LATERAL (SELECT pg_catalog.pg_get_constraintdef(con.oid) AS text,
  CASE WHEN con.condeferrable THEN ' DEFERRABLE' ELSE '' END ||
  CASE WHEN con.condeferred THEN ' INITIALLY DEFERRED' ELSE '' END AS suffix) AS body ON con.oid IS NOT NULL
ORDER BY chosen.depth, ins.nspname, ic.relname;
)sql";

// The lock makes a second load that does the same wait, and then find nothing: each statement of a DO sees what was
// committed before it. Rows of tables that are gone are owed to nobody.
constexpr std::string_view kDrop = R"sql(
DO $hypercopy$
DECLARE
  path text := pg_catalog.current_setting('search_path');
  last_before bigint;
  dropping text;
BEGIN
  LOCK TABLE ONLY {0} IN ACCESS EXCLUSIVE MODE;
  DELETE FROM hypercopy.deferred_index AS d WHERE NOT EXISTS (SELECT FROM pg_catalog.pg_class WHERE oid = d.target);
  SELECT coalesce(pg_catalog.max(id), 0) INTO last_before FROM hypercopy.deferred_index WHERE target = {1};
  PERFORM pg_catalog.set_config('search_path', 'pg_catalog', true);
  {2}
  PERFORM pg_catalog.set_config('search_path', path, true);
  FOR dropping IN SELECT drop_statement FROM hypercopy.deferred_index
    WHERE target = {1} AND depth = 0 AND id > last_before ORDER BY id
  LOOP
    EXECUTE dropping;
  END LOOP;
END $hypercopy$)sql";

// An orphan of a killed program may be at it: its lock on the row is waited for. A table that was renamed is not the one
// that the definition names. What somebody has built by hand as it was is taken as it is.
constexpr std::string_view kRebuild = R"sql(
DO $hypercopy$
DECLARE
  owed hypercopy.deferred_index;
  path text := pg_catalog.current_setting('search_path');
  relation_now text;
  definition_now text;
  rebuilding text;
BEGIN
  SELECT * INTO owed FROM hypercopy.deferred_index WHERE id = {0} FOR UPDATE;
  IF NOT FOUND THEN RETURN; END IF;
  SELECT pg_catalog.format('%I.%I', n.nspname, c.relname) INTO relation_now FROM pg_catalog.pg_class AS c
    JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace WHERE c.oid = owed.relation;
  IF relation_now <> owed.relation_name THEN
    RAISE EXCEPTION USING ERRCODE = 'invalid_table_definition',
      MESSAGE = pg_catalog.format('%s was renamed to %s since', owed.relation_name, relation_now),
      HINT = 'Rename it back, or build the index by hand: ' || owed.definition;
  END IF;
  IF relation_now IS NOT NULL THEN
    PERFORM pg_catalog.set_config('search_path', 'pg_catalog', true);
    SELECT pg_catalog.pg_get_indexdef(indexrelid) INTO definition_now FROM pg_catalog.pg_index
      WHERE indrelid = owed.relation AND indisvalid AND pg_catalog.pg_get_indexdef(indexrelid) = owed.definition
        AND owed.is_constraint = EXISTS (SELECT FROM pg_catalog.pg_constraint WHERE conindid = indexrelid AND
          conrelid = indrelid);
    PERFORM pg_catalog.set_config('search_path', path, true);
    FOREACH rebuilding IN ARRAY owed.statements[CASE WHEN definition_now IS NULL THEN 1 ELSE 3 END:] LOOP
      EXECUTE rebuilding;
    END LOOP;
  END IF;
  DELETE FROM hypercopy.deferred_index WHERE id = owed.id;
END $hypercopy$)sql";

// Of the table and all that lies below it.
constexpr std::string_view kTarget = R"sql(
WITH RECURSIVE family(oid) AS (
  SELECT {0}::pg_catalog.oid UNION
  SELECT i.inhrelid FROM pg_catalog.pg_inherits AS i JOIN family AS f ON i.inhparent = f.oid)
SELECT pg_catalog.pg_has_role(c.relowner, 'USAGE'), pg_catalog.pg_get_userbyid(c.relowner),
  EXISTS (SELECT FROM pg_catalog.pg_inherits WHERE inhrelid = c.oid),
  (SELECT coalesce(pg_catalog.sum(pg_catalog.pg_table_size(oid)), 0) FROM family)
FROM pg_catalog.pg_class AS c WHERE c.oid = {0})sql";

constexpr std::string_view kIndexes = R"sql(
SELECT pg_catalog.format('%I.%I', n.nspname, ic.relname), n.nspname, pg_catalog.has_schema_privilege(n.oid, 'CREATE'),
  (SELECT pg_catalog.format('%I on %s', f.conname, f.conrelid::pg_catalog.regclass) FROM pg_catalog.pg_constraint AS f
    WHERE f.contype = 'f' AND f.conindid = ic.oid ORDER BY f.oid LIMIT 1), chosen.depth = 0
FROM chosen JOIN pg_catalog.pg_class AS ic ON ic.oid = chosen.oid
JOIN pg_catalog.pg_namespace AS n ON n.oid = ic.relnamespace ORDER BY chosen.depth, 1)sql";

// A catalog query of its own: to_regclass() fails where the schema may not be used.
constexpr std::string_view kIsReadable = R"sql(
SELECT EXISTS (SELECT FROM pg_catalog.pg_class AS c JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
  WHERE n.nspname = 'hypercopy' AND c.relname = 'deferred_index' AND pg_catalog.has_schema_privilege(n.oid, 'USAGE')
    AND pg_catalog.has_table_privilege(c.oid, 'SELECT')))sql";

// The largest first, so that several connections end at about the same time; constraints last: they lock readers out.
constexpr std::string_view kOwed = R"sql(
SELECT id, target, target_name, index_name, is_constraint, depth, definition, pg_catalog.date_trunc('second', created_at),
  EXISTS (SELECT FROM pg_catalog.pg_locks WHERE locktype = 'advisory' AND granted AND classid = {0} AND objid = target
    AND pid <> pg_catalog.pg_backend_pid()
    AND database = (SELECT oid FROM pg_catalog.pg_database WHERE datname = pg_catalog.current_database()))
FROM hypercopy.deferred_index AS d JOIN pg_catalog.pg_class AS t ON t.oid = d.target
WHERE {1}
ORDER BY target, depth DESC, is_constraint, coalesce(pg_catalog.pg_relation_size(relation), 0) DESC, id)sql";

std::string quoted_table(const Connection& connection, const TargetTable& table) {
  return fmt::format("{}.{}", connection.quote_identifier(table.schema),
                     connection.quote_identifier(table.name));
}

tl::unexpected<Error> refuse(const TargetTable& table, std::string_view why, std::string hint) {
  return fail(ErrorKind::usage,
              fmt::format("--defer-indexes is not possible for {}.{}: {}", table.schema, table.name, why),
              std::move(hint));
}

Status check_size(const TargetTable& table, const DeferralRules& rules, std::uint64_t bytes) {
  if (rules.force || rules.truncates || bytes <= std::max(kMostBytesBefore, rules.input_bytes.value_or(0)))
    return {};
  return refuse(
      table,
      fmt::format("it holds {}, more than the input{}, and the indexes over all of it would be built "
                  "anew",
                  human_bytes(bytes),
                  rules.input_bytes ? fmt::format(" ({})", human_bytes(*rules.input_bytes)) : ""),
      "Leave --defer-indexes out, or insist on it: --defer-indexes=force");
}

Error with_deferral_grants(Error error) {
  if (error.sqlstate != sqlstate::kInsufficientPrivilege || !error.hint.empty()) return error;
  error.hint =
      "hypercopy.deferred_index belongs to another role. Its owner runs: GRANT USAGE ON SCHEMA hypercopy TO "
      "the_loading_role; GRANT SELECT, INSERT, UPDATE, DELETE ON hypercopy.deferred_index TO "
      "the_loading_role;";
  return error;
}

Status rehearse(Connection& connection, const TargetTable& table, const DeferralRules& rules) {
  HYPERCOPY_TRY(connection.execute("BEGIN"));
  if (rules.truncates) HYPERCOPY_TRY(connection.execute("TRUNCATE " + quoted_table(connection, table)));
  HYPERCOPY_TRY(drop_and_record(connection, table, rules, "rehearsal"));
  HYPERCOPY_ASSIGN(const auto owed, owed_indexes(connection, table.oid));
  for (const auto& index : owed) HYPERCOPY_TRY(connection.execute(rebuild_sql(index.id)));
  return {};
}

}  // namespace

Result<DeferralPlan> plan_deferral(Connection& connection, const TargetTable& table,
                                   const DeferralRules& rules) {
  if (table.kind == TableKind::view || table.kind == TableKind::foreign) {
    return refuse(table, fmt::format("a {} has none", to_string(table.kind)), "Leave --defer-indexes out.");
  }
  HYPERCOPY_ASSIGN(const QueryResult target, connection.execute(fmt::format(kTarget, table.oid)));
  if (target.rows() == 0) return fail(ErrorKind::target, "the table was dropped at this moment");
  DeferralPlan plan;
  HYPERCOPY_ASSIGN(
      const QueryResult indexes,
      connection.execute(fmt::format("{}{}", fmt::format(kChosen, table.oid, rules.constraints), kIndexes)));
  for (int row = 0; row < indexes.rows(); ++row) {
    if (!indexes.boolean(row, 2)) {
      return refuse(table,
                    fmt::format("this user may not create an index in schema {}", indexes.text(row, 1)),
                    fmt::format("Its owner runs: GRANT CREATE ON SCHEMA {} TO the_loading_role;",
                                connection.quote_identifier(indexes.text(row, 1))));
    }
    if (!indexes.is_null(row, 3)) {
      return refuse(table,
                    fmt::format("the foreign key {} needs {}", indexes.text(row, 3), indexes.text(row, 0)),
                    "Leave --defer-constraints out, or drop the foreign key and add it again yourself.");
    }
    if (indexes.boolean(row, 4)) plan.indexes.emplace_back(indexes.text(row, 0));
  }
  if (plan.indexes.empty()) return plan;
  if (!target.boolean(0, 0)) {
    return refuse(table, fmt::format("only its owner ({}) can drop its indexes", target.text(0, 1)),
                  "Load as the owner, or as a member of that role, or leave --defer-indexes out.");
  }
  if (target.boolean(0, 2)) {
    return refuse(table, "it is a part (partition, chunk, child) of another table, whose indexes it has",
                  "Load into the whole table, or leave --defer-indexes out.");
  }
  const std::uint64_t bytes = count_at(target, 0, 3);
  HYPERCOPY_TRY(check_size(table, rules, bytes));
  plan.can_rehearse = rules.truncates || bytes <= kMostBytesRehearsed;
  return plan;
}

Status rehearse_deferral(Connection& connection, const TargetTable& table, const DeferralRules& rules) {
  auto rehearsed = rehearse(connection, table, rules);
  if (connection.in_transaction()) {
    auto undone = connection.execute("ROLLBACK");
    if (rehearsed && !undone) return fail(std::move(undone).error());
  }
  if (rehearsed || rehearsed.error().kind != ErrorKind::sql) return rehearsed;
  Error error = with_deferral_grants(std::move(rehearsed).error());
  error.message = "the indexes could not be built again, so they are not dropped: " + error.message;
  return fail(std::move(error));
}

Status drop_and_record(Connection& connection, const TargetTable& table, const DeferralRules& rules,
                       const std::string& run) {
  const std::string choice = fmt::format(kChosen, table.oid, rules.constraints);
  // INSERT stands behind WITH.
  const std::string record = choice + fmt::format(kRecord, table.oid, connection.quote_literal(run));
  auto dropped = connection.execute(fmt::format(kDrop, quoted_table(connection, table), table.oid, record));
  if (!dropped) return fail(with_deferral_grants(std::move(dropped).error()));
  return {};
}

Result<std::vector<OwedIndex>> owed_indexes(Connection& connection, std::optional<std::uint32_t> target) {
  HYPERCOPY_ASSIGN(const QueryResult readable, connection.execute(kIsReadable));
  std::vector<OwedIndex> owed;
  if (!readable.boolean(0, 0)) return owed;
  HYPERCOPY_ASSIGN(
      const QueryResult rows,
      connection.execute(fmt::format(kOwed, kDeferralLockClass,
                                     target ? fmt::format("d.target = {}", *target) : std::string("true"))));
  owed.reserve(static_cast<std::size_t>(rows.rows()));
  for (int row = 0; row < rows.rows(); ++row) {
    owed.push_back({.id = number_at<std::int64_t>(rows, row, 0),
                    .target = number_at<std::uint32_t>(rows, row, 1),
                    .table = std::string(rows.text(row, 2)),
                    .index = std::string(rows.text(row, 3)),
                    .constraint = rows.boolean(row, 4),
                    .depth = number_at<int>(rows, row, 5),
                    .definition = std::string(rows.text(row, 6)),
                    .created_at = std::string(rows.text(row, 7)),
                    .owner_lives = rows.boolean(row, 8)});
  }
  return owed;
}

std::string rebuild_sql(std::int64_t id) { return fmt::format(kRebuild, id); }

Error explain_rebuild_error(Error error, const OwedIndex& index, const std::string& command) {
  if (error.kind == ErrorKind::interrupted) return error;
  constexpr std::string_view kUniqueViolation = "23505";
  constexpr std::string_view kExclusionViolation = "23P01";
  const bool violated = error.sqlstate == kUniqueViolation || error.sqlstate == kExclusionViolation;
  error = with_deferral_grants(std::move(error));
  error.message = violated ? fmt::format("the rows that are in {} now violate {}: {}", index.table,
                                         index.index, error.message)
                           : fmt::format("{} could not be built again: {}", index.index, error.message);
  const std::string_view first = violated
                                     ? "The rows are loaded and stay; the definition is kept on the server. "
                                       "Correct or delete the rows, then run: "
                                     : "The definition is kept on the server. To go on: ";
  error.hint = fmt::format("{}{}{}{}", error.hint, error.hint.empty() ? "" : "\n", first, command);
  return error;
}

std::string owed_text(const std::vector<OwedIndex>& owed) {
  std::string text;
  for (const auto& index : owed) {
    text +=
        fmt::format("index owed: {} of {}, left out since {}{}\n", index.index, index.table, index.created_at,
                    index.owner_lives ? "; a process that will rebuild it, or does so now, lives" : "");
  }
  const bool abandoned = std::any_of(owed.begin(), owed.end(), [](const auto& i) { return !i.owner_lives; });
  if (abandoned) text += "hypercopy imports rebuild-indexes builds what no living process will build\n";
  return text;
}

}  // namespace hypercopy
