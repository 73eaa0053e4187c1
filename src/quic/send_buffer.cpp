#include "quic/send_buffer.hpp"

#include <algorithm>
#include <cstring>
#include <utility>

#include "base/check.hpp"

namespace anteroom::quic {

std::unique_ptr<ChunkPool::Chunk> ChunkPool::take() {
  if (kept_.empty()) return std::make_unique_for_overwrite<Chunk>();
  std::unique_ptr<Chunk> chunk = std::move(kept_.back());
  kept_.pop_back();
  chunk->size = 0;
  return chunk;
}

void ChunkPool::give_back(std::unique_ptr<Chunk> chunk) {
  if (kept_.size() < kKeptMax) kept_.push_back(std::move(chunk));
}

void SendBuffer::append(std::string_view bytes) {
  while (!bytes.empty()) {
    const std::span<char> room = prepare(1);
    const std::size_t size = std::min(room.size(), bytes.size());
    std::memcpy(room.data(), bytes.data(), size);
    commit(size);
    bytes.remove_prefix(size);
  }
}

std::span<char> SendBuffer::prepare(std::size_t wanted_min) {
  ANTEROOM_CHECK(wanted_min <= ChunkPool::kChunkBytes);
  if (chunks_.empty() || ChunkPool::kChunkBytes - chunks_.back()->size < wanted_min) {
    chunks_.push_back(pool_->take());
    chunks_.back()->size = 0;
  }
  ChunkPool::Chunk& last = *chunks_.back();
  return {last.bytes + last.size, ChunkPool::kChunkBytes - last.size};
}

void SendBuffer::commit(std::size_t size) noexcept {
  chunks_.back()->size += size;
  end_ += size;
}

std::size_t SendBuffer::fill_unsent(std::span<iovec> out) const noexcept {
  std::size_t used = 0;
  std::size_t begin = sent_in_chunk_;
  for (std::size_t i = sent_chunk_; i < chunks_.size() && used < out.size(); ++i, begin = 0) {
    ChunkPool::Chunk& chunk = *chunks_[i];
    if (chunk.size > begin) out[used++] = {chunk.bytes + begin, chunk.size - begin};
  }
  return used;
}

void SendBuffer::mark_sent(std::size_t size) noexcept {
  ANTEROOM_CHECK(size <= unsent_bytes());
  sent_ += size;
  while (size > 0) {
    const std::size_t left = chunks_[sent_chunk_]->size - sent_in_chunk_;
    const std::size_t step = std::min(left, size);
    sent_in_chunk_ += step;
    size -= step;
    if (size > 0) {
      ++sent_chunk_;
      sent_in_chunk_ = 0;
    }
  }
}

void SendBuffer::acknowledge(std::uint64_t offset) noexcept {
  ANTEROOM_CHECK(offset <= sent_);
  acked_ = std::max(acked_, offset);
  while (!chunks_.empty() && first_ + chunks_.front()->size <= acked_) {
    const bool holds_position = sent_chunk_ == 0;
    // The position stands at the end of the chunk, as everything in it has been sent. The next byte is in the next
    // chunk, or in this one if it has room: then it is emptied where it is.
    if (chunks_.size() == 1) {
      if (sent_ != end_ || chunks_.front()->size == 0) return;
      first_ = end_;
      chunks_.front()->size = 0;
      sent_in_chunk_ = 0;
      return;
    }
    first_ += chunks_.front()->size;
    pool_->give_back(std::move(chunks_.front()));
    chunks_.pop_front();
    if (holds_position) {
      sent_in_chunk_ = 0;
    } else {
      --sent_chunk_;
    }
  }
}

void SendBuffer::rewind() noexcept {
  ANTEROOM_CHECK(acked_ == 0);
  sent_ = 0;
  sent_chunk_ = sent_in_chunk_ = 0;
}

void SendBuffer::clear() noexcept {
  for (auto& chunk : chunks_) pool_->give_back(std::move(chunk));
  chunks_.clear();
  first_ = acked_ = sent_ = end_;
  sent_chunk_ = sent_in_chunk_ = 0;
}

}  // namespace anteroom::quic
