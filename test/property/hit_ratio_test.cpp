#include <gtest/gtest.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <new>
#include <string>
#include <string_view>
#include <vector>

#include "base/hash.hpp"
#include "cache/arena.hpp"
#include "cache/entry.hpp"
#include "cache/eviction_policy.hpp"
#include "property/hit_ratios.hpp"
#include "support/trace.hpp"

// The eviction policies by themselves miss as seldom in recorded traces as the algorithms of those names do.
namespace anteroom::cache {
namespace {

/// The least of a cache around a policy: knows where each object is, and which object is where.
class PolicyReplay {
 public:
  PolicyReplay(Policy policy, std::size_t capacity, std::uint32_t objects)
      : capacity_(capacity), policy_(make_policy(policy, arena_, capacity)), slots_(objects, kNoSlot) {}

  /// True if it was there; else it is afterwards.
  bool request(std::uint32_t object) {
    const Slot found = slots_[object];
    if (found != kNoSlot) {
      policy_->on_hit(found);
      return true;
    }
    if (policy_->size() == capacity_) evict();
    const Slot slot = arena_.allocate(sizeof(Stored), SIZE_MAX);
    new (arena_.at(slot)) Stored{.entry = {}, .object = object};
    slots_[object] = slot;
    policy_->on_insert(slot, fingerprint_of(object));
    return false;
  }
  void check_invariants() const {
    policy_->check_invariants();
    arena_.check_invariants();
  }

 private:
  struct Stored {
    Entry entry;
    std::uint32_t object = 0;
  };

  void evict() {
    const Slot slot = policy_->victim();
    const std::uint32_t object = reinterpret_cast<const Stored*>(arena_.at(slot))->object;
    policy_->on_erase(slot, fingerprint_of(object), /*evicted=*/true);
    arena_.free(slot);
    slots_[object] = kNoSlot;
  }
  [[nodiscard]] std::uint32_t fingerprint_of(std::uint32_t object) const noexcept {
    const std::string_view bytes(reinterpret_cast<const char*>(&object), sizeof object);
    return static_cast<std::uint32_t>(base::hash64(seed_, bytes));
  }

  const std::size_t capacity_;
  const base::HashSeed seed_ = base::HashSeed::fixed(1);
  PageSource memory_{64 * 1024, false};
  Arena arena_{memory_};
  std::unique_ptr<EvictionPolicy> policy_;
  std::vector<Slot> slots_;  // by object
};

class PolicyHitRatio : public ::testing::TestWithParam<ExpectedMisses> {};

TEST_P(PolicyHitRatio, IsThatOfTheAlgorithm) {
  const test::Trace trace = test::read_trace(GetParam().trace);
  for (const Policy policy : {Policy::kLru, Policy::kS3Fifo}) {
    PolicyReplay replay(policy, GetParam().capacity, trace.objects);

    std::size_t misses = 0;
    for (const std::uint32_t object : trace.requests) misses += replay.request(object) ? 0 : 1;

    expect_misses(GetParam(), policy, misses, trace.requests.size());
    replay.check_invariants();
  }
}

INSTANTIATE_TEST_SUITE_P(Traces, PolicyHitRatio, ::testing::ValuesIn(kExpectedMisses), name_of_expected_misses);

}  // namespace
}  // namespace anteroom::cache
