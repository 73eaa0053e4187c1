#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "command/facts.hpp"
#include "command/table.hpp"

namespace anteroom::command {

/// Which arguments are keys: their indexes in the request. Allocates only beyond kInline keys. One thread.
class KeyList {
 public:
  static constexpr std::size_t kInline = 16;

  void push_back(std::uint32_t index);
  void clear() noexcept;

  [[nodiscard]] std::size_t size() const noexcept { return size_; }
  [[nodiscard]] bool empty() const noexcept { return size_ == 0; }
  [[nodiscard]] std::uint32_t operator[](std::size_t i) const noexcept { return data()[i]; }
  [[nodiscard]] const std::uint32_t* begin() const noexcept { return data(); }
  [[nodiscard]] const std::uint32_t* end() const noexcept { return data() + size_; }

 private:
  [[nodiscard]] const std::uint32_t* data() const noexcept { return many_.empty() ? few_.data() : many_.data(); }

  std::size_t size_ = 0;
  std::array<std::uint32_t, kInline> few_{};
  std::vector<std::uint32_t> many_;  // all of them, once they are more than kInline
};

enum class Extraction : std::uint8_t {
  kKeys,    ///< `out` has them all
  kNoKeys,  ///< this request names no key
  kUnknown  ///< keys cannot be told, mostly because the request is malformed: assume any key; `out` is empty
};

/// All functions below are pure and take a request that Table::find() matched to `facts` (kFound); with fewer arguments
/// than its arity they stay within bounds and answer something. Any bytes may be in the arguments.

/// The keys that the request names, read or written, in the order of the server's COMMAND GETKEYS. Keys that depend on
/// stored data (BY and GET patterns of SORT) or that a script makes up are not among them. Channels are not keys.
[[nodiscard]] Extraction extract_keys(const Facts& facts, std::span<const std::string_view> args, KeyList& out);
/// Only those that the request may change; one that might be unchanged in the end is among them.
[[nodiscard]] Extraction extract_written_keys(const Facts& facts, std::span<const std::string_view> args, KeyList& out);

/// Where extract_written_keys() would find the one key of a request like SET, which is nearly every write: known
/// without a look at the arguments, of which there may be too few. 0: this command is not such a one, ask that
/// function.
[[nodiscard]] inline std::size_t lone_written_key(const Facts& facts) noexcept {
  if (facts.keys.size() != 1 || facts.key_walk != KeyWalk::kNone || facts.effect != CacheEffect::kWritesKeys) return 0;
  const KeySpec& spec = facts.keys.front();
  const bool is_one =
      spec.find == KeySpec::Find::kRange && spec.last > 0 && spec.begin == static_cast<std::uint8_t>(spec.last);
  return is_one && is_write(spec.access) ? spec.begin : 0;
}

/// Only the keys of one source, for who must know how each key is used (AclFacts::key_uses): the `source`th of
/// Facts::keys, or behind them what Facts::key_walk finds. There are key_sources() of them. Channels are found as well.
[[nodiscard]] std::size_t key_sources(const Facts& facts) noexcept;
[[nodiscard]] Extraction extract_keys_of(const Facts& facts, std::span<const std::string_view> args, std::size_t source,
                                         KeyList& out);

/// What this request can do to cached values. Of kWritesKeys, extract_written_keys() has the keys.
[[nodiscard]] CacheEffect cache_effect(const Facts& facts, std::span<const std::string_view> args) noexcept;
/// Also for requests that matched nothing here: a newer server or a module may know them and write anything.
[[nodiscard]] CacheEffect cache_effect(const Lookup& lookup, std::span<const std::string_view> args) noexcept;

/// Whether the request changes or occupies the connection it runs on, so that no other session may share that: blocking
/// commands (XREAD and XREADGROUP only with BLOCK), transactions, subscriptions, feeds, SCRIPT DEBUG.
[[nodiscard]] bool needs_pinned_link(const Facts& facts, std::span<const std::string_view> args) noexcept;

}  // namespace anteroom::command
