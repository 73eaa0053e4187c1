// The checker, which sorts and searches, against the rules written down word by word for each read and each other
// operation. Times are few, so that all kinds of overlaps and ties occur.
#include "support/history_checker.hpp"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <algorithm>
#include <array>
#include <vector>

namespace anteroom::test {
namespace {

constexpr Instant kStalenessMax = 20;
constexpr std::array kRules{Rule::kReadYourWrites, Rule::kMonotonicReads, Rule::kStaleness, Rule::kFuture};
using Counts = std::array<std::size_t, kRules.size()>;

struct Operations {
  std::vector<WriteRecord> writes;  // of one key, in order
  std::vector<ReadRecord> reads;
};

/// Only values: what a nil stands for is a matter of definition, and the hand-made histories show it.
Operations any_operations() {
  Operations all;
  Instant time = 0;
  const auto writes = *rc::gen::inRange(1, 8);
  for (Version version = 1; version <= static_cast<Version>(writes); ++version) {
    WriteRecord write{.path = static_cast<Path>(*rc::gen::inRange(0, 2)),
                      .outcome = *rc::gen::element(Outcome::kAcknowledged, Outcome::kAcknowledged, Outcome::kUnknown),
                      .version = version};
    write.start = time += *rc::gen::inRange(0, 10);
    write.end = time += *rc::gen::inRange(0, 10);
    all.writes.push_back(write);
  }
  const auto reads = *rc::gen::inRange(0, 20);
  for (int i = 0; i < reads; ++i) {
    ReadRecord read{.version = static_cast<Version>(*rc::gen::inRange(1, writes + 2))};
    read.start = *rc::gen::inRange(0, 100);
    read.end = read.start + *rc::gen::inRange(0, 20);
    all.reads.push_back(read);
  }
  return all;
}

/// Whether the read may be believed at all.
bool is_possible(const ReadRecord& read, const Operations& all) {
  return std::ranges::any_of(all.writes, [&read](const WriteRecord& write) {
    return write.version == read.version && write.start <= read.end;
  });
}

Counts count_by_the_word(const Operations& all) {
  Counts broken{};
  for (const ReadRecord& read : all.reads) {
    if (!is_possible(read, all)) {
      ++broken[3];
      continue;
    }
    const auto is_missed = [&read](const WriteRecord& write, Instant before) {
      return write.outcome == Outcome::kAcknowledged && write.end < before && read.version < write.version;
    };
    broken[0] += std::ranges::any_of(
        all.writes, [&](const WriteRecord& write) { return write.path == read.path && is_missed(write, read.start); });
    broken[1] += std::ranges::any_of(all.reads, [&](const ReadRecord& other) {
      return is_possible(other, all) && other.end < read.start && read.version < other.version;
    });
    broken[2] += std::ranges::any_of(
        all.writes, [&](const WriteRecord& write) { return is_missed(write, read.start - kStalenessMax); });
  }
  return broken;
}

RC_GTEST_PROP(HistoryCheckerModel, FindsWhatTheRulesSayWordByWord, ()) {
  const Operations all = any_operations();
  HistoryChecker checker({.group_of_key = {0}, .staleness_max = kStalenessMax, .clock_margin = 0});

  checker.check_round(all.writes, all.reads);

  Counts found{};
  for (std::size_t i = 0; i < kRules.size(); ++i) found[i] = checker.violation_count(kRules[i]);
  RC_ASSERT(found == count_by_the_word(all));
}

/// A server with one key behind a cache that is late by at most `lag`.
std::size_t violations_of_a_cache(Instant lag) {
  HistoryChecker checker({.group_of_key = {0}, .staleness_max = kStalenessMax, .clock_margin = 0});
  for (int round = 0; round < 3; ++round) {
    std::vector<WriteRecord> writes;
    std::vector<ReadRecord> reads;
    for (Instant i = 0; i < 100; ++i) {
      const Instant at = (round * 100 + i) * 10;
      const auto version = static_cast<Version>(round * 100 + i + 1);
      writes.push_back({.path = kDirect, .version = version, .start = at, .end = at + 2});
      const auto shown = static_cast<Version>(std::max<Instant>(1, Instant{version} - lag / 10));
      reads.push_back({.version = shown, .start = at + 3, .end = at + 4 + *rc::gen::inRange(0, 5)});
    }
    checker.check_round(std::move(writes), std::move(reads));
  }
  return checker.violation_count();
}

RC_GTEST_PROP(HistoryCheckerModel, CacheThatIsLateWithinTheBoundIsInOrder, ()) {
  RC_ASSERT(violations_of_a_cache(*rc::gen::inRange<Instant>(0, kStalenessMax + 10)) == 0U);
}

RC_GTEST_PROP(HistoryCheckerModel, CacheThatIsLaterIsFound, ()) {
  RC_ASSERT(violations_of_a_cache(*rc::gen::inRange<Instant>(kStalenessMax + 20, 200)) > 0U);
}

}  // namespace
}  // namespace anteroom::test
