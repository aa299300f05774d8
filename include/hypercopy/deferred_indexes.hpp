// Indexes that a load drops first and builds again at its end, recorded on the server so that nothing can lose one.
// Shape:   a row of hypercopy.deferred_index is one index that is *owed*: its table, its definition, and the statements
//          that bring it back with all that belongs to it (constraint, tablespace, comments, statistics targets, CLUSTER
//          mark, replica identity). The row is written by the transaction that drops the index and deleted by the one that
//          has built it again. Of a partitioned table each partition's index is a row of its own.
// Lock:    a session advisory lock (kDeferralLockClass, the target's oid): loads that leave indexes out share it, whoever
//          rebuilds them holds it alone. So a dead owner is told from a living one, the last of several loads rebuilds,
//          and exit 0 of any of them means that the indexes are there.
// Threads: plain functions; one connection, one thread.
// Errors:  usage: why these indexes cannot be left out; sql 42501 with what an administrator has to run.
// Why:     statements are made by the server while the index exists (pg_get_indexdef, names qualified), and run there, so
//          no client encoding or search_path comes between.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "hypercopy/connection.hpp"
#include "hypercopy/result.hpp"
#include "hypercopy/target_table.hpp"

namespace hypercopy {

// The first key of the advisory locks; the second is the target's oid, 0 while the table is made.
inline constexpr int kDeferralLockClass = 1752789092;

struct DeferralRules {
  bool constraints = false;  // primary keys, unique and exclusion constraints and unique indexes as well
  bool force = false;        // however large the table is
  bool truncates = false;    // rows that are there now do not matter
  std::optional<std::uint64_t> input_bytes{};  // of all inputs, where known
};

// Rows that are there take at most so many bytes, or fewer than the input: else what is rebuilt costs more than is won.
inline constexpr std::uint64_t kMostBytesBefore = std::uint64_t{64} << 20;

struct DeferralPlan {
  std::vector<std::string> indexes{};  // to be dropped, as SQL names them
  bool can_rehearse = false;           // the table is small, or will be empty
};

// Only reads. What could not be built again, or not without harm, is refused.
[[nodiscard]] Result<DeferralPlan> plan_deferral(Connection& connection, const TargetTable& table,
                                                 const DeferralRules& rules);

// Makes schema hypercopy and its table deferred_index where they are missing.
[[nodiscard]] Status ensure_deferral_schema(Connection& connection);

// Drops and rebuilds in a transaction that is rolled back: rights and definitions are tried before anything is lost.
[[nodiscard]] Status rehearse_deferral(Connection& connection, const TargetTable& table,
                                       const DeferralRules& rules);

// One transaction; repeatable. `run`: for people.
[[nodiscard]] Status drop_and_record(Connection& connection, const TargetTable& table,
                                     const DeferralRules& rules, const std::string& run);

struct OwedIndex {
  std::int64_t id = 0;
  std::uint32_t target = 0;
  std::string table;  // the target, as SQL names it
  std::string index;  // as SQL names it
  bool constraint = false;
  int depth = 0;  // below the target; those of greater depth are built first
  std::string definition;
  std::string created_at;
  bool owner_lives = false;  // a load that will rebuild it, or somebody who does so now
};

// In the order in which they are built; of one target, or of all. Without the table, or without the right to read it:
// none.
[[nodiscard]] Result<std::vector<OwedIndex>> owed_indexes(Connection& connection,
                                                          std::optional<std::uint32_t> target);

// One statement that builds it and deletes its row, and does nothing where that was done before.
[[nodiscard]] std::string rebuild_sql(std::int64_t id);

// An index's error with what it means and how to go on (`command` rebuilds what is owed).
[[nodiscard]] Error explain_rebuild_error(Error error, const OwedIndex& index, const std::string& command);

// For `hypercopy imports`: empty where nothing is owed; else lines that end with a newline.
[[nodiscard]] std::string owed_text(const std::vector<OwedIndex>& owed);

}  // namespace hypercopy
