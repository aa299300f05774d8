#include "support/server.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <cstdlib>
#include <stdexcept>

namespace hypercopy::test {

namespace {

struct Clear {
  void operator()(PGresult* result) const { PQclear(result); }
};
using ResultPointer = std::unique_ptr<PGresult, Clear>;

std::string test_dsn() {
  const char* const dsn = std::getenv("HYPERCOPY_TEST_DSN");
  return dsn == nullptr ? std::string() : std::string(dsn);
}

CopyOutcome outcome_of(const PGresult* result) {
  CopyOutcome outcome;
  if (PQresultStatus(result) == PGRES_COMMAND_OK) {
    const std::string rows = PQcmdTuples(const_cast<PGresult*>(result));
    outcome.rows = std::stoull(rows);
    return outcome;
  }
  const char* const sqlstate = PQresultErrorField(result, PG_DIAG_SQLSTATE);
  outcome.sqlstate = sqlstate == nullptr ? "" : sqlstate;
  outcome.message = PQresultErrorMessage(result);
  return outcome;
}

}  // namespace

Server::Server(const std::string& dsn) : connection_(PQconnectdb((dsn.empty() ? test_dsn() : dsn).c_str())) {
  if (PQstatus(connection_.get()) != CONNECTION_OK)
    throw std::runtime_error(PQerrorMessage(connection_.get()));
  PQsetNoticeReceiver(
      connection_.get(), [](void*, const PGresult*) {}, nullptr);
}

Rows Server::execute(const std::string& sql) const {
  const ResultPointer result(PQexec(connection_.get(), sql.c_str()));
  const auto status = PQresultStatus(result.get());
  if (status != PGRES_COMMAND_OK && status != PGRES_TUPLES_OK) {
    throw std::runtime_error(fmt::format("{}: {}", sql, PQresultErrorMessage(result.get())));
  }
  Rows rows(static_cast<std::size_t>(PQntuples(result.get())));
  for (int row = 0; row < PQntuples(result.get()); ++row) {
    for (int column = 0; column < PQnfields(result.get()); ++column) {
      auto& fields = rows[static_cast<std::size_t>(row)];
      if (PQgetisnull(result.get(), row, column) != 0) {
        fields.emplace_back(std::nullopt);
      } else {
        fields.emplace_back(PQgetvalue(result.get(), row, column));
      }
    }
  }
  return rows;
}

std::string Server::value(const std::string& sql) const {
  const Rows rows = execute(sql);
  if (rows.empty() || rows.front().empty()) throw std::runtime_error(sql + ": no row");
  return rows.front().front().value_or("");
}

CopyOutcome Server::copy(const std::string& sql, std::string_view bytes) const {
  const ResultPointer started(PQexec(connection_.get(), sql.c_str()));
  if (PQresultStatus(started.get()) != PGRES_COPY_IN) return outcome_of(started.get());
  constexpr std::size_t kPiece = 1 << 20;
  for (std::size_t at = 0; at < bytes.size(); at += kPiece) {
    const std::string_view piece = bytes.substr(at, kPiece);
    // Refused when the server has answered with an error already: that is the outcome below.
    if (PQputCopyData(connection_.get(), piece.data(), static_cast<int>(piece.size())) != 1) break;
  }
  PQputCopyEnd(connection_.get(), nullptr);
  CopyOutcome outcome;
  while (const ResultPointer result{PQgetResult(connection_.get())}) outcome = outcome_of(result.get());
  return outcome;
}

std::string Server::copy_out(const std::string& sql) const {
  const ResultPointer started(PQexec(connection_.get(), sql.c_str()));
  if (PQresultStatus(started.get()) != PGRES_COPY_OUT)
    throw std::runtime_error(outcome_of(started.get()).message);
  std::string bytes;
  char* piece = nullptr;
  for (int size = 0; (size = PQgetCopyData(connection_.get(), &piece, 0)) > 0; PQfreemem(piece))
    bytes.append(piece, static_cast<std::size_t>(size));
  CopyOutcome outcome;
  while (const ResultPointer result{PQgetResult(connection_.get())}) outcome = outcome_of(result.get());
  if (!outcome.rows) throw std::runtime_error(outcome.message);
  return bytes;
}

std::vector<std::string> Server::rows_as_text(const std::string& table) const {
  std::vector<std::string> texts;
  for (const auto& row : execute(fmt::format("SELECT t::text FROM {} t", table)))
    texts.push_back(row.front().value_or(""));
  std::sort(texts.begin(), texts.end());
  return texts;
}

void ServerTest::SetUp() {
  if (test_dsn().empty()) GTEST_SKIP() << "HYPERCOPY_TEST_DSN names no server (./dev test starts one)";
  server_ = std::make_unique<Server>();
  const auto* const info = ::testing::UnitTest::GetInstance()->current_test_info();
  std::string name = fmt::format("hc_{}_{}", ::getpid(), info->name());
  std::transform(name.begin(), name.end(), name.begin(), [](unsigned char c) {
    return std::isalnum(c) != 0 ? static_cast<char>(std::tolower(c)) : '_';
  });
  schema_ = name.substr(0, 60);
  server_->execute(fmt::format("CREATE SCHEMA {0}; SET search_path = {0}, public", schema_));
}

void ServerTest::TearDown() {
  if (server_)
    server_->execute(fmt::format("SET client_min_messages = warning; DROP SCHEMA {} CASCADE", schema_));
}

std::string ServerTest::dsn() const {
  return fmt::format("{} options='-c search_path={},public'", test_dsn(), schema_);
}

Outcome ServerTest::load(std::vector<std::string> arguments, RunOptions options) const {
  arguments.insert(arguments.begin(), {"load", "-w", "-d", dsn()});
  return run_program(arguments, std::move(options));
}

Outcome ServerTest::drop_in(std::vector<std::string> arguments, RunOptions options) const {
  arguments.insert(arguments.begin(), {"-connection", dsn(), "-schema", schema_});
  options.program = drop_in_path();
  return run_program(arguments, std::move(options));
}

std::uint64_t ServerTest::count(const std::string& table) const {
  return std::stoull(server().value(fmt::format("SELECT count(*) FROM {}", table)));
}

bool ServerTest::has_timescale() const {
  const bool loaded = server().value(
                          "SELECT count(*) FROM pg_settings WHERE name = 'shared_preload_libraries' AND "
                          "setting LIKE '%timescaledb%'") != "0";
  if (!loaded) return false;
  server().execute(
      "SET client_min_messages = warning; CREATE EXTENSION IF NOT EXISTS timescaledb SCHEMA public");
  return true;
}

}  // namespace hypercopy::test
