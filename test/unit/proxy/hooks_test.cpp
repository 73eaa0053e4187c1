#include "proxy/hooks.hpp"

#include <gtest/gtest.h>

#include <array>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "support/session_rig.hpp"

namespace anteroom::proxy {
namespace {

using test::bulk;
using test::Client;

std::string name_of(Outcome::Source source) {
  switch (source) {
    case Outcome::Source::kLocal:
      return "local";
    case Outcome::Source::kCacheHit:
      return "hit";
    case Outcome::Source::kFill:
      return "fill";
    case Outcome::Source::kForwarded:
      return "forwarded";
  }
  return "?";
}

/// Decides with a function and writes down what it sees.
class ScriptHook final : public Hook {
 public:
  using Decide = std::function<Verdict(const std::string& request)>;
  ScriptHook(std::vector<std::string>& log, Decide decide, bool wants_outcomes = false)
      : log_(log), decide_(std::move(decide)), wants_outcomes_(wants_outcomes) {}

  [[nodiscard]] Verdict on_request(const ClientView& client, const Request& request) override {
    std::string words;
    for (const std::string_view arg : request.args) words.append(words.empty() ? "" : " ").append(arg);
    log_.push_back(std::to_string(client.id) + "/" + std::to_string(client.db) + " " + words);
    return decide_ ? decide_(words) : Verdict::go_on();
  }
  void on_reply(const Outcome& outcome) override {
    log_.push_back("reply " + std::string(outcome.command) + " " + name_of(outcome.source));
  }
  void on_error(const Outcome& outcome, std::string_view error) override {
    log_.push_back("error " + std::string(outcome.command) + " " + name_of(outcome.source) + " " + std::string(error));
  }
  [[nodiscard]] bool wants_outcomes() const noexcept override { return wants_outcomes_; }

 private:
  std::vector<std::string>& log_;
  const Decide decide_;
  const bool wants_outcomes_;
};

class Hooks : public test::ProxyTest {
 protected:
  void add_decider(ScriptHook::Decide decide) {
    rig().hooks.add(std::make_unique<ScriptHook>(seen_, std::move(decide)));
  }
  void add_observer() { rig().hooks.add(std::make_unique<ScriptHook>(seen_, nullptr, true)); }
  void deny(const std::vector<std::string>& names, DeniedAs denied_as = DeniedAs::kNoPerm) {
    rig().hooks.add(make_deny_hook(rig().commands, names, denied_as));
  }
  void rename(const std::vector<Rename>& renames) { rig().hooks.add(make_rename_hook(rig().commands, renames)); }
  /// Outcomes only.
  [[nodiscard]] std::vector<std::string> outcomes() const {
    std::vector<std::string> all;
    for (const std::string& line : seen_) {
      if (line.starts_with("reply ") || line.starts_with("error ")) all.push_back(line);
    }
    return all;
  }

  std::vector<std::string> seen_;
};

TEST_F(Hooks, ChainHasToBeAskedOnlyOfWhatAHookLooksAt) {
  const auto looked_at = [this](std::string_view command) {
    return rig().hooks.look_at(rig().commands.find(std::array{command}));
  };
  EXPECT_FALSE(looked_at("nonsense"));

  deny({"shutdown"});
  rename({{.old_name = "flushall", .new_name = ""}});
  rig().hooks.add(make_access_log_hook(1));

  EXPECT_TRUE(looked_at("SHUTDOWN"));
  EXPECT_TRUE(looked_at("flushall"));
  EXPECT_TRUE(looked_at("nonsense"));
  EXPECT_FALSE(looked_at("PING"));
  EXPECT_FALSE(looked_at("GET"));

  add_decider(nullptr);

  EXPECT_TRUE(looked_at("PING"));
}

TEST_F(Hooks, EachSeesEveryCommandOnceAndInItsOrder) {
  add_decider(nullptr);
  add_decider(nullptr);
  Client& client = connect();

  ask(client, "PING", "nonsense a", "GET");

  EXPECT_EQ(seen_, (std::vector<std::string>{"1/0 PING", "1/0 PING", "1/0 nonsense a", "1/0 nonsense a", "1/0 GET",
                                             "1/0 GET"}));
}

TEST_F(Hooks, PutOffCommandIsShownOnlyOnce) {
  add_decider(nullptr);
  Client& client = connect();
  ask(client, "GET k", "SET k v");
  in_turn([this] { rig().backend.value(0, "old"); });
  link_with("SET k v").send("+OK\r\n");

  expect(client, bulk("old") + "+OK\r\n");

  EXPECT_EQ(seen_, (std::vector<std::string>{"1/0 GET k", "1/0 SET k v"}));
}

TEST_F(Hooks, RewrittenCommandIsWhatTheNextHookAndTheServerSee) {
  add_decider([](const std::string& request) {
    return request == "SET k v" ? Verdict::rewrite({"SET", "prefix:k", "v"}) : Verdict::go_on();
  });
  add_decider(nullptr);
  Client& client = connect();

  ask(client, "SET k v");

  link_with("SET prefix:k v").send("+OK\r\n");
  expect(client, "+OK\r\n");
  EXPECT_EQ(seen_, (std::vector<std::string>{"1/0 SET k v", "1/0 SET prefix:k v"}));
}

TEST_F(Hooks, RewrittenCommandThatIsPutOffIsSentAsItWasRewritten) {
  add_decider([](const std::string& request) {
    return request == "SET k v" ? Verdict::rewrite({"SET", "prefix:k", "v"}) : Verdict::go_on();
  });
  Client& client = connect();
  ask(client, "GET k", "SET k v");

  in_turn([this] { rig().backend.value(0, "old"); });

  link_with("SET prefix:k v").send("+OK\r\n");
  expect(client, bulk("old") + "+OK\r\n");
}

TEST_F(Hooks, RewriteToAnotherCommandFindsThatCommandsHandler) {
  add_decider([](const std::string& request) {
    return request == "SECRET" ? Verdict::rewrite({"PING", "found"}) : Verdict::go_on();
  });
  Client& client = connect();

  ask(client, "SECRET");

  expect(client, bulk("found"));
}

TEST_F(Hooks, AnswerEndsTheRequestBeforeTheNextHook) {
  add_decider([](const std::string&) { return Verdict::answer("$4\r\nmine\r\n"); });
  add_decider(nullptr);
  Client& client = connect();

  ask(client, "GET k");

  expect(client, bulk("mine"));
  EXPECT_EQ(seen_.size(), 1u);
  EXPECT_TRUE(fetches().empty());
}

TEST_F(Hooks, RefusalIsAnErrorInItsPlaceInTheOrder) {
  add_decider([](const std::string& request) {
    return request == "PING" ? Verdict::refuse("NOPERM not today") : Verdict::go_on();
  });
  Client& client = connect();

  ask(client, "GET k", "PING", "ECHO x");
  in_turn([this] { rig().backend.value(0, "v"); });

  expect(client, bulk("v") + "-NOPERM not today\r\n" + bulk("x"));
  EXPECT_EQ(rig().metrics.commands_refused.value(), 1u);
}

// --- Outcomes ---

TEST_F(Hooks, OutcomeSaysWhereTheReplyCameFrom) {
  cache_value("hit", "v");
  add_observer();
  Client& client = connect();

  ask(client, "PING", "GET hit", "GET miss");
  in_turn([this] { rig().backend.value(1, "v"); });
  ask(client, "INCR n", "Module.Write");
  link_with("Module.Write").send(":1\r\n+OK\r\n");
  expect(client, "+PONG\r\n" + bulk("v") + bulk("v") + ":1\r\n+OK\r\n");

  EXPECT_EQ(outcomes(), (std::vector<std::string>{"reply ping local", "reply get hit", "reply get fill",
                                                  "reply incr forwarded", "reply Module.Write forwarded"}));
}

TEST_F(Hooks, ErrorsAreReportedWhereverTheyComeFrom) {
  add_observer();
  Client& client = connect();

  ask(client, "PING a b", "SYNC", "SELECT x", "GET list");
  in_turn([this] { rig().backend.server_error(0, "WRONGTYPE no string"); });
  ask(client, "INCR n");
  link_with("INCR n").send("-ERR value is not an integer\r\n");
  ASSERT_TRUE(await([&] { return outcomes().size() == 5; }));

  const auto seen = outcomes();
  EXPECT_EQ(seen[0], "error ping local ERR wrong number of arguments for 'ping' command");
  EXPECT_TRUE(seen[1].starts_with("error sync local ERR anteroom: 'sync'"));
  EXPECT_EQ(seen[2], "error select local ERR value is not an integer or out of range");
  EXPECT_EQ(seen[3], "error get fill WRONGTYPE no string");
  EXPECT_EQ(seen[4], "error incr forwarded ERR value is not an integer");
}

TEST_F(Hooks, ValueWhoseLastPieceBeginsWithAMinusIsNoError) {
  add_observer();
  Client& client = connect();
  ask(client, "DUMP k");
  auto& link = link_with("DUMP k");
  const std::string whole = bulk(std::string(20'000, 'x') + "-secret value");
  const std::size_t cut = whole.find('-');

  link.send(whole.substr(0, cut));
  ASSERT_TRUE(await([&] { return client.peer.written().size() == cut; }));
  link.send(whole.substr(cut));
  expect(client, whole);

  EXPECT_EQ(outcomes(), std::vector<std::string>{"reply dump forwarded"});
}

TEST_F(Hooks, OutcomeOfARequestWhoseClientHasGoneIsNotReported) {
  add_observer();
  Client& client = connect();
  ask(client, "INCR n");
  auto& link = link_with("INCR n");
  in_turn([&] { session_of(client)->close(); });
  link.send(":1\r\n");
  ASSERT_TRUE(await([this] { return rig().pool.pending() == 0; }));

  EXPECT_TRUE(outcomes().empty());
}

// --- The hooks that come with the program ---

TEST_F(Hooks, DeniedCommandsAreRefusedInAnyCaseAndOthersAreNot) {
  deny({"SHUTDOWN", "config set"});
  Client& client = connect();

  ask(client, "shutdown NOSAVE", "Config SET maxmemory 0", "CONFIG GET maxmemory");

  link_with("CONFIG GET maxmemory").send("*0\r\n");
  expect(client,
         "-NOPERM anteroom: command 'shutdown' is disabled (stage=policy executed=no)\r\n"
         "-NOPERM anteroom: command 'config set' is disabled (stage=policy executed=no)\r\n"
         "*0\r\n");
}

TEST_F(Hooks, DeniedContainerTakesItsSubcommandsAlong) {
  deny({"config"});
  Client& client = connect();

  ask(client, "CONFIG GET maxmemory", "SET config set");

  link_with("SET config set").send("+OK\r\n");
  expect(client, "-NOPERM anteroom: command 'config' is disabled (stage=policy executed=no)\r\n+OK\r\n");
}

TEST_F(Hooks, DeniedNamesThatTheTableLacksAreRefusedToo) {
  deny({"mod.write", "mod sub", "config unheardof"});
  Client& client = connect();

  ask(client, "Mod.Write k", "MOD SUB k", "CONFIG UNHEARDOF x", "MOD OTHER");

  link_with("MOD OTHER").send("+OK\r\n");
  expect(client,
         "-NOPERM anteroom: command 'mod.write' is disabled (stage=policy executed=no)\r\n"
         "-NOPERM anteroom: command 'mod sub' is disabled (stage=policy executed=no)\r\n"
         "-NOPERM anteroom: command 'config unheardof' is disabled (stage=policy executed=no)\r\n"
         "+OK\r\n");
}

TEST_F(Hooks, OneArgumentIsNoCommandWithItsSubcommand) {
  deny({"mod sub"}, DeniedAs::kHidden);
  Client& client = connect();

  send(client, "*1\r\n$7\r\nmod sub\r\n");

  link_with("mod sub").send("-ERR unknown command\r\n");
  expect(client, "-ERR unknown command\r\n");
}

TEST_F(Hooks, DeniedSubcommandTakesNoValueForASubcommand) {
  deny({"get secret"});
  Client& client = connect();

  ask(client, "GET secret");

  in_turn([this] { rig().backend.value(0, "v"); });
  expect(client, bulk("v"));
}

TEST_F(Hooks, DeniedCommandIsRefusedWhateverItsArguments) {
  deny({"config set", "debug"});
  Client& client = connect();

  ask(client, "DEBUG", "CONFIG SET");
  expect(client,
         "-NOPERM anteroom: command 'debug' is disabled (stage=policy executed=no)\r\n"
         "-NOPERM anteroom: command 'config set' is disabled (stage=policy executed=no)\r\n");
}

TEST_F(Hooks, HiddenCommandsHaveRedissWords) {
  deny({"debug", "config set", "mod sub", "acl"}, DeniedAs::kHidden);
  Client& client = connect();

  ask(client, "Debug Sleep 0", "config Set a b", "CONFIG SET", "mod sub", "ACL LIST", "ACL nonsense");

  expect(client,
         "-ERR unknown command 'Debug', with args beginning with: 'Sleep' '0' \r\n"
         "-ERR unknown subcommand 'Set'. Try CONFIG HELP.\r\n"
         "-ERR unknown subcommand 'SET'. Try CONFIG HELP.\r\n"
         "-ERR unknown subcommand 'sub'. Try MOD HELP.\r\n"
         "-ERR unknown command 'ACL', with args beginning with: 'LIST' \r\n"
         "-ERR unknown command 'ACL', with args beginning with: 'nonsense' \r\n");
}

TEST_F(Hooks, RenamedCommandDoesWhatItDidAndItsOldNameIsUnknown) {
  rename({{"SET", "Put"}, {"config", "xconfig"}});
  Client& client = connect();

  ask(client, "PUT k v", "set k v", "SET", "XConfig GET a", "config get a", "SELECT");

  link_with("config GET a").send("+OK\r\n*0\r\n");
  EXPECT_TRUE(link_with("set k v").has("set k v"));
  expect(client,
         "+OK\r\n"
         "-ERR unknown command 'set', with args beginning with: 'k' 'v' \r\n"
         "-ERR unknown command 'SET', with args beginning with: \r\n"
         "*0\r\n"
         "-ERR unknown command 'config', with args beginning with: 'get' 'a' \r\n"
         "-ERR wrong number of arguments for 'select' command\r\n");
}

TEST_F(Hooks, CommandWithoutANewNameIsGone) {
  rename({{"ping", ""}, {"mod.write", ""}, {"mod.read", "mr"}});
  Client& client = connect();

  ask(client, "PING", "Mod.Write k", "mod.read k", "MR k", "ECHO x");

  link_with("mod.read k").send("+OK\r\n");
  expect(client,
         "-ERR unknown command 'PING', with args beginning with: \r\n"
         "-ERR unknown command 'Mod.Write', with args beginning with: 'k' \r\n"
         "-ERR unknown command 'mod.read', with args beginning with: 'k' \r\n"
         "+OK\r\n" +
             bulk("x"));
}

TEST_F(Hooks, WhatIsDeniedIsSoByItsNewName) {
  rename({{"config", "xconfig"}});
  deny({"config set"});
  Client& client = connect();

  ask(client, "xconfig set a b");

  expect(client, "-NOPERM anteroom: command 'config set' is disabled (stage=policy executed=no)\r\n");
}

TEST_F(Hooks, AccessLogHasEveryNthCommandAndNeverAKeyOrAValue) {
  rig().hooks.add(make_access_log_hook(2));
  Client& client = connect();
  const std::size_t before = log_.lines().size();

  ask(client, "ECHO one", "ECHO two", "ECHO three", "SELECT secret");
  settle();

  const auto lines = log_.lines();
  ASSERT_EQ(lines.size(), before + 2);
  EXPECT_TRUE(test::contains_all(lines[before], {"event=access", "client=192.0.2.1:1234", "client_id=1", "db=0",
                                                 "command=echo", "source=local", "us="}));
  EXPECT_TRUE(test::contains_all(lines[before + 1], {"command=select", "error=ERR"}));
  for (const char* secret : {"two", "secret", "integer"}) EXPECT_FALSE(log_.has(secret)) << secret;
}

}  // namespace
}  // namespace anteroom::proxy
