#include "server/fd_limit.hpp"

#include <gtest/gtest.h>
#include <sys/resource.h>

namespace anteroom::server {
namespace {

/// The limit is the process's own: what a test changes is given back.
class FdLimit : public ::testing::Test {
 protected:
  void SetUp() override { ASSERT_EQ(getrlimit(RLIMIT_NOFILE, &before_), 0); }
  void TearDown() override { EXPECT_EQ(setrlimit(RLIMIT_NOFILE, &before_), 0); }

  /// Only the soft limit, which may be raised again.
  void set_soft_limit(rlim_t files) {
    rlimit limit = before_;
    limit.rlim_cur = files;
    ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &limit), 0);
  }
  [[nodiscard]] static rlim_t soft_limit() {
    rlimit limit{};
    getrlimit(RLIMIT_NOFILE, &limit);
    return limit.rlim_cur;
  }
  rlimit before_{};
};

TEST_F(FdLimit, IsRaisedUntilAllClientsAndOurOwnFit) {
  if (before_.rlim_max < 2000) GTEST_SKIP() << "the hard limit of this machine is too low";
  set_soft_limit(256);

  EXPECT_EQ(fit_clients_into_fd_limit(1000, 1), 1000u);

  EXPECT_GT(soft_limit(), 1000u);
}

TEST_F(FdLimit, IsNeverLowered) {
  const rlim_t before = soft_limit();

  EXPECT_EQ(fit_clients_into_fd_limit(1, 1), 1u);

  EXPECT_GE(soft_limit(), before);
}

TEST_F(FdLimit, ClientsThatDoNotFitUnderTheHardLimitAreFewerButAtLeastOne) {
  if (before_.rlim_max == RLIM_INFINITY) GTEST_SKIP() << "this machine has no hard limit";
  const auto hard = static_cast<std::size_t>(before_.rlim_max);

  const std::size_t fitting = fit_clients_into_fd_limit(hard, 2);

  EXPECT_GE(fitting, 1u);
  EXPECT_LT(fitting, hard);
  EXPECT_EQ(fit_clients_into_fd_limit(hard, hard), 1u) << "our own files alone are too many";
}

}  // namespace
}  // namespace anteroom::server
