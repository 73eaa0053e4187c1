#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <string_view>

#include "base/check.hpp"

namespace anteroom::base {

/// Contiguous bytes between a non-blocking read and a parser. One thread, no locks; owns its memory.
///
///     | consumed |        readable()        |      prepare()d space      |
///     0        begin_                      end_                      capacity_
///
/// Bytes move only inside prepare(), which may also reallocate: every slice of readable() is valid until the next
/// prepare() or release_if_idle(), and stays valid across consume(). A parser therefore keeps offsets, not pointers,
/// from one call to the next.
class ReadBuffer {
 public:
  /// Space of at least `size` bytes to read into. Never shrinks; grows by doubling or to what is asked for.
  [[nodiscard]] std::span<char> prepare(std::size_t size);
  /// Makes the first `size` bytes of the prepared space readable. REQUIRES: size <= the span prepare() returned.
  void commit(std::size_t size) noexcept;
  /// Copies `bytes` in: prepare and commit in one, for tests and for bytes that are already in memory.
  void append(std::string_view bytes);

  [[nodiscard]] std::string_view readable() const noexcept { return {data_.get() + begin_, end_ - begin_}; }
  [[nodiscard]] std::size_t size() const noexcept { return end_ - begin_; }
  [[nodiscard]] bool empty() const noexcept { return begin_ == end_; }
  [[nodiscard]] std::size_t capacity() const noexcept { return capacity_; }

  /// Forgets the first `size` readable bytes. REQUIRES: size <= size(). Slices taken before stay valid.
  void consume(std::size_t size) noexcept {
    ANTEROOM_CHECK(size <= end_ - begin_);
    begin_ += size;
  }
  /// Gives the memory back if nothing is buffered: an idle connection holds none.
  void release_if_idle() noexcept;

 private:
  std::unique_ptr<char[]> data_;
  std::size_t capacity_ = 0;
  std::size_t begin_ = 0;
  std::size_t end_ = 0;
};

}  // namespace anteroom::base
