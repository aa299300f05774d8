#include "parallel_copy_flags.hpp"

#include <CLI/CLI.hpp>
#include <algorithm>

namespace hypercopy {

using Kind = GoFlagKind;

const std::array<GoFlag, 33> kParallelCopyFlags{{
    {"auto-column-mapping", Kind::boolean, "", "The header's names are the table's columns"},
    {"batch-byte-size", Kind::integer, "4194304", "Bytes after which a batch ends"},
    {"batch-size", Kind::integer, "5000", "Rows after which a batch ends"},
    {"buffer-byte-size", Kind::integer, "2097152", "Accepted; rows of any size are read"},
    {"column-mapping", Kind::text, "",
     "Column for each name in the header: \"csv1:db1,csv2:db2\" or a JSON object"},
    {"columns", Kind::text, "", "Columns of the input, comma separated"},
    {"connection", Kind::text, "\"host=localhost user=postgres sslmode=disable\"",
     "PostgreSQL connection string or URI"},
    {"copy-options", Kind::text, "\"CSV\"", "Further options of COPY, e.g. CSV NULL 'NULL'"},
    {"db-name", Kind::text, "", "(deprecated) Use -connection"},
    {"disable-direct-compress", Kind::boolean, "", "Accepted; direct compress is not used"},
    {"disable-windows-1252-handling", Kind::boolean, "",
     "Do not send a batch that is invalid in UTF-8 again as WIN1252"},
    {"enable-client-side-sorting", Kind::boolean, "", "Not supported yet"},
    {"escape", Kind::text, "the quote", "ESCAPE character of COPY", "character"},
    {"file", Kind::text, "", "File to read instead of standard input"},
    {"header-line-count", Kind::integer, "1", "(deprecated) Use -skip-lines"},
    {"import-id", Kind::text, "", "Keep a ledger on the server: the same command goes on after a failure"},
    {"limit", Kind::integer, "", "Rows to load at most; 0 means all"},
    {"log-batches", Kind::boolean, "", "Print a line for each batch, with -verbose"},
    {"no-retry", Kind::boolean, "",
     "Do not try again after a lost connection or another failure that passes"},
    {"on-conflict-do-nothing", Kind::boolean, "", "Leave out rows that clash with a unique index"},
    {"quote", Kind::text, "'\"'", "QUOTE character of COPY", "character"},
    {"reporting-period", Kind::duration, "", "Time between two progress lines; 0s means none"},
    {"retry-timeout", Kind::duration, "5m0s", "How long to try again after such a failure"},
    {"schema", Kind::text, "\"public\"", "Schema of the table"},
    {"skip-batch-errors", Kind::boolean, "", "Drop a batch that the server refuses and go on"},
    {"skip-header", Kind::boolean, "", "The first row is a header, not data"},
    {"skip-lines", Kind::integer, "", "Lines to skip before everything else, the header included"},
    {"split", Kind::text, "\",\"", "DELIMITER character of COPY", "character"},
    {"table", Kind::text, "\"test_table\"", "Table to load into"},
    {"truncate", Kind::boolean, "", "Empty the table first"},
    {"verbose", Kind::boolean, "", "Print more about the load"},
    {"version", Kind::boolean, "", "Print the version and exit"},
    {"workers", Kind::integer, "1", "Connections that load in parallel"},
}};

ParallelCopyFlags bind_parallel_copy_flags(std::vector<std::string> words) {
  ParallelCopyFlags flags;
  CLI::App app;
  app.set_help_flag();
  app.add_option("--auto-column-mapping", flags.auto_column_mapping);
  app.add_option("--batch-byte-size", flags.batch_byte_size);
  app.add_option("--batch-size", flags.batch_size);
  app.add_option("--buffer-byte-size", flags.buffer_byte_size);
  app.add_option("--column-mapping", flags.column_mapping);
  app.add_option("--columns", flags.columns);
  app.add_option("--connection", flags.connection);
  app.add_option("--copy-options", flags.copy_options);
  app.add_option("--db-name", flags.db_name);
  app.add_option("--disable-direct-compress", flags.disable_direct_compress);
  app.add_option("--disable-windows-1252-handling", flags.disable_windows_1252_handling);
  app.add_option("--enable-client-side-sorting", flags.enable_client_side_sorting);
  app.add_option("--escape", flags.escape);
  app.add_option("--file", flags.file);
  app.add_option("--header-line-count", flags.header_line_count);
  app.add_option("--import-id", flags.import_id);
  app.add_option("--limit", flags.limit);
  app.add_option("--log-batches", flags.log_batches);
  app.add_option("--no-retry", flags.no_retry);
  app.add_option("--on-conflict-do-nothing", flags.on_conflict_do_nothing);
  app.add_option("--quote", flags.quote);
  app.add_option("--reporting-period", flags.reporting_period_ns);
  app.add_option("--retry-timeout", flags.retry_timeout_ns);
  app.add_option("--schema", flags.schema);
  app.add_option("--skip-batch-errors", flags.skip_batch_errors);
  app.add_option("--skip-header", flags.skip_header);
  app.add_option("--skip-lines", flags.skip_lines);
  app.add_option("--split", flags.split);
  app.add_option("--table", flags.table);
  app.add_option("--truncate", flags.truncate);
  app.add_option("--verbose", flags.verbose);
  app.add_option("--version", flags.version);
  app.add_option("--workers", flags.workers);
  std::ranges::reverse(words);  // CLI11 takes words off the back
  app.parse(std::move(words));
  return flags;
}

}  // namespace hypercopy
