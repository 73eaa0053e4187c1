#include "cache/entry.hpp"

#include <malloc.h>

#include <cstdlib>
#include <cstring>
#include <new>
#include <string>

#include "base/check.hpp"

namespace anteroom::cache {
namespace {

// The block that std::make_shared allocates beside the bytes: two counters and a virtual table, and the string itself.
constexpr std::size_t kSharedHeaderBytes = 16 + sizeof(std::string);

}  // namespace

Entry::Ptr Entry::make(const Key& key, EntryKind kind, std::string_view reply, base::TimePoint deadline) {
  const bool is_shared = reply.size() > base::ByteQueue::kCopyMax;
  const std::size_t inline_size = is_shared ? 0 : reply.size();
  ANTEROOM_CHECK(key.bytes.size() <= UINT32_MAX && inline_size <= UINT32_MAX);
  void* const memory = std::malloc(sizeof(Entry) + key.bytes.size() + inline_size);
  ANTEROOM_CHECK(memory != nullptr);

  Ptr entry(new (memory) Entry);
  entry->hash_ = key.hash;
  entry->space_ = key.space;
  entry->kind_ = kind;
  entry->deadline = deadline;
  entry->key_size_ = static_cast<std::uint32_t>(key.bytes.size());
  entry->reply_size_ = static_cast<std::uint32_t>(inline_size);
  // An empty view may hold a null pointer, which memcpy does not take.
  if (!key.bytes.empty()) std::memcpy(entry->tail(), key.bytes.data(), key.bytes.size());
  if (inline_size > 0) std::memcpy(entry->tail() + key.bytes.size(), reply.data(), inline_size);
  if (is_shared) entry->shared_ = std::make_shared<const std::string>(reply);
  return entry;
}

std::size_t Entry::allocated_bytes() const noexcept {
  const std::size_t own = malloc_usable_size(const_cast<Entry*>(this));
  return shared_ ? own + kSharedHeaderBytes + shared_->capacity() + 1 : own;
}

void EntryDeleter::operator()(Entry* entry) const noexcept {
  entry->~Entry();
  std::free(entry);
}

Graveyard::~Graveyard() {
  while (Entry* const entry = entries_.pop_front()) EntryDeleter{}(entry);
}

}  // namespace anteroom::cache
