#include "cache/system_memory.hpp"

#include <gtest/gtest.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <random>
#include <set>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

namespace anteroom::cache {
namespace {

constexpr std::size_t kPage = 64 * 1024;
constexpr std::size_t kPerRegion = kHugePageBytes / kPage;

std::vector<char*> take_many(PageSource& source, std::size_t count) {
  std::vector<char*> pages;
  for (std::size_t i = 0; i < count; ++i) pages.push_back(source.take());
  return pages;
}
void give_back_all(PageSource& source, const std::vector<char*>& pages) {
  for (char* page : pages) source.give_back(page);
}

std::size_t resident_bytes(char* from, std::size_t size) {
  const auto unit = static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
  std::vector<unsigned char> is_resident(size / unit);
  if (mincore(from, size, is_resident.data()) != 0) return 0;
  return unit * static_cast<std::size_t>(std::ranges::count_if(is_resident, [](unsigned char c) { return c & 1; }));
}

class PageSourceTest : public ::testing::TestWithParam<bool> {
 protected:
  PageSource source{kPage, GetParam()};
};
INSTANTIATE_TEST_SUITE_P(, PageSourceTest, ::testing::Bool(), [](const auto& p) { return p.param ? "Huge" : "Small"; });

TEST_P(PageSourceTest, PagesAreZeroedAndDoNotOverlap) {
  const std::vector<char*> pages = take_many(source, 2 * kPerRegion + 1);

  EXPECT_EQ(std::set<char*>(pages.begin(), pages.end()).size(), pages.size());
  for (std::size_t i = 0; i < pages.size(); ++i) {
    ASSERT_NE(pages[i], nullptr);
    ASSERT_EQ(std::string_view(pages[i], kPage).find_first_not_of('\0'), std::string_view::npos);
    std::memset(pages[i], static_cast<int>(i % 100 + 1), kPage);
  }
  for (std::size_t i = 0; i < pages.size(); ++i) {
    ASSERT_EQ(std::string_view(pages[i], kPage).find_first_not_of(static_cast<char>(i % 100 + 1)),
              std::string_view::npos);
  }
  give_back_all(source, pages);
}

TEST_P(PageSourceTest, PageGivenBackIsZeroedWhenTakenAgain) {
  std::vector<char*> pages = take_many(source, kPerRegion);
  std::memset(pages[3], 'x', kPage);
  source.give_back(pages[3]);

  pages[3] = source.take();

  EXPECT_EQ(std::string_view(pages[3], kPage).find_first_not_of('\0'), std::string_view::npos);
  give_back_all(source, pages);
}

TEST_P(PageSourceTest, RandomUseNeverHandsOutAPageTwice) {
  const std::uint64_t seed = std::random_device{}();
  SCOPED_TRACE(seed);
  std::mt19937_64 random(seed);
  std::vector<char*> taken;
  std::set<char*> unique;
  for (int i = 0; i < 5000; ++i) {
    if (taken.empty() || random() % 100 < (i < 2500 ? 60u : 40u)) {
      taken.push_back(source.take());
      ASSERT_TRUE(unique.insert(taken.back()).second);
      *taken.back() = 1;
    } else {
      std::swap(taken[random() % taken.size()], taken.back());
      source.give_back(taken.back());
      unique.erase(taken.back());
      taken.pop_back();
    }
  }
  give_back_all(source, taken);
  EXPECT_EQ(source.regions(), 0u);
}

TEST_P(PageSourceTest, ThreadsShareIt) {
  std::vector<std::thread> threads;
  for (int t = 1; t <= 4; ++t) {
    threads.emplace_back([this, t] {
      for (int round = 0; round < 20; ++round) {
        const std::vector<char*> pages = take_many(source, 10);
        for (char* page : pages) *page = static_cast<char>(t);
        for (char* page : pages) EXPECT_EQ(*page, t);
        give_back_all(source, pages);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(source.regions(), 0u);
}

TEST(PageSource, HugeRegionsAreUsedUpOneAfterTheOther) {
  PageSource source(kPage, true);
  const std::vector<char*> first = take_many(source, kPerRegion);
  EXPECT_EQ(source.regions(), 1u);
  EXPECT_EQ(reinterpret_cast<std::uintptr_t>(first[0]) % kHugePageBytes, 0u);

  const std::vector<char*> second = take_many(source, 1);
  EXPECT_EQ(source.regions(), 2u);

  give_back_all(source, first);
  EXPECT_EQ(source.regions(), 1u);
  give_back_all(source, second);
  EXPECT_EQ(source.regions(), 0u);
}

TEST(PageSource, MemoryGivenBackIsTheSystemsThoughItsRegionIsInUse) {
  constexpr std::size_t kRegions = 16;
  PageSource source(kPage, true);
  const std::vector<char*> pages = take_many(source, kRegions * kPerRegion);
  for (char* page : pages) std::memset(page, 1, kPage);
  // One page of each region stays.
  std::vector<char*> kept;
  for (std::size_t i = 0; i < pages.size(); ++i) {
    if (i % kPerRegion == 0) {
      kept.push_back(pages[i]);
    } else {
      source.give_back(pages[i]);
    }
  }

  EXPECT_EQ(source.regions(), kRegions);
  for (char* page : kept) EXPECT_EQ(resident_bytes(page, kHugePageBytes), kPage);
  give_back_all(source, kept);
}

TEST(TableMemory, TablesFollowEachOtherFromCacheLineToCacheLine) {
  TableMemory memory(TableMemory::rounded(100) + TableMemory::rounded(64));
  auto* const first = static_cast<char*>(memory.take(100));
  auto* const second = static_cast<char*>(memory.take(64));

  EXPECT_EQ(second - first, 128);
  EXPECT_EQ(reinterpret_cast<std::uintptr_t>(first) % 64, 0u);
  std::memset(first, 1, 100);
  std::memset(second, 2, 64);
  EXPECT_TRUE(memory.owns(first));
  EXPECT_TRUE(memory.owns(second + 63));
  EXPECT_EQ(memory.take(1), nullptr);
}

TEST(TableMemory, LargeOnesBeginWithAHugePage) {
  TableMemory memory(3 * kHugePageBytes / 2);
  auto* const table = static_cast<char*>(memory.take(3 * kHugePageBytes / 2));

  EXPECT_EQ(reinterpret_cast<std::uintptr_t>(table) % kHugePageBytes, 0u);
  std::memset(table, 1, 3 * kHugePageBytes / 2);
  char elsewhere = 0;
  EXPECT_FALSE(memory.owns(&elsewhere));
}

}  // namespace
}  // namespace anteroom::cache
