#include "partition_facts.hpp"

#include <fmt/format.h>

#include <array>

#include "query_numbers.hpp"

namespace hypercopy {

namespace {

constexpr std::string_view kFacts = R"(
SELECT pg_catalog.pg_get_partkeydef(p.partrelid),
  CASE WHEN p.partstrat = 'r' AND p.partnatts = 1 THEN
    (SELECT a.attname FROM pg_catalog.pg_attribute a WHERE a.attrelid = p.partrelid AND a.attnum = p.partattrs[0] AND a.attnum > 0)
  END,
  (SELECT pg_catalog.count(*) FROM pg_catalog.pg_inherits i WHERE i.inhparent = p.partrelid), p.partdefid <> 0
FROM pg_catalog.pg_partitioned_table p WHERE p.partrelid = $1::oid)";

constexpr std::string_view kConstraints = R"(
SELECT pg_catalog.pg_get_partition_constraintdef(i.inhrelid)
FROM pg_catalog.pg_inherits i WHERE i.inhparent = $1::oid)";

using OidParameter = std::array<std::string, 1>;

}  // namespace

Result<PartitionFacts> read_partition_facts(Connection& connection, const TargetTable& table) {
  HYPERCOPY_ASSIGN(const QueryResult rows,
                   connection.execute(kFacts, OidParameter{std::to_string(table.oid)}));
  if (rows.rows() == 0) return PartitionFacts{};
  return PartitionFacts{.key = std::string(rows.text(0, 0)),
                        .range_column = std::string(rows.text(0, 1)),
                        .partitions = count_at(rows, 0, 2),
                        .has_default = rows.boolean(0, 3)};
}

Result<std::vector<std::string>> values_without_partition(Connection& connection, const TargetTable& table,
                                                          const PartitionFacts& facts,
                                                          const std::vector<std::string>& values) {
  std::vector<std::string> homeless;
  if (facts.has_default || values.empty()) return homeless;
  HYPERCOPY_ASSIGN(const QueryResult constraints,
                   connection.execute(kConstraints, OidParameter{std::to_string(table.oid)}));
  std::string any = "false";
  for (int row = 0; row < constraints.rows(); ++row) {
    if (!constraints.is_null(row, 0)) any += fmt::format(" OR ({})", constraints.text(row, 0));
  }
  // The server's own expressions name the column as it is.
  std::string rows;
  for (const auto& value : values) {
    rows += fmt::format("{}({}, {}::{})", rows.empty() ? "" : ", ", connection.quote_literal(value),
                        connection.quote_literal(value), table.find(facts.range_column)->type);
  }
  HYPERCOPY_ASSIGN(
      const QueryResult found,
      connection.execute(fmt::format("SELECT hypercopy_value FROM (VALUES {}) AS v(hypercopy_value, "
                                     "{}) WHERE ({}) IS NOT TRUE",
                                     rows, connection.quote_identifier(facts.range_column), any)));
  for (int row = 0; row < found.rows(); ++row) homeless.emplace_back(found.text(row, 0));
  return homeless;
}

}  // namespace hypercopy
