#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace anteroom::test {

/// Nanoseconds of the steady clock, which all threads of this machine share.
using Instant = std::int64_t;
inline constexpr Instant kNever = INT64_MAX;
inline constexpr Instant kMillisecond = 1'000'000;

[[nodiscard]] Instant now();

/// Number of a write within its group of keys, counted from 1. 0 stands for "no value": never written, or gone.
using Version = std::uint32_t;
inline constexpr Version kNoVersion = 0;

/// How an operation reached the server: 0 is directly, other numbers name front-ends.
using Path = std::uint8_t;
inline constexpr Path kDirect = 0;
inline constexpr Path kFrontEnd = 1;

enum class Outcome : std::uint8_t {
  kAcknowledged,
  kUnknown,      ///< it may have run, or run yet
  kNotExecuted,  ///< whoever answered says that it did not run and never will
};

/// One write. It changes all keys of its group in one step of the server. Writes of one group never overlap, and a
/// group is left alone after a write of unknown outcome until that one can no longer run: so the server executes the
/// writes of a group in the order of their versions.
struct WriteRecord {
  std::uint16_t group = 0;
  Path path = kDirect;
  Outcome outcome = Outcome::kAcknowledged;
  bool is_deletion = false;
  std::uint32_t ttl_ms = 0;  ///< 0: the value does not expire
  Version version = kNoVersion;
  Instant start = 0;
  Instant end = 0;
};

/// One key read. The keys of one MGET are records of equal `mget` (not 0), `start` and `end`.
struct ReadRecord {
  std::uint16_t key = 0;
  std::uint8_t client = 0;
  Path path = kFrontEnd;
  std::uint32_t mget = 0;
  Version version = kNoVersion;   ///< kNoVersion: the reply was nil
  Version at_least = kNoVersion;  ///< written before on the same connection, perhaps without waiting for the reply
  Instant start = 0;
  Instant end = 0;
};

enum class Rule : std::uint8_t {
  kReadYourWrites,   ///< older than what this front-end acknowledged before the read began
  kMonotonicReads,   ///< older than what this front-end had shown before the read began
  kMonotonicMixed,   ///< the same, when an MGET had shown the newer state and not a GET, or the other way round
  kProgramOrder,     ///< older than a write that went before on the same connection
  kStaleness,        ///< older than what the server had acknowledged longer ago than the bound
  kFuture,           ///< never written, or not yet begun to be written when the read ended
  kRefusedWrite,     ///< of a write of which the client was told that it was not executed
  kExpired,          ///< served after its time to live
  kTornMget,         ///< the values of one MGET never were on the server together
  kDiffersAtRest,    ///< still different from the server after everybody had stopped
  kForeignValue,     ///< bytes that were never written to this key
  kServerDisagrees,  ///< a direct read contradicts the recorded writes: the test itself is wrong
};
inline constexpr std::size_t kRuleCount = 12;

[[nodiscard]] std::string_view to_string(Rule rule);

struct Violation {
  Rule rule = Rule::kFuture;
  ReadRecord read{};
  std::string what{};   ///< one line
  std::string trace{};  ///< operations around it, one a line; only for the first violations
};

/// The operation in one line, its times in microseconds since `origin`.
[[nodiscard]] std::string describe(const WriteRecord& write, Instant origin);
[[nodiscard]] std::string describe(const ReadRecord& read, Instant origin);

}  // namespace anteroom::test
