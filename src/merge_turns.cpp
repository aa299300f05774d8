#include "hypercopy/merge_turns.hpp"

namespace hypercopy {

MergeTurns::Turn::Turn(MergeTurns* turns) : turns_(turns) {
  if (turns_ == nullptr) return;
  std::unique_lock lock(turns_->mutex_);
  turns_->changed_.wait(lock, [this] { return !turns_->alone_ && turns_->waiting_ == 0; });
  ++turns_->together_;
}

MergeTurns::Turn::~Turn() {
  if (turns_ != nullptr) leave();
}

void MergeTurns::Turn::take_alone() {
  if (turns_ == nullptr || alone_ || !turns_->seen_.load(std::memory_order_relaxed)) return;
  leave();
  std::unique_lock lock(turns_->mutex_);
  ++turns_->waiting_;
  turns_->changed_.wait(lock, [this] { return !turns_->alone_ && turns_->together_ == 0; });
  --turns_->waiting_;
  turns_->alone_ = alone_ = true;
}

void MergeTurns::Turn::leave() {
  {
    const std::lock_guard lock(turns_->mutex_);
    if (alone_) {
      turns_->alone_ = false;
    } else {
      --turns_->together_;
    }
  }
  turns_->changed_.notify_all();
}

}  // namespace hypercopy
