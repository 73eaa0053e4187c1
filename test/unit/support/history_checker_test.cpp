// Hand-made histories, each beside a sibling that differs only in what makes it a violation.
#include "support/history_checker.hpp"

#include <gtest/gtest.h>

#include <ostream>
#include <string>
#include <vector>

namespace anteroom::test {

static std::ostream& operator<<(std::ostream& out, Rule rule) { return out << to_string(rule); }

namespace {

// Keys 0 and 1 stand alone; keys 2 and 3 are always written together.
constexpr std::uint16_t kPairGroup = 2;
const std::vector<std::uint16_t> kGroups{0, 1, kPairGroup, kPairGroup};

/// Times are in milliseconds, the staleness allowed is 1000 and the margin of clocks 50.
class History {
 public:
  explicit History(bool are_mixed_reads_ordered = true)
      : checker_({.group_of_key = kGroups, .are_mixed_reads_ordered = are_mixed_reads_ordered}) {}

  History& write(Version version, int start, int end, Path path = kFrontEnd) {
    writes_.push_back({.path = path, .version = version, .start = start * kMillisecond, .end = end * kMillisecond});
    return *this;
  }
  History& direct_write(Version version, int start, int end) { return write(version, start, end, kDirect); }
  History& deletion(Version version, int start, int end, Path path = kFrontEnd) {
    write(version, start, end, path);
    writes_.back().is_deletion = true;
    return *this;
  }
  /// Of the write before.
  History& to_group(std::uint16_t group) {
    writes_.back().group = group;
    return *this;
  }
  History& for_ms(std::uint32_t ttl_ms) {
    writes_.back().ttl_ms = ttl_ms;
    return *this;
  }
  History& with(Outcome outcome) {
    writes_.back().outcome = outcome;
    return *this;
  }

  History& read(Version version, int start, int end, Path path = kFrontEnd) {
    reads_.push_back({.path = path, .version = version, .start = start * kMillisecond, .end = end * kMillisecond});
    return *this;
  }
  History& nil(int start, int end) { return read(kNoVersion, start, end); }
  History& behind(Version version) {
    reads_.back().at_least = version;
    return *this;
  }
  History& mget(std::vector<std::pair<std::uint16_t, Version>> got, int start, int end) {
    ++mgets_;
    for (const auto& [key, version] : got) {
      read(version, start, end);
      reads_.back().key = key;
      reads_.back().mget = mgets_;
    }
    return *this;
  }

  /// What has been added since the last call is one round.
  std::vector<Rule> check() {
    checker_.check_round(std::move(writes_), std::move(reads_));
    writes_.clear();
    reads_.clear();
    std::vector<Rule> broken;
    for (const Violation& violation : checker_.violations()) broken.push_back(violation.rule);
    return broken;
  }
  const HistoryChecker& checker() const { return checker_; }

 private:
  HistoryChecker checker_;
  std::vector<WriteRecord> writes_;
  std::vector<ReadRecord> reads_;
  std::uint32_t mgets_ = 0;
};

using Broken = std::vector<Rule>;
const Broken kNone;

TEST(HistoryChecker, AnEmptyHistoryIsInOrder) { EXPECT_EQ(History().check(), kNone); }

TEST(HistoryChecker, ReadOfTheNewestVersionIsInOrder) {
  EXPECT_EQ(History().write(1, 0, 1).write(2, 2, 3).read(2, 4, 5).check(), kNone);
}

TEST(HistoryChecker, ReadThatBeginsAfterTheAcknowledgementMustShowTheWrite) {
  EXPECT_EQ(History().write(1, 0, 1).write(2, 2, 10).read(1, 11, 12).check(), Broken{Rule::kReadYourWrites});
  EXPECT_EQ(History().write(1, 0, 1).write(2, 2, 10).read(1, 9, 12).check(), kNone);
}

TEST(HistoryChecker, OnlyWritesThroughTheSameFrontEndMustBeReadAtOnce) {
  EXPECT_EQ(History().direct_write(1, 0, 1).direct_write(2, 2, 10).read(1, 11, 12).check(), kNone);
}

TEST(HistoryChecker, AcknowledgedDeletionIsReadAtOnce) {
  EXPECT_EQ(History().write(1, 0, 1).deletion(2, 2, 3).read(1, 4, 5).check(), Broken{Rule::kReadYourWrites});
  EXPECT_EQ(History().write(1, 0, 1).deletion(2, 2, 3).nil(4, 5).check(), kNone);
  EXPECT_EQ(History().write(1, 0, 1).deletion(2, 2, 3).write(3, 4, 5).nil(6, 7).check(), Broken{Rule::kReadYourWrites});
}

TEST(HistoryChecker, NilWithoutAnyDeletionIsOlderThanTheWrite) {
  EXPECT_EQ(History().write(1, 0, 1).nil(2, 3).check(), Broken{Rule::kReadYourWrites});
  EXPECT_EQ(History().nil(2, 3).check(), kNone);
  EXPECT_EQ(History().write(1, 1, 4).nil(2, 3).check(), kNone);
}

TEST(HistoryChecker, ReadsDoNotGoBackwards) {
  EXPECT_EQ(History().direct_write(1, 0, 1).direct_write(2, 2, 3).read(2, 4, 5).read(1, 6, 7).check(),
            Broken{Rule::kMonotonicReads});
  EXPECT_EQ(History().direct_write(1, 0, 1).direct_write(2, 2, 3).read(2, 4, 7).read(1, 6, 8).check(), kNone)
      << "the reads overlap";
}

TEST(HistoryChecker, ReadsDoNotGoBackwardsFromOneRoundToTheNext) {
  History history;
  EXPECT_EQ(history.direct_write(1, 0, 1).direct_write(2, 2, 3).read(2, 4, 5).check(), kNone);
  EXPECT_EQ(history.read(1, 6, 7).check(), Broken{Rule::kMonotonicReads});
}

TEST(HistoryChecker, ReadsDoNotGoBackBehindADeletionOrToIt) {
  const auto history = [] { return History().direct_write(1, 0, 1).deletion(2, 5, 6, kDirect); };
  EXPECT_EQ(history().read(1, 2, 3).nil(7, 8).read(1, 9, 10).check(), Broken{Rule::kMonotonicReads});
  EXPECT_EQ(history().nil(7, 8).read(1, 9, 10).check(), kNone) << "the nil may be older than the first write";
  EXPECT_EQ(History().deletion(1, 0, 1, kDirect).direct_write(2, 2, 3).read(2, 4, 5).nil(6, 7).check(),
            Broken{Rule::kMonotonicReads});
}

TEST(HistoryChecker, GetsDoNotGoBackBehindMgets) {
  const auto history = [](bool is_ordered) {
    History result{is_ordered};
    result.direct_write(1, 0, 1).direct_write(2, 2, 3).mget({{0, 2}}, 4, 5).read(1, 6, 7);
    return result;
  };
  EXPECT_EQ(history(true).check(), Broken{Rule::kMonotonicMixed});
  EXPECT_EQ(history(true).mget({{0, 1}}, 8, 9).check(), (Broken{Rule::kMonotonicMixed, Rule::kMonotonicReads}));
  History allowed = history(false);
  EXPECT_EQ(allowed.check(), kNone);
  EXPECT_EQ(allowed.checker().mixed_reads_out_of_order(), 1U);
}

TEST(HistoryChecker, NilThatMayStandForSeveralDeletionsCountsAsTheOldest) {
  History history;
  history.direct_write(1, 0, 1).deletion(2, 2, 3, kDirect).direct_write(3, 4, 5).deletion(4, 6, 7, kDirect);
  EXPECT_EQ(history.nil(8, 9).read(3, 10, 11).check(), kNone);
  EXPECT_EQ(history.nil(12, 13).read(1, 14, 15).check(), Broken{Rule::kMonotonicReads});
}

TEST(HistoryChecker, DirectWritesAreReadWithinTheBound) {
  EXPECT_EQ(History().direct_write(1, 0, 1).direct_write(2, 2, 3).read(1, 1'050, 1'051).check(), kNone);
  EXPECT_EQ(History().direct_write(1, 0, 1).direct_write(2, 2, 3).read(1, 1'054, 1'055).check(),
            Broken{Rule::kStaleness});
  EXPECT_EQ(History().direct_write(1, 0, 1).deletion(2, 2, 3, kDirect).read(1, 1'054, 1'055).check(),
            Broken{Rule::kStaleness});
}

TEST(HistoryChecker, VersionsDoNotComeBeforeTheyAreWritten) {
  EXPECT_EQ(History().write(1, 0, 1).write(2, 10, 11).read(2, 8, 9).check(), Broken{Rule::kFuture});
  EXPECT_EQ(History().write(1, 0, 1).write(2, 10, 12).read(2, 8, 11).check(), kNone);
  EXPECT_EQ(History().write(1, 0, 1).read(7, 8, 9).check(), Broken{Rule::kFuture}) << "never written";
  EXPECT_EQ(History().write(1, 0, 1).deletion(2, 10, 12).nil(8, 9).check(), Broken{Rule::kReadYourWrites})
      << "a deletion that comes later";
}

TEST(HistoryChecker, WriteOfUnknownOutcomeMayShowOrNot) {
  const auto history = [] { return History().write(1, 0, 1).write(2, 2, 3).with(Outcome::kUnknown).read(1, 4, 5); };
  EXPECT_EQ(history().read(1, 6, 7).check(), kNone);
  EXPECT_EQ(history().read(2, 6, 7).check(), kNone) << "it ran late";
  EXPECT_EQ(history().read(2, 6, 7).read(1, 8, 9).check(), Broken{Rule::kMonotonicReads});
  EXPECT_EQ(history().write(3, 20, 21).read(2, 22, 23).check(), Broken{Rule::kReadYourWrites});
}

TEST(HistoryChecker, WriteThatWasSaidNotToRunMustNotShow) {
  EXPECT_EQ(History().write(1, 0, 1).write(2, 2, 3).with(Outcome::kNotExecuted).read(2, 4, 5).check(),
            Broken{Rule::kRefusedWrite});
  EXPECT_EQ(History().write(1, 0, 1).write(3, 2, 3).read(2, 4, 5).check(), Broken{Rule::kFuture})
      << "a number that was not used";
  EXPECT_EQ(History().write(1, 0, 1).deletion(2, 2, 3).with(Outcome::kNotExecuted).nil(4, 5).check(),
            Broken{Rule::kReadYourWrites});
}

TEST(HistoryChecker, ValueIsNotServedAfterItsTime) {
  EXPECT_EQ(History().write(1, 0, 1).for_ms(100).read(1, 150, 151).check(), kNone);
  EXPECT_EQ(History().write(1, 0, 1).for_ms(100).read(1, 152, 153).check(), Broken{Rule::kExpired});
  EXPECT_EQ(History().write(1, 0, 1).for_ms(100).write(2, 50, 51).read(2, 152, 153).check(), kNone);
}

TEST(HistoryChecker, NilIsInOrderOnceTheTimeMayBeOver) {
  EXPECT_EQ(History().write(1, 0, 1).for_ms(100).nil(99, 100).check(), kNone);
  EXPECT_EQ(History().write(1, 0, 1).for_ms(100).nil(50, 51).check(), Broken{Rule::kReadYourWrites});
  EXPECT_EQ(History().write(1, 0, 1).for_ms(100).write(2, 50, 51).nil(200, 201).check(), Broken{Rule::kReadYourWrites})
      << "the next write took the time limit away";
  EXPECT_EQ(History().write(1, 0, 1).for_ms(100).nil(101, 102).read(1, 103, 104).check(),
            Broken{Rule::kMonotonicReads});
}

TEST(HistoryChecker, ReadPipelinedBehindAWriteShowsIt) {
  EXPECT_EQ(History().write(1, 0, 1).write(2, 2, 5).read(1, 2, 6).behind(2).check(), Broken{Rule::kProgramOrder});
  EXPECT_EQ(History().write(1, 0, 1).write(2, 2, 5).read(2, 2, 6).behind(2).check(), kNone);
}

TEST(HistoryChecker, KeysOfOneGroupAreReadAlike) {
  const auto history = [] {
    return History().write(1, 0, 1, kDirect).to_group(kPairGroup).write(2, 10, 20, kDirect).to_group(kPairGroup);
  };
  EXPECT_EQ(history().mget({{2, 1}, {3, 1}}, 11, 12).check(), kNone);
  EXPECT_EQ(history().mget({{2, 1}, {3, 2}}, 11, 12).check(), Broken{Rule::kTornMget});
  EXPECT_EQ(history().mget({{2, 1}, {0, 0}, {3, 2}}, 11, 12).check(), Broken{Rule::kTornMget});
  EXPECT_EQ(history().mget({{2, 1}}, 11, 12).mget({{3, 2}}, 11, 12).check(), kNone) << "two commands";
  EXPECT_EQ(History().deletion(1, 0, 9, kDirect).to_group(kPairGroup).mget({{2, 0}, {3, 0}}, 1, 2).check(), kNone);
  EXPECT_EQ(history().deletion(3, 21, 29, kDirect).to_group(kPairGroup).mget({{2, 0}, {3, 2}}, 22, 23).check(),
            Broken{Rule::kTornMget});
}

TEST(HistoryChecker, ValuesOfOneMgetWereThereTogether) {
  const auto history = [](int end_of_second) {
    History result;
    result.direct_write(1, 0, 1).direct_write(2, 2, end_of_second);
    result.direct_write(1, 20, 21).to_group(1);
    return result;
  };
  EXPECT_EQ(history(3).mget({{0, 1}, {1, 1}}, 22, 23).check(), Broken{Rule::kTornMget});
  EXPECT_EQ(history(20).mget({{0, 1}, {1, 1}}, 22, 23).check(), kNone) << "the second write may have run after it";
  EXPECT_EQ(history(3).mget({{0, 2}, {1, 1}}, 22, 23).check(), kNone);
}

TEST(HistoryChecker, DirectReadThatBreaksARuleAccusesTheTest) {
  EXPECT_EQ(History().direct_write(1, 0, 1).direct_write(2, 2, 3).read(1, 4, 5, kDirect).check(),
            Broken{Rule::kServerDisagrees});
  EXPECT_EQ(History().direct_write(1, 0, 5).direct_write(2, 4, 6).check(), Broken{Rule::kServerDisagrees}) << "overlap";
}

TEST(HistoryChecker, FrontEndsAreJudgedEachForItself) {
  HistoryChecker checker({.group_of_key = kGroups, .front_ends = 2});
  const auto at = [](int ms) { return ms * kMillisecond; };
  checker.check_round({{.path = 1, .version = 1, .start = at(0), .end = at(1)},
                       {.path = 1, .version = 2, .start = at(2), .end = at(3)}},
                      {{.path = 1, .version = 2, .start = at(4), .end = at(5)},
                       {.path = 2, .version = 1, .start = at(6), .end = at(7)}});
  EXPECT_EQ(checker.violation_count(), 0U);

  checker.check_round({}, {{.path = 1, .version = 1, .start = at(8), .end = at(9)}});
  EXPECT_EQ(checker.violation_count(Rule::kReadYourWrites), 1U);
  EXPECT_EQ(checker.violation_count(Rule::kMonotonicReads), 1U);
}

TEST(HistoryChecker, TraceTellsTheWritesAndReadsAround) {
  History history;
  history.write(1, 0, 1).write(2, 2, 3).read(2, 4, 5).read(1, 6, 7).check();
  const Violation& violation = history.checker().violations().at(0);
  EXPECT_NE(violation.trace.find("write version 2"), std::string::npos) << violation.trace;
  EXPECT_NE(violation.trace.find("from -2000.0 to -1000.0 us: version 2"), std::string::npos) << violation.trace;
}

TEST(HistoryChecker, StalenessIsTheTimeSinceTheOldestNewerVersion) {
  History history;
  history.direct_write(1, 0, 1).direct_write(2, 2, 3).direct_write(3, 4, 5).read(1, 10, 11).check();
  EXPECT_EQ(history.checker().staleness().max(), 7 * kMillisecond);
  EXPECT_EQ(history.checker().staleness().count(), 1U);
}

}  // namespace
}  // namespace anteroom::test
