#include "hypercopy/batch_queue.hpp"

#include <concurrentqueue.h>
#include <lightweightsemaphore.h>

#include <atomic>
#include <cassert>
#include <thread>

namespace hypercopy {

// Invariants: `free_slots` + batches inside = slots while nothing was cancelled; `items` was signalled once
// per batch and, after close() or cancel(), at least once more for ever: whoever finds the end passes the
// signal on, so that one extra signal wakes every consumer in turn.
struct BatchQueue::State {
  explicit State(std::size_t slots)
      : queue(slots),
        producer(queue),
        free_slots(static_cast<moodycamel::LightweightSemaphore::ssize_t>(slots), 0),
        items(0, 0) {}

  moodycamel::ConcurrentQueue<Batch> queue;
  moodycamel::ProducerToken producer;
  // The second argument is the number of spins before sleeping: none, a waiting thread leaves its core to the
  // rest.
  moodycamel::LightweightSemaphore free_slots;
  moodycamel::LightweightSemaphore items;
  // Batches enqueued and not yet taken: a consumer that races with others may find the queue empty while a
  // batch is still inside, and must not leave then.
  std::atomic<std::size_t> inside{0};
  std::atomic<bool> closed{false};
  std::atomic<bool> cancelled{false};
};

BatchQueue::BatchQueue(std::size_t slots) : state_(std::make_unique<State>(slots)) {}
BatchQueue::~BatchQueue() = default;

bool BatchQueue::push(Batch& batch) {
  assert(!state_->closed.load());
  while (!state_->free_slots.wait()) {
  }
  if (state_->cancelled.load(std::memory_order_acquire)) {
    state_->free_slots.signal();
    return false;
  }
  state_->inside.fetch_add(1, std::memory_order_relaxed);
  state_->queue.enqueue(state_->producer, std::move(batch));
  state_->items.signal();
  return true;
}

std::optional<Batch> BatchQueue::pop() {
  while (!state_->items.wait()) {
  }
  Batch batch;
  while (!state_->cancelled.load(std::memory_order_acquire)) {
    const bool closed = state_->closed.load(std::memory_order_acquire);
    if (state_->queue.try_dequeue(batch)) {
      state_->inside.fetch_sub(1, std::memory_order_acq_rel);
      state_->free_slots.signal();
      return batch;
    }
    if (closed && state_->inside.load(std::memory_order_acquire) == 0) break;
    // The signal came before its batch became visible to this thread: it is on its way.
    std::this_thread::yield();
  }
  state_->items.signal();
  return std::nullopt;
}

void BatchQueue::close() {
  state_->closed.store(true, std::memory_order_release);
  state_->items.signal();
}

void BatchQueue::cancel() {
  state_->cancelled.store(true, std::memory_order_release);
  state_->items.signal();
  state_->free_slots.signal();
}

std::optional<Batch> BatchQueue::drain() {
  Batch batch;
  if (!state_->queue.try_dequeue(batch)) return std::nullopt;
  return batch;
}

}  // namespace hypercopy
