#include "base/byte_queue.hpp"

#include <algorithm>
#include <utility>

#include "base/check.hpp"

namespace anteroom::base {
namespace {

// Most queues hold one short reply, then nothing for long. What ten thousand clients were told at once is free memory
// in pieces later, so the first chunk is what such a reply needs (with malloc's header a block of 128 bytes). Whoever
// has more to say goes on with these.
constexpr std::size_t kFirstChunkBytes = 120;
constexpr std::size_t kSecondChunkBytes = 1024;
constexpr std::size_t kChunkBytes = 16 * 1024;
// clear() gives back what a queue holds, and keeps the room to hold so many again: less than a hundred bytes.
constexpr std::size_t kChunksKept = 1;

}  // namespace

ByteQueue& ByteQueue::operator=(ByteQueue&& other) noexcept {
  clear();
  swap(other);
  return *this;
}

void ByteQueue::swap(ByteQueue& other) noexcept {
  chunks_.swap(other.chunks_);
  std::swap(first_, other.first_);
  std::swap(size_, other.size_);
}

std::size_t ByteQueue::next_chunk_bytes() const noexcept {
  if (chunks_.empty()) return kFirstChunkBytes;
  return chunks_.back().capacity < kSecondChunkBytes ? kSecondChunkBytes : kChunkBytes;
}

void ByteQueue::add_chunk(std::size_t size) {
  Chunk chunk;
  chunk.capacity = std::max(size, next_chunk_bytes());
  chunk.owned = std::make_unique_for_overwrite<char[]>(chunk.capacity);
  chunks_.push_back(std::move(chunk));
}

void ByteQueue::append_shared(SharedBytes bytes) {
  if (!bytes || bytes->empty()) return;
  Chunk chunk;
  chunk.end = bytes->size();
  chunk.shared = std::move(bytes);
  size_ += chunk.end;
  chunks_.push_back(std::move(chunk));
}

void ByteQueue::append(ByteQueue&& other) {
  if (other.empty()) return;
  if (empty()) {
    swap(other);
    other.clear();
    return;
  }
  for (std::size_t i = other.first_; i < other.chunks_.size(); ++i) {
    Chunk& chunk = other.chunks_[i];
    if (chunk.owned && chunk.end - chunk.begin <= kCopyMax) {
      append({chunk.data() + chunk.begin, chunk.end - chunk.begin});
    } else {
      size_ += chunk.end - chunk.begin;
      chunks_.push_back(std::move(chunk));
    }
  }
  other.clear();
}

std::size_t ByteQueue::fill_iovec(std::span<iovec> out) const noexcept {
  std::size_t count = 0;
  for (std::size_t i = first_; i < chunks_.size() && count < out.size(); ++i) {
    const Chunk& chunk = chunks_[i];
    if (chunk.begin == chunk.end) continue;  // kept by consume() for its memory
    // writev takes a non-const pointer but only reads through it.
    out[count].iov_base = const_cast<char*>(chunk.data() + chunk.begin);
    out[count].iov_len = chunk.end - chunk.begin;
    ++count;
  }
  return count;
}

void ByteQueue::consume(std::size_t size) noexcept {
  ANTEROOM_CHECK(size <= size_);
  size_ -= size;
  while (size > 0) {
    Chunk& chunk = chunks_[first_];
    const std::size_t step = std::min(size, chunk.end - chunk.begin);
    chunk.begin += step;
    size -= step;
    if (chunk.begin < chunk.end) return;
    const bool is_last = first_ + 1 == chunks_.size();
    if (is_last && chunk.owned && chunk.capacity <= kChunkBytes) {
      chunk.begin = chunk.end = 0;  // kept for the next turn, so a busy connection does not allocate
      break;
    }
    chunk = Chunk{};
    ++first_;
  }
  if (first_ == chunks_.size() || first_ > 64) {
    chunks_.erase(chunks_.begin(), chunks_.begin() + static_cast<std::ptrdiff_t>(first_));
    first_ = 0;
  }
}

void ByteQueue::clear() noexcept {
  if (chunks_.capacity() <= kChunksKept) {
    chunks_.clear();
  } else {
    std::vector<Chunk>().swap(chunks_);
  }
  first_ = 0;
  size_ = 0;
}

std::string ByteQueue::to_string() const {
  std::string all;
  all.reserve(size_);
  for (std::size_t i = first_; i < chunks_.size(); ++i) {
    const Chunk& chunk = chunks_[i];
    all.append(chunk.data() + chunk.begin, chunk.end - chunk.begin);
  }
  return all;
}

}  // namespace anteroom::base
