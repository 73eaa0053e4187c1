// Values that are too large for the cache go through in pieces: they are not collected, and hold up nobody.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstddef>
#include <iostream>
#include <string>
#include <string_view>
#include <vector>

#include "support/rig.hpp"
#include "support/sanitizers.hpp"

namespace anteroom::test {
namespace {

constexpr std::size_t kMegabyte = 1024 * 1024;
constexpr std::size_t kLarge = 64 * kMegabyte;

class LargeValue : public SharedRigTest<LargeValue> {
 public:
  static Rig::Options rig_options() { return {.front = {.arguments = {"--workers", "1"}}}; }

 protected:
  std::string large_key() {
    const std::string key = unique_key("large");
    EXPECT_EQ(direct().ask("SETRANGE", key, std::to_string(kLarge - 3), "end"),
              integer(static_cast<std::int64_t>(kLarge)));
    return key;
  }
  static void expect_large(const Reply& reply) {
    ASSERT_EQ(reply.type, '$') << escaped(reply.text, 200);
    ASSERT_EQ(reply.text.size(), kLarge);
    EXPECT_TRUE(reply.text.ends_with("end"));
  }
  std::int64_t front_counter(std::string_view name) {
    return std::stoll(info_field(client().ask("INFO", "anteroom").text, name));
  }
  std::int64_t sent_by_redis() {
    return std::stoll(info_field(direct().ask("INFO", "stats").text, "total_net_output_bytes"));
  }
  long kilobytes(std::string_view field) {
    const std::string status = read_file("/proc/" + std::to_string(front().process().pid()) + "/status");
    const std::size_t at = status.find(field);
    return at == std::string::npos ? 0L : std::stol(status.substr(at + field.size()));
  }
};

INSTANTIATE_TEST_SUITE_P(Over, LargeValue, kBothTransports, transport_name);

TEST_P(LargeValue, IsReadWholeAndFetchedInVainOnlyOnce) {
  const std::string key = large_key();
  const std::int64_t before = redis().calls("get");
  const std::int64_t refused = front_counter("fills_too_large");

  for (int i = 0; i < 3; ++i) expect_large(client().ask("GET", key));

  EXPECT_EQ(front_counter("fills_too_large") - refused, 1);
  EXPECT_EQ(redis().calls("get") - before, 4);
}

TEST_P(LargeValue, ReplacedByASmallOneIsCachedAgain) {
  const std::string key = large_key();
  expect_large(client().ask("GET", key));

  direct().ask("SET", key, "small");

  EXPECT_TRUE(eventually([&] { return client().ask("GET", key) == bulk("small"); }));
  EXPECT_TRUE(eventually([&] {
    const std::int64_t before = redis().calls("get");
    EXPECT_EQ(client().ask("GET", key), bulk("small"));
    return redis().calls("get") == before;
  }));
}

TEST_P(LargeValue, IsRightInMgetHashesAndLists) {
  const std::string key = large_key();
  const std::string hash = unique_key("hash");
  const std::string large(2 * kMegabyte, 'h');
  direct().ask("HSET", hash, "f", large, "g", "small");
  RespClient user = client();
  user.ask("SET", key + "b", "b");

  for (int i = 0; i < 2; ++i) {
    const Reply values = user.ask("MGET", key, key + "b", key + "missing");
    ASSERT_EQ(values.items.size(), 3u);
    expect_large(values.items[0]);
    EXPECT_EQ(values.items[1].text, "b");
    EXPECT_TRUE(values.items[2].is_null);
    EXPECT_EQ(user.ask("HGET", hash, "f"), bulk(large));
    EXPECT_EQ(user.ask("HGET", hash, "g"), bulk("small"));
    EXPECT_EQ(user.ask("HMGET", hash, "f", "g").items.size(), 2u);
    EXPECT_EQ(user.ask("STRLEN", key), integer(static_cast<std::int64_t>(kLarge)));
    EXPECT_EQ(user.ask("GETRANGE", key, "-3", "-1"), bulk("end"));
  }
}

TEST_P(LargeValue, PipelineAroundItKeepsItsOrder) {
  const std::string key = large_key();
  RespClient user = client();
  user.send_raw(encode({"SET", key + "n", "1"}) + encode({"GET", key + "n"}) + encode({"GET", key}) +
                encode({"INCR", key + "n"}) + encode({"GET", key + "n"}) + encode({"SET", key, "new"}) +
                encode({"GET", key}));

  EXPECT_EQ(user.read(), kOk);
  EXPECT_EQ(user.read(), bulk("1"));
  expect_large(user.read());
  EXPECT_EQ(user.read(), integer(2));
  EXPECT_EQ(user.read(), bulk("2"));
  EXPECT_EQ(user.read(), kOk);
  EXPECT_EQ(user.read(), bulk("new"));
}

TEST_P(LargeValue, MemoryStaysBelowOneValueWhileManyPass) {
  constexpr int kRounds = 6;
  const std::string key = large_key();
  ASSERT_EQ(client().ask("PING"), kPong);
  const long before = kilobytes("VmRSS:");

  for (int i = 0; i < kRounds; ++i) expect_large(client().ask("GET", key));

  const long grown = kilobytes("VmHWM:") - before;
  std::cout << "[ memory   ] grown by at most " << grown << " KB\n";
  // What the client has not taken yet is buffered. Collected, a value is there twice, and once more when it is encoded.
  const long limit = static_cast<long>(kLarge / 1024) + 16 * 1024;
  EXPECT_LT(grown, kIsInstrumented ? kRounds * limit : limit);
}

// By the clock of bytes: redis has not sent the value yet when its reader has the first of it, and when another has
// read what is not cached, and has written.
TEST_P(LargeValue, BeginsToArriveAndOthersAreAnsweredWhileItIsUnderWay) {
  const auto is_served_meanwhile = [&](const std::string& large) {
    const std::string key = unique_key("small");
    direct().ask("SET", key, "value");
    RespClient reader = client();
    RespClient other = client();
    EXPECT_EQ(other.ask("PING"), kPong);
    RespClient observer = direct();
    const std::int64_t before = sent_by_redis();
    reader.send({"GET", large});
    EXPECT_TRUE(reader.has_input(kPatience));
    EXPECT_EQ(other.ask("GET", key), bulk("value"));
    EXPECT_EQ(other.ask("INCR", key + "n"), integer(1));
    const std::string stats = observer.ask("INFO", "stats").text;
    const std::int64_t sent = std::stoll(info_field(stats, "total_net_output_bytes")) - before;
    expect_large(reader.read());
    return sent < static_cast<std::int64_t>(kLarge);
  };

  // The first time it travels twice, and what redis has sent says nothing: that is LargeFill's claim. Who looks may be
  // too slow to see it; one that collects the value never succeeds.
  const std::string known = large_key();
  expect_large(client().ask("GET", known));
  bool is_served = false;
  for (int i = 0; i < 50 && !is_served; ++i) is_served = is_served_meanwhile(known);
  EXPECT_TRUE(is_served);
}

}  // namespace
}  // namespace anteroom::test
