#pragma once

#include <cstdint>
#include <span>
#include <string_view>

namespace anteroom::command {

/// How a command is carried out, by where it may run and what it may share. One class per command.
enum class Class : std::uint8_t {
  kKeyRead,       ///< one key, read
  kKeyWrite,      ///< one key, written
  kKeysRead,      ///< several keys in one hash slot, read
  kKeysWrite,     ///< several keys in one hash slot, written
  kMultiShard,    ///< several keys in any hash slots: can be split and merged
  kScript,        ///< EVAL, FCALL and their kin: declared keys, which may be none
  kAllNodes,      ///< fans out to primaries and replicas
  kAllShards,     ///< fans out to primaries
  kScan,          ///< SCAN: its cursor spans nodes
  kBlocking,      ///< may wait for as long as its user likes
  kTransaction,   ///< MULTI, EXEC, DISCARD, WATCH, UNWATCH
  kSubscription,  ///< turns the connection into a subscriber, or back
  kStream,        ///< turns the connection into a one-way feed: MONITOR and replication
  kSession,       ///< reads or sets the state of the connection, which here is the session's
  kClusterInfo,   ///< describes the cluster
  kAnyNode,       ///< no keys; any one node
  kAdmin,         ///< acts on one server
  kSentinel,      ///< known to a Sentinel only
  kContainer,     ///< the bare name of a group of subcommands; cannot be called alone
};

/// Bits of Facts::flags: Redis's own command flags.
enum Flag : std::uint32_t {
  kWrite = 1U << 0,
  kReadonly = 1U << 1,
  kDenyOom = 1U << 2,
  kAdmin = 1U << 3,
  kPubsub = 1U << 4,
  kNoScript = 1U << 5,
  kBlocking = 1U << 6,
  kLoading = 1U << 7,
  kStale = 1U << 8,
  kSkipMonitor = 1U << 9,
  kSkipSlowlog = 1U << 10,
  kAsking = 1U << 11,
  kFast = 1U << 12,
  kNoAuth = 1U << 13,
  kMayReplicate = 1U << 14,
  kNoMandatoryKeys = 1U << 15,
  kNoAsyncLoading = 1U << 16,
  kNoMulti = 1U << 17,
  kMovableKeys = 1U << 18,
  kAllowBusy = 1U << 19,
  kOnlySentinel = 1U << 20,
};

/// What a forwarded command can do to cached values; drives write guards.
enum class CacheEffect : std::uint8_t {
  kNone,              ///< no value changes
  kWritesKeys,        ///< only keys that extract_written_keys() finds change, in any database
  kMayWriteAnything,  ///< not all changed keys are known: drop everything
};

/// One rule that finds keys among the arguments, as in the key specifications of Redis's COMMAND.
struct KeySpec {
  enum class Find : std::uint8_t {
    kRange,  ///< every `step`th argument from `begin` to `last`
    kCount,  ///< argument `begin` holds the number of keys, which follow it
  };
  enum class Access : std::uint8_t {
    kReadOnly,
    kReadWrite,
    kOverwrite,
    kRemove,
    kChannel,  ///< no key at all, but hashed to a slot like one: a shard channel
  };

  Find find = Find::kRange;
  Access access = Access::kReadOnly;
  std::uint8_t begin = 1;
  std::int8_t last = 1;   ///< kRange only; if negative, counted from the end: -1 is the last argument
  std::uint8_t step = 1;  ///< kRange only
};

[[nodiscard]] constexpr bool is_write(KeySpec::Access access) noexcept {
  return access != KeySpec::Access::kReadOnly && access != KeySpec::Access::kChannel;
}

/// Keys beside those of Facts::keys, for commands whose options must be walked as the server walks them: a fixed rule
/// would take an option's value for the keyword, or see the first of several STOREs, of which the last counts.
enum class KeyWalk : std::uint8_t {
  kNone,
  kSort,       ///< SORT: the key after STORE
  kGeoRadius,  ///< GEORADIUS and GEORADIUSBYMEMBER: the keys after STORE and STOREDIST
  kStreams,    ///< XREAD and XREADGROUP: the first half of what follows STREAMS
  kMigrate,    ///< MIGRATE: argument 3, or if that is empty what follows KEYS
};

/// What is known of one command or subcommand before it runs. Immutable; lives as long as its Table; any thread.
struct Facts {
  std::string_view name;  ///< lower case; a subcommand with its container, as Redis writes it: "config|get"
  int arity = 0;          ///< number of arguments with the name (and the container); negative: at least that many
  std::uint32_t flags = 0;
  Class command_class = Class::kAdmin;
  CacheEffect effect = CacheEffect::kMayWriteAnything;  ///< the worst of all arguments; see cache_effect()
  std::span<const KeySpec> keys{};
  KeyWalk key_walk = KeyWalk::kNone;
  bool is_container = false;  ///< has subcommands; args[1] names one
  std::uint16_t id = 0;       ///< dense, from 0; the index in the Table

  [[nodiscard]] constexpr bool has(Flag flag) const noexcept { return (flags & flag) != 0; }
};

}  // namespace anteroom::command
