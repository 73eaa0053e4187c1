#include "proxy/read_ahead.hpp"

namespace anteroom::proxy {

std::size_t ReadAhead::refill(const resp::RequestParser& parser, std::string_view behind,
                              const cache::Cache& cache) noexcept {
  if (later_.count == 0) {
    unseen_ = behind;
    find(parser, unseen_, cache, later_);
  }
  now_ = later_;
  at_ = 0;
  for (std::size_t i = 0; i < now_.count; ++i) cache.prefetch_entry(now_.reads[i].key_hash);
  find(parser, unseen_, cache, later_);
  return now_.count;
}

void ReadAhead::find(const resp::RequestParser& parser, std::string_view& bytes, const cache::Cache& cache,
                     Batch& out) noexcept {
  std::array<std::string_view, kBatch> keys;
  out.count = parser.peek_alike(bytes, keys);
  for (std::size_t i = 0; i < out.count; ++i) {
    out.reads[i] = {.key = keys[i], .key_hash = cache.key(cache::Space{}, keys[i]).hash};
    cache.prefetch(out.reads[i].key_hash);
  }
}

}  // namespace anteroom::proxy
