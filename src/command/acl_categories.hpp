#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string_view>

/// What access rules need to know of every command beside its Facts: Redis's ACL categories, and how each of its keys
/// is used. Constant data; any thread.
namespace anteroom::command {

/// Bits of AclFacts::categories, in the order of ACL CAT.
namespace acl {
enum Category : std::uint32_t {
  kKeyspace = 1U << 0,
  kRead = 1U << 1,
  kWrite = 1U << 2,
  kSet = 1U << 3,
  kSortedSet = 1U << 4,
  kList = 1U << 5,
  kHash = 1U << 6,
  kString = 1U << 7,
  kBitmap = 1U << 8,
  kHyperLogLog = 1U << 9,
  kGeo = 1U << 10,
  kStream = 1U << 11,
  kPubsub = 1U << 12,
  kAdmin = 1U << 13,
  kFast = 1U << 14,
  kSlow = 1U << 15,
  kBlocking = 1U << 16,
  kDangerous = 1U << 17,
  kConnection = 1U << 18,
  kTransaction = 1U << 19,
  kScripting = 1U << 20,
};
/// By bit.
inline constexpr std::array<std::string_view, 21> kNames{
    "keyspace", "read",   "write",       "set",       "sortedset",  "list",        "hash",
    "string",   "bitmap", "hyperloglog", "geo",       "stream",     "pubsub",      "admin",
    "fast",     "slow",   "blocking",    "dangerous", "connection", "transaction", "scripting"};
}  // namespace acl

struct AclFacts {
  std::string_view name;  ///< Facts::name
  std::uint32_t categories = 0;
  /// How the keys of each key source are used, a letter each: first those of Facts::keys in their order, then what
  /// Facts::key_walk finds. `r`: the value is read; `w`: it is written; `b`: both; `n`: neither, as by EXISTS, which
  /// any pattern with that key permits; `-`: no key but a channel. Redis's key specification flags ACCESS, and INSERT,
  /// UPDATE or DELETE. It is the most that any arguments can mean: SET and BITFIELD may need less.
  std::string_view key_uses{};
};

/// In the order of their names. Every command but Sentinel's is there.
[[nodiscard]] std::span<const AclFacts> acl_rows() noexcept;
/// By Facts::name, in lower case; null if there is none.
[[nodiscard]] const AclFacts* find_acl_facts(std::string_view name) noexcept;
/// The category's bit by its name without '@', in any case; 0 if there is none. "all" is none.
[[nodiscard]] std::uint32_t acl_category(std::string_view name) noexcept;

}  // namespace anteroom::command
