// What became of a transaction whose COMMIT nobody answered: asked after every way in which a server can go on.
#include <fmt/format.h>

#include "hypercopy/commit_outcome.hpp"
#include "support/private_server.hpp"

namespace hypercopy::test {
namespace {

using namespace std::chrono_literals;

// A client of plain libpq in the middle of a transaction that has written a row.
class Writer {
 public:
  explicit Writer(const std::string& dsn) : server_(dsn) {
    server_.execute("CREATE TABLE IF NOT EXISTS lost (i int)");
    server_.execute("BEGIN; INSERT INTO lost VALUES (1)");
    id_ = server_.value("SELECT pg_current_xact_id()");
  }
  void end_with(const std::string& sql) const { server_.execute(sql); }
  [[nodiscard]] const std::string& id() const { return id_; }
  [[nodiscard]] int backend_pid() const { return PQbackendPID(server_.handle()); }
  [[nodiscard]] bool is_alive() const {
    const PGresult* const result = PQexec(server_.handle(), "SELECT 1");
    const bool alive = PQresultStatus(result) == PGRES_TUPLES_OK;
    PQclear(const_cast<PGresult*>(result));
    return alive;
  }

 private:
  Server server_;
  std::string id_;
};

class CommitOutcomeTest : public ServerTest {
 protected:
  void SetUp() override {
    ServerTest::SetUp();
    if (IsSkipped()) return;
    std::string why_not;
    private_server_ = PrivateServer::start(server(), why_not);
    if (!private_server_) GTEST_SKIP() << why_not;
    auto cancellation = Cancellation::create();
    ASSERT_TRUE(cancellation);
    cancellation_ = std::move(*cancellation);
  }

  [[nodiscard]] std::string dsn() const { return private_server_->dsn(); }

  [[nodiscard]] Connection connect() const { return connect(dsn()); }
  [[nodiscard]] Connection connect(const std::string& dsn) const {
    Connector connector({.dbname = dsn}, *cancellation_, {}, {});
    auto connection = connector.connect("commit outcome", {*cancellation_});
    if (!connection) throw std::runtime_error(to_string(connection.error()));
    return std::move(*connection);
  }

  // As a worker knows it before its COMMIT.
  [[nodiscard]] LostTransaction lost(const Writer& writer) const {
    Connection connection = connect();
    auto mark = read_server_mark(connection);
    if (!mark) throw std::runtime_error(to_string(mark.error()));
    return {.id = writer.id(), .backend_pid = writer.backend_pid(), .server = *mark};
  }

  [[nodiscard]] CommitOutcome outcome(const LostTransaction& transaction) const {
    Connection connection = connect();
    auto found = find_commit_outcome(connection, transaction, 30s, {*cancellation_});
    if (!found) throw std::runtime_error(to_string(found.error()));
    return *found;
  }

  std::unique_ptr<PrivateServer> private_server_;
  std::unique_ptr<Cancellation> cancellation_;
};

TEST_F(CommitOutcomeTest, CommittedIsCommitted) {
  const Writer writer(dsn());
  const LostTransaction transaction = lost(writer);
  writer.end_with("COMMIT");
  EXPECT_EQ(outcome(transaction), CommitOutcome::committed);
}

TEST_F(CommitOutcomeTest, RolledBackIsRolledBack) {
  const Writer writer(dsn());
  const LostTransaction transaction = lost(writer);
  writer.end_with("ROLLBACK");
  EXPECT_EQ(outcome(transaction), CommitOutcome::rolled_back);
}

TEST_F(CommitOutcomeTest, ABackendThatIsStillAtItIsEnded) {
  const Writer writer(dsn());
  EXPECT_EQ(outcome(lost(writer)), CommitOutcome::rolled_back);
  EXPECT_FALSE(writer.is_alive());
}

TEST_F(CommitOutcomeTest, ABackendWithAnotherTransactionIsLeftAlone) {
  const Writer first(dsn());
  LostTransaction transaction = lost(first);
  const Writer second(dsn());
  transaction.backend_pid = second.backend_pid();
  Connection connection = connect();
  const auto found = find_commit_outcome(connection, transaction, 0ms, {*cancellation_});
  ASSERT_TRUE(found);
  EXPECT_EQ(*found, CommitOutcome::unknown);
  EXPECT_TRUE(first.is_alive());
  EXPECT_TRUE(second.is_alive());
}

TEST_F(CommitOutcomeTest, ACommitSurvivesACleanRestartAndStaysKnown) {
  LostTransaction transaction;
  {
    const Writer writer(dsn());
    transaction = lost(writer);
    writer.end_with("COMMIT");
  }
  private_server_->stop_fast();
  ASSERT_TRUE(private_server_->run());
  EXPECT_EQ(outcome(transaction), CommitOutcome::committed);
}

TEST_F(CommitOutcomeTest, AfterACrashAnIdThatWasNeverDurableIsRolledBack) {
  LostTransaction transaction;
  {
    const Writer writer(dsn());
    transaction = lost(writer);
    // Nothing of it reaches the disk: only a commit flushes it.
    private_server_->stop_immediately();
  }
  ASSERT_TRUE(private_server_->run());
  EXPECT_EQ(outcome(transaction), CommitOutcome::rolled_back);
}

TEST_F(CommitOutcomeTest, AfterACrashAnotherTransactionsCommitUnderTheSameIdIsNotBelieved) {
  LostTransaction transaction;
  {
    const Server before(dsn());
    before.execute("CREATE TABLE lost (i int)");
    before.execute("ALTER SYSTEM SET wal_writer_delay = '10s'");  // else it may make the lost id durable
    before.execute("SELECT pg_reload_conf()");
    before.execute("CHECKPOINT");
    const Writer writer(dsn());
    transaction = lost(writer);
    private_server_->stop_immediately();
  }
  ASSERT_TRUE(private_server_->run());
  const Server after(dsn());
  bool used_again = false;
  for (int attempt = 0; attempt < 100 && !used_again; ++attempt) {
    used_again = after.value("SELECT pg_current_xact_id()") == transaction.id;
  }
  ASSERT_TRUE(used_again) << "the server did not give the lost id " << transaction.id << " to anybody else";
  EXPECT_EQ(after.value(fmt::format("SELECT pg_xact_status('{}')", transaction.id)), "committed");
  EXPECT_EQ(after.value("SELECT count(*) FROM lost"), "0");
  EXPECT_EQ(outcome(transaction), CommitOutcome::unknown);
}

TEST_F(CommitOutcomeTest, AnotherClusterKnowsNothing) {
  const Writer writer(dsn());
  LostTransaction transaction = lost(writer);
  writer.end_with("ROLLBACK");
  transaction.server.cluster = "1";
  EXPECT_EQ(outcome(transaction), CommitOutcome::unknown);
}

TEST_F(CommitOutcomeTest, AnotherTimelineIsAFailover) {
  const Writer writer(dsn());
  LostTransaction transaction = lost(writer);
  writer.end_with("COMMIT");
  transaction.server.timeline = "0000000F";
  EXPECT_EQ(outcome(transaction), CommitOutcome::unknown);
}

// A standby that took over knows which of the commits that its primary had answered it never had; also when their ids are
// given away again.
TEST_F(CommitOutcomeTest, APromotedStandbyKnowsWhatItHadFollowed) {
  std::string why_not;
  const auto standby = private_server_->start_standby(why_not);
  if (!standby) GTEST_SKIP() << why_not;
  const auto asks = [&](const Server& server, const std::string& condition) {
    while (server.value(condition) != "t") server.execute("SELECT pg_sleep(0.01)");
  };
  const Server reader(standby->dsn());
  const auto await_followed = [&] {
    asks(reader, fmt::format("SELECT pg_last_wal_replay_lsn() >= '{}'",
                             Server(dsn()).value("SELECT pg_current_wal_flush_lsn()")));
  };
  const auto answered = [&](const Writer& writer) {
    AnsweredTransaction transaction{.id = writer.id(),
                                    .position = Server(dsn()).value("SELECT pg_current_wal_insert_lsn()"),
                                    .server = lost(writer).server};
    writer.end_with("COMMIT");
    transaction.answered = std::chrono::steady_clock::now();
    return transaction;
  };
  const AnsweredTransaction kept = answered(Writer(dsn()));
  const Writer half(dsn());
  await_followed();
  reader.execute("ALTER SYSTEM SET primary_conninfo = ''");
  reader.execute("SELECT pg_reload_conf()");
  asks(reader, "SELECT count(*) = 0 FROM pg_stat_wal_receiver");
  const AnsweredTransaction half_followed = answered(half);
  const AnsweredTransaction never_followed = answered(Writer(dsn()));
  private_server_->stop_immediately();
  reader.execute("SELECT pg_promote()");
  for (int id = 0; id < 50; ++id) reader.execute("SELECT pg_current_xact_id()");
  ASSERT_EQ(reader.value(fmt::format("SELECT pg_xact_status('{}')", never_followed.id)), "committed");

  const auto outcome_of = [&](const AnsweredTransaction& transaction) {
    Connection connection = connect(standby->dsn());
    const auto now = read_server_mark(connection);
    if (!now) throw std::runtime_error(to_string(now.error()));
    const auto found = find_kept_outcome(connection, *now, transaction);
    if (!found) throw std::runtime_error(to_string(found.error()));
    return *found;
  };
  EXPECT_EQ(outcome_of(kept), CommitOutcome::committed);
  EXPECT_EQ(outcome_of(half_followed), CommitOutcome::rolled_back);
  EXPECT_EQ(outcome_of(never_followed), CommitOutcome::rolled_back);
  AnsweredTransaction without_id = kept;
  without_id.id.clear();
  EXPECT_EQ(outcome_of(without_id), CommitOutcome::committed);
  AnsweredTransaction of_another_cluster = kept;
  of_another_cluster.server.cluster = "1";
  EXPECT_EQ(outcome_of(of_another_cluster), CommitOutcome::unknown);
  AnsweredTransaction two_failovers_ago = kept;
  two_failovers_ago.server.timeline = "00000000";
  EXPECT_EQ(outcome_of(two_failovers_ago), CommitOutcome::unknown);
  // What it had followed is not what a crash makes it follow.
  standby->stop_immediately();
  ASSERT_TRUE(standby->run());
  EXPECT_EQ(outcome_of(kept), CommitOutcome::unknown);
  EXPECT_EQ(outcome_of(never_followed), CommitOutcome::unknown);
}

// It may be promoted, or another server be found.
TEST_F(CommitOutcomeTest, AStandbyIsReadOnly) {
  std::string why_not;
  const auto standby = private_server_->start_standby(why_not);
  if (!standby) GTEST_SKIP() << why_not;
  Connection connection = connect(standby->dsn());
  const auto mark = read_server_mark(connection);
  ASSERT_FALSE(mark);
  EXPECT_EQ(mark.error().sqlstate, "25006");
}

TEST_F(CommitOutcomeTest, ARequestToStopEndsTheAsking) {
  const Writer writer(dsn());
  LostTransaction transaction = lost(writer);
  transaction.backend_pid = 0;  // nobody is ended, so the answer stays open
  Connection connection = connect();
  connection.interrupt_at(Cancellation::Level::immediate);
  cancellation_->request(Cancellation::Level::graceful);
  const auto found = find_commit_outcome(connection, transaction, 1h, {*cancellation_});
  ASSERT_FALSE(found);
  EXPECT_EQ(found.error().kind, ErrorKind::interrupted);
}

}  // namespace
}  // namespace hypercopy::test
