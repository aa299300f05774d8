// Takes a test's imports out of the server's ledger, which all tests of a database share.
#pragma once

#include <fmt/format.h>

#include <string>

#include "support/server.hpp"

namespace hypercopy::test {

// Those whose id is `name`, or begins with it and a hyphen; nothing where the server has no ledger.
inline void forget_imports(const Server& server, const std::string& name) {
  if (server.value("SELECT to_regclass('hypercopy.job') IS NOT NULL") != "t") return;
  const std::string which = fmt::format("import_id = '{0}' OR starts_with(import_id, '{0}-')", name);
  for (const std::string table : {"reject", "interval", "input"}) {
    server.execute(fmt::format(
        "DELETE FROM hypercopy.{} WHERE job IN (SELECT id FROM hypercopy.job WHERE {})", table, which));
  }
  server.execute(fmt::format("DELETE FROM hypercopy.job WHERE {}", which));
}

}  // namespace hypercopy::test
