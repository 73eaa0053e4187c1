// The scenarios of the original caching tool's own tests, played against a real redis-server: what its users rely on.
#include <gtest/gtest.h>

#include <string>
#include <thread>
#include <vector>

#include "support/rig.hpp"

namespace anteroom::test {
namespace {

/// The original knew nothing of changes at the backend before its TTL.
class OriginalTool : public SharedRigTest<OriginalTool> {
 public:
  static Rig::Options rig_options() { return {.front = {.arguments = {"--consistency", "ttl"}}}; }
};

INSTANTIATE_TEST_SUITE_P(Over, OriginalTool, kBothTransports, transport_name);

TEST_P(OriginalTool, MissFetchesOnceAndHitsDoNotReachTheBackend) {
  const std::string key = unique_key();
  direct().ask("SET", key, "123");
  const auto before = redis().calls("get");
  RespClient user = client();

  for (int i = 0; i < 10; ++i) ASSERT_EQ(user.ask("GET", key), bulk("123"));

  EXPECT_EQ(redis().calls("get") - before, 1);
}

TEST_P(OriginalTool, HitStillGivesTheOldValueAfterTheBackendChanged) {
  const std::string key = unique_key();
  RespClient backend = direct();
  backend.ask("SET", key, "123");
  RespClient user = client();
  ASSERT_EQ(user.ask("GET", key), bulk("123"));

  backend.ask("SET", key, "321");

  EXPECT_EQ(user.ask("GET", key), bulk("123"));
  EXPECT_EQ(client().ask("GET", key), bulk("123")) << "another client, the same cache";
}

TEST_P(OriginalTool, MissingKeyIsNilAndIsAskedForEachTime) {
  const std::string key = unique_key("missing");
  const auto before = redis().calls("get");
  RespClient user = client();

  for (int i = 0; i < 3; ++i) EXPECT_EQ(user.ask("GET", key), kNil);

  EXPECT_EQ(redis().calls("get") - before, 3);
}

TEST_P(OriginalTool, CommandNamesAreTakenInAnyCase) {
  const std::string key = unique_key();
  RespClient user = client();
  EXPECT_EQ(user.ask("sEt", key, "v"), kOk);
  EXPECT_EQ(user.ask("get", key), bulk("v"));
  EXPECT_EQ(user.ask("GeT", key), bulk("v"));
  EXPECT_EQ(user.ask("ping"), kPong);
}

TEST_P(OriginalTool, PingAnswersLikeRedis) {
  RespClient user = client();
  EXPECT_EQ(user.ask("PING"), kPong);
  EXPECT_EQ(user.ask("PING", "hello"), bulk("hello"));
}

TEST_P(OriginalTool, ThreeConcurrentClientsEachSeeTheirOwnValues) {
  constexpr int kKeys = 300;
  const std::string base = unique_key("concurrent");
  const auto key_of = [&](int owner, int i) { return base + ":" + std::to_string(owner) + ":" + std::to_string(i); };
  RespClient backend = direct();
  for (int owner = 0; owner < 3; ++owner) {
    for (int i = 0; i < kKeys; ++i) backend.ask("SET", key_of(owner, i), key_of(owner, i));
  }

  std::vector<int> wrong(3, 0);
  std::vector<std::thread> threads;
  for (int owner = 0; owner < 3; ++owner) {
    threads.emplace_back([&, owner, user = client()]() mutable {
      for (int round = 0; round < 2; ++round) {
        for (int i = 0; i < kKeys; ++i) {
          const std::string key = key_of(owner, i);
          if (user.ask("GET", key) != bulk(key)) ++wrong[static_cast<std::size_t>(owner)];
        }
      }
    });
  }
  for (std::thread& thread : threads) thread.join();

  EXPECT_EQ(wrong, std::vector<int>({0, 0, 0}));
}

TEST_P(OriginalTool, ThousandReaddsOfOneKeyKeepTheLastValue) {
  const std::string key = unique_key();
  RespClient user = client();
  for (int i = 0; i < 1'000; ++i) {
    const std::string value = std::to_string(i);
    ASSERT_EQ(user.ask("SET", key, value), kOk);
    ASSERT_EQ(user.ask("GET", key), bulk(value));
  }

  const auto before = redis().calls("get");
  EXPECT_EQ(user.ask("GET", key), bulk("999"));
  EXPECT_EQ(redis().calls("get"), before);
}

class OriginalToolCapacity : public SharedRigTest<OriginalToolCapacity> {
 public:
  static Rig::Options rig_options() { return {.front = {.arguments = {"--capacity", "1024"}}}; }
};

INSTANTIATE_TEST_SUITE_P(Over, OriginalToolCapacity, kBothTransports, transport_name);

TEST_P(OriginalToolCapacity, Of2048KeysIn1024PlacesTheLastAreHitsAndTheFirstAreMisses) {
  constexpr int kPlaces = 1024;
  const std::string base = unique_key("lru");
  const auto key_of = [&](int i) { return base + ":" + std::to_string(i); };
  RespClient backend = direct();
  std::string pipeline;
  for (int i = 0; i < 2 * kPlaces; ++i) pipeline += encode({"SET", key_of(i), std::to_string(i)});
  backend.send_raw(pipeline);
  (void)backend.read_many(2 * kPlaces);
  RespClient user = client();
  const auto get_range = [&](int from, int to) {
    const auto before = redis().calls("get");
    for (int i = from; i < to; ++i) EXPECT_EQ(user.ask("GET", key_of(i)), bulk(std::to_string(i)));
    return redis().calls("get") - before;
  };

  EXPECT_EQ(get_range(0, 2 * kPlaces), 2 * kPlaces) << "all are new";
  EXPECT_EQ(get_range(kPlaces, 2 * kPlaces), 0) << "the last 1024 are hits";
  EXPECT_EQ(get_range(0, kPlaces), kPlaces) << "the first 1024 are misses";
}

TEST_P(OriginalToolCapacity, AHitMakesAKeyTheMostRecentOne) {
  const std::string base = unique_key("recency");
  const std::string kept = base + ":kept";
  RespClient user = client();
  RespClient backend = direct();
  backend.ask("SET", kept, "v");
  std::string pipeline;
  for (int i = 0; i < 4'000; ++i) pipeline += encode({"SET", base + ":" + std::to_string(i), "x"});
  backend.send_raw(pipeline);
  (void)backend.read_many(4'000);
  user.ask("GET", kept);

  for (int i = 0; i < 4'000; ++i) {
    ASSERT_EQ(user.ask("GET", base + ":" + std::to_string(i)), bulk("x"));
    if (i % 100 == 0) {
      ASSERT_EQ(user.ask("GET", kept), bulk("v"));
    }
  }

  const auto before = redis().calls("get");
  EXPECT_EQ(user.ask("GET", kept), bulk("v"));
  EXPECT_EQ(redis().calls("get"), before);
}

class OriginalToolTtl : public SharedRigTest<OriginalToolTtl> {
 public:
  static constexpr milliseconds kTtl{1'500};
  static Rig::Options rig_options() {
    return {.front = {.arguments = {"--consistency", "ttl", "--cache-ttl", "1500", "--cache-ttl-jitter", "0",
                                    "--cache-period", "50"}}};
  }
};

INSTANTIATE_TEST_SUITE_P(Over, OriginalToolTtl, kBothTransports, transport_name);

TEST_P(OriginalToolTtl, AChangedBackendValueIsSeenAfterTheTtlAndNotBefore) {
  const std::string key = unique_key();
  RespClient backend = direct();
  backend.ask("SET", key, "old");
  RespClient user = client();
  const auto filled = Clock::now();
  ASSERT_EQ(user.ask("GET", key), bulk("old"));
  backend.ask("SET", key, "new");

  ASSERT_TRUE(eventually([&] { return user.ask("GET", key) != bulk("old"); }));

  EXPECT_EQ(user.ask("GET", key), bulk("new"));
  EXPECT_GE(Clock::now() - filled, kTtl * 3 / 4);
}

TEST_P(OriginalToolTtl, ReadingAnEntryDoesNotProlongItsLife) {
  const std::string key = unique_key();
  RespClient backend = direct();
  backend.ask("SET", key, "old");
  RespClient user = client();
  user.ask("GET", key);
  const auto filled = Clock::now();
  backend.ask("SET", key, "new");

  while (Clock::now() - filled < kTtl + milliseconds{200}) (void)user.ask("GET", key);

  EXPECT_EQ(user.ask("GET", key), bulk("new"));
}

}  // namespace
}  // namespace anteroom::test
