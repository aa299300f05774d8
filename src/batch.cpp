#include "hypercopy/batch.hpp"

#include <new>
#include <utility>

namespace hypercopy {

void ByteBuffer::reserve(std::size_t capacity) {
  void* moved = std::realloc(data_.get(), capacity);
  if (moved == nullptr) throw std::bad_alloc();
  static_cast<void>(data_.release());  // realloc has freed it, or it is `moved`
  data_.reset(static_cast<char*>(moved));
  capacity_ = capacity;
}

BatchPool::BatchPool(std::size_t count, std::size_t bytes)
    : buffer_bytes_(bytes), count_(count), free_(count) {}

std::optional<ByteBuffer> BatchPool::acquire() {
  std::unique_lock lock(mutex_);
  freed_.wait(lock, [&] { return cancelled_ || !free_.empty(); });
  if (cancelled_) return std::nullopt;
  // The one that came back last is the one most likely to be in the cache.
  ByteBuffer buffer = std::move(free_.back());
  free_.pop_back();
  lock.unlock();
  if (buffer.capacity() < buffer_bytes_) buffer.reserve(buffer_bytes_);
  return buffer;
}

void BatchPool::release(ByteBuffer buffer) {
  if (buffer.capacity() > buffer_bytes_) buffer = ByteBuffer();
  {
    const std::lock_guard lock(mutex_);
    free_.push_back(std::move(buffer));
  }
  freed_.notify_all();
}

bool BatchPool::wait_until_idle() {
  std::unique_lock lock(mutex_);
  freed_.wait(lock, [&] { return cancelled_ || free_.size() == count_; });
  return !cancelled_;
}

void BatchPool::cancel() {
  {
    const std::lock_guard lock(mutex_);
    cancelled_ = true;
  }
  freed_.notify_all();
}

PooledBuffer& PooledBuffer::operator=(PooledBuffer&& other) noexcept {
  if (this != &other) {
    give_back();
    pool_ = std::exchange(other.pool_, nullptr);
    buffer_ = std::move(other.buffer_);
  }
  return *this;
}

void PooledBuffer::give_back() {
  if (pool_ != nullptr) std::exchange(pool_, nullptr)->release(std::move(buffer_));
}

}  // namespace hypercopy
