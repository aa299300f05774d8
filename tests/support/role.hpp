// A login role of a test's own that may do everything in one schema; gone when this ends.
// REQUIRES: the server lets it in without a password, as ./dev's does over its socket.
#pragma once

#include <fmt/format.h>
#include <unistd.h>

#include <string>

#include "support/server.hpp"

namespace hypercopy::test {

class TestRole {
 public:
  // `settings`: SQL behind ALTER ROLE name, several with ';' between: "SET timezone = 'UTC'; SET ...".
  TestRole(const Server& server, const std::string& schema, const std::vector<std::string>& settings)
      : server_(server), name_(fmt::format("hc_role_{}_{}", ::getpid(), next_number())) {
    server_.execute(fmt::format("CREATE ROLE {} LOGIN", name_));
    server_.execute(fmt::format(
        "GRANT ALL ON SCHEMA {0} TO {1}; GRANT ALL ON ALL TABLES IN SCHEMA {0} TO {1}", schema, name_));
    for (const auto& setting : settings) alter(setting);
  }
  ~TestRole() {
    try {
      server_.execute(
          fmt::format("SET client_min_messages = warning; DROP OWNED BY {0}; DROP ROLE {0}", name_));
    } catch (const std::exception& exception) {
      ADD_FAILURE() << exception.what();
    }
  }
  TestRole(const TestRole&) = delete;
  TestRole& operator=(const TestRole&) = delete;

  void alter(const std::string& setting) const {
    server_.execute(fmt::format("ALTER ROLE {} {}", name_, setting));
  }
  [[nodiscard]] const std::string& name() const { return name_; }

 private:
  static int next_number() {
    static int number = 0;
    return ++number;
  }

  const Server& server_;
  std::string name_;
};

}  // namespace hypercopy::test
