#include "hypercopy/batch_queue.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <future>
#include <set>
#include <thread>

#include "hypercopy/connection.hpp"

namespace hypercopy {
namespace {

// libpq copies each put, and grows its buffer to hold it.
static_assert(kMaxPutBytes <= std::size_t{256} << 10);

// A thread that never comes back must fail the test, not stop it from ending.
template <typename Task>
auto within_minutes(Task task) {
  auto result = std::async(std::launch::async, std::move(task));
  if (result.wait_for(std::chrono::minutes(5)) != std::future_status::ready) {
    ADD_FAILURE() << "a thread hangs";
    std::abort();
  }
  return result.get();
}

Batch numbered(std::uint64_t number) {
  Batch batch;
  batch.records = number;
  return batch;
}

TEST(BatchQueue, KeepsTheOrder) {
  BatchQueue queue(3);
  for (std::uint64_t number = 1; number <= 3; ++number) {
    Batch batch = numbered(number);
    ASSERT_TRUE(queue.push(batch));
  }
  for (std::uint64_t number = 1; number <= 3; ++number) EXPECT_EQ(queue.pop()->records, number);
}

TEST(BatchQueue, CloseHandsOutWhatIsQueued) {
  BatchQueue queue(2);
  Batch batch = numbered(7);
  ASSERT_TRUE(queue.push(batch));
  queue.close();
  EXPECT_EQ(queue.pop()->records, 7U);
  EXPECT_FALSE(queue.pop());
  EXPECT_FALSE(queue.pop()) << "for ever";
}

TEST(BatchQueue, CloseWakesEveryConsumer) {
  BatchQueue queue(1);
  std::vector<std::future<bool>> consumers;
  for (int number = 0; number < 8; ++number)
    consumers.push_back(std::async(std::launch::async, [&] { return queue.pop().has_value(); }));
  queue.close();
  within_minutes([&] {
    for (auto& consumer : consumers) EXPECT_FALSE(consumer.get());
    return true;
  });
}

TEST(BatchQueue, CancelRefusesAndLeavesTheRestToDrain) {
  BatchQueue queue(2);
  for (const unsigned number : {1U, 2U}) {
    Batch batch = numbered(number);
    ASSERT_TRUE(queue.push(batch));
  }
  queue.cancel();
  EXPECT_FALSE(queue.pop());
  Batch refused = numbered(3);
  EXPECT_FALSE(queue.push(refused));
  EXPECT_EQ(refused.records, 3U) << "still the caller's";
  EXPECT_EQ(queue.drain()->records, 1U);
  EXPECT_EQ(queue.drain()->records, 2U);
  EXPECT_FALSE(queue.drain());
}

TEST(BatchQueue, CancelWakesAProducerThatWaitsForASlot) {
  BatchQueue queue(1);
  Batch first = numbered(1);
  ASSERT_TRUE(queue.push(first));
  auto waiting = std::async(std::launch::async, [&] {
    Batch second = numbered(2);
    return queue.push(second);
  });
  queue.cancel();
  EXPECT_FALSE(within_minutes([&] { return waiting.get(); }));
}

TEST(BatchQueue, ASlotIsFreeWhenABatchIsTaken) {
  BatchQueue queue(1);
  std::atomic<int> pushed{0};
  auto producer = std::async(std::launch::async, [&] {
    for (std::uint64_t number = 1; number <= 3; ++number) {
      Batch batch = numbered(number);
      if (!queue.push(batch)) return false;
      ++pushed;
    }
    return true;
  });
  EXPECT_EQ(queue.pop()->records, 1U);
  EXPECT_EQ(queue.pop()->records, 2U);
  EXPECT_EQ(queue.pop()->records, 3U);
  EXPECT_TRUE(within_minutes([&] { return producer.get(); }));
  EXPECT_EQ(pushed, 3);
}

TEST(BatchQueue, ManyConsumersTakeEachBatchOnce) {
  constexpr std::uint64_t kBatches = 20'000;
  for (const unsigned consumers : {1U, 2U, 7U}) {
    BatchQueue queue(consumers);
    std::vector<std::future<std::vector<std::uint64_t>>> tasks;
    for (unsigned number = 0; number < consumers; ++number) {
      tasks.push_back(std::async(std::launch::async, [&] {
        std::vector<std::uint64_t> taken;
        while (const auto batch = queue.pop()) taken.push_back(batch->records);
        return taken;
      }));
    }
    for (std::uint64_t number = 1; number <= kBatches; ++number) {
      Batch batch = numbered(number);
      ASSERT_TRUE(queue.push(batch));
    }
    queue.close();
    std::set<std::uint64_t> all;
    std::size_t sum = 0;
    for (auto& task : tasks) {
      const auto taken = within_minutes([&] { return task.get(); });
      EXPECT_TRUE(std::is_sorted(taken.begin(), taken.end()));
      all.insert(taken.begin(), taken.end());
      sum += taken.size();
    }
    EXPECT_EQ(sum, kBatches);
    EXPECT_EQ(all.size(), kBatches);
  }
}

TEST(BatchQueue, NoBatchIsLostWhenCancelledInTheMiddle) {
  for (int round = 0; round < 200; ++round) {
    BatchQueue queue(3);
    std::atomic<std::uint64_t> taken{0};
    std::uint64_t pushed = 0;
    {
      std::vector<std::jthread> consumers;
      for (int number = 0; number < 3; ++number) {
        consumers.emplace_back([&] {
          while (queue.pop()) ++taken;
        });
      }
      std::jthread canceller([&] {
        while (taken < static_cast<std::uint64_t>(round)) std::this_thread::yield();
        queue.cancel();
      });
      Batch batch = numbered(1);
      while (queue.push(batch)) {
        ++pushed;
        batch = numbered(1);
      }
    }
    std::uint64_t left = 0;
    while (queue.drain()) ++left;
    ASSERT_EQ(taken + left, pushed) << "round " << round;
  }
}

// --- the pool ---------------------------------------------------------------------------------------------

TEST(BatchPool, GivesAsManyBuffersAsItHas) {
  BatchPool pool(2, 100);
  auto first = pool.acquire();
  auto second = pool.acquire();
  ASSERT_TRUE(first && second);
  EXPECT_EQ(first->capacity(), 100U);
  auto third = std::async(std::launch::async, [&] { return pool.acquire().has_value(); });
  pool.release(std::move(*first));
  EXPECT_TRUE(within_minutes([&] { return third.get(); }));
}

TEST(BatchPool, CancelWakesAllThatWaitAndEndsTheService) {
  BatchPool pool(1, 16);
  const auto held = pool.acquire();
  std::vector<std::future<bool>> waiting;
  for (int number = 0; number < 4; ++number)
    waiting.push_back(std::async(std::launch::async, [&] { return pool.acquire().has_value(); }));
  pool.cancel();
  for (auto& task : waiting) EXPECT_FALSE(within_minutes([&] { return task.get(); }));
  EXPECT_FALSE(pool.acquire());
}

TEST(BatchPool, ABufferThatGrewForALongRecordShrinks) {
  BatchPool pool(1, 64);
  auto buffer = pool.acquire();
  buffer->reserve(1 << 20);
  pool.release(std::move(*buffer));
  EXPECT_EQ(pool.acquire()->capacity(), 64U);
}

TEST(BatchPool, ALoanGoesBackWhenItEnds) {
  BatchPool pool(1, 16);
  {
    const PooledBuffer loan(pool, *pool.acquire());
    EXPECT_TRUE(loan);
  }
  PooledBuffer again(pool, *pool.acquire());
  PooledBuffer moved = std::move(again);
  EXPECT_TRUE(moved);
  moved = PooledBuffer();
  EXPECT_FALSE(moved);
  EXPECT_TRUE(within_minutes([&] { return pool.acquire().has_value(); }));
}

TEST(BatchPool, AnUnfinishedBatchGivesItsBufferBackWithTheQueue) {
  BatchPool pool(1, 16);
  {
    BatchQueue queue(1);
    Batch batch = numbered(1);
    batch.buffer = PooledBuffer(pool, *pool.acquire());
    ASSERT_TRUE(queue.push(batch));
  }
  EXPECT_TRUE(within_minutes([&] { return pool.acquire().has_value(); }));
}

TEST(ByteBuffer, KeepsItsBytesWhenItGrows) {
  ByteBuffer buffer(4);
  std::copy_n("abcd", 4, buffer.data());
  buffer.reserve(1 << 20);
  EXPECT_EQ(buffer.capacity(), std::size_t{1} << 20);
  EXPECT_EQ(std::string_view(buffer.data(), 4), "abcd");
}

}  // namespace
}  // namespace hypercopy
