#pragma once

#include <cstddef>
#include <cstdint>
#include <new>
#include <string_view>
#include <utility>
#include <vector>

#include "base/byte_queue.hpp"
#include "cache/arena.hpp"
#include "cache/types.hpp"

namespace anteroom::cache {

/// What one slot of the arena begins with. Behind it come: for results and roots their links (ResultLinks), the bytes
/// of the name, and the encoded reply, or, if that is larger than ByteQueue::kCopyMax, a base::SharedBytes that holds
/// it. 32 bytes, because at a million entries these are most of what a cache costs.
struct Entry {
  std::uint32_t epoch = 0;
  std::uint32_t filled_ms = 0;  ///< times are milliseconds since the shard's own start of time
  std::uint32_t soft_ms = 0;
  std::uint32_t hard_ms = 0;
  Slot previous{};  ///< of the eviction policy
  Slot next{};
  std::uint16_t name_bytes = 0;
  std::uint16_t reply_bytes = 0;  ///< stored inline
  std::uint16_t space = 0;
  std::uint8_t owner = 0;
  std::uint8_t kind : 3 = 0;    ///< EntryKind, or result, or root
  std::uint8_t queue : 1 = 0;   ///< of the eviction policy
  std::uint8_t visits : 2 = 0;  ///< of the eviction policy
  std::uint8_t large : 1 = 0;   ///< the reply is shared, not inline
};
static_assert(sizeof(Entry) == 32);

/// Entry::kind of what is not a string entry.
inline constexpr std::uint8_t kResultKind = 3;
inline constexpr std::uint8_t kRootKind = 4;

/// What a name names. A root heads the results of one key and is never served: it exists while the key has results.
enum class NameKind : std::uint8_t { kString, kResult, kRoot };

/// Chain of a key's results. In a root, `next` is the first result.
struct ResultLinks {
  Slot previous{};
  Slot next{};
  Slot root{};
};

[[nodiscard]] constexpr NameKind name_kind(const Entry& entry) noexcept {
  if (entry.kind < kResultKind) return NameKind::kString;
  return entry.kind == kResultKind ? NameKind::kResult : NameKind::kRoot;
}

namespace entry_detail {

[[nodiscard]] constexpr std::size_t name_offset(NameKind kind) noexcept {
  return sizeof(Entry) + (kind == NameKind::kString ? 0 : sizeof(ResultLinks));
}
/// Of the shared reply, which has to be aligned.
[[nodiscard]] constexpr std::size_t shared_offset(NameKind kind, std::size_t name_bytes) noexcept {
  constexpr std::size_t kAlign = alignof(base::SharedBytes);
  return (name_offset(kind) + name_bytes + kAlign - 1) / kAlign * kAlign;
}
[[nodiscard]] inline const char* bytes_of(const Entry& entry) noexcept { return reinterpret_cast<const char*>(&entry); }
[[nodiscard]] inline char* bytes_of(Entry& entry) noexcept { return reinterpret_cast<char*>(&entry); }

}  // namespace entry_detail

[[nodiscard]] inline std::string_view name_of(const Entry& entry) noexcept {
  return {entry_detail::bytes_of(entry) + entry_detail::name_offset(name_kind(entry)), entry.name_bytes};
}

/// REQUIRES: `entry` is a result or a root.
[[nodiscard]] inline ResultLinks& links_of(Entry& entry) noexcept {
  return *std::launder(reinterpret_cast<ResultLinks*>(entry_detail::bytes_of(entry) + sizeof(Entry)));
}
[[nodiscard]] inline const ResultLinks& links_of(const Entry& entry) noexcept {
  return links_of(const_cast<Entry&>(entry));
}

/// REQUIRES: `entry` is large.
[[nodiscard]] inline base::SharedBytes& shared_of(Entry& entry) noexcept {
  char* const at = entry_detail::bytes_of(entry) + entry_detail::shared_offset(name_kind(entry), entry.name_bytes);
  return *std::launder(reinterpret_cast<base::SharedBytes*>(at));
}
[[nodiscard]] inline const base::SharedBytes& shared_of(const Entry& entry) noexcept {
  return shared_of(const_cast<Entry&>(entry));
}

/// REQUIRES: `entry` is not large.
[[nodiscard]] inline std::string_view inline_reply_of(const Entry& entry) noexcept {
  return {entry_detail::bytes_of(entry) + entry_detail::name_offset(name_kind(entry)) + entry.name_bytes,
          entry.reply_bytes};
}
/// Inline or shared.
[[nodiscard]] inline std::string_view reply_of(const Entry& entry) noexcept {
  return entry.large ? std::string_view(*shared_of(entry)) : inline_reply_of(entry);
}

/// What an entry with these fields needs of a slot.
[[nodiscard]] constexpr std::size_t bytes_needed(const Entry& header) noexcept {
  const NameKind kind = name_kind(header);
  if (header.large) return entry_detail::shared_offset(kind, header.name_bytes) + sizeof(base::SharedBytes);
  return entry_detail::name_offset(kind) + header.name_bytes + header.reply_bytes;
}

/// Makes an entry in `memory` of at least bytes_needed(header). With header.large, `shared` is taken over.
Entry& write_entry(char* memory, const Entry& header, std::string_view name, std::string_view reply,
                   base::SharedBytes shared) noexcept;
/// Copies a whole entry and ends the old one, whose memory is then free. Links of others to it are not changed.
Entry& move_entry(char* memory, Entry& from) noexcept;
/// Memory of a shared reply as the allocator counts it.
[[nodiscard]] std::size_t allocated_bytes(const base::SharedBytes& shared) noexcept;

/// Large replies that have left the cache: declared before a lock is taken, so that none is freed inside it.
using Graveyard = std::vector<base::SharedBytes>;

}  // namespace anteroom::cache
