#include <bitset>
#include <charconv>
#include <cstddef>
#include <limits>

#include "cache/cache.hpp"
#include "cache/shard.hpp"
#include "cache/view.hpp"

namespace anteroom::cache {
namespace {

/// Holds the locks of the shards whose numbers are set. Always taken in ascending order, so two of them cannot wait for
/// each other; everybody else holds one lock at most.
class ShardLocks {
 public:
  using Numbers = std::bitset<Cache::kShardsMax>;

  ShardLocks(std::span<const std::unique_ptr<Shard>> shards, const Numbers& numbers) ANTEROOM_NO_THREAD_SAFETY_ANALYSIS
      : shards_(shards),
        numbers_(numbers) {
    for (std::size_t i = 0; i < shards_.size(); ++i) {
      if (numbers_.test(i)) shards_[i]->lock();
    }
  }
  ~ShardLocks() ANTEROOM_NO_THREAD_SAFETY_ANALYSIS {
    for (std::size_t i = 0; i < shards_.size(); ++i) {
      if (numbers_.test(i)) shards_[i]->unlock();
    }
  }
  ShardLocks(const ShardLocks&) = delete;
  ShardLocks& operator=(const ShardLocks&) = delete;

 private:
  const std::span<const std::unique_ptr<Shard>> shards_;
  const Numbers numbers_;
};

bool exists(const Entry& entry) { return entry.kind != static_cast<std::uint8_t>(EntryKind::kNil); }

void append_mget_element(const Entry& entry, std::string_view null, base::ByteQueue& out) {
  if (entry.kind != static_cast<std::uint8_t>(EntryKind::kValue)) {
    out.append(null);
  } else if (entry.large) {
    out.append_shared(shared_of(entry));
  } else {
    out.append(reply_of(entry));
  }
}

void append_integer(std::size_t number, base::ByteQueue& out) {
  char digits[std::numeric_limits<std::size_t>::digits10 + 1];
  out.append(":");
  out.append({digits, static_cast<std::size_t>(std::to_chars(digits, digits + sizeof digits, number).ptr - digits)});
  out.append("\r\n");
}

}  // namespace

// The analysis cannot follow a set of locks that is known only when it runs.
bool Cache::read_snapshot(std::span<const Key> keys, SnapshotView view, const Asker& asker, base::ByteQueue& out,
                          std::string_view null) ANTEROOM_NO_THREAD_SAFETY_ANALYSIS {
  if (keys.empty()) return false;
  ShardLocks::Numbers numbers;
  for (const Key& key : keys) numbers.set(shard_number(key.hash));

  const ShardLocks locks(shards_, numbers);
  Shard& counting = shard_of(keys.front().hash);
  const Entry* first = nullptr;
  for (const Key& key : keys) {
    const Entry* const entry = shard_of(key.hash).find_fresh(key, asker.now);
    if (first == nullptr) first = entry;
    if (entry == nullptr || entry->owner != first->owner || entry->epoch != first->epoch) {
      counting.count_snapshot(false);
      return false;
    }
  }
  std::size_t existing = 0;
  for (const Key& key : keys) {
    const Entry& entry = shard_of(key.hash).use(key);
    if (exists(entry)) ++existing;
    if (view == SnapshotView::kMget) append_mget_element(entry, null, out);
  }
  if (view == SnapshotView::kExists) append_integer(existing, out);
  counting.count_snapshot(true);
  return true;
}

}  // namespace anteroom::cache
