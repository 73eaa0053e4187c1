#include "base/unique_fd.hpp"

#include <fcntl.h>
#include <gtest/gtest.h>

#include <utility>

namespace anteroom::base {
namespace {

int open_null() { return open("/dev/null", O_RDONLY | O_CLOEXEC); }
bool is_open(int fd) { return fcntl(fd, F_GETFD) != -1; }

TEST(UniqueFd, IsEmptyByDefault) { EXPECT_FALSE(UniqueFd().is_open()); }

TEST(UniqueFd, ClosesAtTheEndOfItsLife) {
  const int fd = open_null();
  {
    const UniqueFd owner(fd);
    EXPECT_TRUE(owner.is_open());
    EXPECT_EQ(owner.value(), fd);
  }
  EXPECT_FALSE(is_open(fd));
}

TEST(UniqueFd, MovedFromOwnsNothing) {
  UniqueFd first(open_null());
  const int fd = first.value();
  const UniqueFd second(std::move(first));
  EXPECT_FALSE(first.is_open());  // NOLINT(bugprone-use-after-move,clang-analyzer-cplusplus.Move)
  EXPECT_EQ(second.value(), fd);
  EXPECT_TRUE(is_open(fd));
}

TEST(UniqueFd, AssignmentClosesWhatItHad) {
  UniqueFd target(open_null());
  const int old = target.value();
  UniqueFd source(open_null());
  const int kept = source.value();
  target = std::move(source);
  EXPECT_FALSE(is_open(old));
  EXPECT_EQ(target.value(), kept);
}

TEST(UniqueFd, ReleasedDescriptorStaysOpen) {
  UniqueFd owner(open_null());
  const int fd = owner.release();
  EXPECT_FALSE(owner.is_open());
  EXPECT_TRUE(is_open(fd));
  close(fd);
}

TEST(UniqueFd, ResetClosesOnce) {
  UniqueFd owner(open_null());
  const int fd = owner.value();
  owner.reset();
  EXPECT_FALSE(is_open(fd));
  owner.reset();
  EXPECT_FALSE(owner.is_open());
}

}  // namespace
}  // namespace anteroom::base
