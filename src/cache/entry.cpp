#include "cache/entry.hpp"

#include <malloc.h>

#include <cstring>
#include <memory>
#include <string>

namespace anteroom::cache {
namespace {

// The block that std::make_shared allocates beside the bytes (two counters, a virtual table, the string itself), and
// what malloc keeps before each of the two blocks.
constexpr std::size_t kSharedHeaderBytes = 16 + sizeof(std::string) + 2 * sizeof(std::size_t);

void copy_bytes(char* to, std::string_view from) noexcept {
  // An empty view may hold a null pointer, which memcpy does not take.
  if (!from.empty()) std::memcpy(to, from.data(), from.size());
}

}  // namespace

Entry& write_entry(char* memory, const Entry& header, std::string_view name, std::string_view reply,
                   base::SharedBytes shared) noexcept {
  Entry& entry = *new (memory) Entry(header);
  const NameKind kind = name_kind(header);
  if (kind != NameKind::kString) new (memory + sizeof(Entry)) ResultLinks;
  char* const name_at = memory + entry_detail::name_offset(kind);
  copy_bytes(name_at, name);
  if (header.large) {
    new (memory + entry_detail::shared_offset(kind, name.size())) base::SharedBytes(std::move(shared));
  } else {
    copy_bytes(name_at + name.size(), reply);
  }
  return entry;
}

Entry& move_entry(char* memory, Entry& from) noexcept {
  const NameKind kind = name_kind(from);
  if (!from.large) {
    std::memcpy(memory, &from, bytes_needed(from));
    return *std::launder(reinterpret_cast<Entry*>(memory));
  }
  const std::size_t shared_offset = entry_detail::shared_offset(kind, from.name_bytes);
  std::memcpy(memory, &from, shared_offset);
  base::SharedBytes& shared = shared_of(from);
  new (memory + shared_offset) base::SharedBytes(std::move(shared));
  std::destroy_at(&shared);
  return *std::launder(reinterpret_cast<Entry*>(memory));
}

std::size_t allocated_bytes(const base::SharedBytes& shared) noexcept {
  return kSharedHeaderBytes + malloc_usable_size(const_cast<char*>(shared->data()));
}

}  // namespace anteroom::cache
