// Hands batches from the reader to the workers: lock-free, bounded, with two ways to end.
// Shape:   push() waits while the queue is full, pop() while it is empty; neither spins. close(): what is
//          queued is still handed out, then pop() gives nothing. cancel(): pop() gives nothing from now on,
//          push() refuses; what was queued stays for drain(), so that every batch can be accounted for.
// Units:   `slots` batches.
// Owns:    queued batches. Destroying it with batches inside gives their buffers back.
// Threads: one producer, any number of consumers; close() and cancel() from any thread.
// Source:  moodycamel::ConcurrentQueue keeps one producer's order, so batches leave in the order of the
//          input. This is the only header whose source includes it.
#pragma once

#include <cstddef>
#include <memory>
#include <optional>

#include "hypercopy/batch.hpp"

namespace hypercopy {

class BatchQueue {
 public:
  explicit BatchQueue(std::size_t slots);
  ~BatchQueue();
  BatchQueue(const BatchQueue&) = delete;
  BatchQueue& operator=(const BatchQueue&) = delete;

  // False after cancel(): the batch is then still the caller's. REQUIRES: close() was not called.
  [[nodiscard]] bool push(Batch& batch);
  [[nodiscard]] std::optional<Batch> pop();
  void close();
  void cancel();

  // Takes out what cancel() left behind. REQUIRES: no thread is in push() or pop() any more.
  [[nodiscard]] std::optional<Batch> drain();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace hypercopy
