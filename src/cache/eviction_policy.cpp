#include "cache/eviction_policy.hpp"

#include "cache/lru_policy.hpp"
#include "cache/s3fifo_policy.hpp"

namespace anteroom::cache {

std::unique_ptr<EvictionPolicy> make_policy(Policy policy, Arena& arena, std::size_t capacity) {
  switch (policy) {
    case Policy::kLru:
      return std::make_unique<LruPolicy>(arena);
    case Policy::kS3Fifo:
      return std::make_unique<S3FifoPolicy>(arena, capacity);
  }
  return nullptr;
}

}  // namespace anteroom::cache
