#pragma once

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sched.h>

#include <cerrno>
#include <string>
#include <vector>

#include "base/unique_fd.hpp"
#include "support/process.hpp"

namespace anteroom::test {

/// A network of its own for what this thread opens and starts while the object lives: loopback alone, with whatever
/// addresses and routes ip(8) is told to give it. Needs root.
class NetworkNamespace {
 public:
  NetworkNamespace() : former_(open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC)) {
    EXPECT_EQ(unshare(CLONE_NEWNET), 0) << errno;
    ip({"link", "set", "lo", "up"});
  }
  ~NetworkNamespace() { EXPECT_EQ(setns(former_.value(), CLONE_NEWNET), 0) << errno; }
  NetworkNamespace(const NetworkNamespace&) = delete;
  NetworkNamespace& operator=(const NetworkNamespace&) = delete;

  static void ip(std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(), "ip");
    const Finished finished = run(arguments);
    EXPECT_EQ(finished.status, ExitStatus{.code = 0}) << finished.errors;
  }

 private:
  base::UniqueFd former_;
};

}  // namespace anteroom::test
