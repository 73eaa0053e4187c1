#include "base/mutex.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <thread>
#include <vector>

namespace anteroom::base {
namespace {

TEST(Mutex, LocksThatNobodyHoldsAreNotWaitedFor) {
  Mutex mutex;
  for (int i = 0; i < 1000; ++i) {
    const MutexLock lock(mutex);
    EXPECT_EQ(mutex.waits().count, 0u);
  }
}

TEST(Mutex, WaitsAreCountedWithTheirTimes) {
  Mutex mutex;
  std::atomic<bool> is_over{false};
  std::uint64_t counter = 0;
  std::uint64_t counted_by_other = 0;
  std::thread other([&] {
    while (!is_over) {
      const MutexLock lock(mutex);
      ++counter;
      ++counted_by_other;
    }
  });
  // As long as it takes for one of the two to find it locked.
  std::uint64_t counted = 0;
  Mutex::Waits waits;
  while (waits.count == 0) {
    const MutexLock lock(mutex);
    ++counter;
    ++counted;
    waits = mutex.waits();
  }
  is_over = true;
  other.join();

  EXPECT_EQ(counter, counted + counted_by_other);
  EXPECT_GT(waits.total.count(), 0);
  EXPECT_GT(waits.longest.count(), 0);
  EXPECT_LE(waits.longest, waits.total);
}

TEST(Mutex, OneAtATimeHoldsItHoweverManyWait) {
  Mutex mutex;
  std::uint64_t counter = 0;
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&] {
      for (int round = 0; round < 20'000; ++round) {
        const MutexLock lock(mutex);
        ++counter;
      }
    });
  }

  for (std::thread& thread : threads) thread.join();

  EXPECT_EQ(counter, 80'000u);
}

}  // namespace
}  // namespace anteroom::base
