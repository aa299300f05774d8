#include "hypercopy/retry.hpp"

#include <gtest/gtest.h>

#include <string>

namespace hypercopy {
namespace {

using namespace std::chrono_literals;

struct ErrorCase {
  const char* name;
  ErrorKind kind;
  const char* sqlstate;
  bool transient;
};

class TransientErrorTest : public testing::TestWithParam<ErrorCase> {};

TEST_P(TransientErrorTest, IsToldByKindAndCode) {
  const ErrorCase& expected = GetParam();
  // The words are those of a lost connection each time: they must not matter.
  EXPECT_EQ(is_transient(Error{.kind = expected.kind,
                               .message = "server closed the connection unexpectedly",
                               .sqlstate = expected.sqlstate}),
            expected.transient);
}

INSTANTIATE_TEST_SUITE_P(
    Errors, TransientErrorTest,
    testing::Values(ErrorCase{"lost_connection", ErrorKind::connection, "", true},
                    ErrorCase{"connection_failure", ErrorKind::connection, "08006", true},
                    ErrorCase{"protocol_violation", ErrorKind::connection, "08P01", false},
                    ErrorCase{"too_many_connections", ErrorKind::connection, "53300", true},
                    ErrorCase{"starting_up", ErrorKind::connection, "57P03", true},
                    ErrorCase{"terminated_by_administrator", ErrorKind::connection, "57P01", true},
                    ErrorCase{"another_backend_crashed", ErrorKind::connection, "57P02", true},
                    ErrorCase{"database_dropped", ErrorKind::connection, "57P04", false},
                    ErrorCase{"cancelled_by_a_person", ErrorKind::sql, "57014", false},
                    ErrorCase{"wrong_password", ErrorKind::connection, "28P01", false},
                    ErrorCase{"no_such_database", ErrorKind::connection, "3D000", false},
                    ErrorCase{"serialization_failure", ErrorKind::sql, "40001", true},
                    ErrorCase{"deadlock", ErrorKind::sql, "40P01", true},
                    ErrorCase{"lock_not_available", ErrorKind::sql, "55P03", true},
                    ErrorCase{"disk_full", ErrorKind::sql, "53100", true},
                    ErrorCase{"out_of_memory", ErrorKind::sql, "53200", true},
                    ErrorCase{"configured_limit", ErrorKind::sql, "53400", false},
                    ErrorCase{"read_only_after_failover", ErrorKind::sql, "25006", true},
                    ErrorCase{"bad_value", ErrorKind::sql, "22P02", false},
                    ErrorCase{"duplicate_key", ErrorKind::sql, "23505", false},
                    ErrorCase{"input", ErrorKind::input, "", false},
                    ErrorCase{"interrupted", ErrorKind::interrupted, "", false}),
    [](const auto& test) { return std::string(test.param.name); });

TEST(BackoffTest, DoublesUpToTheLongestWithinItsJitter) {
  Backoff backoff(24h, 7);
  const Backoff::Clock::time_point now{};
  auto ceiling = Backoff::kFirst;
  for (int attempt = 0; attempt < 20; ++attempt) {
    const auto delay = backoff.next(now);
    ASSERT_TRUE(delay);
    EXPECT_GE(*delay, ceiling / 2);
    EXPECT_LE(*delay, ceiling);
    ceiling = std::min(ceiling * 2, Backoff::kLongest);
  }
}

TEST(BackoffTest, TheLastDelayEndsWithTheTimeout) {
  Backoff backoff(10s, 7);
  const Backoff::Clock::time_point begin{};
  ASSERT_TRUE(backoff.next(begin));
  EXPECT_EQ(backoff.next(begin + 10s - 1ms), 1ms);
  EXPECT_EQ(backoff.next(begin + 10s), std::nullopt);
}

TEST(BackoffTest, WithoutATimeoutThereIsNoSecondAttempt) {
  Backoff backoff(0ms, 7);
  EXPECT_EQ(backoff.next(Backoff::Clock::time_point{}), std::nullopt);
}

TEST(BackoffTest, AfterASuccessTheTimeBeginsAnew) {
  Backoff backoff(1s, 7);
  const Backoff::Clock::time_point begin{};
  ASSERT_TRUE(backoff.next(begin));
  ASSERT_FALSE(backoff.next(begin + 1s));
  backoff.reset();
  const auto delay = backoff.next(begin + 1h);
  ASSERT_TRUE(delay);
  EXPECT_LE(*delay, Backoff::kFirst);
}

TEST(BackoffTest, WorkersWithOtherSeedsDoNotComeBackInStep) {
  Backoff one(24h, 1);
  Backoff two(24h, 2);
  int differing = 0;
  for (int attempt = 0; attempt < 20; ++attempt) {
    differing += one.next(Backoff::Clock::time_point{}) != two.next(Backoff::Clock::time_point{}) ? 1 : 0;
  }
  EXPECT_GT(differing, 10);
}

TEST(WaitOutTest, ARequestToStopEndsTheWait) {
  auto stop = Cancellation::create();
  ASSERT_TRUE(stop);
  (*stop)->request(Cancellation::Level::graceful);
  EXPECT_FALSE(wait_out(24h, {**stop}));
}

TEST(WaitOutTest, ADelayEnds) {
  auto stop = Cancellation::create();
  ASSERT_TRUE(stop);
  EXPECT_TRUE(wait_out(1ms, {**stop}));
}

}  // namespace
}  // namespace hypercopy
