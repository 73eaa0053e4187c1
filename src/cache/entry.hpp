#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string_view>

#include "base/byte_queue.hpp"
#include "base/clock.hpp"
#include "base/intrusive_list.hpp"
#include "cache/cache.hpp"
#include "cache/timing_wheel.hpp"

namespace anteroom::cache {

struct LruTag;

struct EntryDeleter;

/// One cached reply: this header, then the key's bytes, then the encoded reply, in one allocation. A reply above
/// ByteQueue::kCopyMax lives in `shared` instead, so that a hit takes a reference and eviction does not pull it from
/// under a slow client. Belongs to one shard and is guarded by its mutex; before it is inserted, to its maker.
class Entry : public base::ListHook<LruTag>, public WheelNode {
 public:
  using Ptr = std::unique_ptr<Entry, EntryDeleter>;

  /// Copies key and reply. REQUIRES: both are shorter than 4 GiB.
  [[nodiscard]] static Ptr make(const Key& key, EntryKind kind, std::string_view reply, base::TimePoint deadline);
  Entry(const Entry&) = delete;
  Entry& operator=(const Entry&) = delete;

  [[nodiscard]] std::uint64_t hash() const noexcept { return hash_; }
  [[nodiscard]] Space space() const noexcept { return space_; }
  [[nodiscard]] EntryKind kind() const noexcept { return kind_; }
  [[nodiscard]] std::string_view key() const noexcept { return {tail(), key_size_}; }
  /// Empty when the reply is in shared().
  [[nodiscard]] std::string_view reply() const noexcept { return {tail() + key_size_, reply_size_}; }
  [[nodiscard]] const base::SharedBytes& shared() const noexcept { return shared_; }
  /// Bytes that freeing it gives back to the allocator. The same for its whole life.
  [[nodiscard]] std::size_t allocated_bytes() const noexcept;

  OwnerId owner{};
  std::uint64_t epoch = 0;

 private:
  friend struct EntryDeleter;
  Entry() = default;
  ~Entry() = default;
  [[nodiscard]] const char* tail() const noexcept { return reinterpret_cast<const char*>(this + 1); }
  [[nodiscard]] char* tail() noexcept { return reinterpret_cast<char*>(this + 1); }

  std::uint64_t hash_ = 0;
  base::SharedBytes shared_;
  std::uint32_t key_size_ = 0;
  std::uint32_t reply_size_ = 0;
  Space space_{};
  EntryKind kind_ = EntryKind::kValue;
};

struct EntryDeleter {
  void operator()(Entry* entry) const noexcept;
};

using LruList = base::IntrusiveList<Entry, LruTag>;

/// Entries that have left the cache and are freed when this dies: declared before a lock is taken, so that no memory is
/// given back inside it.
class Graveyard {
 public:
  Graveyard() = default;
  ~Graveyard();
  Graveyard(const Graveyard&) = delete;
  Graveyard& operator=(const Graveyard&) = delete;

  /// Takes ownership. REQUIRES: `entry` is in no list and in no wheel.
  void add(Entry& entry) noexcept { entries_.push_back(entry); }

 private:
  LruList entries_;
};

}  // namespace anteroom::cache
