#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "base/clock.hpp"
#include "base/intrusive_list.hpp"

namespace anteroom::cache {

struct WheelTag;

/// What a TimingWheel holds: derive from it. `deadline` may change only while the node is in no wheel.
struct WheelNode : base::ListHook<WheelTag> {
  base::TimePoint deadline = base::kNever;
};

/// Finds what is past its deadline without looking at the rest. Owns nothing; a node must be removed before it dies.
/// No locks, no clock: one thread or one mutex, `now` is an argument; a `now` that goes back does no harm.
///
/// Time is cut into ticks of kTick. Level 0 has a bucket for each of the next 256 ticks, level 1 one for each of the
/// next 256 turns of level 0 (16.4 s each, 70 min in all), and later deadlines wait in `overflow_`, which is sorted
/// anew at each turn of level 1. A node moves at most once per level on its way down, unless it waits longer than a
/// turn of level 1. A node fires when the tick of its deadline is *over*: never early, up to one tick late. A bit per
/// bucket tells which may hold something, so a long pause is caught up with in a few steps, not tick by tick.
class TimingWheel {
 public:
  /// O(1). REQUIRES: `node` is in no wheel and has a deadline other than kNever.
  void insert(WheelNode& node, base::TimePoint now) noexcept;
  /// O(1). REQUIRES: `node` is in this wheel.
  void remove(WheelNode& node) noexcept;

  /// Takes the next node that is due at `now` out of the wheel; null when nothing is due or `steps` is used up.
  /// Moving a node down a level and visiting a bucket cost one step each; what is left over is done by the next call.
  [[nodiscard]] WheelNode* pop_due(base::TimePoint now, std::size_t& steps) noexcept;

  [[nodiscard]] std::size_t size() const noexcept { return size_; }
  /// size() by counting, for tests. O(n).
  [[nodiscard]] std::size_t count_linked() const noexcept;

  static constexpr base::Milliseconds kTick{64};

 private:
  using Bucket = base::IntrusiveList<WheelNode, WheelTag>;
  static constexpr unsigned kBits = 8;
  static constexpr std::uint64_t kBuckets = 1u << kBits;

  struct Level {
    std::array<Bucket, kBuckets> buckets;
    std::array<std::uint64_t, kBuckets / 64> maybe_used{};  // a clear bit: surely empty

    void add(std::uint64_t position, WheelNode& node) noexcept;
    void mark_empty(std::uint64_t position) noexcept;
    /// Distance from `position` to the first bucket that may be used, going round; kBuckets if there is none.
    [[nodiscard]] std::uint64_t distance_to_used(std::uint64_t position) const noexcept;
  };

  [[nodiscard]] static std::uint64_t tick_of(base::TimePoint time) noexcept;
  void place(WheelNode& node) noexcept;
  bool cascade(Bucket& from, std::size_t& steps) noexcept;
  bool prepare_current(std::size_t& steps) noexcept;
  [[nodiscard]] std::uint64_t next_stop() const noexcept;

  std::uint64_t current_ = 0;      // every tick before it has fired
  std::uint64_t sorted_turn_ = 0;  // turn of level 1 for which overflow_ was sorted
  std::size_t size_ = 0;
  Level near_;
  Level far_;
  Bucket overflow_;
  Bucket sorting_;  // part of overflow_ that is still to be placed for this turn
};

}  // namespace anteroom::cache
