#include "proxy/cached_reads.hpp"

#include <array>
#include <utility>

#include "base/check.hpp"

namespace anteroom::proxy {
namespace {

using Kind = CachedReads::Kind;
using View = cache::View::Kind;

constexpr std::string_view kNull = cache::kNullBulk;
constexpr std::string_view kNull3 = "_\r\n";
constexpr std::string_view kZero = ":0\r\n";
constexpr std::string_view kEmptyString = "$0\r\n\r\n";
constexpr std::string_view kEmptyArray = "*0\r\n";

// No reply: a missing key is answered with as many nulls as there were arguments.
constexpr std::string_view kNotCached3 = "-";

constexpr auto kCommands = std::to_array<CachedReads::Command>({
    {"get", Kind::kGet, kNull},
    {"strlen", Kind::kStringView, kZero, View::kLength},
    {"getrange", Kind::kStringView, kEmptyString, View::kRange},
    {"substr", Kind::kStringView, kEmptyString, View::kRange},
    {"type", Kind::kStringView, "+none\r\n", View::kType},
    {"mget", Kind::kMget},
    {"exists", Kind::kExists, kZero, View::kExists},
    {"hget", Kind::kHashResult, kNull, View::kNone, 0, kNull3},
    {"hmget", Kind::kHashResult, {}, View::kNone, 0, kNotCached3},
    {"hgetall", Kind::kHashResult, kEmptyArray, View::kNone, 0, "%0\r\n"},
    {"hkeys", Kind::kHashResult, kEmptyArray},
    {"hvals", Kind::kHashResult, kEmptyArray},
    {"hlen", Kind::kHashResult, kZero},
    {"hexists", Kind::kHashResult, kZero},
    {"hstrlen", Kind::kHashResult, kZero},
    {"lrange", Kind::kResult, kEmptyArray},
    {"llen", Kind::kResult, kZero},
    {"lindex", Kind::kResult, kNull, View::kNone, 0, kNull3},
    {"smembers", Kind::kResult, kEmptyArray, View::kNone, 0, "~0\r\n"},
    {"sismember", Kind::kResult, kZero},
    {"smismember", Kind::kResult},
    {"scard", Kind::kResult, kZero},
    {"zscore", Kind::kResult, kNull, View::kNone, 0, kNull3},
    {"zmscore", Kind::kResult, {}, View::kNone, 0, kNotCached3},
    {"zcard", Kind::kResult, kZero},
    {"zcount", Kind::kResult, kZero},
    {"zlexcount", Kind::kResult, kZero},
    // With WITHSCORE it answers a null array, which has no equal in RESP3.
    {"zrank", Kind::kResult, kNull, View::kNone, 3, kNull3},
    {"zrevrank", Kind::kResult, kNull, View::kNone, 3, kNull3},
    {"zrange", Kind::kResult, kEmptyArray, View::kNone, 0, kEmptyArray},
    {"zrangebyscore", Kind::kResult, kEmptyArray, View::kNone, 0, kEmptyArray},
    {"zrangebylex", Kind::kResult, kEmptyArray},
    {"zrevrange", Kind::kResult, kEmptyArray, View::kNone, 0, kEmptyArray},
    {"zrevrangebyscore", Kind::kResult, kEmptyArray, View::kNone, 0, kEmptyArray},
    {"zrevrangebylex", Kind::kResult, kEmptyArray},
});

}  // namespace

std::span<const CachedReads::Command> CachedReads::commands() noexcept { return kCommands; }

CachedReads::CachedReads(const command::Table& table, Rules rules)
    : rules_(std::move(rules)), covers_all_(rules_.exclude.empty() && rules_.include.empty()), by_id_(table.size()) {
  for (const Command& command : kCommands) {
    const command::Facts* const facts = table.find_name(command.name);
    ANTEROOM_CHECK(facts != nullptr);
    by_id_[facts->id] = &command;
  }
}

bool CachedReads::is_on(const Command& command, std::size_t args, bool hash_fields_expire) const noexcept {
  if (command.args_max > 0 && args > static_cast<std::size_t>(command.args_max)) return false;
  switch (command.kind) {
    case Kind::kGet:
    case Kind::kStringView:
    case Kind::kExists:
      return true;
    case Kind::kMget:
      return rules_.mget != MgetMode::kOff;
    case Kind::kResult:
      return rules_.results;
    case Kind::kHashResult:
      break;
  }
  if (rules_.hashes == HashCommands::kAuto) return rules_.results && !hash_fields_expire;
  return rules_.results && rules_.hashes == HashCommands::kOn;
}

}  // namespace anteroom::proxy
