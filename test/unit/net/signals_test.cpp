#include "net/signals.hpp"

#include <gtest/gtest.h>
#include <unistd.h>

#include <csignal>
#include <utility>
#include <vector>

#include "support/loop_fixture.hpp"
#include "support/sockets.hpp"

namespace anteroom::net {
namespace {

class SignalsTest : public test::LoopFixture {
 protected:
  using Stop = std::pair<int, unsigned>;
  Signals::Handlers handlers() {
    return {.on_stop = [this](int signal, unsigned times) { stops_.emplace_back(signal, times); },
            .on_hangup = [this] { ++hangups_; }};
  }
  std::vector<Stop> stops_;
  int hangups_ = 0;
};

TEST_F(SignalsTest, TerminateAndInterruptAreCountedTogether) {
  const Signals signals(loop_, handlers());

  kill(getpid(), SIGTERM);
  ASSERT_TRUE(run_until([this] { return stops_.size() == 1; }));
  kill(getpid(), SIGINT);
  ASSERT_TRUE(run_until([this] { return stops_.size() == 2; }));

  EXPECT_EQ(stops_, (std::vector<Stop>{{SIGTERM, 1}, {SIGINT, 2}}));
  EXPECT_EQ(hangups_, 0);
}

TEST_F(SignalsTest, HangupIsNotAStop) {
  const Signals signals(loop_, handlers());
  kill(getpid(), SIGHUP);
  ASSERT_TRUE(run_until([this] { return hangups_ == 1; }));
  EXPECT_TRUE(stops_.empty());
}

TEST_F(SignalsTest, HandlersRunInTheLoopOnly) {
  const Signals signals(loop_, handlers());
  std::raise(SIGTERM);
  EXPECT_TRUE(stops_.empty());
  EXPECT_TRUE(run_until([this] { return !stops_.empty(); }));
}

TEST_F(SignalsTest, BrokenPipeIsIgnored) {
  const Signals signals(loop_, handlers());
  auto [near, far] = test::socket_pair();
  far.reset();
  EXPECT_EQ(write(near.value(), "x", 1), -1);
  EXPECT_EQ(errno, EPIPE);
}

TEST_F(SignalsTest, FormerHandlersComeBack) {
  static volatile std::sig_atomic_t caught = 0;
  const auto before = std::signal(SIGHUP, [](int) { caught = 1; });
  {
    const Signals signals(loop_, handlers());
  }
  std::raise(SIGHUP);
  EXPECT_EQ(caught, 1);
  std::signal(SIGHUP, before);
}

}  // namespace
}  // namespace anteroom::net
