// The imports that a server's ledger knows, for people and scripts: list, show, forget.
// Owed:    with --build-chunks rows may wait in side tables, also when all batches are done: such an import is not done.
// Shape:   plain values read from schema hypercopy (import_ledger.hpp); texts as a terminal shows them, or JSON.
// Units:   bytes and records of the inputs; times as the server writes them in this session's settings.
// Threads: one.
// Errors:  target: no such import; usage: it is being loaded at this moment; sql, connection. A server that was never
//          loaded with an import id has no ledger: the list is empty.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "hypercopy/connection.hpp"
#include "hypercopy/result.hpp"

namespace hypercopy {

struct ImportInfo {
  std::string import_id;
  std::string target;
  std::string state;          // done, loading (by `loaders` processes now), stopped
  std::uint64_t loaders = 0;  // that live now
  std::uint64_t inputs = 0;
  std::optional<std::uint64_t> bytes{};  // of all inputs; nothing where one is a pipe
  std::uint64_t bytes_done = 0;
  std::uint64_t records_done = 0;
  std::uint64_t rows_loaded = 0;  // also those that wait in side tables
  std::uint64_t records_rejected = 0;
  std::uint64_t batches_open = 0;        // planned and not done
  std::uint64_t side_tables = 0;         // whose rows are not in the target yet (--build-chunks)
  std::uint64_t side_rows_estimate = 0;  // in them
  std::string created_by;
  std::string created_at;
  std::string changed_at;  // the last batch, or the end
};

// What forget_import() does with rows that wait in side tables.
enum class OwedRows : std::uint8_t { refuse, drop };

struct ImportInputInfo {
  std::string name;
  std::optional<std::uint64_t> bytes{};
  std::uint64_t bytes_planned = 0;  // behind the header
  std::uint64_t bytes_done = 0;
  std::uint64_t records_done = 0;
  std::uint64_t batches_open = 0;
  bool complete = false;  // all of it is planned
};

struct ImportDetails {
  ImportInfo import{};
  std::vector<ImportInputInfo> inputs{};
  std::vector<std::pair<std::string, std::string>> settings{};
};

// The newest first.
[[nodiscard]] Result<std::vector<ImportInfo>> list_imports(Connection& connection);
[[nodiscard]] Result<ImportDetails> show_import(Connection& connection, const std::string& import_id);
// Takes it out of the ledger; rows that it loaded stay. What it had done.
[[nodiscard]] Result<ImportInfo> forget_import(Connection& connection, const std::string& import_id,
                                               OwedRows owed = OwedRows::refuse);

// Each ends with a newline.
[[nodiscard]] std::string imports_table(const std::vector<ImportInfo>& imports);
[[nodiscard]] std::string imports_json(const std::vector<ImportInfo>& imports);
[[nodiscard]] std::string import_text(const ImportDetails& details);
[[nodiscard]] std::string import_json(const ImportDetails& details);
[[nodiscard]] std::string forgotten_text(const ImportInfo& import);

}  // namespace hypercopy
