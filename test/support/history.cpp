#include "support/history.hpp"

#include <array>
#include <cstdio>

#include "support/deadline.hpp"

namespace anteroom::test {
namespace {

constexpr std::array<std::string_view, kRuleCount> kRuleNames{
    "read_your_writes", "monotonic_reads", "monotonic_mixed", "program_order",   "staleness",     "future",
    "refused_write",    "expired",         "torn_mget",       "differs_at_rest", "foreign_value", "server_disagrees"};

std::string micros(Instant at, Instant origin) {
  std::array<char, 32> text{};
  std::snprintf(text.data(), text.size(), "%+.1f", static_cast<double>(at - origin) / 1'000.0);
  return text.data();
}

std::string path_name(Path path) { return path == kDirect ? "direct" : "front-end " + std::to_string(path); }

std::string_view outcome_name(Outcome outcome) {
  switch (outcome) {
    case Outcome::kAcknowledged:
      return "acknowledged";
    case Outcome::kUnknown:
      return "unknown outcome";
    case Outcome::kNotExecuted:
      return "not executed";
  }
  return "";
}

}  // namespace

Instant now() { return std::chrono::duration_cast<std::chrono::nanoseconds>(Clock::now().time_since_epoch()).count(); }

std::string_view to_string(Rule rule) { return kRuleNames.at(static_cast<std::size_t>(rule)); }

std::string describe(const WriteRecord& write, Instant origin) {
  std::string line = "write version " + std::to_string(write.version) + (write.is_deletion ? " (deletion)" : "");
  if (write.ttl_ms != 0) line += " (for " + std::to_string(write.ttl_ms) + " ms)";
  line += " of group " + std::to_string(write.group) + " " + path_name(write.path) + " from " +
          micros(write.start, origin) + " to " + micros(write.end, origin) + " us: ";
  return line.append(outcome_name(write.outcome));
}

std::string describe(const ReadRecord& read, Instant origin) {
  const std::string got = read.version == kNoVersion ? "nil" : "version " + std::to_string(read.version);
  std::string line = "read of key " + std::to_string(read.key) + " " + path_name(read.path) + " by client " +
                     std::to_string(read.client) + " from " + micros(read.start, origin) + " to " +
                     micros(read.end, origin) + " us: " + got;
  if (read.mget != 0) line += " (MGET " + std::to_string(read.mget) + ")";
  if (read.at_least != kNoVersion) line += " (behind its own write " + std::to_string(read.at_least) + ")";
  return line;
}

}  // namespace anteroom::test
