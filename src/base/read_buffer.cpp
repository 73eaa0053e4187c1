#include "base/read_buffer.hpp"

#include <algorithm>
#include <cstring>

#include "base/check.hpp"

namespace anteroom::base {

std::span<char> ReadBuffer::prepare(std::size_t size) {
  if (begin_ == end_) begin_ = end_ = 0;
  if (capacity_ - end_ >= size) return {data_.get() + end_, capacity_ - end_};

  const std::size_t used = end_ - begin_;
  // Moving what is there pays off only when it is at most half of the buffer; otherwise a slow trickle of small
  // reads behind one large command would move that command again and again.
  if (capacity_ >= used + size && used <= capacity_ / 2) {
    std::memmove(data_.get(), data_.get() + begin_, used);
  } else {
    const std::size_t wanted = std::max(used + size, capacity_ * 2);
    auto bigger = std::make_unique_for_overwrite<char[]>(wanted);
    if (used > 0) std::memcpy(bigger.get(), data_.get() + begin_, used);
    data_ = std::move(bigger);
    capacity_ = wanted;
  }
  begin_ = 0;
  end_ = used;
  return {data_.get() + end_, capacity_ - end_};
}

void ReadBuffer::commit(std::size_t size) noexcept {
  ANTEROOM_CHECK(size <= capacity_ - end_);
  end_ += size;
}

void ReadBuffer::append(std::string_view bytes) {
  if (bytes.empty()) return;
  std::memcpy(prepare(bytes.size()).data(), bytes.data(), bytes.size());
  commit(bytes.size());
}

void ReadBuffer::release_if_idle() noexcept {
  if (begin_ != end_) return;
  data_.reset();
  capacity_ = begin_ = end_ = 0;
}

}  // namespace anteroom::base
