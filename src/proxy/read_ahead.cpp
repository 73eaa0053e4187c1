#include "proxy/read_ahead.hpp"

namespace anteroom::proxy {

std::size_t ReadAhead::step(const resp::RequestParser& parser, std::string_view behind,
                            const cache::Cache& cache) noexcept {
  if (steps_left_ > 1) {
    --steps_left_;
    return 0;
  }
  if (found_ == 0) {
    unseen_ = behind;
    find(parser, unseen_, cache);
  }
  for (std::size_t i = 0; i < found_; ++i) cache.prefetch_entry(hashes_[i]);
  steps_left_ = found_;
  find(parser, unseen_, cache);
  return steps_left_;
}

void ReadAhead::find(const resp::RequestParser& parser, std::string_view& bytes, const cache::Cache& cache) noexcept {
  std::array<std::string_view, kBatch> keys;
  found_ = parser.peek_alike(bytes, keys);
  for (std::size_t i = 0; i < found_; ++i) {
    hashes_[i] = cache.key(cache::Space{}, keys[i]).hash;
    cache.prefetch(hashes_[i]);
  }
}

}  // namespace anteroom::proxy
