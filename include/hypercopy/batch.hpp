// Whole records that one worker loads in one transaction, and the buffers they lie in.
// Shape:   a Batch is move-only; its bytes are whole records of one input, newlines included (the last record
//          of an input may lack one). A batch outgrows its buffer only for one long record, up to
//          kMaxRecordBytes. Records lie side by side in the input, or were gathered from several places of it, in its
//          order (time_windows.hpp); where one of them is, is failure_location.hpp's to say.
// Units:   bytes and records; positions are of the whole input (location.hpp).
// Owns:    its buffer, which goes back to its pool when the batch ends; the pool must outlive all batches.
// Threads: a Batch belongs to one thread at a time; BatchPool may be used by all.
// Errors:  acquire() gives nothing after cancel().
// Memory:  a pool never holds more than its count of buffers; a buffer that grew for one long record shrinks
//          when it comes back, so the sum is count x bytes plus what long records in flight need.
#pragma once

#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "hypercopy/location.hpp"
#include "hypercopy/record_places.hpp"
#include "hypercopy/record_splitter.hpp"

namespace hypercopy {

// PostgreSQL takes no longer line: MaxAllocSize (1 GB - 1) with its terminating zero.
// Source: src/include/utils/memutils.h; src/common/stringinfo.c, enlargeStringInfo.
inline constexpr std::size_t kMaxRecordBytes = 0x3fffffff - 1;

// About 24,000 rows of the `cpu` data; the server's time per row is flat from 5,000 to 100,000 rows a batch.
inline constexpr std::size_t kDefaultBatchBytes = std::size_t{4} << 20;
inline constexpr std::size_t kMinBatchBytes = 16;

// Bytes that grow without being initialised or copied twice (realloc moves pages).
class ByteBuffer {
 public:
  ByteBuffer() = default;
  explicit ByteBuffer(std::size_t capacity) { reserve(capacity); }

  [[nodiscard]] char* data() const { return data_.get(); }
  [[nodiscard]] std::size_t capacity() const { return capacity_; }
  // Changes the capacity, keeping the bytes that fit. Throws std::bad_alloc.
  void reserve(std::size_t capacity);

 private:
  struct Free {
    void operator()(char* bytes) const { std::free(bytes); }
  };
  std::unique_ptr<char, Free> data_;
  std::size_t capacity_ = 0;
};

// Whether memory that is used again and again holds far more than its last use took, as after one very long record.
// Twice what is needed is usual where memory grows by doubling.
[[nodiscard]] constexpr bool is_oversized(std::size_t capacity, std::size_t used) {
  constexpr std::size_t kNeverMind = std::size_t{1} << 20;
  return capacity > kNeverMind && capacity / 4 > used;
}
// Empties a string for its next use. Only swap() takes its memory away; assignment may keep it.
inline void clear_for_reuse(std::string& text) {
  if (is_oversized(text.capacity(), text.size())) std::string().swap(text);
  text.clear();
}

class BatchPool {
 public:
  // `count` buffers of `bytes` each; memory is taken when a buffer is used for the first time.
  BatchPool(std::size_t count, std::size_t bytes);

  // Waits for a free buffer; nothing after cancel().
  [[nodiscard]] std::optional<ByteBuffer> acquire();
  void release(ByteBuffer buffer);
  // Waits until all buffers are back: no batch is under way. False after cancel().
  [[nodiscard]] bool wait_until_idle();
  // Wakes all waiting threads and ends the pool's service.
  void cancel();

  [[nodiscard]] std::size_t buffer_bytes() const { return buffer_bytes_; }

 private:
  const std::size_t buffer_bytes_;
  const std::size_t count_;
  std::mutex mutex_;
  std::condition_variable freed_;
  std::vector<ByteBuffer> free_;  // protected by mutex_
  bool cancelled_ = false;        // protected by mutex_
};

// A buffer on loan: goes back to its pool when this ends.
class PooledBuffer {
 public:
  PooledBuffer() = default;
  PooledBuffer(BatchPool& pool, ByteBuffer buffer) : pool_(&pool), buffer_(std::move(buffer)) {}
  PooledBuffer(PooledBuffer&& other) noexcept
      : pool_(std::exchange(other.pool_, nullptr)), buffer_(std::move(other.buffer_)) {}
  PooledBuffer& operator=(PooledBuffer&& other) noexcept;
  ~PooledBuffer() { give_back(); }

  [[nodiscard]] ByteBuffer& bytes() { return buffer_; }
  [[nodiscard]] const ByteBuffer& bytes() const { return buffer_; }
  [[nodiscard]] explicit operator bool() const { return pool_ != nullptr; }

 private:
  void give_back();

  BatchPool* pool_ = nullptr;
  ByteBuffer buffer_;
};

// What all batches of one input have in common; made by load_plan.cpp.
struct InputFile;

// What the ledger of an import knows a batch by (import_ledger.hpp).
struct ClaimKey {
  std::uint64_t begin_byte = 0;  // of the bytes that it was cut from, alone or with other slices
  std::uint32_t slice = 0;
  std::uint64_t content = 0;  // XXH3 of its own bytes
};

struct Batch {
  PooledBuffer buffer;
  std::size_t begin = 0;  // offsets into the buffer
  std::size_t end = 0;
  Position first;  // of the first record
  std::uint64_t records = 0;
  NewlineStyle newline = NewlineStyle::unknown;  // of the whole input
  std::shared_ptr<const InputFile> file;
  std::shared_ptr<const RecordPlaces>
      places{};      // of gathered records; else they follow each other from `first`
  ClaimKey claim{};  // of an import's batches

  [[nodiscard]] std::string_view bytes() const { return {buffer.bytes().data() + begin, end - begin}; }
};

}  // namespace hypercopy
