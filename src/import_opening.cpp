#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "hypercopy/import_ledger.hpp"
#include "import_presence.hpp"
#include "import_schema.hpp"
#include "owed_rows.hpp"
#include "query_numbers.hpp"

namespace hypercopy {

namespace {

std::string quoted_name(std::string_view import_id) { return fmt::format("import '{}'", import_id); }

Error differs(std::string_view import_id, std::string what) {
  return Error{.kind = ErrorKind::usage,
               .message = fmt::format("{} cannot go on: {}", quoted_name(import_id), what),
               .hint = fmt::format(
                   "Run it as it was begun, or give another --import-id, or forget it: hypercopy imports "
                   "forget {}",
                   import_id)};
}

// A jsonb object of the job's settings, whose names and values become the next parameters.
std::string settings_sql(const ImportJob& job, std::vector<std::string>& parameters) {
  std::string array;
  for (const auto& [name, value] : job.settings) {
    parameters.push_back(name);
    parameters.push_back(value);
    array += fmt::format("{}${}, ${}", array.empty() ? "" : ", ", parameters.size() - 1, parameters.size());
  }
  return fmt::format("pg_catalog.jsonb_object(ARRAY[{}]::text[])", array);
}

std::string shown(const QueryResult& rows, int row, int column) {
  return rows.is_null(row, column) ? "not given" : fmt::format("'{}'", rows.text(row, column));
}

}  // namespace

Result<ImportLedger> ImportLedger::open(const Connect& connect, const ImportJob& job, Options options,
                                        StopAt stop) {
  const bool shared = std::all_of(job.inputs.begin(), job.inputs.end(),
                                  [](const ImportInput& input) { return input.size.has_value(); });
  ImportLedger ledger(connect, std::move(options), shared, stop);
  ledger.presence_->builds_chunks = ledger.options_.builds_chunks;
  ledger.presence_->on_wait = ledger.options_.on_wait;
  auto opened = ledger.control_.ask([&](Connection& connection) -> Status {
    ledger.quoted_run_ = connection.quote_literal(ledger.options_.run_id);
    HYPERCOPY_TRY(ledger.check_target(job, connection));
    HYPERCOPY_TRY(ensure_import_schema(connection));
    HYPERCOPY_TRY(ledger.refuse_other_tools_import(job, connection));
    HYPERCOPY_TRY(ledger.begin(job, connection));
    HYPERCOPY_TRY(ledger.compare(job, connection));
    HYPERCOPY_TRY(ledger.take_presence(connection));
    return ledger.prepare_staging(job, connection);
  });
  if (!opened) return fail(with_ledger_grants(std::move(opened).error()));
  return ledger;
}

Status ImportLedger::take_presence(Connection& connection) {
  presence_->job = job_;
  return presence_->settle_in(connection);
}

// What a crash would empty, or what commits elsewhere, cannot be in step with a ledger here.
Status ImportLedger::check_target(const ImportJob& job, Connection& connection) {
  const std::array<std::string, 1> target{std::to_string(job.target)};
  HYPERCOPY_ASSIGN(
      const QueryResult kind,
      connection.execute(
          "SELECT c.relkind IN ('v', 'f') OR coalesce(pg_catalog.bool_or(leaf.relkind = 'f'), false), "
          "c.relpersistence <> 'p' OR coalesce(pg_catalog.bool_or(leaf.relpersistence <> 'p'), false) "
          "FROM pg_catalog.pg_class AS c LEFT JOIN pg_catalog.pg_partition_tree(c.oid) AS part ON true "
          "LEFT JOIN pg_catalog.pg_class AS leaf ON leaf.oid = part.relid WHERE c.oid = $1::oid GROUP BY "
          "c.oid, "
          "c.relkind, c.relpersistence",
          target));
  if (kind.rows() == 0) {
    return fail(ErrorKind::target, fmt::format("{} was dropped at this moment", job.target_name));
  }
  if (kind.boolean(0, 0)) {
    return fail(ErrorKind::usage,
                fmt::format("--import-id is not possible for {}: its rows are (in part) kept elsewhere",
                            job.target_name),
                "Load into the table behind the view or the foreign table, on its own server, or without "
                "--import-id.");
  }
  if (kind.boolean(0, 1)) {
    return fail(
        ErrorKind::usage,
        fmt::format("--import-id is not possible for {}, which is (in part) UNLOGGED: a crash would empty it "
                    "and keep the ledger",
                    job.target_name),
        "ALTER TABLE ... SET LOGGED first, or load without --import-id.");
  }
  return {};
}

// timescaledb-parallel-copy records rows and bytes of its batches, but not of which file or table, and cuts by bytes even
// inside a quoted record: what it has done cannot be told apart from what is left.
Status ImportLedger::refuse_other_tools_import(const ImportJob& job, Connection& connection) {
  HYPERCOPY_ASSIGN(
      const QueryResult table,
      connection.execute(
          "SELECT pg_catalog.to_regclass('timescaledb_parallel_copy.transactions') IS NOT NULL"));
  if (!table.boolean(0, 0)) return {};
  const std::array<std::string, 1> which{job.import_id};
  HYPERCOPY_ASSIGN(
      const QueryResult batches,
      connection.execute("SELECT count(*), coalesce(sum(row_count), 0) FROM "
                         "timescaledb_parallel_copy.transactions WHERE import_id = $1 AND state = "
                         "'completed'",
                         which));
  if (batches.text(0, 0) == "0") return {};
  return fail(
      ErrorKind::usage,
      fmt::format("{} was begun by timescaledb-parallel-copy: {} rows in {} batches are recorded in "
                  "timescaledb_parallel_copy.transactions, but not of which file, nor whether they end where "
                  "records end",
                  quoted_name(job.import_id), batches.text(0, 1), batches.text(0, 0)),
      "Finish it with that tool, or empty the table and load it under another import id.");
}

Status ImportLedger::begin(const ImportJob& job, Connection& connection) {
  std::vector<std::string> parameters{job.import_id, std::to_string(job.target), job.target_name};
  const std::string settings = settings_sql(job, parameters);
  HYPERCOPY_TRY(connection.execute("BEGIN"));
  HYPERCOPY_ASSIGN(
      const QueryResult inserted,
      connection.execute(
          fmt::format("INSERT INTO hypercopy.job (import_id, target, target_name, settings) VALUES ($1, "
                      "$2::oid, $3, {}) ON CONFLICT (import_id) DO "
                      "NOTHING RETURNING id",
                      settings),
          parameters));
  begun_ = inserted.rows() == 0;
  if (!begun_) {
    job_ = number_at<int>(inserted, 0, 0);
    for (std::size_t number = 0; number < job.inputs.size(); ++number) {
      const ImportInput& input = job.inputs[number];
      const std::array<std::string, 2> texts{input.name, input.fingerprint};
      HYPERCOPY_TRY(
          connection.execute(fmt::format("INSERT INTO hypercopy.input (job, number, name, size, "
                                         "fingerprint) VALUES ({}, {}, $1, {}, $2)",
                                         job_, number, input.size ? std::to_string(*input.size) : "NULL"),
                             texts));
    }
    if (options_.may_begin) HYPERCOPY_TRY(options_.may_begin());
  }
  HYPERCOPY_TRY(connection.execute("COMMIT"));
  return {};
}

Status ImportLedger::compare(const ImportJob& job, Connection& connection) {
  const std::array<std::string, 2> which{job.import_id, std::to_string(job.target)};
  HYPERCOPY_ASSIGN(
      const QueryResult found,
      connection.execute(
          "SELECT id, target = $2::oid, target_name, state = 'done', EXISTS (SELECT FROM "
          "hypercopy.interval WHERE job = id AND done_by IS NOT NULL) FROM hypercopy.job WHERE import_id "
          "= $1",
          which));
  if (found.rows() == 0) {
    return fail(ErrorKind::target,
                fmt::format("{} was forgotten at this moment", quoted_name(job.import_id)));
  }
  job_ = number_at<int>(found, 0, 0);
  done_ = found.boolean(0, 3);
  if (!found.boolean(0, 1)) {
    const std::string_view before = found.text(0, 2);
    return fail(
        differs(job.import_id, before == job.target_name
                                   ? fmt::format("{} was dropped and created again since", job.target_name)
                                   : fmt::format("it loads into {}, not into {}", before, job.target_name)));
  }
  HYPERCOPY_TRY(compare_settings(job, connection));
  HYPERCOPY_TRY(compare_inputs(job, connection));
  const bool anything_done = done_ || found.boolean(0, 4);
  const bool holds_rows = options_.staging == nullptr ? anything_done : done_;
  if (options_.truncates && holds_rows) {
    return fail(ErrorKind::usage,
                fmt::format("--truncate would empty the table under {}, which is {}",
                            quoted_name(job.import_id), done_ ? "done" : "half done"),
                fmt::format("{}. To empty the table and load all of it again, forget the import first "
                            "(hypercopy imports forget {}), then run this command again.",
                            done_ ? "Nothing is left to be loaded" : "To load the rest, leave --truncate out",
                            job.import_id));
  }
  return anything_done ? check_rows_are_there(job, connection) : Status{};
}

Status ImportLedger::compare_settings(const ImportJob& job, Connection& connection) {
  std::vector<std::string> parameters{job.import_id, std::to_string(job.target)};
  const std::string settings = settings_sql(job, parameters);
  HYPERCOPY_ASSIGN(
      const QueryResult changed,
      connection.execute(
          fmt::format(
              "SELECT name, was.value, now.value FROM pg_catalog.jsonb_each_text((SELECT settings FROM "
              "hypercopy.job WHERE import_id = $1 AND target = $2::oid)) AS was(name, value) FULL JOIN "
              "pg_catalog.jsonb_each_text({}) AS now(name, value) "
              "USING "
              "(name) WHERE was.value IS DISTINCT FROM now.value ORDER BY name",
              settings),
          parameters));
  if (changed.rows() > 0) {
    return fail(differs(job.import_id, fmt::format("{} was {} and is now {}", changed.text(0, 0),
                                                   shown(changed, 0, 1), shown(changed, 0, 2))));
  }
  return {};
}

Status ImportLedger::compare_inputs(const ImportJob& job, Connection& connection) {
  HYPERCOPY_ASSIGN(
      const QueryResult inputs,
      connection.execute(fmt::format("SELECT name, size, fingerprint FROM hypercopy.input WHERE job = {} "
                                     "ORDER BY number",
                                     job_)));
  if (static_cast<std::size_t>(inputs.rows()) != job.inputs.size()) {
    return fail(differs(job.import_id,
                        fmt::format("it has {} inputs, and {} are given", inputs.rows(), job.inputs.size())));
  }
  for (int row = 0; row < inputs.rows(); ++row) {
    const ImportInput& input = job.inputs[static_cast<std::size_t>(row)];
    const bool same_size = inputs.is_null(row, 1) ? !input.size : input.size == count_at(inputs, row, 1);
    if (same_size && inputs.text(row, 2) == input.fingerprint) continue;
    const auto size = [](bool pipe, std::uint64_t bytes) {
      return pipe ? std::string("a pipe") : fmt::format("{} bytes", bytes);
    };
    return fail(differs(
        job.import_id,
        same_size ? fmt::format("the content of {} has changed since it was begun", input.name)
                  : fmt::format("input {} was {} ({}) and is now {} ({})", row + 1, inputs.text(row, 0),
                                size(inputs.is_null(row, 1), count_at(inputs, row, 1)), input.name,
                                size(!input.size, input.size.value_or(0)))));
  }
  return {};
}

// Rows that are staged are looked for by prepare_staging(), those that wait in side tables by SideTables::begin().
Status ImportLedger::check_rows_are_there(const ImportJob& job, Connection& connection) const {
  if (options_.into_empty || options_.builds_chunks || (options_.staging != nullptr && !done_)) return {};
  HYPERCOPY_ASSIGN(
      const QueryResult name,
      connection.execute(
          "SELECT pg_catalog.format('%I.%I', n.nspname, c.relname) FROM pg_catalog.pg_class AS c JOIN "
          "pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace WHERE c.oid = $1::oid AND EXISTS (SELECT "
          "FROM hypercopy.interval JOIN hypercopy.job ON job.id = interval.job WHERE import_id = $2 AND "
          "loaded > 0)",
          std::array<std::string, 2>{std::to_string(job.target), job.import_id}));
  if (name.rows() == 0) return {};
  HYPERCOPY_ASSIGN(const QueryResult rows,
                   connection.execute(fmt::format("SELECT EXISTS (SELECT FROM {})", name.text(0, 0))));
  if (rows.boolean(0, 0)) return {};
  return fail(emptied_since(job.import_id, job.target_name));
}

// Its job is locked meanwhile: of several loaders one creates it.
Status ImportLedger::prepare_staging(const ImportJob& job, Connection& connection) {
  if (options_.staging == nullptr || done_) return {};
  HYPERCOPY_TRY(begin_with_job(connection));
  HYPERCOPY_ASSIGN(const bool there, options_.staging->exists(connection));
  if (!there) {
    HYPERCOPY_ASSIGN(
        const QueryResult filled,
        connection.execute(fmt::format(
            "SELECT EXISTS (SELECT FROM hypercopy.interval WHERE job = {} AND done_by IS NOT NULL)", job_)));
    if (filled.boolean(0, 0)) {
      return fail(differs(job.import_id, fmt::format("its staging table {} is gone, and rows with it",
                                                     options_.staging->name())));
    }
    HYPERCOPY_TRY(options_.staging->create(connection));
  }
  HYPERCOPY_TRY(connection.execute("COMMIT"));
  return {};
}

}  // namespace hypercopy
