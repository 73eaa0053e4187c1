// The cache as its options shape it: number and size of entries, negative entries, the database of the upstream.
#include <gtest/gtest.h>

#include <string>

#include "support/rig.hpp"

namespace anteroom::test {
namespace {

/// A suite with a configuration of its own.
template <typename Derived>
class Configured : public SharedRig<Derived> {
 protected:
  void SetUp() override { this->use(Transport::kTcp); }

  std::int64_t gets_seen_by_server(RespClient& user, const std::string& key, int times) {
    const auto before = this->redis().calls("get");
    for (int i = 0; i < times; ++i) (void)user.ask("GET", key);
    return this->redis().calls("get") - before;
  }
};

class NegativeTtl : public Configured<NegativeTtl> {
 public:
  static Rig::Options rig_options() { return {.front = {.config = R"({"cache":{"negative_ttl_ms":1000}})"}}; }
};

TEST_F(NegativeTtl, NilIsCachedUntilItsTtlAndDroppedByAWrite) {
  const std::string key = unique_key();
  RespClient user = client();
  EXPECT_EQ(gets_seen_by_server(user, key, 5), 1);

  EXPECT_EQ(user.ask("SET", key, "mine"), kOk);
  EXPECT_EQ(user.ask("GET", key), bulk("mine"));

  const std::string foreign = unique_key();
  EXPECT_EQ(user.ask("GET", foreign), kNil);
  direct().ask("SET", foreign, "theirs");
  EXPECT_TRUE(eventually([&] { return user.ask("GET", foreign) == bulk("theirs"); }));
}

class MaxEntryBytes : public Configured<MaxEntryBytes> {
 public:
  static Rig::Options rig_options() { return {.front = {.config = R"({"cache":{"max_entry_bytes":1000}})"}}; }
};

TEST_F(MaxEntryBytes, LargerValuesAreServedButNotCached) {
  const std::string small = unique_key();
  const std::string large = unique_key();
  RespClient user = client();
  user.ask("SET", small, std::string(500, 's'));
  user.ask("SET", large, std::string(2'000, 'l'));
  EXPECT_EQ(gets_seen_by_server(user, small, 4), 1);
  EXPECT_EQ(gets_seen_by_server(user, large, 4), 4);
  EXPECT_EQ(user.ask("GET", large), bulk(std::string(2'000, 'l')));
}

class ByteLimit : public Configured<ByteLimit> {
 public:
  static Rig::Options rig_options() {
    return {.front = {.arguments = {"--capacity", "100000", "--capacity-bytes", "1048576"}}};
  }
};

TEST_F(ByteLimit, TheCacheHoldsAboutThatManyBytesAndNotMore) {
  constexpr int kKeys = 4'000;
  const std::string base = unique_key("bytes");
  const std::string value(1'000, 'v');
  RespClient user = client();
  RespClient backend = direct();
  for (int i = 0; i < kKeys; ++i) {
    const std::string key = base + ":" + std::to_string(i);
    ASSERT_EQ(backend.ask("SET", key, value), kOk);
    ASSERT_EQ(user.ask("GET", key), bulk(value));
  }

  const auto before = redis().calls("get");
  for (int i = kKeys - 1; i >= 0; --i) (void)user.ask("GET", base + ":" + std::to_string(i));
  const auto hits = kKeys - (redis().calls("get") - before);

  EXPECT_LE(hits, 1'048'576 / 1'000);
  EXPECT_GE(hits, 400) << "overhead and the split into shards may cost some, but not most";
}

class CapacityOne : public Configured<CapacityOne> {
 public:
  static Rig::Options rig_options() { return {.front = {.arguments = {"--capacity", "1"}}}; }
};

TEST_F(CapacityOne, AlternatingKeysAreAnsweredRightly) {
  const std::string a = unique_key();
  const std::string b = unique_key();
  RespClient user = client();
  user.ask("SET", a, "A");
  user.ask("SET", b, "B");
  for (int i = 0; i < 50; ++i) {
    ASSERT_EQ(user.ask("GET", a), bulk("A"));
    ASSERT_EQ(user.ask("GET", b), bulk("B"));
  }
  EXPECT_EQ(gets_seen_by_server(user, b, 5), 0);
}

class UpstreamDatabase : public testing::TestWithParam<Transport> {};

INSTANTIATE_TEST_SUITE_P(Over, UpstreamDatabase, kBothTransports, transport_name);

TEST_P(UpstreamDatabase, TheDatabaseOfTheUrlIsTheOneSessionsStartIn) {
  RedisServer redis;
  ASSERT_TRUE(redis.start());
  RespClient backend = redis.connect();
  backend.ask("SELECT", "2");
  backend.ask("SET", "key", "in two");
  const std::string suffix = GetParam() == Transport::kTcp ? "/2" : "?db=2";
  AnteroomProcess front{{.upstream = redis.url(GetParam()) + suffix}};
  ASSERT_TRUE(front.start());

  RespClient user = front.connect(GetParam());

  EXPECT_EQ(user.ask("GET", "key"), bulk("in two"));
  EXPECT_EQ(user.ask("STRLEN", "key"), integer(6));
}

}  // namespace
}  // namespace anteroom::test
