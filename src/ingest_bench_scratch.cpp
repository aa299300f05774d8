#include "ingest_bench_scratch.hpp"

#include <fmt/format.h>

#include <array>
#include <charconv>
#include <random>

#include "hypercopy/sql_identifier.hpp"
#include "ingest_bench_twin.hpp"

namespace hypercopy {

namespace {

using OneParameter = std::array<std::string, 1>;

// First key of the advisory locks on scratch tables; the second is the table's oid.
constexpr std::int32_t kLockClass = 0x6863626d;

// By this, too, a scratch table is known that was given a name of its own.
constexpr std::string_view kComment = "scratch table of hypercopy bench: may be dropped when no bench runs";

// A partitioned index's definition says ON ONLY, which would build an index without its partitions.
constexpr std::string_view kSecondary = R"(
SELECT pg_catalog.quote_ident(n.nspname) || '.' || pg_catalog.quote_ident(c.relname),
       CASE WHEN c.relkind = 'I'
            THEN p.head || ' ON ' || pg_catalog.substr(d.text, pg_catalog.length(p.head || ' ON ONLY ') + 1)
            ELSE d.text END
FROM pg_catalog.pg_index i JOIN pg_catalog.pg_class c ON c.oid = i.indexrelid
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace,
LATERAL (SELECT pg_catalog.pg_get_indexdef(c.oid) AS text) d,
LATERAL (SELECT 'CREATE INDEX ' || pg_catalog.quote_ident(c.relname) AS head) p
WHERE i.indrelid = $1::regclass AND NOT i.indisunique AND NOT i.indisexclusion AND NOT i.indisreplident
ORDER BY c.oid)";

constexpr std::string_view kLeftovers = R"(
SELECT n.nspname, c.relname FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE n.nspname = $1 AND c.relkind IN ('r', 'p') AND NOT c.relispartition
  AND (pg_catalog.starts_with(c.relname, $2) OR pg_catalog.obj_description(c.oid, 'pg_class') = $3)
  AND NOT EXISTS (
    SELECT FROM pg_catalog.pg_locks l
    WHERE l.locktype = 'advisory' AND l.classid = $4::oid AND l.objid = c.oid AND l.objsubid = 2
      AND l.database = (SELECT oid FROM pg_catalog.pg_database WHERE datname = pg_catalog.current_database()))
ORDER BY 2)";

// Subscribers of such a publication would be sent a table that they do not have, and stop.
constexpr std::string_view kPublications = R"(
SELECT pubname FROM pg_catalog.pg_publication WHERE puballtables{} ORDER BY 1)";
constexpr std::string_view kOfSchema = R"(
 OR oid IN (SELECT pnpubid FROM pg_catalog.pg_publication_namespace
            WHERE pnnspid = pg_catalog.quote_ident($1)::regnamespace))";
constexpr int kFirstVersionWithPublishedSchemas = 150000;

Status check_publications(Connection& keeper, const std::string& schema) {
  const bool of_schemas = keeper.server_version() >= kFirstVersionWithPublishedSchemas;
  HYPERCOPY_ASSIGN(const QueryResult found,
                   of_schemas ? keeper.execute(fmt::format(kPublications, kOfSchema), OneParameter{schema})
                              : keeper.execute(fmt::format(kPublications, "")));
  if (found.rows() == 0) return {};
  return fail(
      ErrorKind::target,
      fmt::format("the publication {} would send the scratch table to its subscribers, which do not "
                  "have it",
                  display_identifier(found.text(0, 0))),
      "Bench in another database, or put it into a schema that is not published: --scratch SCHEMA.NAME");
}

Status create_locked(Connection& keeper, const TargetTable& target, const ScratchTable& scratch) {
  const std::string stem = unique_scratch_name();
  HYPERCOPY_TRY(create_twin(keeper, target, scratch.name, scratch.qualified, stem));
  const std::string table = keeper.quote_literal(scratch.qualified);
  HYPERCOPY_TRY(keeper.execute(
      fmt::format("COMMENT ON TABLE {} IS {}", scratch.qualified, keeper.quote_literal(kComment))));
  HYPERCOPY_ASSIGN(const QueryResult oid, keeper.execute(fmt::format("SELECT {}::regclass::oid", table)));
  std::uint32_t number = 0;
  const std::string_view digits = oid.text(0, 0);
  std::from_chars(digits.data(), digits.data() + digits.size(), number);
  // Before COMMIT, so that nobody sees the table without it. The key is signed, an oid is not.
  HYPERCOPY_TRY(keeper.execute(fmt::format("SELECT pg_catalog.pg_advisory_lock({}, {})", kLockClass,
                                           static_cast<std::int32_t>(number))));
  return {};
}

Result<std::vector<SecondaryIndex>> secondary_indexes(Connection& keeper, const std::string& qualified) {
  HYPERCOPY_ASSIGN(const QueryResult rows, keeper.execute(kSecondary, OneParameter{qualified}));
  std::vector<SecondaryIndex> indexes;
  indexes.reserve(static_cast<std::size_t>(rows.rows()));
  for (int row = 0; row < rows.rows(); ++row) {
    indexes.push_back(
        {.qualified = std::string(rows.text(row, 0)), .create = std::string(rows.text(row, 1))});
  }
  return indexes;
}

Error with_way_out(Error error, const TableName& name) {
  static constexpr std::string_view kNotAllowed = "42501";
  if (error.sqlstate == kNotAllowed && error.hint.empty()) {
    error.hint = fmt::format(
        "The bench needs SELECT on the target and CREATE on schema {}; --scratch SCHEMA.NAME puts the "
        "scratch "
        "table elsewhere.",
        display_identifier(name.schema));
  }
  return error;
}

}  // namespace

std::string unique_scratch_name() {
  std::random_device entropy;
  return fmt::format("{}{:08x}", kScratchPrefix, entropy());
}

Result<ScratchTable> create_scratch(Connection& keeper, const TargetTable& target, const TableName& name) {
  ScratchTable scratch{.name = name,
                       .qualified = fmt::format("{}.{}", keeper.quote_identifier(name.schema),
                                                keeper.quote_identifier(name.name)),
                       .secondary = {},
                       .notices = {}};
  HYPERCOPY_TRY(check_publications(keeper, name.schema));
  HYPERCOPY_ASSIGN(scratch.notices, twin_differences(keeper, target));
  HYPERCOPY_TRY(keeper.execute("BEGIN"));
  if (auto created = create_locked(keeper, target, scratch); !created) {
    static_cast<void>(keeper.execute("ROLLBACK"));  // what was wrong is said already
    return fail(with_way_out(std::move(created).error(), name));
  }
  auto indexes = secondary_indexes(keeper, scratch.qualified);
  if (!indexes) {
    static_cast<void>(keeper.execute("ROLLBACK"));
    return fail(std::move(indexes).error());
  }
  scratch.secondary = std::move(*indexes);
  HYPERCOPY_TRY(keeper.execute("COMMIT"));
  return scratch;
}

Status drop_scratch(Connection& keeper, const ScratchTable& scratch) {
  HYPERCOPY_TRY(keeper.execute(fmt::format("DROP TABLE {}", scratch.qualified)));
  return {};
}

Status empty_scratch(Connection& connection, const ScratchTable& scratch) {
  HYPERCOPY_TRY(connection.execute(fmt::format("TRUNCATE {}", scratch.qualified)));
  return {};
}

Status drop_secondary(Connection& connection, const ScratchTable& scratch) {
  for (const auto& index : scratch.secondary) {
    HYPERCOPY_TRY(connection.execute(fmt::format("DROP INDEX IF EXISTS {}", index.qualified)));
  }
  return {};
}

Status build_secondary(Connection& connection, const ScratchTable& scratch) {
  for (const auto& index : scratch.secondary) HYPERCOPY_TRY(connection.execute(index.create));
  return {};
}

Result<std::vector<std::string>> find_leftovers(Connection& connection, const std::string& schema) {
  const std::array<std::string, 4> parameters{schema, std::string(kScratchPrefix), std::string(kComment),
                                              fmt::format("{}", kLockClass)};
  HYPERCOPY_ASSIGN(const QueryResult rows, connection.execute(kLeftovers, parameters));
  std::vector<std::string> statements;
  statements.reserve(static_cast<std::size_t>(rows.rows()));
  for (int row = 0; row < rows.rows(); ++row) {
    statements.push_back(fmt::format("DROP TABLE {}.{};", connection.quote_identifier(rows.text(row, 0)),
                                     connection.quote_identifier(rows.text(row, 1))));
  }
  return statements;
}

}  // namespace hypercopy
