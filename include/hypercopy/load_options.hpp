// What one load is asked to do. The command lines (load_cli.hpp, parallel_copy_cli.hpp) fill it, load.hpp
// runs it.
// Shape:   plain values, defaults in place; the option that sets a field is named beside it.
// Units:   in the names (bytes, records, lines); 0 means "choose" or "no limit" where it says so.
// Errors:  validate() gives Error::kind usage for combinations that cannot mean anything.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "hypercopy/dialect.hpp"
#include "hypercopy/reject_limit.hpp"
#include "hypercopy/result.hpp"

namespace hypercopy {

// How to reach the server: libpq's own words, passed on to libpq untouched. Empty: libpq's defaults (PG*
// variables, service file, .pgpass).
struct ConnectionOptions {
  std::string dbname{};  // -d: a name, a key=value string or a URI
  std::string host{};
  std::string port{};
  std::string user{};
  enum class Password : std::uint8_t {
    when_needed,
    always,
    never
  } password = Password::when_needed;  // -W, -w
};

// A table's name, already unquoted and case folded: bytes as they stand in pg_class.
struct TableName {
  std::string schema{};  // empty: found by search_path
  std::string name{};
};

// Parses [SCHEMA.]TABLE by the rules of sql_identifier.hpp: unquoted parts are folded to lower case,
// "quoted ""parts""" are not, nor is a bare part that SQL would not take unquoted (my table, 2024-data).
[[nodiscard]] Result<TableName> parse_table_name(std::string_view text);

enum class Header : std::uint8_t {
  none,
  skip,   // --skip-header: the first record of each file is not data
  match,  // --header: and its fields name the columns
};

// --column-map: header field -> table column.
using ColumnMap = std::vector<std::pair<std::string, std::string>>;

enum class ProgressStyle : std::uint8_t { automatic, bar, plain, json, none };

// More jobs are refused: a slip of the hand, not a wish.
inline constexpr unsigned kMaxJobs = 1024;

// What is sent to the server.
enum class Wire : std::uint8_t {
  automatic,  // COPY BINARY where every value of a batch can be encoded exactly, else the batch as it is
  binary,     // the same, and a batch that cannot is an error
  csv,        // the input as it is
};

[[nodiscard]] std::string_view to_string(Wire wire);

// What a record that the server refuses does.
enum class OnError : std::uint8_t {
  stop,    // it ends the load
  reject,  // it is kept in a reject file, and the rest of its batch is loaded
};

// What becomes of a record whose key a row has.
enum class OnConflict : std::uint8_t {
  error,    // the load stops
  nothing,  // the record is left out
  update,   // the row takes its values
};

[[nodiscard]] std::string_view to_string(OnConflict action);

// Whether rows are compressed while they are loaded, where the server can do that.
enum class DirectCompress : std::uint8_t {
  automatic,  // where it pays
  on,         // or the load is refused
  off,
};

[[nodiscard]] std::string_view to_string(DirectCompress wanted);

// In which order records are sent.
enum class OrderByTime : std::uint8_t {
  automatic,  // by time within a batch, and regrouped across batches where a sample says that it pays
  off,        // as they come
  on,         // regrouped across batches, or refused
};

// What is done with the target when all is loaded.
struct AfterLoad {
  bool compress = false;
  bool analyze = false;
  bool refresh = false;  // continuous aggregates
};

struct LoadOptions {
  ConnectionOptions connection{};
  TableName table{};
  std::vector<std::string> files{};  // empty or "-": standard input; patterns with * ? [ are expanded

  Dialect dialect{};
  std::string encoding{};              // --encoding: client_encoding; empty: what the session has
  Header header = Header::none;        // --header, --skip-header
  std::uint64_t skip_lines = 0;        // --skip-lines: physical lines before the header, in each file
  bool keep_bom = false;               // --keep-bom: a UTF-8 byte order mark is data, as for COPY
  std::vector<std::string> columns{};  // --columns, in the order of the fields
  ColumnMap column_map{};              // --column-map; needs Header::match
  std::uint64_t limit_records = 0;     // --limit: data records over all files; 0: all

  unsigned jobs = 0;                                   // -j; 0: chosen from the client's cores
  std::size_t batch_bytes = 0;                         // --batch-bytes; 0: the default of batch.hpp
  std::uint64_t batch_records = 0;                     // --batch-rows; 0: bytes alone decide
  Wire wire = Wire::automatic;                         // --wire
  OrderByTime order_by_time = OrderByTime::automatic;  // --order-by-time
  std::size_t order_memory =
      0;  // --order-memory: what regrouping may take; 0: the default of time_windows.hpp
  DirectCompress direct_compress = DirectCompress::automatic;  // --direct-compress
  bool build_chunks = false;                                   // --build-chunks: new chunks are built aside
  AfterLoad after{};                                           // --after
  bool pause_jobs = false;                // --pause-jobs: policies of the hypertable do not start meanwhile
  std::uint64_t max_new_chunks = 10'000;  // --max-new-chunks: of a hypertable; 0: no limit
  bool truncate = false;  // --truncate: TRUNCATE in the first step, after the input was checked
  std::chrono::milliseconds retry_timeout{
      300'000};             // --retry-timeout: for failures that pass; 0: never again
  std::string import_id{};  // --import-id: the load is kept in a ledger on the server and can be resumed
  bool async_commit =
      false;  // --async-commit: a batch's COMMIT does not wait for the disk, the import's end does
  bool resume_into_empty = false;    // --resume-into-empty: the target was emptied on purpose
  OnError on_error = OnError::stop;  // --on-error
  std::string reject_file{};         // --reject-file; empty: beside each input
  RejectLimit max_rejects{};         // --max-rejects
  bool single_transaction = false;   // --single-transaction: one worker, one transaction, one COPY per file
  bool atomic = false;               // --atomic: all workers fill a staging table, one INSERT empties it
  bool defer_indexes = false;   // --defer-indexes: secondary indexes are dropped first and rebuilt at the end
  bool force_deferral = false;  // --defer-indexes=force: however large the table is
  bool defer_constraints = false;  // --defer-constraints: unique indexes and constraints as well

  OnConflict on_conflict = OnConflict::error;  // --on-conflict
  std::vector<std::string>
      conflict_key{};  // --conflict-key; empty: the primary key, or the only unique index

  ProgressStyle progress = ProgressStyle::automatic;
  std::chrono::milliseconds reporting_period{0};  // 0: ten seconds when not on a terminal
  std::string report_file{};                      // --report: JSON
  bool verbose = false;

  // What only the drop-in asks for (parallel_copy_cli.hpp).
  bool literal_files = false;          // `files` are paths as they stand: no patterns, "-" is a file's name
  std::string where{};                 // COPY ... WHERE, as SQL; never on a hypertable
  bool extra_mappings = false;         // entries of column_map for fields the header lacks: said, not refused
  bool empty_input_copies = true;      // an input without any record is one empty COPY, as it is for psql
  bool any_conflict = false;           // OnConflict::nothing for whatever unique index, or none at all
  bool skip_failed_batches = false;    // a batch that the server refuses is dropped whole; said and counted
  bool windows_1252_fallback = false;  // a batch that is invalid in UTF-8 (22021) is sent again as WIN1252
};

[[nodiscard]] Status validate(const LoadOptions& options);

}  // namespace hypercopy
