#pragma once

#include <sys/uio.h>

#include <cstddef>
#include <cstring>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace anteroom::base {

/// Immutable bytes with several readers: a large cached reply lives on here while it is being sent, though the cache
/// has dropped it. Reference counted across threads.
using SharedBytes = std::shared_ptr<const std::string>;

/// Bytes waiting to be written: small pieces are copied into chunks, large ones are referenced. One thread, no locks.
/// The writer takes what is ready with fill_iovec() and acknowledges it with consume(), so one system call can send
/// everything a connection owes. Unbounded by itself: the owner compares size() with its limit and stops the producer.
class ByteQueue {
 public:
  ByteQueue() = default;
  ~ByteQueue() = default;
  /// A queue that was moved from is empty.
  ByteQueue(ByteQueue&& other) noexcept { swap(other); }
  ByteQueue& operator=(ByteQueue&& other) noexcept;
  ByteQueue(const ByteQueue&) = delete;
  ByteQueue& operator=(const ByteQueue&) = delete;

  /// Copies `bytes`.
  void append(std::string_view bytes) {
    if (!bytes.empty()) std::memcpy(append_uninitialized(bytes.size()), bytes.data(), bytes.size());
  }
  /// Keeps a reference to `bytes`; meant for pieces too large to be worth copying (kCopyMax).
  void append_shared(SharedBytes bytes);
  /// Takes over everything in `other`, which becomes empty.
  void append(ByteQueue&& other);
  /// `size` contiguous bytes to be filled in by the caller at once, before any other call. REQUIRES: size > 0.
  [[nodiscard]] char* append_uninitialized(std::size_t size) {
    if (chunks_.empty() || chunks_.back().room() < size) [[unlikely]]
      add_chunk(size);
    Chunk& last = chunks_.back();
    char* const begin = last.owned.get() + last.end;
    last.end += size;
    size_ += size;
    return begin;
  }

  [[nodiscard]] std::size_t size() const noexcept { return size_; }
  [[nodiscard]] bool empty() const noexcept { return size_ == 0; }

  /// Fills `out` from the front; returns how many elements are used. Valid until the next non-const call.
  [[nodiscard]] std::size_t fill_iovec(std::span<iovec> out) const noexcept;
  /// Forgets the first `size` bytes. REQUIRES: size <= size().
  void consume(std::size_t size) noexcept;
  /// Gives back nearly all memory, too.
  void clear() noexcept;
  void swap(ByteQueue& other) noexcept;
  /// Everything in one string; for tests and small texts.
  [[nodiscard]] std::string to_string() const;

  /// Copying is cheaper than reference counting up to about this size (measured: COHERENCE.md D.3).
  static constexpr std::size_t kCopyMax = 2048;

 private:
  struct Chunk {
    std::unique_ptr<char[]> owned;  // null when `shared` holds the bytes
    SharedBytes shared;
    std::size_t capacity = 0;  // of `owned`
    std::size_t begin = 0;
    std::size_t end = 0;
    [[nodiscard]] const char* data() const noexcept { return owned ? owned.get() : shared->data(); }
    [[nodiscard]] std::size_t room() const noexcept { return owned ? capacity - end : 0; }
  };
  void add_chunk(std::size_t size);
  [[nodiscard]] std::size_t next_chunk_bytes() const noexcept;

  // [first_, end) hold bytes, or room for them; empty if there is none of either. A vector because an empty one
  // allocates nothing.
  std::vector<Chunk> chunks_;
  std::size_t first_ = 0;
  std::size_t size_ = 0;
};

}  // namespace anteroom::base
