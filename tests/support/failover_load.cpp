#include "support/failover_load.hpp"

#include <fmt/format.h>

namespace hypercopy::test {

void FailoverTest::SetUp() {
  FaultTest::SetUp();
  if (!IsSkipped()) make_standby();
}

void FailoverTest::make_standby() {
  std::string why_not;
  standby_ = private_server_->start_standby(why_not);
  if (!standby_) GTEST_SKIP() << why_not;
  other_dsn_ = fmt::format("host={},{} user=postgres dbname=postgres target_session_attrs=read-write",
                           private_server_->host(), standby_->host());
}

std::string FailoverTest::dsn_through(const FaultProxy& proxy) const {
  return fmt::format(
      "host=127.0.0.1,{} port={},{} user=postgres dbname=postgres sslmode=disable gssencmode=disable "
      "target_session_attrs=read-write",
      standby_->host(), proxy.port(), connect().value("SHOW port"));
}

void FailoverTest::await_on_standby(const std::string& condition) const {
  const Server standby(standby_->dsn());
  while (standby.value(condition) != "t") standby.execute("SELECT pg_sleep(0.01)");
}

// A COMMIT flushes all that was written before it, also what no other one waits for.
void FailoverTest::await_caught_up() const {
  connect().execute("SELECT pg_logical_emit_message(true, 'test', 'caught up')");
  await_on_standby(fmt::format("SELECT pg_last_wal_replay_lsn() >= '{}'",
                               connect().value("SELECT pg_current_wal_flush_lsn()")));
}

void FailoverTest::cut_replication() const {
  const Server standby(standby_->dsn());
  standby.execute("ALTER SYSTEM SET primary_conninfo = ''");
  standby.execute("SELECT pg_reload_conf()");
  await_on_standby("SELECT count(*) = 0 FROM pg_stat_wal_receiver");
}

void FailoverTest::replicate_synchronously() const {
  const Server admin = connect();
  admin.execute("ALTER SYSTEM SET synchronous_standby_names = '*'");
  admin.execute("SELECT pg_reload_conf()");
  await_there("SELECT count(*) = 1 FROM pg_stat_replication WHERE sync_state = 'sync'");
}

void FailoverTest::promote() {
  const Server standby(standby_->dsn());
  // Its standby does not exist yet.
  standby.execute("ALTER SYSTEM RESET synchronous_standby_names");
  standby.execute("SELECT pg_reload_conf()");
  standby.execute("SELECT pg_promote()");
  std::swap(private_server_, standby_);
}

void FailoverTest::fail_over() {
  private_server_->stop_immediately();
  promote();
}

}  // namespace hypercopy::test
