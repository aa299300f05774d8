// A real server for integration tests, named by HYPERCOPY_TEST_DSN; a fresh schema per test, dropped at its
// end.
// Shape:   statements go through plain libpq, never through the code under test; the judge of every CSV is
//          one COPY of the whole input over one connection (DESIGN of the differential test).
// Errors:  a statement that must succeed and does not ends the test with the server's words.
#pragma once

#include <gtest/gtest.h>
#include <libpq-fe.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "support/program.hpp"

namespace hypercopy::test {

// What one COPY of the whole input did.
struct CopyOutcome {
  std::optional<std::uint64_t> rows;  // nothing: refused
  std::string sqlstate;
  std::string message;
};

using Rows = std::vector<std::vector<std::optional<std::string>>>;

class Server {
 public:
  // Connects to `dsn`, or to HYPERCOPY_TEST_DSN.
  explicit Server(const std::string& dsn = {});

  [[nodiscard]] PGconn* handle() const { return connection_.get(); }
  [[nodiscard]] int version() const { return PQserverVersion(connection_.get()); }

  // All rows of the last statement. Throws when the server refuses.
  Rows execute(const std::string& sql) const;
  // The first field of the first row, "" for NULL.
  [[nodiscard]] std::string value(const std::string& sql) const;
  // One COPY statement fed with all of `bytes`.
  [[nodiscard]] CopyOutcome copy(const std::string& sql, std::string_view bytes) const;
  // All bytes of one COPY ... TO STDOUT.
  [[nodiscard]] std::string copy_out(const std::string& sql) const;
  // Every row of a table as text, sorted: the multiset that two tables are compared by.
  [[nodiscard]] std::vector<std::string> rows_as_text(const std::string& table) const;

 private:
  struct Finish {
    void operator()(PGconn* connection) const { PQfinish(connection); }
  };
  std::unique_ptr<PGconn, Finish> connection_;
};

// Fixture: skips without a server; search_path is a schema of the test's own, for it and for the programs it
// runs.
class ServerTest : public ::testing::Test {
 protected:
  void SetUp() override;
  void TearDown() override;

  // `hypercopy load -d DSN <arguments>`; the DSN has the schema in its search_path.
  [[nodiscard]] Outcome load(std::vector<std::string> arguments, RunOptions options = {}) const;
  // The drop-in with -connection and -schema given.
  [[nodiscard]] Outcome drop_in(std::vector<std::string> arguments, RunOptions options = {}) const;

  [[nodiscard]] const Server& server() const { return *server_; }
  [[nodiscard]] const std::string& schema() const { return schema_; }
  [[nodiscard]] std::string dsn() const;
  [[nodiscard]] std::uint64_t count(const std::string& table) const;
  // Skips the test, aloud, where the server has no TimescaleDB; else creates the extension.
  [[nodiscard]] bool has_timescale() const;

  TemporaryFolder folder_;

 private:
  std::unique_ptr<Server> server_;
  std::string schema_;
};

}  // namespace hypercopy::test
