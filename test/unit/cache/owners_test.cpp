#include "cache/owners.hpp"

#include <gtest/gtest.h>

#include <chrono>
#include <cstdint>
#include <set>
#include <utility>

namespace anteroom::cache {
namespace {

using namespace std::chrono_literals;

constexpr OwnerId kOwner{7};
constexpr OwnerId kOther{255};
constexpr base::TimePoint kNow{1h};

class OwnersTest : public testing::Test {
 protected:
  Owners owners{Rules{}, 10s};
};

TEST_F(OwnersTest, EveryBumpThatConcernsAnOwnerGivesANewNumber) {
  std::set<std::uint32_t> seen = {owners.epoch(kOwner)};
  for (int i = 0; i < 10; ++i) {
    owners.bump(kOwner);
    EXPECT_TRUE(seen.insert(owners.epoch(kOwner)).second);
    owners.bump_all();
    EXPECT_TRUE(seen.insert(owners.epoch(kOwner)).second);
    owners.lose(kOwner, kNow);
    EXPECT_TRUE(seen.insert(owners.epoch(kOwner)).second);
  }
  EXPECT_EQ(owners.bumps(), 30u);
}

TEST_F(OwnersTest, BumpAndLossOfOneOwnerLeaveTheOthers) {
  const std::uint32_t before = owners.epoch(kOther);
  owners.bump(kOwner);
  owners.lose(kOwner, kNow);
  EXPECT_EQ(owners.epoch(kOther), before);
}

TEST_F(OwnersTest, LeaseHoldsBeforeItsEndAndIsEndlessAtFirst) {
  EXPECT_TRUE(owners.has_lease(kOwner, kNow));
  owners.set_lease(kOwner, kNow + 1s);
  EXPECT_TRUE(owners.has_lease(kOwner, kNow + 1s - 1ns));
  EXPECT_FALSE(owners.has_lease(kOwner, kNow + 1s));
  EXPECT_TRUE(owners.has_lease(kOther, kNow + 1s));
  owners.set_lease(kOwner, base::kNever);
  EXPECT_TRUE(owners.has_lease(kOwner, kNow + 24h * 36500));
}

TEST_F(OwnersTest, WhatWasCurrentAtALossMayBeServedForAWhile) {
  const std::uint32_t before = owners.epoch(kOwner);
  EXPECT_FALSE(owners.may_serve_lost(kOwner, before, kNow)) << "it is not lost";

  owners.lose(kOwner, kNow);

  EXPECT_TRUE(owners.may_serve_lost(kOwner, before, kNow + 10s - 1ns));
  EXPECT_FALSE(owners.may_serve_lost(kOwner, before, kNow + 10s));
  EXPECT_FALSE(owners.may_serve_lost(kOwner, before - 1, kNow));
  EXPECT_FALSE(owners.may_serve_lost(kOther, before, kNow));
  EXPECT_EQ(owners.stale_until(kOwner), kNow + 10s);
}

TEST_F(OwnersTest, SecondLossDoesNotProlongTheFirst) {
  const std::uint32_t before = owners.epoch(kOwner);
  owners.lose(kOwner, kNow);
  owners.lose(kOwner, kNow + 5s);

  EXPECT_TRUE(owners.may_serve_lost(kOwner, before, kNow + 9s));
  EXPECT_FALSE(owners.may_serve_lost(kOwner, before, kNow + 10s));
}

TEST_F(OwnersTest, LossAfterTheEndOfTheFirstCountsAnew) {
  owners.lose(kOwner, kNow);
  const std::uint32_t between = owners.epoch(kOwner);
  owners.lose(kOwner, kNow + 10s);

  EXPECT_TRUE(owners.may_serve_lost(kOwner, between, kNow + 19s));
  EXPECT_FALSE(owners.may_serve_lost(kOwner, between - 1, kNow + 19s));
}

TEST_F(OwnersTest, RecoveryAndEveryLaterBumpEndThePermission) {
  const auto lost_epoch = [this] {
    const std::uint32_t before = owners.epoch(kOwner);
    owners.lose(kOwner, kNow);
    EXPECT_TRUE(owners.may_serve_lost(kOwner, before, kNow));
    return before;
  };

  std::uint32_t epoch = lost_epoch();
  owners.recover(kOwner);
  EXPECT_FALSE(owners.may_serve_lost(kOwner, epoch, kNow));
  epoch = lost_epoch();
  owners.bump(kOwner);
  EXPECT_FALSE(owners.may_serve_lost(kOwner, epoch, kNow));
  epoch = lost_epoch();
  owners.bump_all();
  EXPECT_FALSE(owners.may_serve_lost(kOwner, epoch, kNow));
}

TEST_F(OwnersTest, LossAfterABumpOfAllIsAllowedItsOwnEntries) {
  owners.lose(kOwner, kNow);
  owners.bump_all();
  const std::uint32_t before = owners.epoch(kOwner);
  owners.lose(kOwner, kNow + 1s);

  EXPECT_TRUE(owners.may_serve_lost(kOwner, before, kNow + 2s));
}

TEST_F(OwnersTest, EverythingThatMayMakeEntriesWorthlessIsAChange) {
  std::uint64_t changes = owners.changes();
  const auto has_changed = [&] { return std::exchange(changes, owners.changes()) != owners.changes(); };
  owners.bump(kOwner);
  EXPECT_TRUE(has_changed());
  owners.bump_all();
  EXPECT_TRUE(has_changed());
  owners.lose(kOwner, kNow);
  EXPECT_TRUE(has_changed());
  owners.recover(kOwner);
  EXPECT_TRUE(has_changed());
  owners.set_lease(kOwner, kNow);
  EXPECT_FALSE(has_changed());
}

TEST(OwnersWithoutStaleIfError, LossAllowsNothing) {
  Owners owners(Rules{}, 0s);
  const std::uint32_t before = owners.epoch(kOwner);
  owners.lose(kOwner, kNow);

  EXPECT_FALSE(owners.may_serve_lost(kOwner, before, kNow));
  EXPECT_NE(owners.epoch(kOwner), before);
}

TEST(OwnersWithEndlessStaleIfError, DoNotOverflow) {
  Owners owners(Rules{}, base::Duration::max());
  const std::uint32_t before = owners.epoch(kOwner);
  owners.lose(kOwner, kNow);

  EXPECT_TRUE(owners.may_serve_lost(kOwner, before, kNow + 24h * 3650));
}

TEST(OwnersWithoutRules, LossAndLeaseDoNothing) {
  Owners owners({.loss_bumps_epoch = false, .lease_limits_hits = false}, 10s);
  const std::uint32_t before = owners.epoch(kOwner);
  owners.lose(kOwner, kNow);
  owners.set_lease(kOwner, kNow);

  EXPECT_EQ(owners.epoch(kOwner), before);
  EXPECT_TRUE(owners.has_lease(kOwner, kNow + 1h));
}

}  // namespace
}  // namespace anteroom::cache
