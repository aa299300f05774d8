// A load whose DSN names a primary and its streaming standby, which a test promotes in the middle of it, with or without
// all that the primary has committed.
// Shape:   SetUp() makes both; cut_replication() is the moment from which on commits are lost by fail_over().
// Owns:    both servers; private_server_ is the one that is the primary now.
// Errors:  as in fault_load.hpp. Skips where there is no pg_basebackup.
#pragma once

#include <memory>
#include <string>

#include "support/fault_load.hpp"

namespace hypercopy::test {

class FailoverTest : public FaultTest {
 protected:
  FailoverTest() = default;
  explicit FailoverTest(Extensions extensions) : FaultTest(extensions) {}
  void SetUp() override;

  // Of the server that is the primary now.
  void make_standby();
  // What a load connects to where its way to the primary is a proxy's.
  [[nodiscard]] std::string dsn_through(const FaultProxy& proxy) const;

  void await_on_standby(const std::string& condition) const;
  // Until it has all that is committed by now.
  void await_caught_up() const;
  // From now on commits happen on the primary alone.
  void cut_replication() const;
  // From now on COMMIT waits for the standby.
  void replicate_synchronously() const;

  // The old primary is standby_ then.
  void promote();
  void fail_over();

  std::unique_ptr<PrivateServer> standby_;
};

}  // namespace hypercopy::test
