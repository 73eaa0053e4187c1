// Concurrent misses on one key cost the server one GET.
#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

#include "support/rig.hpp"

namespace anteroom::test {
namespace {

constexpr int kClients = 500;
constexpr int kPipelined = 20;  // 500 x 20 = 10,000 GETs are under way at once

class Coalescing : public SharedRigTest<Coalescing> {
 public:
  static Rig::Options rig_options() {
    return {.front = {.arguments = {"--workers", "2", "--response-timeout", "120000"},
                      .config = R"({"cache":{"fill_timeout_ms":120000}})"}};
  }

 protected:
  std::vector<RespClient> many_clients() {
    std::vector<RespClient> clients;
    for (int i = 0; i < kClients; ++i) {
      clients.push_back(client());
      EXPECT_EQ(clients.back().ask("PING"), kPong);
    }
    return clients;
  }

  /// Makes sure that each worker has its links: what is measured is coalescing, not connecting.
  void warm_up() {
    const std::string key = unique_key("warm");
    for (int i = 0; i < 16; ++i) EXPECT_EQ(client().ask("GET", key), kNil);
  }
};

INSTANTIATE_TEST_SUITE_P(Over, Coalescing, kBothTransports, transport_name);

TEST_P(Coalescing, TenThousandConcurrentGetsOfOneColdKeyAreOneUpstreamGet) {
  const std::string key = unique_key("cold");
  direct().ask("SET", key, "value");
  std::string pipeline;
  for (int i = 0; i < kPipelined; ++i) pipeline += encode({"GET", key});
  warm_up();
  std::vector<RespClient> clients = many_clients();
  const auto before = redis().calls("get");

  redis().pause();
  for (RespClient& each : clients) each.send_raw(pipeline);
  const bool is_all_read = eventually([&] { return bytes_not_read_by_server(clients) == 0; });
  redis().resume();

  EXPECT_TRUE(is_all_read);
  for (RespClient& each : clients) {
    for (int i = 0; i < kPipelined; ++i) ASSERT_EQ(each.read(), bulk("value"));
  }
  EXPECT_EQ(redis().calls("get") - before, 1);
}

TEST_P(Coalescing, TheSameWithoutAPauseIsAlsoOneUpstreamGet) {
  const std::string key = unique_key("cold");
  direct().ask("SET", key, "value");
  std::string pipeline;
  for (int i = 0; i < kPipelined; ++i) pipeline += encode({"GET", key});
  std::vector<RespClient> clients = many_clients();
  const auto before = redis().calls("get");

  for (RespClient& each : clients) each.send_raw(pipeline);

  for (RespClient& each : clients) {
    for (int i = 0; i < kPipelined; ++i) ASSERT_EQ(each.read(), bulk("value"));
  }
  EXPECT_EQ(redis().calls("get") - before, 1);
}

TEST_P(Coalescing, EachOfManyColdKeysIsFetchedOnceAndGoesToItsAskers) {
  constexpr int kKeys = 100;
  const std::string base = unique_key("cold");
  const auto key_of = [&](int i) { return base + ":" + std::to_string(i); };
  RespClient backend = direct();
  for (int i = 0; i < kKeys; ++i) backend.ask("SET", key_of(i), "value " + key_of(i));
  warm_up();
  std::vector<RespClient> clients;
  for (int i = 0; i < 50; ++i) clients.push_back(client());
  const auto before = redis().calls("get");

  redis().pause();
  for (std::size_t c = 0; c < clients.size(); ++c) {
    std::string pipeline;
    for (int i = 0; i < kKeys; ++i) pipeline += encode({"GET", key_of((i + static_cast<int>(c)) % kKeys)});
    clients[c].send_raw(pipeline);
  }
  const bool is_all_read = eventually([&] { return bytes_not_read_by_server(clients) == 0; });
  redis().resume();

  EXPECT_TRUE(is_all_read);
  for (std::size_t c = 0; c < clients.size(); ++c) {
    for (int i = 0; i < kKeys; ++i) {
      ASSERT_EQ(clients[c].read(), bulk("value " + key_of((i + static_cast<int>(c)) % kKeys)));
    }
  }
  EXPECT_EQ(redis().calls("get") - before, kKeys);
}

TEST_P(Coalescing, AnAskerThatLeavesDoesNotTakeTheFetchAwayFromTheOthers) {
  const std::string key = unique_key("cold");
  direct().ask("SET", key, "value");
  warm_up();
  std::vector<RespClient> stayers;
  for (int i = 0; i < 10; ++i) stayers.push_back(client());
  std::vector<RespClient> first_asker;
  first_asker.push_back(client());

  redis().pause();
  first_asker[0].send({"GET", key});
  const bool is_first = eventually([&] { return bytes_not_read_by_server(first_asker) == 0; });
  for (RespClient& each : stayers) each.send({"GET", key});
  const bool is_all_read = eventually([&] { return bytes_not_read_by_server(stayers) == 0; });
  first_asker[0].close();
  redis().resume();

  EXPECT_TRUE(is_first && is_all_read);
  for (RespClient& each : stayers) EXPECT_EQ(each.read(), bulk("value"));
}

TEST_P(Coalescing, AllAskersGetTheErrorWhenTheFetchFails) {
  const std::string key = unique_key("cold");
  direct().ask("RPUSH", key, "a list");
  warm_up();
  std::vector<RespClient> clients;
  for (int i = 0; i < 50; ++i) clients.push_back(client());

  redis().pause();
  for (RespClient& each : clients) each.send({"GET", key});
  const bool is_all_read = eventually([&] { return bytes_not_read_by_server(clients) == 0; });
  redis().resume();

  EXPECT_TRUE(is_all_read);
  for (RespClient& each : clients) EXPECT_TRUE(starts_with(each.read().raw, "-WRONGTYPE "));
}

}  // namespace
}  // namespace anteroom::test
