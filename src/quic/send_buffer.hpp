#pragma once

#include <sys/uio.h>

#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <span>
#include <string_view>
#include <vector>

namespace anteroom::quic {

/// Where the chunks of a worker's send buffers come from: those that are done with are used again, up to a limit, so
/// that steady traffic allocates nothing. One thread; outlives the buffers.
class ChunkPool {
 public:
  /// About ten datagrams: large enough that a bulk reply is few pieces, small enough for many small streams.
  static constexpr std::size_t kChunkBytes = 16 * 1024;
  /// 4 MiB per worker.
  static constexpr std::size_t kKeptMax = 256;

  struct Chunk {
    std::size_t size = 0;
    char bytes[kChunkBytes];
  };

  [[nodiscard]] std::unique_ptr<Chunk> take();
  void give_back(std::unique_ptr<Chunk> chunk);
  [[nodiscard]] std::size_t kept() const noexcept { return kept_.size(); }

 private:
  std::vector<std::unique_ptr<Chunk>> kept_;
};

/// What a stream has been given to send: bytes stay where they are from append() until they are acknowledged, because
/// ngtcp2 sends them again from the same address after a loss. Three positions move through it:
///
///     acked <= sent <= end
///
/// One thread. Unbounded by itself: whoever appends looks at held_bytes() first.
class SendBuffer {
 public:
  explicit SendBuffer(ChunkPool& pool) : pool_(&pool) {}
  ~SendBuffer() { clear(); }
  SendBuffer(const SendBuffer&) = delete;
  SendBuffer& operator=(const SendBuffer&) = delete;

  void append(std::string_view bytes);
  /// Room at the end to be filled in at once, at least `wanted_min` (at most a chunk) and perhaps more; then commit().
  [[nodiscard]] std::span<char> prepare(std::size_t wanted_min);
  void commit(std::size_t size) noexcept;

  /// Fills `out` with what has not been sent, from the front; returns how many elements are used. Their bytes stay
  /// where they are until acknowledged.
  [[nodiscard]] std::size_t fill_unsent(std::span<iovec> out) const noexcept;
  /// REQUIRES: size <= unsent_bytes().
  void mark_sent(std::size_t size) noexcept;
  /// Everything before `offset` of the stream has arrived; what is older than already known is ignored.
  void acknowledge(std::uint64_t offset) noexcept;
  /// Nothing of it has arrived: everything is unsent again. REQUIRES: nothing was acknowledged.
  void rewind() noexcept;
  void clear() noexcept;

  [[nodiscard]] std::size_t unsent_bytes() const noexcept { return static_cast<std::size_t>(end_ - sent_); }
  /// Not yet acknowledged: what this costs in memory, up to a chunk.
  [[nodiscard]] std::size_t held_bytes() const noexcept { return static_cast<std::size_t>(end_ - acked_); }

 private:
  ChunkPool* pool_;
  std::deque<std::unique_ptr<ChunkPool::Chunk>> chunks_;
  std::uint64_t first_ = 0;  // offset in the stream of the first byte of chunks_.front()
  std::uint64_t acked_ = 0;
  std::uint64_t sent_ = 0;
  std::uint64_t end_ = 0;
  // Where `sent_` is, so that what is in flight need not be walked over for each packet.
  std::size_t sent_chunk_ = 0;
  std::size_t sent_in_chunk_ = 0;
};

}  // namespace anteroom::quic
