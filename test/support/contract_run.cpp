#include "support/contract_run.hpp"

#include <gtest/gtest.h>

#include <set>
#include <utility>
#include <vector>

#include "command/table.hpp"
#include "support/deadline.hpp"
#include "support/words.hpp"

namespace anteroom::test {
namespace {

class PlainConversation final : public Conversation {
 public:
  explicit PlainConversation(const Address& address) : client_(address) {}
  bool send_raw(std::string_view bytes) override { return client_.send_raw(bytes); }
  Reply read() override { return client_.read(); }

 private:
  RespClient client_;
};

bool is_trouble(const Reply& reply) { return reply.type == '\0'; }

/// Such a command is asked twice, because the second answer may come from a cache.
bool is_cacheable_read(const std::vector<std::string>& arguments) {
  static const command::Table table = *command::Table::build();
  const command::Lookup found = table.find(views(arguments));
  return found.match == command::Match::kFound && found.facts->has(command::kReadonly) &&
         (found.facts->command_class == command::Class::kKeyRead ||
          found.facts->command_class == command::Class::kKeysRead ||
          found.facts->command_class == command::Class::kMultiShard);
}

}  // namespace

std::unique_ptr<Conversation> plain_conversation(const Address& address) {
  return std::make_unique<PlainConversation>(address);
}

struct ContractRun::Side {
  Conversation& connection(const std::string& name, Protocol protocol) {
    std::unique_ptr<Conversation>& found = connections[name];
    if (found != nullptr) return *found;
    found = place.open();
    if (protocol == Protocol::kResp3) {
      found->send_raw(encode({"HELLO", "3"}));
      const Reply hello = found->read();
      EXPECT_EQ(hello.type, '%') << hello;
    }
    return *found;
  }

  /// The lines as bytes; `$name` gives way to what was kept.
  [[nodiscard]] std::string encoded(const std::vector<std::string>& lines) const {
    std::string bytes;
    for (const std::string& line : lines) {
      std::vector<std::string> arguments = script_arguments(line);
      for (std::string& argument : arguments) {
        const auto found = argument.starts_with('$') ? kept.find(argument.substr(1)) : kept.end();
        if (found != kept.end()) argument = found->second;
      }
      bytes += encode(views(arguments));
    }
    return bytes;
  }

  ContractSide place;
  RespClient control;
  std::map<std::string, std::string> kept{};  ///< by @keep
  std::map<std::string, std::unique_ptr<Conversation>> connections{};
};

ContractRun::ContractRun(const ContractSide& reference, const ContractSide& tested, Protocol protocol)
    : reference_(new Side{.place = reference, .control = reference.server->connect()}),
      tested_(new Side{.place = tested, .control = tested.server->connect()}),
      protocol_(protocol) {}

ContractRun::~ContractRun() = default;

void ContractRun::run(const ContractScript& script) {
  script_name_ = script.name;
  for (const ScriptStep& step : script.steps) {
    if (step.is_for(protocol_) && !run_step(step)) return;
  }
  expect_nothing_left();
  reference_->connections.clear();
  tested_->connections.clear();
}

bool ContractRun::run_step(const ScriptStep& step) {
  switch (step.kind) {
    case ScriptStep::Kind::kAsk:
      return ask(step);
    case ScriptStep::Kind::kSend:
      return send(step);
    case ScriptStep::Kind::kRead:
      return compare_many(step);
    case ScriptStep::Kind::kKeep:
      return keep(step);
    case ScriptStep::Kind::kClosed:
      return expect_closed(step);
    case ScriptStep::Kind::kUntil:
    case ScriptStep::Kind::kBlocked:
      return wait_until(step);
    case ScriptStep::Kind::kDirect:
      say_directly(step);
      return true;
  }
  return false;
}

bool ContractRun::ask(const ScriptStep& step) {
  if (!send(step)) return false;
  for (const std::string& line : step.commands) {
    if (!compare_next(step, line)) return false;
  }
  const bool is_alone = step.commands.size() == 1;
  if (!is_alone || last_reply_ == "+QUEUED\r\n" || !is_cacheable_read(script_arguments(step.commands[0]))) return true;
  return send(step) && compare_next(step, step.commands[0] + " (again)");
}

bool ContractRun::send(const ScriptStep& step) {
  bool is_sent = true;
  for (Side* side : {reference_.get(), tested_.get()}) {
    is_sent = side->connection(step.connection, protocol_).send_raw(side->encoded(step.commands)) && is_sent;
  }
  EXPECT_TRUE(is_sent) << script_name_ << ':' << step.line << ": a connection is broken";
  return is_sent;
}

bool ContractRun::compare_next(const ScriptStep& step, std::string_view what) {
  const Reply expected = reference_->connection(step.connection, protocol_).read();
  const Reply actual = tested_->connection(step.connection, protocol_).read();
  const std::string where = script_name_ + ":" + std::to_string(step.line) + ": " + std::string(what);
  if (comparable_part(actual, step.compare) != comparable_part(expected, step.compare)) {
    ADD_FAILURE() << where << "\n  says:   " << escaped(actual.raw, 2'000)
                  << "\n  server: " << escaped(expected.raw, 2'000);
  }
  EXPECT_FALSE(is_trouble(expected)) << where << ": the server itself says " << expected;
  last_reply_ = expected.raw;
  return !is_trouble(expected) && !is_trouble(actual);
}

bool ContractRun::compare_many(const ScriptStep& step) {
  if (step.compare != Compare::kAnyOrder) {
    for (std::size_t i = 0; i < step.count; ++i) {
      if (!compare_next(step, "@read")) return false;
    }
    return true;
  }
  std::multiset<std::string> expected;
  std::multiset<std::string> actual;
  for (std::size_t i = 0; i < step.count; ++i) {
    expected.insert(escaped(reference_->connection(step.connection, protocol_).read().raw));
    actual.insert(escaped(tested_->connection(step.connection, protocol_).read().raw));
  }
  EXPECT_EQ(actual, expected) << script_name_ << ':' << step.line << ": @read";
  return actual == expected;
}

bool ContractRun::keep(const ScriptStep& step) {
  if (!send(step)) return false;
  for (Side* side : {reference_.get(), tested_.get()}) {
    const Reply reply = side->connection(step.connection, protocol_).read();
    EXPECT_FALSE(reply.is_error() || is_trouble(reply)) << script_name_ << ':' << step.line << ": " << reply;
    if (is_trouble(reply)) return false;
    side->kept[step.name] = reply.text;
  }
  return true;
}

bool ContractRun::expect_closed(const ScriptStep& step) {
  for (Side* side : {reference_.get(), tested_.get()}) {
    const Reply last = side->connection(step.connection, protocol_).read();
    EXPECT_EQ(last.raw, "<closed>") << script_name_ << ':' << step.line
                                    << (side == reference_.get() ? " (server)" : "");
    if (last.raw != "<closed>") return false;
    side->connections.erase(step.connection);
  }
  return true;
}

bool ContractRun::wait_until(const ScriptStep& step) {
  const auto is_so = [&](Side& side) {
    if (step.kind == ScriptStep::Kind::kUntil) {
      return side.control.ask(views(script_arguments(step.commands[0]))).raw == step.reply + "\r\n";
    }
    return info_field(side.control.ask("INFO", "clients").text, "blocked_clients") == std::to_string(step.count);
  };
  const bool is_reached = eventually([&] { return is_so(*reference_); }) && eventually([&] { return is_so(*tested_); });
  EXPECT_TRUE(is_reached) << script_name_ << ':' << step.line << ": never came about";
  return is_reached;
}

void ContractRun::say_directly(const ScriptStep& step) {
  for (Side* side : {reference_.get(), tested_.get()}) {
    const Reply reply = side->control.ask(views(script_arguments(step.commands[0])));
    EXPECT_FALSE(reply.is_error() || is_trouble(reply)) << script_name_ << ':' << step.line << ": " << reply;
  }
}

// QUIT is answered behind all else, so that a reply or push too many shows.
void ContractRun::expect_nothing_left() {
  for (const auto& [name, conversation] : reference_->connections) {
    const std::string quit = encode({"QUIT"});
    std::string expected;
    std::string actual;
    for (Side* side : {reference_.get(), tested_.get()}) {
      Conversation& connection = side->connection(name, protocol_);
      connection.send_raw(quit);
      std::string& bytes = side == reference_.get() ? expected : actual;
      Reply reply = connection.read();
      for (; !is_trouble(reply); reply = connection.read()) bytes += reply.raw;
      bytes += reply.raw;
    }
    EXPECT_EQ(escaped(actual), escaped(expected)) << script_name_ << ": after the end, on connection " << name;
  }
}

}  // namespace anteroom::test
