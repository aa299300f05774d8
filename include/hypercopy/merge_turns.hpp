// Who may lock rows and keys of the table when, among the workers of one load that rejects.
// Shape:   a batch that is sent in several runs locks keys in more than one order, and deadlocks with others that do.
//          The server ends one of them after a second. Once that has happened, a batch that needs runs waits until no
//          other transaction of this load holds locks, and others wait for it: Turn::take_alone().
// Why:     most loads never see a deadlock, and stay parallel; those that do still come to an end.
// Owns:    nothing. Turns must end before it.
// Threads: any. A Turn belongs to one.
// REQUIRES: a Turn is held for as long as its transaction may hold locks, and take_alone() is called while it holds none.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <mutex>

namespace hypercopy {

class MergeTurns {
 public:
  class Turn {
   public:
    // Beside others that are not alone.
    explicit Turn(MergeTurns* turns);
    ~Turn();
    Turn(const Turn&) = delete;
    Turn& operator=(const Turn&) = delete;

    // Does nothing while no deadlock was seen.
    void take_alone();

   private:
    void leave();

    MergeTurns* turns_;  // nullptr: nothing is rejected
    bool alone_ = false;
  };

  void note_deadlock() { seen_.store(true, std::memory_order_relaxed); }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::uint64_t together_ = 0;  // protected by mutex_
  std::uint64_t waiting_ = 0;   // to be alone, protected by mutex_; they come first
  bool alone_ = false;          // protected by mutex_
  std::atomic<bool> seen_{false};
};

}  // namespace hypercopy
