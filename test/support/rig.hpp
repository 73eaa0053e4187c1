#pragma once

#include <gtest/gtest.h>

#include <atomic>
#include <map>
#include <memory>
#include <ostream>
#include <string>
#include <string_view>
#include <tuple>
#include <utility>

#include "support/anteroom_process.hpp"
#include "support/redis_server.hpp"

namespace anteroom::test {

/// A real redis-server with a front-end before it.
class Rig {
 public:
  struct Options {
    Transport upstream = Transport::kTcp;
    AnteroomProcess::Options front{};
    RedisServer::Options redis{};
  };

  /// Starts both; is_ready() says whether that worked (if not, the running test has failed).
  explicit Rig(Options options) : redis(options.redis), front(with_upstream(options, redis)) {
    is_ready_ = redis.start() && front.start();
  }

  [[nodiscard]] bool is_ready() const { return is_ready_; }

  RedisServer redis;
  AnteroomProcess front;

 private:
  static AnteroomProcess::Options with_upstream(Options& options, const RedisServer& redis) {
    if (options.front.upstream.empty())
      options.front.upstream = redis.url(options.upstream, "", options.redis.password);
    return options.front;
  }

  bool is_ready_ = false;
};

inline std::ostream& operator<<(std::ostream& out, Transport transport) { return out << to_string(transport); }

/// A key that no other test of this process uses.
inline std::string unique_key(std::string_view hint = "key") {
  static std::atomic<int> counter{0};
  return std::string{hint} + ":" + std::to_string(++counter);
}

/// True when `text` starts with `prefix`; shows both when not. Also for "contains".
inline testing::AssertionResult starts_with(std::string_view text, std::string_view prefix) {
  if (text.starts_with(prefix)) return testing::AssertionSuccess();
  return testing::AssertionFailure() << '"' << escaped(text) << "\" does not start with \"" << escaped(prefix) << '"';
}

inline testing::AssertionResult contains(std::string_view text, std::string_view part) {
  if (text.find(part) != std::string_view::npos) return testing::AssertionSuccess();
  return testing::AssertionFailure() << '"' << escaped(text, 3'000) << "\" does not contain \"" << escaped(part) << '"';
}

/// Fixture base: the tests of one suite share a redis-server and a front-end per transport. `Derived::rig_options()`
/// says how they are started. A front-end that died is a failure of the test in which it died; the next one gets a new
/// pair.
template <typename Derived>
class SharedRig : public testing::Test {
 protected:
  static void TearDownTestSuite() { rigs_.clear(); }

  void use(Transport transport) {
    transport_ = transport;
    std::unique_ptr<Rig>& rig = rigs_[transport];
    if (rig == nullptr) {
      Rig::Options options = Derived::rig_options();
      options.upstream = transport;
      rig = std::make_unique<Rig>(std::move(options));
    }
    ASSERT_TRUE(rig->is_ready());
  }

  void TearDown() override {
    std::unique_ptr<Rig>& rig = rigs_[transport_];
    if (rig == nullptr) return;
    EXPECT_TRUE(rig->front.is_running()) << "anteroom died in this test";
    if (!rig->front.is_running() || !rig->is_ready()) rig.reset();
  }

  Rig& rig() { return *rigs_[transport_]; }
  RedisServer& redis() { return rig().redis; }
  AnteroomProcess& front() { return rig().front; }
  RespClient client() { return front().connect(transport_); }
  RespClient direct() { return redis().connect(); }

 private:
  static inline std::map<Transport, std::unique_ptr<Rig>> rigs_;
  Transport transport_ = Transport::kTcp;
};

/// The usual case: the parameter is the transport both to and from the front-end.
template <typename Derived>
class SharedRigTest : public SharedRig<Derived>, public testing::WithParamInterface<Transport> {
 public:
  static Rig::Options rig_options() { return {}; }

 protected:
  void SetUp() override { this->use(this->GetParam()); }
};

inline const auto kBothTransports = testing::Values(Transport::kTcp, Transport::kUnix);

inline std::string transport_name(const testing::TestParamInfo<Transport>& info) { return to_string(info.param); }

/// For tests over a transport and a case that has a `name`.
template <typename Case>
std::string case_name(const testing::TestParamInfo<std::tuple<Transport, Case>>& info) {
  return to_string(std::get<0>(info.param)) + std::string{std::get<1>(info.param).name};
}

}  // namespace anteroom::test
