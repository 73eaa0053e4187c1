// hiredis over RESP2 and RESP3: the types and the order of replies as the server sends them, seen through no
// conversions.
//
//   hiredis_client ADDRESS PROTOCOL     ADDRESS is host:port or the path of a UNIX socket, PROTOCOL 2 or 3
//
// Each subject prints `ok NAME` or `FAIL NAME: reason`; a failed subject ends at its first wrong result and the next
// one goes on, so that one run tells all that is broken. The status is 0 only if all passed. Replies are compared as
// text: each type has its own sign (see show()), so a wrong type is a wrong text.
#include <unistd.h>
#include <csignal>

#include <array>
#include <charconv>
#include <chrono>
#include <cstdio>
#include <exception>
#include <set>
#include <string>
#include <string_view>
#include <thread>
#include <tuple>
#include <utility>
#include <vector>

#include "clients/hiredis_checked.hpp"

namespace anteroom::test::clients {
namespace {

using namespace std::chrono_literals;

constexpr unsigned kOverallPatienceSeconds = 100;

template <typename Predicate>
void eventually(const std::string& what, Predicate&& is_true) {
  const auto end = std::chrono::steady_clock::now() + 10s;
  while (!is_true()) {
    holds(std::chrono::steady_clock::now() < end, what + ": not in time");
    std::this_thread::sleep_for(5ms);
  }
}

void handshake() {
  Client client;
  const std::string version = std::to_string(target().protocol);
  const std::string hello = client.ask({"HELLO", version, "SETNAME", "clients-test"});
  holds(hello.starts_with(by_protocol("{\"server\" ", "[\"server\" ")), hello);
  holds(hello.contains("\"proto\" :" + version + " \"id\" :"), hello);
  holds(hello.contains("\"modules\" []"), hello);
  client.expect({"CLIENT", "GETNAME"}, "\"clients-test\"");
  client.expect_prefix({"HELLO", "9"}, "-NOPROTO");
  client.expect_prefix({"HELLO", "x"}, "-ERR Protocol version is not an integer");
  client.expect({"CLIENT", "GETNAME"}, "\"clients-test\"");
  client.expect({"GET", unique_key("missing")}, "nil");
  const std::string id = client.id();
  const std::string info = client.ask({"CLIENT", "INFO"});
  holds(info.contains(" name=clients-test ") && info.contains("id=" + id + " "), info);
  // Both ways between the protocols.
  const std::string key = unique_key("hash");
  client.expect({"HSET", key, "f", "v"}, ":1");
  for (int i = 0; i < 2; ++i) {
    client.expect_prefix({"HELLO", "2"}, "[");
    client.expect({"HGETALL", key}, R"(["f" "v"])");
    client.expect_prefix({"HELLO", "3"}, "{");
    client.expect({"HGETALL", key}, R"({"f" "v"})");
  }
}

void strings() {
  Client client;
  const std::string key = unique_key("string");
  client.expect({"GET", key}, "nil");
  client.expect({"SET", key, "first"}, "+OK");
  client.expect({"SET", key, "x", "NX"}, "nil");
  client.expect({"GET", key}, "\"first\"");
  client.expect({"MGET", key, key + "none", key}, R"(["first" nil "first"])");
  client.expect({"APPEND", key, "!"}, ":6");
  client.expect({"GETRANGE", key, "0", "1"}, "\"fi\"");
  client.expect({"STRLEN", key}, ":6");
  client.expect_prefix({"INCR", key}, "-ERR value is not an integer");
  client.expect_prefix({"LPUSH", key, "x"}, "-WRONGTYPE");
  client.expect_prefix({"NOSUCHCOMMAND"}, "-ERR unknown command");
  client.expect_prefix({"GET"}, "-ERR wrong number of arguments");

  std::string bytes;
  for (int i = 0; i < 256; ++i) bytes += static_cast<char>(i);
  std::string large;
  while (large.size() < (1U << 20)) large += bytes;
  client.expect({"SET", key + bytes, large}, "+OK");
  for (int i = 0; i < 3; ++i) client.expect({"GET", key + bytes}, quoted(large));
  client.expect({"SET", key, ""}, "+OK");
  client.expect({"GET", key}, "\"\"");

  client.expect({"SET", key, "short", "PX", "60"}, "+OK");
  eventually("the key's end", [&] { return client.ask({"GET", key}) == "nil"; });
  client.expect({"PTTL", key}, ":-2");
}

void hashes() {
  Client client;
  const std::string key = unique_key("hash");
  client.expect({"HGETALL", key}, by_protocol("{}", "[]"));
  client.expect({"HSET", key, "a", "1", "b", "two"}, ":2");
  for (int i = 0; i < 3; ++i)
    client.expect({"HGETALL", key}, by_protocol(R"({"a" "1" "b" "two"})", R"(["a" "1" "b" "two"])"));
  client.expect({"HMGET", key, "b", "z"}, R"(["two" nil])");
  client.expect({"HGET", key, "z"}, "nil");
  client.expect({"HINCRBYFLOAT", key, "a", "0.5"}, "\"1.5\"");
  client.expect({"HDEL", key, "b"}, ":1");
  client.expect({"HRANDFIELD", key, "1", "WITHVALUES"}, by_protocol(R"([["a" "1.5"]])", R"(["a" "1.5"])"));
  client.expect_prefix({"GET", key}, "-WRONGTYPE");
}

void transactions() {
  Client client;
  Client other;
  const std::string key = unique_key("multi");
  client.expect({"MULTI"}, "+OK");
  client.expect({"SET", key, "5"}, "+QUEUED");
  client.expect({"INCR", key}, "+QUEUED");
  client.expect({"HGETALL", key + "h"}, "+QUEUED");
  client.expect({"EXEC"}, by_protocol("[+OK :6 {}]", "[+OK :6 []]"));

  client.expect({"WATCH", key}, "+OK");
  other.expect({"SET", key, "changed"}, "+OK");
  client.expect({"MULTI"}, "+OK");
  client.expect({"SET", key, "mine"}, "+QUEUED");
  client.expect({"EXEC"}, "nil");
  client.expect({"GET", key}, "\"changed\"");

  client.expect({"WATCH", key}, "+OK");
  client.expect({"GET", key}, "\"changed\"");
  client.expect({"MULTI"}, "+OK");
  client.expect({"SET", key, "mine"}, "+QUEUED");
  client.expect({"INCR", key}, "+QUEUED");
  client.expect({"EXEC"}, "[+OK -ERR value is not an integer or out of range]");
  other.expect({"GET", key}, "\"mine\"");

  client.expect({"MULTI"}, "+OK");
  client.expect_prefix({"NOSUCHCOMMAND"}, "-ERR unknown command");
  client.expect({"SET", key, "not done"}, "+QUEUED");
  client.expect_prefix({"EXEC"}, "-EXECABORT");
  client.expect({"MULTI"}, "+OK");
  client.expect_prefix({"MULTI"}, "-ERR MULTI calls can not be nested");
  client.expect({"DISCARD"}, "+OK");
  client.expect({"EXEC"}, "-ERR EXEC without MULTI");
  client.expect({"GET", key}, "\"mine\"");
}

void pipelines() {
  Client client;
  const std::string base = unique_key("pipeline");
  for (int i = 0; i < 200; ++i) {
    client.send({"SET", base, std::to_string(i)});
    client.send({"GET", base});
    client.send({"INCR", base + "n"});
    client.send({"LPUSH", base, "wrong type"});
    client.send({"ZADD", base + "z", std::to_string(i), "m" + std::to_string(i)});
  }
  for (int i = 0; i < 200; ++i) {
    const std::string at = "in round " + std::to_string(i);
    same(client.read(), "+OK", at);
    same(client.read(), quoted(std::to_string(i)), at);
    same(client.read(), ":" + std::to_string(i + 1), at);
    same(client.read(), "-WRONGTYPE Operation against a key holding the wrong kind of value", at);
    same(client.read(), ":1", at);
  }
}

/// A message as the protocol of the connection carries it.
std::string message(const Words& words) {
  std::string text = is_resp3() ? ">" : "[";
  for (const std::string& word : words) text += (text.size() == 1 ? "" : " ") + (word[0] == ':' ? word : quoted(word));
  return text + (is_resp3() ? "<" : "]");
}

void pub_sub() {
  Client subscriber;
  Client publisher;
  const std::string channel = unique_key("channel");
  subscriber.send({"SUBSCRIBE", channel, channel + "2"});
  same(subscriber.read(), message({"subscribe", channel, ":1"}));
  same(subscriber.read(), message({"subscribe", channel + "2", ":2"}));
  subscriber.expect({"PSUBSCRIBE", channel + "?"}, message({"psubscribe", channel + "?", ":3"}));
  for (int i = 0; i < 200; ++i) publisher.expect({"PUBLISH", channel, std::to_string(i)}, ":1");
  for (int i = 0; i < 200; ++i) same(subscriber.read(), message({"message", channel, std::to_string(i)}));
  publisher.expect_prefix({"PUBLISH", channel + "2", "both"}, ":");
  same(subscriber.read(), message({"message", channel + "2", "both"}));
  same(subscriber.read(), message({"pmessage", channel + "?", channel + "2", "both"}));

  if (is_resp3()) {
    subscriber.expect({"PING"}, "+PONG");
    subscriber.expect({"SET", channel, "while subscribed"}, "+OK");
    subscriber.expect({"GET", channel}, "\"while subscribed\"");
  } else {
    subscriber.expect({"PING"}, R"(["pong" ""])");
    subscriber.expect_prefix({"GET", channel}, "-ERR Can't execute 'get'");
  }
  subscriber.expect({"PUNSUBSCRIBE", channel + "?"}, message({"punsubscribe", channel + "?", ":2"}));
  subscriber.expect({"UNSUBSCRIBE", channel}, message({"unsubscribe", channel, ":1"}));
  publisher.expect({"PUBLISH", channel, "nobody listens"}, ":0");
  subscriber.expect({"UNSUBSCRIBE"}, message({"unsubscribe", channel + "2", ":0"}));
  subscriber.expect({"UNSUBSCRIBE"}, is_resp3() ? R"(>"unsubscribe" nil :0<)" : R"(["unsubscribe" nil :0])");
  subscriber.expect({"PING"}, "+PONG");
  subscriber.expect({"SET", channel, "ordinary"}, "+OK");
  subscriber.expect({"GET", channel}, "\"ordinary\"");
}

void sharded_pub_sub() {
  Client subscriber;
  Client publisher;
  const std::string channel = unique_key("shard");
  subscriber.expect({"SSUBSCRIBE", channel}, message({"ssubscribe", channel, ":1"}));
  for (int i = 0; i < 50; ++i) publisher.expect({"SPUBLISH", channel, std::to_string(i)}, ":1");
  for (int i = 0; i < 50; ++i) same(subscriber.read(), message({"smessage", channel, std::to_string(i)}));
  publisher.expect({"PUBLISH", channel, "not sharded"}, ":0");
  subscriber.expect({"SUNSUBSCRIBE", channel}, message({"sunsubscribe", channel, ":0"}));
  publisher.expect({"SPUBLISH", channel, "nobody listens"}, ":0");
  subscriber.expect({"ECHO", "ordinary again"}, "\"ordinary again\"");
}

void blocking_pops() {
  Client blocked;
  Client pusher;
  const std::string key = unique_key("list");
  const auto start = std::chrono::steady_clock::now();
  blocked.expect({"BLPOP", key, key + "2", "0.1"}, "nil");
  holds(std::chrono::steady_clock::now() - start >= 95ms, "BLPOP came back early");
  blocked.send({"BLPOP", key, key + "2", "10"});
  blocked.send({"BRPOP", key + "2", "10"});  // waits its turn behind the one that blocks
  blocked.flush();
  std::this_thread::sleep_for(20ms);
  pusher.expect({"RPUSH", key + "2", "a", "b"}, ":2");
  same(blocked.read(), "[" + quoted(key + "2") + " \"a\"]");
  same(blocked.read(), "[" + quoted(key + "2") + " \"b\"]");
  blocked.send({"BLMOVE", key, key + "2", "LEFT", "RIGHT", "10"});
  blocked.flush();
  pusher.expect({"RPUSH", key, "moved"}, ":1");
  same(blocked.read(), "\"moved\"");
  blocked.send({"BZPOPMIN", key, "10"});
  blocked.flush();
  pusher.expect({"ZADD", key, "1.5", "one"}, ":1");
  same(blocked.read(), text_of("[", quoted(key), by_protocol(" \"one\" ,1.5]", " \"one\" \"1.5\"]")));
}

/// The client's own patience ends before the server's; it goes away and takes nothing with it.
void giving_up() {
  Client impatient{timeval{.tv_sec = 0, .tv_usec = 300'000}};
  Client client;
  const std::string key = unique_key("given-up");
  impatient.send({"BLPOP", key, "60"});
  holds(impatient.is_lost(), "BLPOP was answered");
  impatient.close();
  eventually("the end of the blocked one",
             [&] { return client.ask({"INFO", "clients"}).contains("blocked_clients:0\r"); });
  client.expect({"RPUSH", key, "kept"}, ":1");
  client.expect({"LPOP", key}, "\"kept\"");
}

void streams() {
  Client client;
  Client writer;
  const std::string key = unique_key("stream");
  const auto batch = [&](std::string_view entries) {
    return is_resp3() ? text_of("{\"", key, "\" [", entries, "]}") : text_of("[[\"", key, "\" [", entries, "]]]");
  };
  client.expect({"XREAD", "STREAMS", key, "0"}, "nil");
  client.expect({"XADD", key, "1-1", "n", "1"}, "\"1-1\"");
  client.send({"XREAD", "BLOCK", "10000", "STREAMS", key, "1-1"});
  client.flush();
  writer.expect({"XADD", key, "2-0", "n", "2"}, "\"2-0\"");
  same(client.read(), batch(R"(["2-0" ["n" "2"]])"));
  client.expect({"XREAD", "BLOCK", "50", "STREAMS", key, "$"}, "nil");
  client.expect_prefix({"XADD", key, "1-0", "n", "0"}, "-ERR The ID specified in XADD is equal or smaller");
  client.expect({"XGROUP", "CREATE", key, "workers", "0"}, "+OK");
  client.expect_prefix({"XGROUP", "CREATE", key, "workers", "0"}, "-BUSYGROUP");
  client.expect({"XREADGROUP", "GROUP", "workers", "me", "STREAMS", key, ">"},
                batch(R"(["1-1" ["n" "1"]] ["2-0" ["n" "2"]])"));
  client.expect({"XACK", key, "workers", "1-1"}, ":1");
  client.expect({"XPENDING", key, "workers"}, R"([:1 "2-0" "2-0" [["me" "1"]]])");
  client.send({"XREADGROUP", "GROUP", "workers", "me", "BLOCK", "10000", "STREAMS", key, ">"});
  client.flush();
  writer.expect({"XADD", key, "3-0", "n", "3"}, "\"3-0\"");
  same(client.read(), batch(R"(["3-0" ["n" "3"]])"));
  client.expect({"XLEN", key}, ":3");
}

void scripts() {
  Client client;
  const std::string key = unique_key("script");
  client.expect({"EVAL", "return {KEYS[1], ARGV[1], 7, false, {ok='fine'}}", "1", key, "a"},
                "[" + quoted(key) + " \"a\" :7 nil +fine]");
  client.expect({"SCRIPT", "LOAD", "return redis.call('SET', KEYS[1], ARGV[1])"},
                "\"d8f2fad9f8e86a53d2a6ebd960b33c4972cacc37\"");
  client.expect({"EVALSHA", "d8f2fad9f8e86a53d2a6ebd960b33c4972cacc37", "1", key, "by script"}, "+OK");
  client.expect({"GET", key}, "\"by script\"");
  client.expect({"SCRIPT", "FLUSH"}, "+OK");
  client.expect_prefix({"EVALSHA", "d8f2fad9f8e86a53d2a6ebd960b33c4972cacc37", "1", key, "x"}, "-NOSCRIPT");
  client.expect_prefix({"EVAL", "return redis.error_reply('MINE of my own')", "0"}, "-MINE of my own");

  const std::string name = text_of("hiredis_", getpid());
  client.expect({"FUNCTION", "LOAD", "REPLACE",
                 text_of("#!lua name=", name, "\nredis.register_function('put_", name,
                         "', function(keys, args) return redis.call('SET', keys[1], args[1]) end)")},
                quoted(name));
  client.expect({"FCALL", "put_" + name, "1", key, "by function"}, "+OK");
  client.expect({"GET", key}, "\"by function\"");
  client.expect({"FUNCTION", "DELETE", name}, "+OK");
  client.expect({"FCALL", "put_" + name, "1", key, "x"}, "-ERR Function not found");
}

/// Follows the cursor of a SCAN to its end; gives the texts of all elements.
std::multiset<std::string> scan_all(Client& client, const Words& head, const Words& tail) {
  std::multiset<std::string> found;
  std::string cursor = "0";
  do {
    Words words = head;
    words.push_back(cursor);
    words.insert(words.end(), tail.begin(), tail.end());
    const std::string page = client.ask(words);  // ["cursor" ["element" "element"]]
    holds(page.starts_with("[\"") && page.ends_with("]]"), page.substr(0, 200));
    const std::size_t end = page.find("\" [");
    holds(end != std::string::npos, page.substr(0, 200));
    cursor = page.substr(2, end - 2);
    for (std::size_t at = end + 3; page[at] != ']';) {
      const std::size_t close = page.find('"', at + 1);
      found.insert(page.substr(at + 1, close - at - 1));
      at = close + (page[close + 1] == ' ' ? 2 : 1);
    }
  } while (cursor != "0");
  return found;
}

void scans() {
  constexpr int kKeys = 5'000;
  Client client;
  const std::string base = unique_key("scan");
  Words mset{"MSET"};
  Words hset{"HSET", base + "h"};
  Words sadd{"SADD", base + "s"};
  Words zadd{"ZADD", base + "z"};
  Words unlink{"UNLINK"};
  for (int i = 0; i < kKeys; ++i) {
    const std::string name = text_of(base, ":", i);
    mset.insert(mset.end(), {name, "v"});
    hset.insert(hset.end(), {name, "v"});
    zadd.insert(zadd.end(), {"1.5", name});
    sadd.push_back(name);
    unlink.push_back(name);
  }
  const std::set<std::string> names{sadd.begin() + 2, sadd.end()};
  client.expect(mset, "+OK");
  const auto keys = scan_all(client, {"SCAN"}, {"MATCH", base + ":*", "COUNT", "500"});
  holds(std::set<std::string>(keys.begin(), keys.end()) == names, "SCAN gave other keys");
  client.expect(unlink, text_of(":", kKeys));
  for (const auto& [fill, command, value] :
       {std::tuple{&hset, "HSCAN", "v"}, {&sadd, "SSCAN", ""}, {&zadd, "ZSCAN", "1.5"}}) {
    client.expect(*fill, text_of(":", kKeys));
    auto found = scan_all(client, {command, (*fill)[1]}, {"COUNT", "500"});
    found.erase(value);
    holds(std::set<std::string>(found.begin(), found.end()) == names, std::string{command} + " gave other members");
  }
}

void sorted_sets() {
  Client client;
  const std::string key = unique_key("zset");
  client.expect({"ZADD", key, "1.5", "a", "-3", "b", "+inf", "c"}, ":3");
  for (int i = 0; i < 3; ++i) {
    client.expect({"ZSCORE", key, "a"}, by_protocol(",1.5", "\"1.5\""));
    client.expect({"ZSCORE", key, "c"}, by_protocol(",inf", "\"inf\""));
    client.expect({"ZSCORE", key, "z"}, "nil");
    client.expect({"ZMSCORE", key, "b", "z"}, by_protocol("[,-3 nil]", "[\"-3\" nil]"));
    client.expect({"ZRANGE", key, "0", "1", "WITHSCORES"},
                  by_protocol(R"([["b" ,-3] ["a" ,1.5]])", R"(["b" "-3" "a" "1.5"])"));
    client.expect({"ZRANGE", key, "0", "1"}, R"(["b" "a"])");
    client.expect({"ZRANK", key, "a"}, ":1");
  }
  client.expect({"ZINCRBY", key, "0.25", "a"}, by_protocol(",1.75", "\"1.75\""));
  client.expect({"ZADD", key, "INCR", "1", "b"}, by_protocol(",-2", "\"-2\""));
  client.expect({"ZPOPMIN", key}, by_protocol("[\"b\" ,-2]", R"(["b" "-2"])"));
  client.expect({"ZPOPMIN", key, "1"}, by_protocol("[[\"a\" ,1.75]]", R"(["a" "1.75"])"));
}

/// Types of RESP3 that only scripts and a few commands give, and what RESP2 makes of them.
void every_type() {
  Client client;
  const std::string key = unique_key("types");
  const auto eval = [&](const std::string& code) {
    return client.ask({"EVAL", "redis.setresp(3); return " + code, "0"});
  };
  same(eval("{double=3.25}"), by_protocol(",3.25", "\"3.25\""));
  same(eval("{map={field='value'}}"), by_protocol(R"({"field" "value"})", R"(["field" "value"])"));
  same(eval("{set={member=true}}"), by_protocol(R"(("member"))", R"(["member"])"));
  same(eval("{big_number='12345678901234567890123'}"),
       by_protocol("~12345678901234567890123", "\"12345678901234567890123\""));
  same(eval("{verbatim_string={format='txt', string='some text'}}"), by_protocol("=txt:some text", "\"some text\""));
  same(eval("true"), by_protocol("#t", ":1"));
  same(eval("false"), by_protocol("#f", ":0"));
  client.expect({"SADD", key, "member"}, ":1");
  for (int i = 0; i < 3; ++i) {
    client.expect({"SMEMBERS", key}, by_protocol(R"(("member"))", R"(["member"])"));
    client.expect({"SISMEMBER", key, "member"}, ":1");
    client.expect({"SUNION", key, key + "none"}, by_protocol(R"(("member"))", R"(["member"])"));
    client.expect({"TYPE", key}, "+set");
    client.expect({"LRANGE", key + "none", "0", "-1"}, "[]");
  }
  client.expect({"CONFIG", "GET", "appendonly"}, by_protocol(R"({"appendonly" "no"})", R"(["appendonly" "no"])"));
  client.expect_prefix({"INFO", "server"}, by_protocol("=txt:", "\""));
}

void reconnect() {
  Client client;
  Client other;
  const std::string key = unique_key("reconnect");
  const std::string id = client.id();
  client.expect({"CLIENT", "KILL", "ID", id, "SKIPME", "no"}, ":1");
  client.send({"PING"});
  holds(client.is_lost(), "a killed client was served");
  client.reconnect();
  client.expect({"SET", key, "after"}, "+OK");
  const std::string second = client.id();
  holds(second != id, "the id is the same after a new connection");
  other.expect({"CLIENT", "KILL", "ID", second}, ":1");
  other.expect({"CLIENT", "KILL", "ID", second}, ":0");
  client.send({"GET", key});
  holds(client.is_lost(), "a killed client was served");
  client.reconnect();
  client.expect({"GET", key}, "\"after\"");
  other.expect({"CLIENT", "KILL", "127.0.0.1:1"}, "-ERR No such client");
}

struct Subject {
  std::string_view name;
  void (*check)();
};

constexpr std::array kSubjects{Subject{"handshake", handshake},
                               Subject{"strings", strings},
                               Subject{"hashes", hashes},
                               Subject{"transactions", transactions},
                               Subject{"pipelines", pipelines},
                               Subject{"pub_sub", pub_sub},
                               Subject{"sharded_pub_sub", sharded_pub_sub},
                               Subject{"blocking_pops", blocking_pops},
                               Subject{"giving_up", giving_up},
                               Subject{"streams", streams},
                               Subject{"scripts", scripts},
                               Subject{"scans", scans},
                               Subject{"sorted_sets", sorted_sets},
                               Subject{"every_type", every_type},
                               Subject{"reconnect", reconnect}};

bool passes(const Subject& subject) {
  try {
    subject.check();
  } catch (const std::exception& error) {
    std::printf("FAIL %s: %s\n", subject.name.data(), error.what());
    return false;
  }
  std::printf("ok %s\n", subject.name.data());
  return true;
}

bool read_arguments(int argc, char** argv) {
  if (argc != 3) return false;
  const std::string address = argv[1];
  const std::string_view protocol = argv[2];
  if (protocol != "2" && protocol != "3") return false;
  target().protocol = protocol == "3" ? 3 : 2;
  const std::size_t colon = address.rfind(':');
  target().host = address;
  if (address.starts_with('/')) return true;
  if (colon == std::string::npos) return false;
  target().host = address.substr(0, colon);
  const auto [end, error] = std::from_chars(&address[colon + 1], address.data() + address.size(), target().port);
  return error == std::errc{} && end == address.data() + address.size() && target().port > 0;
}

int run_subjects(int argc, char** argv) {
  if (!read_arguments(argc, argv)) {
    (void)std::fprintf(stderr, "usage: hiredis_client host:port|path 2|3\n");
    return 2;
  }
  alarm(kOverallPatienceSeconds);  // its signal ends the process
  (void)std::setvbuf(stdout, nullptr, _IOLBF, 0);
  bool is_all_right = true;
  for (const Subject& subject : kSubjects) is_all_right = passes(subject) && is_all_right;
  return is_all_right ? 0 : 1;
}

}  // namespace
}  // namespace anteroom::test::clients

int main(int argc, char** argv) {
  std::signal(SIGPIPE, SIG_IGN);  // the subject about reconnecting writes to a socket that has been closed
  return anteroom::test::clients::run_subjects(argc, argv);
}
