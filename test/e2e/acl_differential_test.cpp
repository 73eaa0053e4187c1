// What our access rules decide is what a real server decides for the same rules, users and requests.
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "access/user_table.hpp"
#include "support/redis_server.hpp"
#include "support/words.hpp"

namespace anteroom::test {
namespace {

using access::AclCommands;

const command::Table& table() {
  static const command::Table built = command::Table::build().value();
  return built;
}

struct Case {
  std::string_view user;
  std::string_view rules;
};

/// Each has an upstream user of its own here, so that scripts are decided by their named keys alone, as on the server.
constexpr Case kUsers[] = {
    {"everything", "on nopass +@all ~* &*"},
    {"reader", "on nopass +@read +@connection -dbsize %R~r:* %RW~b:*"},
    {"writer", "on nopass +@all -@dangerous -@admin -config +config|get ~b:* %W~w:* &news.*"},
    {"picky", "on nopass +get +set +select|0 +select|1 +publish +psubscribe +command|count +object ~b:? &news.[ab]"},
    {"many", "on nopass +ping (+@string ~b:*) (+@all -@keyspace %R~r:* &*) (+del %W~w:*) (+sort %RW~*)"},
    {"patterns", "on nopass +@all -@scripting ~b:[a-c]* ~b:\\** %W~w:^ %RW~*tail &* resetchannels &a*"},
    {"nothing", "on nopass"},
};

/// Requests that the server refuses for their form only after it has judged the user are among them, none that it
/// refuses for that before (unknown, wrong number of arguments), and none that waits, ends the connection or changes
/// what it is.
constexpr std::string_view kRequests[] = {
    "get b:a",
    "get r:a",
    "get w:a",
    "get x",
    "get ''",
    "get atail",
    "get 'b:*x'",
    "strlen w:a",
    "strlen b:a",
    "getrange b:a 0 1",
    "getrange w:a 0 1",
    "set b:a v",
    "set w:a v",
    "set w:a v get",
    "set r:a v",
    "set w:a v px 5000",
    "set w:^ v",
    "setex w:a 10 v",
    "setnx w:a v",
    "psetex b:a 1000 v",
    "getset w:a v",
    "getset b:a v",
    "getdel w:a",
    "getex b:a",
    "getex r:a",
    "append w:a v",
    "append b:a v",
    "incr w:n",
    "incr b:n",
    "incrby b:n 2",
    "decr r:n",
    "incrbyfloat b:n 1.5",
    "mget b:a b:b",
    "mget b:a r:a",
    "mget b:a x",
    "mset b:a 1 w:a 2",
    "mset b:a 1 r:a 2",
    "msetnx b:a 1 x 2",
    "setrange w:a 0 x",
    "setbit w:a 1 1",
    "setbit b:a 1 1",
    "getbit r:a 1",
    "bitcount r:a",
    "bitpos b:a 1",
    "bitop and w:d r:a b:a",
    "bitop and b:d b:a b:b",
    "bitfield r:a get u8 0",
    "bitfield r:a set u8 0 1",
    "bitfield b:a set u8 0 1",
    "bitfield r:a overflow sat get u8 0",
    "bitfield_ro r:a get u8 0",
    "lcs b:a b:b",
    "lcs r:a r:b",
    "del w:a",
    "del b:a w:b",
    "del r:a",
    "unlink w:a",
    "exists b:a",
    "exists w:a r:a",
    "exists x",
    "type w:a",
    "type x",
    "touch w:a",
    "ttl w:a",
    "ttl r:a",
    "pttl b:a",
    "expire w:a 10",
    "expire b:a 10",
    "expiretime r:a",
    "persist w:a",
    "persist b:a",
    "rename b:a b:b",
    "rename b:a w:a",
    "rename w:a b:a",
    "copy r:a w:a",
    "copy b:a r:a",
    "copy b:a b:b",
    "move b:a 1",
    "dump r:a",
    "dump w:a",
    "restore b:z 0 bad",
    "object encoding w:a",
    "object encoding x",
    "object help",
    "object freq b:a",
    "randomkey",
    "keys *",
    "scan 0",
    "dbsize",
    "sort b:l",
    "sort b:l by nosort",
    "sort b:l by w_*",
    "sort b:l get #",
    "sort b:l store w:d",
    "sort b:l store r:d",
    "sort b:l get b:* by b:*",
    "sort r:l",
    "sort_ro r:l",
    "sort_ro r:l by r:*",
    "sort_ro b:l get #",
    "sort b:l limit 0 1",
    "sort b:l nonsense",
    "sort xtail by w_*",
    "lpush w:l v",
    "lpush b:l v",
    "rpush r:l v",
    "lrange b:l 0 -1",
    "lrange w:l 0 -1",
    "llen w:l",
    "lpop w:l",
    "lpop b:l",
    "lmove b:l b:m left right",
    "lmove b:l w:m left right",
    "rpoplpush b:l b:m",
    "linsert b:l before a b",
    "lset b:l 0 v",
    "lmpop 2 b:l b:m left",
    "lmpop 2 b:l r:m left",
    "lpos r:l a",
    "sadd w:s a",
    "sadd b:s a",
    "srem b:s a",
    "smembers r:s",
    "sismember b:s a",
    "scard w:s",
    "smove b:s b:t a",
    "smove b:s w:t a",
    "sinter r:s b:s",
    "sinter r:s w:s",
    "sintercard 2 r:s b:s",
    "sinterstore w:d r:s",
    "sinterstore b:d b:s",
    "sunionstore w:d b:s",
    "sdiff b:s x",
    "spop b:s",
    "spop w:s",
    "srandmember r:s",
    "hset w:h f v",
    "hset b:h f v",
    "hget r:h f",
    "hget w:h f",
    "hgetall b:h",
    "hlen w:h",
    "hdel w:h f",
    "hincrby b:h n 1",
    "hscan r:h 0",
    "zadd w:z 1 a",
    "zadd b:z 1 a",
    "zrange r:z 0 -1",
    "zcard w:z",
    "zrangestore w:d r:z 0 -1",
    "zrangestore b:d b:z 0 -1",
    "zunionstore w:d 2 r:z b:z",
    "zunionstore b:d 1 b:z",
    "zunion 2 r:z b:z",
    "zinter 2 b:z x",
    "zdiff 1 b:z",
    "zpopmin b:z",
    "zpopmin w:z",
    "zmpop 1 b:z min",
    "geoadd w:g 1 1 a",
    "geopos r:g a",
    "georadius b:g 1 1 1 m",
    "georadius b:g 1 1 1 m store w:d",
    "georadius b:g 1 1 1 m store r:d",
    "georadiusbymember b:g a 1 m storedist w:d",
    "georadius_ro r:g 1 1 1 m",
    "geosearchstore w:d r:g frommember a byradius 1 m",
    "pfadd w:p a",
    "pfadd b:p a",
    "pfcount b:p",
    "pfcount r:p",
    "pfcount w:p",
    "pfmerge b:p w:p",
    "pfmerge b:p b:q",
    "xadd w:x 1-1 f v",
    "xadd b:x * f v",
    "xlen w:x",
    "xrange r:x - +",
    "xread streams b:x 0",
    "xread count 1 streams b:x r:x 0 0",
    "xread streams w:x 0",
    "xinfo stream r:x",
    "xgroup create b:x g 0",
    "xgroup create r:x g 0",
    "xgroup help",
    "xreadgroup group g c streams b:x >",
    "xreadgroup group g c streams w:x >",
    "xack b:x g 0",
    "xtrim b:x maxlen 1",
    "xpending b:x g",
    "eval 'return 1' 1 b:a",
    "eval 'return 1' 1 r:a",
    "eval 'return 1' 0",
    "eval_ro 'return 1' 1 r:a",
    "eval_ro 'return 1' 1 w:a",
    "evalsha ffffffffffffffffffffffffffffffffffffffff 1 w:a",
    "fcall f 1 b:a",
    "fcall_ro f 1 r:a",
    "publish news.a m",
    "publish news.c m",
    "publish a m",
    "publish other m",
    "spublish news.a m",
    "spublish x m",
    "pubsub channels",
    "ping",
    "echo x",
    "select 0",
    "select 1",
    "select 0",
    "time",
    "info",
    "command count",
    "command info get",
    "config get maxmemory",
    "config resetstat",
    "config help",
    "client id",
    "client list",
    "client getname",
    "acl whoami",
    "acl list",
    "memory usage b:a",
    "memory usage x",
    "memory doctor",
    "slowlog len",
    "latency latest",
    "cluster info",
    "debug sleep 0",
    "swapdb 0 1",
    "lolwut",
    "role",
    "lastsave",
    "script exists x",
    "script flush",
    "function list",
    "function flush",
    "watch b:a",
    "watch x",
    "unwatch",
    "multi",
    "discard",
    "wait 0 1",
    "flushdb",
    "readonly",
    "asking",
    "object refcount r:a",
    "substr b:a 0 1",
    "bzpopmin b:none 0.001",
    "blpop b:none 0.001",
    "blpop x 0.001",
    "migrate 127.0.0.1 1 b:none 0 10",
    "migrate 127.0.0.1 1 '' 0 10 keys b:none x",
};

bool is_denial(const Reply& reply) {
  return reply.raw.starts_with("-NOPERM ") || reply.raw.contains("denied due to insufficient ACL permissions.");
}

/// The error that our user gets, as bytes; empty: permitted.
std::string our_denial(const access::User& user, const std::vector<std::string_view>& args) {
  const command::Lookup lookup = table().find(args);
  EXPECT_EQ(lookup.match, command::Match::kFound) << args[0];
  const auto denial = user.check(lookup, args);
  return denial ? "-" + access::denial_error(*denial, lookup, args) + "\r\n" : "";
}

class AclDifferential : public testing::Test {
 protected:
  void SetUp() override {
    ASSERT_TRUE(redis_.start());
    commands_ = std::make_shared<const AclCommands>(AclCommands::build(table()).value());
  }

  [[nodiscard]] access::User ours(const Case& given) const {
    auto rules = access::parse_rules(*commands_, given.rules);
    EXPECT_TRUE(rules.has_value()) << given.rules;
    return {std::string(given.user),
            rules ? std::move(*rules) : access::Rules{},
            {.user = "own", .password = "p"},
            commands_};
  }

  RedisServer redis_{{.arguments = {"--enable-debug-command", "yes"}}};
  std::shared_ptr<const AclCommands> commands_;
};

TEST_F(AclDifferential, RequestsArePermittedAndDeniedAsByTheServer) {
  static_assert(std::size(kRequests) >= 200);
  RespClient admin = redis_.connect();
  int denied = 0;
  int permitted = 0;
  for (const Case& given : kUsers) {
    std::vector<std::string> set{"ACL", "SETUSER", std::string(given.user), "reset"};
    for (const std::string& word : words(given.rules)) set.push_back(word);
    ASSERT_EQ(admin.ask(views(set)), kOk) << given.rules;
    const access::User user = ours(given);
    RespClient client = redis_.connect();
    ASSERT_EQ(client.ask("AUTH", given.user, "any"), kOk);

    for (const std::string_view line : kRequests) {
      const std::vector<std::string> arguments = words(line);
      const std::vector<std::string_view> args = views(arguments);
      const std::string expected = our_denial(user, args);

      const Reply reply = client.ask(args);

      ASSERT_NE(reply.type, '\0') << given.user << ": " << line << reply;
      ++(expected.empty() ? permitted : denied);
      EXPECT_EQ(is_denial(reply) ? reply.raw : "", expected) << given.user << ": " << line << " gets " << reply;
    }
  }
  EXPECT_GT(denied, 300);
  EXPECT_GT(permitted, 300);
}

TEST_F(AclDifferential, SubscribersAreJudgedAsByTheServer) {
  RespClient admin = redis_.connect();
  ASSERT_EQ(
      admin.ask("ACL", "SETUSER", "sub", "reset", "on", "nopass", "+@all", "&news.*", "(&a", "-@all", "+psubscribe)"),
      kOk);
  const access::User user = ours({"sub", "on nopass +@all &news.* (&a -@all +psubscribe)"});
  for (const std::string_view line :
       {"subscribe news.a", "subscribe a", "subscribe news.a a", "psubscribe news.*", "psubscribe news.a*",
        "psubscribe a", "ssubscribe news.a", "ssubscribe x", "unsubscribe x", "punsubscribe x", "sunsubscribe x"}) {
    RespClient client = redis_.connect();
    ASSERT_EQ(client.ask("AUTH", "sub", "any"), kOk);
    const std::vector<std::string> arguments = words(line);
    const Reply reply = client.ask(views(arguments));
    EXPECT_EQ(is_denial(reply) ? reply.raw : "", our_denial(user, views(arguments))) << line << " gets " << reply;
  }
}

TEST_F(AclDifferential, RulesAreRefusedInTheWordsOfTheServer) {
  constexpr std::string_view kRules[] = {"foo",
                                         "+nosuch",
                                         "+@nosuch",
                                         "-@nosuch",
                                         "+get|",
                                         "+config|",
                                         "+config|nosuch",
                                         "+config|get|x",
                                         "-config|get|x",
                                         "-get|x",
                                         "-get|",
                                         "+get|x|y",
                                         "%~x",
                                         "%RR~x",
                                         "%Rx",
                                         "%R",
                                         "%",
                                         "%RW~*",
                                         "~",
                                         "&",
                                         "+",
                                         "-",
                                         "+@",
                                         "-@",
                                         "()",
                                         "( )",
                                         "(on)",
                                         "+GET",
                                         "ALLKEYS",
                                         "allkeys ~x",
                                         "allkeys %R~x",
                                         "allkeys %~x",
                                         "allkeys ~*",
                                         "allchannels &x",
                                         "+SELECT|0",
                                         "clearselectors",
                                         "RESET",
                                         "((+get))",
                                         ")",
                                         "+@ALL",
                                         "+@Read",
                                         "+config|GET",
                                         "-@all|x",
                                         "~a~b",
                                         "%rw~x",
                                         "sanitize-payload",
                                         "skip-sanitize-payload",
                                         "(+get ~x) (+set ~y)",
                                         "+get|x +get -get +get|y",
                                         "+|x",
                                         "+||",
                                         "-|",
                                         "(~a +nosuch)",
                                         "+debug|",
                                         "(allkeys ~x)",
                                         "(+get",
                                         "on (~a +get",
                                         "(+get) x)",
                                         "%w~",
                                         "+config -config|set",
                                         "+sentinel",
                                         "+@sentinel",
                                         "+select|0|1",
                                         "nopass on off resetpass",
                                         "-@all +@all -get",
                                         "allcommands nocommands",
                                         "~x ~x %R~x resetkeys",
                                         "&a &a resetchannels",
                                         "+client|kill|x",
                                         "-client|nosuch",
                                         "+client|no-evict",
                                         "on1",
                                         "+ get"};
  RespClient admin = redis_.connect();
  for (const std::string_view rules : kRules) {
    std::vector<std::string> set{"ACL", "SETUSER", "u", "reset"};
    for (const std::string& word : words(rules)) set.push_back(word);
    const auto parsed = access::parse_rules(*commands_, rules);
    const std::string expected = parsed ? std::string(kOk) : "-ERR " + parsed.error() + "\r\n";
    EXPECT_EQ(admin.ask(views(set)), expected) << rules;
  }
}

}  // namespace
}  // namespace anteroom::test
