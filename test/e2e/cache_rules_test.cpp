// What is cached, for how long, and what is never cached.
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "support/rig.hpp"

namespace anteroom::test {
namespace {

class CacheRules : public SharedRigTest<CacheRules> {
 protected:
  /// Asks for the key `times` times and says how many of the GETs the server saw.
  std::int64_t upstream_gets(RespClient& user, const std::string& key, int times, const Reply& expected) {
    const auto before = redis().calls("get");
    for (int i = 0; i < times; ++i) EXPECT_TRUE(user.ask("GET", key) == expected);
    return redis().calls("get") - before;
  }

  Reply truth(const std::string& key) { return direct().ask("GET", key); }
};

INSTANTIATE_TEST_SUITE_P(Over, CacheRules, kBothTransports, transport_name);

TEST_P(CacheRules, AKeyIsNeverServedBeyondItsTtlOnTheServer) {
  const std::string key = unique_key();
  RespClient backend = direct();
  RespClient user = client();
  backend.ask("PSETEX", key, "700", "v");
  ASSERT_EQ(user.ask("GET", key), bulk("v"));

  ASSERT_TRUE(eventually([&] {
    const bool is_gone = backend.ask("EXISTS", key) == integer(0);
    const Reply seen = user.ask("GET", key);
    if (is_gone) {
      EXPECT_EQ(seen, kNil);
    }
    return is_gone;
  }));
}

TEST_P(CacheRules, AnExpireThroughTheFrontEndShortensACachedEntry) {
  const std::string key = unique_key();
  RespClient user = client();
  user.ask("SET", key, "v");
  ASSERT_EQ(user.ask("GET", key), bulk("v"));

  ASSERT_EQ(user.ask("PEXPIRE", key, "300"), integer(1));
  (void)user.ask("GET", key);

  EXPECT_TRUE(eventually([&] { return direct().ask("EXISTS", key) == integer(0); }));
  EXPECT_EQ(user.ask("GET", key), kNil);
}

TEST_P(CacheRules, TtlQueriesAreAlwaysForwarded) {
  const std::string key = unique_key();
  RespClient user = client();
  RespClient backend = direct();
  backend.ask("SET", key, "v");
  user.ask("GET", key);
  EXPECT_EQ(user.ask("TTL", key), integer(-1));
  backend.ask("EXPIRE", key, "1000");
  EXPECT_GT(user.ask("TTL", key).number(), 900);
}

TEST_P(CacheRules, NilIsCachedUntilTheKeyIsCreated) {
  const std::string key = unique_key();
  RespClient user = client();
  EXPECT_EQ(upstream_gets(user, key, 10, truth(key)), 1);
  direct().ask("SET", key, "v");
  EXPECT_TRUE(eventually([&] { return user.ask("GET", key) == bulk("v"); }));
}

TEST_P(CacheRules, WrongTypeIsPassedOnAndNotCached) {
  const std::string key = unique_key();
  RespClient backend = direct();
  backend.ask("RPUSH", key, "a");
  RespClient user = client();
  ASSERT_EQ(user.ask("GET", key), truth(key));
  EXPECT_TRUE(starts_with(user.ask("GET", key).raw, "-WRONGTYPE "));

  backend.ask("DEL", key);
  backend.ask("SET", key, "v");

  EXPECT_EQ(user.ask("GET", key), bulk("v"));
}

TEST_P(CacheRules, DatabasesAreSeparateNamespaces) {
  const std::string key = unique_key();
  RespClient user = client();
  for (const char* db : {"0", "1", "2"}) {
    user.ask("SELECT", db);
    user.ask("SET", key, std::string{"in "} + db);
    user.ask("GET", key);
  }
  for (const char* db : {"1", "0", "2", "0"}) {
    ASSERT_EQ(user.ask("SELECT", db), kOk);
    EXPECT_EQ(user.ask("GET", key), bulk(std::string{"in "} + db));
  }
  user.ask("SELECT", "1");
  user.ask("DEL", key);
  EXPECT_EQ(user.ask("GET", key), kNil);
  user.ask("SELECT", "2");
  EXPECT_EQ(user.ask("GET", key), bulk("in 2"));
  EXPECT_EQ(client().ask("GET", key), bulk("in 0"));
}

TEST_P(CacheRules, AWriteToTheSameKeyOfAnotherDatabaseNeverShowsItsValueHere) {
  const std::string key = unique_key();
  RespClient zero = client();
  RespClient three = client();
  three.ask("SELECT", "3");
  zero.ask("SET", key, "zero");
  three.ask("SET", key, "three");
  for (int i = 0; i < 50; ++i) {
    ASSERT_EQ(zero.ask("GET", key), bulk("zero"));
    ASSERT_EQ(three.ask("GET", key), bulk("three"));
  }
  three.ask("COPY", key, key, "DB", "0", "REPLACE");
  EXPECT_EQ(zero.ask("GET", key), bulk("three"));
}

TEST_P(CacheRules, KeysMayBeEmptyOrBinaryOrLong) {
  using namespace std::string_literals;
  RespClient user = client();
  for (const std::string& key : {""s, "\r\n"s, "a\0b"s, "\xff\xfe"s, "*1\r\n$4\r\nPING\r\n"s, std::string(4000, 'k')}) {
    ASSERT_EQ(user.ask("SET", key, "v" + key), kOk);
    ASSERT_EQ(upstream_gets(user, key, 3, truth(key)), 1) << escaped(key, 30);
    EXPECT_EQ(user.ask("DEL", key), integer(1));
    EXPECT_EQ(user.ask("GET", key), kNil);
  }
  // Longer ones are read, but not worth an entry.
  const std::string key(100'000, 'k');
  user.ask("SET", key, "v");
  EXPECT_EQ(upstream_gets(user, key, 3, truth(key)), 3);
}

TEST_P(CacheRules, KeysThatSharePrefixesAreDifferent) {
  const std::string base = unique_key();
  RespClient user = client();
  std::vector<std::string> keys{base};
  for (int i = 0; i < 20; ++i) keys.push_back(keys.back() + "x");
  for (const std::string& key : keys) user.ask("SET", key, key);
  for (int round = 0; round < 2; ++round) {
    for (const std::string& key : keys) ASSERT_EQ(user.ask("GET", key), bulk(key));
  }
}

TEST_P(CacheRules, OtherReadsOfACachedKeyAgreeWithItsWrites) {
  const std::string key = unique_key();
  RespClient user = client();
  user.ask("SET", key, "hello");
  user.ask("GET", key);
  EXPECT_EQ(user.ask("STRLEN", key), integer(5));
  EXPECT_EQ(user.ask("GETRANGE", key, "1", "3"), bulk("ell"));
  EXPECT_EQ(user.ask("MGET", key, key + "-no"), "*2\r\n$5\r\nhello\r\n$-1\r\n");
  EXPECT_EQ(user.ask("EXISTS", key), integer(1));
  user.ask("APPEND", key, "!");
  EXPECT_EQ(user.ask("GETRANGE", key, "0", "-1"), bulk("hello!"));
  EXPECT_EQ(user.ask("GET", key), bulk("hello!"));
}

TEST_P(CacheRules, ATwentyMegabyteValueGoesThroughUnchangedTwice) {
  const std::string key = unique_key();
  std::string value(20'000'000, '\0');
  for (std::size_t i = 0; i < value.size(); ++i) value[i] = static_cast<char>(i * 7 + i / 251);
  RespClient user = client();
  ASSERT_EQ(user.ask("SET", key, value), kOk);
  const std::string expected = bulk(value);
  EXPECT_TRUE(user.ask("GET", key) == expected);
  EXPECT_TRUE(client().ask("GET", key) == expected);
  user.ask("DEL", key);
}

class ValueSize : public SharedRig<ValueSize>, public testing::WithParamInterface<std::size_t> {
 public:
  static Rig::Options rig_options() { return {}; }

 protected:
  void SetUp() override { use(Transport::kTcp); }
};

INSTANTIATE_TEST_SUITE_P(Bytes, ValueSize,
                         testing::Values(0, 1, 2, 255, 256, 2'047, 2'048, 2'049, 16'383, 16'384, 65'536, 500'000));

TEST_P(ValueSize, BinaryValuesComeBackUnchangedFromTheServerAndFromTheCache) {
  const std::string key = unique_key();
  std::string value(GetParam(), '\0');
  for (std::size_t i = 0; i < value.size(); ++i) value[i] = static_cast<char>(i);  // includes CR, LF, NUL and $
  RespClient user = client();
  ASSERT_EQ(user.ask("SET", key, value), kOk);
  const auto before = redis().calls("get");

  for (int i = 0; i < 3; ++i) EXPECT_TRUE(user.ask("GET", key) == bulk(value));

  EXPECT_EQ(redis().calls("get") - before, 1);
}

TEST_P(ValueSize, PipelinedHitsOfAValueComeBackWhole) {
  const std::string key = unique_key();
  const std::string value(GetParam(), 'v');
  RespClient user = client();
  user.ask("SET", key, value);
  std::string pipeline;
  for (int i = 0; i < 20; ++i) pipeline += encode({"GET", key}) + encode({"ECHO", std::to_string(i)});
  ASSERT_TRUE(user.send_raw(pipeline));
  for (int i = 0; i < 20; ++i) {
    ASSERT_TRUE(user.read() == bulk(value));
    ASSERT_EQ(user.read(), bulk(std::to_string(i)));
  }
}

}  // namespace
}  // namespace anteroom::test
